"""Does measuring go on, and does nothing that was finished get lost, whatever happens to the store meanwhile?"""

import contextlib
import os
import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from probe import records
from probe.registry import EVIDENCE_TYPES
from probe.store import Limits, Store, StoreBroken, StoreError, StoreFull, StoreLocked, Window
from tests.reports import every_state, report

START = datetime(2026, 11, 21, 18, 33, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
KILLS = 10


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with opened(path) as made:
        yield made


def opened(path: Path) -> Store:
    return Store.open(path, evidence_types=EVIDENCE_TYPES, now=lambda: START)


def overwrite(path: Path) -> None:
    path.write_bytes(b"this was never a database" * 4000)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize("spoil", [overwrite, cut])
def test_a_store_that_breaks_while_it_is_open_is_replaced_and_told(
    store: Store, path: Path, spoil: Callable[[Path], None]
) -> None:
    store.finish_run(every_state())
    going_on = report()
    store.begin_run(going_on)
    first, second, *rest = going_on.targets[0].measurements
    store.add_measurement(going_on.id, first)
    with store._file.reading() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    spoil(path)
    told: list[str] = []
    for measurement in (second, *rest):
        with noting(told):
            store.add_measurement(going_on.id, measurement)
    with noting(told):
        store.finish_run(going_on)
    assert len(told) == 1
    assert "kept as results.sqlite3.broken-20261121T183300Z" in told[0]
    assert records.encode(store.report()) == records.encode(going_on)
    with opened(path) as again:
        assert again.notice == ""
        assert records.encode(again.report()) == records.encode(going_on)
    assert path.with_name("results.sqlite3.broken-20261121T183300Z").exists()


@contextlib.contextmanager
def noting(told: list[str]) -> Iterator[None]:
    try:
        yield
    except StoreBroken as error:
        told.append(str(error))


def test_what_can_still_be_read_of_a_broken_store_goes_to_the_new_one(store: Store, path: Path) -> None:
    store.add_consent("1", ("high",))
    store.finish_run(report())
    outcomes = store.latest_outcomes()
    root = page_of(store, "measurements")
    store.close()
    content = bytearray(path.read_bytes())
    content[root : root + 4096] = os.urandom(4096)
    path.write_bytes(content)
    with opened(path) as again:
        assert "was kept as" in again.notice
        consent = again.consent()
        assert consent is not None
        assert consent.risk_groups == ("high",)
        assert again.latest_outcomes() == outcomes


def test_what_was_agreed_to_outlives_a_store_that_broke_and_not_one_that_was_removed(store: Store, path: Path) -> None:
    store.add_consent("1", ("high",))
    given = store.consent()
    store.close()
    overwrite(path)
    with opened(path) as again:
        assert again.consent() == given is not None
    for file in path.parent.glob("results.sqlite3*"):
        if file.suffix != ".consent":
            file.unlink()
    with opened(path) as again:
        assert again.consent() is None
        again.add_consent("1", ())
        again.withdraw_consent()
    overwrite(path)
    with opened(path) as again:
        assert again.consent() is None


def page_of(store: Store, table: str) -> int:
    with store._file.reading() as cursor:
        (page,) = cursor.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    return int(page - 1) * 4096


@pytest.mark.parametrize("begins", [True, False])
def test_a_process_whose_file_another_one_replaced_goes_on_with_the_new_one(
    store: Store, path: Path, begins: bool
) -> None:
    store.finish_run(every_state())
    path.rename(path.with_name("aside"))
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    with opened(path) as other:
        other.finish_run(replace(every_state(), id="others"))
        if begins:
            store.begin_run(report())
        store.finish_run(report())
        assert {p.run_id for p in other.history()} == {"others", report().id}


def test_one_broken_record_costs_its_run_one_measurement(store: Store, path: Path) -> None:
    made = every_state()
    store.finish_run(made)
    with contextlib.closing(sqlite3.connect(path)) as other, other:
        (position,) = other.execute("SELECT min(position) FROM measurements WHERE target != ''").fetchone()
        other.execute("UPDATE measurements SET record = x'00ff00ff' WHERE position = ?", (position,))
    found = store.report(made.id)
    assert sum(len(t.measurements) for t in found.targets) == sum(len(t.measurements) for t in made.targets) - 1
    assert [t.verdict.state for t in found.targets] == [t.verdict.state for t in made.targets]
    assert found.parameters.interrupted


def test_a_store_that_was_removed_is_made_again(store: Store, path: Path) -> None:
    for file in path.parent.glob("results.sqlite3*"):
        file.unlink()
    store.begin_run(report())
    store.finish_run(report())
    with opened(path) as again:
        assert again.report().id == report().id


@pytest.mark.parametrize("spoil", [Path.unlink, overwrite])
def test_old_runs_are_removed_also_where_the_file_of_usage_was_lost(
    store: Store, path: Path, spoil: Callable[[Path], object]
) -> None:
    store.finish_run(every_state())
    store.finish_run(replace(every_state(), id="later"))
    spoil(path.with_name(f"{path.name}.usage"))
    pruning = threading.Thread(target=store.prune, args=(1, 1), daemon=True)  # a daemon: it must not hang the tests too
    pruning.start()
    pruning.join(timeout=30.0)
    assert not pruning.is_alive()
    assert len(store.history()) == 1


@contextlib.contextmanager
def held_by_another(path: Path) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_a_store_that_is_held_for_long_loses_nothing(store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store._file.connection.execute("PRAGMA busy_timeout = 50")
    going_on = report()
    store.begin_run(going_on)
    with held_by_another(path):
        for measurement in going_on.targets[0].measurements[:2]:
            with pytest.raises(StoreLocked):
                store.add_measurement(going_on.id, measurement, uploaded_to=("up.example",))
    store.add_measurement(going_on.id, going_on.targets[0].measurements[2], uploaded_to=("up.example",))
    kept = store.report(going_on.id).targets[0].measurements
    assert [m.id for m in kept] == [m.id for m in going_on.targets[0].measurements[:3]]
    assert store.uploads_today("up.example") == 3


def test_a_run_that_ended_while_the_store_was_held_is_kept_with_the_next(store: Store, path: Path) -> None:
    store._file.connection.execute("PRAGMA busy_timeout = 50")
    ended, later = report(), replace(report(), id="later")
    store.begin_run(ended)
    with held_by_another(path), pytest.raises(StoreLocked):
        store.finish_run(ended)
    store.begin_run(later)
    assert {p.run_id: p.finished for p in store.history()} == {ended.id: True, "later": False}
    assert len(store.latest_outcomes()) == 1


def test_reading_never_waits_for_a_writer(store: Store, path: Path) -> None:
    store.finish_run(report())
    with held_by_another(path):
        assert store.report().id == report().id
        assert store.latest_outcomes()


def test_a_run_that_ended_on_a_full_disk_is_kept_once_there_is_room(store: Store, path: Path) -> None:
    store.finish_run(report())
    full = replace(every_state(), id="full")
    store.begin_run(full)
    (pages,) = store._file.connection.execute("PRAGMA page_count").fetchone()
    store._file.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreFull):
        store.finish_run(full)
    limits = Limits(run=100, day=300, month=1000)
    assert store.reserve("meanwhile", 100, limits) == 100  # bytes are counted all the same
    store.settle("meanwhile", {"2026-11-21": 30})
    store._file.connection.execute("PRAGMA max_page_count = 1000000")
    store.begin_run(replace(report(), id="after"))
    assert records.encode(store.report("full")) == records.encode(full)
    assert store.used_bytes(Window.DAY) == 30


LIMITED = """
import resource, sys
from datetime import UTC, datetime
from dataclasses import replace
from pathlib import Path
from probe import records
from probe.registry import EVIDENCE_TYPES
from probe.store import Limits, Store, StoreError
from tests.reports import every_state, report

store = Store.open(Path(sys.argv[1]), evidence_types=EVIDENCE_TYPES, now=lambda: datetime.now(UTC))
for number in range(4):
    store.finish_run(replace(report(), id=f"before-{number}"))
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
limits = Limits(run=100, day=10_000, month=10_000)
failed = 0
for number in range(6):
    store.reserve(f"run-{number}", 100, limits, first_draw=50)
    try:
        store.begin_run(replace(every_state(), id=f"run-{number}"))
        store.finish_run(replace(every_state(), id=f"run-{number}"))
    except StoreError:
        failed += 1
    store.settle(f"run-{number}", {store.today(): 60})
from probe.store import Window
print(failed, store.used_bytes(Window.DAY))
"""


def test_no_room_for_files_to_grow_ends_nothing(path: Path) -> None:
    """A file-size limit stands for a full disk: existing files can be written, and none can grow."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    failed, used = map(int, done.stdout.split())
    assert failed >= 1
    assert used == 6 * 60
    with opened(path) as again:
        assert again.notice == ""
        assert {f"before-{n}" for n in range(4)} <= {p.run_id for p in again.history()}


def test_a_directory_that_turns_read_only_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(StoreError, match="no store can be kept"):
        opened(blocked / "results.sqlite3")


# kill -9

WRITER = """
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from probe.registry import EVIDENCE_TYPES
from probe.store import Limits, Store
from tests.reports import report

name, log = sys.argv[2], open(sys.argv[3], "a", buffering=1)
store = Store.open(Path(sys.argv[1]), evidence_types=EVIDENCE_TYPES, now=lambda: datetime.now(UTC))
limits = Limits(run=10**6, day=10**9, month=10**9)
print("ready", flush=True)
for number in range(10**6):
    run = replace(report(), id=f"{name}-{number}", started_at=datetime.now(UTC).isoformat().replace("+00:00", "Z"))
    assert store.reserve(run.id, 10**6, limits, first_draw=0) == 10**6
    store.begin_run(run)
    moved = 0
    for measurement in run.targets[0].measurements[:3]:
        store.draw(run.id, store.today(), moved + 1000)
        log.write(f"moved 1000\\n")
        moved += 1000
        store.add_measurement(run.id, measurement)
        log.write(f"kept {run.id} {measurement.id}\\n")
    store.settle(run.id, {store.today(): moved})
    store.finish_run(run)
    log.write(f"ended {run.id}\\n")
"""


def test_nothing_finished_is_lost_however_often_a_writer_is_killed(tmp_path: Path) -> None:
    assert killed_writers(tmp_path, KILLS)


def killed_writers(directory: Path, kills: int) -> str:
    """What was reported as kept is there, once; the count of bytes is never less than what was moved, and no more
    above it than was drawn. Returns the figures."""
    path, log, chance = directory / "results.sqlite3", directory / "log", random.Random()
    log.touch()
    for number in range(kills):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), f"writer-{number}", str(log)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            threading.Event().wait(chance.uniform(0.0, 0.4))
            process.kill()
    lines = [line.split() for line in log.read_text().splitlines()]
    moved = 1000 * sum(line[0] == "moved" for line in lines)
    with Store.open(path, evidence_types=EVIDENCE_TYPES, now=lambda: datetime.now(UTC)) as store:
        assert store.notice == ""
        assert store.reserve("last", 0, Limits(run=1, day=10**9, month=10**9)) == 0
        runs = {p.run_id: p.finished for p in store.history()}
        assert {line[1] for line in lines if line[0] == "ended"} <= {name for name, done in runs.items() if done}
        outcomes = [o.run_id for o in store.outcomes(report().targets[0].id)]
        assert sorted(outcomes) == sorted(name for name, done in runs.items() if done)
        kept = {(line[1], line[2]) for line in lines if line[0] == "kept"}
        stored = [(name, m.id) for name in runs for t in store.report(name).targets for m in t.measurements]
        assert kept <= set(stored)
        assert len(stored) == len(set(stored))
        used = store.used_bytes(Window.MONTH)
        assert moved <= used <= moved + kills * 1000
    return f"{len(runs)} runs, {len(kept)} measurements reported as kept, {moved} bytes moved, {used} counted"
