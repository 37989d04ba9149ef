"""Which rows hold what targets came to, apart from the evidence, so that a baseline outlives it?

Only runs that ended give outcomes: before that nobody has judged the line, or the target as a whole. A target of which
an interruption left nothing, or too little to say anything, gives none either. What an outcome holds is for
`probe.model.past`.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from probe.model.past import PastOutcome
from probe.model.results import AttemptStatus, Report
from probe.verdict.past_outcomes import is_cut_off, outcomes_of

OutcomeRow = tuple[str, int, str, str]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RAN = (AttemptStatus.COMPLETED, AttemptStatus.ERROR)


def rows_of(report: Report) -> list[OutcomeRow]:
    """The rows of a report that has ended, measurements or not."""
    untouched = {
        target.id
        for target in report.targets
        if report.parameters.interrupted
        and target.measurements
        and (is_cut_off(target) or not any(m.attempt.status in RAN for m in target.measurements))
    }
    return [_row(outcome) for outcome in outcomes_of(report) if outcome.target not in untouched]


def put(cursor: sqlite3.Cursor, rows: Iterable[OutcomeRow]) -> None:
    """Add rows; those of a run that is judged again replace the earlier ones."""
    cursor.executemany("INSERT OR REPLACE INTO outcomes (target, started_ms, run_id, record) VALUES (?, ?, ?, ?)", rows)


def read(cursor: sqlite3.Cursor, target: str, since: datetime | None) -> tuple[PastOutcome, ...]:
    """A target's outcomes of runs begun at or after `since`, oldest first."""
    earliest = milliseconds(since) if since is not None else -(2**63)
    found = cursor.execute(
        "SELECT record FROM outcomes WHERE target = ? AND started_ms >= ? ORDER BY started_ms, run_id",
        (target, earliest),
    )
    return tuple(_outcomes(found))


def read_latest(cursor: sqlite3.Cursor) -> tuple[PastOutcome, ...]:
    """The last outcome of every target that ever had one, by target."""
    found = cursor.execute(
        "SELECT record FROM (SELECT target, record,"
        " row_number() OVER (PARTITION BY target ORDER BY started_ms DESC, run_id DESC) AS place FROM outcomes)"
        " WHERE place = 1 ORDER BY target"
    )
    return tuple(_outcomes(found))


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970, for years before it and after 2038 as well."""
    return (moment.astimezone(UTC) - EPOCH) // timedelta(milliseconds=1)


def _row(outcome: PastOutcome) -> OutcomeRow:
    return outcome.target, milliseconds(datetime.fromisoformat(outcome.started_at)), outcome.run_id, _text(outcome)


def _text(outcome: PastOutcome) -> str:
    return json.dumps(msgspec.to_builtins(_without_defaults(outcome)), separators=(",", ":"), ensure_ascii=False)


def _without_defaults(record: Any) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for field in fields(record):
        value = getattr(record, field.name)
        if field.default is not MISSING and value == field.default:
            continue
        kept[field.name] = _without_defaults(value) if hasattr(value, "__dataclass_fields__") else value
    return kept


def _outcomes(rows: Iterable[tuple[str]]) -> Iterator[PastOutcome]:
    """A row that this version cannot read is left out: a baseline of all but one run is a baseline."""
    for (record,) in rows:
        try:
            yield msgspec.json.decode(record, type=PastOutcome)
        except msgspec.MsgspecError:
            continue
