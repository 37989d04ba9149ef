"""Which runs make a score?

Pure: scenarios and wishes in, runs in the order in which they are made out. Every scenario has its first run before
any has its second, so that a score that is stopped early knows a little about everything.
"""

import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from probe.lab.path import PathProfile
from probe.lab.scenarios.base import Family, Scenario, Setup
from probe.lab.score.record import Key, RunRecord
from probe.lab.world import Role

USUAL_LINE = "home"
HARDEST_LINE = "wifi"
HARDEST_TRIALS = 1_000  # clean Wi-Fi: at 0.5 % false alarms fewer would hardly see one
SLOW_LINES = ("satellite", "narrow", "edge", "dsl", "bufferbloat")  # a run takes a minute or more there
SLOW_SHARE = 0.3  # of the trials of other lines, on those
# Trials of a family on the usual line and on each other: where 99.5 % is claimed they come to about 600 together, which
# without a miss bound the misses at 0.5 % (rule of three); 200 elsewhere, 1.5 %. Those without interference,
# bystanders among them, come to more than 3,000 on home lines. All of it is what two cores do in two and a half hours.
TRIALS: Mapping[Family, tuple[int, int]] = {
    Family.DNS: (400, 100),
    Family.ADDRESS: (400, 100),
    Family.TLS: (400, 100),
    Family.HTTP: (400, 100),
    Family.QUIC: (60, 30),
    Family.THROTTLING: (480, 160),
    Family.STALL: (200, 30),
    Family.PARTIAL: (200, 30),
    Family.LINES: (300, 24),
    Family.SERVERS: (200, 30),
    Family.RESOLVERS: (100, 30),
    Family.CONTROLS: (100, 30),
    Family.VANTAGE: (100, 30),
}
# Scenarios of which something is promised by themselves (`probe.lab.score.claims`), on the usual line.
OWN_TRIALS: Mapping[str, int] = {
    "policed-to-a-quarter": 200,
    "throttled-nine-of-ten-flows": 200,
    "throttled-half-of-flows": 200,
}
QUICK_RUNS = 2
MOST_RUNS = 400  # of one scenario on one line: a family of few scenarios must not take all the time
RETRIES = 2  # a run that a starved machine spoilt is made again so often, with another seed
SEED_STEP = 1_000_000  # between the seeds of a run and of its repetition


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be scored. Patterns are shell patterns; no pattern, no family, no line: all. `runs`: of every
    scenario on every line; None: as many as the claims need.
    """

    patterns: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    runs: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A scenario on a line, how many runs it gets, and how many trials each of these is."""

    scenario: Scenario
    profile: str
    runs: int
    trials_per_run: int

    @property
    def name(self) -> str:
        return f"{self.scenario.name} on {self.profile}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A run that is to be made, and the cell that it belongs to."""

    cell: Cell
    key: Key


def cells(scenarios: Iterable[Scenario], wish: Wish) -> tuple[Cell, ...]:
    """The chosen scenarios on the chosen lines, in the order given."""
    chosen = [
        (scenario, profile.name, scenario.build(profile))
        for scenario in scenarios
        if _matches(scenario.name, wish.patterns) and (not wish.families or scenario.family in wish.families)
        for profile in scenario.profiles
        if _matches(profile.name, wish.profiles)
    ]
    trials: Counter[tuple[Family, str]] = Counter()
    for scenario, profile, setup in chosen:
        trials[scenario.family, profile] += counting_trials(scenario.family, setup)
    return tuple(
        Cell(
            scenario=scenario,
            profile=profile,
            runs=wish.runs or _runs(scenario, profile, each=trials[scenario.family, profile]),
            trials_per_run=len(setup.truths),
        )
        for scenario, profile, setup in chosen
    )


def _runs(scenario: Scenario, profile: str, *, each: int) -> int:
    own = OWN_TRIALS.get(scenario.name, 0) if profile == USUAL_LINE else 0
    return max(own, runs_for(scenario.family, profile, each=each))


def counting_trials(family: Family, setup: Setup) -> int:
    """How many of a run's trials count for what is claimed of the family: of interference those that suffer it, of
    lines those with media (a line's faults show in transfers), of all others every one.
    """
    interfered = sum(truth.interfered for truth in setup.truths.values())
    if family.interferes and interfered:
        return interfered
    if family is Family.LINES:
        return sum(any(host.role is Role.MEDIA for host in platform.hosts) for platform in setup.world.platforms)
    return len(setup.truths)


def runs_for(family: Family, profile: str, *, each: int) -> int:
    """How many runs each scenario of a family gets on a line where one run of all of them is `each` trials that
    count.
    """
    usual, other = TRIALS[family]
    wanted: float = usual if profile == USUAL_LINE else other
    if profile == HARDEST_LINE and family is Family.LINES:
        wanted = HARDEST_TRIALS
    if profile in SLOW_LINES:
        wanted *= SLOW_SHARE
    return min(MOST_RUNS, math.ceil(wanted / max(1, each)))


def order(chosen: Sequence[Cell]) -> tuple[Job, ...]:
    """All runs; first one of each cell, then so that every cell is at the same share of its runs at any time. Cells
    at the same share follow one another in an order that is random, and the same every time.
    """
    planned = [
        Job(cell=cell, key=Key(scenario=cell.scenario.name, profile=cell.profile, seed=number))
        for cell in chosen
        for number in range(cell.runs)
    ]
    random.Random(0).shuffle(planned)
    return tuple(sorted(planned, key=lambda job: job.key.seed / job.cell.runs))


def remaining(planned: Iterable[Job], made: Iterable[RunRecord]) -> tuple[Job, ...]:
    """What is left to do after these runs; in the place of one that said nothing stands its repetition."""
    says_something = {record.key: record.valid for record in made}
    left = []
    for job in planned:
        key: Key | None = job.key
        while key is not None and says_something.get(key) is False:
            key = again(key)
        if key is not None and key not in says_something:
            left.append(Job(cell=job.cell, key=key))
    return tuple(left)


def again(key: Key) -> Key | None:
    """The run that replaces one that says nothing; None when it was replaced often enough."""
    if key.seed // SEED_STEP >= RETRIES:
        return None
    return Key(scenario=key.scenario, profile=key.profile, seed=key.seed + SEED_STEP)


def line_of(scenario: Scenario, name: str) -> PathProfile:
    """The scenario's line of that name. Raises KeyError."""
    for profile in scenario.profiles:
        if profile.name == name:
            return profile
    raise KeyError(f"{scenario.name} is not scored on a line called {name}")


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)
