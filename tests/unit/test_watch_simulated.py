"""Does the loop keep to its schedule and its budgets over days, whatever the clock and the line do meanwhile?

Simulated time; store, budgets and metrics are the real ones. A month of it is `benchmarks/watch_month.py`.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from probe.config.watch_file import BudgetSettings, QuietHours, RemoteWrite, ScheduleSettings
from probe.measuring import STORE_FILE
from probe.metrics import Metrics, Sample
from probe.model.results import State
from probe.net.line import LineState
from probe.registry import EVIDENCE_TYPES
from probe.store import Store, Window
from probe.watch import memory
from probe.watch.configuration import Configuration, Rejected
from probe.watch.picture import take_picture
from tests.simulated_watch import FIRST_DAY, SimulatedClock, Simulation, Truth, configuration

HOUR = timedelta(hours=1)
SCHEDULE = ScheduleSettings(mean_seconds=6 * 3600.0, min_seconds=0.6 * 3600, max_seconds=15 * 3600.0)


def simulation(directory: Path, first: Configuration | None = None, **changes: object) -> Simulation:
    parts: dict[str, object] = {
        "directory": directory / "state", "first": first or configuration(3), "clock": SimulatedClock(),
        "random": Random(1), "truth": Truth(),
    }  # fmt: skip
    return Simulation(**(parts | changes))  # type: ignore[arg-type]


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def gaps(truth: Truth) -> list[float]:
    starts = [start.monotonic_seconds for start in truth.starts]
    return [after - before for before, after in pairwise(starts)]


async def test_gaps_are_those_of_the_schedule(tmp_path: Path) -> None:
    made = simulation(tmp_path)
    await made.live(timedelta(days=3))
    assert 6 <= len(made.truth.starts) <= 24
    assert all(SCHEDULE.min_seconds <= gap <= SCHEDULE.max_seconds + 60 for gap in gaps(made.truth))
    assert value(made.metrics, "throttleprobe_runs_total", outcome="completed") == len(made.truth.starts)


async def test_budgets_hold_to_the_byte(tmp_path: Path) -> None:
    budget = BudgetSettings(run_bytes=8_000_000, day_bytes=20_000_000, month_bytes=45_000_000)
    schedule = replace(SCHEDULE, mean_seconds=2 * 3600.0)
    made = simulation(tmp_path, configuration(4, budget=budget, schedule=schedule))
    await made.live(timedelta(days=3))
    assert max(made.truth.moved_by_day.values()) <= budget.day_bytes
    assert max(made.truth.moved_by_month.values()) <= budget.month_bytes
    assert sum(made.truth.moved_by_day.values()) > 0.8 * budget.month_bytes  # and they are there to be used
    skipped = value(made.metrics, "throttleprobe_skipped_total", reason="budget")
    assert skipped is not None
    assert skipped > 0
    used = value(made.metrics, "throttleprobe_budget_used_bytes", window="month")
    assert used == sum(made.truth.moved_by_day.values())


async def test_the_page_says_that_a_budget_is_used_up(tmp_path: Path) -> None:
    budget = BudgetSettings(run_bytes=8_000_000, day_bytes=20_000_000, month_bytes=20_000_000)
    made = simulation(tmp_path, configuration(4, budget=budget, schedule=replace(SCHEDULE, mean_seconds=2 * 3600.0)))
    before = take_picture(made.service, started_at=FIRST_DAY, now=FIRST_DAY, instance="home-1")
    await made.live(timedelta(hours=23))
    after = take_picture(made.service, started_at=FIRST_DAY, now=made.clock.wall, instance="home-1")
    assert before.notices == ()
    assert [notice.partition("'")[0] for notice in after.notices] == ["the day", "the month"]


async def test_a_verdict_is_not_shown_with_the_reason_of_another_run(tmp_path: Path) -> None:
    made = simulation(tmp_path)
    await made.live(timedelta(minutes=20))
    last = made.service.last_report
    assert last is not None
    shown = take_picture(made.service, started_at=FIRST_DAY, now=made.clock.wall, instance="home-1")
    assert all(target.reason for target in shown.targets)
    made.service.last_report = replace(last, id="0198ffff-0000-7000-8000-000000000000")  # an interrupted one, say
    shown = take_picture(made.service, started_at=FIRST_DAY, now=made.clock.wall, instance="home-1")
    assert [(target.run_id, target.reason) for target in shown.targets] == [(last.id, "")] * 3


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_clock_that_jumps_an_hour_brings_no_burst_and_no_pause(tmp_path: Path, hours: int) -> None:
    made = simulation(tmp_path)
    for number in range(1, 12):
        made.clock.after(number * 5 * 3600.0, lambda: made.clock.jump(hours * HOUR))
    await made.live(timedelta(days=3))
    assert all(SCHEDULE.min_seconds <= gap <= SCHEDULE.max_seconds + 120 for gap in gaps(made.truth))


async def test_without_a_network_it_waits_and_makes_one_run_when_it_is_back(tmp_path: Path) -> None:
    made = simulation(tmp_path)
    made.line.state = LineState(network=False)

    def back() -> None:
        made.line.state = LineState(network=True)

    made.clock.after(40 * 3600.0, back)
    await made.live(timedelta(hours=41))
    assert len(made.truth.starts) == 1
    assert 0 < made.truth.starts[0].monotonic_seconds - 40 * 3600 <= 420
    assert value(made.metrics, "throttleprobe_skipped_total", reason="no_network") == 1
    assert made.line.looks < 40 * 60 + 20


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (LineState(network=True, metered=True), "metered"),
        (LineState(network=True, vpn=True), "vpn"),
        (LineState(network=True, proxy=True), "vpn"),
        (LineState(network=True, busy=True), "busy_line"),
    ],
)
async def test_a_line_that_is_not_to_be_filled_is_measured_without_goodput(
    tmp_path: Path, state: LineState, reason: str
) -> None:
    made = simulation(tmp_path)
    made.line.state = state
    await made.live(3 * HOUR)
    assert made.truth.plans
    assert all(plan.unfit and "goodput" in plan.checks for plan in made.truth.plans)
    assert all(plan.vantage.vpn is (state.vpn or state.proxy) for plan in made.truth.plans)
    assert value(made.metrics, "throttleprobe_skipped_total", reason=reason) == len(made.truth.plans)


async def test_a_line_that_is_free_again_soon_is_waited_for(tmp_path: Path) -> None:
    made = simulation(tmp_path)
    made.line.state = LineState(network=True, busy=True)

    def free() -> None:
        made.line.state = LineState(network=True)

    made.clock.after(150.0, free)
    await made.live(HOUR)
    assert [plan.unfit for plan in made.truth.plans] == [""]


async def test_a_crash_loop_makes_no_more_runs_than_a_long_life(tmp_path: Path) -> None:
    clock, truth = SimulatedClock(), Truth()
    for _ in range(60):
        await simulation(tmp_path, clock=clock, truth=truth, random=Random(len(truth.starts))).live(0.5 * HOUR)
    assert all(gap >= SCHEDULE.min_seconds for gap in gaps(truth))
    assert 2 <= len(truth.starts) <= 12


async def test_after_a_restart_the_last_results_are_shown(tmp_path: Path) -> None:
    clock = SimulatedClock()
    first = simulation(tmp_path, clock=clock)
    await first.live(HOUR)
    assert len(first.truth.starts) == 1
    second = simulation(tmp_path, clock=clock)
    await second.live(timedelta(minutes=1))
    assert not second.truth.starts
    assert second.service.last_report is not None
    assert second.service.last_report.targets[0].verdict.state is State.OK
    assert second.service.last_report.targets[0].measurements == ()
    assert value(second.metrics, "throttleprobe_verdict", target="target-00", state="ok") == 1
    assert value(second.metrics, "throttleprobe_last_run_timestamp_seconds", target="target-00") == value(
        first.metrics, "throttleprobe_last_run_timestamp_seconds", target="target-00"
    )
    assert [status.run_id for status in second.service.results.runs] == [
        status.run_id for status in first.service.results.runs
    ]


async def test_a_bad_configuration_changes_nothing(tmp_path: Path) -> None:
    def read() -> Configuration:
        raise Rejected(("watch.yaml:3:1: shedule: unknown (did you mean schedule?)", "targets.yaml:9:3: id: missing"))

    made = simulation(tmp_path, read=read)
    await made.live(timedelta(minutes=1))
    before = made.service.configuration
    assert len(await made.service.reload()) == 2
    assert made.service.configuration is before
    assert value(made.metrics, "throttleprobe_config_last_reload_successful") == 0
    assert value(made.metrics, "throttleprobe_config_last_reload_success_timestamp_seconds") == FIRST_DAY.timestamp()
    assert made.said.getvalue().count("configuration rejected") == 2


async def test_a_good_configuration_counts_from_the_next_run_on(tmp_path: Path) -> None:
    new = configuration(2)
    made = simulation(tmp_path, configuration(3), read=lambda: new)

    async def reload_soon() -> None:
        assert await made.service.reload() == ()

    await reload_soon()
    await made.live(HOUR)
    assert made.service.configuration is new
    assert [len(plan.targets) for plan in made.truth.plans] == [2]
    assert value(made.metrics, "throttleprobe_verdict", target="target-02", state="inconclusive") is None


async def test_told_to_end_it_keeps_what_is_finished_and_says_so(tmp_path: Path) -> None:
    made = simulation(tmp_path)
    made.clock.after(150.0, made.service.stop)
    await made.live(HOUR)
    again = simulation(tmp_path, clock=made.clock)
    report = again.store.report(None)
    assert report.parameters.interrupted
    assert {m.id for t in report.targets for m in t.measurements} >= set(made.truth.finished)
    assert made.truth.finished
    again.store.close()


async def test_the_log_of_a_run_carries_its_id(tmp_path: Path) -> None:
    made = simulation(tmp_path)
    await made.live(HOUR)
    (run,) = (past.run_id for past in made.service.results.runs)
    lines = made.said.getvalue().splitlines()
    assert {line.split("event=")[1].split(" ")[0] for line in lines if run in line} >= {'"run', "verdict"}
    assert all("timestamp=" in line and "level=" in line for line in lines)


def test_the_first_day_is_in_utc() -> None:
    assert datetime(2026, 3, 1, tzinfo=UTC) == FIRST_DAY


async def test_a_store_that_breaks_is_moved_aside_and_measuring_goes_on(tmp_path: Path) -> None:
    made = simulation(tmp_path, configuration(3, schedule=replace(SCHEDULE, mean_seconds=3 * 3600.0)))

    def spoil() -> None:
        for name in (STORE_FILE, f"{STORE_FILE}-wal"):
            path = made.directory / name
            path.write_bytes(b"this is no database" * 500)

    made.clock.after(24 * 3600.0, spoil)
    await made.live(timedelta(days=2))
    assert list(made.directory.glob(f"{STORE_FILE}.broken-*"))
    late = [start for start in made.truth.starts if start.monotonic_seconds > 30 * 3600]
    assert late
    assert "could not be read" in made.service.standing.notice
    assert all(gap >= SCHEDULE.min_seconds for gap in gaps(made.truth))
    with Store.open(made.directory / STORE_FILE, evidence_types=EVIDENCE_TYPES, now=lambda: made.clock.wall) as again:
        assert again.used_bytes(Window.MONTH) >= sum(made.truth.moved_by_month.values())
        assert len(again.history(None)) >= len(late)


async def test_a_full_disk_ends_nothing_and_is_made_up_for(tmp_path: Path) -> None:
    made = simulation(tmp_path, configuration(3, schedule=replace(SCHEDULE, mean_seconds=3 * 3600.0)))

    def full() -> None:
        connection = made.store._file.connection
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")

    def free() -> None:
        made.store._file.connection.execute("PRAGMA max_page_count = 1000000")

    made.clock.after(12 * 3600.0, full)
    made.clock.after(20 * 3600.0, free)
    await made.live(timedelta(days=2))
    assert "disk is full" in made.said.getvalue()
    assert any(12 < start.monotonic_seconds / 3600 < 20 for start in made.truth.starts)
    with Store.open(made.directory / STORE_FILE, evidence_types=EVIDENCE_TYPES, now=lambda: made.clock.wall) as again:
        runs = again.history(None)
        assert len(runs) == len(made.truth.starts)
        kept = {m.id for run in runs for t in again.report(run.run_id).targets for m in t.measurements}
        assert again.used_bytes(Window.MONTH) == sum(made.truth.moved_by_month.values())
    assert kept >= set(made.truth.finished)


async def test_a_run_whose_samples_were_not_queued_is_queued_at_the_next_start(tmp_path: Path) -> None:
    queued: dict[str, Sequence[Sample]] = {}

    class Queue:
        def enqueue(self, run_id: str, samples: Sequence[Sample]) -> None:
            queued[run_id] = samples

    clock = SimulatedClock()
    first = simulation(tmp_path, clock=clock)
    await first.live(timedelta(days=2))
    agreeing = {value(first.metrics, "throttleprobe_verdict_runs", target=t.id) for t in first.first.targets}
    assert min(runs for runs in agreeing if runs is not None) > 1
    again = simulation(tmp_path, clock=clock)
    tools = replace(again.service._tools, pusher=Queue())  # type: ignore[arg-type]
    receiver = RemoteWrite(name="one", url="https://one.test/write")
    plain = again.first
    pushes = replace(plain, watch=replace(plain.watch, remote_write=(receiver,)))
    report = memory.last_report(tools)
    assert report is not None
    memory.push_again(tools, plain, report)
    assert not queued  # nobody asked for it
    memory.push_again(tools, pushes, report)
    memory.push_again(tools, pushes, report)
    assert list(queued) == [first.service.results.runs[-1].run_id]
    _, samples = queued.popitem()
    assert len(samples) > 20
    assert {s.value for s in samples if s.name == "throttleprobe_verdict_runs"} == agreeing  # as it was then
    again.store.close()


async def test_a_file_in_force_that_is_gone_is_not_replaced_by_the_defaults(tmp_path: Path) -> None:
    plain = configuration(2)
    mine = replace(plain, watch=replace(plain.watch, source=Path("watch.yaml"), uploads=False))
    found: list[Configuration] = [plain]
    made = simulation(tmp_path, mine, read=lambda: found[-1])
    mistakes = await made.service.reload()
    assert len(mistakes) == 1
    assert mistakes[0].startswith("watch.yaml: ")
    assert made.service.configuration is mine
    assert value(made.metrics, "throttleprobe_config_last_reload_successful") == 0
    found.append(mine)
    assert await made.service.reload() == ()
    made.store.close()
    begun = simulation(tmp_path, plain, read=lambda: mine)  # one that was written since is read
    assert await begun.service.reload() == ()
    begun.store.close()


async def test_the_log_says_which_file_is_in_force_and_that_hours_are_quiet(tmp_path: Path) -> None:
    night = QuietHours(start=time(20), end=time(8))
    made = simulation(tmp_path, configuration(2, schedule=replace(SCHEDULE, quiet=(night,))))
    await made.live(timedelta(days=1))
    said = made.said.getvalue()
    assert 'event="configuration read" file=none' in said
    assert said.count("event=paused reason=quiet_hours") == 2  # from midnight on, and in the evening


async def test_in_quiet_hours_nothing_starts_and_what_was_put_off_is_one_run(tmp_path: Path) -> None:
    night = QuietHours(start=time(20), end=time(8))
    made = simulation(tmp_path, configuration(2, schedule=replace(SCHEDULE, quiet=(night,))))
    made.line.state = LineState(network=False)
    made.clock.after(10 * 3600.0, lambda: setattr(made.line, "state", LineState(network=True)))
    made.clock.after(18 * 3600.0, lambda: setattr(made.line, "state", LineState(network=False)))
    made.clock.after(21 * 3600.0, lambda: setattr(made.line, "state", LineState(network=True)))
    seen: set[str] = set()
    made.clock.after(23 * 3600.0, lambda: seen.add(f"{made.service.activity}: {made.service.detail}"))
    await made.live(timedelta(days=4))
    assert all(8 <= start.wall.hour < 20 for start in made.truth.starts)
    assert len({start.wall.date() for start in made.truth.starts}) >= 3
    assert seen == {"paused: quiet hours"}
    assert value(made.metrics, "throttleprobe_skipped_total", reason="quiet_hours") in (0, 1)
