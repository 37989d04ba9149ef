"""How long does a packet wait at the access link, and is there room for it?

A transmitter with a drop-tail buffer, sans-I/O. Who puts packets into it is `probe.lab.line`'s and
`probe.lab.neighbours`'s.
"""

from probe.lab.path import MIN_QUEUE_PACKETS, MTU_BYTES


class Queue:
    """One direction of the access link. The buffer is counted in time: what it holds at the link's rate."""

    def __init__(self, rate_bps: float, buffer_seconds: float) -> None:
        self._rate_bps = rate_bps
        self._limit_seconds = max(buffer_seconds, MIN_QUEUE_PACKETS * MTU_BYTES * 8 / rate_bps)
        self._busy_until = 0.0

    def leaves_at(self, size_bytes: int, now: float) -> float | None:
        """When a packet that arrives now has left; None when there is no room for it."""
        starts_at = max(now, self._busy_until)
        if starts_at - now > self._limit_seconds:
            return None
        self._busy_until = starts_at + size_bytes * 8 / self._rate_bps
        return self._busy_until

    def wait_seconds(self, now: float) -> float:
        """How long a packet that arrives now waits before it is sent."""
        return max(0.0, self._busy_until - now)
