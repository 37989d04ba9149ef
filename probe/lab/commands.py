"""Which scenarios are there, and what does the ordinary `run` say on one of them?

`throttleprobe lab list` and `lab run`: tables and exit codes. The scenarios are in `probe.lab.scenarios`, many runs
and their error rates are `probe.lab.score`'s.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from probe.commands import terminal
from probe.lab.path import PROFILES
from probe.lab.scenarios.base import Family, Scenario, Setup, all_scenarios, find
from probe.lab.scenarios.holding import Aspect, Point
from probe.lab.scenarios.running import NoReportError, Outcome, run
from probe.lab.session import LabError
from probe.report import Format, render, require_writable, write

EXIT_WRONG = 1  # a verdict that is not what is true there
EXIT_USAGE = 2  # no such scenario, line or family; or the lab cannot be started on this machine
EXIT_INTERRUPTED = 130
LIST_WIDTH = 240  # columns: in a file or a pipe a scenario is one line, for grep
EXIT_BUG = 4  # the command in the lab gave no report
NETWORK_ROW = "(the line)"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What `lab run` was asked. `profile`: a line's name, "" for the scenario's usual one."""

    name: str
    profile: str
    seed: int
    pcap: Path | None
    output: Path | None


def show_list(family: str, output_format: str) -> int:
    """The scenarios, of one family or all. Returns the exit code."""
    families = [f.value for f in Family]
    if family and family not in families:
        return terminal.refuse(f"no family is called {family}; there are: {', '.join(families)}")
    if output_format not in ("table", "json"):
        return terminal.refuse(f"--format: table or json, not {output_format}")
    chosen = [s for s in all_scenarios() if not family or s.family.value == family]
    if output_format == "json":
        terminal.show(json.dumps([_as_json(s) for s in chosen], indent=1, ensure_ascii=False))
    else:
        console = _console()
        if not console.is_terminal:
            console.width = LIST_WIDTH
        console.print(_list_table(chosen))
    return 0


def show_run(options: RunOptions) -> int:
    """Run one scenario and show truth beside verdict. Returns the exit code."""
    try:
        scenario = find(options.name)
    except KeyError as error:
        return terminal.refuse(str(error.args[0]))
    lines = {**PROFILES, **{p.name: p for p in scenario.profiles}}
    profile = lines.get(options.profile or scenario.profiles[0].name)
    if profile is None:
        return terminal.refuse(f"no line is called {options.profile}; there are: {', '.join(lines)}")
    try:
        if options.output is not None and (reason := _unwritable(options.output)):
            return terminal.refuse(reason)
        outcome = run(scenario.build(profile), seed=options.seed, pcap=options.pcap)
        if options.output is not None:
            write(options.output, render(outcome.report, Format.JSON))
    except (LabError, OSError) as error:
        return terminal.refuse(f"throttleprobe lab: {error}")
    except (NoReportError, subprocess.TimeoutExpired) as error:
        terminal.say(f"throttleprobe lab: {error}")
        return EXIT_BUG
    except KeyboardInterrupt:
        terminal.say("throttleprobe lab: interrupted before there was a result")
        return EXIT_INTERRUPTED
    _tell(scenario, outcome, _console(to_errors=options.output is not None))
    return 0 if outcome.right else EXIT_WRONG


def _unwritable(path: Path) -> str:
    """Why the result could not be written there, or nothing."""
    try:
        require_writable(path)
    except OSError as error:
        return f"--output {path} cannot be written: {error.strerror}"
    return ""


def _console(*, to_errors: bool = False) -> Console:
    console = Console(stderr=to_errors)
    return console if console.is_terminal else Console(stderr=to_errors, width=terminal.FILE_WIDTH)


def _as_json(scenario: Scenario) -> dict[str, object]:
    return {
        "name": scenario.name,
        "family": scenario.family.value,
        "interferes": scenario.family.interferes,
        "summary": scenario.summary,
        "profiles": [p.name for p in scenario.profiles],
        "in_suite": scenario.in_suite,
    }


def _list_table(scenarios: list[Scenario]) -> Table:
    """A line or two for each scenario under its family; lines beyond the usual one are counted."""
    table = Table(
        box=None,
        title=f"{len(scenarios)} scenarios",
        title_justify="left",
        caption="* run by `make test`; `--format json` names all lines",
        caption_justify="left",
        show_edge=False,
    )
    for heading in ("scenario", "lines", "what happens there"):
        table.add_column(heading, no_wrap=heading != "what happens there")
    family: Family | None = None
    for scenario in scenarios:
        if scenario.family is not family:
            family = scenario.family
            kind = "interferes" if family.interferes else "honest"
            table.add_row(Text(f"{family.value} ({kind})", style="bold"))
        usual, *others = scenario.profiles
        lines = usual.name + (f" +{len(others)}" if others else "")
        table.add_row(f"  {scenario.name}{' *' if scenario.in_suite else ''}", lines, _first_sentence(scenario.summary))
    return table


def _first_sentence(summary: str) -> str:
    return summary.split(". ")[0].rstrip(".")


def _tell(scenario: Scenario, outcome: Outcome, console: Console) -> None:
    setup = outcome.setup
    console.print(Text(f"{scenario.name} ({scenario.family.value}), on the line {setup.profile.name}"))
    console.print(Text(scenario.summary))
    console.print(_points_table(setup, outcome))
    for result in outcome.report.targets:
        console.print(Text(f"{result.id}: {result.verdict.reason} [{', '.join(result.verdict.rule_ids)}]"))
    if outcome.disturbed:
        console.print("This machine was too busy to keep the line's time: the run shows nothing. Try again.")
    right = "as it is" if outcome.right else "NOT AS IT IS"
    console.print(f"Found {right}; measured in {outcome.seconds:.0f} s.")


def _points_table(setup: Setup, outcome: Outcome) -> Table:
    table = Table(title="What is true, and what was found", title_justify="left")
    for heading in ("target", "asked", "true", "found", ""):
        table.add_column(heading)
    for identity, points in outcome.points().items():
        if identity in setup.truths and table.row_count:
            table.add_section()
        shown = identity or NETWORK_ROW
        for point in points:
            table.add_row(shown, _asked(point), _true(point), point.found, "" if point.right else "WRONG")
            shown = ""
    return table


def _true(point: Point) -> str:
    """Any of the acceptable words will do; a number stands with its unit."""
    return point.true if point.aspect in (Aspect.LIMIT, Aspect.STALL_OFFSET) else " or ".join(point.true.split())


def _asked(point: Point) -> str:
    asked = point.aspect.value.replace("_", " ")
    return f"{asked}, {point.direction.value}" if point.direction else asked
