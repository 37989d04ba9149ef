"""Which runs' evidence goes first, and how does the disk get its room back?

Evidence is large and goes by age and by size, oldest first; outcomes are small and stay, as the baseline that later
results are compared with. Nothing is deleted of a run that is being written, nor the last run.
"""

import sqlite3
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from probe.store.errors import StoreError
from probe.store.file import MAX_JOURNAL_BYTES, StoreFile
from probe.store.outcomes import milliseconds

KEEP_OUTCOMES = timedelta(days=800)  # two years and a bit: the same weeks of two earlier years
STILL_WRITTEN = timedelta(days=1)  # an unfinished run is left alone for so long: the longest run takes less
RUNS_AT_ONCE = 4  # deleted in one transaction: others that write wait for 100 ms, not for seconds
PAGES_AT_ONCE = 256  # given back in one transaction: 1 MB
MAX_STEPS = 4096  # of either kind in one call: 4 GB; what is left is for the next one
AUTO_VACUUM_INCREMENTAL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was deleted and given back; `size_bytes` is what the store takes on the disk now."""

    runs: int
    size_bytes: int


def prune(
    file: StoreFile, *, days: int, max_bytes: int, now: datetime, living: Callable[[], Collection[str]]
) -> Pruned:
    """Delete runs older than `days`, and the oldest of the others while the file holds more than `max_bytes`.

    `living` names runs that are being written. May take seconds, never the lock for long. Raises StoreError.
    """
    allowed_bytes = max_bytes - min(max_bytes // 10, 2 * MAX_JOURNAL_BYTES)  # the log, and what the next run adds
    deleted = 0
    for _ in range(MAX_STEPS):
        # Asked before the lock is taken: where the file of usage was lost, its answer comes from this very store.
        # A run that begins in between is too young to be deleted unfinished.
        alive = living()
        with file.writing() as cursor:
            too_large = _content_bytes(cursor) > allowed_bytes
            found = _oldest(cursor, alive, now, None if too_large else timedelta(days=days))
            cursor.executemany("DELETE FROM runs WHERE id = ?", [(run_id,) for run_id in found])
        deleted += len(found)
        if not found:
            break
    with file.writing() as cursor:
        cursor.execute(
            "DELETE FROM outcomes WHERE started_ms < ?", (milliseconds(_latest(cursor, now) - KEEP_OUTCOMES),)
        )
    _give_back(file)
    return Pruned(runs=deleted, size_bytes=size_bytes(file.path))


def size_bytes(path: Path) -> int:
    """What the store takes on the disk, its write-ahead log included."""
    total = 0
    for suffix in ("", "-wal"):
        with suppress(OSError):
            total += path.with_name(path.name + suffix).stat().st_size
    return total


def _oldest(cursor: sqlite3.Cursor, living: Collection[str], now: datetime, age: timedelta | None) -> list[str]:
    """A few runs to delete: the oldest, or None of an `age` the oldest of all; never the last one."""
    before = None if age is None else _rfc3339(_latest(cursor, now) - age)
    recent = _rfc3339(now - STILL_WRITTEN)
    rows = cursor.execute(
        "SELECT id FROM runs WHERE julianday(started_at) < coalesce(julianday(?), 9e9)"
        " AND (finished OR julianday(started_at) < julianday(?))"
        " AND rowid != (SELECT max(rowid) FROM runs) ORDER BY julianday(started_at), rowid LIMIT ?",
        (before, recent, RUNS_AT_ONCE + len(living)),
    ).fetchall()
    return [run_id for (run_id,) in rows if run_id not in living][:RUNS_AT_ONCE]


def _latest(cursor: sqlite3.Cursor, now: datetime) -> datetime:
    """Ages are those at the last run's time, where the clock says a later one: a clock that jumped ahead is no age."""
    row = cursor.execute("SELECT started_at FROM runs ORDER BY rowid DESC LIMIT 1").fetchone()
    return min(now, datetime.fromisoformat(row[0])) if row else now


def _content_bytes(cursor: sqlite3.Cursor) -> int:
    (pages,), (free,), (page_bytes,) = (
        cursor.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * page_bytes)


def _give_back(file: StoreFile) -> None:
    """Shrink the file to what it holds, megabyte by megabyte; a file of the first version is rewritten once."""
    with file.reading() as cursor:
        (kind,) = cursor.execute("PRAGMA auto_vacuum").fetchone()
        (free,) = cursor.execute("PRAGMA freelist_count").fetchone()
        if kind != AUTO_VACUUM_INCREMENTAL and free:
            cursor.execute("PRAGMA auto_vacuum = INCREMENTAL")
            cursor.execute("VACUUM")
    for _ in range(MAX_STEPS):
        with file.reading() as cursor:
            (before,) = cursor.execute("PRAGMA freelist_count").fetchone()
            # `execute` takes a single step of a statement without rows: one page
            cursor.executescript(f"PRAGMA incremental_vacuum({PAGES_AT_ONCE})")
            (after,) = cursor.execute("PRAGMA freelist_count").fetchone()
        if after >= before:
            break
    with suppress(StoreError), file.reading() as cursor:  # a reader may hold an older state: the next call does it
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
