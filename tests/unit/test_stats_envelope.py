"""Is the line that bounds a curve found, whatever pauses the curve has below it?"""

from dataclasses import replace

import pytest

from probe.checks.goodput import Arm
from probe.model.observations import Series, Transfer
from probe.stats.curves import slope_bps, standstill_seconds, tail_silence_seconds
from probe.stats.envelope import deepest_pause_segments, limit_line_bps, segments_a_sample
from probe.stats.pairs import tightest_variation
from tests.goodput_samples import policed_curve, shaped_curve, stalled_curve, steady, transfer

SIZE = 1_000_000
RATE_BPS = 400e3


def made(curve: Series, seconds: float = 4.0) -> Transfer:
    return transfer(Arm.TARGET, steady(18e6), num_bytes=SIZE, curve=curve, limit_seconds=seconds)


def with_pause(curve: Series, begins: float, seconds: float) -> Series:
    """Segments that a timeout held back come at once after it: the bucket has kept their tokens."""
    held = max(n for t, n in zip(curve.t, curve.segments, strict=True) if t <= begins)
    paused = [begins < t < begins + seconds for t in curve.t]
    segments = [held if still else n for still, n in zip(paused, curve.segments, strict=True)]
    return replace(curve, segments=tuple(segments))


def test_the_line_of_a_policed_flow_is_the_policers_rate() -> None:
    flow = made(policed_curve(RATE_BPS, t0=0.0, seconds=4.0))
    assert limit_line_bps(flow) == pytest.approx(RATE_BPS, rel=0.02)


def test_a_pause_tilts_the_fit_and_not_the_line() -> None:
    flow = made(with_pause(policed_curve(RATE_BPS, t0=0.0, seconds=4.0), 3.0, 0.9))
    assert limit_line_bps(flow) == pytest.approx(RATE_BPS, rel=0.02)
    assert slope_bps(flow) != pytest.approx(RATE_BPS, rel=0.05)
    assert (deepest_pause_segments(flow) or 0) > 10


def test_a_backlog_leaves_no_pause() -> None:
    flow = made(shaped_curve(RATE_BPS, t0=0.0, seconds=4.0))
    assert (deepest_pause_segments(flow) or 9) < 1.3
    assert segments_a_sample(flow) == pytest.approx(RATE_BPS * 0.01 / 8 / 1500, rel=0.1)


def test_without_a_curve_there_is_no_line() -> None:
    flow = made(Series())
    assert limit_line_bps(flow) is None
    assert deepest_pause_segments(flow) is None
    assert segments_a_sample(flow) is None


def test_segments_behind_a_hole_are_no_standstill() -> None:
    frozen = made(stalled_curve(15_000, t0=0.0))
    assert standstill_seconds(frozen) == tail_silence_seconds(frozen) > 3.0
    times = tuple(0.08 + 0.1 * step for step in range(39))
    curve = Series(t=times, num_bytes=(0,) + (15_000,) * 38, segments=tuple(range(39)))
    waiting = made(curve)
    assert tail_silence_seconds(waiting) > 3.0 > 0.2 > standstill_seconds(waiting)


@pytest.mark.parametrize(
    ("values", "varied"),
    [((100, 101, 99, 100, 250), 0.0082), ((100, 120, 80), 0.2), ((100, 100), 0.0), ((5,), None), ((), None)],
)
def test_one_stray_value_does_not_hide_that_the_others_agree(values: tuple[float, ...], varied: float | None) -> None:
    assert tightest_variation(values) == pytest.approx(varied, abs=1e-3)
