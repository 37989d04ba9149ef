"""What does the status page show of the service at this moment?

Pure, but for the service's public attributes that it reads.
"""

from datetime import datetime

from probe import __version__
from probe.measuring import vantage_of
from probe.model.past import OnsetOf, PastOutcome
from probe.model.results import Report, State
from probe.push.pusher import ReceiverStatus
from probe.store import Past
from probe.watch.cycle import MIN_RUN_BYTES
from probe.watch.memory import Standing
from probe.watch.service import Service
from probe.watch.status import BudgetStatus, PushStatus, RunStatus, Status, TargetStatus


def take_picture(service: Service, *, started_at: datetime, now: datetime, instance: str) -> Status:
    """The service as it stands."""
    configuration, standing, results = service.configuration, service.standing, service.results
    outcomes = {outcome.target: outcome for outcome in results.outcomes}
    return Status(
        version=__version__,
        started_at=_written(started_at),
        now=_written(now),
        activity=service.activity,
        detail=service.detail,
        instance=instance,
        vantage=vantage_of(configuration.watch.vantage, vpn=None),
        next_run_at=_written(service.next_run_at) if service.next_run_at else None,
        last_run_at=results.runs[-1].started_at if results.runs else None,
        targets=tuple(
            _target(target.id, target.name, outcomes.get(target.id), service.last_report)
            for target in configuration.targets
        ),
        budgets=tuple(
            BudgetStatus(window=window, used_bytes=used, limit_bytes=limit)
            for window, used, limit in (
                ("day", standing.used_bytes[0], standing.limits.day),
                ("month", standing.used_bytes[1], standing.limits.month),
            )
        ),
        pushes=tuple(_push(receiver) for receiver in standing.receivers),
        runs=tuple(_run(past) for past in reversed(results.runs)),
        reload=service.reloaded,
        notices=(*((standing.notice,) if standing.notice else ()), *used_up(standing)),
    )


def used_up(standing: Standing) -> tuple[str, ...]:
    """Which budgets have too little left for a run: a page that only waits would not say why nothing is measured."""
    windows = (
        ("day", standing.used_bytes[0], standing.limits.day),
        ("month", standing.used_bytes[1], standing.limits.month),
    )
    return tuple(
        f"the {window}'s budget is used up: runs are left out until the {window} is over (UTC)"
        for window, used, limit in windows
        if limit - used < MIN_RUN_BYTES
    )


def _target(identity: str, name: str, outcome: PastOutcome | None, report: Report | None) -> TargetStatus:
    # What the last report says of a target is not the reason of a verdict from another run.
    is_of_it = report is not None and outcome is not None and report.id == outcome.run_id
    result = next((t for t in report.targets if t.id == identity), None) if report is not None and is_of_it else None
    onsets = result.past.onsets if result is not None and result.past is not None else ()
    state = outcome.state if outcome else State.INCONCLUSIVE
    since = next((o.since for o in onsets if o.what is OnsetOf.STATE and o.after is state), None)
    return TargetStatus(
        id=identity,
        name=name,
        state=state,
        strength=outcome.strength if outcome else None,
        reason=result.verdict.reason if result else "",
        since=since,
        measured_at=(outcome.ended_at or outcome.started_at) if outcome else None,
        run_id=outcome.run_id if outcome else None,
    )


def _push(receiver: ReceiverStatus) -> PushStatus:
    return PushStatus(
        name=receiver.name,
        pending_samples=receiver.pending_samples,
        last_success_at=_written(receiver.last_success_at) if receiver.last_success_at else None,
        problem=receiver.problem,
    )


def _run(past: Past) -> RunStatus:
    counts: dict[State, int] = {}
    for target in past.targets:
        counts[target.state] = counts.get(target.state, 0) + 1
    return RunStatus(
        run_id=past.run_id,
        started_at=past.started_at,
        finished=past.finished,
        duration_seconds=past.duration_seconds,
        num_bytes=past.bytes.sent + past.bytes.received,
        network=past.network,
        states=tuple(counts.items()),
    )


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
