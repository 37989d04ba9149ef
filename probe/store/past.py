"""What does a stored run look like when it is brought back, whole or in brief, ended or not?

Pure; reading and writing the file is for `probe.store.database`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from probe.model.results import Bytes, Measurement, NetworkState, Report, State, Strength


@dataclass(frozen=True, slots=True, kw_only=True)
class PastTarget:
    """What a target came to in an earlier run."""

    id: str
    state: State
    strength: Strength | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One earlier run in brief; `finished` False: it was interrupted, or is still running."""

    run_id: str
    started_at: str
    finished: bool
    duration_seconds: float
    network: NetworkState
    bytes: Bytes
    targets: tuple[PastTarget, ...]


def assembled(header: Report, measurements: Sequence[Measurement]) -> Report:
    """The whole report again, each measurement with its target."""
    return replace(
        header,
        controls=tuple(m for m in measurements if m.target == ""),
        targets=tuple(
            replace(t, measurements=tuple(m for m in measurements if m.target == t.id)) for t in header.targets
        ),
    )


def unfinished(report: Report, measurements: Sequence[Measurement]) -> Report:
    """The report of a run that never said that it ended: its bytes and time are those of its measurements."""
    ends = [_seconds_between(report.started_at, m.started_at) + m.duration_seconds for m in measurements]
    return replace(
        report,
        parameters=replace(report.parameters, interrupted=True),
        duration_seconds=max(ends, default=0.0),
        bytes=Bytes(sent=sum(m.sent_bytes for m in measurements), received=sum(m.received_bytes for m in measurements)),
    )


def _seconds_between(start: str, end: str) -> float:
    return max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds())


def brief(header: Report, finished: bool) -> Past:
    """What history shows of a run."""
    return Past(
        run_id=header.id,
        started_at=header.started_at,
        finished=finished,
        duration_seconds=header.duration_seconds,
        network=header.network.state,
        bytes=header.bytes,
        targets=tuple(
            PastTarget(id=t.id, state=t.verdict.state, strength=t.verdict.strength, reason=t.verdict.reason)
            for t in header.targets
        ),
    )
