"""The laws of the comparison with the past: it accuses nobody, and invents no change."""

import math
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.formats import past as words
from probe.model.past import OnsetOf, PastComparison, PastGoodput, PastOutcome, Standing
from probe.model.results import Comparison, Method, NetworkState, State
from probe.verdict import past
from tests.histories import BEGIN, EVERY, HOME, goodput, history, moved, outcome, result

NOW = BEGIN + timedelta(days=900)
rates = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.floats(min_value=1e3, max_value=1e9))
figures = st.builds(
    PastGoodput,
    target_bps=rates,
    control_bps=rates,
    ratio=rates,
    comparison=st.one_of(st.none(), st.sampled_from(Comparison)),
    method=st.sampled_from(Method),
)
texts = st.one_of(
    st.integers(0, 2000).map(lambda n: (BEGIN + n * timedelta(hours=3)).isoformat()),
    st.sampled_from(["", "yesterday", "2026-03-02", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]),
)
anything = st.builds(
    PastOutcome,
    run_id=st.text(max_size=3),
    target=st.sampled_from(["birdsite", "other"]),
    started_at=texts,
    state=st.sampled_from(State),
    network_state=st.sampled_from(NetworkState),
    country=st.sampled_from([HOME.country, None]),
    asn=st.sampled_from([HOME.asn, None]),
    network=st.just(HOME.network),
    vpn=st.sampled_from([None, False, True]),
    access_checks=st.one_of(st.none(), st.integers(-1, 5)),
    access_ok=st.one_of(st.none(), st.integers(0, 5)),
    checks=st.one_of(st.none(), st.lists(st.sampled_from(["dns", "goodput"])).map(tuple)),
    download=st.one_of(st.none(), figures),
    upload=st.one_of(st.none(), figures),
)
seeds = st.integers(0, 2**32)


def compared(runs: list[PastOutcome], now: PastOutcome | None = None) -> PastComparison | None:
    last = now or replace(runs[-1], started_at=NOW.isoformat())
    return past.compare(result(last), runs, now=datetime.fromisoformat(last.started_at), vantage=HOME)


def levels(runs: list[PastOutcome]) -> list[tuple[OnsetOf, str]]:
    return [(o.what, o.since) for o in past.onsets(runs, target="birdsite", now=NOW, vantage=HOME)]


@settings(max_examples=60, deadline=None)
@given(st.lists(anything, max_size=60), anything)
def test_it_is_total_and_deterministic_and_json(runs: list[PastOutcome], now: PastOutcome) -> None:
    current = replace(now, target="birdsite", started_at=NOW.isoformat())
    found = compared(runs, current)
    assert found == compared(runs, current)
    judged = replace(result(current), past=found)
    assert judged.verdict == result(current).verdict
    assert all(isinstance(text, str) and text.endswith(".") for text in words.sentences(judged))
    assert isinstance(words.headline(judged), str)
    if found is not None:
        for number in _numbers(msgspec.to_builtins(found)):
            assert math.isfinite(number)


def _numbers(value: object) -> list[float]:
    if isinstance(value, dict):
        return [n for item in value.values() for n in _numbers(item)]
    if isinstance(value, list | tuple):
        return [n for item in value for n in _numbers(item)]
    return [value] if isinstance(value, int | float) else []


@settings(max_examples=10, deadline=None)
@given(seeds, st.randoms(use_true_random=False))
def test_the_order_in_which_runs_are_given_changes_nothing(seed: int, random: object) -> None:
    runs = history(60, ratio=lambda n: 0.2 if n > 40 else 1.0, seed=seed)
    shuffled = list(runs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    now = replace(runs[-1], started_at=NOW.isoformat())
    assert compared(runs, now) == compared(shuffled, now)


@given(st.integers(1, 300), st.floats(1e3, 1e9))
@settings(max_examples=20, deadline=None)
def test_equal_values_have_no_onset(count: int, rate: float) -> None:
    assert not levels([outcome(BEGIN + n * EVERY, download=goodput(rate)) for n in range(count)])


@settings(max_examples=15, deadline=None)
@given(seeds, st.integers(1, 99), st.integers(1, 60))
def test_a_gap_makes_no_onset(seed: int, at: int, weeks: int) -> None:
    runs = history(100, seed=seed)
    known = levels(runs)
    apart = levels([*runs[:at], *(moved(r, timedelta(weeks=weeks)) for r in runs[at:])])
    assert len(apart) <= len(known)


@settings(max_examples=15, deadline=None)
@given(seeds, st.lists(st.integers(0, 119), max_size=60))
def test_runs_that_could_not_tell_make_no_onset(seed: int, places: list[int]) -> None:
    runs = history(120, seed=seed, ratio=lambda n: 0.1 if n >= 80 else 1.0, state=_throttled_from_80)
    empty = [outcome(BEGIN + n * EVERY + timedelta(hours=1), State.INCONCLUSIVE) for n in set(places)]
    assert levels([*runs, *empty]) == levels(runs)


def _throttled_from_80(number: int) -> State:
    return State.THROTTLED if number >= 80 else State.OK


@settings(max_examples=10, deadline=None)
@given(seeds, st.floats(1e-3, 1e3))
def test_scaling_every_rate_alike_changes_no_factor(seed: int, factor: float) -> None:
    def scaled(run: PastOutcome) -> PastOutcome:
        assert run.download is not None
        assert run.download.target_bps is not None
        assert run.download.control_bps is not None
        return replace(run, download=goodput(run.download.target_bps * factor, run.download.control_bps * factor))

    runs = history(60, seed=seed, ratio=lambda n: 0.3 if n > 50 else 1.0)
    one, other = (
        compared(runs),
        compared([scaled(r) for r in runs], scaled(replace(runs[-1], started_at=NOW.isoformat()))),
    )
    assert one is not None
    assert other is not None
    assert one.download is not None
    assert other.download is not None
    assert other.download.rule_id == one.download.rule_id
    for a, b in ((one.download.target, other.download.target), (one.download.control, other.download.control)):
        assert (a.factor is None) == (b.factor is None)
        assert a.factor is None or b.factor is None or math.isclose(a.factor, b.factor, rel_tol=1e-9)


@settings(max_examples=15, deadline=None)
@given(seeds, st.integers(20, 100), st.floats(0.01, 100))
def test_another_line_rate_at_equal_ratios_is_no_onset_of_the_target(seed: int, at: int, factor: float) -> None:
    runs = history(130, seed=seed, noise=0.1)
    changed = history(130, seed=seed, noise=0.1, line=lambda t: 2e7 * (factor if t >= BEGIN + at * EVERY else 1))
    assert [what for what, _ in levels(changed)] == [what for what, _ in levels(runs)]


@settings(max_examples=15, deadline=None)
@given(seeds, st.floats(0.01, 100))
def test_the_standing_is_that_of_the_factor(seed: int, factor: float) -> None:
    runs = history(60, seed=seed)
    found = compared(runs, outcome(BEGIN + 60 * EVERY, download=goodput(2e7 * factor)))
    assert found is not None
    assert found.download is not None
    figure = found.download.target
    assert figure.factor is not None
    assert (figure.standing is Standing.LOWER) <= (figure.factor < 1)
    assert (figure.standing is Standing.HIGHER) <= (figure.factor > 1)
