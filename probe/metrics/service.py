"""What is known of the vantage point and of the service itself at one moment? Data, and what a report adds to it.

Immutable: the registry swaps one picture for the next. Times are Unix seconds, None is not known.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from probe.metrics.figures import ended_at, unix_time
from probe.metrics.labels import BudgetWindow, RunOutcome, Skip
from probe.model.past import PastOutcome
from probe.model.results import Report, Vantage
from probe.model.words import NetworkState

UNKNOWN_VANTAGE = Vantage()


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A receiver of pushed samples, by the name that the configuration gives it.

    `sent`, `refused` and `dropped` count over restarts: taken by the receiver; refused by it for good; thrown away
    because the spool was full.
    """

    name: str
    pending_samples: int
    sent_samples: int
    refused_samples: int = 0
    dropped_samples: int = 0
    last_success_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """`duration_seconds` is None where only the store's outcomes are known; `vpn` is None where nobody looked."""

    ended_at: float
    network_state: NetworkState
    duration_seconds: float | None = None
    vpn: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Bytes since the start."""

    received: int = 0
    sent: int = 0

    def plus(self, more: "Moved") -> "Moved":
        return Moved(received=self.received + more.received, sent=self.sent + more.sent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """`limits` and `used` are bytes by budget window; `vpn` is what the line was when it was last looked at."""

    version: str
    vantage: Vantage = UNKNOWN_VANTAGE
    last_run: LastRun | None = None
    runs: Mapping[RunOutcome, int] = field(default_factory=dict)
    skipped: Mapping[Skip, int] = field(default_factory=dict)
    moved: Moved = Moved()
    limits: Mapping[str, int] = field(default_factory=dict)
    used: Mapping[str, int] = field(default_factory=dict)
    reload_ok: bool | None = None
    reloaded_at: float | None = None
    next_run_at: float | None = None
    metered: bool | None = None
    vpn: bool | None = None
    endpoints: tuple[Endpoint, ...] = ()
    store_bytes: int | None = None


def with_run(service: Service, report: Report, *, told: bool) -> Service:
    """The service after one more run; `told`: some target has a result of it."""
    before = service.last_run.vpn if service.last_run is not None else None
    num_bytes = report.bytes.received + report.bytes.sent
    # What the store says replaces these at the next look at it; what is pushed of this run must not wait for that.
    used = {window: amount + num_bytes for window, amount in service.used.items() if window != BudgetWindow.RUN}
    return replace(
        with_outcome(service, outcome_of(report)),
        vantage=report.vantage,
        last_run=LastRun(
            ended_at=ended_at(report),
            network_state=report.network.state,
            duration_seconds=report.duration_seconds,
            vpn=report.vantage.vpn if told else before,
        ),
        moved=service.moved.plus(Moved(received=report.bytes.received, sent=report.bytes.sent)),
        used={**used, BudgetWindow.RUN.value: num_bytes},
    )


def with_outcome(service: Service, outcome: RunOutcome) -> Service:
    return replace(service, runs={**service.runs, outcome: service.runs.get(outcome, 0) + 1})


def outcome_of(report: Report) -> RunOutcome:
    """How the run ended; one that was interrupted cannot tell why its controls did not answer."""
    if report.parameters.interrupted:
        return RunOutcome.INTERRUPTED
    return RunOutcome.COMPLETED if report.network.state is NetworkState.OK else RunOutcome.NO_USABLE_NETWORK


def last_run(outcomes: Iterable[PastOutcome]) -> LastRun | None:
    """The latest run of which any outcome is kept."""
    timed = [(when, o) for o in outcomes if (when := unix_time(o.ended_at or o.started_at)) is not None]
    if not timed:
        return None
    when, latest = max(timed, key=lambda item: item[0])
    return LastRun(ended_at=when, network_state=latest.network_state, vpn=latest.vpn)
