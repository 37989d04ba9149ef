"""Who is right how often: this probe, other tools' rules on the same transfers, other programs on the same paths?

Run from the checkout: `throttleprobe lab score --keep-evidence DIR --log FILE …` first, then
`python -m benchmarks.rivals --evidence DIR --log FILE --programs 20`. The rules see the transfers that the score kept;
the programs run on fresh paths of the same scenarios. Prints one table in Markdown.
"""

import argparse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.rivals.programs import ask
from benchmarks.rivals.rules import OWN_FLOWS, RULES, Answer, answer
from probe.checks.goodput import Evidence
from probe.lab.scenarios.base import Family, Scenario, all_scenarios, find
from probe.lab.score import log
from probe.lab.score.intervals import clustered
from probe.lab.score.kept import read, report_path
from probe.lab.score.record import RunRecord, TargetRecord
from probe.model.results import State

FAMILIES = (Family.THROTTLING, Family.STALL, Family.LINES)  # where goodput decides, and where it must not
PARALLEL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One target of one run with what is true of it."""

    run: RunRecord
    record: TargetRecord
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One answer. `run` names the run, since trials of one run resemble each other."""

    run: str
    slowed: bool
    answer: Answer
    num_bytes: float | None = None
    seconds: float | None = None


def cases(evidence: Path, made: tuple[RunRecord, ...]) -> Iterator[Case]:
    """Trials of the families above whose evidence was kept; those whose truth allows several states are left out."""
    for run in made:
        if not run.valid or run.family not in FAMILIES or not report_path(evidence, run.key).exists():
            continue
        found = {t.id: [m.attempt.evidence for m in t.measurements] for t in read(evidence, run.key).targets}
        for record in run.targets:
            clear = record.truth.states[0] is (State.THROTTLED if record.truth.interfered else State.OK)
            moved = next((e for e in found[record.target] if isinstance(e, Evidence)), None)
            if clear and moved is not None:
                yield Case(run=run, record=record, evidence=moved)


def judged(found: list[Case]) -> dict[str, list[Trial]]:
    """What this probe and every rule said of each case."""
    own = [
        Trial(
            run=c.run.run_id,
            slowed=c.record.truth.interfered,
            answer=_own(c.record.state),
            num_bytes=c.record.num_bytes,
            seconds=c.record.goodput_seconds,
        )
        for c in found
    ]
    said = {"this probe": own}
    for name, rule in RULES.items():
        said[name] = [
            Trial(
                run=c.run.run_id,
                slowed=c.record.truth.interfered,
                answer=answer(rule, (c.evidence.download, c.evidence.upload)),
            )
            for c in found
        ]
    return said


def _own(state: State) -> Answer:
    if state in (State.THROTTLED, State.BLOCKED):
        return Answer.ACCUSES
    return Answer.CLEARS if state is State.OK else Answer.ABSTAINS


def asked(scenario: Scenario, seed: int) -> list[tuple[str, Trial]]:
    """What the programs said of every target of one fresh path whose truth is clear."""
    setup = scenario.build(scenario.profiles[0])
    found = []
    for target, truth in setup.truths.items():
        if truth.states[0] is not (State.THROTTLED if truth.interfered else State.OK):
            continue
        for said in ask(setup, target, seed):
            trial = Trial(
                run=f"{scenario.name} {seed}",
                slowed=truth.interfered,
                answer=said.answer,
                num_bytes=said.num_bytes,
                seconds=said.seconds,
            )
            found.append((said.program, trial))
    return found


def programs(count: int) -> dict[str, list[Trial]]:
    """`count` paths of interference and as many honest ones, spread over the scenarios of the families above."""
    wanted = [s for s in all_scenarios() if s.family in FAMILIES and not s.build(s.profiles[0]).beside]
    slowed = [s for s in wanted if s.family.interferes]
    honest = [s for s in wanted if not s.family.interferes]
    jobs = [(group[i % len(group)], i) for group in (slowed, honest) for i in range(count)]
    found: dict[str, list[Trial]] = {}
    with ThreadPoolExecutor(PARALLEL) as pool:
        for answers in pool.map(lambda job: asked(find(job[0].name), job[1]), jobs):
            for program, trial in answers:
                found.setdefault(program, []).append(trial)
    return found


def row(name: str, trials: list[Trial]) -> str:
    """One tool's line of the table."""
    clean, slowed = ([t for t in trials if t.slowed is kind] for kind in (False, True))
    cells = [
        _share(clean, Answer.ACCUSES),
        _share(clean, Answer.ABSTAINS),
        _share(slowed, Answer.ACCUSES),
        _share(slowed, Answer.CLEARS),
        _share(slowed, Answer.ABSTAINS),
        _middle([t.num_bytes / 1e6 for t in trials if t.num_bytes is not None], "MB"),
        _middle([t.seconds for t in trials if t.seconds is not None], "s"),
        OWN_FLOWS.get(name, "the same"),
    ]
    return f"| {name} | " + " | ".join(cells) + " |"


def _share(trials: list[Trial], wanted: Answer) -> str:
    runs: dict[str, list[bool]] = {}
    for trial in trials:
        runs.setdefault(trial.run, []).append(trial.answer is wanted)
    rate = clustered([(sum(hits), len(hits)) for hits in runs.values()])
    if rate.value is None:
        return "–"
    return f"{100 * rate.value:.1f} ({100 * rate.low:.1f}-{100 * rate.high:.1f})"


def _middle(values: list[float], unit: str) -> str:
    return f"{median(values):.1f} {unit}" if values else "as above"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evidence", type=Path, required=True, help="what `lab score --keep-evidence` wrote")
    parser.add_argument("--log", type=Path, required=True, help="the same score's log")
    parser.add_argument("--programs", type=int, default=0, help="paths of each kind for curl and blackbox_exporter")
    arguments = parser.parse_args()
    found = list(cases(arguments.evidence, log.read(arguments.log)))
    print(f"{sum(not c.record.truth.interfered for c in found)} clean and ", end="")
    print(f"{sum(c.record.truth.interfered for c in found)} slowed targets; shares in % with 95 % intervals\n")
    print("| tool | clean: accused | clean: undecided | slowed: found | slowed: cleared | slowed: undecided ", end="")
    print("| data a target | time a target | its own flows |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, trials in (judged(found) | programs(arguments.programs)).items():
        print(row(name, trials), flush=True)


if __name__ == "__main__":
    main()
