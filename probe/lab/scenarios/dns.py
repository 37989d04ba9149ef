"""What must be said where somebody lies about names?

The control is what two encrypted resolvers say; the lies are told on the way to the line's own resolver, over UDP.
"""

from probe.lab.actions import Divert, Drop, empty_answer, forged_address, nxdomain, refused, servfail
from probe.lab.path import HOME, MOBILE, WIFI, PathProfile
from probe.lab.rules import Action, AnySni, CensorRule, DnsName, ToAddress, ToPort, named
from probe.lab.scenarios.base import CLEAN, Family, Setup, Truth, scenario
from probe.lab.scenarios.censored import address_of, blocked, blocked_or_unknowable, censored, censored_site
from probe.lab.world import NOTICE_ADDRESS, Host, Role, small_internet
from probe.model.results import Mechanism
from probe.wire.packets import Protocol

ASKED = DnsName(pattern=named("mapfolk.test"))
INJECTED = (Mechanism.DNS_INJECTION, Mechanism.DNS_INJECTION_BLOCKPAGE)
LINES = (HOME, WIFI, MOBILE)
IRANIAN_ADDRESS = "10.10.34.35"
INSIDE_ADDRESS = "10.66.66.66"
DNS_PORT = 53
PROXY = Host(
    name="proxy.isp.test", address="198.18.0.54", role=Role.RESOLVER, forged=(("mapfolk.test", NOTICE_ADDRESS),)
)
ENCRYPTED_RESOLVERS = ("dns.northnet.test", "dns.southnet.test")


def _asked(profile: PathProfile, do: Action, truth: Truth) -> Setup:
    return censored_site(profile, ASKED, do, truth)


@scenario(Family.DNS, on=LINES, in_suite=True)
def dns_nxdomain(profile: PathProfile) -> Setup:
    """Questions for the name are answered: no such name. Seen in Germany and Italy (provider resolvers, on order)."""
    return _asked(profile, nxdomain(), blocked(Mechanism.DNS_NXDOMAIN))


@scenario(Family.DNS, on=LINES)
def dns_refused(profile: PathProfile) -> Setup:
    """Questions for the name are refused. Seen with Russian providers."""
    return _asked(profile, refused(), blocked(Mechanism.DNS_REFUSED))


@scenario(Family.DNS, on=LINES)
def dns_servfail(profile: PathProfile) -> Setup:
    """Questions for the name are answered with a server failure. Seen with Russian providers."""
    return _asked(profile, servfail(), blocked(Mechanism.DNS_SERVFAIL))


@scenario(Family.DNS, on=LINES)
def dns_empty_answer(profile: PathProfile) -> Setup:
    """Questions for the name are answered without an address."""
    return _asked(profile, empty_answer(), blocked(Mechanism.DNS_NO_ANSWER))


@scenario(Family.DNS, on=LINES)
def dns_timeout(profile: PathProfile) -> Setup:
    """Questions for the name are dropped."""
    return _asked(profile, Drop(), blocked(Mechanism.DNS_TIMEOUT))


@scenario(Family.DNS, on=LINES)
def dns_loopback_address(profile: PathProfile) -> Setup:
    """The answer is 127.0.0.1. Seen with provider resolvers that block on order."""
    return _asked(profile, forged_address("127.0.0.1"), blocked(Mechanism.DNS_BOGON))


@scenario(Family.DNS, on=LINES)
def dns_private_address(profile: PathProfile) -> Setup:
    """The answer is a private address of a notice server. Seen in Iran (10.10.34.34 to 36)."""
    return _asked(profile, forged_address(IRANIAN_ADDRESS), blocked(Mechanism.DNS_BOGON))


@scenario(Family.DNS, on=LINES, in_suite=True)
def dns_notice_address(profile: PathProfile) -> Setup:
    """The answer is the public address of a notice server. Seen in Indonesia and Turkey."""
    return _asked(profile, forged_address(NOTICE_ADDRESS), blocked(*INJECTED))


@scenario(Family.DNS, on=LINES)
def dns_race(profile: PathProfile) -> Setup:
    """A forged answer races the true one, which arrives second. Seen in China (Anonymous, FOCI 2014)."""
    return _asked(profile, forged_address(NOTICE_ADDRESS, truth_follows=True), blocked(*INJECTED))


@scenario(Family.DNS, on=LINES)
def dns_address_of_another_site(profile: PathProfile) -> Setup:
    """The answer is the address of an unrelated live site. Seen in China, whose forged addresses belong to others."""
    return _asked(profile, forged_address(address_of("linkhub.test")), blocked(*INJECTED))


@scenario(Family.DNS, on=LINES)
def dns_lie_with_one_encrypted_resolver_blocked(profile: PathProfile) -> Setup:
    """The name is denied, and one of the two encrypted resolvers is dropped by address."""
    rules = (
        CensorRule(when=ASKED, do=nxdomain()),
        CensorRule(when=ToAddress(addresses=(address_of("dns.northnet.test"),)), do=Drop()),
    )
    return censored(profile, "mapfolk", rules, blocked(Mechanism.DNS_NXDOMAIN))


@scenario(Family.DNS, on=LINES)
def dns_lie_with_every_encrypted_resolver_blocked(profile: PathProfile) -> Setup:
    """The name is denied, and both encrypted resolvers are dropped: nobody is left who knows an address."""
    rules = (CensorRule(when=ASKED, do=nxdomain()), _no_encrypted_resolvers())
    truth = blocked_or_unknowable(Mechanism.DNS_NXDOMAIN)
    return censored(profile, "mapfolk", rules, truth)


@scenario(Family.DNS, on=LINES)
def encrypted_resolvers_blocked(profile: PathProfile) -> Setup:
    """Both encrypted resolvers are dropped by address, and nothing else: the sites themselves are untouched."""
    return censored(profile, "mapfolk", _no_encrypted_resolvers(), CLEAN)


@scenario(Family.DNS, on=LINES)
def encrypted_resolvers_blocked_by_name(profile: PathProfile) -> Setup:
    """TLS connections with the names of both encrypted resolvers are dropped, and nothing else. Seen in Russia."""
    rule = CensorRule(when=AnySni(patterns=tuple(map(named, ENCRYPTED_RESOLVERS))), do=Drop())
    return censored(profile, "mapfolk", rule, CLEAN)


@scenario(Family.DNS, on=LINES)
def dns_proxy_that_lies(profile: PathProfile) -> Setup:
    """Every question goes to the operator's own resolver, which lies about one name. Seen with many providers."""
    rule = CensorRule(when=ToPort(port=DNS_PORT, protocol=Protocol.UDP), do=Divert(to=PROXY.address))
    truth = blocked(*INJECTED, Mechanism.DNS_INTERCEPTION)
    return censored(profile, "mapfolk", rule, truth, world=small_internet().with_others(PROXY))


@scenario(Family.DNS, on=LINES)
def dns_resolver_that_lies(profile: PathProfile) -> Setup:
    """The provider's own resolver gives the address of a notice server; nobody forges on the path. Seen in Germany."""
    return _resolver_lies(profile, ("mapfolk.test", NOTICE_ADDRESS))


@scenario(Family.DNS, on=LINES)
def dns_resolver_that_lies_about_every_name_below(profile: PathProfile) -> Setup:
    """The provider's own resolver gives another site's address for the name and every name below it."""
    other = address_of("linkhub.test")
    return _resolver_lies(profile, ("mapfolk.test", other), ("*.mapfolk.test", other))


@scenario(Family.DNS, on=LINES)
def dns_resolver_that_lies_within_the_network(profile: PathProfile) -> Setup:
    """The provider's own resolver gives a private address of its network for the name and all below it."""
    return _resolver_lies(profile, ("mapfolk.test", INSIDE_ADDRESS), ("*.mapfolk.test", INSIDE_ADDRESS))


def _resolver_lies(profile: PathProfile, *forged: tuple[str, str]) -> Setup:
    world = small_internet().changed("resolver.isp.test", forged=forged)
    return censored(profile, "mapfolk", (), blocked(*INJECTED, Mechanism.DNS_BOGON), world=world)


@scenario(Family.DNS, on=LINES)
def dns_answer_from_another_address(profile: PathProfile) -> Setup:
    """Questions for the name are answered by a resolver that was not asked. Seen with Russian providers."""
    rule = CensorRule(when=ASKED, do=Divert(to=PROXY.address, answers_as_asked=False))
    truth = blocked(Mechanism.DNS_INTERCEPTION, Mechanism.DNS_TIMEOUT)
    return censored(profile, "mapfolk", rule, truth, world=small_internet().with_others(PROXY))


def _no_encrypted_resolvers() -> CensorRule:
    addresses = tuple(address_of(name) for name in ENCRYPTED_RESOLVERS)
    return CensorRule(when=ToAddress(addresses=addresses), do=Drop())
