"""What must be said of healthy targets where it is the controls that are dead, slow, strict or blocked?

A control that disagrees with the others is left out and named; taking controls away never yields an accusation.
"""

from probe.lab.actions import Drop, Reset
from probe.lab.manners import CertificateKind, Manners, Unknown
from probe.lab.path import HOME, WIFI, PathProfile
from probe.lab.rules import CensorRule, Everything, Sni, ToAddress, named
from probe.lab.scenarios.base import CLEAN_BUT_HARD, Family, Setup, scenario
from probe.lab.scenarios.honest import UNKNOWABLE, clean, media, setup, sites, with_controls
from probe.lab.world import Role, World, small_internet
from probe.model.results import NetworkState

SLOW_BPS = 100e3
STRICT = Manners(unknown_names=Unknown.REFUSE)
ODD = {
    "resetsall": Manners(own_name=Unknown.RESET, unknown_names=Unknown.RESET),
    "othername": Manners(certificate=CertificateKind.OTHER_NAME),
}
DEAD_DOORS = {"resetsown": Manners(own_name=Unknown.RESET), "ignoresown": Manners(own_name=Unknown.IGNORE)}


def without(operator: str) -> World:
    """The small internet with all of one operator's controls dead."""
    world = small_internet()
    for name in ("www", "dns", "speed"):
        world = world.changed(f"{name}.{operator}.test", dead=True)
    return world


@scenario(Family.CONTROLS, on=(HOME, WIFI))
def half_of_the_controls_down(profile: PathProfile) -> Setup:
    """One of two operators of controls is gone: site, resolver and media."""
    truths = {"birdnet": CLEAN_BUT_HARD if profile is WIFI else clean("birdnet")["birdnet"], **clean("gazette")}
    return setup(profile, beside=truths, world=without("southnet"))


@scenario(Family.CONTROLS, in_suite=True)
def controls_that_reset_foreign_names(profile: PathProfile) -> Setup:
    """Controls reset every name but their own, so they are no witness for a target's name."""
    world = with_controls(small_internet(), Manners(unknown_names=Unknown.RESET))
    found = [*sites(ODD | DEAD_DOORS, UNKNOWABLE), (media("strict", 8, STRICT), clean("strict")["strict"])]
    return setup(profile, found, beside=clean("photogram"), world=world)


@scenario(Family.CONTROLS)
def controls_that_ignore_foreign_names(profile: PathProfile) -> Setup:
    """Controls never answer a name or a Host but their own."""
    ignoring = Manners(unknown_names=Unknown.IGNORE, unknown_hosts=Unknown.IGNORE)
    world = with_controls(small_internet(), ignoring)
    hangs = Manners(own_host=Unknown.IGNORE, unknown_hosts=Unknown.SERVE)
    found = [*sites(ODD | DEAD_DOORS, UNKNOWABLE), *sites({"hangshost": hangs}, UNKNOWABLE, role=Role.NEWS, first=8)]
    return setup(profile, found, beside=clean("gazette"), world=world)


@scenario(Family.CONTROLS)
def slow_control_beside_a_good_one(profile: PathProfile) -> Setup:
    """One operator's media come at 100 kbit/s; the target takes no neutral names, so a control is needed."""
    world = small_internet().changed("speed.northnet.test", pacing_bps=SLOW_BPS)
    return setup(profile, [(media("strict", 0, STRICT), clean("strict")["strict"])], world=world)


@scenario(Family.CONTROLS)
def dead_control_medium_beside_a_good_one(profile: PathProfile) -> Setup:
    """One operator's media server is dead, the other operator's is not."""
    world = small_internet().changed("speed.northnet.test", dead=True)
    return setup(profile, [(media("strict", 0, STRICT), clean("strict")["strict"])], world=world)


@scenario(Family.CONTROLS)
def gone_control_medium_beside_a_good_one(profile: PathProfile) -> Setup:
    """One operator's media are 404 now, the other operator's are not."""
    world = small_internet().changed("speed.northnet.test", manners=Manners(status=404))
    return setup(profile, [(media("strict", 0, STRICT), clean("strict")["strict"])], world=world)


@scenario(Family.CONTROLS, in_suite=True)
def blocked_control(profile: PathProfile) -> Setup:
    """The censor resets one control's name and nobody else's."""
    rule = CensorRule(when=Sni(pattern=named("www.northnet.test")), do=Reset())
    return setup(profile, beside=clean("linkhub", "gazette"), rules=(rule,))


@scenario(Family.CONTROLS)
def blocked_control_and_a_broken_site(profile: PathProfile) -> Setup:
    """The censor resets one control's name, and a site that resets everybody is compared with what is left."""
    rule = CensorRule(when=Sni(pattern=named("www.northnet.test")), do=Reset())
    return setup(profile, sites(ODD, UNKNOWABLE), beside=clean("gazette"), rules=(rule,))


@scenario(Family.CONTROLS)
def control_dropped_by_address(profile: PathProfile) -> Setup:
    """The censor drops all packets of one operator's controls."""
    world = small_internet()
    addresses = tuple(h.address for o in world.operators[:1] for h in (o.site, o.media, o.resolver))
    rule = CensorRule(when=ToAddress(addresses=addresses), do=Drop())
    return setup(profile, beside=clean("birdnet", "gazette"), rules=(rule,), world=world)


@scenario(Family.CONTROLS)
def no_network(profile: PathProfile) -> Setup:
    """Nothing at all answers."""
    rule = CensorRule(when=Everything(), do=Drop())
    truths = dict.fromkeys(("birdnet", "gazette"), UNKNOWABLE)
    return setup(profile, beside=truths, rules=(rule,), network=NetworkState.NO_NETWORK)


@scenario(Family.CONTROLS)
def every_control_down(profile: PathProfile) -> Setup:
    """All controls are gone, the line and its resolver work: nothing can be compared with anything."""
    world = without("southnet")
    for name in ("www", "dns", "speed"):
        world = world.changed(f"{name}.northnet.test", dead=True)
    truths = dict.fromkeys(("birdnet", "gazette"), UNKNOWABLE)
    return setup(profile, beside=truths, world=world, network=NetworkState.NO_NETWORK)
