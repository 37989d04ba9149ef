"""What do paired rates say together: their median ratio, and how surely its range covers the true median?

No thresholds: those of the sequential rule are in `probe.verdict.goodput_pairs`.
"""

from collections.abc import Sequence
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


def range_level(pairs: int) -> float | None:
    """The confidence with which the least and greatest of `pairs` ratios cover the true median: 1 - 2^(1-pairs).

    The range misses only when all of them lie on one side of the median (David and Nagaraja, Order Statistics, §7.1).
    """
    return 1 - 2.0 ** (1 - pairs) if pairs else None
