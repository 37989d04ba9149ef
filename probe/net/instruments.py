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


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruments:
    clock: Clock
    random: Random
    ports: Ports
    trust: Trust
    gate: AddressGate
    meter: Meter
    known: KnownAddresses
    transactions: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def seconds_until(self, deadline: float) -> float:
        return max(0.0, deadline - self.clock.now())
