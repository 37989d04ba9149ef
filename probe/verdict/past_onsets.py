"""Since when is a target as it is: which changes of its state and of its level do earlier runs show, and when?

Two rules. A state counts from the first of two conclusive runs in a row that agree on it; `inconclusive` carries no
information, and neither does an `ok` that left out what the state before was seen by. A level counts when the ratio to
the control shifts for good and the target's own rate with it (`probe.stats.change_points`). A time without runs is no
change: it only widens the interval in which one may lie.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp, log
from statistics import median

from probe.model.past import Onset, OnsetOf, PastGoodput, PastOutcome
from probe.model.results import State
from probe.stats.change_points import ChangePoint, Rule, change_points
from probe.stats.seasonal import without_pattern
from probe.verdict.past_figures import AT_CONTROL, direction, positive
from probe.verdict.past_outcomes import ACCESS_CHECKS, Earlier, written

AGREEING_RUNS = 2  # conclusive runs in a row that make a state count: one odd run alone is none (design §3, 8)
# Error rates of these numbers are in docs/method/past.md, by `python -m benchmarks.past`.
LEVEL = Rule(
    window=112,  # values: four weeks of four runs a day; what was before has been judged before
    min_before=8,  # values: two days
    min_after=4,  # values: a day; with fewer the threshold cannot be reached anyhow
    max_after=28,  # values: a week; a shift not seen within it is not large
    threshold=4.0,  # standard deviations of the statistic
    interval_gain=3.0,  # mean absolute deviations
)
SMALLEST_SHIFT = log(1.5)  # of the median, in the logarithm: less is no news for anybody who uses the line
TARGETS_PART = 0.5  # of the shift: where less is the target's own, its control has become faster or slower
PATTERN_BLOCK_HOURS = 4  # a run every six hours fills six blocks of the day in two weeks
PATTERN_DAYS = 8  # on which a block was measured before it has a pattern: a change two days ago is not half of them
PATTERN_WEEKS = 3  # in which a day of the week was measured before it has one: two could be before and after a change
PATTERN_KNOWN = timedelta(weeks=PATTERN_WEEKS)
LONGER_THAN_A_WEEKEND = timedelta(hours=60)  # how long a shift must last while the pattern of the week is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One run's goodput in one direction, natural logarithms of bit/s and of the ratio."""

    at: datetime
    target: float
    ratio: float


def state_onsets(runs: Sequence[Earlier]) -> tuple[Onset, ...]:
    """Every change of state, in order. The first state seen is no change.

    Since the last two runs in a row of the state before, the target may have changed: where runs contradict each other
    in between, the interval holds them all.
    """
    found: list[Onset] = []
    settled: Earlier | None = None  # the latest run by which a state counted
    streak: list[Earlier] = []  # the latest conclusive runs that agree with each other
    for run in runs:
        if not _tells(run, (*streak[-1:], *([settled] if settled is not None else ()))):
            continue
        agrees = bool(streak) and streak[-1].outcome.state is run.outcome.state
        streak = [*streak[1 - AGREEING_RUNS :], run] if agrees else [run]
        if len(streak) < AGREEING_RUNS:
            continue
        if settled is not None and settled.outcome.state is not run.outcome.state:
            found.append(_state_onset(settled, streak))
        settled = run
    return tuple(found)


def _tells(run: Earlier, before: Sequence[Earlier]) -> bool:
    """Whether a run says what became of the target. `ok` does not end another state unless everything was measured
    that was measured then: a run without goodput finds no throttling."""
    state = run.outcome.state
    if state is not State.OK:
        return state is not State.INCONCLUSIVE
    return all(other.outcome.state is State.OK or _measured_as_much(run.outcome, other.outcome) for other in before)


def _measured_as_much(now: PastOutcome, then: PastOutcome) -> bool:
    """Goodput counts where it is goodput that the state was seen by."""
    slowed = then.state is State.THROTTLED or any("stall" in m or "throttle" in m for m in then.mechanisms)
    if slowed and now.download is None and now.upload is None:
        return False
    if now.checks is None or then.checks is None:
        return True
    return set(then.checks) & ACCESS_CHECKS <= set(now.checks)


def _state_onset(last: Earlier, streak: Sequence[Earlier]) -> Onset:
    first = written(streak[0].at)
    return Onset(
        what=OnsetOf.STATE,
        since=first,
        earliest=written(last.at),
        latest=first,
        known_at=written(streak[-1].at),
        rule_id="past.state_changed",
        before=last.outcome.state,
        after=streak[0].outcome.state,
    )


def level_onsets(runs: Sequence[Earlier], what: OnsetOf) -> tuple[Onset, ...]:
    """Every lasting change of the target's level in one direction that its control does not share, in order."""
    levels = _levels(runs, what)
    times = [level.at for level in levels]
    ratios, targets = (
        without_pattern(
            times,
            values,
            block_hours=PATTERN_BLOCK_HOURS,
            enough_days=PATTERN_DAYS,
            enough_weeks=PATTERN_WEEKS,
        )
        for values in ([level.ratio for level in levels], [level.target for level in levels])
    )

    def large(first: int, split: int, end: int) -> bool:
        shift = _shift(ratios, first, split, end)
        if times[split] - times[0] < PATTERN_KNOWN and times[end - 1] - times[split] < LONGER_THAN_A_WEEKEND:
            return False
        own = _shift(targets, first, split, end)
        return abs(shift) >= SMALLEST_SHIFT and own * shift > 0 and abs(own) >= TARGETS_PART * abs(shift)

    changes = change_points(ratios, LEVEL, large)
    edges = [0, *(change.index for change in changes), len(levels)]
    return tuple(
        _level_onset(levels, change, what, first=first, end=end)
        for change, first, end in zip(changes, edges[:-2], edges[2:], strict=True)
    )


def _shift(values: Sequence[float], first: int, split: int, end: int) -> float:
    return median(values[split:end]) - median(values[first:split])


def _level_onset(levels: Sequence[Level], change: ChangePoint, what: OnsetOf, *, first: int, end: int) -> Onset:
    shift = _shift([level.ratio for level in levels], first, change.index, end)
    return Onset(
        what=what,
        since=written(levels[change.index].at),
        earliest=written(levels[change.lowest - 1].at),
        latest=written(levels[change.highest].at),
        known_at=written(levels[change.known].at),
        rule_id="past.level_fell" if shift < 0 else "past.level_rose",
        factor=exp(shift),
        after_bps=exp(median(level.target for level in levels[change.index : end])),
    )


def _levels(runs: Sequence[Earlier], what: OnsetOf) -> list[Level]:
    """The runs that measured this direction, at the kind of server that the latest of them was measured at."""
    measured = [(run.at, facts) for run in runs if (facts := direction(run, what)) is not None and _known(facts)]
    elsewhere = bool(measured) and measured[-1][1].comparison in AT_CONTROL
    return [
        Level(at=at, target=log(facts.target_bps or 0.0), ratio=log(facts.ratio or 0.0))
        for at, facts in measured
        if (facts.comparison in AT_CONTROL) is elsewhere
    ]


def _known(facts: PastGoodput) -> bool:
    return positive(facts.target_bps) is not None and positive(facts.ratio) is not None
