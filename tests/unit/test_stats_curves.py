"""Are rates, losses and queues read from a transfer's curve as they were?"""

from dataclasses import replace

import pytest

from probe.checks.goodput import Arm
from probe.model.observations import Direction, Series
from probe.stats import curves
from tests.goodput_samples import (
    HANDSHAKE_STREAM_BYTES,
    KIB,
    Times,
    policed_curve,
    shaped_curve,
    stalled_curve,
    steady,
    transfer,
)

TIMES = Times(start=0.4, middle=0.5, tail=0.1)
SIZE = 100_000


def test_whole_counts_from_the_request_to_the_last_byte() -> None:
    made = transfer(Arm.TARGET, TIMES, num_bytes=SIZE)
    assert curves.whole_bps(made) == pytest.approx(8 * SIZE / 1.0)


def test_middle_leaves_out_slow_start_and_the_tail() -> None:
    made = transfer(Arm.TARGET, Times(start=5.0, middle=0.5, tail=5.0), num_bytes=SIZE)
    assert curves.mid_bps(made) == pytest.approx(8 * 0.5 * SIZE / 0.5, rel=1e-3)


def test_middle_falls_back_on_the_whole_when_less_than_half_came() -> None:
    made = transfer(Arm.TARGET, Times(start=2.0, middle=40.0, tail=1.0), num_bytes=SIZE, limit_seconds=3.0)
    assert made.cut and made.num_bytes < SIZE / 2
    assert curves.mid_bps(made) == curves.whole_bps(made)


def test_middle_that_was_cut_counts_the_time_until_the_cut() -> None:
    made = transfer(Arm.TARGET, TIMES, num_bytes=SIZE, curve=stalled_curve(70_000, t0=0.0), limit_seconds=10.0)
    assert curves.mid_bps(made) < 8 * 30_000 / 9.0


def test_rate_of_a_transfer_that_sent_no_request_is_zero() -> None:
    made = replace(transfer(Arm.TARGET, TIMES), t_request=None, series=Series(), num_bytes=0)
    assert curves.whole_bps(made) == curves.mid_bps(made) == 0.0


def test_without_a_curve_the_whole_is_all_that_is_known() -> None:
    made = replace(transfer(Arm.TARGET, TIMES, num_bytes=SIZE), series=Series())
    assert curves.mid_bps(made) == curves.whole_bps(made)
    assert curves.slope_bps(made) is None and curves.straightness(made) is None and curves.fastest_run(made) is None


def test_crossing_is_interpolated() -> None:
    made = transfer(Arm.TARGET, TIMES, num_bytes=SIZE)
    assert made.t_request is not None
    assert curves.crossing(made, 0.2 * SIZE) == pytest.approx(made.t_request + 0.2)
    assert curves.crossing(made, SIZE + 1) is None


def test_slope_of_a_policed_flow_is_the_policers_rate() -> None:
    curve = policed_curve(300e3, t0=0.0, seconds=4.0)
    made = transfer(Arm.TARGET, TIMES, num_bytes=SIZE * 10, curve=curve, limit_seconds=4.0)
    assert curves.slope_bps(made) == pytest.approx(300e3, rel=0.05)
    assert (curves.holes(made) or 0) >= 5
    assert (curves.fastest_run(made) or 9) < 1.3


def test_a_shaper_shows_as_a_queue_without_holes() -> None:
    curve = shaped_curve(300e3, t0=0.0, seconds=3.0)
    made = transfer(Arm.TARGET, TIMES, num_bytes=SIZE * 10, curve=curve, limit_seconds=3.0)
    assert curves.holes(made) == 0
    assert (curves.rtt_growth(made) or 0) > 4
    assert (curves.straightness(made) or 0) > 0.995


def test_retransmitted_share_is_of_delivered_segments() -> None:
    curve = policed_curve(300e3, t0=0.0, seconds=4.0, down=False)
    made = transfer(Arm.TARGET, TIMES, num_bytes=SIZE * 10, curve=curve, direction=Direction.UPLOAD, limit_seconds=4.0)
    assert curves.retransmitted_share(made) == pytest.approx(0.25, abs=0.02)
    assert curves.retransmitted_share(transfer(Arm.TARGET, TIMES)) is None


def test_silence_counts_from_the_last_byte() -> None:
    made = transfer(Arm.TARGET, TIMES, num_bytes=SIZE, curve=stalled_curve(16_000, t0=0.0), limit_seconds=3.0)
    assert curves.tail_silence_seconds(made) == pytest.approx(3.0 - 0.16)
    nothing = replace(made, series=Series(), num_bytes=0)
    assert curves.tail_silence_seconds(nothing) == pytest.approx(3.0 - 0.08)


def test_stream_bytes_include_the_handshake() -> None:
    made = transfer(Arm.TARGET, TIMES, num_bytes=SIZE)
    assert curves.stream_bytes(made) == SIZE + HANDSHAKE_STREAM_BYTES
    assert curves.stream_bytes(replace(made, tcp_after=None)) == SIZE


def test_least_rtt_is_the_kernels_else_the_handshakes() -> None:
    made = transfer(Arm.TARGET, TIMES, rtt=0.09)
    assert curves.min_rtt_seconds(made) == 0.09
    assert curves.min_rtt_seconds(replace(made, tcp_after=None)) == pytest.approx(0.09)
    assert curves.min_rtt_seconds(replace(made, tcp_after=None, t_connected=None)) is None


def test_what_the_record_does_not_allow_is_none() -> None:
    made = transfer(Arm.TARGET, steady(1e6), num_bytes=256 * KIB)
    assert curves.holes(made) is None and curves.rtt_growth(made) is None
