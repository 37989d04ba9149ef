"""What did earlier runs leave in the store, and how do the figures that no run changes stand now?

Everything here blocks and is called in a thread. A store that cannot be read is logged, and what it would have told is
not known.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from probe.metrics import BudgetWindow, Endpoint, Metrics
from probe.model.past import PastOutcome
from probe.model.results import Report
from probe.push.pusher import ReceiverStatus
from probe.records import RecordError
from probe.schedule import LastRun, longest_seconds
from probe.store import Limits, NoSuchRun, Past, StoreError, Window
from probe.verdict.past_outcomes import is_cut_off
from probe.watch.configuration import Configuration
from probe.watch.tools import Tools

MAX_RUNS = 20  # on the status page; the rest is `throttleprobe report --since`
SHOWN_RUNS = timedelta(days=7)
LATE_PUSH = timedelta(days=1)  # what is older is not worth a receiver's trouble with late samples
AGREEING_RUNS = timedelta(days=14)  # docs/metrics.md: throttleprobe_verdict_runs after a restart


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The last outcome of each target, and the latest runs, oldest first."""

    outcomes: tuple[PastOutcome, ...] = ()
    runs: tuple[Past, ...] = ()

    @property
    def best_bps(self) -> float | None:
        """The best rate that any direction of any target, or its control, had; None: no goodput is known."""
        directions = (d for outcome in self.outcomes for d in (outcome.download, outcome.upload) if d is not None)
        return max(
            (rate for d in directions for rate in (d.target_bps, d.control_bps) if rate is not None), default=None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """`used_bytes` of the day and of the month; `notice` is what the store has to say."""

    limits: Limits
    used_bytes: tuple[int, int] = (0, 0)
    receivers: tuple[ReceiverStatus, ...] = ()
    notice: str = ""


def last_run(tools: Tools, configuration: Configuration) -> LastRun | None:
    """The run that began last, finished or not: a program that crashes in each must not begin one at each start.

    One that is older than the greatest gap needs no looking for.
    """
    since = tools.clock.now().wall - timedelta(seconds=longest_seconds(configuration.watch.schedule))
    try:
        begun = tools.store.history(since)
    except (StoreError, RecordError) as error:
        tools.log.error("store", problem=str(error))
        return None
    if not begun:
        return None
    return LastRun(run_id=begun[-1].run_id, started_at=datetime.fromisoformat(begun[-1].started_at))


def remember(tools: Tools) -> "Results":
    """The last results."""
    try:
        return Results(
            outcomes=tools.store.latest_outcomes(),
            runs=tools.store.history(tools.clock.now().wall - SHOWN_RUNS)[-MAX_RUNS:],
        )
    except (StoreError, RecordError) as error:
        tools.log.error("store", problem=str(error))
        return Results()


def earlier(tools: Tools, latest: Sequence[PastOutcome]) -> tuple[PastOutcome, ...]:
    """The targets' outcomes of two weeks, or their last where they have none in them: how many runs in a row agree."""
    since = tools.clock.now().wall - AGREEING_RUNS
    try:
        return tuple(o for last in latest for o in tools.store.outcomes(last.target, since) or (last,))
    except (StoreError, RecordError) as error:
        tools.log.error("store", problem=str(error))
        return tuple(latest)


def last_report(tools: Tools) -> Report | None:
    """The last run that ended, with its evidence; None where it was long ago."""
    try:
        ended = [past for past in tools.store.history(tools.clock.now().wall - SHOWN_RUNS) if past.finished]
        return tools.store.report(ended[-1].run_id) if ended else None
    except (StoreError, NoSuchRun, RecordError) as error:
        tools.log.error("store", problem=str(error))
        return None


def push_again(tools: Tools, configuration: Configuration, report: Report) -> None:
    """Queue the last run for pushing once more: the process that made it may have died between keeping and queueing.

    One that was queued before is known by its id, and nothing happens.
    """
    age = tools.clock.now().wall - datetime.fromisoformat(report.started_at)
    if configuration.watch.remote_write and age <= LATE_PUSH:
        metrics = Metrics()
        metrics.restore(_before(tools, report))
        metrics.observe(without_cut_off(report))
        tools.pusher.enqueue(report.id, metrics.samples())


def _before(tools: Tools, report: Report) -> tuple[PastOutcome, ...]:
    """What the targets of the last run had come to when it began: what ended with it, and how many runs agree."""
    try:
        latest = tools.store.latest_outcomes()
    except (StoreError, RecordError) as error:
        tools.log.error("store", problem=str(error))
        return ()
    ids = {target.id for target in report.targets}
    return tuple(o for o in earlier(tools, [o for o in latest if o.target in ids]) if o.run_id != report.id)


def without_cut_off(report: Report) -> Report:
    """The report without targets of which the end of the run left too little to say anything."""
    return replace(report, targets=tuple(t for t in report.targets if not is_cut_off(t)))


def limits_of(configuration: Configuration) -> Limits:
    """What one run, a day and a month may take."""
    budget = configuration.watch.budget
    return Limits(run=configuration.run_bytes, day=budget.day_bytes, month=budget.month_bytes)


def refresh(tools: Tools, configuration: Configuration, before: "Standing") -> "Standing":
    """How budgets and receivers stand, for the metrics and the status page; what cannot be read is as it was."""
    limits = limits_of(configuration)
    try:
        used = (tools.store.used_bytes(Window.DAY), tools.store.used_bytes(Window.MONTH))
    except (StoreError, RecordError) as error:
        tools.log.error("store", problem=str(error))
        used = before.used_bytes
    standing = Standing(limits=limits, used_bytes=used, receivers=tools.pusher.status(), notice=tools.store.notice)
    tools.metrics.set_endpoints([_endpoint(receiver) for receiver in standing.receivers])
    tools.metrics.set_budget(
        {
            BudgetWindow.RUN.value: limits.run,
            BudgetWindow.DAY.value: limits.day,
            BudgetWindow.MONTH.value: limits.month,
        },
        {BudgetWindow.DAY.value: used[0], BudgetWindow.MONTH.value: used[1]},
    )
    tools.metrics.set_store_bytes(_size(tools.store.path))
    return standing


def _endpoint(receiver: ReceiverStatus) -> Endpoint:
    return Endpoint(
        name=receiver.name,
        pending_samples=receiver.pending_samples,
        sent_samples=receiver.delivered_samples,
        refused_samples=receiver.refused_samples,
        dropped_samples=receiver.dropped_samples,
        last_success_at=receiver.last_success_at,
    )


def _size(path: Path) -> int | None:
    """What the store takes on the disk, its log of writes included."""
    try:
        return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
    except OSError:
        return None
