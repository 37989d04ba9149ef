"""Does the schedule start runs when it should, whatever the clocks, the process and the network do?"""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from random import Random
from statistics import fmean
from zoneinfo import ZoneInfo

import pytest

from probe.config.watch_file import QuietHours, ScheduleSettings, Weekday
from probe.schedule import LastRun, Moment, QuietTimes, Schedule, draw_after, gap_seconds, runs_per_day

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = 3600.0
FIXED = ScheduleSettings(mean_seconds=HOUR, min_seconds=HOUR, max_seconds=HOUR)
NIGHT = QuietHours(start=time(23), end=time(7))
BERLIN = ZoneInfo("Europe/Berlin")


def moment(seconds: float, *, wall_jump_seconds: float = 0.0) -> Moment:
    wall = START + timedelta(seconds=seconds + wall_jump_seconds)
    return Moment(wall=wall, monotonic_seconds=1000 + seconds)


def schedule(settings: ScheduleSettings = FIXED, *, last: LastRun | None = None, at: float = 0.0) -> Schedule:
    return Schedule(settings, last=last, now=moment(at), random=Random(1))


def berlin(text: str, *, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).astimezone(UTC)


# --- gaps ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mean", [2161.0, 10_000.0, 21_600.0, 28_080.0, 40_000.0, 53_999.0])
def test_gaps_keep_their_bounds_and_their_mean(mean: float) -> None:
    settings = ScheduleSettings(mean_seconds=mean)
    gaps = [gap_seconds(settings, (i + 0.5) / 4_000) for i in range(4_000)]
    assert settings.min_seconds <= min(gaps) and max(gaps) <= settings.max_seconds
    assert fmean(gaps) == pytest.approx(mean, rel=1e-3)
    assert gaps == sorted(gaps)


def test_gaps_have_no_memory_away_from_their_bounds() -> None:
    """Of those that last t, the same share lasts another hour, whatever t."""
    settings = ScheduleSettings()
    gaps = [gap_seconds(settings, (i + 0.5) / 50_000) for i in range(50_000)]
    shares = [
        sum(start + HOUR <= gap < start + 2 * HOUR for gap in gaps) / sum(start <= gap < start + HOUR for gap in gaps)
        for start in (HOUR, 3 * HOUR, 6 * HOUR, 10 * HOUR)
    ]
    assert max(shares) - min(shares) < 0.01


def test_the_gap_follows_from_the_runs_id() -> None:
    draws = [draw_after(f"0190-{number}") for number in range(2000)]
    assert draws == [draw_after(f"0190-{number}") for number in range(2000)]
    assert fmean(draws) == pytest.approx(0.5, abs=0.03) and all(0 <= draw < 1 for draw in draws)


def test_equal_bounds_are_a_fixed_gap() -> None:
    assert {gap_seconds(FIXED, draw) for draw in (0.0, 0.3, 0.999)} == {HOUR}


def test_runs_per_day() -> None:
    assert runs_per_day(ScheduleSettings()) == 4
    assert runs_per_day(ScheduleSettings(quiet=(NIGHT,))) == pytest.approx(4 * 16 / 24)


# --- starts ----------------------------------------------------------------------------------------------------------


def test_the_first_run_ever_starts_at_once() -> None:
    assert schedule().wait_seconds(moment(0)) == 0


def test_the_next_start_is_a_gap_after_the_last() -> None:
    plan = schedule()
    plan.started("a", moment(5))
    assert plan.wait_seconds(moment(5)) == HOUR
    assert plan.wait_seconds(moment(1805)) == HOUR / 2
    assert plan.wait_seconds(moment(5 + HOUR)) == 0
    assert plan.wait_seconds(moment(5 + HOUR + 200)) == 0  # a run that lasted longer than the gap: at once


def test_a_restart_goes_on_where_it_was() -> None:
    last = LastRun(run_id="a", started_at=START)
    for at in (0.0, 100.0, 3599.0):
        assert schedule(last=last, at=at).wait_seconds(moment(at)) == HOUR - at
    drawn = ScheduleSettings()
    waits = {round(schedule(drawn, last=last, at=at).wait_seconds(moment(at)) + at, 3) for at in range(0, 2000, 100)}
    assert len(waits) == 1


def test_restarting_all_the_time_does_not_start_runs() -> None:
    last = LastRun(run_id="a", started_at=START)
    assert all(schedule(last=last, at=at).wait_seconds(moment(at)) > 0 for at in range(0, 3600, 10))


def test_what_was_missed_is_one_run_a_moment_later() -> None:
    plan = schedule(last=LastRun(run_id="a", started_at=START - timedelta(days=3)))
    first = plan.wait_seconds(moment(0))
    assert 1 <= first <= 300
    assert plan.wait_seconds(moment(0.5)) == pytest.approx(first - 0.5)  # one draw, not one each time it is asked
    assert plan.wait_seconds(moment(first)) == 0
    plan.started("b", moment(first))
    assert plan.wait_seconds(moment(first)) == HOUR


def test_a_process_that_does_not_wait_makes_up_for_what_was_missed_at_once() -> None:
    last = LastRun(run_id="a", started_at=START)
    assert not schedule(last=last, at=60).is_due(moment(60))
    assert schedule(last=last, at=HOUR).is_due(moment(HOUR))
    assert schedule(last=last, at=90 * HOUR).is_due(moment(90 * HOUR))
    assert schedule().is_due(moment(0))
    noon = replace(FIXED, quiet=(QuietHours(start=time(12), end=time(14)),))
    assert not schedule(noon, last=LastRun(run_id="a", started_at=START - timedelta(days=1))).is_due(moment(0))
    assert not schedule(noon).is_due(moment(0))


def test_a_machine_that_slept_makes_one_run() -> None:
    plan = schedule()
    plan.started("a", moment(0))
    woken = moment(50 * HOUR)
    assert 1 <= plan.wait_seconds(woken) <= 300
    plan.started("b", moment(50 * HOUR + 300))
    assert plan.wait_seconds(moment(50 * HOUR + 300)) == HOUR


def test_a_clock_that_does_not_count_sleep_is_helped_by_the_other() -> None:
    """CLOCK_MONOTONIC stands still while the machine sleeps; the wall clock does not."""
    settings = ScheduleSettings(mean_seconds=6 * HOUR, min_seconds=600, max_seconds=15 * HOUR)
    plan = schedule(settings)
    plan.started("a", moment(0))
    woken = Moment(wall=START + timedelta(days=1), monotonic_seconds=1000 + 60)
    assert plan.wait_seconds(woken) > 0  # nothing yet tells sleep from a clock that was put forward
    later = Moment(wall=START + timedelta(days=1, seconds=540), monotonic_seconds=1000 + 600)
    assert plan.wait_seconds(later) <= 300


def test_no_network_holds_a_run_and_its_end_starts_one() -> None:
    plan = schedule(last=LastRun(run_id="a", started_at=START - timedelta(hours=1)))
    for at in range(0, 7200, 60):
        plan.held(moment(at))
        assert plan.wait_seconds(moment(at)) > 0
    back = 7200.0
    wait = plan.wait_seconds(moment(back))
    assert 1 <= wait <= 300
    assert plan.wait_seconds(moment(back + wait)) == 0
    plan.started("b", moment(back + wait))
    assert plan.wait_seconds(moment(back + wait)) == HOUR


def test_an_outage_that_is_over_before_the_start_puts_nothing_off() -> None:
    plan = schedule(last=LastRun(run_id="a", started_at=START))
    plan.held(moment(60))
    assert plan.wait_seconds(moment(120)) == HOUR - 120
    assert plan.wait_seconds(moment(HOUR)) == 0


@pytest.mark.parametrize("jump", [HOUR, -HOUR, 40 * 365 * 24 * HOUR])
def test_a_wall_clock_that_jumps_brings_no_start_nearer_and_loses_none(jump: float) -> None:
    plan = schedule(ScheduleSettings(mean_seconds=2 * HOUR, min_seconds=HOUR, max_seconds=5 * HOUR))
    plan.started("a", moment(0))
    due = plan.wait_seconds(moment(0))
    for at in range(60, 3600, 60):
        assert plan.wait_seconds(moment(at, wall_jump_seconds=jump)) == pytest.approx(due - at)
    assert plan.wait_seconds(moment(due, wall_jump_seconds=jump)) <= 300
    plan.started("b", moment(due, wall_jump_seconds=jump))
    assert plan.wait_seconds(moment(due, wall_jump_seconds=jump)) >= HOUR


def test_a_last_run_in_the_future_delays_by_one_gap_at_most() -> None:
    plan = schedule(last=LastRun(run_id="a", started_at=START + timedelta(days=400)))
    assert plan.wait_seconds(moment(0)) == HOUR
    assert plan.wait_seconds(moment(HOUR)) == 0


def test_other_settings_apply_to_the_gap_that_is_waited_out() -> None:
    plan = schedule()
    plan.started("a", moment(0))
    plan.reconfigure(ScheduleSettings(mean_seconds=2 * HOUR, min_seconds=2 * HOUR, max_seconds=2 * HOUR))
    assert plan.wait_seconds(moment(HOUR)) == HOUR
    plan.reconfigure(ScheduleSettings(mean_seconds=60, min_seconds=60, max_seconds=60))
    assert plan.wait_seconds(moment(HOUR)) <= 60


# --- quiet hours -----------------------------------------------------------------------------------------------------


def test_the_clock_stands_still_in_quiet_hours() -> None:
    quiet = QuietTimes((NIGHT,), "Europe/Berlin")
    assert quiet.after_open(berlin("2026-03-10T22:00"), 1800) == berlin("2026-03-10T22:30")
    assert quiet.after_open(berlin("2026-03-10T22:00"), 3600) == berlin("2026-03-11T07:00")  # 23:00 is quiet already
    assert quiet.after_open(berlin("2026-03-10T22:00"), 5400) == berlin("2026-03-11T07:30")
    assert quiet.after_open(berlin("2026-03-11T02:00"), 60) == berlin("2026-03-11T07:01")
    assert quiet.open_from(berlin("2026-03-11T07:00")) == berlin("2026-03-11T07:00")


def test_days_are_those_on_which_quiet_begins() -> None:
    quiet = QuietTimes((QuietHours(start=time(22), end=time(6), days=(Weekday.FRI,)),), "UTC")
    friday = datetime(2026, 3, 13, 23, tzinfo=UTC)
    assert quiet.open_from(friday) == datetime(2026, 3, 14, 6, tzinfo=UTC)
    assert quiet.open_from(friday + timedelta(days=1)) == friday + timedelta(days=1)
    assert quiet.open_from(friday - timedelta(days=1)) == friday - timedelta(days=1)


def test_parts_that_meet_or_overlap_are_one() -> None:
    parts = (QuietHours(start=time(0), end=time(6)), QuietHours(start=time(5), end=time(12)))
    assert QuietTimes(parts, "UTC").open_from(datetime(2026, 3, 10, 1, tzinfo=UTC)) == datetime(
        2026, 3, 10, 12, tzinfo=UTC
    )


def test_a_whole_day_is_quiet_where_start_and_end_are_the_same() -> None:
    sunday = QuietTimes((QuietHours(start=time(0), end=time(0), days=(Weekday.SUN,)),), "UTC")
    assert sunday.open_from(datetime(2026, 3, 15, 9, tzinfo=UTC)) == datetime(2026, 3, 16, tzinfo=UTC)


def test_a_time_that_is_skipped_makes_quiet_longer_never_shorter() -> None:
    """In Berlin on 29 March 2026, 02:00 becomes 03:00."""
    until = QuietTimes((QuietHours(start=time(22), end=time(2, 30)),), "Europe/Berlin")
    assert until.open_from(berlin("2026-03-29T01:00")) >= berlin("2026-03-29T03:00")
    since = QuietTimes((QuietHours(start=time(2, 30), end=time(5)),), "Europe/Berlin")
    assert since.open_from(berlin("2026-03-29T03:00")) == berlin("2026-03-29T05:00")


def test_a_time_that_comes_twice_ends_quiet_the_second_time() -> None:
    """In Berlin on 25 October 2026, 03:00 becomes 02:00."""
    until = QuietTimes((QuietHours(start=time(22), end=time(2, 30)),), "Europe/Berlin")
    assert until.open_from(berlin("2026-10-25T01:00")) == berlin("2026-10-25T02:30", fold=1)
    since = QuietTimes((QuietHours(start=time(2, 30), end=time(5)),), "Europe/Berlin")
    assert since.open_from(berlin("2026-10-25T02:45")) == berlin("2026-10-25T05:00")
    assert since.open_from(berlin("2026-10-25T02:15", fold=1)) == berlin("2026-10-25T05:00")


def test_a_run_that_was_missed_waits_for_quiet_to_end_and_then_a_little() -> None:
    settings = ScheduleSettings(
        mean_seconds=HOUR, min_seconds=HOUR, max_seconds=HOUR, quiet=(QuietHours(start=time(12), end=time(14)),)
    )
    plan = schedule(settings, last=LastRun(run_id="a", started_at=START - timedelta(days=1)))
    assert plan.wait_seconds(moment(0)) == 2 * HOUR
    wait = plan.wait_seconds(moment(2 * HOUR))
    assert 1 <= wait <= 300
    assert plan.wait_seconds(moment(2 * HOUR + wait)) == 0


def test_utc_needs_no_database_of_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoneinfo.TZPATH", ())
    assert QuietTimes((NIGHT,), "UTC").open_from(START) == START
