"""Who else is using this line just now?

Cross traffic that really shares the access queue, sans-I/O: neighbours who fetch objects by TCP, packet by packet in
the same drop-tail buffer as the vantage point's own packets, and yield to losses as TCP does. Their packets exist only
as time in the queue: they cost no sockets and hardly any processor. They do not pass the censor.

A neighbour pauses, transfers, pauses; by night the pauses are long, in the evening hardly any (residential traffic
follows the hour like that: Cho et al., "Observing slow crustal movement in residential user traffic", CoNEXT 2008).
Where in the day a line begins is drawn at random. Congestion control is Reno's (RFC 5681): slow start, halving once for
all losses of a round trip, one packet more for each; slow start ends before that when the queue grows, as Linux has it
(HyStart: Ha and Rhee, "Taming the elephants", 2011). There are no time-outs: what is lost is repeated as SACK would.
"""

import heapq
import math
import random
from collections.abc import Callable

from probe.lab.path import MTU_BYTES
from probe.lab.queue import Queue

INITIAL_WINDOW_PACKETS = 10.0  # RFC 6928
LEAST_WINDOW_PACKETS = 2.0
MOST_WINDOW_PACKETS = 700.0  # what a receive window of 1 MB lets in flight
NIGHT_PAUSE_SECONDS = 20.0
EVENING_PAUSE_SECONDS = 1.0
OBJECT_SECONDS = 1.0  # the mean object takes so long with the line to itself: a few seconds of video, a page
QUEUE_GROWN_SECONDS = 0.016  # HyStart's upper bound for the growth of the round trip
LOOK_SECONDS = 0.01  # a longer silence would leave so many packets to catch up with that the vantage point's are late


class Neighbours:
    """`count` neighbours in one direction of the line, whose `queue` they share. They begin to live with the first
    `catch_up`.
    """

    def __init__(
        self, queue: Queue, *, count: int, rate_bps: float, rtt_seconds: float, day_seconds: float, rng: random.Random
    ) -> None:
        self.queue = queue
        self.rng = rng
        self.object_packets = rate_bps * OBJECT_SECONDS / 8 / MTU_BYTES
        self._day_seconds = day_seconds
        self._phase_seconds = rng.uniform(0.0, day_seconds)
        self._neighbours = [_Neighbour(self, rtt_seconds * rng.uniform(0.5, 1.5)) for _ in range(count)]
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._sequence = 0
        self._looked_at: float | None = None

    def catch_up(self, now: float) -> None:
        """Put into the queue what the neighbours have sent by now."""
        if self._looked_at is None:
            self._phase_seconds -= now
            for neighbour in self._neighbours:
                neighbour.pause(now)
        self._looked_at = now
        while self._events and self._events[0][0] <= now:
            due, _, happen = heapq.heappop(self._events)
            happen(due)

    def next_look(self) -> float:
        """When `catch_up` should be called next, if nobody needs the queue before."""
        if self._looked_at is None:
            return 0.0
        return max(self._events[0][0], self._looked_at + LOOK_SECONDS)

    def at(self, when: float, happen: Callable[[float], None]) -> None:
        self._sequence += 1
        heapq.heappush(self._events, (when, self._sequence, happen))

    def busyness(self, now: float) -> float:
        """The hour, from 0 (deep night) to 1 (evening)."""
        return (1 - math.cos(2 * math.pi * (now + self._phase_seconds) / self._day_seconds)) / 2

    def pause_seconds(self, now: float) -> float:
        mean = NIGHT_PAUSE_SECONDS * (EVENING_PAUSE_SECONDS / NIGHT_PAUSE_SECONDS) ** self.busyness(now)
        return self.rng.expovariate(1 / mean)


class _Neighbour:
    """One neighbour: one transfer at a time."""

    def __init__(self, street: Neighbours, rtt_seconds: float) -> None:
        self._street = street
        self._rtt_seconds = rtt_seconds
        self._window = INITIAL_WINDOW_PACKETS
        self._threshold = MOST_WINDOW_PACKETS
        self._in_flight = 0
        self._left = 0
        self._recovers_until = 0.0

    def pause(self, now: float) -> None:
        self._street.at(now + self._street.pause_seconds(now), self._begin)

    def _begin(self, now: float) -> None:
        self._left = 1 + int(self._street.rng.expovariate(1 / self._street.object_packets))
        self._window, self._threshold = INITIAL_WINDOW_PACKETS, MOST_WINDOW_PACKETS
        self._send(now)

    def _send(self, now: float) -> None:
        while self._left and self._in_flight < self._window:
            leaves_at = self._street.queue.leaves_at(MTU_BYTES, now)
            self._left -= 1
            self._in_flight += 1
            if leaves_at is None:  # heard of when the packet behind it is acknowledged
                self._street.at(now + self._street.queue.wait_seconds(now) + self._rtt_seconds, self._lost)
            else:
                self._street.at(leaves_at + self._rtt_seconds, self._acked)
        if not self._left and not self._in_flight:
            self.pause(now)

    def _acked(self, now: float) -> None:
        self._in_flight -= 1
        if self._street.queue.wait_seconds(now) > QUEUE_GROWN_SECONDS:
            self._threshold = min(self._threshold, self._window)
        growth = 1.0 if self._window < self._threshold else 1 / self._window
        self._window = min(MOST_WINDOW_PACKETS, self._window + growth)
        self._send(now)

    def _lost(self, now: float) -> None:
        self._in_flight -= 1
        self._left += 1
        if now >= self._recovers_until:
            self._threshold = self._window = max(LEAST_WINDOW_PACKETS, self._window / 2)
            self._recovers_until = now + self._street.queue.wait_seconds(now) + self._rtt_seconds
        self._send(now)
