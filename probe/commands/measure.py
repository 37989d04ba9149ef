"""One call of `run`: configuration, consent, store, network and runner put together; the result told; the exit code.

What is measured when is the runner's business, how it looks the report's. Standard output carries the result alone.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom

from rich.console import Console

from probe import budget, config
from probe.assembly import Plan, Stamp
from probe.checks import goodput
from probe.commands import consent
from probe.commands.progress import LiveProgress, PlainProgress
from probe.commands.selection import UsageError, known_formats, known_states, select, without_uploads
from probe.commands.terminal import EXIT_USAGE, refuse, say, tell
from probe.model.results import Measurement, NetworkState, ProblemReason, Report, State, Vantage
from probe.model.targets import TargetList
from probe.net.live import Session
from probe.net.meter import Meter
from probe.registry import CHOOSABLE, EVIDENCE_TYPES
from probe.report import Format, require_writable
from probe.runner import Runner, default_seconds
from probe.store import Store, StoreError, Window, default_path

# design §4; 2 is in `terminal`
EXIT_DONE, EXIT_FOUND, EXIT_UNDECIDED, EXIT_BUG, EXIT_INTERRUPTED = 0, 1, 3, 4, 130
STORE_FILE = "results.sqlite3"


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


class StoreSink:
    """Keeps each finished measurement and what it moved; a store that fails is told once and measuring goes on.

    One thread writes, in order: waiting for a slow disk in the event loop would look like a slow network.
    """

    def __init__(self, store: Store | None, run_id: str) -> None:
        self._store = store
        self._run_id = run_id
        self._failed = False
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")

    def begin(self, report: Report) -> None:
        """Remember the run before its first packet."""
        self._guarded(lambda store: store.begin_run(report))

    def measurement(self, measurement: Measurement) -> None:
        self._writer.submit(self._guarded, lambda store: _keep_measurement(store, self._run_id, measurement))

    def close(self) -> None:
        """Wait until everything is on the disk."""
        self._writer.shutdown(wait=True)

    def _guarded(self, write: Callable[[Store], None]) -> None:
        if self._store is None or self._failed:
            return
        try:
            write(self._store)
        except StoreError as error:
            self._failed = True
            say(str(error))


def _keep_measurement(store: Store, run_id: str, measurement: Measurement) -> None:
    store.add_measurement(run_id, measurement)
    store.add_bytes(measurement.sent_bytes + measurement.received_bytes)
    for host in _uploaded_to(measurement):
        store.add_upload(host)


def _uploaded_to(measurement: Measurement) -> tuple[str, ...]:
    """The host of every upload flow to a platform that a measurement made."""
    evidence = measurement.attempt.evidence
    if not isinstance(evidence, goodput.Evidence) or evidence.upload is None:
        return ()
    return tuple(t.transfer.host for t in evidence.upload.trials if t.arm in (goodput.Arm.TARGET, goodput.Arm.NEUTRAL))


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
    listed = config.load(config.find(settings.targets))
    blockpages = config.load_blockpages(settings.blockpages) if settings.blockpages else {}
    _require_output(options.output)
    store = exits.enter_context(open_store(settings.state_dir)) if options.store else None
    agreed = _agreed(options, store)
    targets = select(listed, options.targets, options.list_file, high_risk=agreed.high_risk)
    allowed = _allowed_bytes(settings.max_bytes, store)
    if not options.yes and not agreed.valid and not _ask(listed, allowed, store, agreed):
        return refuse("no consent: run on a terminal to be asked, or give it for this call with --yes")
    targets = without_uploads(targets, store, wanted=settings.uploads)
    plan = Plan(
        controls=listed.controls,
        targets=targets,
        checks=options.checks or CHOOSABLE,
        max_bytes=allowed,
        max_seconds=settings.max_seconds or default_seconds(len(targets)),
        known_blockpages=blockpages,
        vantage=Vantage(),
        may_take_longer=settings.max_seconds is None,
    )
    random, meter = SystemRandom(), Meter()
    try:
        session = Session(random=random, meter=meter)
    except OSError as error:
        raise UsageError(f"the trust store cannot be read (SSL_CERT_FILE): {error.strerror or error}") from None
    report = asyncio.run(_measure(plan, store, session, random, meter))
    _keep(report, store)
    return exit_code(report, fail_on) if _told(report, output_format, options.output) else EXIT_USAGE


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


async def _measure(plan: Plan, store: Store | None, session: Session, random: SystemRandom, meter: Meter) -> Report:
    stop = asyncio.Event()
    _stop_on_signals(stop)
    run_id = Stamp(wall=datetime.now(UTC), random=random).new_id()
    with _progress(plan, meter) as progress, closing(StoreSink(store, run_id)) as sink:
        async with session:
            runner = Runner(plan=plan, session=session, sink=sink, progress=progress, meter=meter, random=random)
            sink.begin(runner.report(run_id))
            return await runner.run(stop, run_id)


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
    path = directory / STORE_FILE if directory else default_path()
    store = Store.open(path, evidence_types=EVIDENCE_TYPES, now=lambda: datetime.now(UTC))
    if store.notice:
        say(store.notice)
    return store


def _keep(report: Report, store: Store | None) -> None:
    if store is None:
        return
    try:
        store.finish_run(report)
    except StoreError as error:  # a full disk, a lock that is not given up: the result is told all the same
        say(str(error))


def _allowed_bytes(wanted: int | None, store: Store | None) -> int:
    """What this run may move: what was asked for, and what the day's and the month's budgets leave."""
    allowed = budget.DEFAULT_RUN_BYTES if wanted is None else wanted
    if store is None:
        return allowed
    left_today = budget.DEFAULT_DAY_BYTES - store.used_bytes(Window.DAY)
    left_this_month = budget.DEFAULT_MONTH_BYTES - store.used_bytes(Window.MONTH)
    return max(0, min(allowed, left_today, left_this_month))


def _agreed(options: Options, store: Store | None) -> consent.Consent:
    """What was agreed to before, on this machine and in this call; what was agreed to under another policy is void."""
    stored = store.consent() if store is not None else None
    version = int(stored.policy_version) if stored is not None and stored.policy_version.isdigit() else 0
    remembered = stored is not None and version == consent.POLICY_VERSION and "high" in stored.risk_groups
    return consent.Consent(policy_version=version, high_risk=options.high_risk or remembered)


def _ask(listed: TargetList, max_bytes: int, store: Store | None, agreed: consent.Consent) -> bool:
    """Ask on the terminal and remember the answer; without a terminal the answer is no.

    A flag that includes the high-risk group is for its call alone: only an answer about that group is remembered.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    low, risky = consent.split_by_risk(listed.targets)
    say(consent.question(low, max_bytes=max_bytes))
    if not _yes("Do you agree? [y/N]"):
        return False
    high = False
    if risky and not agreed.high_risk:
        say(consent.risk_question(risky))
        high = _yes("Contact them as well, from the next run on? [y/N]")
    if store is not None:
        store.add_consent(str(consent.POLICY_VERSION), ("high",) if high else ())
    return True


def _yes(question: str) -> bool:
    say(question)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


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
