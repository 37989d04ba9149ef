"""How does a verdict compare with what is known to be true?

Pure: one target's truth and its result in, points out, each a question with the true and the found answer. Running a
scenario is `probe.lab.scenarios.running`'s, counting points over many runs `probe.lab.score`'s.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from probe.checks.goodput.evidence import Evidence
from probe.lab.rules import Direction
from probe.lab.scenarios.base import Truth
from probe.model.results import GoodputFacts, Hop, NetworkState, State, TargetResult, Verdict
from probe.verdict.goodput import judge_direction

LIMIT_TOLERANCE = 0.15  # share of the true rate, in one run; the median of many is promised within 5 % (the score says)
MOST_LIMIT_BPS = 2e6  # beyond it transfers of 256 KB hardly meet the limiter, and nothing is promised
STALL_TOLERANCE_BYTES = 1_500  # one full packet: a finer offset cannot be seen, the censor cuts between packets
ACCUSATIONS = (State.BLOCKED, State.THROTTLED)
NOTHING = "-"


class Aspect(StrEnum):
    """What was asked of a verdict. All but the state are asked only of accusations that are right."""

    STATE = "state"
    MECHANISM = "mechanism"
    DIRECTION = "direction"
    METHOD = "method"
    LIMIT = "limit"
    STALL_OFFSET = "stall_offset"
    HOP = "hop"
    NETWORK = "network"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One question. `true`: the acceptable answers, the wanted one first; `found`: what the verdict says, `-` for
    nothing; both for reading and for tables. `direction`: of the path, where the question is about one.
    `error`: signed, found less true: a share of the true limit, bytes of a stall's offset; None where there is no
    number on both sides.
    """

    aspect: Aspect
    true: str
    found: str
    right: bool
    direction: Direction | None = None
    error: float | None = None


def hold(truth: Truth, result: TargetResult) -> tuple[Point, ...]:
    """The state first, then what else the truth asks of an accusation.

    A verdict that accuses nobody is asked for its state alone, and so is a false alarm: a method is right in a share of
    what was found.
    """
    verdict = result.verdict
    points = [_among(Aspect.STATE, [s.value for s in truth.states], [verdict.state.value])]
    if verdict.state not in ACCUSATIONS or not truth.interfered:
        return tuple(points)
    if truth.mechanisms:
        points.append(
            _among(Aspect.MECHANISM, [m.value for m in truth.mechanisms], [m.value for m in verdict.mechanisms])
        )
    if truth.directions:
        points.append(_directions(truth, slowed_directions(result)))
    for direction in truth.directions:
        points += _goodput(truth, direction, facts_of(verdict, direction))
    if truth.hop is not None:
        points.append(_hop(truth.hop, verdict))
    return tuple(points)


def hold_network(expected: NetworkState, found: NetworkState) -> Point:
    """Whether the line itself was judged rightly."""
    return _among(Aspect.NETWORK, [expected.value], [found.value])


def all_right(points: Iterable[Point]) -> bool:
    return all(point.right for point in points)


def facts_of(verdict: Verdict, direction: Direction) -> GoodputFacts | None:
    """The figures of the path's direction; None where nothing was transferred."""
    return verdict.facts.download if direction is Direction.DOWN else verdict.facts.upload


def slowed_directions(result: TargetResult) -> tuple[Direction, ...]:
    """The directions that are themselves accused, by the judge of a single direction on the evidence in the result."""
    found: dict[Direction, None] = {}
    for measurement in result.measurements:
        evidence = measurement.attempt.evidence
        if isinstance(evidence, Evidence):
            for direction, series in ((Direction.DOWN, evidence.download), (Direction.UP, evidence.upload)):
                if series is not None and judge_direction(series).state in ACCUSATIONS:
                    found[direction] = None
    return tuple(found)


def _among(aspect: Aspect, true: list[str], found: list[str]) -> Point:
    return Point(
        aspect=aspect, true=" ".join(true), found=" ".join(found) or NOTHING, right=bool(set(true) & set(found))
    )


def _directions(truth: Truth, slowed: tuple[Direction, ...]) -> Point:
    """Every direction asked must be found. One more is no mistake of the verdict's: a limit on what goes up also takes
    the acknowledgements of what comes down.
    """
    return Point(
        aspect=Aspect.DIRECTION,
        true=" ".join(d.value for d in truth.directions),
        found=" ".join(d.value for d in slowed) or NOTHING,
        right=set(truth.directions) <= set(slowed),
    )


def _goodput(truth: Truth, direction: Direction, facts: GoodputFacts | None) -> list[Point]:
    points = []
    if truth.methods:
        found = [facts.method.value] if facts else []
        point = _among(Aspect.METHOD, [m.value for m in truth.methods], found)
        points.append(
            Point(aspect=point.aspect, true=point.true, found=point.found, right=point.right, direction=direction)
        )
    if truth.limit_bps is not None and truth.limit_bps <= MOST_LIMIT_BPS:
        points.append(_limit(truth.limit_bps, direction, facts.limit_bps if facts else None))
    if truth.stall_after_bytes is not None:
        points.append(_stall(truth.stall_after_bytes, direction, facts.stall_after_bytes if facts else None))
    return points


def _limit(true_bps: float, direction: Direction, found_bps: float | None) -> Point:
    error = None if found_bps is None else found_bps / true_bps - 1
    return Point(
        aspect=Aspect.LIMIT,
        true=f"{true_bps / 1e3:.0f} kbit/s",
        found=NOTHING if found_bps is None else f"{found_bps / 1e3:.0f} kbit/s",
        right=found_bps is not None and abs(found_bps - true_bps) <= LIMIT_TOLERANCE * true_bps,
        direction=direction,
        error=error,
    )


def _stall(true_bytes: int, direction: Direction, found_bytes: int | None) -> Point:
    error = None if found_bytes is None else found_bytes - true_bytes
    return Point(
        aspect=Aspect.STALL_OFFSET,
        true=f"{true_bytes} B",
        found=NOTHING if found_bytes is None else f"{found_bytes} B",
        right=error is not None and abs(error) <= STALL_TOLERANCE_BYTES,
        direction=direction,
        error=error,
    )


def _hop(true_after: int, verdict: Verdict) -> Point:
    """Exact: after the true router and before the next; a wider bracket is not yet an answer."""
    found = next((hop for hop in _hops(verdict) if hop is not None), None)
    return Point(
        aspect=Aspect.HOP,
        true=f"{true_after}-{true_after + 1}",
        found=NOTHING if found is None else f"{found.after}-{found.before}",
        right=found == Hop(after=true_after, before=true_after + 1),
    )


def _hops(verdict: Verdict) -> tuple[Hop | None, ...]:
    facts = verdict.facts
    figures = (facts.download, facts.upload)
    return (facts.hop, *(f.hop for f in figures if f is not None))
