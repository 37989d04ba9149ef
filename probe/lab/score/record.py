"""What does the log keep of one run?

Records and their JSON; one line is one run with all its targets, so that a line is there whole or not at all. What is
made of many is `probe.lab.score.tables`'.
"""

from dataclasses import dataclass

import msgspec

from probe.lab.scenarios.base import Family, Truth
from probe.lab.scenarios.holding import ACCUSATIONS, Point
from probe.model.results import Mechanism, Method, NetworkState, State, Strength

RECORD_VERSION = 1


class LogError(ValueError):
    """A line of a log that cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Which run: the scenario's name, the line's name and the seed of what the lab draws at random."""

    scenario: str
    profile: str
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionRecord:
    """The goodput figures of one direction; the names are those of `probe.model.results.GoodputFacts`."""

    method: Method
    target_bps: float | None
    control_bps: float | None
    ratio: float | None
    limit_bps: float | None
    stall_after_bytes: int | None
    hop_after: int | None
    detectable_ratio: float | None
    pairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRecord:
    """One trial: one target's verdict in one run. `num_bytes`: sent and received for this target; `goodput_seconds`:
    of its goodput measurement, None where there was none.
    """

    target: str
    truth: Truth
    state: State
    strength: Strength | None
    mechanisms: tuple[Mechanism, ...]
    rule_ids: tuple[str, ...]
    reason: str
    points: tuple[Point, ...]
    download: DirectionRecord | None
    upload: DirectionRecord | None
    num_bytes: int
    goodput_seconds: float | None

    @property
    def accused(self) -> bool:
        return self.state in ACCUSATIONS

    @property
    def acceptable(self) -> bool:
        return self.state in self.truth.states

    @property
    def accusation_wanted(self) -> bool:
        """Whether there is interference that this probe should find."""
        return self.truth.interfered and self.truth.states[0] in ACCUSATIONS

    @property
    def false_alarm(self) -> bool:
        return self.accused and not self.truth.interfered

    @property
    def missed(self) -> bool:
        """Interference that should be found was not, and the scenario does not excuse that."""
        return self.accusation_wanted and not self.accused and not self.acceptable


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run of one scenario. `seconds`: of the whole run with the lab's start and end. `disturbed`: the emulated
    path was starved of processor time, so the run says nothing; `problem`: why there is no report, "" when there is
    one. `down_bps`, `up_bps`: the line's.
    `ended_at`: RFC 3339, UTC.
    """

    record_version: int
    key: Key
    family: Family
    down_bps: float
    up_bps: float
    run_id: str
    code: int
    network: NetworkState | None
    network_wanted: NetworkState | None
    disturbed: bool
    problem: str
    late_packets: int
    carried_packets: int
    worst_lateness_seconds: float
    seconds: float
    ended_at: str
    commit: str
    probe_version: str
    rules_version: str
    targets: tuple[TargetRecord, ...]

    @property
    def valid(self) -> bool:
        return not self.disturbed and not self.problem


def encode_line(record: RunRecord) -> bytes:
    """The record as one line of JSON, with its newline."""
    return msgspec.json.encode(record) + b"\n"


def decode_line(line: bytes) -> RunRecord:
    """Read what `encode_line` wrote. Raises `LogError`."""
    try:
        record = msgspec.json.decode(line, type=RunRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise LogError(str(error)) from error
    if record.record_version != RECORD_VERSION:
        raise LogError(f"record version {record.record_version} is not version {RECORD_VERSION}, known here")
    return record
