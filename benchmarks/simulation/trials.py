"""What does the judge say of simulated series: one direction each, from pilot to verdict, as the check measures it?

`next_step` says what comes next, sizes and deadlines are `probe.checks.goodput.measure`'s; only the flows are drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from statistics import median

from benchmarks.simulation.noise import Flow, Limit, Line, Weather
from probe.checks.context import Step
from probe.checks.goodput import Arm, Phase, Series, Trial
from probe.checks.goodput.fate import PILOT_BYTES
from probe.checks.goodput.gather import UPLOAD_RESERVE_BYTES
from probe.checks.goodput.measure import (
    BEGIN_RTTS,
    CONTROL_TIMES,
    FAR_BEHIND_FLOWS,
    FAR_BEHIND_SHARE,
    FAR_RTT_SECONDS,
    FAR_SIZE_RTTS,
    HANDSHAKE_BYTES,
    LEAST_CONTROL_TIMES,
    LONG_SECONDS,
    MAX_BYTES,
    MAX_PAIR_SECONDS,
    MIN_FLOW_SECONDS,
    MIN_PAIR_SECONDS,
    PILOT_SECONDS,
    SCARCE_BYTES,
    SCARCE_SIZE,
    SIZE_RTTS,
    SIZES,
    UNEVEN_BYTES,
    UNEVEN_PAIRS,
    UNEVEN_SPREAD,
    WIRE_SHARE,
)
from probe.model.observations import Direction, Transfer
from probe.model.observations import Series as Curve
from probe.model.results import State
from probe.stats.curves import elapsed_seconds, mid_bps
from probe.stats.pairs import spread
from probe.verdict.goodput import RULES, next_step
from probe.verdict.goodput_facts import DirectionFacts, public, read
from tests.goodput_samples import series, steady, transfer

BUDGET_BYTES = 4_000_000  # design §5: of one target, both directions
OTHER_BYTES = 3_000  # handshakes as the meter counts them (lab: 1.8 to 5 KB)
PAUSE_SECONDS = 0.03  # between transfers, as in the lab
ANY = steady(1e6)  # replaced by the flow's own curve
LIMITED_ARMS = (Arm.TARGET, Arm.FOREIGN)


def made(arm: Arm, flow: Flow, *, num_bytes: int, t0: float = 0.0, seconds: float = 1e6, rtt: float = 0.04) -> Transfer:
    """A flow as the record of a transfer that `seconds` after its first packet is cut."""
    request, end = t0 + flow.handshake_seconds, t0 + seconds
    if request + flow.t[0] >= end:
        none = transfer(arm, ANY, t0=t0, limit_seconds=seconds, rtt=rtt, num_bytes=num_bytes, curve=Curve())
        asked = request if request < end else None
        return replace(none, t=end, cut=True, complete=False, num_bytes=0, t_request=asked)
    times: list[float] = []
    counts: list[int] = []
    for t, count in zip(flow.t, flow.num_bytes, strict=True):
        if request + t > end:
            share = (end - times[-1]) / (request + t - times[-1])
            counts.append(int(counts[-1] + share * (count - counts[-1])))
            times.append(end)
            break
        times.append(request + t)
        counts.append(int(count))
    segments = flow.segments[: len(times)]
    curve = Curve(t=tuple(times), num_bytes=tuple(counts), segments=segments, rtt_seconds=(), retransmits=())
    found = transfer(arm, ANY, t0=t0, limit_seconds=seconds, rtt=rtt, num_bytes=num_bytes, curve=curve)
    return replace(found, t_request=request)


@dataclass(slots=True, kw_only=True)
class Measurement:
    """One direction as it goes on. `spent_bytes` starts with what the other direction used."""

    line: Line
    limit: Limit | None
    direction: Direction
    random: Random
    spent_bytes: int = 0
    clock: float = 0.0

    def run(self) -> Series:
        """The series when the judge has enough or the budget ends it."""
        weather = Weather(line=self.line, random=self.random)
        trials = [self._trial(weather, Arm.NEUTRAL, Phase.PILOT, None, PILOT_BYTES, PILOT_SECONDS)]
        num_bytes = self._size(trials[0].transfer)
        arms, pair = (Arm.TARGET, Arm.NEUTRAL), 0
        while True:
            found = series(trials, num_bytes=num_bytes, direction=self.direction)
            step = next_step(found)
            if step is Step.CONTROL and not any(t.arm is Arm.CONTROL for t in trials):
                trials.append(self._trial(weather, Arm.CONTROL, Phase.PILOT, None, PILOT_BYTES, PILOT_SECONDS))
                continue
            if step in (Step.DONE, Step.SMALL, Step.STEPWISE):
                return found
            phase = Phase.CONFIRM if step is Step.CONFIRM else Phase.FIRST
            if not self._fits(num_bytes, phase):
                return replace(found, budget_hit=True)
            arms = (Arm.TARGET, Arm.CONTROL) if step is Step.CONTROL else arms
            seconds = self._seconds(trials, num_bytes)
            longer = (
                max(seconds, LONG_SECONDS) if phase is Phase.CONFIRM and trials[-1].phase is Phase.FIRST else seconds
            )
            for arm in self.random.sample(arms, 2):
                limit = longer if arm is arms[0] else seconds
                trials.append(self._trial(weather, arm, phase, pair, num_bytes, limit))
            pair += 1
            num_bytes = _evened(trials, num_bytes, scarce=BUDGET_BYTES - self.spent_bytes < SCARCE_BYTES)

    def _trial(
        self, weather: Weather, arm: Arm, phase: Phase, pair: int | None, num_bytes: int, seconds: float
    ) -> Trial:
        flow = weather.flow(num_bytes, self.limit if arm in LIMITED_ARMS else None)
        rtt = self.line.rtt_seconds
        found = made(arm, flow, num_bytes=num_bytes, t0=self.clock, seconds=seconds, rtt=rtt)
        self.clock = found.t + PAUSE_SECONDS
        self.spent_bytes += found.num_bytes + OTHER_BYTES
        return Trial(arm=arm, phase=phase, pair=pair, transfer=found)

    def _size(self, pilot: Transfer) -> int:
        rate = mid_bps(pilot)
        by_rate = next(size for least_bps, size in SIZES if rate >= least_bps)
        most = SCARCE_SIZE if BUDGET_BYTES - self.spent_bytes < SCARCE_BYTES else MAX_BYTES[self.direction]
        rtt = self.line.rtt_seconds
        rtts = FAR_SIZE_RTTS if rtt >= FAR_RTT_SECONDS else SIZE_RTTS
        return min(max(by_rate, int(rtts * rate / 8 * rtt)), most)

    def _fits(self, num_bytes: int, phase: Phase) -> bool:
        worst = 2 * (num_bytes * WIRE_SHARE + HANDSHAKE_BYTES)
        kept = UPLOAD_RESERVE_BYTES if self.direction is Direction.DOWNLOAD and phase is Phase.FIRST else 0
        return self.spent_bytes + worst + kept <= BUDGET_BYTES

    def _seconds(self, trials: Sequence[Trial], num_bytes: int) -> float:
        same = [t.transfer for t in trials if t.arm is not Arm.TARGET and t.transfer.requested_bytes == num_bytes]
        usual = median(elapsed_seconds(t) for t in same) if same else _expected(trials[-1].transfer, num_bytes)
        own = [t.transfer for t in trials if t.pair is not None and t.arm is Arm.TARGET]
        behind = [t for t in own if not t.complete and t.num_bytes <= FAR_BEHIND_SHARE * t.requested_bytes]
        far = len(own) >= FAR_BEHIND_FLOWS and len(behind) == len(own)
        times = LEAST_CONTROL_TIMES if far else CONTROL_TIMES
        least = max(MIN_PAIR_SECONDS, MIN_FLOW_SECONDS + BEGIN_RTTS * self.line.rtt_seconds)
        return min(MAX_PAIR_SECONDS, max(least, times * usual))


def _expected(last: Transfer, num_bytes: int) -> float:
    more = max(0, num_bytes - last.num_bytes)
    return elapsed_seconds(last) + 8 * more / max(mid_bps(last), 1.0)


def _evened(trials: Sequence[Trial], num_bytes: int, *, scarce: bool) -> int:
    """As `Recorder.even_out`."""
    for arm in (Arm.TARGET, Arm.NEUTRAL):
        rates = [mid_bps(t.transfer) for t in trials if t.pair is not None and t.arm is arm]
        if len(rates) >= UNEVEN_PAIRS and spread(rates) > UNEVEN_SPREAD:
            num_bytes = min(num_bytes, SCARCE_SIZE if scarce and arm is Arm.NEUTRAL else UNEVEN_BYTES)
    return num_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one trial came to; `split`: not all of its pairs show a slowed flow, but some do; `detectable_bps`: the
    greatest limit that the verdict says it would have seen."""

    state: State
    rule_id: str
    pairs: int
    split: bool
    detectable_bps: float
    spent_bytes: int
    seconds: float


def judged(measurement: Measurement, *, figures: bool = False) -> Result:
    """Measure and judge; with `figures` those that are published, too, which cost more time than the rule."""
    facts = read(measurement.run())
    rule = next(rule for rule in RULES if rule.when(facts))
    return Result(
        state=rule.state,
        rule_id=rule.id,
        pairs=len(facts.shown.ratios),
        split=0 < facts.shown.slowed_pairs < len(facts.shown.ratios),
        detectable_bps=_detectable_bps(facts) if figures else 0.0,
        spent_bytes=measurement.spent_bytes,
        seconds=measurement.clock,
    )


def _detectable_bps(facts: DirectionFacts) -> float:
    shown = public(facts)
    return (shown.detectable_ratio or 0.0) * (shown.control_bps or 0.0)
