"""What must be said where a platform's traffic is slowed by name or by address?

Rates are those of whole IP packets at the censor. The hop is not asked: a kernel that is asked to send a ClientHello
with a short TTL sends it again with a long one, so an ordinary program cannot place a policer.
"""

from dataclasses import replace

from probe.lab.actions import Lose, LosePureAcks, Police, Shape
from probe.lab.path import BUFFERBLOAT, DSL, HOME, MOBILE, SATELLITE, WIFI, PathProfile
from probe.lab.rules import CensorRule, Direction, ToAddress
from probe.lab.scenarios.base import Family, Setup, Truth, scenario
from probe.lab.scenarios.censored import BOTH, DOWN, FAST, HOMES, UP, address_of, by_name, censored, throttled
from probe.lab.world import small_internet
from probe.model.results import Mechanism, Method, State

TWITTER_BPS = 140e3  # Russia, March 2021: 130-150 kbit/s (Xue et al., IMC 2021)
SHAPED_BPS = 300e3
FINDABLE = (State.THROTTLED,)
PERHAPS = (State.THROTTLED, State.INCONCLUSIVE)
HARD = (State.THROTTLED, State.INCONCLUSIVE, State.OK)  # more than 4 MB on this line can show, or near it
DEFAULT_BURST_BYTES = 16_000


def _policed(
    profile: PathProfile,
    rate_bps: float,
    directions: tuple[Direction, ...],
    *,
    burst_bytes: int = DEFAULT_BURST_BYTES,
    target: str = "birdnet",
    states: tuple[State, ...] = FINDABLE,
    congestion: str = "cubic",
    shared: bool = False,
) -> Setup:
    do = Police(rate_bps=rate_bps, burst_bytes=burst_bytes, directions=directions)
    truth = throttled(Method.POLICED, directions, limit_bps=rate_bps, states=states)
    world = small_internet(congestion=congestion)
    return censored(profile, target, by_name(target, do, shared=shared), truth, world=world)


def _shaped(profile: PathProfile, rate_bps: float, directions: tuple[Direction, ...]) -> Setup:
    truth = throttled(Method.SHAPED, directions, limit_bps=rate_bps)
    return censored(profile, "birdnet", by_name("birdnet", Shape(rate_bps=rate_bps, directions=directions)), truth)


@scenario(Family.THROTTLING, on=(*FAST, BUFFERBLOAT))
def policed_both_ways(profile: PathProfile) -> Setup:
    """Both directions are policed at 140 kbit/s by name, as Twitter was in Russia in March 2021."""
    return _policed(profile, TWITTER_BPS, BOTH)


@scenario(Family.THROTTLING, on=HOMES, in_suite=True)
def policed_download(profile: PathProfile) -> Setup:
    """Downloads are policed at 140 kbit/s by name."""
    return _policed(profile, TWITTER_BPS, DOWN)


@scenario(Family.THROTTLING, on=FAST, in_suite=True)
def policed_upload(profile: PathProfile) -> Setup:
    """Uploads are policed at 140 kbit/s by name."""
    return _policed(profile, TWITTER_BPS, UP)


@scenario(Family.THROTTLING, on=HOMES)
def policed_to_64k(profile: PathProfile) -> Setup:
    """Downloads are policed at 64 kbit/s by name, a rate that mobile operators use after a quota."""
    return _policed(profile, 64e3, DOWN)


@scenario(Family.THROTTLING, on=HOMES)
def policed_to_a_fourteenth(profile: PathProfile) -> Setup:
    """Downloads are policed at 7 % of the line by name."""
    return _policed(profile, 0.07 * profile.down_bps, DOWN)


@scenario(Family.THROTTLING, on=(HOME, DSL))
def policed_to_a_tenth(profile: PathProfile) -> Setup:
    """Downloads are policed at a tenth of the line by name."""
    return _policed(profile, 0.1 * profile.down_bps, DOWN)


@scenario(Family.THROTTLING, on=(HOME, DSL))
def policed_upload_to_a_tenth(profile: PathProfile) -> Setup:
    """Uploads are policed at a tenth of the line by name."""
    return _policed(profile, 0.1 * profile.up_bps, UP)


@scenario(Family.THROTTLING, on=(HOME,))
def policed_to_a_quarter(profile: PathProfile) -> Setup:
    """Downloads are policed at a quarter of the line by name, after a burst of 60 KB."""
    return _policed(profile, 0.25 * profile.down_bps, DOWN, burst_bytes=60_000)


@scenario(Family.THROTTLING, on=(HOME, WIFI, MOBILE))
def policed_to_half(profile: PathProfile) -> Setup:
    """Downloads are policed at half of the line by name: more than most transfers can show."""
    return _policed(profile, 0.5 * profile.down_bps, DOWN, states=HARD)


@scenario(Family.THROTTLING, on=(HOME, WIFI, MOBILE))
def policed_with_a_small_burst(profile: PathProfile) -> Setup:
    """Downloads are policed at 140 kbit/s by name after a burst of only 8 KB."""
    return _policed(profile, TWITTER_BPS, DOWN, burst_bytes=8_000)


@scenario(Family.THROTTLING, on=(HOME, MOBILE))
def policed_with_a_burst_of_64k(profile: PathProfile) -> Setup:
    """Downloads are policed at 140 kbit/s by name after a burst of 64 KB."""
    return _policed(profile, TWITTER_BPS, DOWN, burst_bytes=64_000)


@scenario(Family.THROTTLING, on=(HOME, MOBILE))
def policed_with_a_large_burst(profile: PathProfile) -> Setup:
    """Downloads are policed at 140 kbit/s by name after a burst of 256 KB: as much as one transfer carries."""
    return _policed(profile, TWITTER_BPS, DOWN, burst_bytes=256_000, states=HARD)


@scenario(Family.THROTTLING, on=(HOME, WIFI))
def policed_per_subscriber(profile: PathProfile) -> Setup:
    """All flows of the subscriber to the platform share one bucket of 140 kbit/s."""
    return _policed(profile, TWITTER_BPS, DOWN, shared=True)


@scenario(Family.THROTTLING, on=(HOME, WIFI, MOBILE))
def policed_bbr_origin(profile: PathProfile) -> Setup:
    """Downloads are policed at 140 kbit/s by name, and the origin uses BBR, which does not yield to losses."""
    return _policed(profile, TWITTER_BPS, DOWN, congestion="bbr")


@scenario(Family.THROTTLING, on=(HOME, WIFI))
def policed_far_target(profile: PathProfile) -> Setup:
    """Downloads of a platform 140 ms farther away than the controls are policed at 140 kbit/s by name."""
    return _policed(profile, TWITTER_BPS, DOWN, target="vidtube")


@scenario(Family.THROTTLING, on=(HOME, WIFI, MOBILE))
def policed_strict_target(profile: PathProfile) -> Setup:
    """Policed by name, and the platform refuses neutral names: the name is tried at a control's address."""
    return _policed(profile, TWITTER_BPS, DOWN, target="photogram")


@scenario(Family.THROTTLING, on=(HOME, WIFI))
def policed_strict_everywhere(profile: PathProfile) -> Setup:
    """Policed by name, and nobody takes a name that is not its own: only the policer's signature is left."""
    do = Police(rate_bps=TWITTER_BPS, directions=DOWN)
    truth = Truth(states=PERHAPS, interfered=True, directions=DOWN, methods=(Method.POLICED,), limit_bps=TWITTER_BPS)
    world = small_internet(everyone_strict=True)
    return censored(profile, "photogram", by_name("photogram", do), truth, world=world)


@scenario(Family.THROTTLING, on=(HOME, WIFI))
def policed_at_first_hop(profile: PathProfile) -> Setup:
    """Downloads are policed at 140 kbit/s by name, right behind the home router."""
    return _policed(replace(profile, censor_hop=1), TWITTER_BPS, DOWN)


@scenario(Family.THROTTLING, on=(HOME, WIFI))
def policed_at_last_hop(profile: PathProfile) -> Setup:
    """Downloads are policed at 140 kbit/s by name, in front of the server."""
    return _policed(replace(profile, censor_hop=profile.routers), TWITTER_BPS, DOWN)


@scenario(Family.THROTTLING, on=(HOME, WIFI, MOBILE))
def policed_by_address(profile: PathProfile) -> Setup:
    """Downloads from the media's address are policed at 300 kbit/s whatever the name, as Telegram's were in 2025."""
    do = Police(rate_bps=SHAPED_BPS, directions=DOWN)
    truth = throttled(Method.POLICED, DOWN, limit_bps=SHAPED_BPS, mechanism=Mechanism.IP_THROTTLE, states=PERHAPS)
    rule = CensorRule(when=ToAddress(addresses=(address_of("media.birdnet.test"),)), do=do)
    return censored(profile, "birdnet", rule, truth)


@scenario(Family.THROTTLING, on=HOMES, in_suite=True)
def shaped_download(profile: PathProfile) -> Setup:
    """Downloads by name wait in a queue that empties at 7 % of the line, at most 300 kbit/s."""
    return _shaped(profile, min(SHAPED_BPS, 0.07 * profile.down_bps), DOWN)


@scenario(Family.THROTTLING, on=HOMES)
def shaped_upload(profile: PathProfile) -> Setup:
    """Uploads by name wait in a queue that empties at 7 % of the line, at most 140 kbit/s. Seen with Tele2 in 2021."""
    return _shaped(profile, min(TWITTER_BPS, 0.07 * profile.up_bps), UP)


@scenario(Family.THROTTLING, on=(HOME, WIFI))
def shaped_both_ways(profile: PathProfile) -> Setup:
    """Both directions wait by name in queues that empty at 300 kbit/s."""
    return _shaped(profile, SHAPED_BPS, BOTH)


@scenario(Family.THROTTLING, on=(HOME, WIFI))
def shaped_by_address(profile: PathProfile) -> Setup:
    """Downloads from the media's address wait in a queue that empties at 300 kbit/s, whatever the name."""
    do = Shape(rate_bps=SHAPED_BPS, directions=DOWN)
    truth = throttled(Method.SHAPED, DOWN, limit_bps=SHAPED_BPS, mechanism=Mechanism.IP_THROTTLE, states=PERHAPS)
    rule = CensorRule(when=ToAddress(addresses=(address_of("media.birdnet.test"),)), do=do)
    return censored(profile, "birdnet", rule, truth)


def _lossy(
    profile: PathProfile, share: float, directions: tuple[Direction, ...], *, congestion: str = "cubic"
) -> Setup:
    states = FINDABLE if congestion == "cubic" else HARD
    rule = by_name("birdnet", Lose(share=share, directions=directions))
    truth = throttled(Method.LOSSY, directions, states=states)
    return censored(profile, "birdnet", rule, truth, world=small_internet(congestion=congestion))


@scenario(Family.THROTTLING, on=(HOME, WIFI, SATELLITE))
def lossy_download(profile: PathProfile) -> Setup:
    """One packet of ten that comes with the name is dropped at random. Not documented; a stress for the method."""
    return _lossy(profile, 0.1, DOWN)


@scenario(Family.THROTTLING, on=(HOME, WIFI, SATELLITE))
def lossy_upload(profile: PathProfile) -> Setup:
    """One packet of ten that is sent under the name is dropped at random. Not documented; a stress for the method."""
    return _lossy(profile, 0.1, UP)


@scenario(Family.THROTTLING, on=(HOME, WIFI))
def lossy_bbr_origin(profile: PathProfile) -> Setup:
    """One packet of ten is dropped by name, and the origin uses BBR, which hardly minds."""
    return _lossy(profile, 0.1, DOWN, congestion="bbr")


@scenario(Family.THROTTLING, on=(HOME, WIFI))
def acknowledgements_lost(profile: PathProfile) -> Setup:
    """Nine of ten bare acknowledgements under the name are dropped, as was suspected of YouTube's slow-down in 2024."""
    rule = by_name("birdnet", LosePureAcks(share=0.9))
    return censored(profile, "birdnet", rule, throttled(Method.LOSSY, DOWN, states=HARD))


@scenario(Family.THROTTLING, on=(HOME, WIFI, MOBILE))
def shaped_bbr_origin(profile: PathProfile) -> Setup:
    """Downloads by name wait in a queue that empties at 300 kbit/s, and the origin uses BBR, which keeps it short."""
    do = Shape(rate_bps=SHAPED_BPS, directions=DOWN)
    truth = throttled(Method.SHAPED, DOWN, limit_bps=SHAPED_BPS)
    return censored(profile, "birdnet", by_name("birdnet", do), truth, world=small_internet(congestion="bbr"))
