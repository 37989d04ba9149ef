"""What is done when a run is due and the line allows it: bytes claimed, measured, kept, shown, queued for pushing.

One run, from its id to the pruning of old ones. When it is due, and on what line, is `probe.watch.service`'s.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from probe import measuring
from probe.assembly import Plan
from probe.budget import Purse
from probe.metrics.labels import Skip
from probe.model.results import Report
from probe.runner import longest_seconds
from probe.schedule import Schedule
from probe.store import StoreError
from probe.watch.configuration import Configuration
from probe.watch.fitness import Fitness
from probe.watch.memory import limits_of, without_cut_off
from probe.watch.tools import CannotMeasure, Tools

# The cheap checks of one target take some 300 KB; with less, a run would end in the middle of its controls.
MIN_RUN_BYTES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What came of it. `report` None: nothing was measured; `skip` says why, where it was on purpose."""

    report: Report | None
    skip: Skip | None = None


async def run_once(
    tools: Tools,
    configuration: Configuration,
    fitness: Fitness,
    schedule: Schedule,
    stop: asyncio.Event,
    expect: Callable[[float], None],
) -> Ran:
    """One run on a line of this `fitness`; `stop` ends it early, with what was measured kept.

    `schedule` hears that it begins, `expect` how many seconds it may take.
    """
    now = tools.clock.now()
    run_id = measuring.new_id(tools.random, now.wall)
    tools = replace(tools, log=tools.log.bind(run=run_id))
    schedule.started(run_id, now)

    def say(text: str) -> None:
        tools.log.error("store", problem=text)

    claimed = await asyncio.to_thread(_claim, tools, configuration, fitness, run_id, say)
    if claimed is None:
        return Ran(report=None, skip=Skip.BUDGET)
    plan, purse = claimed
    tools.log.info("run begins", targets=len(plan.targets), max_bytes=plan.max_bytes, without_goodput=fitness.unfit)
    expect(longest_seconds(plan))
    try:
        report = await tools.measure(plan, purse, stop, tools.log)
    except CannotMeasure as error:
        tools.log.error("run failed", problem=str(error))
        tools.metrics.count_failed_run()
        await asyncio.to_thread(purse.settle)
        return Ran(report=None)
    report = await asyncio.to_thread(measuring.keep, report, tools.store, say)
    await asyncio.to_thread(tools.metrics.observe, without_cut_off(report))
    await asyncio.to_thread(_afterwards, tools, configuration, run_id)
    _tell(report, tools)
    return Ran(report=report)


def _claim(
    tools: Tools, configuration: Configuration, fitness: Fitness, run_id: str, say: measuring.Say
) -> tuple[Plan, Purse] | None:
    """What is to be done, and what for; None: there are not enough bytes left, or nobody can tell."""
    limits = limits_of(configuration)
    try:
        wishes = measuring.Wishes(
            targets=measuring.without_uploads(configuration.targets, tools.store, wanted=configuration.uploads),
            checks=configuration.watch.checks,
            max_seconds=configuration.max_seconds,
            blockpages=configuration.blockpages,
            vantage=measuring.vantage_of(configuration.watch.vantage, vpn=fitness.vpn),
            unfit=fitness.unfit,
        )
        plan = measuring.planned(configuration.listed, wishes, max_bytes=limits.run)
        plan, purse = measuring.claim(
            plan, run_id, tools.store, limits=limits, say=say, wall=lambda: tools.clock.now().wall
        )
        if purse.granted_bytes < MIN_RUN_BYTES:
            purse.settle()
            tools.log.warning("skipped", reason=Skip.BUDGET.value, left_bytes=purse.granted_bytes)
            return None
    except StoreError as error:
        say(str(error))
        return None
    return plan, purse


def _afterwards(tools: Tools, configuration: Configuration, run_id: str) -> None:
    """What blocks: the samples on their way, and what is too old removed."""
    tools.pusher.enqueue(run_id, tools.metrics.samples())
    retention = configuration.watch.retention
    try:
        tools.store.prune(retention.days, retention.max_bytes)
    except StoreError as error:
        tools.log.error("store", problem=str(error))


def _tell(report: Report, tools: Tools) -> None:
    for target in report.targets:
        verdict = target.verdict
        tools.log.info(
            "verdict",
            target=target.id,
            state=verdict.state.value,
            strength=verdict.strength.value if verdict.strength else "",
            mechanisms=" ".join(m.value for m in verdict.mechanisms),
            reason=verdict.reason,
        )
    tools.log.info(
        "run ended",
        network=report.network.state.value,
        interrupted=report.parameters.interrupted,
        seconds=report.duration_seconds,
        bytes=report.bytes.sent + report.bytes.received,
        budget_hit=report.parameters.budget_hit,
    )
