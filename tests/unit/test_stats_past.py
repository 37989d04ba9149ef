"""Do the methods behind the comparison with the past do what their papers say?"""

import math
import random
from datetime import UTC, datetime, timedelta
from statistics import median

import pytest
from scipy.stats import mannwhitneyu

from probe.model.past import Hours
from probe.stats import change_points, seasonal
from probe.stats.change_points import Rule

RULE = Rule(window=80, min_before=8, min_after=4, max_after=28, threshold=4.0, interval_gain=3.0)
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def found(values: list[float], rule: Rule = RULE) -> list[change_points.ChangePoint]:
    return list(change_points.change_points(values, rule, lambda *_: True))


def noisy(*levels: tuple[int, float], seed: int = 1, deviation: float = 1.0) -> list[float]:
    rng = random.Random(seed)
    return [level + rng.gauss(0, deviation) for count, level in levels for _ in range(count)]


def test_the_statistic_is_that_of_mann_and_whitney() -> None:
    """The bounds say "shift" exactly where SciPy's normal approximation is beyond the threshold."""
    rng = random.Random(5)
    size, after = 60, 9
    for _ in range(200):
        values = [rng.gauss(0, 1) for _ in range(size - after)] + [rng.gauss(-1.5, 1) for _ in range(after)]
        ranks = sorted(values)
        doubled = sum(2 * (ranks.index(v) + 1) for v in values[-after:])
        _, low, high = change_points._bounds(size, RULE)[after - RULE.min_after]
        two_sided = mannwhitneyu(values[-after:], values[:-after], method="asymptotic", use_continuity=False).pvalue
        beyond = bool(two_sided < math.erfc(RULE.threshold / math.sqrt(2)))
        assert (not low < doubled < high) is beyond


@pytest.mark.parametrize("seed", range(5))
def test_a_shift_is_found_at_its_place(seed: int) -> None:
    (change,) = found(noisy((60, 0.0), (40, -5.0), seed=seed))
    assert change.lowest <= 60 <= change.highest
    assert abs(change.index - 60) <= 1
    assert 63 <= change.known <= 70


def test_several_shifts_are_found_in_order() -> None:
    values = noisy((60, 0.0), (40, 5.0), (60, -2.0), deviation=0.5)
    assert [change.index for change in found(values)] == [60, 100]


def test_an_outlier_counts_for_one_value_however_wild() -> None:
    values = noisy((100, 0.0))
    values[50] = values[51] = 1e9
    assert not found(values)


def test_what_is_not_accepted_is_no_change() -> None:
    values = noisy((60, 0.0), (40, -5.0))
    assert not change_points.change_points(values, RULE, lambda *_: False)
    large = change_points.change_points(
        values, RULE, lambda first, split, end: abs(median(values[split:end]) - median(values[first:split])) > 3
    )
    assert [change.index for change in large] == [60]


@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 300, [float(n % 2) for n in range(300)]])
def test_series_without_a_change_have_none(values: list[float]) -> None:
    assert not found(values)


def test_a_change_without_noise_has_the_narrowest_interval() -> None:
    (change,) = found([1.0] * 50 + [0.0] * 50)
    assert (change.lowest, change.index, change.highest) == (50, 50, 50)


def test_later_values_do_not_unsay_a_change() -> None:
    values = noisy((60, 0.0), (40, -5.0), (40, -5.0))
    ends = [found(values[:end]) for end in range(75, 140)]
    assert {changes[0].known for changes in ends} == {ends[0][0].known}
    assert all(abs(changes[0].index - 60) <= 1 for changes in ends)


def test_a_pattern_over_the_day_is_taken_out_and_a_level_is_not() -> None:
    times = [MONDAY + timedelta(hours=6 * n) for n in range(200)]
    pattern = {0: 0.0, 6: 0.2, 12: -0.1, 18: -1.5}
    levels = [0.0] * 120 + [-2.0] * 80
    values = [level + pattern[time.hour] for level, time in zip(levels, times, strict=True)]
    rest = seasonal.without_pattern(times, values, block_hours=4, enough_days=8, enough_weeks=3)
    for part in (rest[:120], rest[120:]):
        assert max(part) - min(part) < 0.2  # of 1.7 before; a median of an even number may lie at either side
    assert median(rest[120:]) - median(rest[:120]) == pytest.approx(-2.0, abs=0.1)


def test_a_pattern_over_the_week_is_taken_out() -> None:
    times = [MONDAY + timedelta(hours=6 * n) for n in range(28 * 6)]
    values = [-0.7 if time.weekday() >= 5 else 0.0 for time in times]
    rest = seasonal.without_pattern(times, values, block_hours=4, enough_days=8, enough_weeks=3)
    assert max(rest) - min(rest) < 0.01


def test_too_few_values_have_no_pattern() -> None:
    times = [MONDAY + timedelta(hours=6 * n) for n in range(12)]
    values = [-1.0 if time.hour == 18 else 0.0 for time in times]
    assert seasonal.without_pattern(times, values, block_hours=4, enough_days=8, enough_weeks=3) == values


def test_the_same_hours_come_round_at_midnight_and_at_the_end_of_the_week() -> None:
    sunday = MONDAY - timedelta(minutes=30)
    times = [sunday - timedelta(weeks=n) for n in range(8)]
    assert seasonal.same_hours(times, MONDAY, half_width_hours=2, enough=8) == (Hours.OF_WEEK, tuple(range(8)))
    days = [sunday - timedelta(days=n) for n in range(8)]
    assert seasonal.same_hours(days, MONDAY, half_width_hours=2, enough=8) == (Hours.OF_DAY, tuple(range(8)))
    noon = [MONDAY - timedelta(hours=12 + 24 * n) for n in range(8)]
    assert seasonal.same_hours(noon, MONDAY, half_width_hours=2, enough=8)[0] is Hours.ALL


def test_the_usual_is_a_median_with_a_normal_deviation() -> None:
    rng = random.Random(2)
    found = seasonal.usual([rng.gauss(3, 0.5) for _ in range(4001)])
    assert found.median == pytest.approx(3, abs=0.03)
    assert found.deviation == pytest.approx(0.5, rel=0.05)
