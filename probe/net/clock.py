"""How long ago did this measurement begin?

The one monotonic clock of a measurement, and its sleep. The wall clock is the runner's and the store's business.
"""

import asyncio
import time


class MonotonicClock:
    """Seconds since the clock was made; never goes back."""

    __slots__ = ("_began",)

    def __init__(self) -> None:
        self._began = time.monotonic()

    def now(self) -> float:
        return time.monotonic() - self._began

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
