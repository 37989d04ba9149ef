"""How did the bytes of one transfer come along over time?

Samples every `SAMPLE_INTERVAL_SECONDS` on the event loop's own timer, measures how late that timer is, and thins the
result to `MAX_SAMPLES` without losing the curve's shape. What is counted is the caller's.
"""

import asyncio
import heapq
from collections.abc import Callable, Sequence
from typing import NamedTuple

from probe.model.observations import Series

SAMPLE_INTERVAL_SECONDS = 0.01  # feasibility §3: 10 ms resolve a policer's holes at any RTT of a real path
MAX_SAMPLES = 256  # what evidence keeps of one transfer
MAX_HELD_SAMPLES = 8192  # thinned while running beyond this, so that a long transfer has bounded memory


class Sample(NamedTuple):
    """`t` on the measurement's clock; counts since the request; None where the platform does not tell."""

    t: float
    num_bytes: int
    segments: int | None
    rtt_seconds: float | None
    retransmits: int | None


class Sampler:
    """Calls `read` on a timer between `start` and `stop`, and whenever `take` is called."""

    def __init__(self, loop: asyncio.AbstractEventLoop, read: Callable[[], Sample]) -> None:
        self._loop = loop
        self._read = read
        self._samples: list[Sample] = []
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.lag_seconds = 0.0

    def start(self, first: Sample) -> None:
        """Keep the first sample and set the timer."""
        self._samples.append(first)
        self._due = self._loop.time()
        self._schedule()

    def take(self) -> Sample:
        """Sample now; returns the sample."""
        sample = self._read()
        samples = self._samples
        if len(samples) >= 2 and samples[-1][1:] == sample[1:] == samples[-2][1:]:
            samples.pop()  # of a flat run only its two ends say anything
        samples.append(sample)
        if len(samples) > MAX_HELD_SAMPLES:
            self._samples = thin(samples, MAX_HELD_SAMPLES // 2)
        return sample

    def stop(self) -> None:
        """Cancel the timer; harmless when it does not run."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def series(self) -> Series:
        """All samples, thinned; a field that any sample lacks is an empty array."""
        samples = thin(self._samples, MAX_SAMPLES)
        rtts = [s.rtt_seconds for s in samples if s.rtt_seconds is not None]
        segments = [s.segments for s in samples if s.segments is not None]
        retransmits = [s.retransmits for s in samples if s.retransmits is not None]
        return Series(
            t=tuple(s.t for s in samples),
            num_bytes=tuple(s.num_bytes for s in samples),
            segments=tuple(segments) if len(segments) == len(samples) else (),
            rtt_seconds=tuple(rtts) if len(rtts) == len(samples) else (),
            retransmits=tuple(retransmits) if len(retransmits) == len(samples) else (),
        )

    def _schedule(self) -> None:
        self._due += SAMPLE_INTERVAL_SECONDS
        self._timer = self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        late = self._loop.time() - self._due
        self.lag_seconds = max(self.lag_seconds, late)
        self._due += max(0.0, late)  # a late tick is one sample, not a burst of them
        self.take()
        self._schedule()


def thin(samples: Sequence[Sample], limit: int) -> list[Sample]:
    """At most `limit` of `samples`, the ends, the RTT's extremes and the corners of bytes and segments among them.

    Drops, one after the other, the sample whose loss changes the two curves least (Visvalingam and Whyatt, Line
    generalisation by repeated elimination of points, 1993): the corners of a stall outlive the points on a slope.
    """
    count = len(samples)
    if count <= limit:
        return list(samples)
    kept = _extremes(samples)
    before, after = list(range(-1, count - 1)), list(range(1, count + 1))
    scale_bytes = 1 / max(1, samples[-1].num_bytes)
    scale_segments = 1 / max(1, samples[-1].segments or 0)

    def weight(index: int) -> float:
        a, b, c = samples[before[index]], samples[index], samples[after[index]]
        return scale_bytes * _bend((a.t, a.num_bytes), (b.t, b.num_bytes), (c.t, c.num_bytes)) + scale_segments * _bend(
            (a.t, a.segments or 0), (b.t, b.segments or 0), (c.t, c.segments or 0)
        )

    current = [0.0] + [weight(index) for index in range(1, count - 1)] + [0.0]
    heap = [(current[index], index) for index in range(count) if index not in kept]
    heapq.heapify(heap)
    dropped: set[int] = set()
    while heap and count - len(dropped) > limit:
        area, index = heapq.heappop(heap)
        if index in dropped or area != current[index]:
            continue  # a stale entry: a neighbour went and its weight was computed anew
        dropped.add(index)
        left, right = before[index], after[index]
        after[left], before[right] = right, left
        for neighbour in (left, right):
            if neighbour not in kept:
                current[neighbour] = max(area, weight(neighbour))
                heapq.heappush(heap, (current[neighbour], neighbour))
    return [sample for index, sample in enumerate(samples) if index not in dropped]


def _extremes(samples: Sequence[Sample]) -> set[int]:
    """Indices that are never dropped: both ends, and the least and greatest RTT."""
    kept = {0, len(samples) - 1}
    known = [index for index, sample in enumerate(samples) if sample.rtt_seconds is not None]
    if known:
        kept.add(min(known, key=lambda index: samples[index].rtt_seconds or 0.0))
        kept.add(max(known, key=lambda index: samples[index].rtt_seconds or 0.0))
    return kept


def _bend(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    """Twice the area of the triangle a b c."""
    return abs((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1]))
