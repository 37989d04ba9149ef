"""How does a run stand in the store's tables: when it begins, while it goes on, and when it has ended?

Rows are made before a transaction begins, so that none takes longer than its writes. When they are written, and what is
done when they cannot be, is for `probe.store.database`.
"""

import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from probe import records
from probe.model.results import Measurement, Report
from probe.store import outcomes
from probe.store.errors import StoreError
from probe.store.outcomes import OutcomeRow

COMPRESSION = 6  # zlib's own default; a goodput record becomes a sixth in a few milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A run before its first packet."""

    id: str
    started_at: str
    header: bytes

    @classmethod
    def of(cls, report: Report) -> "Begun":
        return cls(id=report.id, started_at=report.started_at, header=_header(report))

    def put(self, cursor: sqlite3.Cursor) -> None:
        """Add the run, unless it is there."""
        cursor.execute(
            "INSERT OR IGNORE INTO runs (id, started_at, finished, header) VALUES (?, ?, 0, ?)",
            (self.id, self.started_at, self.header),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A measurement that was finished, and the hosts that it uploaded to, one for each flow."""

    run_id: str
    id: str
    target: str
    record: bytes
    uploaded_to: tuple[str, ...] = ()

    @classmethod
    def of(cls, run_id: str, measurement: Measurement, uploaded_to: Sequence[str] = ()) -> "Made":
        record = _packed(records.encode_measurement(measurement))
        return cls(
            run_id=run_id,
            id=measurement.id,
            target=measurement.target,
            record=record,
            uploaded_to=tuple(uploaded_to),
        )

    def put(self, cursor: sqlite3.Cursor) -> None:
        """Add it in the order of arrival, or renew it in its place if it was judged again."""
        cursor.execute(
            "INSERT INTO measurements (id, run_id, target, record) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (run_id, id) DO UPDATE SET record = excluded.record WHERE record != excluded.record",
            (self.id, self.run_id, self.target, self.record),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run that has ended; `uploaded_to` are flows that were not counted with their measurements."""

    id: str
    started_at: str
    header: bytes
    measurements: tuple[Made, ...]
    outcomes: tuple[OutcomeRow, ...]
    uploaded_to: tuple[str, ...]

    @classmethod
    def of(cls, report: Report, uploaded_to: Sequence[str]) -> "Ended":
        measurements = (*report.controls, *(m for target in report.targets for m in target.measurements))
        return cls(
            id=report.id,
            started_at=report.started_at,
            header=_header(report),
            measurements=tuple(Made.of(report.id, m) for m in measurements),
            outcomes=tuple(outcomes.rows_of(report)),
            uploaded_to=tuple(uploaded_to),
        )

    @property
    def num_bytes(self) -> int:
        return len(self.header) + sum(len(made.record) for made in self.measurements)

    def put(self, cursor: sqlite3.Cursor) -> None:
        """Add or complete the run, its measurements and its outcomes."""
        cursor.execute(
            "INSERT INTO runs (id, started_at, finished, header) VALUES (?, ?, 1, ?)"
            " ON CONFLICT (id) DO UPDATE SET finished = 1, header = excluded.header",
            (self.id, self.started_at, self.header),
        )
        for made in self.measurements:
            made.put(cursor)
        outcomes.put(cursor, self.outcomes)


def unpacked(record: bytes) -> bytes:
    """The record that was packed. Raises StoreError for one that is broken."""
    try:
        return zlib.decompress(record)
    except zlib.error as error:
        raise StoreError(f"a stored record is broken: {error}") from error


def readable(stored: Iterable[bytes]) -> list[bytes]:
    """The records that were packed, without those that are broken."""
    found = []
    for record in stored:
        with suppress(StoreError):
            found.append(unpacked(record))
    return found


def _packed(record: bytes) -> bytes:
    return zlib.compress(record, COMPRESSION)


def _header(report: Report) -> bytes:
    return _packed(records.encode(records.header(report)))
