"""How much of this machine may turn to one address at a time?

Some censors punish a burst of handshakes to one address (design §5): at most two at a time over the whole run.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from probe.model.results import CannotRun, ProblemReason
from probe.net.base import Clock

MAX_HANDSHAKES_PER_ADDRESS = 2  # design §5, a promise to those who run it
LEAST_SHARE_OF_TIME = 0.5  # of what the caller gave: a wait here must not look like a silence of the network
LONGEST_WAIT_SECONDS = 20.0  # three rounds of others' time-outs at an address that drops everything


class AddressGate:
    """Lets two handshakes at a time through to one address, first come first served."""

    __slots__ = ("_gates", "_users")

    def __init__(self) -> None:
        self._gates: dict[str, asyncio.Semaphore] = {}
        self._users: dict[str, int] = {}

    @asynccontextmanager
    async def slot(self, address: str, *, clock: Clock, deadline: float) -> AsyncIterator[None]:
        """Hold one of the address's two slots.

        Raises CannotRun (deadline) when waiting for the slot used up so much of the time until `deadline` that a
        timeout after it would say more about this gate than about the network.
        """
        async with self._held(address, patience_seconds=(deadline - clock.now()) * (1 - LEAST_SHARE_OF_TIME)):
            yield

    @asynccontextmanager
    async def turn(self, address: str, *, clock: Clock, deadline: float) -> AsyncIterator[float]:
        """Hold one of the address's two slots; gives the deadline put off by the wait, so that what the caller does
        has the time it was meant to have. Raises CannotRun (deadline) after `LONGEST_WAIT_SECONDS`.
        """
        began = clock.now()
        async with self._held(address, patience_seconds=LONGEST_WAIT_SECONDS):
            yield deadline + clock.now() - began

    @asynccontextmanager
    async def _held(self, address: str, *, patience_seconds: float) -> AsyncIterator[None]:
        gate = self._gates.setdefault(address, asyncio.Semaphore(MAX_HANDSHAKES_PER_ADDRESS))
        self._users[address] = self._users.get(address, 0) + 1
        try:
            if gate.locked():
                await self._wait(gate, patience_seconds)
            else:
                await gate.acquire()
            try:
                yield
            finally:
                gate.release()
        finally:
            self._users[address] -= 1
            if not self._users[address]:
                del self._users[address], self._gates[address]

    async def _wait(self, gate: asyncio.Semaphore, patience_seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, patience_seconds)):
                await gate.acquire()
        except TimeoutError:
            raise CannotRun(
                ProblemReason.DEADLINE,
                stage="handshake",
                detail="two handshakes to the same address were still going on",
            ) from None


def require_time(clock: Clock, deadline: float, *, stage: str) -> None:
    """Raises CannotRun (deadline) when the deadline is past: an attempt without time would look like a silence."""
    if deadline <= clock.now():
        raise CannotRun(ProblemReason.DEADLINE, stage=stage, detail="no time was left for it")
