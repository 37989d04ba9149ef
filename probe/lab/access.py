"""What does the access link do to a packet: how long does it take, and does it get through?

One direction of the line between the home router and the operator, sans-I/O: its queue, which it shares with the
neighbours, its random losses and its jitter. Where it lies on the path is `probe.lab.line`'s.
"""

import random
from dataclasses import dataclass

from probe.lab.neighbours import Neighbours
from probe.lab.path import PathProfile
from probe.lab.queue import Queue
from probe.lab.rules import Direction


@dataclass(slots=True, kw_only=True)
class LineCounters:
    """Packets by what became of them, since the lab began."""

    carried_up: int = 0
    carried_down: int = 0
    lost: int = 0
    queue_dropped: int = 0
    censor_dropped: int = 0
    injected: int = 0
    expired: int = 0
    nowhere: int = 0
    too_big: int = 0
    forgotten: int = 0


class AccessLink:
    """One direction of it; what it loses and drops it counts in `counters`."""

    def __init__(
        self, profile: PathProfile, direction: Direction, *, counters: LineCounters, rng: random.Random
    ) -> None:
        up = direction is Direction.UP
        rate_bps = profile.up_bps if up else profile.down_bps
        count = profile.neighbours_up if up else profile.neighbours_down
        self._counters = counters
        self._rng = rng
        self._loses_first = up  # what the home's own radio loses is lost on this side of the queue
        self._loss = profile.loss
        self._jitter_seconds = profile.jitter_seconds
        self._keeps_order = profile.keeps_order
        self._last_arrival = 0.0
        self._queue = Queue(rate_bps, profile.buffer_seconds)
        self._neighbours = (
            Neighbours(
                self._queue,
                count=count,
                rate_bps=rate_bps,
                rtt_seconds=profile.rtt_seconds,
                day_seconds=profile.day_seconds,
                rng=random.Random(rng.getrandbits(64)),
            )
            if count
            else None
        )

    def arrival(self, size_bytes: int, now: float) -> float | None:
        """When a packet that comes to the link now is through; None when it is lost or finds no room."""
        if self._neighbours is not None:
            self._neighbours.catch_up(now)
        if self._loses_first and self._loses():
            return None
        leaves_at = self._queue.leaves_at(size_bytes, now)
        if leaves_at is None:
            self._counters.queue_dropped += 1
            return None
        if not self._loses_first and self._loses():
            return None
        if not self._jitter_seconds:
            return leaves_at
        arrives = leaves_at + self._rng.uniform(0.0, self._jitter_seconds)
        if self._keeps_order:
            arrives = self._last_arrival = max(arrives, self._last_arrival)
        return arrives

    def next_look(self) -> float | None:
        """When `look` has something to do, if no packet comes before."""
        return self._neighbours.next_look() if self._neighbours is not None else None

    def look(self, now: float) -> None:
        """Let the neighbours do what is due by now."""
        if self._neighbours is not None:
            self._neighbours.catch_up(now)

    def _loses(self) -> bool:
        if self._loss and self._rng.random() < self._loss:
            self._counters.lost += 1
            return True
        return False
