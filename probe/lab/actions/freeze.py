"""When does a censor let a flow fall silent?

Freezing after some bytes or packets, without RST. Slowing is `probe.lab.actions.rates`'s.
"""

from dataclasses import dataclass

from probe.lab.rules import DROP, PASS, Crossing, Direction, Outcome
from probe.lab.sightings import Sighting

BOTH = (Direction.UP, Direction.DOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """Silence, without RST, once a flow has carried this much TCP payload in the direction; then nothing passes
    either way.

    Seen in Russia from June 2025 on: connections to foreign hosts stop after 15-20 KB (net4people/bbs #490).
    """

    after_bytes: int
    direction: Direction = Direction.DOWN

    def start(self, sighting: Sighting) -> "_Meter":
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


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeAfterPackets:
    """Silence both ways, without RST, once a flow has had so many packets in these directions together.

    Seen in Russia, 2025-2026: the freeze after 15-20 KB turned out to count about 25 packets, over TCP and UDP
    (dpi-ch's "l4-25" prober).
    """

    packets: int = 25
    directions: tuple[Direction, ...] = BOTH

    def start(self, sighting: Sighting) -> "_Counter":
        return _Counter(self)


class _Counter:
    """Packets seen so far, retransmissions included."""

    def __init__(self, rule: FreezeAfterPackets) -> None:
        self._rule = rule
        self._seen = 0

    def handle(self, crossing: Crossing, now: float) -> Outcome:
        self._seen += self._seen <= self._rule.packets and crossing.direction in self._rule.directions
        return DROP if self._seen > self._rule.packets else PASS
