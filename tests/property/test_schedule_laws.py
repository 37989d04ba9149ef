"""What the schedule keeps to whatever happens: restarts, suspends, outages, clocks that jump, quiet hours, reloads."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from probe.config.watch_file import QuietHours, ScheduleSettings, Weekday
from probe.schedule import LastRun, Moment, QuietTimes, Schedule, gap_seconds, longest_seconds

DAY = 86_400.0
ROUNDING_SECONDS = 1e-3  # datetimes count microseconds
SPREAD_SECONDS = 300.0
TICK_SECONDS = 600.0  # the service asks every minute; asking less often starts late by no more than this
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia")
# days on which one of these zones changes its clock, and an ordinary one
BEGINNINGS = tuple(
    datetime(2026, month, day, tzinfo=UTC) for month, day in ((3, 7), (3, 28), (4, 4), (6, 1), (10, 3), (10, 24))
)

times = st.builds(time, st.integers(0, 23), st.integers(0, 59))
quiet_hours = st.builds(
    QuietHours,
    start=times,
    end=times,
    days=st.lists(st.sampled_from(list(Weekday)), min_size=1, max_size=5, unique=True).map(tuple),
)


@st.composite
def any_settings(draw: st.DrawFn, *, most_quiet: int = 3) -> ScheduleSettings:
    least = draw(st.sampled_from([60.0, 600.0, 2160.0]))
    mean = least * draw(st.floats(1.1, 12))
    quiet = tuple(draw(st.lists(quiet_hours, max_size=most_quiet)))
    made = ScheduleSettings(
        mean_seconds=mean,
        min_seconds=least,
        max_seconds=mean * draw(st.floats(1.2, 4)),
        quiet=quiet,
        time_zone=draw(st.sampled_from(ZONES)),
    )
    if made.quiet_minutes_per_week > 6 * 24 * 60:  # the configuration refuses a week without an open hour
        return ScheduleSettings(mean_seconds=mean, min_seconds=least, max_seconds=made.max_seconds)
    return made


@dataclass
class World:
    """A machine whose process, clocks and network do as they are told; `seconds` is real time."""

    settings: ScheduleSettings
    begin: datetime
    seconds: float = 0.0
    wall_error_seconds: float = 0.0
    slept_seconds: float = 0.0  # which the monotonic clock does not count
    last: LastRun | None = None
    starts: list[float] = field(default_factory=list)
    walls: list[datetime] = field(default_factory=list)
    schedule: Schedule = field(init=False)
    random: Random = field(default_factory=lambda: Random(7))

    def __post_init__(self) -> None:
        self.restart()

    def now(self) -> Moment:
        wall = self.begin + timedelta(seconds=self.seconds + self.wall_error_seconds)
        return Moment(wall=wall, monotonic_seconds=self.seconds - self.slept_seconds)

    def restart(self) -> None:
        self.schedule = Schedule(self.settings, last=self.last, now=self.now(), random=self.random)

    def live(self, seconds: float, *, network: bool = True) -> None:
        """Time in which the process runs as the service does."""
        end = self.seconds + seconds
        while self.seconds < end:
            if not network:
                self.schedule.held(self.now())
            wait = self.schedule.wait_seconds(self.now())
            assert wait >= 0
            if wait == 0 and network:
                self.start()
                continue
            self.seconds = min(end, self.seconds + min(max(wait, ROUNDING_SECONDS), TICK_SECONDS))

    def start(self) -> None:
        self.starts.append(self.seconds)
        self.walls.append(self.now().wall)
        self.last = LastRun(run_id=f"run-{len(self.starts)}", started_at=self.now().wall)
        self.schedule.started(self.last.run_id, self.now())


def gaps(world: World) -> Iterable[float]:
    return (later - earlier for earlier, later in zip(world.starts, world.starts[1:], strict=False))


def is_quiet(at: datetime, settings: ScheduleSettings) -> bool:
    """By the local clock, as a person would say it; apart from the code that is tested."""
    local = at.astimezone(ZoneInfo(settings.time_zone))
    for hours in settings.quiet:
        now = local.time().replace(tzinfo=None)
        if hours.start < hours.end:
            found = hours.start <= now < hours.end and local.weekday() in hours.days
        else:
            yesterday = (local.weekday() - 1) % 7
            found = (now >= hours.start and local.weekday() in hours.days) or (
                now < hours.end and yesterday in hours.days
            )
        if found:
            return True
    return False


events = st.lists(
    st.tuples(
        st.sampled_from(["live", "outage", "restart", "off", "sleep", "suspend"]),
        st.floats(1, 1.5 * DAY),
    ),
    max_size=6,
)


@given(any_settings(), st.sampled_from(BEGINNINGS), events)
@settings(max_examples=40, deadline=None)
def test_never_too_close_never_quiet_never_too_late(
    wanted: ScheduleSettings, begin: datetime, happens: list[tuple[str, float]]
) -> None:
    """Without jumps of the wall clock: least and greatest gap, quiet hours, and one run for all that was missed."""
    world = World(wanted, begin)
    world.live(1)
    for what, seconds in happens:
        match what:
            case "live":
                world.live(seconds)
            case "outage":
                world.live(seconds, network=False)
            case "restart":
                world.restart()
                world.live(min(seconds, wanted.min_seconds / 3))
            case "off":
                world.seconds += seconds
                world.restart()
            case "sleep":  # the monotonic clock goes on, as CLOCK_BOOTTIME does
                world.seconds += seconds
            case _:  # it stands still, as CLOCK_MONOTONIC does
                world.seconds += seconds
                world.slept_seconds += seconds
    assert all(gap >= wanted.min_seconds - ROUNDING_SECONDS for gap in gaps(world))
    assert not any(is_quiet(at, wanted) for at in world.walls)
    count = len(world.starts)
    quiet = QuietTimes(wanted.quiet, wanted.time_zone)
    world.live(60)  # whatever was missed is noticed
    latest = wanted.max_seconds + SPREAD_SECONDS + wanted.min_seconds + 2 * TICK_SECONDS
    until = (quiet.after_open(world.now().wall, latest) - world.now().wall).total_seconds()
    world.live(until + TICK_SECONDS)
    assert len(world.starts) > count


@given(any_settings(most_quiet=1), st.lists(st.tuples(st.floats(0, 5000), st.floats(-3600, 3600)), max_size=8))
@settings(max_examples=40, deadline=None)
def test_a_wall_clock_that_jumps_by_an_hour_starts_no_two_runs_too_close(
    wanted: ScheduleSettings, jumps: list[tuple[float, float]]
) -> None:
    world = World(wanted, BEGINNINGS[0])
    for seconds, error in jumps:
        world.live(seconds)
        world.wall_error_seconds = error
    world.live(wanted.max_seconds)
    assert all(gap >= wanted.min_seconds - ROUNDING_SECONDS for gap in gaps(world))
    assert not any(is_quiet(at, wanted) for at in world.walls)
    if not wanted.quiet:
        assert all(gap <= wanted.max_seconds + SPREAD_SECONDS + TICK_SECONDS for gap in gaps(world))
        assert world.starts[-1] >= world.seconds - wanted.max_seconds - SPREAD_SECONDS - TICK_SECONDS


@given(any_settings(most_quiet=0), st.lists(st.floats(0.1, 400), min_size=1, max_size=60))
@settings(max_examples=40, deadline=None)
def test_restarts_change_no_start(wanted: ScheduleSettings, lives: list[float]) -> None:
    """A process that is started again and again, with a store, starts what one that lives on starts."""
    steady, restless = World(wanted, BEGINNINGS[3]), World(wanted, BEGINNINGS[3])
    for seconds in lives:
        steady.live(seconds)
        restless.live(seconds)
        restless.restart()
    assert len(steady.starts) == len(restless.starts)
    assert all(abs(a - b) < 0.01 for a, b in zip(steady.starts, restless.starts, strict=True))


@given(any_settings(), st.sampled_from(BEGINNINGS), st.floats(0, 7 * DAY), st.floats(0, 2 * DAY))
@settings(max_examples=100, deadline=None)
def test_open_time_is_counted_and_ends_where_it_is_not_quiet(
    wanted: ScheduleSettings, begin: datetime, offset: float, seconds: float
) -> None:
    quiet = QuietTimes(wanted.quiet, wanted.time_zone)
    start = begin + timedelta(seconds=offset)
    end = quiet.after_open(start, seconds)
    assert end >= start + timedelta(seconds=seconds) - timedelta(microseconds=1)
    assert not is_quiet(end, wanted)
    assert quiet.open_from(end) == end
    assert quiet.after_open(start, seconds + 1) >= end + timedelta(seconds=1) - timedelta(microseconds=2)


@given(any_settings(), st.sampled_from(BEGINNINGS), st.floats(0, 7 * DAY))
@settings(max_examples=100, deadline=None)
def test_no_gap_lasts_longer_than_is_said(wanted: ScheduleSettings, begin: datetime, offset: float) -> None:
    start = begin + timedelta(seconds=offset)
    end = QuietTimes(wanted.quiet, wanted.time_zone).after_open(start, wanted.max_seconds)
    assert end - start <= timedelta(seconds=longest_seconds(wanted))


@given(any_settings(most_quiet=0), st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_gaps_keep_their_bounds_and_their_order(wanted: ScheduleSettings, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert wanted.min_seconds <= gap_seconds(wanted, low) <= gap_seconds(wanted, high) <= wanted.max_seconds


@given(st.integers(0, 2**32), any_settings(most_quiet=0))
@settings(max_examples=10, deadline=None)
def test_the_mean_is_the_one_that_was_asked_for(seed: int, wanted: ScheduleSettings) -> None:
    random = Random(seed)
    total = sum(gap_seconds(wanted, random.random()) for _ in range(2000))
    assert abs(total / 2000 / wanted.mean_seconds - 1) < 0.1  # four standard errors of an exponential's mean
