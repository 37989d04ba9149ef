"""Does the store keep what was finished, whatever ends the run, and count what may still be used?"""

import contextlib
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from probe import records
from probe.model.results import State
from probe.registry import EVIDENCE_TYPES
from probe.store import NoSuchRun, Store, StoreError, StoreFull, Window, default_path
from probe.store.tables import MIGRATIONS
from tests.factories import dns_evidence, measurement, verdict
from tests.reports import clean, every_state, report
from tests.stores import NOW, Calendar


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "results.sqlite3"


@pytest.fixture
def store(path: Path, calendar: Calendar) -> Iterator[Store]:
    with Store.open(path, evidence_types=EVIDENCE_TYPES, now=calendar) as opened:
        yield opened


def reopened(path: Path) -> Store:
    return Store.open(path, evidence_types=EVIDENCE_TYPES, now=lambda: NOW)


def test_a_finished_run_comes_back_byte_for_byte(store: Store) -> None:
    original = every_state()
    store.begin_run(records.header(original))
    for target in original.targets:
        for finished in target.measurements:
            store.add_measurement(original.id, finished)
    store.finish_run(original)
    assert records.encode(store.report()) == records.encode(original)
    assert store.report(original.id[:12]) == store.report(original.id)


def test_a_report_alone_can_be_kept(store: Store) -> None:
    store.finish_run(every_state())
    assert records.encode(store.report()) == records.encode(every_state())


def test_a_measurement_judged_again_replaces_the_first_in_its_place(store: Store) -> None:
    original = report()
    store.begin_run(records.header(original))
    for finished in original.targets[0].measurements:
        store.add_measurement(original.id, finished)
    first, *rest = original.targets[0].measurements
    changed = replace(first, verdict=verdict(State.INCONCLUSIVE, "its control was left out"))
    final = replace(original, targets=(replace(original.targets[0], measurements=(changed, *rest)),))
    store.finish_run(final)
    assert store.report().targets[0].measurements[0].verdict.state is State.INCONCLUSIVE
    assert len(store.report().targets[0].measurements) == len(original.targets[0].measurements)


def test_an_unfinished_run_is_shown_as_interrupted(store: Store) -> None:
    original = report(clean("one"), clean("two"))
    store.begin_run(records.header(original))
    for finished in original.targets[0].measurements:
        store.add_measurement(original.id, finished)
    shown = store.report()
    assert shown.parameters.interrupted
    assert shown.targets[0].measurements
    assert shown.targets[1].measurements == ()
    assert shown.bytes.sent == sum(m.sent_bytes for m in original.targets[0].measurements)
    assert not store.history()[0].finished


def test_latest_and_missing_runs(store: Store) -> None:
    with pytest.raises(NoSuchRun, match="no run is stored yet"):
        store.report()
    for number in (1, 2):
        moment = (NOW + timedelta(hours=number)).isoformat().replace("+00:00", "Z")
        store.finish_run(replace(report(), id=f"run-{number}", started_at=moment))
    assert store.report().id == "run-2"
    assert store.report("run-1").id == "run-1"
    for wrong in ("run-", "run-3", "%"):
        with pytest.raises(NoSuchRun):
            store.report(wrong)


def test_history_says_what_each_run_came_to(store: Store) -> None:
    store.finish_run(every_state())
    (past,) = store.history(since=NOW - timedelta(minutes=1))
    assert [(t.id, t.state) for t in past.targets] == [(t.id, t.verdict.state) for t in every_state().targets]
    assert past.finished
    assert past.bytes == every_state().bytes
    assert store.history(since=NOW + timedelta(minutes=1)) == ()


def test_bytes_are_counted_by_day_and_month(store: Store, calendar: Calendar) -> None:
    store.add_bytes(100)
    store.add_bytes(20)
    assert (store.used_bytes(Window.DAY), store.used_bytes(Window.MONTH)) == (120, 120)
    calendar.time += timedelta(days=1)
    store.add_bytes(3)
    assert (store.used_bytes(Window.DAY), store.used_bytes(Window.MONTH)) == (3, 123)
    calendar.time = datetime(2026, 12, 1, tzinfo=UTC)
    assert (store.used_bytes(Window.DAY), store.used_bytes(Window.MONTH)) == (0, 0)


def test_uploads_are_counted_by_host_and_day(store: Store, calendar: Calendar) -> None:
    store.add_upload("up.example")
    store.add_upload("up.example")
    assert store.uploads_today("up.example") == 2
    assert store.uploads_today("other.example") == 0
    calendar.time += timedelta(days=1)
    assert store.uploads_today("up.example") == 0


def test_consent_is_kept_and_withdrawn(store: Store, path: Path) -> None:
    assert store.consent() is None
    store.add_consent("1", ())
    store.add_consent("2", ("politics", "news"))
    with reopened(path) as other:
        given = other.consent()
    assert given is not None
    assert (given.policy_version, given.risk_groups) == ("2", ("news", "politics"))
    assert given.given_at == "2026-11-21T18:33:00Z"
    store.withdraw_consent()
    assert store.consent() is None


def test_only_the_owner_may_read_it(store: Store, path: Path) -> None:
    store.add_bytes(1)
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
    path.chmod(0o644)
    reopened(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_broken_file_is_moved_aside_with_a_message(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this was never a database" * 400)
    with reopened(path) as store:
        assert "a new store was begun" in store.notice
        store.finish_run(report())
        assert store.report().id == report().id
    assert [p for p in path.parent.iterdir() if "broken-20261121T183300Z" in p.name]


def test_a_store_cut_in_half_is_moved_aside_or_still_readable(path: Path) -> None:
    with reopened(path) as store:
        store.finish_run(every_state())
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with reopened(path) as store:
        assert store.notice
        with pytest.raises(NoSuchRun):
            store.report()


def test_a_newer_store_is_left_alone(path: Path) -> None:
    reopened(path).close()
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO migrations VALUES (?, ?)", (len(MIGRATIONS) + 1, "later"))
    before = path.read_bytes()
    with pytest.raises(StoreError, match="newer throttleprobe"):
        reopened(path)
    assert path.read_bytes() == before


def test_a_full_disk_is_told_and_what_was_kept_stays(store: Store, path: Path) -> None:
    original = report()
    store.begin_run(records.header(original))
    store.add_measurement(original.id, original.targets[0].measurements[0])
    pages = store._file.connection.execute("PRAGMA page_count").fetchone()[0]
    store._file.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreFull):
        store.finish_run(every_state())
    with reopened(path) as other:
        assert len(other.report().targets[0].measurements) == 1


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(StoreError, match="no store can be kept"):
        reopened(blocked / "results.sqlite3")


def test_a_measurement_of_an_unknown_run_is_refused(store: Store) -> None:
    with pytest.raises(StoreError):
        store.add_measurement("nobody", measurement("dns", dns_evidence("clean.example")))


def test_a_broken_record_is_told(store: Store) -> None:
    store.finish_run(report())
    store._file.connection.execute("UPDATE measurements SET record = x'00'")
    with pytest.raises(StoreError, match="record is broken"):
        store.report()


def test_several_threads_and_connections_write(store: Store, path: Path) -> None:
    def count(times: int) -> None:
        with reopened(path) as own:
            for _ in range(times):
                own.add_bytes(1)
                store.add_bytes(1)

    threads = [threading.Thread(target=count, args=(10,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.used_bytes(Window.DAY) == 80


KILLED = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from probe import records
from probe.registry import EVIDENCE_TYPES
from probe.store import Store
from tests.reports import report

original = report()
store = Store.open(Path(sys.argv[1]), evidence_types=EVIDENCE_TYPES, now=lambda: datetime.now(UTC))
store.begin_run(records.header(original))
for finished in original.targets[0].measurements[:3]:
    store.add_measurement(original.id, finished)
    print(finished.id, flush=True)
sys.stdin.read()
"""


def test_what_was_finished_survives_kill_9(path: Path) -> None:
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    finished = [process.stdout.readline().strip() for _ in range(3)]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    with reopened(path) as store:
        shown = store.report()
    assert store.notice == ""
    assert [m.id for m in shown.targets[0].measurements] == finished
    assert shown.parameters.interrupted


def test_the_default_place_is_the_users_state_directory() -> None:
    assert default_path().name == "results.sqlite3"
    assert "throttleprobe" in default_path().parts
