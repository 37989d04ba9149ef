"""Who pushes while the configuration changes?

`Pushing` is what the service talks to for as long as it lives; behind it, a `Pusher` for the receivers that are
configured now. Another one takes its place when they change; both have the same spool, so that nothing is lost.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence

from probe.config.watch_file import RemoteWrite
from probe.metrics import Sample
from probe.push.pusher import Pusher, ReceiverStatus

Make = Callable[[Sequence[RemoteWrite], str], Pusher]


class Pushing:
    """`make` makes a pusher for receivers, under the name of an instance.

    `use` and `run` are called from the event loop, the rest from any thread.
    """

    def __init__(self, make: Make, receivers: Sequence[RemoteWrite], instance: str) -> None:
        self._make = make
        self._settings = (tuple(receivers), instance)
        self._pusher = make(*self._settings)
        self._other = asyncio.Event()
        self._lock = threading.Lock()  # held while the pusher is used or exchanged

    def use(self, receivers: Sequence[RemoteWrite], instance: str) -> None:
        """Push to these, under this name, from now on."""
        settings = (tuple(receivers), instance)
        if settings != self._settings:
            self._settings = settings
            self._other.set()

    def enqueue(self, run_id: str, samples: Iterable[Sample]) -> None:
        """Have these sent; blocks."""
        with self._lock:
            self._pusher.enqueue(run_id, samples)

    def status(self) -> tuple[ReceiverStatus, ...]:
        """How it stands with each receiver; blocks for a moment."""
        with self._lock:
            return self._pusher.status()

    async def drained(self, seconds: float) -> bool:
        """Wait for what can be delivered now, at most so long; whether everything was."""
        return await self._pusher.drained(seconds)

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop`."""
        while not stop.is_set():
            ended = asyncio.Event()
            sending = asyncio.create_task(self._pusher.run(ended))
            waits = [asyncio.create_task(event.wait()) for event in (stop, self._other)]
            try:
                await asyncio.wait({sending, *waits}, return_when=asyncio.FIRST_COMPLETED)
                ended.set()
                await sending
            finally:
                for task in (sending, *waits):
                    task.cancel()
                await asyncio.gather(sending, *waits, return_exceptions=True)
            self._other.clear()  # before the settings are read: what changes from here on is seen next time
            await asyncio.to_thread(self._pusher.close if stop.is_set() else self._exchange)

    def _exchange(self) -> None:
        with self._lock:
            self._pusher.close()
            self._pusher = self._make(*self._settings)
