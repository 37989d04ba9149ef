"""What does `watch` know about itself at this moment? Data only.

The service takes such a picture when the status page asks for it; how it looks is for `probe.watch.status_page`. Times
are RFC 3339 in UTC. No address, host name or URL of the vantage point or of a receiver stands in it: a receiver is
known by the name that the configuration gives it.
"""

from dataclasses import dataclass
from enum import StrEnum

from probe.model.results import NetworkState, State, Strength, Vantage

NOWHERE = Vantage()


class Activity(StrEnum):
    STARTING = "starting"
    WAITING = "waiting"
    MEASURING = "measuring"
    PAUSED = "paused"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetStatus:
    """One target's last verdict. `since`: when this state began, as far as the store tells; `run_id`: the run that the
    verdict is from. All of them are None for a target that was not measured yet, which counts as inconclusive.
    """

    id: str
    name: str
    state: State = State.INCONCLUSIVE
    strength: Strength | None = None
    reason: str = ""
    since: str | None = None
    measured_at: str | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStatus:
    """`window`: run, day or month (of UTC). Reserved bytes count as used."""

    window: str
    used_bytes: int
    limit_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PushStatus:
    """A receiver. `problem` is "" while the last delivery went well, or says in a few words what is wrong."""

    name: str
    pending_samples: int
    last_success_at: str | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """A stored run in brief; `states` counts its targets by state, only states that occur."""

    run_id: str
    started_at: str
    finished: bool
    duration_seconds: float
    num_bytes: int
    network: NetworkState
    states: tuple[tuple[State, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadStatus:
    """The last attempt to read the configuration; `mistakes` is empty when it succeeded."""

    at: str
    ok: bool
    mistakes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Everything that the status page shows. `detail` says why it is paused or what is being measured; `notices` are
    whole sentences about what the person should know (a store that was moved aside, a disk that is full). `runs` are
    the latest ones, newest first.
    """

    version: str
    started_at: str
    now: str
    activity: Activity
    detail: str = ""
    instance: str = ""
    vantage: Vantage = NOWHERE
    next_run_at: str | None = None
    last_run_at: str | None = None
    targets: tuple[TargetStatus, ...] = ()
    budgets: tuple[BudgetStatus, ...] = ()
    pushes: tuple[PushStatus, ...] = ()
    runs: tuple[RunStatus, ...] = ()
    reload: ReloadStatus | None = None
    notices: tuple[str, ...] = ()
