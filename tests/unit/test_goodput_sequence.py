"""Does the sequential rule decide as docs/method/goodput.md says, on numbers alone?"""

from dataclasses import replace

import pytest

from probe.stats.pairs import rank_probability, sign_flip_probability
from probe.verdict.goodput_sequence import MAX_PAIRS, Decision, Measured, decide, flows_differ

LINE = 18e6
UNEVEN = (13e6, 4e6, 9e6, 3e6, 12e6, 5e6, 11e6, 4.5e6, 8e6, 10e6, 6e6)  # as on Wi-Fi with 2 % loss


def pair(ratio: float, *, line: float = LINE, whole: float | None = None, again: bool = False) -> Measured:
    """One pair; the whole's ratio is the middle's unless given."""
    whole_ratio = ratio if whole is None else whole
    return Measured(
        suspect_bps=ratio * line,
        control_bps=line,
        suspect_whole_bps=whole_ratio * line / 2,
        control_whole_bps=line / 2,
        calm=True,
        again=again,
    )


def lossy(ratio: float, suspect: float | None, control: float | None, *, again: bool = False) -> Measured:
    """One pair of which each flow lost that share of its segments."""
    return replace(pair(ratio, again=again), suspect_loss=suspect, control_loss=control)


def decided(*pairs: Measured) -> Decision:
    return decide(pairs, complete=True)


def limited(bps: float, count: int, *, first: int) -> list[Measured]:
    """A limiter's flows beside an uneven line's."""
    return [pair(bps / line, line=line, again=i >= first) for i, line in enumerate(UNEVEN[:count])]


def test_two_pairs_alike_end_a_quiet_series() -> None:
    assert decided(pair(0.95)) is Decision.OPEN
    assert decided(pair(0.95), pair(1.1)) is Decision.NOT_SLOWER


def test_three_slow_pairs_are_measured_again_and_two_more_confirm_them() -> None:
    first = [pair(0.05)] * 3
    assert decided(*first) is Decision.SLOWER
    assert decided(*first, pair(0.05, again=True)) is Decision.SLOWER
    assert decided(*first, *[pair(0.05, again=True)] * 2) is Decision.CONFIRMED


def test_a_pair_that_is_not_usable_stops_every_accusation() -> None:
    found = [*[pair(0.05)] * 3, *[pair(0.05, again=True)] * 2]
    assert decide(found, complete=False) is Decision.NOT_REPEATED


def test_one_slow_pair_on_a_calm_line_is_not_outvoted_by_two() -> None:
    mixed = [pair(1.0), pair(0.02), pair(1.0)]
    assert decided(*mixed) is Decision.OPEN
    assert flows_differ(mixed)
    assert decided(*mixed, pair(1.0), pair(1.0)) is Decision.NOT_SLOWER  # once in five: as an accident


def test_two_slow_pairs_among_fast_ones_are_never_ok() -> None:
    mixed = [pair(1.0), pair(0.02)] * (MAX_PAIRS // 2)
    assert decided(*mixed) is Decision.OPEN
    assert decided(*mixed, pair(1.0)) is Decision.UNDECIDED


def test_nine_slowed_flows_in_ten_are_found() -> None:
    first = [pair(0.02)] * 3
    again = [pair(0.02 if i != 2 else 1.0, again=True) for i in range(5)]
    assert decided(*first, *again[:4]) is Decision.SLOWER
    assert decided(*first, *again) is Decision.CONFIRMED


@pytest.mark.parametrize("count", [7, 8, 9])
def test_a_limit_below_an_uneven_line_is_found(count: int) -> None:
    assert decided(*limited(1e6, 4, first=4)) is Decision.SLOWER
    assert decided(*limited(1e6, count, first=4)) is Decision.CONFIRMED


def test_flows_as_uneven_as_the_line_are_not_a_limiters() -> None:
    rates = (0.3e6, 2.5e6, 0.4e6, 2.2e6, 0.5e6, 1.9e6, 0.6e6)
    found = [pair(a / b, line=b, again=i >= 4) for i, (a, b) in enumerate(zip(rates, UNEVEN, strict=False))]
    assert decided(*found) is Decision.SLOWER


def test_flows_far_below_the_line_need_not_be_even() -> None:
    """As frozen flows, and those that lose every tenth packet, are on a line with losses of its own."""
    rates = (0.3e6, 0.1e6, 0.05e6, 0.06e6, 0.02e6, 0.11e6, 2.5e6)
    found = [pair(a / b, line=b, again=i >= 4) for i, (a, b) in enumerate(zip(rates, UNEVEN, strict=False))]
    assert decided(*found[:6]) is Decision.SLOWER
    assert decided(*found) is Decision.CONFIRMED


def test_losses_in_the_middles_of_a_few_flows_are_not_a_limit() -> None:
    """A whole transfer nearly as fast as its control's, on a line that is calm otherwise: seven pairs, or none."""
    wholes = (0.6, 0.4, 0.9, 0.5, 0.4, 0.5, 0.4)
    middles = (0.25, 0.3, 0.2, 0.33, 0.25, 0.2, 0.3)
    found = [pair(a, whole=b, again=i >= 3) for i, (a, b) in enumerate(zip(middles, wholes, strict=True))]
    assert decided(*found[:6]) is Decision.SLOWER
    assert decided(*found) is Decision.CONFIRMED
    even = [pair(0.25, whole=whole, again=i >= 3) for i, whole in enumerate(wholes)]
    assert decided(*even[:5]) is Decision.CONFIRMED  # as a policer behind its burst


def test_flows_that_lose_packets_are_found_by_their_number() -> None:
    """Neither even nor all far apart, and so far below that chance can hardly be it."""
    rates = (1.0e6, 0.4e6, 1.0e6, 0.6e6, 1.9e6, 2.4e6, 3.0e6, 1.0e6, 0.5e6, 0.7e6)
    line = (11e6, 6e6, 11e6, 11e6, 5e6, 10.5e6, 4.5e6, 4.2e6, 10.6e6, 10.8e6)
    found = [pair(a / b, line=b, again=i >= 3) for i, (a, b) in enumerate(zip(rates, line, strict=True))]
    assert decided(*found[:8]) is Decision.SLOWER
    assert decided(*found) is Decision.CONFIRMED


def test_an_accident_on_an_uneven_line_is_cleared_by_its_repetition() -> None:
    first = [pair(0.3, line=line) for line in UNEVEN[:4]]
    again = [pair(1.1, line=line, again=True) for line in UNEVEN[:6]]
    assert decided(*first) is Decision.SLOWER
    assert decided(*first, *again) is Decision.NOT_SLOWER


def test_a_ratio_between_ends_a_quiet_series_at_seven() -> None:
    assert decided(*[pair(0.65)] * 6) is Decision.OPEN
    assert decided(*[pair(0.65)] * 7) is Decision.UNDECIDED


def test_a_modest_limit_on_a_calm_line_needs_eight_pairs() -> None:
    found = [pair(0.44, whole=0.62, again=i >= 6) for i in range(8)]
    assert decided(*found[:7]) is Decision.SLOWER
    assert decided(*found) is Decision.CONFIRMED


def test_a_flow_without_bytes_counts_as_the_slowest() -> None:
    assert decided(*[pair(0.0)] * 3) is Decision.SLOWER


def test_sign_flips_are_counted_exactly() -> None:
    assert sign_flip_probability([-1.0] * 7) == 1 / 128
    assert sign_flip_probability([-1.0, 1.0]) == 3 / 4
    assert sign_flip_probability([]) == 1.0


def test_ranks_are_counted_exactly() -> None:
    assert rank_probability([1, 2, 3], [4, 5, 6]) == 1 / 20
    assert rank_probability([1, 2, 5], [4, 3, 6]) == pytest.approx((1 + 1 + 2) / 20)
    assert rank_probability([4, 5, 6], [1, 2, 3]) == 1.0


# Ratios under random loss of 10 %, as the lab's uploads gave them: some flows hardly slower, two of them alike.
LUCKY = (0.84, 0.12, 0.5, 0.1, 0.82, 0.09, 0.3, 0.2)
FIRST_LUCKY = 4


def under_loss(suspect: float | None, control: float | None, count: int = len(LUCKY)) -> list[Measured]:
    ratios = enumerate(LUCKY[:count])
    return [lossy(ratio, suspect, control, again=number >= FIRST_LUCKY) for number, ratio in ratios]


def test_flows_that_all_lose_more_are_found_though_some_are_as_fast() -> None:
    assert decided(*under_loss(0.1, 0.0, FIRST_LUCKY)) is Decision.SLOWER
    assert decided(*under_loss(0.1, 0.0, 6)) is Decision.SLOWER, "two pairs are alike, and losses agree: go on"
    assert decided(*under_loss(0.1, 0.0, 7)) is Decision.SLOWER, "the repetition has three pairs"
    assert decided(*under_loss(0.1, 0.0)) is Decision.CONFIRMED


@pytest.mark.parametrize(
    ("suspect", "control"),
    [
        (None, None),  # a platform that does not tell
        (0.1, None),
        (0.02, 0.0),  # what a line loses by itself
        (0.1, 0.05),  # the control loses half as much: the line's
        (0.0, 0.1),
    ],
)
def test_without_losses_of_their_own_they_are_not(suspect: float | None, control: float | None) -> None:
    assert decided(*under_loss(suspect, control)) is Decision.NOT_REPEATED


def test_losses_of_the_first_pairs_alone_accuse_nobody() -> None:
    """The first pairs were gone on with for being slow: only fresh ones show that their losses were no accident."""
    first, fresh = under_loss(0.1, 0.0)[:FIRST_LUCKY], under_loss(0.01, 0.01)[FIRST_LUCKY:]
    assert decided(*first, *fresh) is Decision.NOT_REPEATED


def test_losses_in_one_direction_by_chance_are_not_enough() -> None:
    """One flow in two of either arm takes a path that loses: in one pair of eight it was the control's alone."""
    found = under_loss(0.08, 0.0)
    assert decided(*found) is Decision.CONFIRMED
    assert decided(*found[:-1], lossy(0.2, 0.0, 0.08, again=True)) is not Decision.CONFIRMED
    both_lose = [lossy(p.ratio, 0.1, 0.12 if number % 3 == 0 else 0.0, again=p.again) for number, p in enumerate(found)]
    assert decided(*both_lose) is not Decision.CONFIRMED


def test_a_flow_whose_losses_are_not_known_is_left_out() -> None:
    found = under_loss(0.08, 0.0)
    unknown = lossy(0.1, None, None, again=True)
    assert decided(*found, unknown) is Decision.CONFIRMED
    assert decided(*found[:-2], unknown) is not Decision.CONFIRMED


def test_a_faster_name_may_lose_more() -> None:
    assert decided(lossy(2.0, 0.08, 0.0), lossy(2.0, 0.08, 0.0)) is Decision.NOT_SLOWER


def test_losses_that_slow_nothing_are_not_called_throttling_nor_ok() -> None:
    found = [lossy(ratio, 0.1, 0.0, again=False) for ratio in (0.9, 1.0, 0.95, 0.9)]
    assert decided(*found) is Decision.OPEN
    assert decided(*found, *found) is Decision.UNDECIDED
