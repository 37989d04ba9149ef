"""Are bytes kept for those who need them, drawn before they move, and never more than were given?"""

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from probe.budget import DRAW_BYTES, Purse, RunBudget, TargetBudget, open_purse
from probe.net.meter import BudgetSpentError, Meter
from probe.registry import EVIDENCE_TYPES
from probe.store import Limits, Store, StoreError, Window
from tests.stores import Calendar

LIMITS = Limits(run=10_000_000, day=30_000_000, month=300_000_000)


@pytest.fixture
def store(tmp_path: Path, calendar: Calendar) -> Iterator[Store]:
    with Store.open(tmp_path / "results.sqlite3", evidence_types=EVIDENCE_TYPES, now=calendar) as made:
        yield made


def purse_of(store: Store, calendar: Calendar, *, wanted: int | None = None, seconds: float = 60.0) -> Purse:
    return open_purse(store, "run", wanted_bytes=wanted, limits=LIMITS, seconds=seconds, say=print, wall=calendar)


def budget_of(purse: Purse) -> RunBudget:
    return RunBudget(meter=Meter(), max_bytes=purse.granted_bytes, purse=purse)


def move(meter: Meter, num_bytes: int) -> int:
    """As a socket does: no more than there is room for."""
    allowed = min(num_bytes, meter.require(1))
    meter.add(0, allowed)
    return allowed


async def test_nothing_moves_that_was_not_drawn(store: Store, calendar: Calendar) -> None:
    budget = budget_of(purse_of(store, calendar))
    with pytest.raises(BudgetSpentError):
        move(budget.meter, 1)
    async with budget.held(600_000, least_bytes=60_000) as enough:
        assert enough
        assert budget.room_bytes() == store.used_bytes(Window.DAY) == 600_000 + DRAW_BYTES
        assert move(budget.meter, 10**9) == 600_000 + DRAW_BYTES


async def test_more_is_drawn_while_bytes_move(store: Store, calendar: Calendar) -> None:
    budget = budget_of(purse_of(store, calendar))
    total = 0
    async with budget.held(600_000, least_bytes=60_000):
        for _ in range(400):
            assert total <= store.used_bytes(Window.DAY) <= LIMITS.run
            with contextlib.suppress(BudgetSpentError):
                total += move(budget.meter, 50_000)
            await asyncio.sleep(0.001)
    assert total == LIMITS.run
    assert budget.remaining_bytes == budget.room_bytes() == 0


async def test_the_rest_is_given_back(store: Store, calendar: Calendar) -> None:
    purse = purse_of(store, calendar)
    budget = budget_of(purse)
    async with budget.held(600_000, least_bytes=0):
        move(budget.meter, 123)
    purse.settle()
    assert store.used_bytes(Window.DAY) == 123
    assert store.reserve("next", 10**9, Limits(run=10**9, day=30_000_000, month=10**9)) == 30_000_000 - 123


async def test_bytes_count_for_the_day_on_which_they_move(store: Store, calendar: Calendar) -> None:
    calendar.time = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
    purse = purse_of(store, calendar, seconds=300.0)
    budget = budget_of(purse)
    async with budget.held(600_000, least_bytes=0):
        move(budget.meter, 1000)
        calendar.time += timedelta(minutes=2)
        assert move(budget.meter, 500) == 500  # drawn ahead: midnight cuts nobody
    async with budget.held(600_000, least_bytes=0) as enough:
        assert enough
        move(budget.meter, 20)
    assert purse.moved == {"2026-11-30": 1000, "2026-12-01": 520}
    purse.settle()
    assert (store.used_bytes(Window.DAY), store.used_bytes(Window.MONTH)) == (520, 520)


async def test_a_day_that_nobody_foresaw_has_nothing(store: Store, calendar: Calendar) -> None:
    """A machine that slept in the middle of a run goes on when another day's bytes may be spent."""
    budget = budget_of(purse_of(store, calendar))
    async with budget.held(600_000, least_bytes=0):
        move(budget.meter, 1000)
        calendar.time += timedelta(days=3)
        with pytest.raises(BudgetSpentError):
            move(budget.meter, 1)
    async with budget.held(600_000, least_bytes=60_000) as enough:
        assert not enough
    assert budget.hit


async def test_where_the_count_cannot_be_written_nothing_moves(store: Store, calendar: Calendar) -> None:
    class Failing:
        def draw(self, run_id: str, day: str, num_bytes: int) -> int:
            raise StoreError("the disk is gone")

        def settle(self, run_id: str, moved: dict[str, int]) -> None:
            raise AssertionError

    said: list[str] = []
    purse = Purse(ledger=Failing(), run_id="run", granted_bytes=10**6, wall=calendar, say=said.append)
    budget = budget_of(purse)
    async with budget.held(600_000, least_bytes=60_000) as enough:
        assert not enough
    assert said == ["the disk is gone"]


async def test_a_check_waits_for_what_others_hold() -> None:
    budget = RunBudget(meter=Meter(), max_bytes=1000)
    order: list[str] = []

    async def check(name: str, wanted: int, moved: int) -> None:
        async with budget.held(wanted, least_bytes=wanted // 10) as enough:
            order.append(f"{name} {enough}")
            await asyncio.sleep(0)
            move(budget.meter, moved)

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        for number in range(6):
            group.create_task(check(str(number), 600, 100))
    assert order == [f"{n} True" for n in range(6)]
    assert budget.meter.total == 600
    assert not budget.hit


async def test_alone_a_check_may_begin_with_a_tenth_and_not_with_less() -> None:
    budget = RunBudget(meter=Meter(), max_bytes=100)
    async with budget.held(1000, least_bytes=100) as enough:
        assert enough
    budget.meter.add(1, 0)
    async with budget.held(1000, least_bytes=100) as enough:
        assert not enough
    assert budget.hit


async def test_a_check_that_is_cancelled_while_it_waits_holds_nothing() -> None:
    budget = RunBudget(meter=Meter(), max_bytes=1000)
    async with budget.held(900, least_bytes=1):
        waiting = asyncio.create_task(_hold(budget))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(5), budget.held(1000, least_bytes=1) as enough:
        assert enough


async def _hold(budget: RunBudget) -> None:
    async with budget.held(900, least_bytes=1):
        pass


def test_what_is_spared_is_not_for_a_target() -> None:
    run = RunBudget(meter=Meter(), max_bytes=1_000_000)
    assert TargetBudget(run=run, meter=Meter(run.meter)).allows(1_000_000)
    assert not TargetBudget(run=run, meter=Meter(run.meter), spare_bytes=1).allows(1_000_000)
    assert run.hit
