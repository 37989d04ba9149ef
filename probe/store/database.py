"""What was measured here before, what may still be used today, and what did the person agree to?

One SQLite file in WAL mode, shared by every process of this person. A measurement is on the disk as soon as
`add_measurement` returns, so it survives `kill -9` and a power cut. A store that cannot be written to never ends a
run: `StoreError` (`StoreFull` for a full disk) is the caller's to report. What the records mean is for `probe.model`;
how many bytes may be used is for the runner.

All methods block for a few milliseconds and may be called from any thread: from asyncio, through `to_thread`.
"""

import json
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from probe import records
from probe.model.results import Measurement, Report
from probe.records import EvidenceTypes
from probe.store.past import Past, assembled, brief, unfinished
from probe.store.tables import StoreError, StoreFull, connect, migrate, move_aside

COMPRESSION = 6  # zlib's own default; a goodput record becomes a sixth in a few milliseconds
KEEP_UPLOADS = timedelta(days=2)  # only today's count is ever asked for; a day more for changes of the clock

Now = Callable[[], datetime]


class NoSuchRun(LookupError):
    """No stored run has this id, or none is stored at all."""


class Window(StrEnum):
    """Over what time a byte budget counts; days and months are those of UTC."""

    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What the person agreed to: a version of the policy, and groups of risky targets."""

    policy_version: str
    risk_groups: tuple[str, ...]
    given_at: str


class Store:
    """The open file. `notice` is "" or tells the person what was done to open it."""

    def __init__(
        self, connection: sqlite3.Connection, *, evidence_types: EvidenceTypes, now: Now, notice: str = ""
    ) -> None:
        self._connection = connection
        self._types = evidence_types
        self._now = now
        self._lock = threading.Lock()
        self.notice = notice

    @classmethod
    def open(cls, path: Path, *, evidence_types: EvidenceTypes, now: Now) -> "Store":
        """Open or make the store at `path`; a file that is no readable store is moved aside, and `notice` says so.

        Raises StoreError where the directory cannot be written to, or a newer version made the store.
        """
        notice = ""
        try:
            connection = connect(path)
        except sqlite3.DatabaseError as error:
            aside = move_aside(path, error, stamp=now().strftime("%Y%m%dT%H%M%SZ"))
            notice = f"{path.name} could not be read ({error}); it was kept as {aside.name}, and a new store was begun"
            connection = connect(path)
        migrate(connection, now=now())
        return cls(connection, evidence_types=evidence_types, now=now, notice=notice)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Runs

    def begin_run(self, report: Report) -> None:
        """Remember a run before its first packet: `report` as it would be if it ended now, its targets undecided."""
        with self._writing() as cursor:
            cursor.execute(
                "INSERT INTO runs (id, started_at, finished, header) VALUES (?, ?, 0, ?)",
                (report.id, report.started_at, _packed(records.encode(records.header(report)))),
            )

    def add_measurement(self, run_id: str, measurement: Measurement) -> None:
        """Keep one finished measurement; it is on the disk when this returns."""
        record = _packed(records.encode_measurement(measurement))
        with self._writing() as cursor:
            _put(cursor, run_id, measurement, record)

    def finish_run(self, report: Report) -> None:
        """Keep the final report: its verdicts, and any measurement that is new or was judged again."""
        packed = [
            (m, _packed(records.encode_measurement(m)))
            for m in (*report.controls, *(m for target in report.targets for m in target.measurements))
        ]
        with self._writing() as cursor:
            cursor.execute(
                "INSERT INTO runs (id, started_at, finished, header) VALUES (?, ?, 1, ?)"
                " ON CONFLICT (id) DO UPDATE SET finished = 1, header = excluded.header",
                (report.id, report.started_at, _packed(records.encode(records.header(report)))),
            )
            for measurement, record in packed:
                _put(cursor, report.id, measurement, record)

    def report(self, run_id: str | None = None) -> Report:
        """A stored run by its id or the beginning of it; the latest for None.

        A run that has not ended is put together from what was measured, and says that it was interrupted. Raises
        NoSuchRun, also where the beginning fits several; RecordError for a record of another version.
        """
        with self._reading() as cursor:
            found = cursor.execute(
                "SELECT id, finished, header FROM runs WHERE ? IS NULL OR substr(id, 1, length(?)) = ?"
                " ORDER BY started_at DESC, rowid DESC LIMIT 2",
                (run_id, run_id, run_id),
            ).fetchall()
            if not found or (run_id is not None and len(found) > 1 and found[0][0] != run_id):
                raise NoSuchRun(f"no single run is called {run_id!r}" if run_id else "no run is stored yet")
            identity, finished, head = found[0]
            rows = cursor.execute(
                "SELECT record FROM measurements WHERE run_id = ? ORDER BY position", (identity,)
            ).fetchall()
        header = records.decode(_unpacked(head), self._types)
        measurements = [records.decode_measurement(_unpacked(row[0]), self._types) for row in rows]
        report = assembled(header, measurements)
        return report if finished else unfinished(report, measurements)

    def history(self, since: datetime | None = None) -> tuple[Past, ...]:
        """Every run begun at or after `since`, oldest first, without its measurements."""
        earliest = since.astimezone(UTC).isoformat().replace("+00:00", "Z") if since else ""
        with self._reading() as cursor:
            rows = cursor.execute(
                "SELECT finished, header FROM runs WHERE julianday(started_at) >= coalesce(julianday(?), 0)"
                " ORDER BY julianday(started_at), rowid",
                (earliest,),
            ).fetchall()
        return tuple(brief(records.decode(_unpacked(head), self._types), bool(done)) for done, head in rows)

    # Budgets

    def add_bytes(self, num_bytes: int) -> None:
        """Count what was moved, both directions together, towards today and this month."""
        with self._writing() as cursor:
            cursor.execute(
                "INSERT INTO usage (day, num_bytes) VALUES (?, ?)"
                " ON CONFLICT (day) DO UPDATE SET num_bytes = num_bytes + excluded.num_bytes",
                (self._today(), num_bytes),
            )

    def used_bytes(self, window: Window) -> int:
        """What was moved by all processes in the current day or month."""
        today = self._today()
        beginning = today if window is Window.DAY else today[: len("2026-11")]
        with self._reading() as cursor:
            (total,) = cursor.execute(
                "SELECT coalesce(sum(num_bytes), 0) FROM usage WHERE substr(day, 1, ?) = ?",
                (len(beginning), beginning),
            ).fetchone()
        return int(total)

    def add_upload(self, host: str) -> None:
        """Count one upload flow to a host."""
        with self._writing() as cursor:
            oldest = (self._now().astimezone(UTC) - KEEP_UPLOADS).date().isoformat()
            cursor.execute("DELETE FROM uploads WHERE day < ?", (oldest,))
            cursor.execute(
                "INSERT INTO uploads (day, host, flows) VALUES (?, ?, 1)"
                " ON CONFLICT (day, host) DO UPDATE SET flows = flows + 1",
                (self._today(), host),
            )

    def uploads_today(self, host: str) -> int:
        """How many upload flows went to a host today."""
        with self._reading() as cursor:
            row = cursor.execute(
                "SELECT flows FROM uploads WHERE day = ? AND host = ?", (self._today(), host)
            ).fetchone()
        return int(row[0]) if row else 0

    # Consent

    def add_consent(self, policy_version: str, risk_groups: tuple[str, ...]) -> None:
        """Remember that the person agreed, and to which groups of risky targets; the last word counts."""
        with self._writing() as cursor:
            cursor.execute(
                "INSERT INTO consents (given_at, policy_version, risk_groups) VALUES (?, ?, ?)",
                (_rfc3339(self._now()), policy_version, json.dumps(sorted(risk_groups))),
            )

    def consent(self) -> Consent | None:
        """The last consent given; None when there was none, or it was withdrawn."""
        with self._reading() as cursor:
            row = cursor.execute(
                "SELECT policy_version, risk_groups, given_at FROM consents ORDER BY rowid DESC LIMIT 1"
            ).fetchone()
        if row is None:
            return None
        return Consent(policy_version=row[0], risk_groups=tuple(json.loads(row[1])), given_at=row[2])

    def withdraw_consent(self) -> None:
        with self._writing() as cursor:
            cursor.execute("DELETE FROM consents")

    # The file

    def _today(self) -> str:
        return self._now().astimezone(UTC).date().isoformat()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Cursor]:
        """One short transaction that holds the write lock from its beginning: it cannot fail halfway for a lock."""
        with self._lock, _translated():
            cursor = self._connection.cursor()
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    cursor.execute("ROLLBACK")
                raise
            finally:
                cursor.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Cursor]:
        with self._lock, _translated():
            cursor = self._connection.cursor()
            try:
                yield cursor
            finally:
                cursor.close()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            raise StoreFull("the disk is full: results of this run cannot be kept") from error
        raise StoreError(f"the store cannot be used: {error}") from error


def default_path() -> Path:
    """Where the store is kept unless told otherwise; nothing is made."""
    from platformdirs import user_state_dir

    return Path(user_state_dir("throttleprobe", appauthor=False)) / "results.sqlite3"


def _put(cursor: sqlite3.Cursor, run_id: str, measurement: Measurement, record: bytes) -> None:
    """Add a measurement in the order of arrival, or renew it in its place if it was judged again."""
    cursor.execute(
        "INSERT INTO measurements (id, run_id, target, record) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (run_id, id) DO UPDATE SET record = excluded.record WHERE record != excluded.record",
        (measurement.id, run_id, measurement.target, record),
    )


def _packed(record: bytes) -> bytes:
    return zlib.compress(record, COMPRESSION)


def _unpacked(record: bytes) -> bytes:
    try:
        return zlib.decompress(record)
    except zlib.error as error:
        raise StoreError(f"a stored record is broken: {error}") from error


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
