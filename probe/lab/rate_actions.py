"""How does a censor slow or freeze a flow?

Policing (drops the excess), shaping (queues it) and freezing (silence after some bytes): the actions that count. What
forbids outright is in `probe.lab.actions`. Rates count whole IP packets, as devices on the path do.
"""

from dataclasses import dataclass

from probe.lab.path import MTU_BYTES
from probe.lab.rules import DROP, PASS, Crossing, Direction, Outcome

BOTH = (Direction.UP, Direction.DOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Police:
    """A token bucket for each flow and direction: what finds no tokens is dropped.

    Seen in Russia from 10 March 2021 on, at 130-150 kbit/s in both directions, for every TLS connection whose SNI
    contained a Twitter name (Xue et al., "Throttling Twitter", IMC 2021). The default burst is that of the net4people
    reproductions.
    """

    rate_bps: float
    burst_bytes: int = 16_000
    directions: tuple[Direction, ...] = BOTH

    def start(self) -> "_Bucket":
        return _Bucket(self)


class _Bucket:
    """The tokens left, per direction, and when they were counted."""

    def __init__(self, rule: Police) -> None:
        self._rule = rule
        self._tokens_bytes = dict.fromkeys(rule.directions, float(rule.burst_bytes))
        self._counted_at: dict[Direction, float] = {}

    def handle(self, crossing: Crossing, now: float) -> Outcome:
        direction = crossing.direction
        if direction not in self._tokens_bytes:
            return PASS
        idle_seconds = max(0.0, now - self._counted_at.get(direction, now))
        self._counted_at[direction] = now
        refilled = self._tokens_bytes[direction] + idle_seconds * self._rule.rate_bps / 8
        tokens = min(float(self._rule.burst_bytes), refilled)
        size = len(crossing.data)
        if size > tokens:
            self._tokens_bytes[direction] = tokens
            return DROP
        self._tokens_bytes[direction] = tokens - size
        return PASS


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A queue of its own for each flow and direction, emptied at a fixed rate; what would wait longer than
    `queue_seconds` is dropped.

    Seen as Tele2's upload slow-down in Russia (2021), and what commercial traffic managers sell as "shaping" (RFC
    2475).
    """

    rate_bps: float
    queue_seconds: float = 1.0
    directions: tuple[Direction, ...] = BOTH

    def start(self) -> "_Queue":
        return _Queue(self)


class _Queue:
    """When the last queued packet of each direction will have left."""

    def __init__(self, rule: Shape) -> None:
        self._rule = rule
        self._busy_until = dict.fromkeys(rule.directions, 0.0)
        # room for two packets, or a slow shaper would pass nothing at all
        self._limit_seconds = max(rule.queue_seconds, 2 * MTU_BYTES * 8 / rule.rate_bps)

    def handle(self, crossing: Crossing, now: float) -> Outcome:
        if crossing.direction not in self._busy_until:
            return PASS
        starts_at = max(now, self._busy_until[crossing.direction])
        if starts_at - now > self._limit_seconds:
            return DROP
        leaves_at = starts_at + len(crossing.data) * 8 / self._rule.rate_bps
        self._busy_until[crossing.direction] = leaves_at
        return Outcome(delay_seconds=leaves_at - now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """Silence, without RST, once a flow has carried this much TCP payload in the direction; then nothing passes
    either way.

    Seen in Russia from June 2025 on: connections to foreign hosts stop after 15-20 KB (net4people/bbs #490).
    """

    after_bytes: int
    direction: Direction = Direction.DOWN

    def start(self) -> "_Meter":
        return _Meter(self)


class _Meter:
    """Payload bytes seen so far, retransmissions included, and whether the flow is frozen."""

    def __init__(self, rule: Freeze) -> None:
        self._rule = rule
        self._seen_bytes = 0
        self._frozen = False

    def handle(self, crossing: Crossing, now: float) -> Outcome:
        if not self._frozen and crossing.direction is self._rule.direction:
            segment = crossing.tcp
            self._seen_bytes += len(segment.payload) if segment else len(crossing.ip.payload)
            self._frozen = self._seen_bytes > self._rule.after_bytes
        return DROP if self._frozen else PASS
