"""What was measured here before, what may still be used today, and what did the person agree to?

One SQLite file in WAL mode, shared by every process of this person, and beside it the count of bytes. A measurement is
on the disk as soon as `add_measurement` returns, so it survives `kill -9` and a power cut. A store that cannot be
written to never ends a run: `StoreError` and its kinds are the caller's to report. What the records mean is for
`probe.model`; when bytes are asked for is for `probe.budget`.

All methods block for a few milliseconds, and for seconds while another process holds the store. They may be called
from any thread: from asyncio, through `to_thread`.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path

from probe import records
from probe.model.past import PastOutcome
from probe.model.results import Measurement, Report
from probe.records import EvidenceTypes
from probe.store import consents, outcomes, retention
from probe.store.accounts import Accounts
from probe.store.consents import Consent
from probe.store.errors import StoreBroken, StoreError, StoreFull, StoreLocked
from probe.store.file import StoreFile
from probe.store.past import Past, assembled, brief, unfinished
from probe.store.retention import Pruned
from probe.store.runs import Begun, Ended, Made, readable, unpacked
from probe.store.usage import Limits

KEEP_UPLOADS = timedelta(days=2)  # only today's count is ever asked for; a day more for changes of the clock
MAX_UNSAVED_BYTES = 16 * 1024 * 1024  # of finished runs that wait in memory for a disk with room, or a free store

Now = Callable[[], datetime]


class NoSuchRun(LookupError):
    """No stored run has this id, or none is stored at all."""


class Window(StrEnum):
    """Over what time a byte budget counts; days and months are those of UTC."""

    DAY = "day"
    MONTH = "month"


class Store:
    """The open file. `notice` is "" or tells what was done to open it, or that its count of bytes was lost."""

    def __init__(self, file: StoreFile, *, evidence_types: EvidenceTypes, now: Now) -> None:
        self._file = file
        self._types = evidence_types
        self._now = now
        self._begun: Begun | None = None  # the last run that did
        self._made: list[Made] = []  # what could not be written yet
        self._unsaved: list[Ended] = []
        self._accounts = Accounts(file, now=now)

    @classmethod
    def open(cls, path: Path, *, evidence_types: EvidenceTypes, now: Now) -> "Store":
        """Open or make the store at `path`; a file that is no readable store is moved aside, and `notice` says so.

        Raises StoreError where the directory cannot be written to, or a newer version made the store.
        """

        def fill(cursor: sqlite3.Cursor) -> None:
            _fill_outcomes(cursor, evidence_types)

        file = StoreFile(path, now=now, fill_outcomes=fill)
        try:
            return cls(file, evidence_types=evidence_types, now=now)
        except BaseException:
            file.close()
            raise

    @property
    def notice(self) -> str:
        return "; ".join(text for text in (self._file.notice, self._accounts.notice) if text)

    @property
    def path(self) -> Path:
        return self._file.path

    def close(self) -> None:
        with suppress(StoreError):
            self._save_unsaved()
        self._accounts.close()
        self._file.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Runs

    def begin_run(self, report: Report) -> None:
        """Remember a run before its first packet: `report` as it would be if it ended now, its targets undecided.

        Raises StoreBroken when that is done, and told: the store had to be begun anew.
        """
        self._begun = Begun.of(report)
        self._made.clear()
        self._ensure_sound()
        self._save_unsaved()
        self._write(self._begun.put)

    def add_measurement(self, run_id: str, measurement: Measurement, *, uploaded_to: Sequence[str] = ()) -> None:
        """Keep one finished measurement, and count an upload flow to each host of `uploaded_to`; it is on the disk when
        this returns. What cannot be written now is written with the next one. Raises StoreBroken as `begin_run` does.
        """
        self._made.append(Made.of(run_id, measurement, uploaded_to))
        waiting = tuple(self._made)

        def put(cursor: sqlite3.Cursor) -> None:
            if self._begun is not None:
                self._begun.put(cursor)
            for made in waiting:
                made.put(cursor)
                for host in made.uploaded_to:
                    self._put_upload(cursor, host)

        try:
            self._write(put)
        except (StoreLocked, StoreFull):
            raise
        except StoreError:
            del self._made[: len(waiting)]  # written, or wrong: it would stand in the way of all that follow
            raise
        del self._made[: len(waiting)]

    def _write(self, put: Callable[[sqlite3.Cursor], None]) -> None:
        """One transaction; where the store turned out to be broken the new one gets it, and StoreBroken tells so."""
        try:
            with self._file.writing() as cursor:
                put(cursor)
        except StoreBroken:
            with self._file.writing() as cursor:
                put(cursor)
            raise

    def finish_run(self, report: Report) -> None:
        """Keep the final report: its verdicts, its outcomes, and any measurement that is new or was judged again.

        What the run may still have moved is given back. Where the disk is full or the store held by another process,
        the run waits in memory for the next time that one begins or ends, and StoreError is raised.
        """
        self._accounts.settle_if_open(report.id, {self.today(): report.bytes.sent + report.bytes.received})
        uploaded_to = [host for made in self._made if made.run_id == report.id for host in made.uploaded_to]
        self._unsaved.append(Ended.of(report, uploaded_to))
        self._made.clear()
        while len(self._unsaved) > 1 and sum(e.num_bytes for e in self._unsaved) > MAX_UNSAVED_BYTES:
            del self._unsaved[0]
        self._save_unsaved()

    def _save_unsaved(self) -> None:
        """Write the runs that have ended and are not on the disk yet, the first first. Raises StoreError."""
        while self._unsaved:
            ended = self._unsaved[0]
            put = partial(self._put_ended, ended=ended)
            try:
                self._write(put)
                if not self._file.ensure_sound():
                    self._write(put)
            except StoreBroken:
                self._write(put)
                self._unsaved.remove(ended)
                raise
            self._unsaved.remove(ended)

    def _ensure_sound(self) -> None:
        try:
            self._file.ensure_sound()
        except StoreBroken:
            if self._begun is not None:
                self._write(self._begun.put)
            raise

    def _put_ended(self, cursor: sqlite3.Cursor, ended: Ended) -> None:
        ended.put(cursor)
        for host in ended.uploaded_to:
            self._put_upload(cursor, host)

    def outcomes(self, target: str, since: datetime | None = None) -> tuple[PastOutcome, ...]:
        """What a target came to in the runs begun at or after `since` that ended, oldest first."""
        with self._file.reading() as cursor:
            return outcomes.read(cursor, target, since)

    def latest_outcomes(self) -> tuple[PastOutcome, ...]:
        """What every target that was ever measured came to the last time, by target."""
        with self._file.reading() as cursor:
            return outcomes.read_latest(cursor)

    def prune(self, days: int, max_bytes: int) -> Pruned:
        """Delete the evidence of runs older than `days`, and of the oldest while there are more than `max_bytes`.

        Outcomes stay for years, and so do the last run and those that are being written. Takes up to some seconds.
        """
        return retention.prune(
            self._file, days=days, max_bytes=max_bytes, now=self._now(), living=self._accounts.living_runs
        )

    def report(self, run_id: str | None = None) -> Report:
        """A stored run by its id or the beginning of it; the latest for None.

        A run that has not ended is put together from what was measured, and says that it was interrupted; so does one
        that lacks a measurement because its record is broken. Raises NoSuchRun, also where the beginning fits several;
        RecordError for a record of another version; StoreError where nothing can be read.
        """
        with self._file.reading() as cursor:
            found = cursor.execute(
                "SELECT id, finished, header FROM runs WHERE ? IS NULL OR substr(id, 1, length(?)) = ?"
                " ORDER BY id = ? DESC, started_at DESC, rowid DESC LIMIT 2",
                (run_id, run_id, run_id, run_id),
            ).fetchall()
            if not found or (run_id is not None and len(found) > 1 and found[0][0] != run_id):
                raise NoSuchRun(f"no single run is called {run_id!r}" if run_id else "no run is stored yet")
            identity, finished, head = found[0]
            rows = cursor.execute(
                "SELECT record FROM measurements WHERE run_id = ? ORDER BY position", (identity,)
            ).fetchall()
        header = records.decode(unpacked(head), self._types)
        whole = readable(record for (record,) in rows)
        if rows and not whole:
            raise StoreError("every stored record is broken")
        measurements = [records.decode_measurement(record, self._types) for record in whole]
        report = assembled(header, measurements)
        return report if finished and len(whole) == len(rows) else unfinished(report, measurements)

    def history(self, since: datetime | None = None) -> tuple[Past, ...]:
        """Every run begun at or after `since`, oldest first, without its measurements."""
        earliest = since.astimezone(UTC).isoformat().replace("+00:00", "Z") if since else ""
        with self._file.reading() as cursor:
            rows = cursor.execute(
                "SELECT finished, header FROM runs WHERE julianday(started_at) >= coalesce(julianday(?), 0)"
                " ORDER BY julianday(started_at), rowid",
                (earliest,),
            ).fetchall()
        return tuple(brief(records.decode(unpacked(head), self._types), bool(done)) for done, head in rows)

    # Budgets

    def reserve(
        self,
        run_id: str,
        wanted_bytes: int,
        limits: Limits,
        *,
        until: datetime | None = None,
        first_draw: int | None = None,
    ) -> int:
        """How many of `wanted_bytes` a run may move: what its limit and all runs' day and month (UTC) leave.

        They are kept for it against every other process until `settle`, `finish_run` or its process's death. `until`
        is when the run ends at the latest: where that is on another day, both days have the bytes left, and what moves
        on a day that was not foreseen is not covered. `first_draw` of them may be moved without `draw` (None: all):
        a process that dies is charged with what it has drawn.
        """
        return self._accounts.reserve(run_id, wanted_bytes, limits, until=until, first_draw=first_draw)

    def draw(self, run_id: str, day: str, num_bytes: int) -> int:
        """Note, before they move, that a run may have moved `num_bytes` in all on a day; what is noted, as far as it
        was granted."""
        return self._accounts.draw(run_id, day, num_bytes)

    def settle(self, run_id: str, moved: Mapping[str, int]) -> None:
        """The run moves nothing any more: charge what it moved, by day, and give the rest back."""
        self._accounts.settle(run_id, moved)

    def add_bytes(self, num_bytes: int) -> None:
        """Count what was moved outside of a reservation, both directions together, towards today and this month."""
        self._accounts.add(self.today(), num_bytes)

    def used_bytes(self, window: Window) -> int:
        """What was moved by all processes in the current day or month; of runs that go on, what they have drawn."""
        today = self.today()
        return self._accounts.used(today if window is Window.DAY else today[: len("2026-11")])

    def today(self) -> str:
        """The day that bytes are charged to now."""
        return self._now().astimezone(UTC).date().isoformat()

    def add_upload(self, host: str) -> None:
        """Count one upload flow to a host."""
        with self._file.writing() as cursor:
            self._put_upload(cursor, host)

    def _put_upload(self, cursor: sqlite3.Cursor, host: str) -> None:
        oldest = (self._now().astimezone(UTC) - KEEP_UPLOADS).date().isoformat()
        cursor.execute("DELETE FROM uploads WHERE day < ?", (oldest,))
        cursor.execute(
            "INSERT INTO uploads (day, host, flows) VALUES (?, ?, 1)"
            " ON CONFLICT (day, host) DO UPDATE SET flows = flows + 1",
            (self.today(), host),
        )

    def uploads_today(self, host: str) -> int:
        """How many upload flows went to a host today."""
        with self._file.reading() as cursor:
            row = cursor.execute(
                "SELECT flows FROM uploads WHERE day = ? AND host = ?", (self.today(), host)
            ).fetchone()
        return int(row[0]) if row else 0

    # Consent

    def add_consent(self, policy_version: str, risk_groups: tuple[str, ...]) -> None:
        """Remember that the person agreed, and to which groups of risky targets; the last word counts."""
        consent = Consent(
            policy_version=policy_version, risk_groups=tuple(sorted(risk_groups)), given_at=_rfc3339(self._now())
        )
        with self._file.writing() as cursor:
            consents.put(cursor, consent)
        consents.copy(self.path, consent)

    def consent(self) -> Consent | None:
        """The last consent given; None when there was none, or it was withdrawn."""
        with self._file.reading() as cursor:
            return consents.read(cursor)

    def withdraw_consent(self) -> None:
        """Forget what was agreed to."""
        consents.forget_copy(self.path)
        with self._file.writing() as cursor:
            cursor.execute("DELETE FROM consents")


def default_path() -> Path:
    """Where the store is kept unless told otherwise; nothing is made."""
    from platformdirs import user_state_dir

    return Path(user_state_dir("throttleprobe", appauthor=False)) / "results.sqlite3"


def _fill_outcomes(cursor: sqlite3.Cursor, evidence_types: EvidenceTypes) -> None:
    """The outcomes of runs that a version without them stored; a header that cannot be read has none."""
    rows = cursor.execute("SELECT header FROM runs WHERE finished ORDER BY rowid").fetchall()
    for (head,) in rows:
        with suppress(StoreError, records.RecordError):
            outcomes.put(cursor, outcomes.rows_of(records.decode(unpacked(head), evidence_types)))


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
