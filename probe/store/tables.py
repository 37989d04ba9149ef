"""What are the store's tables, and how is a file brought to this version of them?

How the file is opened is for `probe.store.file`, what is read and written for `probe.store.database`.
"""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime

from probe.store.errors import StoreError

OUTCOMES_VERSION = 2  # the first version with outcomes, which an older store's runs are read for

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
    (
        """CREATE TABLE outcomes (
            target TEXT NOT NULL,
            started_ms INTEGER NOT NULL,    -- when the run began: milliseconds since 1970, UTC
            run_id TEXT NOT NULL,           -- its evidence may be gone
            record TEXT NOT NULL,           -- JSON, what has its default left out
            PRIMARY KEY (target, started_ms, run_id)
        ) WITHOUT ROWID""",
        "CREATE INDEX outcomes_by_time ON outcomes (started_ms)",
    ),
)


def migrate(connection: sqlite3.Connection, *, now: datetime, fill_outcomes: Callable[[sqlite3.Cursor], None]) -> None:
    """Bring the tables to this version; nothing changes where one step fails. Raises StoreError for a newer store.

    `fill_outcomes` makes the outcomes of the runs that an older store has.
    """
    applied_at = now.astimezone(UTC).isoformat(timespec="seconds")
    cursor = connection.cursor()
    try:
        cursor.execute("BEGIN IMMEDIATE")
        try:
            cursor.execute("CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, applied_at TEXT)")
            (version,) = cursor.execute("SELECT coalesce(max(version), 0) FROM migrations").fetchone()
            if version > len(MIGRATIONS):
                raise StoreError(f"a newer throttleprobe made this store (its version {version})")
            for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
                for statement in statements:
                    cursor.execute(statement)
                cursor.execute("INSERT INTO migrations VALUES (?, ?)", (number, applied_at))
            if 0 < version < OUTCOMES_VERSION:
                fill_outcomes(cursor)
        except BaseException:
            cursor.execute("ROLLBACK")
            raise
        cursor.execute("COMMIT")
    except sqlite3.Error as error:
        connection.close()
        raise StoreError(f"the store's tables cannot be made: {error}") from error
    except StoreError:
        connection.close()
        raise
