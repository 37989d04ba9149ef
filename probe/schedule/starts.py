"""How long until the next start, whatever became of the clocks, the process and the network since the last one?

What was missed (asleep, switched off, no network) is made up for by one run, never by several. Whether the line may be
used at all is for the caller to find out.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from probe.config.watch_file import ScheduleSettings
from probe.schedule.gaps import draw_after, gap_seconds
from probe.schedule.quiet import QuietTimes

LATE_SECONDS = 300.0  # a start overdue by more was missed, not merely reached a moment after its time
MAX_SPREAD_SECONDS = 300.0  # over which those start that were missed: an outage ends for a whole network at once
MIN_SPREAD_SECONDS = 1.0
MAX_SLEEP_SECONDS = 60.0  # ask again at least this often: the wall clock and the line change meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One instant on both clocks: `wall` aware; `monotonic_seconds` from any origin, best one that counts sleep."""

    wall: datetime
    monotonic_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """The run that started last, as the store remembers it; its id settles the gap that follows it."""

    run_id: str
    started_at: datetime  # aware


class Schedule:
    """Waits for starts. Used from one thread; it holds nothing that a restart would lose but what it says of `held`.

    The gap after a run follows from that run's id alone. So restarting, however often, neither brings a start nearer
    nor puts it off, and no draw has to be kept. Within a process gaps are counted on the monotonic clock; the wall
    clock bridges restarts, and counts for more than the monotonic one only where the least gap has passed on that one
    since the last known start, so that no jump of the wall clock can bring two starts closer together.
    """

    def __init__(self, settings: ScheduleSettings, *, last: LastRun | None, now: Moment, random: Random) -> None:
        self._random = random
        self._last = last
        self._known_at_seconds = now.monotonic_seconds  # of a start, or of the process whose store told of one
        self._base_seconds = max(0.0, (now.wall - last.started_at).total_seconds()) if last else 0.0
        self._missed: tuple[float, float] | None = None  # when that was seen, and how long to wait from then
        self._held_at_seconds: float | None = None
        self.reconfigure(settings)

    def reconfigure(self, settings: ScheduleSettings) -> None:
        """Other settings from now on; the gap that is being waited out is drawn from them by the same draw."""
        self._settings = settings
        self._quiet = QuietTimes(settings.quiet, settings.time_zone)

    def started(self, run_id: str, now: Moment) -> None:
        """A run starts now."""
        self._last = LastRun(run_id=run_id, started_at=now.wall)
        self._known_at_seconds, self._base_seconds = now.monotonic_seconds, 0.0
        self._missed = self._held_at_seconds = None

    def held(self, now: Moment) -> None:
        """No run may start now (no network, paused): whatever falls due meanwhile is one run after it is over."""
        self._held_at_seconds = now.monotonic_seconds

    def wait_seconds(self, now: Moment) -> float:
        """How long until the next start; 0: now. Sleep no longer than `MAX_SLEEP_SECONDS` and ask again."""
        due = self.due(now)
        open_seconds = (self._quiet.open_from(now.wall) - now.wall).total_seconds()
        overdue_seconds = (now.wall - due).total_seconds()
        if overdue_seconds < 0:
            self._missed = self._held_at_seconds = None
            return -overdue_seconds
        if open_seconds > 0:
            return open_seconds
        if overdue_seconds <= LATE_SECONDS and self._held_at_seconds is None:
            return 0.0
        return self._spread_seconds(now)

    def is_due(self, now: Moment) -> bool:
        """Whether a run may start now, for a process that does not wait: what was missed starts at once."""
        return self.due(now) <= now.wall and self._quiet.open_from(now.wall) <= now.wall

    def due(self, now: Moment) -> datetime:
        """When the next run would have started, had nothing hindered it: in the past where one was missed."""
        if self._last is None:
            return self._quiet.open_from(now.wall)
        gap = gap_seconds(self._settings, draw_after(self._last.run_id))
        return self._quiet.after_open(now.wall - timedelta(seconds=self._elapsed_seconds(self._last, now)), gap)

    def _elapsed_seconds(self, last: LastRun, now: Moment) -> float:
        """Since the last start, in real time as far as it can be told."""
        known = now.monotonic_seconds - self._known_at_seconds
        counted = self._base_seconds + known
        by_wall = (now.wall - last.started_at).total_seconds()
        return by_wall if by_wall > counted and known >= self._settings.min_seconds else counted

    def _spread_seconds(self, now: Moment) -> float:
        """What is left of the wait after something was missed, drawn once each time that starting becomes possible."""
        at = now.monotonic_seconds
        if self._missed is None or (self._held_at_seconds or 0.0) >= self._missed[0]:
            most = min(MAX_SPREAD_SECONDS, self._settings.min_seconds)
            self._missed = (at, max(MIN_SPREAD_SECONDS, most * self._random.random()))
        seen_at, spread = self._missed
        return max(0.0, seen_at + spread - at)
