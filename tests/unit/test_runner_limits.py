"""Does a run wait for the line and for bytes without losing time, and is what its limit cut no evidence?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from probe.checks import goodput
from probe.checks.context import Context
from probe.model.results import AttemptStatus, CannotRun, Measurement, ProblemReason, State
from probe.model.targets import Media, MediaUrl
from probe.net.meter import BudgetSpentError
from probe.registry import BY_NAME
from probe.runner import CUT_BY_BUDGET, Runner, longest_seconds
from probe.store.line_lock import LineBusyError, OwnLine
from tests.factories import tls_evidence
from tests.unit.test_runner import TARGET, WORKING, Collector, check, make

WITH_MEDIA = replace(TARGET, media=Media(download=(MediaUrl(url="https://news.example/{bytes}"),), upload=()))


async def moves(ctx: Context[Any]) -> object:
    return goodput.Evidence(download=None, upload=None)


def goodput_of(collector: Collector) -> Measurement:
    return next(m for m in collector.stored if m.check == "goodput")


def with_goodput(
    monkeypatch: pytest.MonkeyPatch, gather: Any = moves, *, seconds: float = 5.0, max_seconds: float = 30.0
) -> tuple[Runner, Collector]:
    checks = (*WORKING, check("goodput", gather, seconds=seconds))
    return make(monkeypatch, checks, targets=(WITH_MEDIA,), max_bytes=10**8, max_seconds=max_seconds)


class BusyLine:
    """A line that others have for a while, or for good."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self.patience: list[float] = []

    @asynccontextmanager
    async def exclusive(self, patience_seconds: float) -> AsyncIterator[None]:
        self.patience.append(patience_seconds)
        if self.seconds is None:
            raise LineBusyError
        await asyncio.sleep(self.seconds)
        yield


async def test_two_runs_never_measure_goodput_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = most = 0

    async def counts(ctx: Context[Any]) -> object:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.01)
        inside -= 1
        return await moves(ctx)

    line = OwnLine()
    runs = [with_goodput(monkeypatch, counts) for _ in range(3)]
    for runner, _ in runs:
        runner.line = line
    await asyncio.gather(*(runner.run(asyncio.Event(), "run") for runner, _ in runs))
    assert most == 1
    assert all(goodput_of(c).attempt.status is AttemptStatus.COMPLETED for _, c in runs)


async def test_a_line_that_others_keep_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    runner, collector = with_goodput(monkeypatch)
    runner.line = BusyLine(None)
    report = await runner.run(asyncio.Event(), "run")
    attempt = goodput_of(collector).attempt
    assert attempt.status is AttemptStatus.NOT_SCHEDULED
    assert attempt.problem is not None
    assert (attempt.problem.reason, attempt.problem.detail) == (ProblemReason.DEADLINE, "others had the line")
    assert report.targets[0].verdict.state is not State.THROTTLED


@pytest.mark.parametrize("may_take_longer", [True, False])
async def test_waiting_for_the_line_takes_nothing_from_the_check(
    monkeypatch: pytest.MonkeyPatch, may_take_longer: bool
) -> None:
    deadlines: list[float] = []

    async def looks(ctx: Context[Any]) -> object:
        deadlines.append(ctx.deadline)
        return await moves(ctx)

    runner, collector = with_goodput(monkeypatch, looks, seconds=5.0, max_seconds=30.0)
    runner.line = line = BusyLine(0.3)
    runner.plan = replace(runner.plan, may_take_longer=may_take_longer)
    end_before = runner.plan.max_seconds
    await runner.run(asyncio.Event(), "run")
    assert deadlines == [5.0]
    assert line.patience[0] == pytest.approx(10.0, abs=0.5)
    assert goodput_of(collector).duration_seconds < 0.3
    assert longest_seconds(runner.plan) == (end_before + 15.0 if may_take_longer else end_before)


async def test_a_stop_ends_the_wait_for_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = asyncio.Event()
    runner, collector = with_goodput(monkeypatch)
    line = OwnLine()
    runner.line = line
    async with line.exclusive(1.0), asyncio.timeout(5):
        running = asyncio.create_task(runner.run(stop, "run"))
        while len(collector.stored) < 6:
            await asyncio.sleep(0.01)
        stop.set()
        report = await running
    assert report.parameters.interrupted
    assert goodput_of(collector).attempt.status is AttemptStatus.CANCELLED


@pytest.mark.parametrize("refuses", [False, True])
async def test_what_the_limit_cut_is_no_evidence(monkeypatch: pytest.MonkeyPatch, refuses: bool) -> None:
    async def cut(ctx: Context[Any]) -> object:
        if ctx.target is not None:
            runner.meter.deny()
            if refuses:
                raise CannotRun(ProblemReason.NO_ADDRESS, stage="tls", detail="none")
        return tls_evidence(ctx.input)

    runner, collector = make(monkeypatch, (WORKING[0], check("tls", cut)))
    report = await runner.run(asyncio.Event(), "run")
    attempt = collector.stored[-1].attempt
    assert attempt.evidence is None
    assert attempt.status is AttemptStatus.NOT_SCHEDULED
    assert attempt.problem is not None
    assert (attempt.problem.reason, attempt.problem.detail) == (ProblemReason.BUDGET, CUT_BY_BUDGET)
    assert report.parameters.budget_hit


async def test_a_check_cannot_move_more_than_the_run_may(monkeypatch: pytest.MonkeyPatch) -> None:
    async def greedy(ctx: Context[Any]) -> object:
        room = runner.meter.require(1)
        runner.meter.add(0, room)
        with pytest.raises(BudgetSpentError):
            runner.meter.require(1)
        return tls_evidence(ctx.input)

    runner, _ = make(monkeypatch, (check("tls", greedy),), max_bytes=BY_NAME["tls"].max_bytes or 0)
    report = await runner.run(asyncio.Event(), "run")
    assert runner.meter.total == runner.plan.max_bytes
    assert {m.attempt.status for m in report.controls} == {AttemptStatus.NOT_SCHEDULED}
