"""What do today's rules say of the stored evidence of every scenario, in lines that a person can compare?

tests/golden/<scenario>.json.gz is one report of `throttleprobe lab run`, tests/golden/verdicts.txt what the rules said
of all of them when it was last written. `python -m benchmarks.golden` writes both.
"""

import gzip
from collections.abc import Iterator
from pathlib import Path

from probe import judgement, records
from probe.lab.scenarios.base import Scenario, all_scenarios
from probe.lab.scenarios.holding import all_right, hold
from probe.model.results import Report, State, Verdict
from probe.registry import EVIDENCE_TYPES

GOLDEN = Path(__file__).parent / "golden"
VERDICTS = GOLDEN / "verdicts.txt"


def path_of(scenario: Scenario) -> Path:
    return GOLDEN / f"{scenario.name}.json.gz"


def write(scenario: Scenario, report: Report) -> None:
    """Store a report; the same report gives the same bytes."""
    path_of(scenario).write_bytes(gzip.compress(records.encode(report), mtime=0))


def read(scenario: Scenario) -> Report:
    return records.decode(gzip.decompress(path_of(scenario).read_bytes()), EVIDENCE_TYPES)


def kept() -> Iterator[tuple[Scenario, Report]]:
    """Every scenario with its stored report, judged anew."""
    for scenario in all_scenarios():
        if path_of(scenario).exists():
            yield scenario, judgement.rejudge(read(scenario))


def lines(scenario: Scenario, report: Report) -> list[str]:
    """The verdicts of one report: each target's, whether it is true, and those of its checks that are not ok."""
    truths = scenario.build(scenario.profiles[0]).truths
    found = [f"{scenario.name}: network {report.network.state.value}"]
    for target in report.targets:
        right = all_right(hold(truths[target.id], target))
        found.append(f"  {target.id}: {_said(target.verdict)}{'' if right else '  <- NOT WHAT IS TRUE'}")
        found += [
            f"    {m.check} {m.input}: {_said(m.verdict)}"
            for m in target.measurements
            if m.verdict.state is not State.OK
        ]
    return found


def text() -> str:
    """What verdicts.txt must hold."""
    return "\n".join(line for scenario, report in kept() for line in lines(scenario, report)) + "\n"


def _said(verdict: Verdict) -> str:
    strength = f" {verdict.strength.value}" if verdict.strength is not None else ""
    mechanisms = "".join(f" {m.value}" for m in verdict.mechanisms)
    return f"{verdict.state.value}{strength}{mechanisms} ({', '.join(verdict.rule_ids)})"
