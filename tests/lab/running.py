"""How a lab test runs the ordinary command at the vantage point, and what it asks of the answer."""

import subprocess
import sys
from dataclasses import dataclass

from probe import records
from probe.lab.scenarios.running import Outcome
from probe.lab.session import Lab
from probe.model.results import Report, State, TargetResult, Verdict
from probe.registry import EVIDENCE_TYPES

HARD_END_SECONDS = 400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One call of the command: its report, exit code and standard error."""

    report: Report
    code: int
    errors: str

    def target(self, identity: str) -> TargetResult:
        return next(t for t in self.report.targets if t.id == identity)

    def verdict(self, identity: str) -> Verdict:
        return self.target(identity).verdict

    def state(self, identity: str) -> State:
        return self.verdict(identity).state

    def mechanisms(self, identity: str) -> set[str]:
        return {m.value for m in self.verdict(identity).mechanisms}

    def bytes_of(self, identity: str) -> int:
        return bytes_of(self.target(identity))

    def seconds_of(self, identity: str, check: str) -> float:
        return seconds_of(self.target(identity), check)

    def told(self) -> str:
        """What a failing test should show: states, reasons, and what was logged."""
        lines = [
            f"{t.id}: {t.verdict.state.value} {t.verdict.rule_ids}: {t.verdict.reason}" for t in self.report.targets
        ]
        checks = [
            f"  {m.target} {m.check} {m.input}: {m.verdict.state.value} {m.verdict.rule_ids} {m.verdict.reason}"
            for t in self.report.targets
            for m in t.measurements
            if m.verdict.state is not State.OK
        ]
        return "\n".join([*lines, *checks, self.report.network.reason, self.errors[-3000:]])


def told(outcome: Outcome) -> str:
    """What a failing test shows: the points that are wrong, and why each target was judged so."""
    wrong = [
        f"{identity or 'network'} {point.aspect.value} {point.direction}: {point.true} is true, {point.found} found"
        for identity, points in outcome.points().items()
        for point in points
        if not point.right
    ]
    reasons = [f"{t.id}: {t.verdict.rule_ids} {t.verdict.reason}" for t in outcome.report.targets]
    checks = [
        f"  {t.id} {m.check} {m.input}: {m.verdict.state.value} {m.verdict.rule_ids} {m.verdict.reason}"
        for t in outcome.report.targets
        for m in t.measurements
        if m.verdict.state is not State.OK
    ]
    path = f"{outcome.stats}" if outcome.disturbed else "the path was punctual"
    return "\n".join([*wrong, *reasons, *checks, outcome.report.network.reason, path, outcome.errors[-3000:]])


def bytes_of(target: TargetResult) -> int:
    return sum(m.sent_bytes + m.received_bytes for m in target.measurements)


def seconds_of(target: TargetResult, check: str) -> float:
    return sum(m.duration_seconds for m in target.measurements if m.check == check)


def command(lab: Lab, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The ordinary command, consent given, nothing stored unless the arguments say where."""
    return lab.run([sys.executable, "-m", "probe", *arguments], timeout=HARD_END_SECONDS)


def measure(lab: Lab, *arguments: str) -> Ran:
    """`throttleprobe run` with this lab's targets.yaml; arguments are target ids and flags."""
    fixed = ("run", "--yes", "--no-store", "--targets", str(lab.targets_path), "--format", "json")
    done = command(lab, *fixed, *arguments)
    assert done.stdout, done.stderr
    return Ran(report=records.decode(done.stdout, EVIDENCE_TYPES), code=done.returncode, errors=done.stderr)
