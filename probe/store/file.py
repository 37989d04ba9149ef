"""How is the store's file opened, kept private, kept usable while others use it, and replaced when it breaks?

A broken file is moved aside, never deleted, and what small tables can still be read from it go to the new one. What is
in the tables is for `probe.store.database`.
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from probe.store import consents
from probe.store.errors import BUSY_AGAIN_SECONDS, BUSY_SECONDS, StoreBroken, StoreError, StoreFull, StoreLocked
from probe.store.tables import migrate

MAX_JOURNAL_BYTES = 4 * 1024 * 1024  # what the write-ahead log may keep on the disk between checkpoints
SALVAGED = ("consents", "uploads", "outcomes")  # small, and what evidence cannot be had back for

_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_PRIMARY = 0xFF  # the primary code within an extended one

Fill = Callable[[sqlite3.Cursor], None]


class StoreFile:
    """The open database; `notice` is "" or tells the person what was done to open it."""

    def __init__(self, path: Path, *, now: Callable[[], datetime], fill_outcomes: Fill) -> None:
        """Open or make it; a file that is no readable store is moved aside. Raises StoreError."""
        self.path = path
        self.notice = ""
        self._now, self._fill_outcomes = now, fill_outcomes
        self._lock = threading.Lock()
        self._patience_seconds = BUSY_SECONDS
        aside: Path | None = None
        try:
            self.connection = connect(path)
        except sqlite3.DatabaseError as error:
            aside = self._moved_aside(error)
            self.connection = connect(path)
        self._ready(aside)

    def close(self) -> None:
        with self._lock:
            self.connection.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Cursor]:
        """One short transaction that holds the write lock from its beginning: it cannot fail halfway for a lock."""
        with self._lock, self._translated():
            cursor = self.connection.cursor()
            cursor.execute("BEGIN IMMEDIATE")
            self._wait_for_others(BUSY_SECONDS)
            try:
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    with suppress(sqlite3.Error):  # a broken file, which the first error tells
                        cursor.execute("ROLLBACK")
                raise
            finally:
                cursor.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Cursor]:
        """Statements outside of a transaction, on a connection that no other thread uses meanwhile."""
        with self._lock, self._translated():
            cursor = self.connection.cursor()
            try:
                yield cursor
            finally:
                cursor.close()

    def ensure_sound(self) -> bool:
        """See that what others will read is there: what this connection has in memory hides what became of the file.

        Where ours was removed, or moved aside by another process, False: it is the file that is there now from here on.
        Raises StoreBroken once a broken one was replaced.
        """
        with self._lock:
            if not self._is_current():
                self._reopen(None)
                return False
            error = _flaw(self.path)
            if error is not None:
                raise self._replaced(error) from error
            return True

    # What goes wrong

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", None) or 0
            if code & _PRIMARY in _BROKEN or code == sqlite3.SQLITE_READONLY_DBMOVED:
                raise self._replaced(error) from error
            if code & _PRIMARY == sqlite3.SQLITE_FULL:
                raise StoreFull("the disk is full: results of this run cannot be kept") from error
            if code & _PRIMARY in _LOCKED:
                self._wait_for_others(BUSY_AGAIN_SECONDS)
                raise StoreLocked(f"another process holds the store: {error}") from error
            raise StoreError(f"the store cannot be used: {error}") from error

    def _wait_for_others(self, seconds: float) -> None:
        """How long later writes wait; only short where others had the store for long: each of ours would wait again."""
        if seconds != self._patience_seconds:
            self._patience_seconds = seconds
            self.connection.execute(f"PRAGMA busy_timeout = {int(1000 * seconds)}")

    def _replaced(self, error: sqlite3.Error) -> StoreError:
        """Put a good file in the broken one's place; what to tell."""
        with suppress(sqlite3.Error):
            self.connection.close()
        aside: Path | None = None
        if self._is_current() and not _is_sound(self.path):
            aside = self._moved_aside(error)
        self._reopen(aside)
        kept = f"; it was kept as {aside.name}, and a new store was begun" if aside is not None else "; it was reopened"
        return StoreBroken(f"{self.path.name} could not be read ({error}){kept}")

    def _moved_aside(self, error: sqlite3.Error) -> Path:
        aside = move_aside(self.path, error, stamp=self._now().strftime("%Y%m%dT%H%M%SZ"))
        self.notice = (
            f"{self.path.name} could not be read ({error}); it was kept as {aside.name}, and a new store was begun"
        )
        return aside

    def _reopen(self, aside: Path | None) -> None:
        with suppress(sqlite3.Error):
            self.connection.close()
        try:
            self.connection = connect(self.path)
        except sqlite3.DatabaseError as error:
            raise StoreError(f"no store can be kept at {self.path}: {error}") from error
        self._ready(aside)

    def _ready(self, aside: Path | None) -> None:
        migrate(self.connection, now=self._now(), fill_outcomes=self._fill_outcomes)
        self._identity = _identity(self.path)
        self._patience_seconds = BUSY_SECONDS
        if aside is not None:
            _salvage(aside, self.connection)
            with suppress(sqlite3.Error):
                consents.restore(self.path, self.connection.cursor())

    def _is_current(self) -> bool:
        return _identity(self.path) == self._identity


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, made readable by its owner alone. Raises StoreError, or sqlite3.DatabaseError if it is broken."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():  # else not opened here: closing it would give up the locks of this process on it
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise StoreError(f"no store can be kept at {path}: {error.strerror}") from error
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        if connection.execute("PRAGMA page_count").fetchone() == (0,):
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # so that room can be given back piece by piece
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # a commit is on the disk: it survives a power cut
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA journal_size_limit = {MAX_JOURNAL_BYTES}")
        _read_through(connection)
    except sqlite3.OperationalError as error:
        connection.close()
        raise StoreError(f"no store can be kept at {path}: {error}") from error
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def move_aside(path: Path, error: sqlite3.Error, *, stamp: str) -> Path:
    """Rename a broken file and what SQLite keeps beside it; returns its new name. Raises StoreError."""
    aside = path.with_name(f"{path.name}.broken-{stamp}")
    number = 1
    while aside.exists():  # two within a second: neither is lost
        number += 1
        aside = path.with_name(f"{path.name}.broken-{stamp}-{number}")
    try:
        path.replace(aside)
        for suffix in ("-wal", "-shm"):
            beside = path.with_name(path.name + suffix)
            if beside.exists():
                beside.replace(aside.with_name(aside.name + suffix))
    except OSError as failed:
        raise StoreError(f"{path} is broken ({error}) and cannot be moved aside: {failed.strerror}") from failed
    return aside


def _read_through(connection: sqlite3.Connection) -> bool:
    """Touch every table's pages that opening needs, so that a broken file is found now and not in a run; whether there
    is any table."""
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for name in names:
        connection.execute(f'SELECT count(*) FROM "{name}" NOT INDEXED').fetchone()  # noqa: S608  # names of our own tables
    return bool(names)


def _flaw(path: Path) -> sqlite3.DatabaseError | None:
    """What a fresh look finds wrong with the file; that it cannot be looked at now is no flaw."""
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
            if not _read_through(connection):
                return sqlite3.DatabaseError("it is empty")
    except sqlite3.OperationalError:
        return None
    except sqlite3.DatabaseError as error:
        return error
    return None


def _is_sound(path: Path) -> bool:
    """Whether a fresh and thorough look finds nothing wrong: then our own view of the file was."""
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except sqlite3.Error:
        return False


def _salvage(aside: Path, connection: sqlite3.Connection) -> None:
    """Copy what can still be read of the tables that cannot be measured again."""
    with suppress(sqlite3.Error):
        connection.execute("ATTACH DATABASE ? AS broken", (str(aside),))
        for table in SALVAGED:
            with suppress(sqlite3.Error):
                connection.execute(f"INSERT OR IGNORE INTO main.{table} SELECT * FROM broken.{table}")  # noqa: S608
        connection.execute("DETACH DATABASE broken")


def _identity(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_dev, found.st_ino)
