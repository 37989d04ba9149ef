"""Does the ordinary `run` tell the truth on a censored internet whose censor is known?

`throttleprobe demo`: the emulated internet of `probe.lab.world` with six targets, the ordinary command inside it, and
beside each verdict the rule that was in force. Nothing of the machine's own network is used.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from probe.commands import terminal
from probe.commands.measure import open_store
from probe.lab.demo_rules import CASES, Case, demo_rules
from probe.lab.path import HOME
from probe.lab.session import Lab, LabError
from probe.lab.world import demo_world
from probe.model.results import Report, TargetResult

EXIT_LAB = 2  # the lab could not be started: something is missing on this machine
EXIT_WRONG = 1  # a verdict that does not match the rule in force
DEMO_SECONDS = 300.0  # hard end; measuring takes about a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was in force for one target, and what was found."""

    case: Case
    result: TargetResult

    @property
    def matches(self) -> bool:
        verdict = self.result.verdict
        explained = not self.case.mechanisms or bool(set(verdict.mechanisms) & set(self.case.mechanisms))
        return verdict.state is self.case.state and explained


def run(*, output_format: str, output: Path | None) -> int:
    """Run the demo; prints the ordinary report, then truth beside verdict. Returns the exit code."""
    try:
        with Lab(profile=HOME, world=demo_world(), rules=demo_rules()) as lab:
            state = lab.directory / "state"
            done = lab.run(
                _command(lab.targets_path, state, output_format, output), timeout=DEMO_SECONDS, capture=False
            )
            if done.returncode not in (0, 1, 3):
                return done.returncode
            with open_store(state) as store:
                report = store.report()
    except LabError as error:
        terminal.say(f"throttleprobe demo: {error}")
        return EXIT_LAB
    outcomes = [Outcome(case=c, result=t) for c in CASES for t in report.targets if t.id == c.target]
    _tell(outcomes, report, Console(stderr=output is not None or output_format != "table"))
    return 0 if len(outcomes) == len(CASES) and all(o.matches for o in outcomes) else EXIT_WRONG


def _command(targets: Path, state: Path, output_format: str, output: Path | None) -> list[str]:
    command = [sys.executable, "-m", "probe", "run", "--yes", "--targets", str(targets), "--state", str(state)]
    command += ["--format", output_format]
    return command + (["--output", str(output)] if output else [])


def _tell(outcomes: list[Outcome], report: Report, console: Console) -> None:
    table = Table(title="What was in force, and what was found", title_justify="left")
    for heading in ("target", "censor's rule in force", "found", ""):
        table.add_column(heading)
    for outcome in outcomes:
        verdict = outcome.result.verdict
        found = " ".join([verdict.state.value, *(m.value for m in verdict.mechanisms)])
        table.add_row(outcome.result.name, outcome.case.rule, found, "matches" if outcome.matches else "DOES NOT MATCH")
    console.print()
    console.print(table)
    right = sum(o.matches for o in outcomes)
    console.print(f"{right} of {len(outcomes)} verdicts match; measured in {report.duration_seconds:.0f} s.")
