"""How many bytes may a run still move, over all processes and days, whatever happened before?

The count itself is `probe.store.usage`'s, its file `probe.store.usage_file`'s. Here they meet the clock, the processes
that live, and a copy of each day's sum in the store, for the case that the file is lost.
"""

import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta

from probe.store.errors import StoreError
from probe.store.file import StoreFile
from probe.store.usage import Day, Limits, Usage
from probe.store.usage_file import UsageFile

MAX_DAYS = 7  # that a run can touch; the longest one takes hours


class Accounts:
    """The bytes of all runs; every method may block for a write to disk and raises StoreError. `notice` is "" or tells
    that the count was lost."""

    def __init__(self, file: StoreFile, *, now: Callable[[], datetime]) -> None:
        self.notice = ""
        self._store, self._now = file, now
        self._name = uuid.uuid4().hex[:16]
        self._unsettled: dict[str, dict[str, int]] = {}  # runs whose end could not be written yet
        self._file = UsageFile(file.path.with_name(file.path.name + ".usage"), first=self._known_elsewhere)

    def close(self) -> None:
        self._file.close()

    def reserve(
        self, run_id: str, wanted: int, limits: Limits, *, until: datetime | None, first_draw: int | None
    ) -> int:
        """Claim bytes for a run; what `Store.reserve` says."""
        owner = self._file.own(self._name)
        first = self._now().astimezone(UTC).date()
        last = first if until is None else until.astimezone(UTC).date()
        touched = [str(first + timedelta(days=n)) for n in range(min(MAX_DAYS, max(0, (last - first).days) + 1))]
        with self._changed() as usage:
            usage.settle_the_dead(self._file.lives)
            granted = usage.reserve(
                run_id, owner, wanted, limits, touched, first_draw=wanted if first_draw is None else first_draw
            )
        self._copy(usage)
        return granted

    def draw(self, run_id: str, day: str, num_bytes: int) -> int:
        """Note what may have been moved, before it is."""
        with self._changed() as usage:
            return usage.draw(run_id, day, num_bytes)

    def settle(self, run_id: str, moved: Mapping[str, int]) -> None:
        """Charge a run that has ended; where that cannot be written now, with the next change that can."""
        self._unsettled[run_id] = dict(moved)
        with self._changed() as usage:
            pass
        self._copy(usage)

    def settle_if_open(self, run_id: str, moved: Mapping[str, int]) -> None:
        """Charge a run that has ended, unless it was charged before."""
        with self._changed() as usage:
            if run_id not in usage.claims:
                return
            usage.settle(run_id, moved)
        self._copy(usage)

    def add(self, day: str, num_bytes: int) -> None:
        """Charge bytes outside of any claim."""
        with self._changed() as usage:
            usage.add(day, num_bytes)
        self._copy(usage)

    def used(self, beginning: str) -> int:
        """The bytes of the days whose name begins so."""
        return self._file.read().used(beginning)

    def living_runs(self) -> Collection[str]:
        """The runs that are being made now, in whatever process."""
        return self._file.living_runs()

    @contextmanager
    def _changed(self) -> Iterator[Usage]:
        settled = dict(self._unsettled)
        with self._file.change() as usage:
            for run_id, moved in settled.items():
                usage.settle(run_id, moved)
            yield usage
        for run_id in settled:
            self._unsettled.pop(run_id, None)

    def _copy(self, usage: Usage) -> None:
        """Each day's sum to the store. Where that fails the file has it all the same."""
        rows = [(name, day.moved) for name, day in usage.days.items()]
        with suppress(StoreError), self._store.writing() as cursor:
            cursor.executemany(
                "INSERT INTO usage (day, num_bytes) VALUES (?, ?)"
                " ON CONFLICT (day) DO UPDATE SET num_bytes = excluded.num_bytes",
                rows,
            )

    def _known_elsewhere(self, damaged: bool) -> Usage:
        """What the store remembers, for a new file. Of one that was damaged nothing is known since the last day of this
        month that the store has, or of the whole month."""
        rows: list[tuple[str, int]] = []
        with suppress(StoreError), self._store.reading() as cursor:
            rows = cursor.execute("SELECT day, num_bytes FROM usage").fetchall()
        days = {day: Day(moved=moved) for day, moved in rows if _is_day(day)}
        if not damaged:
            return Usage(days=days)
        today = self._now().astimezone(UTC).date()
        first = str(today.replace(day=1))
        since = max((day for day in days if first <= day <= str(today)), default=first)
        self.notice = f"how much was moved from {since} to {today} cannot be read any more: these days count as used up"
        return Usage(days=days, unknown=(since, str(today)))


def _is_day(text: str) -> bool:
    try:
        return str(date.fromisoformat(text)) == text
    except ValueError:
        return False
