"""What does one probe work with? The module's settings, its time, its bytes, its sockets, its answer and its log."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from probe.config.watch_file import ProbeModule
from probe.metrics.blackbox import Answer
from probe.model.results import CannotRun
from probe.net.getaddrinfo import AddressLookups
from probe.net.instruments import Instruments
from probe.net.limits import AddressGate
from probe.net.meter import Meter
from probe.watch.probe_log import ProbeLog
from probe.watch.probe_targets import Catalogue


class Unavailable(Exception):
    """This machine did not probe: no bytes left, too much going on. It says nothing about the target."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Taken:
    """Bytes that one probe may move; `portion` names what they are a part of, each time differently."""

    num_bytes: int
    portion: str = ""


class Allowance(Protocol):
    """The day's and the month's byte budget, as far as probing is concerned."""

    async def take(self, num_bytes: int) -> Taken | None:
        """Count bytes before they are moved; None: they are not left."""

    async def give_back(self, taken: Taken, unused_bytes: int) -> None:
        """The probe has ended, and so many of what it took were not moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Room:
    """No socket of `meter` moves more than until `end_bytes` in all: `probe.net.meter.Limit`."""

    meter: Meter
    end_bytes: int

    def room_bytes(self) -> int:
        return max(0, self.end_bytes - self.meter.total)

    def left_bytes(self) -> int:
        return self.room_bytes()

    def moved(self, num_bytes: int) -> None:
        """The meter itself knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """`gate` is the one that spares addresses, shared with the runs; `instruments` are the probe's own, with a gate
    that nobody else uses. `deadline` is on the instruments' clock.
    """

    module: ProbeModule
    catalogue: Catalogue
    hostname: str | None
    deadline: float
    instruments: Instruments
    lookups: AddressLookups
    gate: AddressGate
    allowance: Allowance
    answer: Answer
    log: ProbeLog

    @asynccontextmanager
    async def contact(self, address: str, *, max_bytes: int) -> AsyncIterator[None]:
        """Hold one of the address's two slots, and `max_bytes` of the budget of which the unused ones are given back.

        Raises Unavailable.
        """
        async with self.spending(max_bytes):
            try:
                async with self.gate.slot(address, clock=self.instruments.clock, deadline=self.deadline):
                    yield
            except CannotRun as error:
                raise Unavailable(error.problem.detail) from error

    @asynccontextmanager
    async def spending(self, max_bytes: int) -> AsyncIterator[None]:
        """Have `max_bytes` of the budget for what is done meanwhile, and move no more. Raises Unavailable."""
        taken = await self.allowance.take(max_bytes)
        if taken is None:
            raise Unavailable("what probes may take of the day's or the month's byte budget is used up")
        meter = self.instruments.meter
        before = meter.total
        meter.limit = _Room(meter=meter, end_bytes=before + max_bytes)
        try:
            yield
        finally:
            meter.limit = None
            await self.allowance.give_back(taken, max_bytes - (meter.total - before))
