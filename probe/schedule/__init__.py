"""When does the next run of `watch` start?

Pure: the time is an argument, and nothing here sleeps. Gaps are drawn without memory (`gaps`), as M-Lab asks of
automated clients; the clock that counts towards a start stands still in quiet hours (`quiet`); `starts` puts the two
together and holds against restarts, suspends, outages and clocks that jump.
"""

from probe.schedule.gaps import draw_after, gap_seconds, longest_seconds, runs_per_day
from probe.schedule.quiet import QuietTimes
from probe.schedule.starts import MAX_SLEEP_SECONDS, LastRun, Moment, Schedule

__all__ = [
    "MAX_SLEEP_SECONDS",
    "LastRun",
    "Moment",
    "QuietTimes",
    "Schedule",
    "draw_after",
    "gap_seconds",
    "longest_seconds",
    "runs_per_day",
]
