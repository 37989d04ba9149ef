"""How does a censor slow a flow: policing, shaping, loss?

Policing drops the excess, shaping queues it, loss drops at random. Rates count whole IP packets, as devices on the
path do. A bucket or queue is one flow's, unless its rule is `shared`: then all matching flows of the subscriber have
one together.
"""

import random
from dataclasses import dataclass

from probe.lab.path import MTU_BYTES
from probe.lab.rules import DROP, PASS, Crossing, Direction, Outcome
from probe.lab.sightings import Sighting
from probe.wire.packets import TcpFlag

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

    def start(self, sighting: Sighting) -> "_Bucket":
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

    def start(self, sighting: Sighting) -> "_Queue":
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
class Lose:
    """A share of the packets is dropped at random.

    Seen for YouTube's media in Russia from July 2024, over TCP and QUIC (net4people/bbs #382).
    """

    share: float
    directions: tuple[Direction, ...] = BOTH
    seed: int = 0

    def start(self, sighting: Sighting) -> "_Loss":
        return _Loss(self, random.Random(sighting.draw(self.seed)))


class _Loss:
    """The dice of one flow."""

    def __init__(self, rule: Lose, rng: random.Random) -> None:
        self._rule = rule
        self._rng = rng

    def handle(self, crossing: Crossing, now: float) -> Outcome:
        if crossing.direction not in self._rule.directions:
            return PASS
        return DROP if self._rng.random() < self._rule.share else PASS


@dataclass(frozen=True, slots=True, kw_only=True)
class LosePureAcks:
    """A share of the client's acknowledgements without data is dropped at random; handshakes and requests pass.

    Suspected behind the slow-down of YouTube in Russia, 2024 (net4people/bbs #382).
    """

    share: float
    seed: int = 0

    def start(self, sighting: Sighting) -> "_AckLoss":
        return _AckLoss(self, random.Random(sighting.draw(self.seed)))


class _AckLoss:
    """The dice of one flow, cast for pure acknowledgements alone."""

    def __init__(self, rule: LosePureAcks, rng: random.Random) -> None:
        self._rule = rule
        self._rng = rng

    def handle(self, crossing: Crossing, now: float) -> Outcome:
        segment = crossing.tcp
        if segment is None or crossing.direction is Direction.DOWN or segment.payload or segment.flags != TcpFlag.ACK:
            return PASS
        return DROP if self._rng.random() < self._rule.share else PASS
