"""What was taken for what?

Pure: states against states, and for each further aspect of a verdict what was true beside what was found. The rates
by family and line are `probe.lab.score.tables`'.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from probe.lab.scenarios.holding import Aspect
from probe.lab.score.intervals import Rate, clustered
from probe.lab.score.record import RunRecord, TargetRecord
from probe.model.results import State

ALL = "all"
CONFUSED = (Aspect.MECHANISM, Aspect.METHOD, Aspect.DIRECTION, Aspect.HOP)

Trial = tuple[RunRecord, TargetRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRow:
    """What became of the trials with one wanted state; `found` is by state, in the order of `State`."""

    interfered: bool
    wanted: State
    found: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """How often `found` was said where `true` was asked (any of its words is right)."""

    aspect: Aspect
    true: str
    found: str
    right: bool
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AspectRates:
    """How often one aspect was right where it was asked."""

    aspect: Aspect
    profile: str
    right: Rate


def states_of(trials: Sequence[Trial]) -> tuple[StateRow, ...]:
    found: dict[tuple[bool, State], Counter[State]] = defaultdict(Counter)
    for _, target in trials:
        found[target.truth.interfered, target.truth.wanted][target.state] += 1
    states = list(State)
    return tuple(
        StateRow(interfered=interfered, wanted=wanted, found=tuple(counts[state] for state in states))
        for (interfered, wanted), counts in sorted(found.items(), key=lambda i: (i[0][0], states.index(i[0][1])))
    )


def confusions_of(runs: Sequence[RunRecord]) -> tuple[Confusion, ...]:
    counts: Counter[tuple[Aspect, str, str, bool]] = Counter()
    for run in runs:
        for target in run.targets:
            for point in target.points:
                if point.aspect in CONFUSED:
                    counts[point.aspect, point.true, point.found, point.right] += 1
        if run.network is not None and run.network_wanted is not None:
            right = run.network is run.network_wanted
            counts[Aspect.NETWORK, run.network_wanted.value, run.network.value, right] += 1
    aspects = [*CONFUSED, Aspect.NETWORK]
    ordered = sorted(counts.items(), key=lambda i: (aspects.index(i[0][0]), i[0][1], -i[1], i[0][2]))
    return tuple(
        Confusion(aspect=aspect, true=true, found=found, right=right, count=count)
        for (aspect, true, found, right), count in ordered
    )


def aspects_of(runs: Sequence[RunRecord]) -> tuple[AspectRates, ...]:
    """Each aspect but the state, on each line and on all; a point is a trial, a run a cluster."""
    groups: dict[tuple[Aspect, str], dict[int, tuple[int, int]]] = defaultdict(dict)
    for run in runs:
        for point in (point for target in run.targets for point in target.points):
            for profile in (run.key.profile, ALL):
                by_run = groups[point.aspect, profile]
                right, asked = by_run.get(id(run), (0, 0))
                by_run[id(run)] = (right + point.right, asked + 1)
    aspects = list(Aspect)
    ordered = sorted(groups.items(), key=lambda i: (aspects.index(i[0][0]), i[0][1] == ALL))
    return tuple(
        AspectRates(aspect=aspect, profile=profile, right=clustered(list(by_run.values())))
        for (aspect, profile), by_run in ordered
        if aspect is not Aspect.STATE
    )
