"""From finished measurements to the report: attempts judged, targets put together, what was never begun named.

Pure but for the identifiers and times that it is handed; who is measured when is the runner's business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from probe import __version__
from probe.config.plan import MAX_BYTES_PER_TARGET
from probe.judgement import judge_attempt, judge_target
from probe.model.results import (
    SCHEMA_VERSION,
    Attempt,
    AttemptStatus,
    Bytes,
    Measurement,
    Network,
    NetworkState,
    Parameters,
    Problem,
    ProblemReason,
    Report,
    TargetResult,
    Vantage,
    summarize,
)
from probe.model.targets import Controls, Target
from probe.model.uuid7 import uuid7
from probe.registry import BY_NAME, CHECKS, Check, host_of, media_hosts
from probe.verdict import network as network_verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one run is to do; `checks` are names of `probe.registry`; high-risk targets are left out before this.

    `may_take_longer`: nobody asked for `max_seconds`, and over a satellite a run takes more than it usually may.
    `unfit`: why this line is not to be filled now, so that no goodput is measured; "" when it may be.
    """

    controls: Controls
    targets: tuple[Target, ...]
    checks: tuple[str, ...]
    max_bytes: int
    max_seconds: float
    known_blockpages: Mapping[str, str]
    vantage: Vantage
    may_take_longer: bool = False
    unfit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """When something was begun, and the run's source of identifiers."""

    wall: datetime
    random: Random

    def new_id(self) -> str:
        """An identifier that sorts by time."""
        return uuid7(int(self.wall.timestamp() * 1000), self.random)

    def __str__(self) -> str:
        return self.wall.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to so far: `targets` holds the measurements of each target's id."""

    controls: Sequence[Measurement]
    targets: Mapping[str, Sequence[Measurement]]
    moved: Bytes
    budget_hit: bool
    interrupted: bool


def failed(status: AttemptStatus, reason: ProblemReason, stage: str, detail: str) -> Attempt[object]:
    """An attempt without evidence."""
    return Attempt(status=status, problem=Problem(reason=reason, stage=stage, detail=detail))


def measured(
    check: Check, target: Target, subject: str, attempt: Attempt[object], stamp: Stamp, seconds: float, moved: Bytes
) -> Measurement:
    """One check on one input, judged."""
    return Measurement(
        id=stamp.new_id(),
        check=check.name,
        check_version=check.version,
        target=target.id,
        input=subject,
        started_at=str(stamp),
        duration_seconds=seconds,
        sent_bytes=moved.sent,
        received_bytes=moved.received,
        attempt=attempt,
        verdict=judge_attempt(check.name, attempt),
    )


def assemble(plan: Plan, outcome: Outcome, *, run_id: str, stamp: Stamp, seconds: float) -> Report:
    """The report of a run that began at `stamp` and took `seconds`."""
    network = network_verdict.judge(outcome.controls, [m for found in outcome.targets.values() for m in found])
    targets = tuple(_target(plan, t, outcome.targets.get(t.id, ()), network, stamp) for t in plan.targets)
    return Report(
        schema_version=SCHEMA_VERSION,
        probe_version=__version__,
        id=run_id,
        started_at=str(stamp),
        duration_seconds=seconds,
        parameters=Parameters(
            targets=tuple(t.id for t in plan.targets),
            checks=plan.checks,
            max_bytes=plan.max_bytes,
            max_seconds=plan.max_seconds,
            max_bytes_per_target=MAX_BYTES_PER_TARGET,
            budget_hit=outcome.budget_hit,
            interrupted=outcome.interrupted,
        ),
        vantage=plan.vantage,
        network=network,
        bytes=outcome.moved,
        controls=tuple(sorted(outcome.controls, key=_order)),
        targets=targets,
        summary=summarize(targets),
    )


def _target(plan: Plan, target: Target, made: Sequence[Measurement], network: Network, stamp: Stamp) -> TargetResult:
    never = _never_begun(plan, target, made, stamp) if network.state is NetworkState.OK else []
    measurements = tuple(sorted([*made, *never], key=_order))
    optional = media_hosts(target)
    return TargetResult(
        id=target.id,
        name=target.name,
        verdict=judge_target(measurements, network, optional_hosts=frozenset(optional)),
        measurements=measurements,
        media_hosts=optional,
    )


def _never_begun(plan: Plan, target: Target, made: Sequence[Measurement], stamp: Stamp) -> list[Measurement]:
    """What the run ended before: without it, a target of which half was measured would look healthy."""
    known = {(m.check, m.input) for m in made}
    attempt = failed(AttemptStatus.NOT_SCHEDULED, ProblemReason.INTERRUPTED, "run", "it had not been begun")
    return [
        measured(check, target, subject, attempt, stamp, 0.0, Bytes(sent=0, received=0))
        for check in CHECKS
        if known and check.name in plan.checks and check.when is None
        for subject in check.inputs(target)
        if (check.name, subject) not in known
    ]


def host_in(subject: str) -> str:
    """The host of a check's input, be it a URL, a name or an endpoint."""
    return host_of(subject) if "://" in subject else subject


def _order(measurement: Measurement) -> tuple[int, str]:
    return list(BY_NAME).index(measurement.check), measurement.input
