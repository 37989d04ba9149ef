"""What must be said where it is the home or its machine that is odd: a portal, a wrong clock, a proxy that tells the
truth?

None of it may be taken for interference with a target.
"""

from probe.lab.actions import Divert, Reset, forged_address, redirect
from probe.lab.manners import CertificateKind, Manners
from probe.lab.path import HOME, MOBILE, PathProfile
from probe.lab.rules import CensorRule, DnsName, HttpHost, NamePattern, NameTest, Sni, ToPort
from probe.lab.scenarios.base import Family, Setup, scenario
from probe.lab.scenarios.honest import UNKNOWABLE, UNKNOWABLE_OR_OK, clean, setup
from probe.lab.world import NOTICE_ADDRESS, NOTICE_NAME, Host, Role, World, small_internet
from probe.model.results import NetworkState
from probe.wire.packets import Protocol

PROXY_ADDRESS = "198.18.0.54"
ANYBODY = NamePattern(text="", test=NameTest.SUBSTRING)


@scenario(Family.VANTAGE, on=(HOME, MOBILE), in_suite=True)
def captive_portal(profile: PathProfile) -> Setup:
    """A hotel's portal sends every http:// request to its login page and resets every TLS handshake."""
    portal = (
        CensorRule(when=HttpHost(pattern=ANYBODY), do=redirect(f"http://{NOTICE_NAME}/login")),
        CensorRule(when=Sni(pattern=ANYBODY), do=Reset()),
    )
    truths = dict.fromkeys(("gazette", "linkhub"), UNKNOWABLE)
    return setup(profile, beside=truths, rules=portal, network=NetworkState.CAPTIVE_PORTAL)


@scenario(Family.VANTAGE)
def captive_portal_by_dns(profile: PathProfile) -> Setup:
    """A portal that answers its own address for every name, and its page to every request there."""
    portal = CensorRule(when=DnsName(pattern=ANYBODY), do=forged_address(NOTICE_ADDRESS))
    rules = (portal, CensorRule(when=Sni(pattern=ANYBODY), do=Reset()))
    return setup(profile, beside={"gazette": UNKNOWABLE}, rules=rules, network=NetworkState.CAPTIVE_PORTAL)


@scenario(Family.VANTAGE)
def clock_wrong(profile: PathProfile) -> Setup:
    """The clock of the machine is wrong by more than any certificate has lived: none is valid yet."""
    world = small_internet()
    for host in world.hosts:
        world = world.changed(host.name, manners=Manners(certificate=CertificateKind.NOT_YET_VALID))
    return setup(profile, beside={"gazette": UNKNOWABLE}, world=world, network=NetworkState.CONTROLS_FAILING)


@scenario(Family.VANTAGE)
def clock_a_day_slow(profile: PathProfile) -> Setup:
    """The clock is a day slow; one operator of controls and one target renewed their certificates since."""
    world = small_internet()
    fresh = Manners(certificate=CertificateKind.NOT_YET_VALID)
    for name in ("www.southnet.test", "speed.southnet.test", "dns.southnet.test", "mapfolk.test"):
        world = world.changed(name, manners=fresh)
    return setup(profile, beside={**clean("gazette"), "mapfolk": UNKNOWABLE}, world=world)


def with_dns_proxy() -> World:
    return small_internet().with_others(Host(name="proxy.isp.test", address=PROXY_ADDRESS, role=Role.RESOLVER))


@scenario(Family.VANTAGE, in_suite=True)
def dns_proxy_that_tells_the_truth(profile: PathProfile) -> Setup:
    """The home router answers every DNS question itself, in the name of whoever was asked, and truly."""
    rule = CensorRule(when=ToPort(port=53, protocol=Protocol.UDP), do=Divert(to=PROXY_ADDRESS))
    return setup(profile, beside=clean("gazette", "mapfolk"), rules=(rule,), world=with_dns_proxy())


@scenario(Family.VANTAGE)
def dns_proxy_that_answers_from_its_own_address(profile: PathProfile) -> Setup:
    """The same, but clumsily: the true answer comes from an address that was not asked, and programs may ignore it."""
    rule = CensorRule(when=ToPort(port=53, protocol=Protocol.UDP), do=Divert(to=PROXY_ADDRESS, answers_as_asked=False))
    truths = dict.fromkeys(("gazette", "mapfolk"), UNKNOWABLE_OR_OK)
    return setup(profile, beside=truths, rules=(rule,), world=with_dns_proxy())
