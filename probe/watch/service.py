"""When is what done? The loop of `watch`: wait for a start, look at the line, measure, begin again.

A small machine with five activities: starting, waiting, paused, measuring, stopping. What a run is, is
`probe.watch.cycle`'s; the web server, signals and pushing run beside this, in `probe.watch.program`. All waiting goes
through the clock that it is given, and ends at once when it is told to stop.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from probe.measuring import vantage_of
from probe.metrics.labels import Skip
from probe.model.results import Report
from probe.records import header
from probe.schedule import MAX_SLEEP_SECONDS, Moment, QuietTimes, Schedule
from probe.watch import memory
from probe.watch.configuration import Configuration, Read, Rejected
from probe.watch.cycle import run_once
from probe.watch.fitness import Fitness, assess
from probe.watch.status import Activity, ReloadStatus
from probe.watch.tools import Tools

# How long until the line is looked at again while there is no network; the last one is repeated. Looking sends nothing.
NO_NETWORK_SECONDS = (5.0, 10.0, 20.0, 40.0, 60.0)
BUSY_SECONDS = 60.0  # a download of a few hundred megabytes on an ordinary line
BUSY_LOOKS = 5  # then the run is made without goodput: it must not be put off for ever
OTHER_TIME = timedelta(minutes=1)  # a next run moved by more is told again; a clock that is kept right moves it by less
QUIET = "quiet hours"
UNSEEN_SECONDS = 600.0  # a loop that was not seen for so long, beyond what it may take, is dead


class Service:
    """Runs until `stop`. Used from one event loop; what others see of it is its public attributes.

    `changed` is called when another configuration is in force.
    """

    def __init__(self, tools: Tools, first: Configuration, read: Read) -> None:
        self.configuration = first
        self.activity = Activity.STARTING
        self.detail = ""
        self.next_run_at: datetime | None = None
        self.reloaded: ReloadStatus | None = None
        self.last_report: Report | None = None  # without its evidence: that would be megabytes
        self.has_measured = False
        self.results = memory.Results()
        self.standing = memory.Standing(limits=memory.limits_of(first))
        self.changed: Callable[[Configuration], None] = lambda _: None
        self._tools = tools
        self._read = read
        self._reloading = asyncio.Lock()
        self._wake = asyncio.Event()
        self._stop = asyncio.Event()
        self._schedule = Schedule(first.watch.schedule, last=None, now=tools.clock.now(), random=tools.random)
        self._quiet = QuietTimes(first.watch.schedule.quiet, first.watch.schedule.time_zone)
        self._is_put_off = False
        self._has_network = True
        # By when the loop must be seen again, on the monotonic clock; before its first turn too it counts as living.
        self._due_back_seconds = tools.clock.now().monotonic_seconds

    # Told by others

    def stop(self) -> None:
        """End soon: a run in progress keeps what it has."""
        self._stop.set()
        self._wake.set()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def alive(self) -> bool:
        """Whether the loop goes round."""
        return self._tools.clock.now().monotonic_seconds < self._due_back_seconds + UNSEEN_SECONDS

    async def reload(self) -> tuple[str, ...]:
        """Read both files again; every mistake, or () when they are in force. A run in progress goes on as it was."""
        async with self._reloading:
            log, at = self._tools.log, self._tools.clock.now().wall
            try:
                new = self._not_another(await asyncio.to_thread(self._read))
            except Rejected as error:
                for mistake in error.mistakes:
                    log.error("configuration rejected", mistake=mistake)
                self._read_at(at, error.mistakes)
                return error.mistakes
            self._put_in_force(new, at)
            return ()

    def _not_another(self, new: Configuration) -> Configuration:
        """A file in force that is gone is a mistake: the defaults know of no metered line and of no quiet hours."""
        mine = self.configuration.watch.source
        if mine is not None and new.watch.source != mine:
            raise Rejected((f"{mine}: is in force, and is there no more; start again to go on without it",))
        return new

    # The loop

    async def run(self, *, once: bool = False) -> None:
        """Until `stop`; with `once`, until one run was made or found not to be due."""
        await self._begin()
        try:
            while not self._stop.is_set():
                fitness = await self._look(once=once) if await self._due(once=once) else None
                if fitness is not None:
                    await self._measure(fitness)
                if once:
                    return
        finally:
            self._becomes(Activity.STOPPING)

    async def _begin(self) -> None:
        """Go on from where the last process was."""
        tools = self._tools
        self._put_in_force(self.configuration, tools.clock.now().wall)
        last = await asyncio.to_thread(memory.last_run, tools, self.configuration)
        self._schedule = Schedule(
            self.configuration.watch.schedule, last=last, now=tools.clock.now(), random=tools.random
        )
        self.results = await asyncio.to_thread(memory.remember, tools)
        tools.metrics.restore(await asyncio.to_thread(memory.earlier, tools, self.results.outcomes))
        report = await asyncio.to_thread(memory.last_report, tools)
        if report is not None:
            self.last_report = header(report)
            await asyncio.to_thread(memory.push_again, tools, self.configuration, report)
        await self._refresh()

    async def _due(self, *, once: bool) -> bool:
        """Whether a run is due; if not, some of the time until then has passed."""
        now = self._tools.clock.now()
        if once:
            due = self._schedule.is_due(now)
            if not due:
                self._tools.log.info("not due", seconds=self._schedule.wait_seconds(now))
            return due
        seconds = self._schedule.wait_seconds(now)
        if seconds <= 0:
            return True
        self._show_next(now.wall + timedelta(seconds=seconds))
        if self._quiet.open_from(now.wall) > now.wall:
            self._put_off(now)
            if self.detail != QUIET:
                self._tools.log.info("paused", reason=Skip.QUIET_HOURS.value)
            self._becomes(Activity.PAUSED, QUIET)
        else:
            self._becomes(Activity.WAITING)
        await self._rest(min(seconds, MAX_SLEEP_SECONDS))
        return False

    def _put_off(self, now: Moment) -> None:
        """Count a run that fell due while none was possible and now has to wait for the end of the quiet hours."""
        overdue = self._schedule.due(now) <= now.wall
        if overdue and not self._is_put_off:
            self._tools.metrics.count_skipped(Skip.QUIET_HOURS)
        self._is_put_off = overdue

    async def _look(self, *, once: bool) -> Fitness | None:
        """What the line is like, once there is one and it is free; None: not now, the schedule says when."""
        looks = 0
        while not self._stop.is_set():
            fitness = assess(await self._tools.look(self.configuration.watch.line, self.results.best_bps))
            self._tools.metrics.set_line(metered=fitness.metered, vpn=fitness.vpn)
            if not fitness.network:
                await self._no_network(looks, once=once)
                if once:
                    return None
            elif not self._has_network:
                self._has_network = True
                self._tools.log.info("network is back")
                return None  # a moment later, so that an outage does not end with everybody's run at once
            elif not fitness.only_busy or looks >= BUSY_LOOKS:
                return fitness
            else:
                self._becomes(Activity.WAITING, "other traffic fills the line")
                await self._rest(BUSY_SECONDS)
            looks += 1
        return None

    async def _no_network(self, looks: int, *, once: bool) -> None:
        """Wait, longer each time."""
        if self._has_network:
            self._has_network = False
            self._tools.metrics.count_skipped(Skip.NO_NETWORK)
            self._tools.log.warning("paused", reason=Skip.NO_NETWORK.value)
            self._becomes(Activity.PAUSED, "there is no network")
            self._show_next(None)
        self._schedule.held(self._tools.clock.now())
        if not once:
            await self._rest(NO_NETWORK_SECONDS[min(looks, len(NO_NETWORK_SECONDS) - 1)])

    async def _measure(self, fitness: Fitness) -> None:
        """One run, or the reason why there was none; either way the schedule goes on from here."""
        for reason in fitness.left_out:
            self._tools.metrics.count_skipped(reason)
        self._becomes(Activity.MEASURING)
        self._show_next(None)
        ran = await run_once(self._tools, self.configuration, fitness, self._schedule, self._stop, self._expect)
        if ran.skip is not None:
            self._tools.metrics.count_skipped(ran.skip)
        if ran.report is not None:
            self.last_report, self.has_measured = header(ran.report), True
            self.results = await asyncio.to_thread(memory.remember, self._tools)
        await self._refresh()

    async def _rest(self, seconds: float) -> None:
        """Until told something, at most so long; and what changes by itself is shown as it is then."""
        self._expect(seconds)
        self._wake.clear()
        if not self._stop.is_set():
            await self._tools.clock.wait(self._wake, seconds)
            await self._refresh()

    # What is shown

    async def _refresh(self) -> None:
        self.standing = await asyncio.to_thread(memory.refresh, self._tools, self.configuration, self.standing)

    def _expect(self, seconds: float) -> None:
        self._due_back_seconds = self._tools.clock.now().monotonic_seconds + seconds

    def _becomes(self, activity: Activity, detail: str = "") -> None:
        if (activity, detail) != (self.activity, self.detail):
            self.activity, self.detail = activity, detail
            self._tools.manager.status(f"{activity.value}: {detail}" if detail else activity.value)

    def _show_next(self, at: datetime | None) -> None:
        before = self.next_run_at
        if at is not None and (before is None or abs(at - before) >= OTHER_TIME):
            self._tools.log.info("next run", at=at.isoformat(timespec="seconds"))
        self.next_run_at = at
        self._tools.metrics.set_next_run(at)

    def _put_in_force(self, new: Configuration, at: datetime) -> None:
        self.configuration = new
        tools = self._tools
        self._schedule.reconfigure(new.watch.schedule)
        self._quiet = QuietTimes(new.watch.schedule.quiet, new.watch.schedule.time_zone)
        tools.metrics.set_targets([target.id for target in new.targets])
        tools.metrics.set_vantage(vantage_of(new.watch.vantage, vpn=None))
        self._read_at(at, ())
        tools.log.info("configuration read", file=str(new.watch.source or "none"), targets=len(new.targets))
        for warning in new.watch.warnings:
            tools.log.warning("configuration", warning=warning)
        self.changed(new)
        self._wake.set()

    def _read_at(self, at: datetime, mistakes: tuple[str, ...]) -> None:
        self._tools.metrics.set_reload(not mistakes, at)
        self.reloaded = ReloadStatus(at=at.isoformat(timespec="seconds"), ok=not mistakes, mistakes=mistakes)
