"""What does every network operation of one measurement work with?

The collaborators that are shared by a run, beside the measurement's own clock, meter and counter.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from probe.net.base import Clock
from probe.net.limits import AddressGate
from probe.net.meter import Meter
from probe.net.ports import Ports
from probe.net.trust import Trust
from probe.wire.scrub import scrub


class KnownAddresses:
    """The servers and resolvers of this run; no other address may stand in evidence."""

    __slots__ = ("_addresses",)

    def __init__(self) -> None:
        self._addresses: frozenset[str] = frozenset()  # one object as long as nothing is new

    def add(self, *addresses: str) -> None:
        if not self._addresses.issuperset(addresses):
            self._addresses |= frozenset(addresses)

    def scrub(self, text: str) -> str:
        return scrub(text, self._addresses)


class Routers:
    """Numbers for the routers that answered in one measurement, in the order heard: all that evidence may know."""

    __slots__ = ("_numbers",)

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}

    def number(self, packed_address: bytes) -> int:
        return self._numbers.setdefault(packed_address, len(self._numbers) + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruments:
    clock: Clock
    random: Random
    ports: Ports
    trust: Trust
    gate: AddressGate
    meter: Meter
    known: KnownAddresses
    routers: Routers = field(default_factory=Routers)
    transactions: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def seconds_until(self, deadline: float) -> float:
        return max(0.0, deadline - self.clock.now())
