"""How long is the gap between one start and the next?

Gaps are drawn without memory between a least and a greatest, so that runs meet what comes and goes at equal times no
more often than chance has it (PASTA: Baccelli et al., "The role of PASTA in network measurement", SIGCOMM 2006).
"""

import math
from functools import lru_cache
from hashlib import sha256

from probe.config.watch_file import MINUTES_PER_WEEK, ScheduleSettings

_EVEN = 1e-6  # below it the density is even to within a millionth, and the formulas would divide nothing by nothing
_STEPS = 100  # halvings: more than a double can tell apart
_GREATEST_POWER = 700.0  # of e that a double holds


def draw_after(run_id: str) -> float:
    """A number in [0, 1) that follows from the id of a run, even over all ids."""
    return (int.from_bytes(sha256(run_id.encode()).digest()[:8]) >> 11) / 2**53


def gap_seconds(settings: ScheduleSettings, draw: float) -> float:
    """The gap for `draw` in [0, 1): exponential, cut off at least and greatest, so that its mean is the one asked for.

    Among all gaps between these two with that mean it is the one that assumes least (maximum entropy). M-Lab's own
    library (github.com/m-lab/go, memoryless) clamps instead: a tenth of its gaps is the least, a twelfth the greatest,
    and their mean is 5.5 h where 6 h was asked for.
    """
    least, length = settings.min_seconds, settings.max_seconds - settings.min_seconds
    mean = settings.mean_seconds - least
    if length <= 0:
        return least
    if mean > length / 2:  # rather long than short gaps: the mirror image
        return least + length - _truncated_exponential(length - mean, length, 1 - draw)
    return least + _truncated_exponential(mean, length, draw)


def _truncated_exponential(mean: float, length: float, draw: float) -> float:
    """The quantile `draw`, from 0 to 1, of an exponential on [0, length] with this mean, at most length / 2."""
    decay = _decay(mean / length)
    if decay < _EVEN:
        return length * draw
    return min(length, -length / decay * math.log1p(draw * math.expm1(-decay)))


@lru_cache(maxsize=64)
def _decay(mean: float) -> float:
    """By what power of e the density falls from 0 to 1 where its mean is `mean`, above 0 and at most a half."""
    low, high = 0.0, max(1.0, 2.0 / mean)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _mean(middle) > mean else (low, middle)
    return high


def _mean(decay: float) -> float:
    """Of a density on [0, 1] that falls as exp(-decay x)."""
    if decay < _EVEN:
        return 0.5 - decay / 12
    return 1 / decay - (
        1 / math.expm1(decay) if decay < _GREATEST_POWER else 0.0
    )  # beyond it, expm1 is no double any more


def runs_per_day(settings: ScheduleSettings) -> float:
    """How many runs start on an average day when nothing hinders them."""
    return 86_400 / settings.mean_seconds * (1 - settings.quiet_minutes_per_week / MINUTES_PER_WEEK)


def longest_seconds(settings: ScheduleSettings) -> float:
    """A bound on what a gap may last by the wall clock, quiet hours included."""
    quiet = settings.quiet_minutes_per_week
    if not quiet:
        return settings.max_seconds
    open_seconds = (MINUTES_PER_WEEK - quiet) * 60
    return (settings.max_seconds // open_seconds + 2) * MINUTES_PER_WEEK * 60  # 2: parts of weeks, changes of the clock
