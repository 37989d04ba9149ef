"""What does one direction's series come to: the comparisons that were made, and the figures to publish?

No judgement yet: `probe.verdict.goodput` has the rules, `probe.verdict.goodput_plan` what is measured next.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from probe.checks.goodput.evidence import Arm, Phase, Series
from probe.checks.goodput.fate import Fate, fate, serves
from probe.model.observations import Direction, Transfer
from probe.model.results import Comparison, GoodputFacts, Method, Trigger
from probe.stats.curves import MID_FROM, MID_TO, mid_bps, min_rtt_seconds
from probe.stats.detectable import detectable_burst_bytes, detectable_ratio
from probe.stats.pairs import range_level
from probe.verdict.goodput_method import is_traceless, limit_bps, method_of, signature_of
from probe.verdict.goodput_pairs import Outcome, Tally, has_broken_pair, pairs_of, tally
from probe.verdict.goodput_sequence import EQUAL_PAIRS, MIN_EQUAL_RATIO, SURE_RATIO
from probe.verdict.goodput_stall import fall_silent, stall_offset, stand_still, stops_by_itself

MIN_PLAIN_RATIO = 0.5  # a slow address at less than half of a control may be slowed: it is not called healthy
MAX_ADDRESS_RATIO = 0.15  # design §3, 2 (c): at most this share of the control's rate, and a signature: `likely`
ADDRESS_PAIRS = 3  # of target and control with at most that ratio, before a signature may be spoken of
PLAIN_BPS = 1.5e6  # a limiter above it is not distinctive: whoever rents a server out puts one in front of it. So equal
# arms above it are not compared with a control as well, and flows above it have no signature beside a fast control.
PLAIN_BYTES_PER_RTT = 24_000  # … nor those that move this much a round trip: distance explains their rate
ROUTE_RATIO = 0.33  # a target this far below its control is tried by name at the control's address next
ASSUMED_BURST_BYTES = 64 * 1024  # `detectable_ratio` is told for it (policers with up to 2 MB are known)
ASSUMED_LIMIT_RATIO = 0.1  # … and the largest burst for this share of the line
DETECTABLE_AT = SURE_RATIO  # the ratio that is surely found on an even line …
DETECTABLE_UNEVEN_AT = 0.2  # … and, of whole transfers, on an uneven one (simulated: docs/method/goodput.md)
WHOLE = (0.0, 1.0)
MIDDLE = (MID_FROM, MID_TO)
REFUSALS = (Outcome.CONTROL_REFUSED, Outcome.SUSPECT_REFUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionFacts:
    """Input of the rules. `name`: target against neutral name at the target's address; `server`: target against
    control; `foreign`: the target's against the control's name at the control's address.

    `never_ends`: no flow under the target's name, or none at all to its address, got beyond a silence.
    `server_ratio` is target by control, allowing for distance; None where they were not compared.
    """

    series: Series
    name: Tally
    server: Tally
    foreign: Tally
    broken: bool
    server_ratio: float | None
    slow_alike: bool
    small_delivered: bool | None
    signature: Method | None
    stall_after_bytes: int | None
    server_stops: bool
    stands_still: bool
    never_ends: bool
    stepped: bool

    @property
    def uploads(self) -> bool:
        return self.series.direction is Direction.UPLOAD

    @property
    def named(self) -> Tally | None:
        """The comparison of two names at one address that could be made, if any."""
        if self.name.outcome not in (Outcome.ABSENT, *REFUSALS):
            return self.name
        return self.foreign if self.foreign.outcome not in (Outcome.ABSENT, *REFUSALS) else None

    @property
    def comparison(self) -> Comparison | None:
        """The comparison that the figures are of."""
        if self.signature is not None:
            return Comparison.SIGNATURE
        if self.named is not None:
            return Comparison.NAME_AT_TARGET if self.named is self.name else Comparison.NAME_AT_CONTROL
        return Comparison.BETWEEN_SERVERS if self.server.pairs else None

    @property
    def shown(self) -> Tally:
        """The pairs that the figures are of."""
        return self.server if self.signature is not None or self.named is None else self.named

    @property
    def accused(self) -> bool:
        """Whether the target's name was found slower, twice, than another name at the same address."""
        return self.named is not None and self.named.outcome is Outcome.CONFIRMED and not self.broken

    @property
    def traceless(self) -> bool:
        """Whether nothing in the slower flows shows that they were slowed on the way; a freeze shows enough."""
        return self.accused and not self.stands_still and is_traceless(self.shown.suspects)

    @property
    def falls_silent(self) -> bool:
        """Whether every flow of the shown pairs' suspects was cut in a silence of its own."""
        return fall_silent(self.shown.suspects)

    @property
    def far_below_control(self) -> bool:
        return self.server_ratio is not None and self.server_ratio <= MAX_ADDRESS_RATIO

    @property
    def below_control(self) -> bool:
        return self.server_ratio is not None and self.server_ratio < MIN_PLAIN_RATIO

    @property
    def near_control(self) -> bool:
        """Whether the target, distance allowed for, is as fast as the control in pairs of their own."""
        enough = len(self.server.ratios) >= EQUAL_PAIRS and self.server_ratio is not None
        return enough and (self.server_ratio or 0.0) >= MIN_EQUAL_RATIO

    @property
    def control_serves(self) -> bool:
        return any(t.arm is Arm.CONTROL and serves(t.transfer) for t in self.series.trials)

    @property
    def neutral_serves(self) -> bool:
        return any(
            t.arm is Arm.NEUTRAL and t.transfer.server_name == self.series.neutral_name and serves(t.transfer)
            for t in self.series.trials
        )

    @property
    def target_dead(self) -> bool:
        """Whether nothing ever came under the target's own name."""
        own = [t.transfer for t in self.series.trials if t.arm is Arm.TARGET]
        return bool(own) and not any(serves(t) or fate(t) in (Fate.REFUSED, Fate.SHORT) for t in own)

    @property
    def limited(self) -> bool:
        return self.series.budget_hit or self.series.deadline_hit


def read(series: Series) -> DirectionFacts:
    """Everything that the rules ask about one direction."""
    trials = series.trials
    refused = Outcome.CONTROL_REFUSED
    name = tally(pairs_of(trials, Arm.TARGET, Arm.NEUTRAL), if_answers_differ=refused)
    server = tally(pairs_of(trials, Arm.TARGET, Arm.CONTROL))
    foreign = tally(pairs_of(trials, Arm.FOREIGN, Arm.CONTROL), if_answers_differ=Outcome.SUSPECT_REFUSED)
    broken = has_broken_pair(trials)
    small = [t.transfer for t in trials if t.phase is Phase.SMALL]
    signature = None if broken else _signature(series, server)
    facts = DirectionFacts(
        series=series,
        name=name,
        server=server,
        foreign=foreign,
        broken=broken,
        server_ratio=_server_ratio(series, server),
        slow_alike=_slow_alike(name),
        small_delivered=fate(small[-1]) is Fate.DELIVERED if small else None,
        signature=signature,
        stall_after_bytes=None,
        server_stops=False,
        stands_still=False,
        never_ends=False,
        stepped=False,
    )
    stalled = facts.named.suspects if facts.named is not None and signature is None else server.suspects
    stepwise = [t.transfer for t in trials if t.phase is Phase.STEPWISE]
    return replace(
        facts,
        stands_still=stand_still(stalled),
        never_ends=stand_still(stalled) or fall_silent((*name.suspects, *name.controls)),
        stepped=bool(stepwise),
        stall_after_bytes=stall_offset(stepwise or stalled),
        server_stops=stops_by_itself(stalled),
    )


def _slow_alike(name: Tally) -> bool:
    """Whether both names at the target's address are so slow that the address itself may be slowed."""
    if not name.suspect_bps or name.outcome is not Outcome.NOT_SLOWER:
        return False
    rate, rtt = median(name.suspect_bps), _rtt(name.suspects)
    return rate < PLAIN_BPS and rate / 8 * rtt < PLAIN_BYTES_PER_RTT


def _server_ratio(series: Series, server: Tally) -> float | None:
    """Target by control: the median of their pairs, or, before there are any, of what else is known of both.

    A flow in slow start moves so much a round trip; a longer way alone therefore divides its rate by the RTTs' ratio.
    """
    if server.ratios:
        return median(server.ratios) * _distance(server.suspects, server.controls)
    targets = [t.transfer for t in series.trials if t.arm is Arm.TARGET and serves(t.transfer)]
    controls = [t.transfer for t in series.trials if t.arm is Arm.CONTROL and serves(t.transfer)]
    if server.pairs or not targets or not controls:
        return None
    control_bps = max(mid_bps(t) for t in controls)  # of several operators' the fastest is the one gone on with
    return median(mid_bps(t) for t in targets) / control_bps * _distance(targets, controls) if control_bps else None


def _distance(targets: Sequence[Transfer], controls: Sequence[Transfer]) -> float:
    near = _rtt(controls)
    return max(1.0, _rtt(targets) / near) if near else 1.0


def _rtt(transfers: Sequence[Transfer]) -> float:
    known = [rtt for t in transfers if (rtt := min_rtt_seconds(t)) is not None]
    return min(known, default=0.0)


def _signature(series: Series, server: Tally) -> Method | None:
    """A limiter's signature on every flow to the target's address, far below a control without one."""
    far = _distance(server.suspects, server.controls)
    if len(server.ratios) < ADDRESS_PAIRS or len(server.ratios) < len(server.pairs):
        return None
    if max(server.ratios) * far > MAX_ADDRESS_RATIO or max(server.suspect_bps) >= min(server.control_bps):
        return None
    flows = [t.transfer for t in series.trials if t.pair is not None and t.arm in (Arm.TARGET, Arm.NEUTRAL)]
    found = signature_of(flows, server.controls) if all(serves(f) for f in flows) else None
    distinctive = found is Method.STALLED or max(server.suspect_bps) < PLAIN_BPS
    return found if distinctive else None


def public(facts: DirectionFacts) -> GoodputFacts:
    """The figures of one direction, for the verdict."""
    shown, size = facts.shown, facts.series.num_bytes
    method = _method(facts)
    control_bps = median(shown.control_bps) if shown.control_bps else None
    window, rtt = MIDDLE if shown.middle else WHOLE, _rtt(shown.controls)
    known = control_bps is not None and size > 0
    assert control_bps is None or control_bps > 0
    threshold = DETECTABLE_AT if shown.middle else DETECTABLE_UNEVEN_AT
    figures = {"threshold": threshold, "control_bps": control_bps or 0.0, "rtt_seconds": rtt}
    return GoodputFacts(
        target_bps=median(shown.suspect_bps) if shown.suspect_bps else None,
        control_bps=control_bps,
        ratio=shown.ratio,
        ratio_low=min(shown.ratios, default=None),
        ratio_high=max(shown.ratios, default=None),
        ratio_level=range_level(len(shown.ratios)),
        pairs=len(shown.ratios),
        detectable_ratio=detectable_ratio(ASSUMED_BURST_BYTES, window=window, num_bytes=size, **figures)
        if known
        else None,
        detectable_burst_bytes=detectable_burst_bytes(ASSUMED_LIMIT_RATIO, window=window, num_bytes=size, **figures)
        if known
        else None,
        comparison=facts.comparison,
        method=method,
        stall_after_bytes=facts.stall_after_bytes if method is Method.STALLED else None,
        limit_bps=limit_bps(shown.suspects, method),
        trigger=_trigger(facts),
        hop=None,
        confirmed_by_repeat=facts.accused,
        caveat=_caveat(facts),
        slowed_pairs=shown.slowed_pairs,
    )


def _method(facts: DirectionFacts) -> Method:
    """Named only where slowing was found: a healthy flow has no method."""
    if facts.signature is not None:
        return facts.signature
    return method_of(facts.shown.suspects) if facts.accused and not facts.traceless else Method.UNKNOWN


def _trigger(facts: DirectionFacts) -> Trigger:
    if facts.accused:
        return Trigger.SNI
    names_equal = facts.named is not None and facts.named.outcome is Outcome.NOT_SLOWER
    return Trigger.IP if facts.signature is not None and names_equal else Trigger.UNKNOWN


def _caveat(facts: DirectionFacts) -> str:
    counted = [t.transfer.kernel_counted for t in facts.series.trials if serves(t.transfer)]
    if not counted or all(counted):
        return ""
    if facts.series.direction is Direction.UPLOAD:
        return "this platform does not tell what was acknowledged: bytes are those given to the network"
    return "this platform does not tell what its kernel received: bytes are those given to the program"
