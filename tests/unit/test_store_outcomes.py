"""Does what targets came to outlive the evidence, and does the disk get its room back without losing what counts?"""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from probe import records
from probe.model.results import Attempt, AttemptStatus, Problem, ProblemReason, Report, State
from probe.registry import EVIDENCE_TYPES
from probe.store import Limits, NoSuchRun, Store
from probe.store.retention import AUTO_VACUUM_INCREMENTAL, KEEP_OUTCOMES, size_bytes
from probe.store.tables import MIGRATIONS
from probe.verdict.past_outcomes import outcomes_of
from tests.reports import every_state, report
from tests.stores import NOW, Calendar

MANY = 10**12


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.sqlite3"


@pytest.fixture
def store(path: Path, calendar: Calendar) -> Iterator[Store]:
    with Store.open(path, evidence_types=EVIDENCE_TYPES, now=calendar) as made:
        yield made


def at(moment: datetime, name: str, of: Report | None = None) -> Report:
    return replace(of or report(), id=name, started_at=moment.isoformat().replace("+00:00", "Z"))


def test_every_target_of_a_finished_run_leaves_a_row(store: Store) -> None:
    ended = every_state()
    store.finish_run(ended)
    assert sorted(store.latest_outcomes(), key=lambda o: o.target) == sorted(outcomes_of(ended), key=lambda o: o.target)
    for outcome in outcomes_of(ended):
        assert store.outcomes(outcome.target) == (outcome,)


def test_outcomes_come_in_the_order_of_time(store: Store) -> None:
    for hours in (3, 1, 2):
        store.finish_run(at(NOW + timedelta(hours=hours), f"run-{hours}"))
    target = report().targets[0].id
    assert [o.run_id for o in store.outcomes(target)] == ["run-1", "run-2", "run-3"]
    assert [o.run_id for o in store.outcomes(target, NOW + timedelta(hours=2))] == ["run-2", "run-3"]
    assert [o.run_id for o in store.latest_outcomes()] == ["run-3"]
    assert store.outcomes("nobody") == ()


def test_a_run_that_did_not_end_leaves_none(store: Store) -> None:
    begun = report()
    store.begin_run(begun)
    for measurement in begun.targets[0].measurements:
        store.add_measurement(begun.id, measurement)
    assert store.latest_outcomes() == ()


def test_a_target_that_was_not_begun_leaves_none(store: Store) -> None:
    whole = report()
    (target,) = whole.targets
    never: Attempt[object] = Attempt(
        status=AttemptStatus.NOT_SCHEDULED,
        problem=Problem(reason=ProblemReason.INTERRUPTED, stage="run", detail=""),
    )
    untouched = replace(target, id="later", measurements=tuple(replace(m, attempt=never) for m in target.measurements))
    store.finish_run(
        replace(whole, targets=(target, untouched), parameters=replace(whole.parameters, interrupted=True))
    )
    assert [o.target for o in store.latest_outcomes()] == [target.id]


def test_a_target_that_was_cut_off_leaves_none_so_that_a_restart_shows_what_was_known_before(store: Store) -> None:
    store.finish_run(report())
    later = at(NOW + timedelta(hours=6), "later")
    (target,) = later.targets
    never: Attempt[object] = Attempt(
        status=AttemptStatus.NOT_SCHEDULED,
        problem=Problem(reason=ProblemReason.INTERRUPTED, stage="run", detail=""),
    )
    first, *rest = target.measurements
    cut_off = replace(
        target,
        verdict=replace(target.verdict, state=State.INCONCLUSIVE, strength=None),
        measurements=(first, *(replace(m, attempt=never) for m in rest)),
    )
    store.finish_run(replace(later, targets=(cut_off,), parameters=replace(later.parameters, interrupted=True)))
    assert [(o.run_id, o.state) for o in store.latest_outcomes()] == [(report().id, target.verdict.state)]


def test_a_run_judged_again_has_one_row(store: Store) -> None:
    first = report()
    store.finish_run(first)
    (target,) = first.targets
    store.finish_run(replace(first, targets=(replace(target, verdict=replace(target.verdict, state=State.DOWN)),)))
    assert [o.state for o in store.outcomes(target.id)] == [State.DOWN]


def test_an_older_store_gets_its_outcomes(path: Path, calendar: Calendar) -> None:
    ended = every_state()
    with Store.open(path, evidence_types=EVIDENCE_TYPES, now=calendar) as made:
        made.finish_run(ended)
        made.finish_run(at(NOW, "broken"))
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE outcomes")
        connection.execute("DELETE FROM migrations WHERE version = 2")
        connection.execute("UPDATE runs SET header = x'00' WHERE id = 'broken'")
    with Store.open(path, evidence_types=EVIDENCE_TYPES, now=calendar) as again:
        assert len(MIGRATIONS) == 2
        assert {o.target: o.state for o in again.latest_outcomes()} == {t.id: t.verdict.state for t in ended.targets}


# Retention


def test_old_evidence_goes_and_its_outcomes_stay(store: Store, calendar: Calendar) -> None:
    for days in range(5):
        store.finish_run(at(NOW + timedelta(days=days), f"run-{days}"))
    calendar.time = NOW + timedelta(days=4)
    assert store.prune(2, MANY).runs == 2
    assert [p.run_id for p in store.history()] == ["run-2", "run-3", "run-4"]
    with pytest.raises(NoSuchRun):
        store.report("run-0")
    assert len(store.outcomes(report().targets[0].id)) == 5


def test_outcomes_go_after_years(store: Store, calendar: Calendar) -> None:
    store.finish_run(at(NOW - KEEP_OUTCOMES - timedelta(days=1), "old"))
    store.finish_run(at(NOW, "new"))
    store.prune(30, MANY)
    assert [o.run_id for o in store.outcomes(report().targets[0].id)] == ["new"]


def test_a_clock_that_jumped_ahead_deletes_nothing(store: Store, calendar: Calendar) -> None:
    for days in range(3):
        store.finish_run(at(NOW + timedelta(days=days), f"run-{days}"))
    calendar.time = datetime(2038, 1, 19, tzinfo=UTC)
    assert store.prune(30, MANY).runs == 0
    assert len(store.outcomes(report().targets[0].id)) == 3


def test_the_file_really_shrinks_and_the_oldest_go_first(store: Store, path: Path, calendar: Calendar) -> None:
    for hours in range(40):
        store.finish_run(at(NOW + timedelta(hours=hours), f"run-{hours:02}", every_state()))
    calendar.time = NOW + timedelta(hours=40)
    store.prune(30, MANY)
    before = size_bytes(path)
    pruned = store.prune(30, before // 4)
    assert pruned.size_bytes == size_bytes(path) <= before // 4 + 64 * 1024
    left = [p.run_id for p in store.history()]
    assert left == [f"run-{hours:02}" for hours in range(40 - len(left), 40)]
    assert 1 < len(left) < 20
    assert records.encode(store.report()) == records.encode(at(NOW + timedelta(hours=39), "run-39", every_state()))


def test_the_last_run_and_those_being_written_stay(store: Store, path: Path, calendar: Calendar) -> None:
    store.begin_run(at(NOW, "being written"))
    store.reserve("being written", 100, Limits(run=100, day=300, month=1000))
    store.begin_run(at(NOW + timedelta(days=1), "left behind"))
    store.begin_run(at(NOW + timedelta(days=89.5), "just begun"))
    store.finish_run(at(NOW + timedelta(days=90), "last"))
    calendar.time = NOW + timedelta(days=90)
    store.prune(30, 0)
    assert [p.run_id for p in store.history()] == ["being written", "just begun", "last"]
    store.add_measurement("being written", report().targets[0].measurements[0])


def test_a_reader_that_is_open_does_not_stand_in_the_way(store: Store, path: Path, calendar: Calendar) -> None:
    for hours in range(10):
        store.finish_run(at(NOW + timedelta(hours=hours), f"run-{hours}", every_state()))
    with contextlib.closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM runs").fetchone() == (10,)
        store.prune(30, 0)
        assert reader.execute("SELECT count(*) FROM runs").fetchone() == (10,)
    assert len(store.history()) == 1
    before = size_bytes(path)
    store.prune(30, 0)
    assert size_bytes(path) < before


def test_a_file_of_the_first_version_is_rewritten_once(path: Path, calendar: Calendar) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE migrations (version INTEGER PRIMARY KEY, applied_at TEXT)")
        connection.execute("INSERT INTO migrations VALUES (1, 'then')")
        for statement in MIGRATIONS[0]:
            connection.execute(statement)
    with Store.open(path, evidence_types=EVIDENCE_TYPES, now=calendar) as store:
        for hours in range(10):
            store.finish_run(at(NOW + timedelta(hours=hours), f"run-{hours}", every_state()))
        before = size_bytes(path)
        store.prune(30, 0)
        assert size_bytes(path) < before // 3
        assert store._file.connection.execute("PRAGMA auto_vacuum").fetchone() == (AUTO_VACUUM_INCREMENTAL,)
