"""How is the store's file opened, kept private, and brought to this version's tables?

The tables and their migrations are here; what is read from them and written to them is for `probe.store.database`.
"""

import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

BUSY_SECONDS = 5.0  # how long a write waits for another process; writes last milliseconds

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE runs (
            id TEXT PRIMARY KEY,
            started_at TEXT NOT NULL,       -- RFC 3339, UTC
            finished INTEGER NOT NULL,
            header BLOB NOT NULL            -- the report without its measurements, JSON, zlib
        )""",
        "CREATE INDEX runs_by_time ON runs (started_at)",
        """CREATE TABLE measurements (
            position INTEGER PRIMARY KEY,   -- in the order in which they ended
            run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
            id TEXT NOT NULL,
            target TEXT NOT NULL,           -- "" for a control
            record BLOB NOT NULL,           -- JSON, zlib
            UNIQUE (run_id, id)
        )""",
        "CREATE TABLE usage (day TEXT PRIMARY KEY, num_bytes INTEGER NOT NULL)",
        "CREATE TABLE uploads (day TEXT NOT NULL, host TEXT NOT NULL, flows INTEGER NOT NULL, PRIMARY KEY (day, host))",
        """CREATE TABLE consents (
            given_at TEXT NOT NULL,
            policy_version TEXT NOT NULL,
            risk_groups TEXT NOT NULL       -- a JSON array of names
        )""",
    ),
)


class StoreError(Exception):
    """The store cannot be used now; measuring goes on without it."""


class StoreFull(StoreError):
    """No room is left on the disk: nothing more can be kept."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, made readable by its owner alone. Raises StoreError, or sqlite3.DatabaseError if it is broken."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise StoreError(f"no store can be kept at {path}: {error.strerror}") from error
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # a commit is on the disk: it survives a power cut
        connection.execute("PRAGMA foreign_keys = ON")
        _read_through(connection)
    except sqlite3.OperationalError as error:
        connection.close()
        raise StoreError(f"no store can be kept at {path}: {error}") from error
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def migrate(connection: sqlite3.Connection, *, now: datetime) -> None:
    """Bring the tables to this version; nothing changes where one step fails. Raises StoreError for a newer store."""
    applied_at = now.astimezone(UTC).isoformat(timespec="seconds")
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute("CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, applied_at TEXT)")
            (version,) = connection.execute("SELECT coalesce(max(version), 0) FROM migrations").fetchone()
            if version > len(MIGRATIONS):
                raise StoreError(f"a newer throttleprobe made this store (its version {version})")
            for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
                for statement in statements:
                    connection.execute(statement)
                connection.execute("INSERT INTO migrations VALUES (?, ?)", (number, applied_at))
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        connection.close()
        raise StoreError(f"the store's tables cannot be made: {error}") from error
    except StoreError:
        connection.close()
        raise


def move_aside(path: Path, error: sqlite3.DatabaseError, *, stamp: str) -> Path:
    """Rename a broken file and what SQLite keeps beside it; returns its new name. Raises StoreError."""
    aside = path.with_name(f"{path.name}.broken-{stamp}")
    try:
        path.replace(aside)
        for suffix in ("-wal", "-shm"):
            beside = path.with_name(path.name + suffix)
            if beside.exists():
                beside.replace(aside.with_name(aside.name + suffix))
    except OSError as failed:
        raise StoreError(f"{path} is broken ({error}) and cannot be moved aside: {failed.strerror}") from failed
    return aside


def _read_through(connection: sqlite3.Connection) -> None:
    """Touch every table's pages that opening needs, so that a broken file is found now and not in a run."""
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for name in names:
        connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()  # noqa: S608  # names of our own tables
