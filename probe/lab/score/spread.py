"""How far are estimates off, and what does a verdict cost?

Pure: medians, extremes and shares of lists of numbers. Which numbers belong together is `probe.lab.score.tables`'.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

HIGH_SHARE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Median, the value that 95 % do not exceed, and the greatest."""

    median: float
    high: float
    greatest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """Bytes of a trial, seconds of its goodput measurement and of the run it was part of."""

    family: str
    profile: str
    state: str
    trials: int
    num_bytes: Spread | None
    goodput_seconds: Spread | None
    run_seconds: Spread | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Errors of one kind of estimate. `asked`: how often it was wanted; `given`: how often there was one. The median
    error with its sign, the median without, and how many of those asked are within the tolerance.
    """

    profile: str
    true: str
    asked: int
    given: int
    median: float | None
    median_size: float | None
    within: int


def spread_of(values: Sequence[float]) -> Spread:
    """Of at least one value; the 95 % value is one of them (nearest rank)."""
    ordered = sorted(values)
    rank = math.ceil(HIGH_SHARE * len(ordered)) - 1
    return Spread(median=statistics.median(ordered), high=ordered[rank], greatest=ordered[-1])


def errors_of(errors: Sequence[float | None], *, profile: str, true: str, tolerance: float) -> Errors:
    """`errors`: signed, None where there was no estimate."""
    given = [error for error in errors if error is not None]
    return Errors(
        profile=profile,
        true=true,
        asked=len(errors),
        given=len(given),
        median=statistics.median(given) if given else None,
        median_size=statistics.median(abs(error) for error in given) if given else None,
        within=sum(abs(error) <= tolerance for error in given),
    )
