"""What waits to be sent, to whom, and what became of it: a queue on the disk that outlives us.

One SQLite file in WAL mode, apart from the store: requests in the order in which they were added, and for each receiver
how far it has come. A run's requests are added whole or not at all, and once, however often they are offered. What is
sent when is for `probe.push.sender`; a file that cannot be read is moved aside and another begun, and `notice` hears
it.

All methods block for some milliseconds and may be called from any thread: from asyncio, through `to_thread`.
"""

import sqlite3
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from probe.push.remote_write import Batch
from probe.push.spool_file import Notice, Now, is_broken, keep_aside, open_spool
from probe.store.errors import StoreError, StoreFull

SPARE_PAGES = 256  # of 4 KB, kept for the next runs; room beyond that, as an outage takes it, is given back
KEEP_RUNS = 1_000  # ids of the latest runs, to know one that comes again: 25 days at the shortest schedule there is


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The next request for a receiver. `opening` tells it from one at the same place of a file that was replaced."""

    opening: int
    position: int
    body: bytes
    num_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Of one receiver, since its first request: samples that wait, were taken, refused by it, or dropped for want of
    room (or because the disk spoilt them)."""

    pending_samples: int
    pending_bytes: int
    delivered_samples: int
    refused_samples: int
    dropped_samples: int
    last_success_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settlement:
    receiver: str
    position: int
    column: str  # which count the samples go to
    num_samples: int
    at_ms: int | None


class Spool:
    """The open file. `limits` gives every receiver's most waiting bytes; the oldest requests go first beyond that.

    A receiver that is new gets what is added from now on; what waits for one that is not named any more is dropped.
    Raises StoreError where the directory cannot be written to.
    """

    def __init__(self, path: Path, limits: Mapping[str, int], *, now: Now, notice: Notice) -> None:
        self._path = path
        self._limits = dict(limits)
        self._now = now
        self._notice = notice
        self._lock = threading.RLock()
        self._unsaved: list[_Settlement] = []
        self._opening = 0  # how often the file was replaced while we had it
        self._connection = self._opened()
        self._is_open = True

    def close(self) -> None:
        """Write what a full disk kept us from writing, if it can be written now."""
        with self._lock:
            with suppress(StoreError):
                self._save()
            self._connection.close()

    # Adding

    def append(self, run_id: str, batches: Sequence[Batch]) -> bool:
        """Add a run's requests for every receiver; False, and nothing changes, where the run was added before.

        On the disk when this returns. Raises StoreError (StoreFull): nothing was added.
        """
        self._ensure_current()
        with self._writing() as cursor:
            cursor.execute("INSERT OR IGNORE INTO runs (id) VALUES (?)", (run_id,))
            if cursor.rowcount == 0:
                return False
            self._write_unsaved(cursor)
            cursor.execute("DELETE FROM runs WHERE number <= (SELECT max(number) FROM runs) - ?", (KEEP_RUNS,))
            cursor.executemany(
                "INSERT INTO batches (num_samples, crc32, body) VALUES (?, ?, ?)",
                [(b.num_samples, zlib.crc32(b.body), b.body) for b in batches],
            )
            dropped = [self._made_room(cursor, name, limit) for name, limit in self._limits.items()]
            _forget_settled(cursor)
        self._unsaved.clear()
        for name, num_samples in zip(self._limits, dropped, strict=True):
            if num_samples:
                self._notice(f"no room is left to wait for {name}: the oldest {num_samples} samples were dropped")
        return True

    def knows(self, run_id: str) -> bool:
        """Whether this run was added before, as far back as the latest thousand."""
        with self._reading() as cursor:
            return cursor.execute("SELECT 1 FROM runs WHERE id = ?", (run_id,)).fetchone() is not None

    # Sending

    def next(self, receiver: str) -> Waiting | None:
        """The oldest request that is not settled; None when all are. One that the disk spoilt is dropped."""
        while True:
            with self._reading() as cursor:
                row = cursor.execute(
                    "SELECT position, CAST(body AS BLOB), num_samples, crc32 FROM batches"
                    " WHERE position > max(?, (SELECT position FROM receivers WHERE name = ?))"
                    " ORDER BY position LIMIT 1",
                    (self._unsaved_position(receiver), receiver),
                ).fetchone()
            if row is None:
                return None
            waiting = Waiting(opening=self._opening, position=row[0], body=row[1], num_samples=row[2])
            if zlib.crc32(waiting.body) == row[3]:
                return waiting
            self._notice(f"{row[2]} samples for {receiver} were spoilt on the disk and are dropped")
            self._settle(receiver, waiting, "dropped_samples")

    def delivered(self, receiver: str, waiting: Waiting) -> None:
        """The receiver has it. Never raises for the disk: what cannot be written now is with the next that can."""
        at_ms = int(self._now().timestamp() * 1000)
        self._settle(receiver, waiting, "delivered_samples", at_ms)

    def refused(self, receiver: str, waiting: Waiting) -> None:
        """The receiver will never take it. As `delivered`."""
        self._settle(receiver, waiting, "refused_samples")

    def counts(self, receiver: str) -> Counts:
        with self._reading() as cursor:
            position, *settled = cursor.execute(
                "SELECT position, delivered_samples, refused_samples, dropped_samples, last_success_ms"
                " FROM receivers WHERE name = ?",
                (receiver,),
            ).fetchone()
            samples, num_bytes = _waiting(cursor, max(position, self._unsaved_position(receiver)))
            for unsaved in self._unsaved:
                if unsaved.receiver == receiver and unsaved.column == "delivered_samples":
                    settled[0] += unsaved.num_samples
                    settled[3] = unsaved.at_ms
        return Counts(
            pending_samples=samples,
            pending_bytes=num_bytes,
            delivered_samples=settled[0],
            refused_samples=settled[1],
            dropped_samples=settled[2],
            last_success_ms=settled[3],
        )

    def _settle(self, receiver: str, waiting: Waiting, column: str, at_ms: int | None = None) -> None:
        settlement = _Settlement(
            receiver=receiver, position=waiting.position, column=column, num_samples=waiting.num_samples, at_ms=at_ms
        )
        with self._lock:
            if waiting.opening == self._opening:
                self._unsaved.append(settlement)
                with suppress(StoreError):
                    self._save()

    def _save(self) -> None:
        if not self._unsaved:
            return
        with self._writing() as cursor:
            self._write_unsaved(cursor)
            _forget_settled(cursor)
        self._unsaved.clear()
        with self._reading() as cursor:
            (spare,) = cursor.execute("PRAGMA freelist_count").fetchone()
            if spare > SPARE_PAGES:
                cursor.executescript("PRAGMA incremental_vacuum")  # `execute` would give back a single page

    def _write_unsaved(self, cursor: sqlite3.Cursor) -> None:
        for one in self._unsaved:
            # a request that was dropped for want of room while it was on its way stays counted as dropped
            cursor.execute(
                f"UPDATE receivers SET position = ?, {one.column} = {one.column} + ?,"  # noqa: S608  # our own names
                " last_success_ms = coalesce(?, last_success_ms) WHERE name = ? AND position < ?",
                (one.position, one.num_samples, one.at_ms, one.receiver, one.position),
            )

    def _unsaved_position(self, receiver: str) -> int:
        return max((one.position for one in self._unsaved if one.receiver == receiver), default=0)

    def _made_room(self, cursor: sqlite3.Cursor, receiver: str, limit: int) -> int:
        """Drop the oldest requests beyond `limit` bytes; returns how many samples they held."""
        (position,) = cursor.execute("SELECT position FROM receivers WHERE name = ?", (receiver,)).fetchone()
        _, excess = _waiting(cursor, position)
        excess -= limit
        dropped = 0
        for oldest, num_samples, num_bytes in cursor.execute(
            "SELECT position, num_samples, length(body) FROM batches WHERE position > ? ORDER BY position", (position,)
        ):
            if excess <= 0:
                break
            position, dropped, excess = oldest, dropped + num_samples, excess - num_bytes
        if dropped:
            cursor.execute(
                "UPDATE receivers SET position = ?, dropped_samples = dropped_samples + ? WHERE name = ?",
                (position, dropped, receiver),
            )
        return dropped

    # The file

    def _opened(self) -> sqlite3.Connection:
        return open_spool(self._path, frozenset(self._limits), now=self._now, notice=self._notice)

    def _ensure_current(self) -> None:
        """Go on with another file where ours was removed: SQLite would go on writing to what nobody finds again."""
        with self._lock:
            if not self._is_open or not self._path.exists():
                self._begin_anew(None)

    def _begin_anew(self, error: sqlite3.Error | None) -> None:
        """The open file turned out to be broken, and is kept aside, or (None) to be gone: go on with an empty one."""
        self._connection.close()
        self._is_open = False  # until another could be opened, which may fail
        if error is not None:
            keep_aside(self._path, error, now=self._now, notice=self._notice)
        self._unsaved.clear()
        self._opening += 1
        self._connection = self._opened()
        self._is_open = True

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Cursor]:
        """One transaction that holds the write lock from its beginning; it is whole on the disk, or is not."""
        with self._reading() as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # a broken file, which the first error tells
                    if self._connection.in_transaction:
                        cursor.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Cursor]:
        with self._lock, ExitStack() as exits:
            try:
                cursor = self._connection.cursor()
                exits.callback(_close, cursor)
                yield cursor
            except sqlite3.Error as error:
                if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                    raise StoreFull("the disk is full: samples cannot wait for their receivers") from error
                if is_broken(error):
                    self._begin_anew(error)
                raise StoreError(f"what waits to be sent cannot be kept: {error}") from error


def _close(cursor: sqlite3.Cursor) -> None:
    with suppress(sqlite3.Error):  # its connection may be closed
        cursor.close()


def _waiting(cursor: sqlite3.Cursor, position: int) -> tuple[int, int]:
    samples, num_bytes = cursor.execute(
        "SELECT coalesce(sum(num_samples), 0), coalesce(sum(length(body)), 0) FROM batches WHERE position > ?",
        (position,),
    ).fetchone()
    return int(samples), int(num_bytes)


def _forget_settled(cursor: sqlite3.Cursor) -> None:
    cursor.execute("DELETE FROM batches WHERE position <= (SELECT min(position) FROM receivers)")
