"""Laws of the byte count: whatever order runs, deaths, days and clocks come in, no limit is exceeded by a byte."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from probe.store.usage import Limits, Usage

FIRST = date(2026, 11, 25)
LIMITS = Limits(run=100, day=250, month=600)

steps = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "draw", "settle", "die", "later", "earlier"]),
        st.integers(0, 5),
        st.integers(0, 120),
    ),
    max_size=60,
)


@given(steps)
def test_limits_hold_over_runs_deaths_and_midnights(made: list[tuple[str, int, int]]) -> None:
    """Each run moves at most what it has drawn; the sums of what was really moved stay within every limit, on the
    clock's own days, which may be set back and come again."""
    usage, today = Usage(), FIRST
    drawn: dict[str, dict[str, int]] = {}
    moved: dict[str, int] = {}
    for number, (step, who, amount) in enumerate(made):
        day = today.isoformat()
        open_runs = list(drawn)
        run = open_runs[who % len(open_runs)] if open_runs else ""
        if step == "reserve":
            days = [day, (today + timedelta(days=1)).isoformat()][: 1 + amount % 2]
            granted = usage.reserve(str(number), "owner", amount, LIMITS, days, first_draw=amount // 2)
            drawn[str(number)] = {day: min(granted, amount // 2)}
        elif step == "later":
            today += timedelta(days=amount % 4)
        elif step == "earlier":
            today -= timedelta(days=amount % 4)
        elif run and step == "draw":
            drawn[run][day] = max(drawn[run].get(day, 0), usage.draw(run, day, amount))
        elif run:
            spent = {of: most if step == "die" else most // 2 for of, most in drawn.pop(run).items()}
            for of, num_bytes in spent.items():
                moved[of] = moved.get(of, 0) + num_bytes
            if step == "die":
                usage.claims[run].owner = "dead"
                usage.settle_the_dead(lambda owner: owner != "dead")
            else:
                usage.settle(run, spent)
        for of, num_bytes in moved.items():
            assert num_bytes <= LIMITS.day
            assert usage.used(of) >= num_bytes
        for month in {of[:7] for of in moved}:
            assert sum(n for of, n in moved.items() if of.startswith(month)) <= LIMITS.month


@given(st.lists(st.tuples(st.integers(-40, 40), st.integers(0, 300)), max_size=30))
def test_within_one_clock_day_no_more_than_a_day_is_given_whatever_the_clock_said_before(
    jumps: list[tuple[int, int]],
) -> None:
    """What moved on days that have not come yet counts today: a clock set back is no fresh budget."""
    usage, today = Usage(), FIRST
    for number, (days, amount) in enumerate(jumps):
        today += timedelta(days=days)
        before = sum(of.moved for name, of in usage.days.items() if name > today.isoformat())
        carried = sum(of.carried for name, of in usage.days.items() if name > today.isoformat())
        granted = usage.reserve(str(number), "owner", amount, LIMITS, [today.isoformat()], first_draw=0)
        assert granted <= max(0, LIMITS.day - (before - carried))
        usage.settle(str(number), {today.isoformat(): granted})
