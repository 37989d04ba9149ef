"""What must be said where resolvers are slow, dead, inventive or told to filter, and nobody on the network lies?

A resolver that filters because the people who use it ask for that is the household's own doing, not the network's.
"""

from dataclasses import replace

from probe.lab.manners import CertificateKind, Listed, Manners
from probe.lab.path import HOME, MOBILE, PathProfile
from probe.lab.scenarios.base import CLEAN, Family, Setup, scenario
from probe.lab.scenarios.honest import NAMELESS, UNKNOWABLE, UNKNOWABLE_OR_OK, clean, platform, setup
from probe.lab.world import NOTICE_ADDRESS, Host, Role, World, small_internet

HOME_RESOLVER_ADDRESS = "192.168.78.53"
PRIVATE_ADDRESS = "192.168.78.10"
RESOLVER = "resolver.isp.test"


def nameless() -> Host:
    return Host(name="nameless.test", address="198.18.142.1", role=Role.WEB, listed=Listed.NOWHERE)


def with_resolver(manners: Manners, **changes: object) -> World:
    return small_internet().changed(RESOLVER, manners=manners, **changes)


@scenario(Family.RESOLVERS, on=(HOME, MOBILE), in_suite=True)
def dead_name(profile: PathProfile) -> Setup:
    """No resolver knows the name any more."""
    return setup(profile, [(platform("nameless", nameless()), NAMELESS)], beside=clean("gazette"))


@scenario(Family.RESOLVERS, in_suite=True)
def resolver_that_invents_addresses(profile: PathProfile) -> Setup:
    """The resolver sends every name that does not exist to an advertiser's page."""
    world = with_resolver(Manners(invents=NOTICE_ADDRESS))
    return setup(profile, [(platform("nameless", nameless()), NAMELESS)], beside=clean("gazette"), world=world)


@scenario(Family.RESOLVERS, on=(HOME, MOBILE))
def slow_resolver(profile: PathProfile) -> Setup:
    """The resolver takes two seconds for every answer."""
    return setup(profile, beside=clean("gazette"), world=with_resolver(Manners(first_byte_seconds=2.0)))


@scenario(Family.RESOLVERS)
def very_slow_resolver(profile: PathProfile) -> Setup:
    """The resolver takes seven seconds for every answer, longer than programs wait."""
    world = with_resolver(Manners(first_byte_seconds=7.0))
    return setup(profile, beside=dict.fromkeys(("gazette",), UNKNOWABLE_OR_OK), world=world)


@scenario(Family.RESOLVERS, in_suite=True)
def both_encrypted_resolvers_dead(profile: PathProfile) -> Setup:
    """No control resolver answers; the addresses of this line's own resolver are proved by handshakes instead."""
    world = small_internet()
    for operator in world.operators:
        world = world.changed(operator.resolver.name, dead=True)
    return setup(profile, beside=clean("gazette", "mapfolk"), world=world)


@scenario(Family.RESOLVERS)
def own_resolver_dead(profile: PathProfile) -> Setup:
    """The provider's resolver is down for every name."""
    truths = dict.fromkeys(("gazette", "mapfolk"), UNKNOWABLE_OR_OK)
    return setup(profile, beside=truths, world=small_internet().changed(RESOLVER, dead=True))


@scenario(Family.RESOLVERS)
def encrypted_resolvers_that_hang_up(profile: PathProfile) -> Setup:
    """Control resolvers close every idle connection at once, so that a second question meets a closed one."""
    world = small_internet()
    for operator in world.operators:
        world = world.changed(operator.resolver.name, manners=Manners(idle_seconds=0.05))
    return setup(profile, beside=clean("gazette"), world=world)


@scenario(Family.RESOLVERS, in_suite=True)
def filter_at_home(profile: PathProfile) -> Setup:
    """A filter in the house answers 0.0.0.0 for one site, because somebody there wants it so."""
    world = with_resolver(Manners(filters=("mapfolk.test",)), address=HOME_RESOLVER_ADDRESS)
    return setup(profile, beside={**clean("gazette"), "mapfolk": UNKNOWABLE}, world=world)


@scenario(Family.RESOLVERS)
def public_resolver_that_filters(profile: PathProfile) -> Setup:
    """The household chose a public resolver that protects families and answers 0.0.0.0 for some sites.

    From one place it looks like a provider's resolver that lies: only who runs it differs.
    """
    world = with_resolver(Manners(filters=("mapfolk.test",)))
    return setup(profile, beside={**clean("gazette"), "mapfolk": UNKNOWABLE}, world=world)


@scenario(Family.RESOLVERS)
def router_that_hides_private_addresses(profile: PathProfile) -> Setup:
    """A name of the house's own leads to a private address; the router's resolver strips it, against DNS rebinding."""
    inside = Host(name="inside.test", address=PRIVATE_ADDRESS, role=Role.WEB)
    world = with_resolver(Manners(hides_private=True), address=HOME_RESOLVER_ADDRESS)
    return setup(profile, [(platform("inside", inside), UNKNOWABLE_OR_OK)], beside=clean("gazette"), world=world)


@scenario(Family.RESOLVERS)
def resolver_that_denies_ipv6(profile: PathProfile) -> Setup:
    """NXDOMAIN to every question for an IPv6 address, of names that have an IPv4 one (RFC 4074)."""
    return setup(profile, beside=clean("gazette", "mapfolk"), world=with_resolver(Manners(denies_ipv6=True)))


@scenario(Family.RESOLVERS)
def stale_answer(profile: PathProfile) -> Setup:
    """The site moved; this line's resolver still gives the old address, where nobody is any more."""
    old = Host(name="moved.test", address="198.18.133.1", role=Role.WEB, listed=Listed.BY_ISP, dead=True)
    new = replace(old, address="198.18.133.2", listed=Listed.BY_CONTROLS, dead=False)
    return setup(profile, [(platform("moved", old, new), UNKNOWABLE_OR_OK)], beside=clean("gazette"))


@scenario(Family.RESOLVERS)
def stale_answer_now_somebody_elses(profile: PathProfile) -> Setup:
    """The site moved; at the old address, which this line's resolver still gives, another site lives now."""
    old = Host(name="moved.test", address="198.18.133.1", role=Role.WEB, listed=Listed.BY_ISP)
    other = replace(old, manners=Manners(certificate=CertificateKind.OTHER_NAME))
    new = replace(old, address="198.18.133.2", listed=Listed.BY_CONTROLS)
    return setup(profile, [(platform("moved", other, new), UNKNOWABLE_OR_OK)], beside=clean("gazette"))


@scenario(Family.RESOLVERS)
def provider_keeps_a_private_copy(profile: PathProfile) -> Setup:
    """The provider runs the delivery network's cache itself, at a private address that only its resolver gives."""
    cache = Host(name="cached.test", address=PRIVATE_ADDRESS, role=Role.WEB, listed=Listed.BY_ISP)
    outside = replace(cache, address="198.18.134.2", listed=Listed.BY_CONTROLS)
    return setup(profile, [(platform("cached", cache, outside), UNKNOWABLE_OR_OK)], beside={"gazette": CLEAN})
