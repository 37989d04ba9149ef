"""What was counted of a target since the start: outcomes of its checks, and how long their phases took?

Immutable, so that a scrape in the middle of a report sees none of it. Counters begin at 0 with the process.
"""

import math
import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from probe.metrics import labels
from probe.metrics.figures import unix_time
from probe.metrics.phases import operations
from probe.metrics.target_metrics import PHASE_BUCKETS_SECONDS
from probe.model.results import Measurement, TargetResult
from probe.model.words import State

# OpenMetrics 1.0, "Exemplars": label names and values together at most 128 characters
MAX_EXEMPLAR_CHARACTERS = 128
EXEMPLAR_LABEL = "measurement_id"
DECIMALS = 6  # microseconds, finer than any of these times is known
MEASUREMENT_ID = re.compile(rf"[0-9A-Za-z._-]{{1,{MAX_EXEMPLAR_CHARACTERS - len(EXEMPLAR_LABEL)}}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """An exemplar: a measurement that was counted here, with its own value; `at` in Unix seconds."""

    measurement_id: str
    value: float
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    times: int = 0
    mark: Mark | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """A classic histogram; `counts` are of each bucket alone, the last one of all that exceed the bounds."""

    counts: tuple[int, ...] = (0,) * (len(PHASE_BUCKETS_SECONDS) + 1)
    marks: tuple[Mark | None, ...] = (None,) * (len(PHASE_BUCKETS_SECONDS) + 1)
    total_seconds: float = 0.0

    def with_one(self, seconds: float, mark: Mark | None) -> "Durations":
        place = bisect_left(PHASE_BUCKETS_SECONDS, seconds)
        return Durations(
            counts=(*self.counts[:place], self.counts[place] + 1, *self.counts[place + 1 :]),
            marks=(*self.marks[:place], mark or self.marks[place], *self.marks[place + 1 :]),
            total_seconds=round(self.total_seconds + seconds, DECIMALS),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Of one target: by check and failure, by check and reason, by check and phase."""

    outcomes: Mapping[tuple[str, str], Count] = field(default_factory=dict)
    problems: Mapping[tuple[str, str], Count] = field(default_factory=dict)
    phases: Mapping[tuple[str, str], Durations] = field(default_factory=dict)


def counted(tally: Tally, result: TargetResult) -> Tally:
    """The tally with one more run of the target. Checks that this version does not have are not counted."""
    outcomes, problems, phases = dict(tally.outcomes), dict(tally.problems), dict(tally.phases)
    for measurement in result.measurements:
        check = measurement.check
        if check not in labels.CHECK.values:
            continue
        if measurement.attempt.problem is not None:
            _count(problems, (check, str(measurement.attempt.problem.reason)), _mark(measurement, 1.0))
        elif measurement.attempt.evidence is not None:
            failure = _failure(measurement)
            _count(outcomes, (check, failure), None if failure == labels.NO_FAILURE else _mark(measurement, 1.0))
            for phase, seconds in operations(measurement):
                if math.isfinite(seconds):
                    mine = phases.get((check, phase), Durations())
                    phases[(check, phase)] = mine.with_one(seconds, _mark(measurement, round(seconds, DECIMALS)))
    return Tally(outcomes=outcomes, problems=problems, phases=phases)


def _count(counts: dict[tuple[str, str], Count], key: tuple[str, str], mark: Mark | None) -> None:
    before = counts.get(key, Count())
    counts[key] = replace(before, times=before.times + 1, mark=mark or before.mark)


def _failure(measurement: Measurement) -> str:
    """What failed on the network, where the result is not ok; `none` where all went well, or nothing failed."""
    verdict = measurement.verdict
    if verdict.state is State.OK or verdict.facts.failure is None:
        return labels.NO_FAILURE
    return str(verdict.facts.failure)


def _mark(measurement: Measurement, value: float) -> Mark | None:
    started = unix_time(measurement.started_at)
    if started is None or MEASUREMENT_ID.fullmatch(measurement.id) is None:
        return None
    return Mark(measurement_id=measurement.id, value=value, at=started)
