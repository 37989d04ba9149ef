"""Are checks run in order and within limits, our own mistakes recorded, and finished measurements handed on at once?"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from probe import assembly, registry, runner
from probe.assembly import Plan
from probe.checks import goodput, hops
from probe.checks.context import Context, ControlSite
from probe.model.results import (
    AttemptStatus,
    CannotRun,
    Measurement,
    NetworkState,
    ProblemReason,
    State,
    Vantage,
)
from probe.model.targets import Controls, Endpoint, Media, MediaUrl, Target
from probe.net.base import Net
from probe.net.meter import Meter
from probe.registry import Check
from probe.runner import Runner, default_seconds
from probe.verdict import network as network_verdict
from tests.factories import dns_evidence, reach_evidence, tls_evidence, verdict
from tests.fakes import ScriptedNet

TARGET = Target(id="news", name="News", sites=("https://news.example/",))
CONTROLS = Controls(resolvers=(), names=("one.example", "two.example"), sites=("https://one.example/",), media=())


class FakeSession:
    """Hands out scripted networks; `moved` bytes are charged to each measurement."""

    def __init__(self, moved: int = 0) -> None:
        self._moved = moved

    def measurement(self, meter: Meter) -> Net:
        meter.add(self._moved, 0)
        return ScriptedNet()


class Collector:
    """A sink and a progress at once."""

    def __init__(self) -> None:
        self.stored: list[Measurement] = []
        self.told: list[str] = []

    def measurement(self, measurement: Measurement) -> None:
        self.stored.append(measurement)

    def phase(self, words: str) -> None:
        self.told.append(words)

    def started(self, target: str, check: str, subject: str) -> None:
        self.told.append(f"{target}:{check}:{subject}")

    def finished(self, measurement: Measurement) -> None:
        self.told.append(f"done {measurement.check}")


def check(name: str, gather: Any, *, needs: tuple[str, ...] = (), seconds: float = 5.0) -> Check:
    real = registry.BY_NAME[name]
    return replace(real, gather=gather, judge=lambda _: verdict(State.OK), needs=needs, seconds=seconds)


async def works_dns(ctx: Context[Any]) -> object:
    return dns_evidence(ctx.input)


async def works_reach(ctx: Context[Any]) -> object:
    assert "dns" in ctx.prior
    return reach_evidence(ctx.input)


async def works_tls(ctx: Context[Any]) -> object:
    return tls_evidence(ctx.input)


def make(
    monkeypatch: pytest.MonkeyPatch,
    checks: Sequence[Check],
    *,
    targets: Sequence[Target] = (TARGET,),
    max_bytes: int = 1_000_000,
    max_seconds: float = 30.0,
    moved: int = 0,
) -> tuple[Runner, Collector]:
    monkeypatch.setattr(runner, "CHECKS", tuple(checks))
    monkeypatch.setattr(assembly, "CHECKS", tuple(checks))
    monkeypatch.setattr(registry, "BY_NAME", registry.BY_NAME | {c.name: c for c in checks})
    for module in ("probe.judgement.BY_NAME",):
        monkeypatch.setattr(module, registry.BY_NAME)
    collector = Collector()
    plan = Plan(
        controls=CONTROLS,
        targets=tuple(targets),
        checks=tuple(c.name for c in checks),
        max_bytes=max_bytes,
        max_seconds=max_seconds,
        known_blockpages={},
        vantage=Vantage(),
    )
    made = Runner(
        plan=plan,
        session=FakeSession(moved),
        sink=collector,
        progress=collector,
        meter=Meter(),
        random=Random(1),
        wall=lambda: datetime(2026, 11, 21, tzinfo=UTC),
    )
    return made, collector


WORKING = (check("dns", works_dns), check("reach", works_reach, needs=("dns",)), check("tls", works_tls))


async def test_controls_first_then_targets_in_the_order_of_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    made, collector = make(monkeypatch, WORKING)
    report = await made.run(asyncio.Event(), "run")
    assert report.network.state is NetworkState.OK
    assert [(m.target, m.check) for m in collector.stored] == [
        ("", "dns"), ("", "reach"), ("", "tls"), ("news", "dns"), ("news", "reach"), ("news", "tls"),
    ]  # fmt: skip
    assert report.targets[0].verdict.state is State.OK
    assert [m.check for m in report.targets[0].measurements] == ["dns", "reach", "tls"]
    assert len({m.id for m in collector.stored}) == len(collector.stored)


async def test_our_own_mistake_is_recorded_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def breaks(ctx: Context[Any]) -> object:
        if ctx.target is None:
            return dns_evidence(ctx.input)
        raise KeyError("203.0.113.77 must not be told")

    made, _ = make(monkeypatch, (check("dns", breaks), check("tls", works_tls)))
    report = await made.run(asyncio.Event(), "run")
    broken, tls = report.targets[0].measurements
    assert broken.attempt.status is AttemptStatus.ERROR
    assert broken.attempt.problem is not None
    assert broken.attempt.problem.reason is ProblemReason.BUG
    assert broken.attempt.problem.detail.startswith("KeyError at ")
    assert "203.0.113.77" not in str(report)
    assert tls.attempt.status is AttemptStatus.COMPLETED
    assert report.targets[0].verdict.state is State.INCONCLUSIVE


async def test_a_check_that_cannot_run_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuses(ctx: Context[Any]) -> object:
        if ctx.target is None:
            return tls_evidence(ctx.input)
        raise CannotRun(ProblemReason.NO_ADDRESS, stage="tls", detail="none")

    made, _ = make(monkeypatch, (check("tls", refuses),))
    report = await made.run(asyncio.Event(), "run")
    problem = report.targets[0].measurements[0].attempt.problem
    assert problem is not None
    assert problem.reason is ProblemReason.NO_ADDRESS
    assert report.targets[0].verdict.rule_ids == ("target.nothing_measured",)


async def test_a_check_that_overstays_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleeps(ctx: Context[Any]) -> object:
        if ctx.target is not None:
            await asyncio.Event().wait()
        return tls_evidence(ctx.input)

    monkeypatch.setattr(runner, "GRACE_SECONDS", 0.05)
    made, _ = make(monkeypatch, (check("tls", sleeps, seconds=0.05),))
    report = await made.run(asyncio.Event(), "run")
    problem = report.targets[0].measurements[0].attempt.problem
    assert problem is not None
    assert problem.reason is ProblemReason.DEADLINE


async def test_stopped_it_reports_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = asyncio.Event()

    async def waits(ctx: Context[Any]) -> object:
        if ctx.target is not None:
            stop.set()
            await asyncio.Event().wait()
        return tls_evidence(ctx.input)

    made, collector = make(monkeypatch, (check("dns", works_dns), check("tls", waits)))
    report = await made.run(stop, "run")
    assert report.parameters.interrupted
    statuses = {m.check: m.attempt.status for m in report.targets[0].measurements}
    assert statuses == {"dns": AttemptStatus.COMPLETED, "tls": AttemptStatus.CANCELLED}
    assert len(collector.stored) == 4


async def test_the_run_ends_at_its_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    async def waits(ctx: Context[Any]) -> object:
        await asyncio.Event().wait()
        return None

    made, _ = make(monkeypatch, (check("tls", waits),), max_seconds=0.1)
    report = await made.run(asyncio.Event(), "run")
    assert not report.parameters.interrupted
    assert report.controls[0].attempt.status is AttemptStatus.CANCELLED


async def test_a_used_up_budget_stops_further_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = make(monkeypatch, WORKING, max_bytes=700, moved=600)
    report = await made.run(asyncio.Event(), "run")
    assert report.parameters.budget_hit
    problems = [m.attempt.problem for m in report.controls if m.attempt.problem is not None]
    assert {p.reason for p in problems} == {ProblemReason.BUDGET}


async def test_nobody_is_measured_on_a_dead_line(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(ctx: Context[Any]) -> object:
        raise CannotRun(ProblemReason.NO_ADDRESS, stage="tls", detail="none")

    made, collector = make(monkeypatch, (check("tls", nothing),))
    report = await made.run(asyncio.Event(), "run")
    assert report.network.state is NetworkState.NO_NETWORK
    assert {m.target for m in collector.stored} == {""}
    assert report.targets[0].verdict.rule_ids == ("target.network_not_usable",)


async def test_a_failing_control_is_no_neutral_name(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[tuple[str, ...], tuple[ControlSite, ...]]] = []

    async def looks(ctx: Context[Any]) -> object:
        if ctx.target is not None:
            seen.append((ctx.controls.names, ctx.control_sites))
            return tls_evidence(ctx.input)
        if ctx.input == "two.example":
            raise CannotRun(ProblemReason.NO_ADDRESS, stage="tls", detail="none")
        return tls_evidence(ctx.input)

    made, _ = make(monkeypatch, (check("tls", looks),))
    sites = ("https://one.example/", "https://two.example/")
    made.plan = replace(made.plan, controls=replace(CONTROLS, sites=sites))
    report = await made.run(asyncio.Event(), "run")
    assert report.network.left_out == ("two.example",)
    names, control_sites = seen[0]
    assert names == ("one.example",)
    assert [s.name for s in control_sites] == ["one.example"]
    assert control_sites[0].endpoint == Endpoint(address="192.0.2.10", port=443)
    assert network_verdict.judge(report.controls) == report.network


def test_default_time_limits_keep_the_promise() -> None:
    assert default_seconds(1) <= 90
    assert default_seconds(4) <= 300


@pytest.mark.parametrize(("asked", "left"), [(False, 60.0), (True, 0.0)])
async def test_over_a_satellite_a_run_takes_longer_where_nobody_set_its_time(
    monkeypatch: pytest.MonkeyPatch, asked: bool, left: float
) -> None:
    seen: list[float] = []

    async def far(ctx: Context[Any]) -> object:
        evidence = reach_evidence(ctx.input)
        return replace(evidence, connects=(replace(evidence.connects[0], t=evidence.connects[0].t0 + 0.6),))

    async def looks(ctx: Context[Any]) -> object:
        seen.append(ctx.deadline)
        return goodput.Evidence(download=None, upload=None)

    measured = check("goodput", looks, seconds=120.0)
    target = replace(TARGET, media=Media(download=(MediaUrl(url="https://news.example/{bytes}"),), upload=()))
    checks = (*WORKING[:1], check("reach", far, needs=("dns",)), WORKING[2], measured)
    made, _ = make(monkeypatch, checks, targets=(target,))
    made.plan = replace(made.plan, may_take_longer=not asked)
    await made.run(asyncio.Event(), "run")
    assert seen == [pytest.approx(28.0 + left, abs=2.0)]


async def test_what_was_never_begun_is_not_called_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = asyncio.Event()

    async def stops(ctx: Context[Any]) -> object:
        if ctx.target is not None:
            stop.set()
            await asyncio.sleep(0)
        return dns_evidence(ctx.input)

    async def never(ctx: Context[Any]) -> object:
        if ctx.target is not None:
            await asyncio.Event().wait()
        return tls_evidence(ctx.input)

    made, _ = make(monkeypatch, (check("dns", stops), check("reach", never), check("tls", never)))
    report = await made.run(stop, "run")
    statuses = {m.check: m.attempt.status for m in report.targets[0].measurements}
    assert statuses["tls"] is AttemptStatus.NOT_SCHEDULED
    assert report.targets[0].verdict.state is State.INCONCLUSIVE


@pytest.mark.parametrize("called_for", [True, False])
async def test_a_follow_up_is_made_where_it_is_called_for(monkeypatch: pytest.MonkeyPatch, called_for: bool) -> None:
    async def looks_closer(ctx: Context[Any]) -> object:
        return hops.Evidence(host=ctx.input, endpoint=Endpoint(address="192.0.2.1", port=443))

    def when(prior: Mapping[str, object]) -> bool:
        return called_for and {"dns", "reach", "tls"} <= set(prior)

    follow_up = replace(check("hops", looks_closer), when=when)
    made, _ = make(monkeypatch, (*WORKING, follow_up))
    report = await made.run(asyncio.Event(), "run")
    found = [m for m in report.targets[0].measurements if m.check == "hops"]
    assert bool(found) is called_for
    assert all(m.attempt.status is AttemptStatus.COMPLETED for m in found)
    assert not any(m.check == "hops" for m in report.controls)


async def test_a_line_that_is_not_to_be_filled_keeps_goodput_from_being_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(ctx: Context[Any]) -> object:
        raise AssertionError("a transfer began")

    media = Media(download=(MediaUrl(url="https://news.example/film"),))
    target = replace(TARGET, media=media)
    made, _ = make(monkeypatch, (*WORKING, check("goodput", never)), targets=(target,))
    made.plan = replace(made.plan, unfit="the line is metered")
    report = await made.run(asyncio.Event(), "run")
    goodput_measured = report.targets[0].measurements[-1]
    assert goodput_measured.attempt.status is AttemptStatus.NOT_SCHEDULED
    assert goodput_measured.attempt.problem is not None
    assert goodput_measured.attempt.problem.reason is ProblemReason.LINE_UNFIT
    assert "metered" in goodput_measured.verdict.reason
    assert report.targets[0].verdict.state is State.INCONCLUSIVE  # not ok: it was not measured
