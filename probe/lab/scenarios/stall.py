"""What must be said where a connection freezes after some bytes or packets?

A freeze is `throttled` where the same host still delivers a smaller object, else `blocked` (design §3).
"""

from probe.lab.actions import Freeze, FreezeAfterPackets
from probe.lab.path import HOME, MOBILE, SATELLITE, WIFI, PathProfile
from probe.lab.rules import CensorRule, Direction, ToAddress
from probe.lab.scenarios.base import Family, Setup, Truth, scenario
from probe.lab.scenarios.censored import BOTH, DOWN, UP, address_of, by_name, censored
from probe.model.results import Mechanism, Method, State

LINES = (HOME, WIFI, MOBILE, SATELLITE)
SLOWED_OR_STOPPED = (State.THROTTLED, State.BLOCKED)


def stalled(
    direction: tuple[Direction, ...],
    after_bytes: int | None,
    *,
    mechanism: Mechanism = Mechanism.TLS_STALL_SNI,
    states: tuple[State, ...] = SLOWED_OR_STOPPED,
) -> Truth:
    return Truth(
        states=states,
        interfered=True,
        mechanisms=(mechanism,),
        directions=direction,
        methods=(Method.STALLED,),
        stall_after_bytes=after_bytes,
    )


def _frozen(profile: PathProfile, after_bytes: int) -> Setup:
    rule = by_name("birdnet", Freeze(after_bytes=after_bytes))
    return censored(profile, "birdnet", rule, stalled(DOWN, after_bytes))


@scenario(Family.STALL, on=LINES, in_suite=True)
def frozen_after_16k(profile: PathProfile) -> Setup:
    """Connections with the name freeze after 16 KB. Seen in Russia from June 2025 on (net4people/bbs #490)."""
    return _frozen(profile, 16_384)


@scenario(Family.STALL, on=LINES)
def frozen_after_24k(profile: PathProfile) -> Setup:
    """Connections with the name freeze after 24 KB, within the band that one home line saw in 2026."""
    return _frozen(profile, 24_000)


@scenario(Family.STALL, on=LINES)
def frozen_after_40k(profile: PathProfile) -> Setup:
    """Connections with the name freeze after 40 KB."""
    return _frozen(profile, 40_000)


@scenario(Family.STALL, on=LINES)
def frozen_upload(profile: PathProfile) -> Setup:
    """Uploads with the name freeze after 20 KB."""
    rule = by_name("birdnet", Freeze(after_bytes=20_000, direction=Direction.UP))
    return censored(profile, "birdnet", rule, stalled(UP, 20_000))


@scenario(Family.STALL, on=LINES, in_suite=True)
def frozen_by_address(profile: PathProfile) -> Setup:
    """Connections to the media's address freeze after 20 KB whatever the name, as those to foreign hosters do."""
    rule = CensorRule(when=ToAddress(addresses=(address_of("media.birdnet.test"),)), do=Freeze(after_bytes=20_000))
    states = (State.THROTTLED, State.BLOCKED, State.INCONCLUSIVE)
    return censored(profile, "birdnet", rule, stalled(DOWN, 20_000, mechanism=Mechanism.IP_STALL, states=states))


@scenario(Family.STALL, on=LINES)
def frozen_after_25_packets(profile: PathProfile) -> Setup:
    """Connections with the name freeze after 25 packets of both directions. Seen in Russia in 2025 and 2026."""
    rule = by_name("birdnet", FreezeAfterPackets(packets=25))
    return censored(profile, "birdnet", rule, stalled(BOTH, None))


@scenario(Family.STALL, on=LINES)
def frozen_by_address_after_25_packets(profile: PathProfile) -> Setup:
    """Connections to the media's address freeze after 25 packets whatever the name: so hardly a page comes through."""
    rule = CensorRule(when=ToAddress(addresses=(address_of("media.birdnet.test"),)), do=FreezeAfterPackets(packets=25))
    states = (State.THROTTLED, State.BLOCKED, State.INCONCLUSIVE)
    return censored(profile, "birdnet", rule, stalled(DOWN, None, mechanism=Mechanism.IP_STALL, states=states))
