"""Records of runs that never were, for tests of the score."""

from collections.abc import Sequence

from probe.lab.rules import Direction
from probe.lab.scenarios.base import CLEAN, Family, Truth
from probe.lab.scenarios.holding import Aspect, Point
from probe.lab.score.record import RECORD_VERSION, DirectionRecord, Key, RunRecord, TargetRecord
from probe.model.results import Mechanism, Method, NetworkState, State

POLICED = Truth(
    states=(State.THROTTLED,),
    interfered=True,
    mechanisms=(Mechanism.TLS_THROTTLE_SNI,),
    directions=(Direction.DOWN,),
    methods=(Method.POLICED,),
    limit_bps=2e6,
)
DROPPED = Truth(states=(State.BLOCKED, State.INCONCLUSIVE), interfered=True)


def direction(**changes: object) -> DirectionRecord:
    fields: dict[str, object] = {
        "method": Method.UNKNOWN,
        "target_bps": 17e6,
        "control_bps": 18e6,
        "ratio": 0.95,
        "limit_bps": None,
        "stall_after_bytes": None,
        "hop_after": None,
        "detectable_ratio": 0.3,
        "pairs": 2,
    }
    return DirectionRecord(**{**fields, **changes})  # type: ignore[arg-type]


def target(state: State = State.OK, truth: Truth = CLEAN, *, name: str = "birdnet", **changes: object) -> TargetRecord:
    fields: dict[str, object] = {
        "target": name,
        "truth": truth,
        "state": state,
        "strength": None,
        "mechanisms": (),
        "rule_ids": (f"target.{state.value}",),
        "reason": "as it is",
        "points": (point(Aspect.STATE, truth.states[0].value, state.value, right=state in truth.states),),
        "download": direction(),
        "upload": None,
        "num_bytes": 1_000_000,
        "goodput_seconds": 3.0,
    }
    return TargetRecord(**{**fields, **changes})  # type: ignore[arg-type]


def point(
    aspect: Aspect,
    true: str,
    found: str,
    *,
    right: bool,
    direction: Direction | None = None,
    error: float | None = None,
) -> Point:
    return Point(aspect=aspect, true=true, found=found, right=right, direction=direction, error=error)


def run(targets: Sequence[TargetRecord] = (), *, seed: int = 0, **changes: object) -> RunRecord:
    fields: dict[str, object] = {
        "record_version": RECORD_VERSION,
        "key": Key(scenario="clean-line", profile="home", seed=seed),
        "family": Family.LINES,
        "down_bps": 20e6,
        "up_bps": 8e6,
        "run_id": "0190",
        "code": 0,
        "network": NetworkState.OK,
        "network_wanted": NetworkState.OK,
        "disturbed": False,
        "problem": "",
        "late_packets": 0,
        "carried_packets": 2000,
        "worst_lateness_seconds": 0.0,
        "seconds": 7.0,
        "ended_at": "2026-01-01T00:00:00Z",
        "commit": "abc",
        "probe_version": "0.1.0",
        "rules_version": "1",
        "targets": tuple(targets),
    }
    return RunRecord(**{**fields, **changes})  # type: ignore[arg-type]
