"""At which points of a series did its level change, and between which of its values may each change lie?

Found by ranks: a sequential change-point model with the Mann-Whitney statistic. After every value each recent split of
the window is tested for a shift between what came before and after it (Hawkins and Deng 2010, "A nonparametric
change-point control chart", Journal of Quality Technology 42(2); over a window as Ross, Tasoulis and Adams 2011,
Technometrics 53(4); Ross 2015, "Parametric and nonparametric sequential change detection in R: the cpm package",
Journal of Statistical Software 66(3)). No outlier, however wild, counts for more than one value, and false alarms do
not depend on the noise's shape. Dated by least absolute deviations from the medians of both sides (Bai 1995,
"Least absolute deviation estimation of a shift", Econometric Theory 11), which knows how large the shift is; ranks do
not, and date badly. Behind a change the watch begins anew.

What the values are, and which thresholds to use, is for `probe.verdict.past_onsets`.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

Accept = Callable[[int, int, int], bool]  # of `values[first:split]` against `values[split:end]`: is the shift large?


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How a series is watched; sizes in values, thresholds in standard deviations of the statistic.

    `interval_gain`: the change may lie at every split whose absolute deviations, in units of the mean one, sum to at
    most this much more than those of the best (for Laplace noise this is the difference of the log likelihoods).
    """

    window: int
    min_before: int
    min_after: int
    max_after: int
    threshold: float
    interval_gain: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePoint:
    """`index` is the first value of the new level as far as can be told, `lowest` and `highest` the first and last
    that may be it; `known` the value that made it certain."""

    index: int
    lowest: int
    highest: int
    known: int


def change_points(values: Sequence[float], rule: Rule, accept: Accept) -> tuple[ChangePoint, ...]:
    """Every change of level, in order. Values are finite; ties count as half each.

    The time taken grows with values × `max_after`.
    """
    alarms: list[tuple[int, int]] = []  # the split, and the value at which it was found
    first, window = 0, list[float]()
    for newest, value in enumerate(values):
        insort(window, value)
        if len(window) > rule.window:
            del window[bisect_left(window, values[first])]
            first += 1
        if not _shifted(values, newest, window, rule):
            continue
        split = _best(_deviations(values, first, newest + 1, rule))
        if accept(first, split, newest + 1):
            alarms.append((split, newest))
            first, window = split, sorted(values[split : newest + 1])
    return _located(values, alarms, rule)


def _shifted(values: Sequence[float], newest: int, window: Sequence[float], rule: Rule) -> bool:
    """Whether the ranks of the latest values among all of the window speak of a shift at any split that still lasts."""
    bounds = _bounds(len(window), rule)
    if not bounds:
        return False
    middle, latest = window[len(window) // 2], values[newest + 1 - rule.min_after : newest + 1]
    if min(latest) <= middle <= max(latest):
        return False
    total = 0
    for after, value in enumerate(reversed(values[newest + 1 - bounds[-1][0] : newest + 1]), start=1):
        total += bisect_left(window, value) + bisect_right(window, value) + 1
        if after >= rule.min_after:
            _, low, high = bounds[after - rule.min_after]
            if not low < total < high:
                return True
    return False


@cache
def _bounds(size: int, rule: Rule) -> tuple[tuple[int, float, float], ...]:
    """For each number of values after a split: between which doubled rank sums there is no shift."""
    bounds = []
    for after in range(rule.min_after, min(rule.max_after, size - rule.min_before) + 1):
        mean = after * (size + 1)
        reach = rule.threshold * (after * (size - after) * (size + 1) / 3) ** 0.5
        bounds.append((after, mean - reach, mean + reach))
    return tuple(bounds)


def _located(values: Sequence[float], alarms: Sequence[tuple[int, int]], rule: Rule) -> tuple[ChangePoint, ...]:
    """Each change dated anew, with what was seen after its alarm, between its neighbours."""
    found: list[ChangePoint] = []
    for number, (split, known) in enumerate(alarms):
        begin = max(found[-1].index if found else 0, split - rule.window)
        following = alarms[number + 1][0] if number + 1 < len(alarms) else len(values)
        deviations = _deviations(values, begin, min(following, known + rule.max_after), rule)
        best = _best(deviations)
        unit = deviations[best] / (min(following, known + rule.max_after) - begin)
        near = [at for at, total in deviations.items() if total - deviations[best] <= rule.interval_gain * unit]
        found.append(ChangePoint(index=best, lowest=min(near), highest=max(near), known=known))
    return tuple(found)


def _best(deviations: Mapping[int, float]) -> int:
    return min(deviations, key=lambda at: deviations[at])


def _deviations(values: Sequence[float], begin: int, end: int, rule: Rule) -> dict[int, float]:
    """For each split that leaves enough on both sides: the absolute deviations from the median of either side."""
    least = max(begin + rule.min_after, end - 2 * rule.max_after)
    return {
        split: _deviation(values[begin:split]) + _deviation(values[split:end])
        for split in range(least, end - rule.min_after + 1)
    }


def _deviation(values: Sequence[float]) -> float:
    """Their distances from their median, summed."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return sum(ordered[len(ordered) - half :]) - sum(ordered[:half])
