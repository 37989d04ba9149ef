"""When is a request sent to a receiver, how often, and what becomes of its samples?

One request at a time, in the order of the spool. After what may pass (no connection, a time limit, 429, 5xx) the same
request is sent again, at growing and random intervals or when the receiver asks for it; after what a person must put
right (credentials, a wrong address, a redirect) too, but rarely; what the receiver will never take (any other 4xx) is
counted and left out. Source: remote write 1.0, "Retries & Backoff" (docs/push.md says where we differ, and why).

A request counts as delivered once that is on the disk. Whoever ends us between the answer and that moment makes the
next process send the same bytes again: a receiver takes a sample that it has, with the same value, as the same.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any

from probe.net.meter import Meter
from probe.push.connection import Answer, Connection, PostError
from probe.push.remote_write import HEADERS
from probe.push.spool import Spool, Waiting
from probe.store.errors import StoreError

PUT_RIGHT_STATUSES = frozenset({401, 403, 404, 405, 407})  # wrong credentials, path or front: not about the samples
TOO_MANY_REQUESTS = 429
MAX_RETRY_AFTER_SECONDS = 3_600.0  # a receiver that asks for more is asked once an hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds between attempts. A receiver that is away for a day costs about a hundred of them: some 2 MB at worst,
    where it reads each request and answers 5xx."""

    first_seconds: float = 5.0  # doubled with each attempt
    most_seconds: float = 900.0
    put_right_seconds: float = 900.0
    grace_seconds: float = 1.0  # for an answer that is on its way when we are told to stop


class EventKind(StrEnum):
    FAILING = "failing"  # samples wait; said again only when the reason changes
    RECOVERED = "recovered"
    REFUSED = "refused"  # samples are lost: the receiver will not have them
    SPOOL = "spool"  # about the disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What the person should hear; `receiver` is its name in the configuration, "" where it is about all."""

    kind: EventKind
    receiver: str
    text: str


Tell = Callable[[Event], None]
CountBytes = Callable[[int], None]


class Fate(StrEnum):
    """What an answer means for the samples."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    LATER = "later"
    PUT_RIGHT = "put_right"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`why` is "" for what was delivered. `status` 0: no answer came."""

    fate: Fate
    why: str = ""
    status: int = 0
    retry_after_seconds: float | None = None


def read(answer: Answer) -> Outcome:
    """What an answer means."""
    status = answer.status
    said = f"HTTP {status}" + (f" ({answer.text})" if answer.text and not answer.is_page else "")
    if 200 <= status < 300:
        if not answer.is_page:
            return Outcome(fate=Fate.DELIVERED, status=status)
        return Outcome(fate=Fate.PUT_RIGHT, status=status, why=f"{said}: a page, not a receiver's answer (a portal?)")
    if 300 <= status < 400:
        why = f"{said}: redirects are not followed; give the final address"
        return Outcome(fate=Fate.PUT_RIGHT, status=status, why=why)
    if status in PUT_RIGHT_STATUSES:
        return Outcome(fate=Fate.PUT_RIGHT, status=status, why=said)
    if 400 <= status < 500 and status != TOO_MANY_REQUESTS:
        return Outcome(fate=Fate.REFUSED, status=status, why=said)
    return Outcome(fate=Fate.LATER, status=status, why=said, retry_after_seconds=answer.retry_after_seconds)


class Sender:
    """Empties the spool towards one receiver. `wake` says that something was added. One per receiver, and only one."""

    def __init__(
        self,
        name: str,
        connection: Connection,
        spool: Spool,
        *,
        meter: Meter,
        random: Random,
        tell: Tell,
        count_bytes: CountBytes,
        pace: Pace,
    ) -> None:
        self.wake = asyncio.Event()
        self.problem = ""  # "" while the last request went well
        self.name = name
        self._connection = connection
        self._spool = spool
        self._meter = meter
        self._random = random
        self._tell = tell
        self._count_bytes = count_bytes
        self._pace = pace
        self._attempts = 0  # in a row that failed
        self._refusals_said: set[int] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; an answer that is on its way is waited for during the grace."""
        try:
            while not stop.is_set():
                self.wake.clear()
                try:
                    waiting = await asyncio.to_thread(self._spool.next, self.name)
                except StoreError as error:
                    self._fails(str(error))
                    await _any_of(stop, self.wake, seconds=self._pace.most_seconds)
                    continue
                if waiting is None:
                    await self._connection.close()
                    await _any_of(stop, self.wake, seconds=None)
                    continue
                if (seconds := await self._attempt(waiting, stop)) > 0:
                    await _any_of(stop, seconds=seconds)
        finally:
            await self._connection.close()

    async def _attempt(self, waiting: Waiting, stop: asyncio.Event) -> float:
        """Send once, and settle what came of it. Returns the seconds to wait before anything else is sent."""
        outcome = await self._asked(waiting.body, stop)
        if outcome is None:
            return 0.0
        match outcome.fate:
            case Fate.DELIVERED:
                await asyncio.to_thread(self._spool.delivered, self.name, waiting)
                self._succeeds()
            case Fate.REFUSED:
                await asyncio.to_thread(self._spool.refused, self.name, waiting)
                self._refuses(outcome, waiting)
            case Fate.PUT_RIGHT:
                self._fails(outcome.why)
                return self._pace.put_right_seconds
            case Fate.LATER:
                self._fails(outcome.why)
                return self._backoff(outcome.retry_after_seconds)
        return 0.0

    async def _asked(self, body: bytes, stop: asyncio.Event) -> Outcome | None:
        """None: we were told to stop, and no answer came during the grace."""
        before = self._meter.total
        try:
            answer = await _unless_stopped(self._connection.send(body, HEADERS), stop, self._pace.grace_seconds)
        except PostError as error:
            return Outcome(fate=Fate.LATER, why=str(error))
        finally:
            await asyncio.to_thread(self._count_bytes, self._meter.total - before)
        return read(answer) if answer is not None else None

    def _backoff(self, retry_after: float | None) -> float:
        """Doubled each time, up to the most, and drawn from the upper half: many probes must not come back at once."""
        self._attempts += 1
        longest = min(self._pace.most_seconds, self._pace.first_seconds * 2.0 ** min(self._attempts - 1, 30))
        drawn = longest * self._random.uniform(0.5, 1.0)
        return max(drawn, min(retry_after or 0.0, MAX_RETRY_AFTER_SECONDS))

    def _succeeds(self) -> None:
        if self.problem:
            self._tell(Event(kind=EventKind.RECOVERED, receiver=self.name, text="samples are taken again"))
        self.problem = ""
        self._attempts = 0
        self._refusals_said.clear()

    def _refuses(self, outcome: Outcome, waiting: Waiting) -> None:
        """Said once for each status until something is taken again: a receiver may write another reason each time."""
        self.problem = outcome.why
        self._attempts = 0
        if outcome.status not in self._refusals_said:
            self._refusals_said.add(outcome.status)
            text = f"{waiting.num_samples} samples were refused for good, perhaps more to come: {outcome.why}"
            self._tell(Event(kind=EventKind.REFUSED, receiver=self.name, text=text))

    def _fails(self, why: str) -> None:
        if why != self.problem:
            self.problem = why
            self._tell(Event(kind=EventKind.FAILING, receiver=self.name, text=f"samples wait: {why}"))


async def _any_of(*events: asyncio.Event, seconds: float | None) -> None:
    """Wait until one is set, or so long."""
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


async def _unless_stopped(
    work: Coroutine[Any, Any, Answer], stop: asyncio.Event, grace_seconds: float
) -> Answer | None:
    """What the work gives; None where we are told to stop and it does not end during the grace: then it is ended."""
    task = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await asyncio.wait((task,), timeout=grace_seconds)
        return task.result() if task.done() else None
    finally:
        stopping.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))
