"""Do simulated flows obey what they are made of: the byte count, the deadline, the bucket, the seed?"""

from random import Random

import pytest

from benchmarks.simulation.lines import HOME_DOWN, TO_10, WIFI_DOWN
from benchmarks.simulation.noise import Limit, Weather
from benchmarks.simulation.trials import Measurement, judged, made
from probe.checks.goodput import Arm
from probe.model.observations import Direction
from probe.model.results import State

SIZE = 256 * 1024


def weather(seed: int = 1) -> Weather:
    return Weather(line=WIFI_DOWN, random=Random(seed))


def test_a_flow_delivers_all_of_its_bytes_in_time_order() -> None:
    flow = weather().flow(SIZE)
    assert flow.num_bytes[-1] == SIZE
    assert list(flow.t) == sorted(flow.t)
    assert list(flow.num_bytes) == sorted(flow.num_bytes)


def test_one_seed_gives_one_series() -> None:
    assert weather().flow(SIZE) == weather().flow(SIZE)


def test_a_cut_flow_is_a_cut_transfer() -> None:
    flow = weather().flow(SIZE)
    transfer = made(Arm.NEUTRAL, flow, num_bytes=SIZE, seconds=flow.handshake_seconds + flow.t[-1] / 2)
    assert transfer.cut
    assert 0 < transfer.num_bytes < SIZE
    late = made(Arm.NEUTRAL, flow, num_bytes=SIZE, seconds=flow.handshake_seconds / 2)
    assert (late.num_bytes, late.t_request) == (0, None)


def test_no_more_passes_a_limit_than_its_bucket_lets_through() -> None:
    limit = Limit(name="to 1 %", ratio=0.01, efficiency=1.0, efficiency_sd=0.0)
    flow = weather().flow(SIZE, limit)
    for t, count in zip(flow.t, flow.num_bytes, strict=True):
        assert count <= limit.burst_bytes + 0.01 * WIFI_DOWN.rate_bps / 8 * t + 1


@pytest.mark.parametrize(("limit", "state"), [(None, State.OK), (TO_10, State.THROTTLED)])
def test_the_judge_is_asked_as_the_check_asks_it(limit: Limit | None, state: State) -> None:
    going = Measurement(line=HOME_DOWN, limit=limit, direction=Direction.DOWNLOAD, random=Random(1))
    result = judged(going, figures=True)
    assert result.state is state
    assert result.spent_bytes < 4_000_000
    assert 0 < result.detectable_bps < HOME_DOWN.rate_bps
