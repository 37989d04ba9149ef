"""Who gets the samples of a run, and how does pushing stand?

What `watch` uses of this package: samples go in with `enqueue`, and are sent by `run` in their own time. Nothing that
a receiver or the disk does is raised here: measuring goes on. Samples that the disk has no room for wait in memory, up
to a bound, and are put on the disk when it can be written to again.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from probe.config.watch_file import RemoteWrite
from probe.net.meter import Meter
from probe.push.connection import Connection
from probe.push.remote_write import Batch, Sample, batches
from probe.push.sender import CountBytes, Event, EventKind, Pace, Sender, Tell
from probe.push.spool import Spool
from probe.store.errors import StoreError

JOB = "throttleprobe"  # the `job` label, as of a scrape
MAX_HELD_BYTES = 4_000_000  # in memory, while the disk is full: some hundred runs of 20 targets
DISK_RETRY_SECONDS = 60.0
DRAIN_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverStatus:
    """How it stands with one receiver. Counts are of samples since its first one, over restarts; `problem` is "" while
    it takes them."""

    name: str
    pending_samples: int
    delivered_samples: int
    refused_samples: int
    dropped_samples: int
    last_success_at: datetime | None
    problem: str


class Pusher:
    """Pushes to every receiver of the configuration; nothing is kept or sent where there is none.

    `spool_path` is a file of its own beside the store. `instance` is the chosen id of this vantage point. `now` gives
    the wall clock. `tell` hears what the person should know and `count_bytes` what was sent and received (both
    directions together); both are called from other threads too, must be quick and must not raise.
    """

    def __init__(
        self,
        receivers: Sequence[RemoteWrite],
        spool_path: Path,
        *,
        instance: str,
        now: Callable[[], datetime],
        random: Random,
        tell: Tell,
        count_bytes: CountBytes,
        pace: Pace | None = None,
    ) -> None:
        self._receivers = tuple(receivers)
        self._path = spool_path
        self._labels = {"job": JOB, "instance": instance}
        self._now = now
        self._random = random
        self._tell = tell
        self._count_bytes = count_bytes
        self._pace = pace or Pace()
        self._lock = threading.Lock()
        self._spool: Spool | None = None
        self._held: deque[tuple[str, tuple[Batch, ...]]] = deque()
        self._disk_problem = ""
        self._closed = False
        self._senders: tuple[Sender, ...] = ()
        self._loop: asyncio.AbstractEventLoop | None = None

    def enqueue(self, run_id: str, samples: Iterable[Sample]) -> None:
        """Have these sent; on the disk when this returns, or held in memory where the disk is full.

        The same run again changes nothing. Blocks for some milliseconds, from any thread: best through `to_thread`.
        """
        if not self._receivers:
            return
        requests = tuple(batches(samples, self._labels))
        with self._lock:
            self._held.append((run_id, requests))
            self._write_held()
        self._wake()

    def knows(self, run_id: str) -> bool:
        """Whether this run was enqueued before, in this process or an earlier one; False where the disk cannot tell."""
        with self._lock:
            self._write_held()
            if any(held == run_id for held, _ in self._held):
                return True
            try:
                return self._spool is not None and self._spool.knows(run_id)
            except StoreError:
                return False

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop`, then return within two seconds. Call once."""
        if not self._receivers:
            await stop.wait()
            return
        self._loop = asyncio.get_running_loop()
        while not stop.is_set() and not await asyncio.to_thread(self._ready):
            await _until(stop, DISK_RETRY_SECONDS)
        if self._spool is None:
            return
        self._senders = tuple(self._sender(receiver, self._spool) for receiver in self._receivers)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look_after_the_disk(stop))
            for sender in self._senders:
                tasks.create_task(sender.run(stop))

    async def drained(self, seconds: float) -> bool:
        """Wait until nothing waits any more, at most so long: for who ends after one run. Not where it is to no avail:
        a receiver that does not take samples now. Whether everything was settled; `run` must be running.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    waiting = [r for r in await asyncio.to_thread(self.status) if r.pending_samples]
                    if all(r.problem for r in waiting):
                        return not waiting
                    await asyncio.sleep(DRAIN_POLL_SECONDS)
        return False

    def status(self) -> tuple[ReceiverStatus, ...]:
        """In the configuration's order. Reads the disk: a millisecond for a short queue."""
        problems = {sender.name: sender.problem for sender in self._senders}
        with self._lock:
            self._write_held()
            return tuple(self._status_of(r.name, problems.get(r.name, "")) for r in self._receivers)

    def close(self) -> None:
        """After `run` has ended; nothing is enqueued any more."""
        with self._lock:
            self._closed = True
            if self._held:
                self._say(f"the samples of {len(self._held)} runs are lost: the disk could not be written to")
            if self._spool is not None:
                self._spool.close()
                self._spool = None

    def _status_of(self, name: str, problem: str) -> ReceiverStatus:
        held = sum(batch.num_samples for _, requests in self._held for batch in requests)
        problem = problem or self._disk_problem
        try:
            counts = self._spool.counts(name) if self._spool is not None else None
        except StoreError as error:
            counts, problem = None, problem or str(error)
        last_ms = counts.last_success_ms if counts is not None else None
        return ReceiverStatus(
            name=name,
            pending_samples=held + (counts.pending_samples if counts is not None else 0),
            delivered_samples=counts.delivered_samples if counts is not None else 0,
            refused_samples=counts.refused_samples if counts is not None else 0,
            dropped_samples=counts.dropped_samples if counts is not None else 0,
            last_success_at=datetime.fromtimestamp(last_ms / 1000, UTC) if last_ms is not None else None,
            problem=problem,
        )

    def _sender(self, receiver: RemoteWrite, spool: Spool) -> Sender:
        meter = Meter()
        return Sender(
            receiver.name,
            Connection(receiver, meter),
            spool,
            meter=meter,
            random=self._random,
            tell=self._tell,
            count_bytes=self._count_bytes,
            pace=self._pace,
        )

    def _wake(self) -> None:
        if self._loop is None:
            return
        with suppress(RuntimeError):  # the loop is closed: what was enqueued is sent by the next process
            for sender in self._senders:
                self._loop.call_soon_threadsafe(sender.wake.set)

    # The disk

    def _ready(self) -> bool:
        with self._lock:
            self._write_held()
            return self._spool is not None

    def _write_held(self) -> None:
        """Put on the disk what waits in memory, in order; of what cannot be, the oldest beyond the bound is dropped.

        Opens the file where that is not done; the lock is held by the caller.
        """
        if self._closed or not self._receivers:
            return
        try:
            if self._spool is None:
                limits = {receiver.name: receiver.max_spool_bytes for receiver in self._receivers}
                self._spool = Spool(self._path, limits, now=self._now, notice=self._say)
            while self._held:
                self._spool.append(*self._held[0])
                self._held.popleft()
        except StoreError as error:
            if str(error) != self._disk_problem:
                self._disk_problem = str(error)
                self._say(f"{error}; they wait in memory")
            self._drop_held()
        else:
            self._disk_problem = ""

    def _drop_held(self) -> None:
        def size() -> int:
            return sum(len(batch.body) for _, requests in self._held for batch in requests)

        while size() > MAX_HELD_BYTES:
            run_id, requests = self._held.popleft()
            lost = sum(batch.num_samples for batch in requests)
            self._say(f"the disk is full, and so is the room in memory: {lost} samples of run {run_id} are lost")

    async def _look_after_the_disk(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await _until(stop, DISK_RETRY_SECONDS)
            if self._held:
                await asyncio.to_thread(self._ready)
                self._wake()

    def _say(self, text: str) -> None:
        self._tell(Event(kind=EventKind.SPOOL, receiver="", text=text))


async def _until(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
