"""One call of `run`: configuration, consent, store, network and runner put together; the result told; the exit code.

What is measured when is the runner's business, how it looks the report's. Standard output carries the result alone.
"""

import asyncio
import os
import signal
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom

from rich.console import Console

from probe import config, measuring
from probe.assembly import Plan
from probe.budget import Purse
from probe.commands import agreement, consent, pushing
from probe.commands.progress import LiveProgress, PlainProgress
from probe.commands.selection import UsageError, known_formats, known_states, select
from probe.commands.terminal import EXIT_USAGE, refuse, say, tell
from probe.config.watch_file import BudgetSettings
from probe.model.results import Measurement, NetworkState, ProblemReason, Report, State
from probe.model.targets import TargetList
from probe.net.line import Line
from probe.net.live import Session
from probe.net.meter import Meter
from probe.registry import CHOOSABLE
from probe.report import Format, require_writable
from probe.store import Limits, Store, StoreError
from probe.store.line_lock import SharedLine, line_files

# design §4; 2 is in `terminal`
EXIT_DONE, EXIT_FOUND, EXIT_UNDECIDED, EXIT_BUG, EXIT_INTERRUPTED = 0, 1, 3, 4, 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asked for."""

    targets: tuple[str, ...]
    file: Path | None
    checks: tuple[str, ...]
    list_file: Path | None
    output_format: str
    output: Path | None
    fail_on: tuple[str, ...]
    max_bytes: int | None
    max_seconds: float | None
    store: bool
    yes: bool
    high_risk: bool
    state: Path | None
    push_gateway: str | None = None
    push_job: str = pushing.DEFAULT_JOB


def run(options: Options) -> int:
    """Measure and tell. Returns the exit code; nothing is sent before configuration and consent are in order."""
    try:
        with ExitStack() as exits:
            return _run(options, exits)
    except config.ConfigError as error:
        return refuse(*error.lines)
    except (UsageError, StoreError) as error:
        return refuse(str(error))


def _run(options: Options, exits: ExitStack) -> int:
    output_format = known_formats(options.output_format)
    fail_on = known_states(options.fail_on)
    settings = config.read_settings(
        os.environ,
        max_bytes=options.max_bytes,
        max_seconds=options.max_seconds,
        targets=options.file,
        state_dir=options.state,
    )
    if unknown := [c for c in options.checks if c not in CHOOSABLE]:
        raise UsageError(f"no such check: {', '.join(unknown)}; there are {', '.join(CHOOSABLE)}")
    watch = config.load_watch(None)
    listed = config.load(config.find(settings.targets))
    blockpages = config.load_blockpages(settings.blockpages) if settings.blockpages else {}
    _require_output(options.output)
    push = pushing.push_of(options.push_gateway, options.push_job, watch.vantage.instance, os.environ)
    store = exits.enter_context(open_store(settings.state_dir)) if options.store else None
    agreed = agreement.agreed(store, high_risk=options.high_risk)
    targets = select(listed, options.targets, options.list_file, high_risk=agreed.high_risk)
    limits = _limits(watch.budget, settings.max_bytes)
    if not options.yes and not agreed.valid and not _ask(listed, measuring.left_bytes(store, limits), store, agreed):
        return refuse("no consent: run on a terminal to be asked, or give it for this call with --yes")
    wishes = measuring.Wishes(
        targets=measuring.without_uploads(targets, store, wanted=settings.uploads and watch.uploads),
        checks=options.checks,
        max_seconds=settings.max_seconds,
        blockpages=blockpages,
        vantage=measuring.vantage_of(watch.vantage, vpn=Line(settings=watch.line).is_tunnelled()),
    )
    random, meter = SystemRandom(), Meter()
    plan, purse = measuring.planned(listed, wishes, max_bytes=limits.run), None
    if store is not None:
        run_id = measuring.new_id(random, _now())
        plan, purse = measuring.claim(plan, run_id, store, limits=limits, say=say, wall=_now)
    try:
        session = Session(random=random, meter=meter)
    except OSError as error:
        raise UsageError(f"the trust store cannot be read (SSL_CERT_FILE): {error.strerror or error}") from None
    report = asyncio.run(_measure(plan, store, purse, session, random, meter))
    report = measuring.keep(report, store, say)
    told = _told(report, output_format, options.output)
    if push is not None and not report.parameters.interrupted:
        pushing.push(report, push, store)
    return exit_code(report, fail_on) if told else EXIT_USAGE


def _require_output(output: Path | None) -> None:
    """Refuse before anything is sent: measuring first and losing the result then would cost a person's data."""
    if output is None:
        return
    try:
        require_writable(output)
    except OSError as error:
        raise UsageError(f"--output {output}: cannot be written ({error.strerror})") from None


def _told(report: Report, output_format: Format, output: Path | None) -> bool:
    """Tell the result; where its file cannot be written after all, on standard output, and False."""
    try:
        tell(report, output_format, output)
    except OSError as error:
        if output is None:
            raise
        say(f"{output}: cannot be written ({error.strerror}); the result goes to standard output")
        tell(report, output_format, None)
        return False
    return True


async def _measure(
    plan: Plan, store: Store | None, purse: Purse | None, session: Session, random: SystemRandom, meter: Meter
) -> Report:
    stop = asyncio.Event()
    _stop_on_signals(stop)
    with _progress(plan, meter) as progress:
        async with session:
            run = measuring.Run(
                id=purse.run_id if purse else measuring.new_id(random, _now()),
                plan=plan,
                purse=purse,
                line=SharedLine(line_files(store.path if store else None)),
                store=store,
                session=session,
                meter=meter,
                random=random,
                progress=progress,
                say=say,
            )
            return await run.measure(stop)


def _progress(plan: Plan, meter: Meter) -> LiveProgress | PlainProgress:
    console = Console(stderr=True)
    if console.is_terminal:
        return LiveProgress(console=console, meter=meter, max_bytes=plan.max_bytes, max_seconds=plan.max_seconds)
    return PlainProgress(stream=sys.stderr, meter=meter)


def _stop_on_signals(stop: asyncio.Event) -> None:
    """End the run in order on Ctrl-C or SIGTERM; what was measured is kept. A second Ctrl-C ends it at once."""
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, interrupted)
        except NotImplementedError:  # Windows has no signal handlers in its loop
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(interrupted))


def open_store(directory: Path | None) -> Store:
    """The store of this directory, or the person's usual one; what had to be done to open it is told."""
    return measuring.open_store(directory, say)


def _limits(budget: BudgetSettings, wanted: int | None) -> Limits:
    run_bytes = budget.run_bytes if wanted is None else wanted
    return Limits(run=run_bytes, day=budget.day_bytes, month=budget.month_bytes)


def _now() -> datetime:
    return datetime.now(UTC)


def _ask(listed: TargetList, max_bytes: int, store: Store | None, agreed: consent.Consent) -> bool:
    low, risky = consent.split_by_risk(listed.targets)
    return agreement.ask(consent.question(low, max_bytes=max_bytes), risky, store, agreed)


def exit_code(report: Report, fail_on: frozenset[State]) -> int:
    """130 interrupted; 4 our mistake ended a check; 1 a state of --fail-on was found; 3 could not tell; else 0."""
    states = {t.verdict.state for t in report.targets}
    if report.parameters.interrupted:
        return EXIT_INTERRUPTED
    if any(_is_our_bug(m) for m in (*report.controls, *(m for t in report.targets for m in t.measurements))):
        return EXIT_BUG
    if states & fail_on:
        return EXIT_FOUND
    if report.network.state is not NetworkState.OK or states <= {State.INCONCLUSIVE}:
        return EXIT_UNDECIDED
    return EXIT_DONE


def _is_our_bug(measurement: Measurement) -> bool:
    problem = measurement.attempt.problem
    return problem is not None and problem.reason is ProblemReason.BUG
