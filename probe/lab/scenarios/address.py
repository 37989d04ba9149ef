"""What must be said where packets to an address are dropped, reset or answered with an error?

From one place a dead server and a dropped address look alike (design §3, 7): undecided is right where nothing more
than silence was seen.
"""

from dataclasses import replace

from probe.lab.actions import Drop, Reset, Unreachable
from probe.lab.path import HOME, MOBILE, WIFI, PathProfile
from probe.lab.rules import Action, CensorRule, Not, ToAddress
from probe.lab.scenarios.base import Family, Setup, Truth, scenario
from probe.lab.scenarios.censored import (
    BYSTANDER,
    address_of,
    blocked,
    blocked_or_unknowable,
    censored,
    censored_site,
)
from probe.lab.world import small_internet
from probe.model.results import Mechanism, State

LINES = (HOME, WIFI, MOBILE)
HTTPS_PORT = 443
ICMP_CODE_HOST = 1


def _address(profile: PathProfile, do: Action, truth: Truth, *, port: int | None = None) -> Setup:
    return censored_site(profile, ToAddress(addresses=(address_of("mapfolk.test"),), port=port), do, truth)


def _dropped_at(profile: PathProfile, hop: int) -> Setup:
    profile = replace(profile, censor_hop=hop)
    return _address(profile, Drop(), blocked_or_unknowable(Mechanism.TCP_TIMEOUT, hop=hop))


@scenario(Family.ADDRESS, on=LINES, in_suite=True)
def address_dropped(profile: PathProfile) -> Setup:
    """Packets to the site's address are dropped in the middle of the path. Seen in many countries."""
    return _dropped_at(profile, profile.censor_hop)


@scenario(Family.ADDRESS, on=LINES)
def address_dropped_at_first_hop(profile: PathProfile) -> Setup:
    """Packets to the site's address are dropped right behind the home router."""
    return _dropped_at(profile, 1)


@scenario(Family.ADDRESS, on=LINES)
def address_dropped_at_last_hop(profile: PathProfile) -> Setup:
    """Packets to the site's address are dropped behind the last router: even hops cannot tell it from a dead server."""
    profile = replace(profile, censor_hop=profile.routers)
    truth = Truth(states=(State.INCONCLUSIVE, State.BLOCKED), interfered=True, mechanisms=(Mechanism.TCP_TIMEOUT,))
    return _address(profile, Drop(), truth)


@scenario(Family.ADDRESS, on=LINES)
def address_dropped_on_https_port(profile: PathProfile) -> Setup:
    """Packets to port 443 of the site's address are dropped, port 80 answers."""
    return _address(profile, Drop(), blocked_or_unknowable(Mechanism.TCP_TIMEOUT), port=HTTPS_PORT)


@scenario(Family.ADDRESS, on=LINES, in_suite=True)
def address_reset(profile: PathProfile) -> Setup:
    """Every connection to the site's address is answered by a forged RST: it looks like a refusal."""
    mechanisms = (Mechanism.TCP_RESET, Mechanism.TCP_REFUSED)
    return _address(profile, Reset(), blocked_or_unknowable(*mechanisms, hop=profile.censor_hop))


@scenario(Family.ADDRESS, on=LINES)
def address_prohibited(profile: PathProfile) -> Setup:
    """A router answers for the site's address: administratively prohibited. Seen where a block is an access list."""
    return _address(profile, Unreachable(), blocked(Mechanism.IP_UNREACHABLE))


@scenario(Family.ADDRESS, on=LINES)
def address_null_routed(profile: PathProfile) -> Setup:
    """A router answers for the site's only address: host unreachable, as a server's own last router might."""
    return _address(profile, Unreachable(code=ICMP_CODE_HOST), blocked_or_unknowable(Mechanism.IP_UNREACHABLE))


@scenario(Family.ADDRESS, on=LINES)
def media_address_dropped(profile: PathProfile) -> Setup:
    """Packets to the address of a platform's media are dropped, the platform's own site works."""
    rule = CensorRule(when=ToAddress(addresses=(address_of("media.birdnet.test"),)), do=Drop())
    return censored(profile, "birdnet", rule, blocked_or_unknowable(Mechanism.TCP_TIMEOUT, hop=profile.censor_hop))


@scenario(Family.ADDRESS, on=LINES)
def address_white_list(profile: PathProfile) -> Setup:
    """Nothing passes but listed addresses, which the controls and the bystander are. Seen on Russian mobile lines."""
    world = small_internet().only(BYSTANDER)
    rule = CensorRule(when=Not(matcher=ToAddress(addresses=tuple(h.address for h in world.hosts))), do=Drop())
    return censored(profile, "mapfolk", rule, blocked_or_unknowable(Mechanism.TCP_TIMEOUT, hop=profile.censor_hop))
