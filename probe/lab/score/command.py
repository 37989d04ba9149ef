"""`throttleprobe lab score`: what was asked, what comes out, which exit code.

The steps are in the modules beside this one.
"""

import importlib.util
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from probe.commands import terminal
from probe.lab.scenarios.base import Family, all_scenarios
from probe.lab.score import rendering
from probe.lab.score.kept import judged_again
from probe.lab.score.log import Log, read
from probe.lab.score.plan import QUICK_RUNS, Cell, Wish, cells, order, remaining
from probe.lab.score.pool import Pool, PoolError
from probe.lab.score.progress import Progress
from probe.lab.score.record import LogError, RunRecord, TargetRecord
from probe.lab.score.tables import Score, score
from probe.lab.score.trial import Origin
from probe.report import write

EXIT_FALSE_ALARM = 1
EXIT_USAGE = 2  # also: the lab does not work on this machine
EXIT_INTERRUPTED = 130
PAGE, FIGURE, FIGURES = "accuracy.md", "accuracy.svg", "accuracy.json"
GIT_SECONDS = 10.0
LIBRARIES = ("scipy",)  # asked for now: hours later would be too late


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `lab score` was asked. `runs`: of each scenario on each line, None for what the claims need."""

    patterns: tuple[str, ...]
    families: tuple[str, ...]
    profiles: tuple[str, ...]
    runs: int | None
    quick: bool
    parallel: int
    max_seconds: float
    log: Path
    resume: bool
    output: Path | None
    evidence_directory: Path | None
    rejudge: bool = False


def run(options: Options) -> int:
    """Make the runs, or judge those made again, and write the tables. Returns the exit code."""
    if mistake := _mistake(options):
        return terminal.refuse(mistake)
    if options.rejudge:
        return _rejudged(options)
    wish = Wish(
        patterns=options.patterns,
        families=options.families,
        profiles=options.profiles,
        runs=QUICK_RUNS if options.quick and options.runs is None else options.runs,
    )
    chosen = cells(all_scenarios(), wish)
    if not chosen:
        return terminal.refuse("no scenario on no line fits; `throttleprobe lab list` shows all")
    try:
        with Log(options.log, resume=options.resume) as log:
            return _score(options, chosen, log)
    except (LogError, OSError) as error:
        return terminal.refuse(f"throttleprobe lab score: {error}")


def _mistake(options: Options) -> str:
    if missing := [name for name in LIBRARIES if importlib.util.find_spec(name) is None]:
        return f"counting needs {', '.join(missing)}; the extra `score` brings it: pip install 'throttleprobe[score]'"
    families = [family.value for family in Family]
    if unknown := [word for word in options.families if word not in families]:
        return f"no family is called {', '.join(unknown)}; there are: {', '.join(families)}"
    if options.output is not None and options.output.exists() and not options.output.is_dir():
        return f"--output {options.output}: a directory is wanted"
    if options.rejudge and options.evidence_directory is None:
        return "--rejudge needs --keep-evidence: the directory that the runs were kept in"
    return ""


def _rejudged(options: Options) -> int:
    """Today's rules on the runs of the log; nothing is run, and the log stays as it is."""
    assert options.evidence_directory is not None
    began, made = time.monotonic(), read(options.log)
    try:
        records = list(judged_again(made, options.evidence_directory, Origin(commit=commit())))
        result = score(records)
        _tell(options, _heading(records, complete=True, planned=len(records), since=began), result)
    except (LogError, OSError) as error:
        return terminal.refuse(f"throttleprobe lab score: {error}")
    before = {record.key: record for record in made}
    for record in records:
        for old, new in zip(before[record.key].targets, record.targets, strict=True):
            if old.state is not new.state or old.rule_ids != new.rule_ids:
                place = f"{record.key.scenario} on {record.key.profile}, seed {record.key.seed}"
                terminal.say(f"{place}: {old.target}: {_told(old)}, now {_told(new)}")
    return EXIT_FALSE_ALARM if any(wrong.false_alarm for wrong in result.wrong) else 0


def _told(target: TargetRecord) -> str:
    return f"{target.state.value} ({', '.join(target.rule_ids)})"


def _score(options: Options, chosen: Sequence[Cell], log: Log) -> int:
    began, origin = time.monotonic(), Origin(commit=commit())
    planned = order(chosen)
    records = list(log.earlier)
    left = remaining(planned, records)
    console = Console(stderr=True)
    code, complete = 0, False

    def keep(record: RunRecord) -> None:
        log.append(record)
        records.append(record)

    progress = Progress(
        console=console, planned=len(left), earlier=len(planned) - len(left), max_seconds=options.max_seconds
    )
    try:
        with (
            progress,
            Pool(
                size=options.parallel,
                origin=origin,
                listener=progress,
                deadline=began + options.max_seconds,
                evidence_directory=options.evidence_directory,
            ) as pool,
        ):
            complete = pool.make(left, keep)
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
        terminal.say("throttleprobe lab score: interrupted")
    except PoolError as error:
        return terminal.refuse(f"throttleprobe lab score: the lab does not work here: {error}")
    heading = _heading(records, complete=complete, planned=len(planned), since=began)
    result = score(records)
    _tell(options, heading, result)
    if not complete:
        terminal.say(f"{options.log} has the runs that were finished; the same command with --resume goes on")
    return code or (EXIT_FALSE_ALARM if any(wrong.false_alarm for wrong in result.wrong) else 0)


def _tell(options: Options, heading: rendering.Heading, result: Score) -> None:
    """To standard output, or to files. Raises OSError."""
    if options.output is None:
        terminal.show(rendering.as_markdown(heading, result))
        return
    from probe.lab.score.figure import as_svg

    options.output.mkdir(parents=True, exist_ok=True)
    write(options.output / FIGURE, as_svg(result))
    write(options.output / FIGURES, rendering.as_json(heading, result))
    write(options.output / PAGE, rendering.as_markdown(heading, result, figure=FIGURE))
    terminal.say(f"written: {options.output / PAGE}, {FIGURES} and {FIGURE}")


def _heading(records: Sequence[RunRecord], *, complete: bool, planned: int, since: float) -> rendering.Heading:
    """`seconds` is what this call took; a log that was resumed has more behind it."""
    return rendering.Heading(
        date=datetime.now(UTC).date().isoformat(),
        command=shlex.join(["throttleprobe", *sys.argv[1:]]),
        commits=tuple(dict.fromkeys(record.commit for record in records)),
        versions=tuple(dict.fromkeys(record.probe_version for record in records)),
        complete=complete,
        planned_runs=planned,
        seconds=time.monotonic() - since,
    )


def commit() -> str:
    """The checkout's commit, with a plus where its code differs from it; "" outside a checkout."""
    root = Path(__file__).resolve().parents[3]
    head = _git(root, "rev-parse", "--short=12", "HEAD")
    return f"{head}+" if head and _git(root, "status", "--porcelain", "--", "probe") else head


def _git(root: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, check=True, timeout=GIT_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
