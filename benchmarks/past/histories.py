"""What does a year of measuring one target look like, on lines of several kinds?

Rates are lognormal around a level; the line's own ups and downs are shared by the target and its control, the ratio
between them has noise of its own. Times are those of a memoryless schedule, four runs a day in the mean.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from probe.model.past import PastGoodput, PastOutcome
from probe.model.results import Comparison, State

BEGIN = datetime(2025, 1, 6, tzinfo=UTC)
MEAN_HOURS, LEAST_HOURS, MOST_HOURS = 6.0, 0.6, 15.0  # the default schedule
LINE_BPS = 2e7

Wave = Callable[[datetime], float]  # the logarithm of a factor


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A line: what the target and its control share, and what only the target has. Deviations are of logarithms."""

    name: str
    shared: Wave = lambda _: 0.0
    own: Wave = lambda _: 0.0
    shared_deviation: float = 0.2
    own_deviation: float = 0.15
    heavy: bool = False  # Student's t with two degrees of freedom, and one flow in twenty that collapses to a tenth
    persistence: float = 0.0  # correlation of the ratio's noise with that of the run before
    gap_weeks: tuple[int, ...] = ()  # times without runs, spread over the history


def evening(factor: float) -> Wave:
    """Slow in the evening by this factor, as a cosine of the hour."""
    return lambda t: -math.log(factor) * (1 + math.cos((t.hour + t.minute / 60 - 20) / 24 * 2 * math.pi)) / 2


def weekend(factor: float) -> Wave:
    return lambda t: -math.log(factor) * (t.weekday() >= 5)


def drift(factor: float, days: float) -> Wave:
    """Up and down by this factor over so many days."""
    return lambda t: math.log(factor) / 2 * math.sin((t - BEGIN).total_seconds() / 86_400 / days * 2 * math.pi)


def step(factor: float, day: float) -> Wave:
    return lambda t: math.log(factor) * (t >= BEGIN + timedelta(days=day))


KINDS = (
    Kind(name="flat noise"),
    Kind(name="line slower by 3 in the evening", shared=evening(3)),
    Kind(name="target alone slower by 3 in the evening", own=evening(3)),
    Kind(name="target alone slower by 2 at weekends", own=weekend(2)),
    Kind(name="Wi-Fi: heavy tails, collapses", heavy=True, own_deviation=0.3, shared_deviation=0.5),
    Kind(name="noise that persists (0.5 from run to run)", persistence=0.5),
    Kind(name="line drifts by 4 over 60 days", shared=drift(4, 60)),
    Kind(name="line cut to a third for good", shared=step(1 / 3, 150)),
    Kind(name="gaps of 1, 3 and 6 weeks", gap_weeks=(1, 3, 6)),
)
BY_NAME = {kind.name: kind for kind in KINDS}


def times(count: int, kind: Kind, rng: random.Random) -> list[datetime]:
    gaps = {count * (n + 1) // (len(kind.gap_weeks) + 1): weeks for n, weeks in enumerate(kind.gap_weeks)}
    at, made = BEGIN, list[datetime]()
    for number in range(count):
        hours = min(MOST_HOURS, max(LEAST_HOURS, rng.expovariate(1 / MEAN_HOURS)))
        at += timedelta(hours=hours, weeks=gaps.get(number, 0))
        made.append(at)
    return made


def history(
    kind: Kind, count: int, rng: random.Random, *, onset: int | None = None, ratio: float = 1.0
) -> list[PastOutcome]:
    """`count` runs; from the one numbered `onset` on the target has `ratio` of its rate, in both directions."""
    noises = (_Noise(kind, rng), _Noise(kind, rng))
    made = []
    for number, at in enumerate(times(count, kind, rng)):
        slowed = math.log(ratio) if onset is not None and number >= onset else 0.0
        line = math.log(LINE_BPS) + kind.shared(at) + rng.gauss(0, kind.shared_deviation)
        down, up = (_figures(line, kind.own(at) + noise.next() + slowed) for noise in noises)
        made.append(
            PastOutcome(
                run_id=str(number), target="t", started_at=at.isoformat(), state=State.OK, download=down, upload=up
            )
        )
    return made


class _Noise:
    """The ratio's own noise, run after run."""

    def __init__(self, kind: Kind, rng: random.Random) -> None:
        self._kind, self._rng, self._last = kind, rng, 0.0

    def next(self) -> float:
        kind, rng = self._kind, self._rng
        fresh = rng.gauss(0, kind.own_deviation)
        if kind.heavy:
            fresh /= math.sqrt(rng.gammavariate(1, 1))  # a chi-squared of two degrees, by two
            fresh += math.log(0.1) * (rng.random() < 0.05)
        self._last = kind.persistence * self._last + math.sqrt(1 - kind.persistence**2) * fresh
        return self._last


def _figures(line: float, ratio: float) -> PastGoodput:
    return PastGoodput(
        target_bps=math.exp(line + ratio),
        control_bps=math.exp(line),
        ratio=math.exp(ratio),
        comparison=Comparison.NAME_AT_TARGET,
    )


def with_states(outcomes: Sequence[PastOutcome], states: Sequence[State]) -> list[PastOutcome]:
    return [replace(outcome, state=state) for outcome, state in zip(outcomes, states, strict=True)]
