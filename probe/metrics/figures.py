"""What does a target's last result say in numbers: from a report, or from what the store kept of it?

Pure. What is counted over many runs is for `tallies`. A figure that is not known, or is no number, is left out.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from probe.metrics.labels import GoodputArm
from probe.model.observations import Direction
from probe.model.past import OnsetOf, PastComparison, PastGoodput, PastOutcome
from probe.model.results import AttemptStatus, Report, TargetResult
from probe.model.words import Mechanism, State, Strength

BITS_PER_BYTE = 8
RATIO_DECIMALS = 4  # of the ratio of two rates no more is known

Place = tuple[str | None, int | None, str | None, bool]  # country, ASN, kind of network, VPN


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodputFigures:
    """One direction; rates in bytes per second. Empty and None: not known."""

    direction: Direction
    rates: tuple[tuple[GoodputArm, float], ...]
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFigures:
    """A target's last result. `measured_at`: Unix time in seconds of the end of its last measurement.

    `agreeing_runs` conclusive runs in a row, up to now, gave `told`, the last conclusive state (None: there was none),
    all of them at `told_at`.
    """

    state: State
    strength: Strength | None
    mechanisms: tuple[Mechanism, ...]
    measured_at: float
    told: State | None
    agreeing_runs: int
    told_at: Place | None = None
    goodput: tuple[GoodputFigures, ...] = ()
    baseline: tuple[tuple[Direction, float], ...] = ()
    onsets: tuple[tuple[OnsetOf, float], ...] = ()


def of_outcome(
    outcome: PastOutcome, *, past: PastComparison | None, before: TargetFigures | None
) -> TargetFigures | None:
    """From what is kept of a result, so that a restart shows what was shown before it; None where it has no time.

    `past` sets it beside earlier ones, `before` is what the run before it gave.
    """
    when = unix_time(outcome.ended_at or outcome.started_at)
    if when is None:
        return None
    told, runs, place = _agreement(outcome, before)
    return TargetFigures(
        state=outcome.state,
        strength=outcome.strength,
        mechanisms=outcome.mechanisms,
        measured_at=when,
        told=told,
        agreeing_runs=runs,
        told_at=place,
        goodput=_goodput(outcome.download, outcome.upload),
        baseline=_baseline(past),
        onsets=_onsets(past),
    )


def of_outcomes(outcomes: Sequence[PastOutcome]) -> TargetFigures | None:
    """From what is kept of one target's results, oldest first; None where none has a time."""
    figures: TargetFigures | None = None
    for outcome in outcomes:
        figures = of_outcome(outcome, past=None, before=figures) or figures
    return figures


def says_nothing_of(report: Report, result: TargetResult) -> bool:
    """Whether the run was told to stop before it came to this target: then what was known of it stands."""
    begun = any(m.attempt.status is not AttemptStatus.NOT_SCHEDULED for m in result.measurements)
    return report.parameters.interrupted and bool(result.measurements) and not begun


def ended_at(report: Report) -> float:
    """When the run ended, in Unix seconds."""
    started = unix_time(report.started_at)
    if started is None:
        raise ValueError(f"the report {report.id} does not say when it was made: {report.started_at!r}")
    return started + report.duration_seconds


def unix_time(text: str) -> float | None:
    """Seconds since the epoch of a time in RFC 3339; None for anything else."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _agreement(outcome: PastOutcome, before: TargetFigures | None) -> tuple[State | None, int, Place | None]:
    """An inconclusive run carries no information: it neither counts nor breaks a row. One in another network, or
    through a VPN, begins another row: what two networks do is not found twice in either.
    """
    told, runs, told_at = (before.told, before.agreeing_runs, before.told_at) if before is not None else (None, 0, None)
    if outcome.state is State.INCONCLUSIVE:
        return told, runs, told_at
    place = (outcome.country, outcome.asn, outcome.network, bool(outcome.vpn))
    return outcome.state, runs + 1 if (outcome.state, place) == (told, told_at) else 1, place


def _goodput(download: PastGoodput | None, upload: PastGoodput | None) -> tuple[GoodputFigures, ...]:
    given = ((Direction.DOWNLOAD, download), (Direction.UPLOAD, upload))
    return tuple(_direction(direction, facts) for direction, facts in given if facts is not None)


def _direction(direction: Direction, facts: PastGoodput) -> GoodputFigures:
    arms = ((GoodputArm.TARGET, facts.target_bps), (GoodputArm.CONTROL, facts.control_bps))
    return GoodputFigures(
        direction=direction,
        rates=tuple((arm, float(round(bps / BITS_PER_BYTE))) for arm, bps in arms if bps is not None and _is_size(bps)),
        ratio=_ratio(facts.ratio),
        ratio_low=_ratio(facts.ratio_low),
        ratio_high=_ratio(facts.ratio_high),
    )


def _baseline(past: PastComparison | None) -> tuple[tuple[Direction, float], ...]:
    if past is None:
        return ()
    given = ((Direction.DOWNLOAD, past.download), (Direction.UPLOAD, past.upload))
    found = ((direction, _ratio(compared.target.factor)) for direction, compared in given if compared is not None)
    return tuple((direction, factor) for direction, factor in found if factor is not None)


def _onsets(past: PastComparison | None) -> tuple[tuple[OnsetOf, float], ...]:
    """The latest of each kind."""
    latest: dict[OnsetOf, float] = {}
    for onset in past.onsets if past is not None else ():
        since = unix_time(onset.since)
        if since is not None:
            latest[onset.what] = max(since, latest.get(onset.what, since))
    return tuple(latest.items())


def _ratio(value: float | None) -> float | None:
    return round(value, RATIO_DECIMALS) if value is not None and _is_size(value) else None


def _is_size(value: float) -> bool:
    return math.isfinite(value) and value >= 0


def by_target(outcomes: Iterable[PastOutcome]) -> dict[str, list[PastOutcome]]:
    """The outcomes of each target, oldest first."""
    found: dict[str, list[PastOutcome]] = {}
    for outcome in sorted(outcomes, key=lambda o: unix_time(o.started_at) or 0.0):
        found.setdefault(outcome.target, []).append(outcome)
    return found
