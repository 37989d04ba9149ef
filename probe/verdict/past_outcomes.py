"""What is kept of a result for comparison with later ones, and which earlier results may be compared with it?

The comparison itself is made by `probe.verdict.past`; outcomes are stored by `probe.store`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from probe.model.past import PastGoodput, PastOutcome
from probe.model.results import (
    AttemptStatus,
    GoodputFacts,
    Measurement,
    NetworkState,
    ProblemReason,
    Report,
    State,
    TargetResult,
    Vantage,
)

ACCESS_CHECKS = frozenset({"dns", "reach", "tls", "http"})
COUNTED_CHECKS = ACCESS_CHECKS | {"goodput"}  # others only follow up what these found


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """An outcome with its time read."""

    at: datetime
    outcome: PastOutcome


def outcomes_of(report: Report) -> tuple[PastOutcome, ...]:
    """One row for each target of a report, in the report's order; also of a report without its measurements."""
    return tuple(
        outcome_of(target, run_id=report.id, started_at=report.started_at, vantage=report.vantage)
        if report.network.state is NetworkState.OK
        else _told_nothing(target, report)
        for target in report.targets
    )


def outcome_of(result: TargetResult, *, run_id: str, started_at: str, vantage: Vantage) -> PastOutcome:
    """A result on a line that works."""
    verdict = result.verdict
    completed = [m for m in result.measurements if m.attempt.status is AttemptStatus.COMPLETED]
    ran = [m for m in completed if m.check in ACCESS_CHECKS]
    goodput = next((m.id for m in result.measurements if m.check == "goodput" and m.attempt.evidence is not None), None)
    return PastOutcome(
        run_id=run_id,
        target=result.id,
        started_at=started_at,
        ended_at=max((_end(m) for m in result.measurements), default=""),
        state=verdict.state,
        strength=verdict.strength,
        mechanisms=verdict.mechanisms,
        country=vantage.country,
        asn=vantage.asn,
        network=vantage.network,
        instance=vantage.instance,
        vpn=vantage.vpn,
        access_checks=len(ran) if result.measurements else None,
        access_ok=sum(m.verdict.state is State.OK for m in ran) if result.measurements else None,
        checks=tuple(sorted({m.check for m in completed} & COUNTED_CHECKS)) if result.measurements else None,
        goodput_measurement_id=goodput,
        download=_goodput(verdict.facts.download),
        upload=_goodput(verdict.facts.upload),
    )


def is_cut_off(result: TargetResult) -> bool:
    """Whether the end of the run left too little of this target to say anything: what was known of it stands."""
    problems = {m.attempt.problem.reason for m in result.measurements if m.attempt.problem is not None}
    return result.verdict.state is State.INCONCLUSIVE and ProblemReason.INTERRUPTED in problems


def comparable(
    outcomes: Sequence[PastOutcome], *, target: str, now: datetime, vantage: Vantage
) -> tuple[tuple[Earlier, ...], int]:
    """The earlier outcomes of this target at this vantage point on a line that worked, oldest first, each run once;
    and how many earlier ones are none of these."""
    read = {o.run_id or n: (o, _time(o.started_at)) for n, o in enumerate(outcomes) if o.target == target}
    earlier = [Earlier(at=at, outcome=o) for o, at in read.values() if at is not None and at < now]
    kept = [e for e in earlier if e.outcome.network_state is NetworkState.OK and _same_place(e.outcome, vantage)]
    kept.sort(key=lambda e: (e.at, e.outcome.run_id))
    return tuple(kept), len(earlier) - len(kept)


def written(time: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond, as reports have it."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _same_place(outcome: PastOutcome, vantage: Vantage) -> bool:
    """Another network is another past, and so is another name of the instance where both are known. A VPN that nobody
    noticed is none."""
    if (outcome.country, outcome.asn, outcome.network) != (vantage.country, vantage.asn, vantage.network):
        return False
    if None not in (outcome.instance, vantage.instance) and outcome.instance != vantage.instance:
        return False
    return bool(outcome.vpn) == bool(vantage.vpn)


def _told_nothing(target: TargetResult, report: Report) -> PastOutcome:
    return PastOutcome(
        run_id=report.id,
        target=target.id,
        started_at=report.started_at,
        state=State.INCONCLUSIVE,
        network_state=report.network.state,
        country=report.vantage.country,
        asn=report.vantage.asn,
        network=report.vantage.network,
        instance=report.vantage.instance,
        vpn=report.vantage.vpn,
    )


def _goodput(facts: GoodputFacts | None) -> PastGoodput | None:
    if facts is None:
        return None
    return PastGoodput(
        target_bps=facts.target_bps,
        control_bps=facts.control_bps,
        ratio=facts.ratio,
        ratio_low=facts.ratio_low,
        ratio_high=facts.ratio_high,
        comparison=facts.comparison,
        method=facts.method,
    )


def _end(measurement: Measurement) -> str:
    begun = _time(measurement.started_at)
    return "" if begun is None else written(begun + timedelta(seconds=measurement.duration_seconds))


def _time(text: str) -> datetime | None:
    """None for what is no time with a zone: a row that cannot be placed is left out."""
    try:
        time = datetime.fromisoformat(text)
        return None if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
