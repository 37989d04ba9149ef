"""Are bytes never given twice, whatever processes, days and clocks do?"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from probe.registry import EVIDENCE_TYPES
from probe.store import Limits, Store, StoreError, Window
from probe.store.usage import Usage
from probe.store.usage_file import PLACE_BYTES, UsageFile
from tests.reports import report
from tests.stores import NOW, Calendar

LIMITS = Limits(run=100, day=300, month=1000)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.sqlite3"


@pytest.fixture
def store(path: Path, calendar: Calendar) -> Iterator[Store]:
    with opened(path, calendar) as made:
        yield made


def opened(path: Path, calendar: Calendar) -> Store:
    return Store.open(path, evidence_types=EVIDENCE_TYPES, now=calendar)


def used(store: Store) -> tuple[int, int]:
    return store.used_bytes(Window.DAY), store.used_bytes(Window.MONTH)


def test_a_run_gets_what_its_limit_the_day_and_the_month_leave(store: Store) -> None:
    assert store.reserve("a", 500, LIMITS) == 100
    assert store.reserve("b", 70, LIMITS) == 70
    store.settle("a", {"2026-11-21": 90})
    store.settle("b", {"2026-11-21": 70})
    assert store.reserve("c", 100, Limits(run=100, day=200, month=1000)) == 40
    assert store.reserve("d", 100, Limits(run=100, day=9000, month=230)) == 30
    assert store.reserve("e", 100, LIMITS) == 70
    assert store.reserve("f", 100, LIMITS) == 0


def test_two_processes_never_both_get_the_rest(path: Path, calendar: Calendar, store: Store) -> None:
    with opened(path, calendar) as other:
        given = [store.reserve("a", 100, LIMITS), other.reserve("b", 100, LIMITS), store.reserve("c", 100, LIMITS)]
        assert given == [100, 100, 100]
        assert other.reserve("d", 100, LIMITS) == 0
        store.settle("a", {"2026-11-21": 10})
        assert other.reserve("e", 100, LIMITS) == 90


def test_many_at_once_never_get_more_than_there_is(path: Path, calendar: Calendar) -> None:
    granted: list[int] = []

    def claim(name: str) -> None:
        with opened(path, calendar) as own:
            granted.extend(own.reserve(f"{name}-{number}", 7, LIMITS) for number in range(10))
            done.wait()  # what was claimed by one that closes would be charged and not given back

    done = threading.Barrier(8)
    threads = [threading.Thread(target=claim, args=(str(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == 300
    assert len(granted) == 80


def test_the_end_of_a_run_gives_the_rest_back_once(store: Store) -> None:
    ended = report()
    store.begin_run(ended)
    store.reserve(ended.id, 100, LIMITS)
    store.settle(ended.id, {"2026-11-21": 40})
    store.finish_run(ended)  # its bytes are counted already
    assert used(store) == (40, 40)


def test_a_run_that_only_ends_is_charged_with_its_report(store: Store) -> None:
    ended = report()
    store.reserve(ended.id, 10**9, Limits(run=10**9, day=10**9, month=10**9))
    store.finish_run(ended)
    moved = ended.bytes.sent + ended.bytes.received
    assert used(store) == (moved, moved)


def test_what_moved_after_midnight_counts_for_the_new_day(store: Store, calendar: Calendar) -> None:
    calendar.time = datetime(2026, 11, 30, 23, 50, tzinfo=UTC)
    given = store.reserve("a", 100, LIMITS, until=calendar.time + timedelta(minutes=20), first_draw=0)
    assert given == 100
    assert store.draw("a", "2026-11-30", 60) == 60
    calendar.time += timedelta(minutes=15)
    assert store.draw("a", "2026-12-01", 30) == 30
    assert store.draw("a", "2026-12-02", 30) == 0  # nobody foresaw it
    store.settle("a", {"2026-11-30": 50, "2026-12-01": 20})
    assert used(store) == (20, 20)


def test_a_run_may_not_borrow_from_the_next_day(store: Store, calendar: Calendar) -> None:
    calendar.time = datetime(2026, 11, 21, 23, 50, tzinfo=UTC)
    store.add_bytes(290)
    assert store.reserve("a", 100, LIMITS, until=calendar.time + timedelta(minutes=20)) == 10


def test_a_clock_set_back_gives_nothing_twice(store: Store, calendar: Calendar) -> None:
    calendar.time = datetime(2026, 11, 22, 0, 30, tzinfo=UTC)
    store.add_bytes(250)
    calendar.time -= timedelta(hours=1)
    assert store.reserve("a", 100, LIMITS) == 50
    store.settle("a", {"2026-11-21": 50})
    calendar.time += timedelta(hours=1)
    assert store.reserve("b", 100, LIMITS) == 50


def test_a_clock_a_month_back_gives_nothing_twice(store: Store, calendar: Calendar) -> None:
    calendar.time = datetime(2026, 12, 1, 12, tzinfo=UTC)
    store.add_bytes(250)
    calendar.time = datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert store.reserve("a", 100, LIMITS) == 50
    assert used(store) == (250 + 50, 250 + 50)
    store.settle("a", {"2026-11-01": 50})
    calendar.time = datetime(2026, 12, 1, 13, tzinfo=UTC)
    assert store.reserve("b", 100, LIMITS) == 50


@pytest.mark.parametrize("wrong", [datetime(1970, 1, 1, tzinfo=UTC), NOW + timedelta(days=100), NOW.replace(year=2036)])
def test_a_clock_that_was_wrong_for_a_while_does_not_make_the_month_forgotten(
    store: Store, calendar: Calendar, wrong: datetime
) -> None:
    """A machine that keeps no time begins each of its lives in 1970."""
    for day in (3, 2, 1):
        calendar.time = NOW - timedelta(days=day)
        assert store.reserve("real", 300, LIMITS) > 0
        store.settle("real", {store.today(): 300})
    calendar.time = wrong
    if store.reserve("meanwhile", 50, LIMITS):
        store.settle("meanwhile", {store.today(): 50})
    calendar.time = NOW
    assert store.used_bytes(Window.MONTH) >= 900
    assert store.reserve("again", 300, LIMITS) <= 100


def test_a_clock_that_was_years_ahead_closes_one_day_only(store: Store, calendar: Calendar) -> None:
    calendar.time = datetime(2038, 1, 19, tzinfo=UTC)
    store.add_bytes(300)
    calendar.time = NOW
    assert store.reserve("a", 100, LIMITS) == 0
    calendar.time += timedelta(days=1)
    assert store.reserve("b", 100, LIMITS) == 100


KILLED = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from probe.registry import EVIDENCE_TYPES
from probe.store import Limits, Store

now = datetime.fromisoformat(sys.argv[2])
store = Store.open(Path(sys.argv[1]), evidence_types=EVIDENCE_TYPES, now=lambda: now)
print(store.reserve("killed", 100, Limits(run=100, day=300, month=1000), first_draw=0), flush=True)
print(store.draw("killed", now.date().isoformat(), 35), flush=True)
sys.stdin.read()
"""


def test_a_killed_run_is_charged_with_what_it_had_drawn(path: Path, store: Store) -> None:
    command = [sys.executable, "-c", KILLED, str(path), NOW.isoformat()]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=-1, stdout=-1, text=True
    ) as process:
        assert process.stdout is not None
        assert [process.stdout.readline().strip() for _ in range(2)] == ["100", "35"]
        assert store.reserve("while it lives", 300, Limits(run=300, day=300, month=1000)) == 200
        store.settle("while it lives", {})
        process.kill()
    assert store.reserve("afterwards", 300, Limits(run=300, day=300, month=1000)) == 265
    assert store.used_bytes(Window.DAY) == 35 + 265
    with opened(path, Calendar()) as other:  # sweeps what the dead left behind
        other.reserve("swept", 1, LIMITS)
        assert len(list(path.parent.glob("*.usage-*.lock"))) == 2  # of those two that live


def test_a_process_that_closes_without_settling_is_charged_too(path: Path, calendar: Calendar) -> None:
    with opened(path, calendar) as first:
        first.reserve("a", 100, LIMITS, first_draw=20)
    with opened(path, calendar) as second:
        assert second.reserve("b", 300, Limits(run=300, day=300, month=1000)) == 280


def test_what_cannot_be_settled_now_is_settled_with_the_next_change(store: Store, path: Path) -> None:
    store.reserve("a", 100, LIMITS)
    usage = path.with_name(path.name + ".usage")
    kept = usage.read_bytes()
    usage.unlink()
    usage.mkdir()  # nothing can be written there
    with pytest.raises(StoreError):
        store.settle("a", {"2026-11-21": 60})
    usage.rmdir()
    usage.write_bytes(kept)
    assert store.reserve("b", 300, Limits(run=300, day=300, month=1000)) == 240
    assert used(store)[0] == 60 + 240


# The file


def change(path: Path, num_bytes: int) -> None:
    file = UsageFile(path, first=lambda _: Usage())
    with file.change() as usage:
        usage.add("2026-11-21", num_bytes)
    file.close()


def test_a_write_that_was_cut_off_leaves_what_was_before(tmp_path: Path) -> None:
    path = tmp_path / "usage"
    for _ in range(3):
        change(path, 10)
    whole = path.read_bytes()
    change(path, 10)
    after = path.read_bytes()
    places = range(2)
    (changed,) = [n for n in places if whole[n * PLACE_BYTES :][:PLACE_BYTES] != after[n * PLACE_BYTES :][:PLACE_BYTES]]
    for cut in (1, 9, 24, 30, 60):
        torn = after[: changed * PLACE_BYTES + cut] + whole[changed * PLACE_BYTES + cut :]
        path.write_bytes(torn)
        file = UsageFile(path, first=lambda _: Usage())
        assert file.read().used("2026") in (30, 40)
        file.close()


def test_a_full_disk_does_not_matter_once_the_file_is_there(tmp_path: Path) -> None:
    change(tmp_path / "usage", 1)
    size = (tmp_path / "usage").stat().st_size
    for _ in range(50):
        change(tmp_path / "usage", 1)
    assert (tmp_path / "usage").stat().st_size == size == 2 * PLACE_BYTES


def test_with_the_file_lost_the_stores_copy_counts(store: Store, path: Path, calendar: Calendar) -> None:
    store.add_bytes(120)
    store.close()
    path.with_name(path.name + ".usage").unlink()
    with opened(path, calendar) as again:
        assert used(again) == (120, 120)
        assert again.reserve("a", 300, Limits(run=300, day=300, month=1000)) == 180


def test_with_the_file_damaged_today_is_used_up(store: Store, path: Path, calendar: Calendar) -> None:
    calendar.time -= timedelta(days=1)
    store.add_bytes(50)
    calendar.time += timedelta(days=1)
    store.add_bytes(120)
    store.close()
    path.with_name(path.name + ".usage").write_bytes(os.urandom(2 * PLACE_BYTES))
    with opened(path, calendar) as again:
        assert "cannot be read any more: these days count as used up" in again.notice
        assert again.reserve("a", 100, LIMITS) == 0
        assert used(again) == (300, 350)
        calendar.time += timedelta(days=1)
        assert again.reserve("b", 100, LIMITS) == 100


def test_with_the_store_lost_as_well_the_month_so_far_is_used_up(store: Store, path: Path, calendar: Calendar) -> None:
    store.add_bytes(120)
    store.close()
    path.with_name(path.name + ".usage").write_bytes(os.urandom(2 * PLACE_BYTES))
    path.write_bytes(os.urandom(5000))
    with opened(path, calendar) as again:
        calendar.time += timedelta(days=1)
        assert again.reserve("a", 100, Limits(run=100, day=300, month=9000)) == 100
        assert again.reserve("b", 100, LIMITS) == 0  # 21 days of 300 are more than the month's 1000
        calendar.time = datetime(2026, 12, 1, tzinfo=UTC)
        assert again.reserve("c", 100, LIMITS) == 100


def test_a_store_that_broke_keeps_its_count(store: Store, path: Path, calendar: Calendar) -> None:
    store.add_bytes(120)
    store.close()
    path.write_bytes(b"this was never a database" * 400)
    with opened(path, calendar) as again:
        assert again.notice
        assert used(again) == (120, 120)


def test_an_older_store_brings_its_count(store: Store, path: Path, calendar: Calendar) -> None:
    with store._file.writing() as cursor:
        cursor.execute("INSERT INTO usage VALUES ('2026-11-20', 5), ('2026-11-21', 7)")
    store.close()
    path.with_name(path.name + ".usage").unlink()
    with opened(path, calendar) as again:
        assert used(again) == (7, 12)
