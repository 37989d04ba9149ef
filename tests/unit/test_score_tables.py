"""Do the figures of a score follow from its records? Known answers."""

import pytest
from scipy.stats import binomtest

from probe.lab.rules import Direction
from probe.lab.scenarios.base import CLEAN_BUT_HARD, Family
from probe.lab.scenarios.holding import Aspect
from probe.lab.score.intervals import clopper_pearson, clustered, effective_trials
from probe.lab.score.record import Key, TargetRecord
from probe.lab.score.spread import errors_of, spread_of
from probe.lab.score.tables import score
from probe.model.results import NetworkState, State
from tests.score_records import DROPPED, POLICED, direction, point, run, target


@pytest.mark.parametrize(("hits", "trials"), [(0, 1), (0, 600), (3, 165), (7, 7), (599, 600)])
def test_interval_is_scipys_exact_one_for_whole_numbers(hits: int, trials: int) -> None:
    known = binomtest(hits, trials).proportion_ci(confidence_level=0.95, method="exact")
    assert clopper_pearson(hits, trials) == pytest.approx((known.low, known.high))


def test_interval_of_three_in_165_as_published() -> None:
    low, high = clopper_pearson(3, 165)
    assert (round(low, 3), round(high, 3)) == (0.004, 0.052)


def test_one_trial_a_run_is_not_clustered() -> None:
    rate = clustered([(1, 1)] * 3 + [(0, 1)] * 97)
    assert (rate.hits, rate.trials, rate.runs, rate.effective) == (3, 100, 100, 100.0)


def test_trials_that_agree_within_a_run_count_as_little_more_than_runs() -> None:
    rate = clustered([(4, 4)] * 10 + [(0, 4)] * 10)
    assert rate.trials == 80
    assert rate.effective < 20
    low, high = clopper_pearson(40, 80)
    assert rate.low < low
    assert rate.high > high


def test_design_effect_as_computed_by_hand() -> None:
    # rate .25; sum of (y - .5)^2 over 4 runs of 2: 2*.25 + .25 + 2.25... = (1.5^2 + 3*.5^2) = 3; between = 4/3*3/64
    runs = [(2, 2), (0, 2), (0, 2), (0, 2)]
    between = 4 / 3 * 3 / 64
    few_runs = (2.3646 / 3.1824) ** 2  # t(7) and t(3) at 97.5 %
    assert effective_trials(runs) == pytest.approx(0.25 * 0.75 / between * few_runs, rel=1e-4)


def test_more_even_than_chance_is_not_rewarded() -> None:
    assert effective_trials([(1, 2)] * 50) == 100.0


def test_nothing_found_counts_runs_only() -> None:
    rate = clustered([(0, 5)] * 60)
    assert (rate.trials, rate.effective) == (300, 60.0)
    assert rate.high == pytest.approx(binomtest(0, 60).proportion_ci(method="exact").high)


def test_no_trial_says_nothing() -> None:
    rate = clustered([(0, 0)])
    assert (rate.value, rate.low, rate.high, rate.runs) == (None, 0.0, 1.0, 0)


def test_false_alarms_misses_and_excuses() -> None:
    records = [
        run([target(State.THROTTLED), target(State.OK, name="b")], seed=0),
        run([target(State.INCONCLUSIVE), target(State.INCONCLUSIVE, CLEAN_BUT_HARD, name="b")], seed=1),
        run([target(State.OK, POLICED)], seed=2),
        run([target(State.INCONCLUSIVE, DROPPED)], seed=3),
        run([target(State.BLOCKED, DROPPED)], seed=4),
        run([target(State.BLOCKED)], seed=5, disturbed=True),
        run([], seed=6, problem="no lab"),
    ]
    result = score(records)
    everything = result.rates[-1]
    assert (result.runs, result.trials) == (5, 7)
    assert (everything.family, everything.profile) == ("all", "all")
    assert (everything.false_alarms.hits, everything.false_alarms.trials) == (1, 4)
    assert (everything.inconclusive.hits, everything.inconclusive.trials) == (1, 3)
    assert (everything.found.hits, everything.found.trials) == (1, 3)
    assert (everything.missed.hits, everything.missed.trials) == (1, 3)
    assert (everything.right.hits, everything.right.trials) == (4, 7)
    assert [(w.seed, w.false_alarm, w.state) for w in result.wrong] == [
        (0, True, State.THROTTLED),
        (1, False, State.INCONCLUSIVE),
        (2, False, State.OK),
    ]
    (invalid,) = result.invalid
    assert (invalid.runs, invalid.disturbed, invalid.without_report) == (7, 1, 1)


def test_groups_are_family_and_line_then_line_then_all() -> None:
    mobile = Key(scenario="a", profile="mobile", seed=0)
    records = [run([target()]), run([target(State.OK, POLICED)], key=mobile, family=Family.THROTTLING)]
    places = [(row.family, row.profile) for row in score(records).rates]
    assert places == [("throttling", "mobile"), ("lines", "home"), ("all", "home"), ("all", "mobile"), ("all", "all")]


def test_limits_are_grouped_by_what_they_leave_of_the_line() -> None:
    slow_line = run(
        [target(State.THROTTLED, POLICED)], seed=1, key=Key(scenario="a", profile="dsl", seed=1), down_bps=2.5e6
    )
    shares = score([run([target(State.THROTTLED, POLICED)]), slow_line]).shares
    assert [(s.profile, s.share, s.found.hits) for s in shares] == [("dsl", 1.0, 1), ("home", 0.10, 1)]


def test_an_ok_that_should_have_seen_the_limit_is_a_broken_promise() -> None:
    def limited(detectable_ratio: float | None, state: State = State.OK) -> TargetRecord:
        return target(state, POLICED, download=direction(detectable_ratio=detectable_ratio))

    targets = [limited(0.3), limited(0.05), limited(None), limited(0.3, State.THROTTLED), target()]
    (promise,) = score([run([one], seed=seed) for seed, one in enumerate(targets)]).promises
    assert (promise.profile, promise.broken.hits, promise.broken.trials) == ("home", 1, 2)


def test_states_are_counted_by_what_is_true() -> None:
    (clean, interfered) = score([run([target(), target(State.OK, POLICED), target(State.THROTTLED, POLICED)])]).states
    states = list(State)
    assert clean.found[states.index(State.OK)] == 1
    assert (interfered.found[states.index(State.OK)], interfered.found[states.index(State.THROTTLED)]) == (1, 1)


def test_points_are_counted_by_aspect() -> None:
    points = (
        point(Aspect.METHOD, "policed", "policed", right=True, direction=Direction.DOWN),
        point(Aspect.METHOD, "policed", "lossy", right=False, direction=Direction.UP),
        point(Aspect.LIMIT, "2000 kbit/s", "1900 kbit/s", right=True, error=-0.05),
        point(Aspect.LIMIT, "2000 kbit/s", "-", right=False),
    )
    result = score([run([target(State.THROTTLED, POLICED, points=points)], network=NetworkState.NO_NETWORK)])
    methods = [(c.true, c.found, c.right, c.count) for c in result.confusions if c.aspect is Aspect.METHOD]
    assert methods == [("policed", "lossy", False, 1), ("policed", "policed", True, 1)]
    assert [(c.true, c.found) for c in result.confusions if c.aspect is Aspect.NETWORK] == [("ok", "no_network")]
    (rates,) = [a for a in result.aspects if a.aspect is Aspect.METHOD and a.profile == "all"]
    assert (rates.right.hits, rates.right.trials, rates.right.runs) == (1, 2, 1)
    one, every = result.limit_errors
    assert (one.true, one.asked, one.given, one.median, one.within) == ("2000 kbit/s", 2, 1, -0.05, 1)
    assert (every.profile, every.asked) == ("all", 2)


def test_spending_is_by_family_line_and_state() -> None:
    records = [run([target(num_bytes=size * 1000, goodput_seconds=None)], seed=size) for size in range(1, 101)]
    (row,) = score(records).spending
    assert row.num_bytes is not None
    assert (row.trials, row.num_bytes.median, row.num_bytes.high, row.num_bytes.greatest) == (100, 50500, 95000, 100000)
    assert row.goodput_seconds is None


def test_spread_of_one_value_is_that_value() -> None:
    spread = spread_of([3.0])
    assert (spread.median, spread.high, spread.greatest) == (3.0, 3.0, 3.0)


def test_errors_without_an_estimate_are_within_nothing() -> None:
    errors = errors_of([None, 0.2, -0.1], profile="home", true="x", tolerance=0.15)
    assert (errors.asked, errors.given, errors.within) == (3, 2, 1)
    assert errors.median == pytest.approx(0.05)
    assert errors.median_size == pytest.approx(0.15)
