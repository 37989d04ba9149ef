"""How is the spool's file opened, kept private, and what is done with one that cannot be read?

Its tables are here; what is written to them and read from them is for `probe.push.spool`.
"""

import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from probe.store.errors import StoreError
from probe.store.file import connect, move_aside

SCHEMA_VERSION = 1
TABLES = (
    """CREATE TABLE batches (
        position INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again, so that a receiver's position stays true
        num_samples INTEGER NOT NULL,
        crc32 INTEGER NOT NULL,                      -- of the body: SQLite would not see a bit that the disk lost
        body BLOB NOT NULL
    )""",
    "CREATE TABLE runs (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE)",
    """CREATE TABLE receivers (
        name TEXT PRIMARY KEY,
        position INTEGER NOT NULL,                   -- all batches up to this one are settled
        delivered_samples INTEGER NOT NULL DEFAULT 0,
        refused_samples INTEGER NOT NULL DEFAULT 0,
        dropped_samples INTEGER NOT NULL DEFAULT 0,
        last_success_ms INTEGER                      -- Unix time
    )""",
)

Now = Callable[[], datetime]
Notice = Callable[[str], None]  # a whole sentence for the person


def open_spool(path: Path, receivers: frozenset[str], *, now: Now, notice: Notice) -> sqlite3.Connection:
    """The file at `path` with these receivers and no others; a broken one is kept aside and another begun.

    Raises StoreError where the directory cannot be written to, the disk is full, or another version made the file.
    """
    try:
        return _opened(path, receivers, notice)
    except sqlite3.DatabaseError as error:
        keep_aside(path, error, now=now, notice=notice)
    try:
        return _opened(path, receivers, notice)
    except sqlite3.Error as error:
        raise StoreError(f"what waits to be sent cannot be kept: {error}") from error


def keep_aside(path: Path, error: sqlite3.Error, *, now: Now, notice: Notice) -> None:
    """Rename a broken file and say so. Raises StoreError."""
    aside = move_aside(path, error, stamp=now().strftime("%Y%m%dT%H%M%SZ"))
    notice(f"what waited to be sent could not be read ({error}): it was kept as {aside.name}")


def is_broken(error: sqlite3.Error) -> bool:
    """Whether it is the file's content that SQLite complains of."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _opened(path: Path, receivers: frozenset[str], notice: Notice) -> sqlite3.Connection:
    """Raises StoreError; sqlite3.DatabaseError for a broken file alone."""
    connection = connect(path)
    try:
        _prepare(connection, receivers, notice)
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error) and not is_broken(error):
            raise StoreError(f"what waits to be sent cannot be kept: {error}") from error
        raise
    return connection


def _prepare(connection: sqlite3.Connection, receivers: frozenset[str], notice: Notice) -> None:
    """Make the tables where there are none, and bring the receivers up to date."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in (0, SCHEMA_VERSION):
        raise StoreError(f"another version of throttleprobe made the spool (its version {version})")
    connection.execute("BEGIN IMMEDIATE")
    if version == 0:
        for statement in TABLES:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    known = {name for (name,) in connection.execute("SELECT name FROM receivers")}
    for name in sorted(known - receivers):
        (num_samples,) = connection.execute(
            "SELECT coalesce(sum(num_samples), 0) FROM batches"
            " WHERE position > (SELECT position FROM receivers WHERE name = ?)",
            (name,),
        ).fetchone()
        connection.execute("DELETE FROM receivers WHERE name = ?", (name,))
        if num_samples:
            notice(f"{num_samples} samples that waited for {name} are dropped: it is not configured any more")
    for name in receivers - known:
        connection.execute(
            "INSERT INTO receivers (name, position)"
            " VALUES (?, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'batches'), 0))",
            (name,),
        )
    connection.execute("COMMIT")
