"""Which figures follow from the records of many runs?

Pure: records in, figures out; every one says how many trials and runs it rests on. How they look is
`probe.lab.score.rendering`'s and `probe.lab.score.figure`'s.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from probe.lab.path import PROFILES
from probe.lab.scenarios.base import Family
from probe.lab.scenarios.holding import STALL_TOLERANCE_BYTES, Aspect
from probe.lab.score.claims import LIMIT_ERROR, Claim, claims_of
from probe.lab.score.confusion import (
    ALL,
    AspectRates,
    Confusion,
    StateRow,
    Trial,
    aspects_of,
    confusions_of,
    states_of,
)
from probe.lab.score.intervals import Rate
from probe.lab.score.record import RunRecord
from probe.lab.score.shares import Promise, ShareRates, promises_of, rate, shares_of
from probe.lab.score.spread import Errors, Spending, Spread, errors_of, spread_of
from probe.model.results import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Of one group of trials. `false_alarms`: blocked or throttled, of those without interference. `found`: the same,
    of those with interference that should be found; `missed`: neither that nor excused by the scenario.
    `inconclusive`: of those without interference where nothing but `ok` will do. `right`: of all, an acceptable state.
    """

    family: str
    profile: str
    false_alarms: Rate
    found: Rate
    missed: Rate
    inconclusive: Rate
    right: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioRow:
    """One scenario on one line: the states found, and how many trials have an acceptable one."""

    scenario: str
    family: Family
    profile: str
    runs: int
    trials: int
    right: int
    states: tuple[tuple[State, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """A verdict whose state is not acceptable."""

    scenario: str
    profile: str
    seed: int
    target: str
    wanted: tuple[State, ...]
    false_alarm: bool
    state: State
    rule_ids: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalid:
    """Runs on one line that say nothing, because the path was starved or there was no report."""

    profile: str
    runs: int
    disturbed: int
    without_report: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why runs of one scenario gave no report: the last line of what was said."""

    scenario: str
    profile: str
    words: str
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """All figures."""

    runs: int
    trials: int
    claims: tuple[Claim, ...]
    rates: tuple[Rates, ...]
    shares: tuple[ShareRates, ...]
    promises: tuple[Promise, ...]
    states: tuple[StateRow, ...]
    confusions: tuple[Confusion, ...]
    aspects: tuple[AspectRates, ...]
    limit_errors: tuple[Errors, ...]
    stall_errors: tuple[Errors, ...]
    spending: tuple[Spending, ...]
    scenarios: tuple[ScenarioRow, ...]
    wrong: tuple[Wrong, ...]
    invalid: tuple[Invalid, ...]
    problems: tuple[Problem, ...]


def score(records: Sequence[RunRecord]) -> Score:
    """The figures of all valid runs among the records."""
    valid = [record for record in records if record.valid]
    trials = [(run, target) for run in valid for target in run.targets]
    return Score(
        runs=len(valid),
        trials=len(trials),
        claims=claims_of(trials),
        rates=_rates(trials),
        shares=shares_of(trials),
        promises=promises_of(trials),
        states=states_of(trials),
        confusions=confusions_of(valid),
        aspects=aspects_of(valid),
        limit_errors=_errors(trials, Aspect.LIMIT, LIMIT_ERROR),
        stall_errors=_errors(trials, Aspect.STALL_OFFSET, STALL_TOLERANCE_BYTES),
        spending=_spending(trials),
        scenarios=_scenarios(trials),
        wrong=_wrong(trials),
        invalid=_invalid(records),
        problems=_problems(records),
    )


def _rates(trials: Sequence[Trial]) -> tuple[Rates, ...]:
    """By family and line, then by line, then all together."""
    groups: dict[tuple[str, str], list[Trial]] = defaultdict(list)
    for run, target in trials:
        for place in ((run.family.value, run.key.profile), (ALL, run.key.profile), (ALL, ALL)):
            groups[place].append((run, target))
    families, lines = [*(family.value for family in Family), ALL], [*PROFILES]

    def position(place: tuple[str, str]) -> tuple[int, bool, int]:
        family, line = place
        return families.index(family), line == ALL, lines.index(line) if line in lines else len(lines)

    places = sorted(groups, key=position)
    return tuple(_rates_of(groups[place], family=place[0], profile=place[1]) for place in places)


def _rates_of(trials: Sequence[Trial], *, family: str, profile: str) -> Rates:
    return Rates(
        family=family,
        profile=profile,
        false_alarms=rate(trials, lambda t: not t.truth.interfered, lambda t: t.false_alarm),
        found=rate(trials, lambda t: t.accusation_wanted, lambda t: t.accused),
        missed=rate(trials, lambda t: t.accusation_wanted, lambda t: t.missed),
        inconclusive=rate(
            trials,
            lambda t: not t.truth.interfered and t.truth.states == (State.OK,),
            lambda t: t.state is State.INCONCLUSIVE,
        ),
        right=rate(trials, lambda _: True, lambda t: t.acceptable),
    )


def _errors(trials: Sequence[Trial], aspect: Aspect, tolerance: float) -> tuple[Errors, ...]:
    """By line and true value; a point without a number on both sides counts as asked, not as found."""
    groups: dict[tuple[bool, str, float, str], list[float | None]] = defaultdict(list)
    for run, target in trials:
        for point in target.points:
            if point.aspect is aspect:
                size = target.truth.limit_bps if aspect is Aspect.LIMIT else target.truth.stall_after_bytes
                groups[False, run.key.profile, float(size or 0), point.true].append(point.error)
                groups[True, ALL, 0.0, ALL].append(point.error)
    return tuple(
        errors_of(group, profile=profile, true=true, tolerance=tolerance)
        for (_, profile, _, true), group in sorted(groups.items(), key=lambda item: item[0])
    )


def _spending(trials: Sequence[Trial]) -> tuple[Spending, ...]:
    groups: dict[tuple[Family, str, State], list[Trial]] = defaultdict(list)
    for run, target in trials:
        groups[run.family, run.key.profile, target.state].append((run, target))
    families, states = list(Family), list(State)
    ordered = sorted(groups.items(), key=lambda i: (families.index(i[0][0]), i[0][1], states.index(i[0][2])))
    return tuple(
        Spending(
            family=family.value,
            profile=profile,
            state=state.value,
            trials=len(group),
            num_bytes=_spread(float(target.num_bytes) for _, target in group),
            goodput_seconds=_spread(t.goodput_seconds for _, t in group if t.goodput_seconds is not None),
            run_seconds=_spread(run.seconds for run, _ in group),
        )
        for (family, profile, state), group in ordered
    )


def _spread(values: Iterable[float]) -> Spread | None:
    collected = list(values)
    return spread_of(collected) if collected else None


def _scenarios(trials: Sequence[Trial]) -> tuple[ScenarioRow, ...]:
    groups: dict[tuple[Family, str, str], list[Trial]] = defaultdict(list)
    for run, target in trials:
        groups[run.family, run.key.scenario, run.key.profile].append((run, target))
    families, states = list(Family), list(State)
    rows = []
    for (family, name, profile), group in sorted(groups.items(), key=lambda i: (families.index(i[0][0]), i[0][1:])):
        found = Counter(target.state for _, target in group)
        rows.append(
            ScenarioRow(
                scenario=name,
                family=family,
                profile=profile,
                runs=len({id(run) for run, _ in group}),
                trials=len(group),
                right=sum(target.acceptable for _, target in group),
                states=tuple((state, found[state]) for state in states if found[state]),
            )
        )
    return tuple(rows)


def _wrong(trials: Sequence[Trial]) -> tuple[Wrong, ...]:
    """False alarms first."""
    wrong = [
        Wrong(
            scenario=run.key.scenario,
            profile=run.key.profile,
            seed=run.key.seed,
            target=target.target,
            wanted=target.truth.states,
            false_alarm=target.false_alarm,
            state=target.state,
            rule_ids=target.rule_ids,
            reason=target.reason,
        )
        for run, target in trials
        if not target.acceptable or target.false_alarm
    ]
    return tuple(sorted(wrong, key=lambda w: (not w.false_alarm, w.scenario, w.profile, w.seed, w.target)))


def _invalid(records: Sequence[RunRecord]) -> tuple[Invalid, ...]:
    lines = dict.fromkeys(record.key.profile for record in records)
    return tuple(
        Invalid(
            profile=line,
            runs=sum(r.key.profile == line for r in records),
            disturbed=sum(r.disturbed for r in records if r.key.profile == line),
            without_report=sum(bool(r.problem) for r in records if r.key.profile == line),
        )
        for line in lines
    )


def _problems(records: Sequence[RunRecord]) -> tuple[Problem, ...]:
    counts = Counter(
        (record.key.scenario, record.key.profile, record.problem.strip().splitlines()[-1])
        for record in records
        if record.problem
    )
    return tuple(
        Problem(scenario=scenario, profile=profile, words=words, runs=runs)
        for (scenario, profile, words), runs in counts.most_common()
    )
