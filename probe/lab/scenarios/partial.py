"""What must be said where a censor acts on some flows only, in some hours, or after a while?

A flow is hit or not by a hash of its addresses and ports, so with fresh source ports the pairs of a series differ: no
run can promise to see a rare hit, and none may deny a frequent one.
"""

from probe.lab.actions import AfterSeconds, InHours, Police, Reset, Since
from probe.lab.path import HOME, MOBILE, WIFI, PathProfile
from probe.lab.rules import Action, AllOf, CensorRule, Matcher, ShareOfFlows, Sni, named
from probe.lab.scenarios.base import Family, Setup, Truth, scenario
from probe.lab.scenarios.censored import by_name, censored
from probe.model.results import Mechanism, Method, State

LINES = (HOME, WIFI, MOBILE)
POLICED = Police(rate_bps=140e3)
EVERYTHING_IS_POSSIBLE = (State.THROTTLED, State.INCONCLUSIVE, State.OK)
DAY_SECONDS = 30.0  # compressed: a run sees the censor come and go


def _slowed(*states: State) -> Truth:
    return Truth(
        states=states or EVERYTHING_IS_POSSIBLE,
        interfered=True,
        mechanisms=(Mechanism.TLS_THROTTLE_SNI,),
        methods=(Method.POLICED,),
    )


def _on_share(name: str, share: float) -> Matcher:
    return AllOf(matchers=(Sni(pattern=named(name)), ShareOfFlows(share=share)))


def _throttled_share(profile: PathProfile, share: float, *states: State) -> Setup:
    rule = CensorRule(when=_on_share("birdnet.test", share), do=POLICED)
    return censored(profile, "birdnet", rule, _slowed(*states))


def _throttled_sometimes(profile: PathProfile, do: Action) -> Setup:
    return censored(profile, "birdnet", by_name("birdnet", do), _slowed())


@scenario(Family.PARTIAL, on=LINES)
def throttled_tenth_of_flows(profile: PathProfile) -> Setup:
    """One flow of ten with the name is policed at 140 kbit/s: a run that meets none cannot know."""
    return _throttled_share(profile, 0.1, State.INCONCLUSIVE, State.THROTTLED, State.OK)


@scenario(Family.PARTIAL, on=LINES)
def throttled_half_of_flows(profile: PathProfile) -> Setup:
    """Every second flow with the name is policed at 140 kbit/s, as half of the fixed lines were to be in 2021."""
    return _throttled_share(profile, 0.5)


@scenario(Family.PARTIAL, on=LINES)
def throttled_nine_of_ten_flows(profile: PathProfile) -> Setup:
    """Nine flows of ten with the name are policed at 140 kbit/s: it must not be called fine."""
    return _throttled_share(profile, 0.9, State.THROTTLED, State.INCONCLUSIVE)


@scenario(Family.PARTIAL, on=LINES)
def throttled_after_a_second(profile: PathProfile) -> Setup:
    """A flow with the name is policed from its second second on, when a small transfer has ended."""
    return _throttled_sometimes(profile, AfterSeconds(do=POLICED, seconds=1.0))


@scenario(Family.PARTIAL, on=LINES)
def throttled_after_a_moment(profile: PathProfile) -> Setup:
    """A flow with the name is policed from 0.15 s after its ClientHello on: nearly all of a transfer."""
    return _throttled_sometimes(profile, AfterSeconds(do=POLICED, seconds=0.15))


@scenario(Family.PARTIAL, on=LINES)
def throttling_begins_during_the_run(profile: PathProfile) -> Setup:
    """The measure comes into force six seconds after the line does, perhaps between two transfers."""
    return _throttled_sometimes(profile, AfterSeconds(do=POLICED, seconds=6.0, since=Since.START))


@scenario(Family.PARTIAL, on=LINES)
def throttled_in_some_hours(profile: PathProfile) -> Setup:
    """The name is policed in one half of each day; a day has 30 seconds here."""
    return _throttled_sometimes(profile, InHours(do=POLICED, begins=0.5, ends=1.0, day_seconds=DAY_SECONDS))


def _reset_share(profile: PathProfile, share: float, *states: State) -> Setup:
    rule = CensorRule(when=_on_share("mapfolk.test", share), do=Reset())
    truth = Truth(states=states, interfered=True, mechanisms=(Mechanism.TLS_RESET_SNI, Mechanism.TLS_RESET))
    return censored(profile, "mapfolk", rule, truth)


@scenario(Family.PARTIAL, on=LINES)
def reset_half_of_flows(profile: PathProfile) -> Setup:
    """Every second handshake with the name is reset: the next try succeeds."""
    return _reset_share(profile, 0.5, State.INCONCLUSIVE, State.BLOCKED, State.OK)


@scenario(Family.PARTIAL, on=LINES, in_suite=True)
def reset_nine_of_ten_flows(profile: PathProfile) -> Setup:
    """Nine handshakes of ten with the name are reset: it must not be called fine."""
    return _reset_share(profile, 0.9, State.BLOCKED, State.INCONCLUSIVE)
