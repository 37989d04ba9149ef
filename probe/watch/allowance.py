"""Are there bytes left for a probe that somebody asks for?

Claims of the store's budget in portions, so that a probe costs no write to the disk; a process that dies is charged
with the portion that it had.
"""

import asyncio
from collections.abc import Callable
from random import Random

from probe.model.uuid7 import uuid7
from probe.store import Limits, Store, StoreError
from probe.watch.clock import Clock
from probe.watch.probe_setup import Taken

PORTION_BYTES = 1_000_000  # some hundred probes of a TLS module
# Of a day's and a month's bytes, whoever used the rest: a scrape interval that was chosen too short must not end runs.
SHARE_OF_PROBES = 0.5


def share_of_probes(limits: Limits) -> Limits:
    """Up to where in the day's and the month's budget probes may still be made; what is beyond is left to runs."""
    return Limits(run=limits.run, day=int(limits.day * SHARE_OF_PROBES), month=int(limits.month * SHARE_OF_PROBES))


class ProbeAllowance:
    """Implements `probe.watch.probe_setup.Allowance`. `limits`: what is in force; `say` hears of a failing store."""

    def __init__(
        self, store: Store, *, clock: Clock, random: Random, limits: Callable[[], Limits], say: Callable[[str], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._random = random
        self._limits = limits
        self._say = say
        self._lock = asyncio.Lock()
        self._claim = ""
        self._day = ""
        self._granted_bytes = 0
        self._taken_bytes = 0
        self._open: dict[Taken, None] = {}  # of this portion or an earlier one: what its probe has not given back yet

    async def take(self, num_bytes: int) -> Taken | None:
        """Count bytes before they are moved; None: they are not left, or the store cannot tell."""
        async with self._lock:
            if self._store.today() != self._day or num_bytes > self._granted_bytes - self._taken_bytes:
                try:
                    await asyncio.to_thread(self._renew, num_bytes)
                except StoreError as error:
                    self._say(str(error))
                    return None
            if num_bytes > self._granted_bytes - self._taken_bytes:
                return None
            self._taken_bytes += num_bytes
            taken = Taken(num_bytes=num_bytes, portion=self._claim)
            self._open[taken] = None
            return taken

    async def give_back(self, taken: Taken, unused_bytes: int) -> None:
        """The probe has ended. What it did not use of a portion that was settled meanwhile stays charged."""
        async with self._lock:
            del self._open[taken]
            if taken.portion == self._claim:
                self._taken_bytes -= unused_bytes

    async def close(self) -> None:
        """Give back what was not used."""
        async with self._lock:
            try:
                await asyncio.to_thread(self._settle)
            except StoreError as error:
                self._say(str(error))

    def _renew(self, least_bytes: int) -> None:
        self._settle()
        limits = self._limits()
        wanted = max(PORTION_BYTES, least_bytes)
        claim = uuid7(int(self._clock.now().wall.timestamp() * 1000), self._random)
        day = self._store.today()
        granted = self._store.reserve(claim, wanted, Limits(run=wanted, day=limits.day, month=limits.month))
        self._claim, self._day, self._granted_bytes = claim, day, granted

    def _settle(self) -> None:
        """Charge the portion; after midnight, what probes still hold counts for the new day as well."""
        if not self._claim:
            return
        claim, today = self._claim, self._store.today()
        moved = {self._day: self._taken_bytes}
        if today != self._day:
            moved[today] = sum(taken.num_bytes for taken in self._open)
        self._claim, self._granted_bytes, self._taken_bytes = "", 0, 0
        self._store.settle(claim, {day: num_bytes for day, num_bytes in moved.items() if num_bytes})
