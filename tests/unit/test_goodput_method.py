"""Is the means named rightly, and is a signature seen only where every flow carries it?"""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from probe.checks.goodput import Arm
from probe.model.observations import Direction, Series, Transfer
from probe.model.results import Method
from probe.verdict.goodput_method import limit_bps, method_of, signature_of
from probe.verdict.goodput_stall import all_stall_alike, stall_offset, stand_still
from tests.goodput_samples import policed_curve, shaped_curve, stalled_curve, steady, transfer
from tests.unit.test_stats_envelope import with_pause

SECONDS = 3.0
RATE_BPS = 400e3


def flow(curve: Series, *, direction: Direction = Direction.DOWNLOAD) -> Transfer:
    return transfer(Arm.TARGET, steady(18e6), curve=curve, limit_seconds=SECONDS, direction=direction)


def policed(rate_bps: float = RATE_BPS) -> Series:
    return policed_curve(rate_bps, t0=0.0, seconds=SECONDS)


def policed_upload(rate_bps: float, share: float) -> Transfer:
    """Policed, with so many of its segments sent again."""
    curve = policed_curve(rate_bps, t0=0.0, seconds=SECONDS, down=False)
    again = tuple(int(share * n) for n in curve.segments)
    return flow(replace(curve, retransmits=again), direction=Direction.UPLOAD)


def shaped(*, lost: float = 0.0, direction: Direction = Direction.DOWNLOAD) -> Transfer:
    curve = shaped_curve(RATE_BPS, t0=0.0, seconds=SECONDS)
    return flow(replace(curve, retransmits=tuple(int(lost * n) for n in curve.segments)), direction=direction)


def stalled(after_bytes: int = 15_000) -> Transfer:
    return flow(stalled_curve(after_bytes, t0=0.0))


def test_one_line_below_which_flows_pause_is_a_policers() -> None:
    flows = [flow(policed()), flow(with_pause(policed(), 1.5, 0.8)), flow(policed()), flow(policed()), flow(policed())]
    assert method_of(flows) is Method.POLICED
    assert limit_bps(flows, Method.POLICED) == pytest.approx(RATE_BPS, rel=0.02)


def test_a_line_that_a_small_bucket_may_have_made_is_no_limit() -> None:
    """At 40 ms ten segments a round trip are 3 Mbit/s."""
    assert limit_bps([flow(policed(2e6))] * 5, Method.POLICED) == pytest.approx(2e6, rel=0.02)
    assert limit_bps([flow(policed(5e6))] * 5, Method.POLICED) is None


def test_a_flow_that_falls_short_does_not_hide_the_policer() -> None:
    flows = [flow(policed(rate)) for rate in (400e3, 400e3, 250e3, 400e3, 300e3)]
    assert method_of(flows) is Method.POLICED


def test_rates_of_their_own_are_a_lossy_lines() -> None:
    assert method_of([flow(policed(rate)) for rate in (900e3, 400e3, 600e3, 1200e3, 500e3)]) is Method.LOSSY


@pytest.mark.parametrize(("share", "method"), [(0.1, Method.LOSSY), (0.5, Method.POLICED)])
def test_few_segments_are_coarse_and_many_sent_again_settle_it(share: float, method: Method) -> None:
    rates = (900e3, 1000e3, 1120e3, 1250e3, 800e3)
    assert method_of([policed_upload(rate, share) for rate in rates]) is method


@pytest.mark.parametrize("lost", [0.0, 0.8])
@pytest.mark.parametrize("direction", list(Direction))
def test_an_even_rate_behind_a_queue_is_a_shapers_even_where_the_queue_overflows(
    lost: float, direction: Direction
) -> None:
    flows = [shaped(lost=lost, direction=direction)] * 5
    assert method_of(flows) is Method.SHAPED
    assert limit_bps(flows, Method.SHAPED) == pytest.approx(RATE_BPS * 1500 / 1448, rel=0.03)


def test_flows_that_show_nothing_are_of_unknown_means() -> None:
    assert method_of([replace(flow(policed()), series=Series())] * 5) is Method.UNKNOWN


@pytest.mark.parametrize(
    ("offsets", "offset"),
    [
        ((15_000,) * 5, 15_900),
        ((15_000, 14_000, 3_000, 13_000, 6_000), 15_900),  # holes of a lossy line before the freeze
        ((15_000, 9_000, 3_000, 11_000, 6_000), None),
        ((15_000, 9_000, 3_000, 14_900, 6_000), None),
        ((15_000, 9_000, 3_000, 15_000, 6_000, 15_000, 8_000), 15_900),
    ],
)
def test_the_offset_of_a_freeze_is_the_farthest_that_most_reach(offsets: Sequence[int], offset: int | None) -> None:
    flows = [stalled(after) for after in offsets]
    assert stand_still(flows) and method_of(flows) is Method.STALLED
    assert stall_offset(flows) == offset


def test_a_freeze_stays_one_where_a_single_flow_never_began() -> None:
    lost = replace(stalled(), num_bytes=0, series=Series(), t_request=None, t_first_byte=None)
    assert stand_still([stalled(), stalled(), lost, stalled(), stalled()])
    assert stand_still([stalled(), stalled(), lost, lost, stalled()])
    brief = transfer(Arm.TARGET, steady(18e6), curve=stalled_curve(15_040, t0=0.0), limit_seconds=0.5)
    assert stand_still([stalled(), stalled(), stalled(), brief, brief])  # handshakes differ by some bytes
    assert not stand_still([stalled(), stalled(), lost, lost, lost])
    assert not stand_still([stalled(), stalled(), flow(policed()), lost, stalled()])
    assert not stand_still([])


def test_flows_that_go_on_do_not_stand_still() -> None:
    assert not stand_still([flow(policed())] * 5)


def healthy() -> Transfer:
    made = transfer(Arm.CONTROL, steady(18e6))
    count = len(made.series.t)
    segments = tuple(n // 1448 for n in made.series.num_bytes)
    curve = replace(made.series, segments=segments, rtt_seconds=(0.04,) * count, retransmits=(0,) * count)
    return replace(made, series=curve)


CONTROLS = [healthy()] * 3


@pytest.mark.parametrize(
    ("flows", "signature"),
    [
        ([flow(policed())] * 6, Method.POLICED),
        ([shaped()] * 6, Method.SHAPED),
        ([stalled()] * 6, Method.STALLED),
        ([flow(policed())] * 5 + [healthy()], None),
        ([shaped()] * 5 + [healthy()], None),
        ([stalled()] * 5 + [stalled(6_000)], None),
        ([shaped(lost=0.8, direction=Direction.UPLOAD)] * 6, None),  # named by its rate, but no signature
        ([flow(policed(rate)) for rate in (400e3, 400e3, 250e3, 400e3, 300e3, 200e3)], None),
        ([flow(policed())] * 2, None),
    ],
)
def test_a_signature_is_every_flows(flows: Sequence[Transfer], signature: Method | None) -> None:
    assert signature_of(flows, CONTROLS) is signature


def test_a_signature_that_the_control_shares_is_none() -> None:
    assert signature_of([flow(policed())] * 6, [flow(policed())] * 3) is None
    assert signature_of([shaped()] * 6, [shaped()] * 3) is None
    assert signature_of([stalled()] * 6, [stalled()] * 3) is None
    assert signature_of([flow(policed())] * 6, []) is None
    assert not all_stall_alike([flow(policed())] * 6)
