"""Does a thinned series keep what rules read from it?"""

import asyncio
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from probe.net.sampling import MAX_HELD_SAMPLES, MAX_SAMPLES, Sample, Sampler, thin


def curve(rates: list[float], step_seconds: float = 0.01) -> list[Sample]:
    """One sample a step, `rates` in bytes per step."""
    samples, total = [], 0.0
    for index, rate in enumerate(rates):
        samples.append(Sample(index * step_seconds, int(total), int(total) // 1448, 0.04, 0))
        total += rate
    return samples


def value_at(samples: list[Sample], t: float) -> float:
    """Bytes at `t`, read between samples as a plot does."""
    for one, other in pairwise(samples):
        if one.t <= t <= other.t:
            return one.num_bytes + (other.num_bytes - one.num_bytes) * (t - one.t) / (other.t - one.t)
    raise AssertionError(t)


def test_few_samples_are_all_kept() -> None:
    samples = curve([100.0] * MAX_SAMPLES)
    assert thin(samples, MAX_SAMPLES) == samples


def test_the_corners_of_a_stall_are_kept_to_the_sample() -> None:
    random = Random(1)
    rates = [random.uniform(1000, 3000) for _ in range(2000)]
    rates[700:1100] = [0.0] * 400
    samples = curve(rates)
    thinned = thin(samples, MAX_SAMPLES)
    assert len(thinned) == MAX_SAMPLES
    longest = max(pairwise(thinned), key=lambda pair: pair[1].t - pair[0].t)
    assert abs(longest[0].t - samples[700].t) <= 0.011 and abs(longest[1].t - samples[1100].t) <= 0.011


def test_a_policers_stairs_keep_their_shape() -> None:
    rates = [14_480.0 if index % 20 == 0 else 0.0 for index in range(1500)]
    samples = curve(rates)
    thinned = thin(samples, MAX_SAMPLES)
    worst = max(abs(value_at(thinned, sample.t) - sample.num_bytes) for sample in samples)
    assert worst <= 14_480 / 2 + 1


def test_the_extremes_of_the_round_trip_are_kept() -> None:
    samples = curve([1000.0] * 1000)
    samples[333] = samples[333]._replace(rtt_seconds=1.5)
    samples[444] = samples[444]._replace(rtt_seconds=0.001)
    assert {samples[333], samples[444], samples[0], samples[-1]} <= set(thin(samples, 16))


@given(st.lists(st.integers(0, 50_000), min_size=1, max_size=400), st.integers(4, 64))
def test_thinning_gives_an_ordered_part_of_the_whole(steps: list[int], limit: int) -> None:
    samples = curve([float(step) for step in steps])
    thinned = thin(samples, limit)
    assert len(thinned) == min(limit, len(samples))
    assert thinned[0] == samples[0] and thinned[-1] == samples[-1]
    assert thinned == [sample for sample in samples if sample in set(thinned)]


async def test_flat_runs_cost_two_samples_and_long_ones_are_bounded() -> None:
    rows = iter([*curve([0.0] * 5000), *curve([7.0] * 3 * MAX_HELD_SAMPLES, 1.0)])
    sampler = Sampler(asyncio.get_running_loop(), lambda: next(rows))
    for _ in range(5000):
        sampler.take()
    assert len(sampler.series().t) == 2
    for _ in range(3 * MAX_HELD_SAMPLES):
        sampler.take()
    assert len(sampler.series().t) == MAX_SAMPLES
    assert len(sampler._samples) <= MAX_HELD_SAMPLES


async def test_a_late_tick_is_measured_and_is_one_sample() -> None:
    now, calls = [0.0], []
    loop = asyncio.get_running_loop()

    def read() -> Sample:
        calls.append(now[0])
        return Sample(now[0], len(calls), None, None, None)

    sampler = Sampler(loop, read)
    sampler.start(read())
    sampler._due -= 0.5  # as if the loop had been busy
    sampler._tick()
    sampler.stop()
    assert len(calls) == 2 and sampler.lag_seconds > 0.4
    series = sampler.series()
    assert series.num_bytes == (1, 2) and series.segments == () == series.rtt_seconds
