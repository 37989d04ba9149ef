"""What time is it, and how is it waited for? The one clock of the service, so that a month can pass in a test."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol

from probe.schedule import Moment


class Clock(Protocol):
    def now(self) -> Moment:
        """One instant on the wall clock, which may jump, and on one that does not."""
        ...

    async def wait(self, wake: asyncio.Event, seconds: float) -> bool:
        """Until `wake` is set, at most `seconds`; whether it is."""
        ...


class MachineClock:
    """The machine's own; the monotonic one counts sleep where the system has such a clock."""

    def now(self) -> Moment:
        return Moment(wall=datetime.now(UTC), monotonic_seconds=_seconds_since_boot())

    async def wait(self, wake: asyncio.Event, seconds: float) -> bool:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await wake.wait()
        except TimeoutError:
            return False
        return True


def _seconds_since_boot() -> float:
    kind = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if kind is None else time.clock_gettime(kind)
