"""How many bytes may still be moved? Asked before every check and every transfer, and by every socket.

Three limits at once: the target's share (design §5: 4 MB a run, both directions and all arms), what the run may move,
and what the day's and the month's budgets leave it, as the store remembers them (`Purse`). A check begins only where
what it can cost is left beside what the others can, and no socket reads or sends beyond the run's limit: what is cut by
that was no measurement. A refusal is remembered and told.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from probe.config.plan import MAX_BYTES_PER_TARGET
from probe.net.meter import Meter
from probe.store import Limits, Store, StoreError

DEFAULT_RUN_BYTES = 100_000_000  # 25 targets at their most; a run of healthy ones stays under half of it
DEFAULT_DAY_BYTES = 300_000_000
DEFAULT_MONTH_BYTES = 3_000_000_000
DRAW_BYTES = 2_000_000  # drawn ahead of what checks hold: a process that is killed is charged with as much too much
LOW_BYTES = DRAW_BYTES // 2  # … and drawn again when so much of it is left
BEFORE_MIDNIGHT = timedelta(minutes=10)  # no check takes longer, so none is cut by the change of the day
LATE = timedelta(minutes=10)  # a run's last connections are closed within this of its time, also on a busy machine


class Ledger(Protocol):
    """What of the store a purse needs."""

    def draw(self, run_id: str, day: str, num_bytes: int) -> int: ...

    def settle(self, run_id: str, moved: dict[str, int]) -> None: ...


@dataclass(slots=True, kw_only=True)
class Purse:
    """What the store granted to one run, by day; `wall` gives the time of day.

    Bytes count for the day on which they move. What is drawn is on the disk before it moves.
    """

    ledger: Ledger
    run_id: str
    granted_bytes: int
    wall: Callable[[], datetime]
    say: Callable[[str], None]
    moved: dict[str, int] = field(default_factory=dict)
    drawn: dict[str, int] = field(default_factory=dict)

    @property
    def room_bytes(self) -> int:
        """What may move now without drawing more; negative where the store turned out to have given less."""
        today = self._day()
        return self.drawn.get(today, 0) - self.moved.get(today, 0)

    def count(self, num_bytes: int) -> None:
        """So many bytes were moved just now."""
        today = self._day()
        self.moved[today] = self.moved.get(today, 0) + num_bytes

    def draw(self, ahead_bytes: int) -> None:
        """Have `ahead_bytes` more than were moved drawn, as far as granted; shortly before midnight for the next day
        as well. Blocks for a write to disk.

        Where that fails nothing more is drawn: bytes that nobody would remember are not moved.
        """
        for day in dict.fromkeys((self._day(), self._day(BEFORE_MIDNIGHT))):
            try:
                drawn = self.ledger.draw(self.run_id, day, self.moved.get(day, 0) + ahead_bytes)
            except StoreError as error:
                self.say(str(error))
                return
            self.drawn[day] = max(drawn, self.drawn.get(day, 0))

    def settle(self) -> None:
        """Charge what was moved and give the rest back, once nothing moves any more. Blocks. Raises StoreError."""
        self.drawn.clear()  # what connections that are still open would bring is not read
        self.ledger.settle(self.run_id, dict(self.moved))

    def _day(self, ahead: timedelta = timedelta()) -> str:
        return (self.wall() + ahead).astimezone(UTC).date().isoformat()


def open_purse(
    store: Store,
    run_id: str,
    *,
    wanted_bytes: int | None,
    limits: Limits,
    seconds: float,
    say: Callable[[str], None],
    wall: Callable[[], datetime],
) -> Purse:
    """Claim what a run of at most `seconds` may move; None: as much as a run may. Blocks. Raises StoreError."""
    wanted = limits.run if wanted_bytes is None else wanted_bytes
    until = wall() + timedelta(seconds=seconds) + LATE
    own = Limits(run=wanted, day=limits.day, month=limits.month)
    granted = store.reserve(run_id, wanted, own, until=until, first_draw=0)
    return Purse(ledger=store, run_id=run_id, granted_bytes=granted, wall=wall, say=say)


@dataclass(slots=True)
class RunBudget:
    """What a whole run may move; `meter` counts what it has moved, and is bound by this."""

    meter: Meter
    max_bytes: int
    purse: Purse | None = None
    hit: bool = False
    _held: list[int] = field(default_factory=list)
    _released: asyncio.Event = field(default_factory=asyncio.Event)
    _drawing: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.meter.limit = self

    @property
    def remaining_bytes(self) -> int:
        return max(0, self.max_bytes - self.meter.total)

    def room_bytes(self) -> int:
        """What may move this moment: `probe.net.meter.Limit`."""
        left = self.remaining_bytes
        return left if self.purse is None else max(0, min(left, self.purse.room_bytes))

    def left_bytes(self) -> int:
        """What may move in all: `probe.net.meter.Limit`."""
        return self.remaining_bytes

    def moved(self, num_bytes: int) -> None:
        """So many bytes were moved: `probe.net.meter.Limit`."""
        if self.purse is None or not num_bytes:
            return
        self.purse.count(num_bytes)
        if self.purse.room_bytes < min(LOW_BYTES, self.remaining_bytes) and self._drawing is None:
            self._drawing = asyncio.get_running_loop().create_task(self._draw_more())

    @asynccontextmanager
    async def held(self, wanted_bytes: int, *, least_bytes: int) -> AsyncIterator[bool]:
        """Keep `wanted_bytes` for a check while it runs; gives False where they are not left.

        Waits where others hold what is left. A check that is alone may begin with `least_bytes`: it is cut where it
        takes more than there is.
        """
        kept = await self._take(wanted_bytes, least_bytes)
        try:
            if kept and self.purse is not None and self.purse.room_bytes < sum(self._held):
                await self._draw()
            enough = kept > 0 and self.room_bytes() >= min(least_bytes, kept)
            self.hit = self.hit or not enough
            yield enough
        finally:
            if kept:
                self._held.remove(kept)
                self._released.set()

    async def _take(self, wanted: int, least: int) -> int:
        while True:
            left = self.remaining_bytes
            if left < max(1, least):
                return 0
            if left - sum(self._held) >= wanted or not self._held:
                kept = min(wanted, left)
                self._held.append(kept)
                return kept
            self._released.clear()
            await self._released.wait()

    async def _draw(self) -> None:
        assert self.purse is not None
        await asyncio.to_thread(self.purse.draw, sum(self._held) + DRAW_BYTES)

    async def _draw_more(self) -> None:
        try:
            await self._draw()
        finally:
            self._drawing = None


@dataclass(slots=True)
class TargetBudget:
    """A target's share; implements `probe.checks.context.Budget`. `spare_bytes` of the run are not for it: what a
    kernel may still take in of what was not asked for."""

    run: RunBudget
    meter: Meter
    max_bytes: int = MAX_BYTES_PER_TARGET
    hit: bool = field(default=False)
    spare_bytes: int = 0

    @property
    def remaining_bytes(self) -> int:
        return max(0, min(self.max_bytes - self.meter.total, self.run.remaining_bytes - self.spare_bytes))

    def allows(self, num_bytes: int) -> bool:
        if num_bytes <= self.remaining_bytes:
            return True
        self.hit = True
        self.run.hit = True
        return False
