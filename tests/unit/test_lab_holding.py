"""Is a verdict held against the truth in all that the truth asks, and in no more?

The slowed targets are those that the demo recorded: one policed in its download, one in its upload.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from probe import records
from probe.lab.rules import Direction
from probe.lab.scenarios.base import CLEAN, CLEAN_BUT_HARD, Truth
from probe.lab.scenarios.holding import Aspect, Point, all_right, hold, hold_network
from probe.model.results import GoodputFacts, Hop, Mechanism, Method, NetworkState, State, TargetResult
from probe.registry import EVIDENCE_TYPES
from tests.reports import clean

GOLDEN = records.decode((Path(__file__).parents[1] / "golden" / "demo.json").read_bytes(), EVIDENCE_TYPES)
RECORDED, UPLOADS_SLOWED = (next(t for t in GOLDEN.targets if t.id == id_) for id_ in ("birdnet", "vidtube"))
THROTTLED = Truth(
    states=(State.THROTTLED,),
    interfered=True,
    mechanisms=(Mechanism.TLS_THROTTLE_SNI, Mechanism.TLS_THROTTLE),
    directions=(Direction.DOWN,),
    methods=(Method.POLICED,),
    limit_bps=140e3,
)


def download(**changes: object) -> TargetResult:
    """The slowed target with other figures for its download."""
    facts = RECORDED.verdict.facts
    assert facts.download is not None
    figures: GoodputFacts = replace(facts.download, **changes)  # type: ignore[arg-type]
    return replace(RECORDED, verdict=replace(RECORDED.verdict, facts=replace(facts, download=figures)))


SLOWED = download(limit_bps=140e3, method=Method.POLICED)


def point(truth: Truth, result: TargetResult, aspect: Aspect) -> Point:
    return next(p for p in hold(truth, result) if p.aspect is aspect)


def test_everything_that_is_asked_is_held() -> None:
    points = hold(THROTTLED, SLOWED)
    assert [p.aspect for p in points] == [
        Aspect.STATE,
        Aspect.MECHANISM,
        Aspect.DIRECTION,
        Aspect.METHOD,
        Aspect.LIMIT,
    ]
    assert all_right(points)


def test_a_verdict_that_accuses_nobody_is_asked_for_its_state_alone() -> None:
    missed, fine = hold(THROTTLED, clean()), hold(CLEAN, clean())
    assert [(p.aspect, p.right) for p in missed] == [(Aspect.STATE, False)]
    assert [(p.aspect, p.right) for p in fine] == [(Aspect.STATE, True)]


@pytest.mark.parametrize("truth", [CLEAN, CLEAN_BUT_HARD])
def test_a_false_alarm_is_wrong_by_its_state(truth: Truth) -> None:
    assert [(p.aspect, p.right) for p in hold(truth, SLOWED)] == [(Aspect.STATE, False)]


@pytest.mark.parametrize(
    ("found_bps", "right", "error"),
    [(140e3, True, 0.0), (154e3, True, 0.1), (168e3, False, 0.2), (112e3, False, -0.2), (None, False, None)],
)
def test_a_limit_is_right_within_one_runs_tolerance(found_bps: float | None, right: bool, error: float | None) -> None:
    found = point(THROTTLED, download(limit_bps=found_bps), Aspect.LIMIT)
    assert (found.right, found.direction) == (right, Direction.DOWN)
    assert found.error == (None if error is None else pytest.approx(error, abs=1e-4))


@pytest.mark.parametrize(("found_bytes", "right"), [(18_500, True), (21_500, True), (21_501, False), (None, False)])
def test_a_stall_is_right_within_a_packet(found_bytes: int | None, right: bool) -> None:
    truth = replace(THROTTLED, limit_bps=None, stall_after_bytes=20_000, methods=(Method.STALLED,))
    result = download(stall_after_bytes=found_bytes, method=Method.STALLED)
    assert point(truth, result, Aspect.STALL_OFFSET).right is right


@pytest.mark.parametrize(
    ("hop", "right"), [(Hop(after=3, before=4), True), (Hop(after=2, before=4), False), (None, False)]
)
def test_a_hop_is_right_where_it_is_exact(hop: Hop | None, right: bool) -> None:
    facts = replace(SLOWED.verdict.facts, hop=hop)
    result = replace(SLOWED, verdict=replace(SLOWED.verdict, facts=facts))
    assert point(replace(THROTTLED, hop=3), result, Aspect.HOP).right is right


def test_a_direction_more_is_no_mistake_and_one_less_is() -> None:
    both = replace(SLOWED, measurements=(*SLOWED.measurements, *UPLOADS_SLOWED.measurements))
    assert point(THROTTLED, both, Aspect.DIRECTION).right
    found = point(replace(THROTTLED, directions=(Direction.DOWN, Direction.UP)), SLOWED, Aspect.DIRECTION)
    assert (found.right, found.true, found.found) == (False, "down up", "down")


def test_another_means_than_the_true_one_is_wrong() -> None:
    truth = replace(THROTTLED, mechanisms=(Mechanism.IP_THROTTLE,))
    assert not point(truth, SLOWED, Aspect.MECHANISM).right
    assert not point(THROTTLED, download(method=Method.LOSSY), Aspect.METHOD).right


def test_the_line_itself_is_held_too() -> None:
    assert hold_network(NetworkState.OK, NetworkState.OK).right
    assert not hold_network(NetworkState.WHITE_LIST, NetworkState.OK).right
