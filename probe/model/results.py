"""What was measured and what it was judged to mean: attempts, verdicts, measurements, the report.

These are the public record (design §3, "The result model"); `probe.report` encodes them. A change is a breaking change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from probe.failure import Failure
from probe.model.past import PastComparison
from probe.model.words import Comparison as Comparison
from probe.model.words import Mechanism as Mechanism
from probe.model.words import Method as Method
from probe.model.words import NetworkState as NetworkState
from probe.model.words import State as State
from probe.model.words import Strength as Strength
from probe.model.words import Trigger as Trigger

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """Where on the path it happens: after the first and before the second hop number."""

    after: int
    before: int

    def __str__(self) -> str:
        """In a sentence; hops are counted from this machine, the first router is 1."""
        if self.after == 0:
            return f"before hop {self.before} on the way (the first router is hop 1)"
        return f"between hops {self.after} and {self.before} on the way (the first router is hop 1)"


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodputFacts:
    """The figures of one direction; rates in bit/s, a figure that is not known is None.

    `ratio` is the median over pairs of target by control rate, `ratio_low` and `ratio_high` the least and greatest;
    `ratio_level` the confidence that these two cover the true median (1 - 2^(1-pairs)). `detectable_ratio` is the
    greatest ratio that this size of transfer, this RTT and a burst of 64 KB could have shown;
    `detectable_burst_bytes` the largest burst under which a policer to a tenth of the line would still have been
    seen. `caveat` is "" or says what the figures lack. `slowed_pairs` of the `pairs` show a slowed flow by themselves:
    fewer than all on an even line say that only a share of the flows is slowed.
    """

    target_bps: float | None
    control_bps: float | None
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    ratio_level: float | None
    pairs: int
    detectable_ratio: float | None
    detectable_burst_bytes: int | None
    comparison: Comparison | None
    method: Method
    stall_after_bytes: int | None
    limit_bps: float | None  # the policer's or shaper's own rate, where its signature shows one
    trigger: Trigger
    hop: Hop | None
    confirmed_by_repeat: bool
    caveat: str = ""
    slowed_pairs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The few numbers and names that a verdict rests on; `hop`: where on the path it happens, as far as that was
    found."""

    host: str | None = None
    endpoint: str | None = None
    failure: Failure | None = None
    http_status: int | None = None
    certificate_issuer: str | None = None
    addresses: tuple[str, ...] = ()
    hop: Hop | None = None
    download: GoodputFacts | None = None
    upload: GoodputFacts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A judgement; `rule_ids` names the branches that gave it; `strength` is None unless the state claims a cause."""

    state: State
    strength: Strength | None
    mechanisms: tuple[Mechanism, ...]
    rule_ids: tuple[str, ...]
    rules_version: str
    reason: str
    facts: Facts = Facts()


class AttemptStatus(StrEnum):
    COMPLETED = "completed"
    ERROR = "error"
    NOT_SCHEDULED = "not_scheduled"
    CANCELLED = "cancelled"


class ProblemReason(StrEnum):
    """Why a check gave no evidence: never a state of the network."""

    BUG = "bug"
    BUDGET = "budget"
    DEADLINE = "deadline"
    MISSING_CAPABILITY = "missing_capability"
    NOTHING_TO_MEASURE = "nothing_to_measure"
    MEDIA_GONE = "media_gone"
    NO_ADDRESS = "no_address"
    LOCAL_NETWORK = "local_network"
    LINE_UNFIT = "line_unfit"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    reason: ProblemReason
    stage: str
    detail: str


class CannotRun(Exception):
    """A check could not be run at all; the network's failures are observations instead."""

    def __init__(self, reason: ProblemReason, *, stage: str, detail: str) -> None:
        super().__init__(f"{stage}: {detail}")
        self.problem = Problem(reason=reason, stage=stage, detail=detail)


E = TypeVar("E")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt(Generic[E]):
    """Whether a check ran, apart from what it found."""

    status: AttemptStatus
    evidence: E | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One check on one input of a target (or of a control: then `target` is "")."""

    id: str
    check: str
    check_version: str
    target: str
    input: str
    started_at: str
    duration_seconds: float
    sent_bytes: int
    received_bytes: int
    attempt: Attempt[object]
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetResult:
    """`media_hosts` served nothing but media candidates: one of them may be dead while another works. `past` sets the
    result beside earlier ones (`probe.verdict.past`); it never takes part in the verdict."""

    id: str
    name: str
    verdict: Verdict
    measurements: tuple[Measurement, ...]
    media_hosts: tuple[str, ...] = ()
    past: PastComparison | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The line itself, judged from the controls; `left_out` names controls that disagree with the others."""

    state: NetworkState
    reason: str
    ipv6: bool
    left_out: tuple[str, ...] = ()
    rule_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vantage:
    """The network position that measures; never an address. None: not known. `instance` is the name that its owner
    gave it, `vpn` whether a VPN or proxy carried the traffic."""

    country: str | None = None
    asn: int | None = None
    network: str | None = None
    instance: str | None = None
    vpn: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bytes:
    sent: int
    received: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What was asked of this run."""

    targets: tuple[str, ...]
    checks: tuple[str, ...]
    max_bytes: int
    max_seconds: float
    max_bytes_per_target: int
    budget_hit: bool = False
    interrupted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    state: State
    targets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything one run measured and concluded; the one document that all formats are made from."""

    schema_version: int
    probe_version: str
    id: str
    started_at: str
    duration_seconds: float
    parameters: Parameters
    vantage: Vantage
    network: Network
    bytes: Bytes
    controls: tuple[Measurement, ...]
    targets: tuple[TargetResult, ...]
    summary: tuple[Count, ...]


def summarize(targets: Sequence[TargetResult]) -> tuple[Count, ...]:
    """How many targets are in each state, in the order of `State`; never a mean of states."""
    return tuple(Count(state=state, targets=sum(t.verdict.state is state for t in targets)) for state in State)
