"""What do paired rates say together: their median ratio, and how surely its range covers the true median?

No thresholds: those of the sequential rule are in `probe.verdict.goodput_pairs`.
"""

from collections.abc import Sequence
from functools import cache
from math import comb
from statistics import fmean, stdev


def spread(rates: Sequence[float]) -> float:
    """Greatest by least rate; 1 for fewer than two, infinite where one is 0."""
    if len(rates) < 2:
        return 1.0
    return max(rates) / min(rates) if min(rates) > 0 else float("inf")


def variation(values: Sequence[float]) -> float | None:
    """The coefficient of variation; None for fewer than two values or a mean of 0."""
    if len(values) < 2 or not fmean(values):
        return None
    return stdev(values) / fmean(values)


def tightest_variation(values: Sequence[float]) -> float | None:
    """The variation of all values but the one whose absence makes it least; of all where they are three or fewer."""
    ordered = sorted(values)
    kept = max(3, len(ordered) - 1)
    runs = [ordered[start : start + kept] for start in range(max(1, len(ordered) - kept + 1))]
    return min((varied for run in runs if (varied := variation(run)) is not None), default=None)


def range_level(pairs: int) -> float | None:
    """The confidence with which the least and greatest of `pairs` ratios cover the true median: 1 - 2^(1-pairs).

    The range misses only when all of them lie on one side of the median (David and Nagaraja, Order Statistics, §7.1).
    """
    return 1 - 2.0 ** (1 - pairs) if pairs else None


def sign_flip_probability(differences: Sequence[float]) -> float:
    """How often a random choice of signs gives a sum at most this low: exact, over all 2^n choices.

    Holds for pairs of which it was drawn at random which arm went first, whatever the noise (Fisher, The Design of
    Experiments, §21). For at most some fifteen differences.
    """
    sums = [0.0]
    for value in differences:
        sums = [total + sign * abs(value) for total in sums for sign in (-1, 1)]
    seen = sum(differences) + 1e-9
    return sum(total <= seen for total in sums) / len(sums)


def rank_probability(lower: Sequence[float], upper: Sequence[float]) -> float:
    """How often chance puts the first values at least as low among all as they are (exact; Mann and Whitney 1947)."""
    inversions = sum(low >= high for low in lower for high in upper)
    arrangements = sum(_arrangements(len(lower), len(upper), count) for count in range(inversions + 1))
    return arrangements / comb(len(lower) + len(upper), len(lower))


@cache
def _arrangements(lower: int, upper: int, inversions: int) -> int:
    """In how many orders of so many values exactly so many of the lower kind stand above one of the upper."""
    if inversions < 0 or min(lower, upper) < 0:
        return 0
    if not lower or not upper:
        return int(inversions == 0)
    return _arrangements(lower - 1, upper, inversions - upper) + _arrangements(lower, upper - 1, inversions)
