"""Is it quiet now, and when does it end?

Hours of a local week become instants, across changes of the clock: a time that such a change skips or repeats counts
from its first reading where quiet starts, to its last where it ends, so that it is never shorter than was asked for.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from probe.config.watch_file import QuietHours

LOOK_BACK_DAYS = 2  # a span of 24 h that began the day before yesterday, and a zone's shift
LOOK_AHEAD_DAYS = 9  # a week, and as much again


class QuietTimes:
    """The quiet hours of a week in a time zone; instants are aware and come back in UTC."""

    def __init__(self, hours: tuple[QuietHours, ...], time_zone: str) -> None:
        self._hours = hours
        self._known: tuple[date, tuple[tuple[datetime, datetime], ...]] | None = None  # of the day last asked about
        self._zone: tzinfo = UTC if time_zone == "UTC" else ZoneInfo(time_zone)  # UTC needs no database of zones

    def open_from(self, instant: datetime) -> datetime:
        """The first instant from `instant` on that is not quiet."""
        at = instant.astimezone(UTC)
        while True:
            ends = [end for start, end in self._spans(at) if start <= at < end]
            if not ends:
                return at
            at = max(ends)

    def after_open(self, instant: datetime, seconds: float) -> datetime:
        """When so many seconds have passed since `instant` in which it was not quiet; that moment is not quiet."""
        at, left = self.open_from(instant), timedelta(seconds=seconds)
        while (quiet := self._next_start(at)) is not None and quiet - at <= left:
            left -= quiet - at
            at = self.open_from(quiet)
        return at + left

    def _next_start(self, at: datetime) -> datetime | None:
        """When the next quiet hours begin, seen from an instant that is not quiet; None where there are none."""
        return min((start for start, _ in self._spans(at) if start > at), default=None)

    def _spans(self, around: datetime) -> tuple[tuple[datetime, datetime], ...]:
        """All spans that may hold `around`, and those of the week after it, as instants."""
        if not self._hours:
            return ()
        today = around.astimezone(self._zone).date()
        if self._known is None or self._known[0] != today:
            self._known = (today, tuple(self._spans_about(today)))
        return self._known[1]

    def _spans_about(self, today: date) -> Iterator[tuple[datetime, datetime]]:
        for offset in range(-LOOK_BACK_DAYS, LOOK_AHEAD_DAYS + 1):
            day = today + timedelta(days=offset)
            for hours in self._hours:
                if day.weekday() in hours.days:
                    last_day = day if hours.end > hours.start else day + timedelta(days=1)
                    yield min(self._readings(day, hours.start)), max(self._readings(last_day, hours.end))

    def _readings(self, day: date, at: time) -> tuple[datetime, datetime]:
        """The instants that a local time may mean; they differ only where a change of the clock skips or repeats it."""
        local = datetime.combine(day, at, self._zone)
        return local.replace(fold=0).astimezone(UTC), local.replace(fold=1).astimezone(UTC)
