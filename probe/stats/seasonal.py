"""What is usual at these hours, and what is left of a series without its pattern over the day and the week?

Lines and servers are busier in the evening and at the weekend: what is compared with the past is compared with the same
hours, and what is searched for changes has its pattern taken out first. All by medians, so that a bad hour counts for
no more than one. Values are logarithms of rates or ratios; times are aware datetimes; hours are UTC.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from probe.model.past import Hours

DAY_HOURS = 24.0
WEEK_HOURS = 168.0
NORMAL_PER_MAD = 1.4826  # a normal distribution's standard deviation by its median absolute deviation
DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """The median, and the standard deviation as the median absolute deviation tells it."""

    median: float
    deviation: float


def usual(values: Sequence[float]) -> Usual:
    """Of one value or more."""
    middle = median(values)
    return Usual(median=middle, deviation=NORMAL_PER_MAD * median(abs(value - middle) for value in values))


def same_hours(
    times: Sequence[datetime], now: datetime, *, half_width_hours: float, enough: int
) -> tuple[Hours, tuple[int, ...]]:
    """The narrowest choice of earlier times with `enough` of them: the same hours of the week, of the day, or all."""
    for hours, period in ((Hours.OF_WEEK, WEEK_HOURS), (Hours.OF_DAY, DAY_HOURS)):
        at = _hour_of_week(now)
        near = tuple(i for i, t in enumerate(times) if _apart(_hour_of_week(t), at, period) <= half_width_hours)
        if len(near) >= enough:
            return hours, near
    return Hours.ALL, tuple(range(len(times)))


def without_pattern(
    times: Sequence[datetime], values: Sequence[float], *, block_hours: int, enough_days: int, enough_weeks: int
) -> list[float]:
    """The series without what the hour of the day, and then the day of the week, usually adds.

    Both are medians of what is left when the running median of a week is taken away, so that a change of level goes
    into neither. A block of the day that was measured on fewer than `enough_days`, and a day of the week in fewer than
    `enough_weeks`, keeps what it has: days are counted and not values, so that no single day is the pattern. `times`
    ascend.
    """
    seconds, days = [time.timestamp() for time in times], [time.toordinal() for time in times]
    rest = [value - level for value, level in zip(values, _week_medians(seconds, values), strict=True)]
    adjusted = list(values)
    for blocks, enough in (
        ([time.hour // block_hours for time in times], enough_days),
        ([time.weekday() for time in times], enough_weeks),
    ):
        adds = _medians(blocks, days, rest, enough)
        rest = [value - add for value, add in zip(rest, adds, strict=True)]
        adjusted = [value - add for value, add in zip(adjusted, adds, strict=True)]
    return adjusted


def _week_medians(seconds: Sequence[float], values: Sequence[float]) -> list[float]:
    """The median of the three and a half days around each value."""
    half, first, after = 3.5 * DAY_SECONDS, 0, 0
    levels, near = list[float](), list[float]()
    for at in seconds:
        while after < len(seconds) and seconds[after] <= at + half:
            insort(near, values[after])
            after += 1
        while seconds[first] < at - half:
            del near[bisect_left(near, values[first])]
            first += 1
        levels.append(near[len(near) // 2])
    return levels


def _medians(blocks: Sequence[int], days: Sequence[int], rest: Sequence[float], enough: int) -> list[float]:
    """For each value the median of its block, or 0 where the block was measured on too few days."""
    found: dict[int, list[float]] = {}
    measured: dict[int, set[int]] = {}
    for block, day, value in zip(blocks, days, rest, strict=True):
        found.setdefault(block, []).append(value)
        measured.setdefault(block, set()).add(day)
    adds = {block: median(held) if len(measured[block]) >= enough else 0.0 for block, held in found.items()}
    return [adds[block] for block in blocks]


def _hour_of_week(time: datetime) -> float:
    return time.weekday() * DAY_HOURS + time.hour + time.minute / 60


def _apart(one: float, other: float, period: float) -> float:
    """The distance on a clock that comes round after `period` hours."""
    distance = abs(one - other) % period
    return min(distance, period - distance)
