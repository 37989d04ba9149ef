"""Does the arithmetic of what could have been seen agree with a policer's bucket?"""

import pytest

from probe.stats.detectable import detectable_burst_bytes, detectable_ratio, shown_ratio, slow_start_seconds
from probe.stats.pairs import range_level, spread, variation

MIDDLE = (0.4, 0.9)
KIB = 1024


def test_without_a_burst_the_ratio_shows_as_it_is() -> None:
    shown = shown_ratio(0.25, 0, window=MIDDLE, num_bytes=256 * KIB, control_bps=20e6, rtt_seconds=0.0)
    assert shown == pytest.approx(0.25)


def test_a_burst_beyond_the_middle_hides_everything() -> None:
    shown = shown_ratio(0.01, 256 * KIB, window=MIDDLE, num_bytes=256 * KIB, control_bps=20e6, rtt_seconds=0.0)
    assert shown == 1.0


def test_a_larger_transfer_shows_weaker_limits() -> None:
    def found(num_bytes: int) -> float:
        return detectable_ratio(
            64 * KIB, threshold=0.33, window=MIDDLE, num_bytes=num_bytes, control_bps=18e6, rtt_seconds=0.04
        )

    assert found(64 * KIB) == 0.0
    assert 0.1 < found(128 * KIB) < found(256 * KIB) <= 0.33


def test_the_detectable_burst_is_where_the_limit_stops_showing() -> None:
    known = {"window": MIDDLE, "num_bytes": 256 * KIB, "control_bps": 18e6, "rtt_seconds": 0.04}
    burst = detectable_burst_bytes(
        0.1, threshold=0.33, window=MIDDLE, num_bytes=256 * KIB, control_bps=18e6, rtt_seconds=0.04
    )
    assert 64 * KIB < burst < 256 * KIB
    assert shown_ratio(0.1, burst - 100, **known) <= 0.33 < shown_ratio(0.1, burst + 100, **known)  # type: ignore[arg-type]


def test_slow_start_doubles_each_round_trip() -> None:
    assert slow_start_seconds(14_480, 0.1) == pytest.approx(0.1)
    assert slow_start_seconds(3 * 14_480, 0.1) == pytest.approx(0.2)


@pytest.mark.parametrize(("pairs", "level"), [(0, None), (1, 0.0), (4, 0.875), (5, 0.9375), (7, 0.984375)])
def test_range_level_is_what_order_statistics_give(pairs: int, level: float | None) -> None:
    assert range_level(pairs) == level


def test_spread_and_variation() -> None:
    assert spread([]) == spread([5.0]) == 1.0
    assert spread([2.0, 6.0]) == 3.0
    assert spread([0.0, 6.0]) == float("inf")
    assert variation([1.0]) is None
    assert variation([0.0, 0.0]) is None
    assert variation([1.0, 1.0, 1.0]) == 0.0
