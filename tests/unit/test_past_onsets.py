"""Since when is a target as it is? Changes that were there are found and dated; what only looks like one is not."""

import math
import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from probe.model.past import Onset, OnsetOf, PastOutcome
from probe.model.results import Comparison, Mechanism, NetworkState, State, Vantage
from probe.verdict import past
from tests.histories import BEGIN, EVERY, HOME, LINE_BPS, goodput, history, moved, states

AFTER = BEGIN + timedelta(days=2000)


def onsets(outcomes: list[PastOutcome], *, what: OnsetOf | None = None, vantage: Vantage = HOME) -> list[Onset]:
    found = past.onsets(outcomes, target="birdsite", now=AFTER, vantage=vantage)
    return [onset for onset in found if what is None or onset.what is what]


def state_changes(words: str) -> list[str]:
    """Before, after, the letter since which, and those between which it changed: "ok throttled 4 (3, 4)"."""
    return [
        f"{o.before} {o.after} {_letter(o.since)} ({_letter(o.earliest)}, {_letter(o.latest)})"
        for o in onsets(states(words), what=OnsetOf.STATE)
    ]


def _letter(time: str) -> int:
    return (datetime.fromisoformat(time) - BEGIN) // EVERY


def level_changes(outcomes: list[PastOutcome]) -> list[Onset]:
    return onsets(outcomes, what=OnsetOf.DOWNLOAD)


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ("", []),
        ("o", []),
        ("tttt", []),
        ("oooottt", ["ok throttled 4 (3, 4)"]),
        ("oooot", []),  # once is not enough
        ("oootoootooo", []),  # single odd runs
        ("ototototot", []),  # flapping settles nowhere
        ("ooo??tt", ["ok throttled 5 (2, 5)"]),  # what could not tell widens the interval
        ("ooot?t?t", ["ok throttled 3 (2, 3)"]),
        ("ooot?o?oo", []),
        ("oo" + " " * 80 + "tt", ["ok throttled 82 (1, 82)"]),  # a gap is no change, and hides when
        ("oo" + " " * 80 + "oo", []),
        ("ooototto", ["ok throttled 5 (2, 5)"]),  # contradictions lie within the interval
        ("ootttoobb", ["ok throttled 2 (1, 2)", "throttled ok 5 (4, 5)", "ok blocked 7 (6, 7)"]),
        ("????", []),
    ],
)
def test_a_state_counts_from_the_first_of_two_runs_that_agree(words: str, changes: list[str]) -> None:
    assert state_changes(words) == changes


def test_ok_without_goodput_does_not_end_throttling() -> None:
    runs = states("ooootttt")
    cheap = [replace(r, download=None, checks=("dns", "http", "reach", "tls")) for r in states("        oooooo")]
    assert [o.after for o in onsets([*runs, *cheap], what=OnsetOf.STATE)] == [State.THROTTLED]
    unknown = [replace(r, checks=None) for r in cheap]  # rows of which it is not known what was measured
    assert [o.after for o in onsets([*runs, *unknown], what=OnsetOf.STATE)] == [State.THROTTLED]
    assert [o.after for o in onsets([*runs, *states("        oo")], what=OnsetOf.STATE)] == [State.THROTTLED, State.OK]


def test_ok_of_names_alone_does_not_end_a_block() -> None:
    names = [replace(r, download=None, checks=("dns",)) for r in states("        oooo")]
    assert [o.after for o in onsets([*states("oooobbbb"), *names])] == [State.BLOCKED]


def test_a_block_ends_though_goodput_was_left_out() -> None:
    before = states("oooobbbb")
    without = [replace(r, download=None, checks=("dns", "http", "reach", "tls")) for r in states("        oo")]
    assert [o.after for o in onsets([*before, *without])] == [State.BLOCKED, State.OK]
    frozen = [replace(r, mechanisms=(Mechanism.TLS_STALL_SNI,)) for r in before]  # blocked, as goodput saw
    assert [o.after for o in onsets([*frozen, *without])] == [State.BLOCKED]


def test_runs_elsewhere_over_a_vpn_or_on_a_broken_line_are_not_the_past() -> None:
    runs = states("oooooooo")
    bad = states("         tttttttt")
    elsewhere: tuple[dict[str, Any], ...] = (
        {"asn": 64_501},
        {"network": "mobile"},
        {"country": "YY"},
        {"vpn": True},
        {"network_state": NetworkState.CAPTIVE_PORTAL},
        {"target": "encyclopedia"},
        {"started_at": "yesterday"},
    )
    for other in elsewhere:
        assert not onsets([*runs, *(replace(r, **other) for r in bad)])
    assert onsets([*runs, *bad])


def test_an_instance_counts_where_both_names_are_known() -> None:
    runs = [*states("oooo"), *(replace(r, instance="flat") for r in states("    tttt"))]
    assert onsets(runs)
    assert onsets(runs, vantage=replace(HOME, instance="flat"))
    assert not onsets(runs, vantage=replace(HOME, instance="office"))


@pytest.mark.parametrize("ratio", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_a_lasting_fall_is_dated(ratio: float, seed: int) -> None:
    (onset,) = level_changes(history(160, ratio=lambda n: ratio if n >= 120 else 1.0, seed=seed))
    assert onset.rule_id == "past.level_fell"
    assert _letter(onset.earliest) < 120 <= _letter(onset.latest)
    assert _letter(onset.latest) - _letter(onset.earliest) <= 4
    assert onset.factor == pytest.approx(ratio, rel=0.2)
    assert onset.after_bps == pytest.approx(LINE_BPS * ratio, rel=0.2)


def test_it_is_known_within_two_days_at_four_runs_a_day() -> None:
    runs = history(160, ratio=lambda n: 0.1 if n >= 120 else 1.0)
    known = next(n for n in range(120, 160) if level_changes(runs[: n + 1]))
    assert known <= 120 + 8


def test_a_fall_and_its_end_are_two_changes() -> None:
    found = level_changes(history(240, ratio=lambda n: 0.2 if 100 <= n < 170 else 1.0))
    assert [(o.rule_id, _letter(o.since)) for o in found] == [("past.level_fell", 100), ("past.level_rose", 170)]


@pytest.mark.parametrize("seed", range(4))
def test_noise_has_no_onset(seed: int) -> None:
    assert not level_changes(history(400, seed=seed))


def test_a_line_that_gets_slower_is_not_the_target() -> None:
    assert not level_changes(history(300, line=lambda at: LINE_BPS / (4 if at >= BEGIN + 150 * EVERY else 1)))


def test_an_evening_pattern_is_no_onset() -> None:
    def evening(number: int) -> float:
        hour = (BEGIN + number * EVERY).hour
        return 1 / 3 if hour == 18 else 1.0

    assert not level_changes(history(400, ratio=evening))


def test_a_gap_is_no_change_and_widens_the_interval() -> None:
    runs = history(200, ratio=lambda n: 0.1 if n >= 100 else 1.0)
    apart = [*runs[:100], *(moved(r, timedelta(weeks=6)) for r in runs[100:])]
    (onset,) = level_changes(apart)
    assert datetime.fromisoformat(onset.latest) - datetime.fromisoformat(onset.earliest) >= timedelta(weeks=6)
    even = history(200)
    assert not level_changes([*even[:100], *(moved(r, timedelta(weeks=6)) for r in even[100:])])


def test_collapses_of_single_runs_are_no_change() -> None:
    rng = random.Random(3)
    assert not level_changes(history(400, ratio=lambda _: 0.05 if rng.random() < 0.1 else 1.0))


def test_a_control_that_got_faster_is_no_change_of_the_target() -> None:
    runs = history(200, noise=0.1)
    little = [LINE_BPS * (0.86 + n % 7 / 50) for n in range(100)]  # a little less, as chance may have it
    faster = [replace(r, download=goodput(rate, 5 * LINE_BPS)) for r, rate in zip(runs[100:], little, strict=True)]
    assert not level_changes([*runs[:100], *faster])


def test_rates_at_a_control_are_not_mixed_with_those_of_the_target() -> None:
    def compared(run: PastOutcome, target_bps: float, comparison: Comparison) -> PastOutcome:
        return replace(run, download=replace(goodput(target_bps), comparison=comparison))

    runs = history(200)
    far = [compared(r, LINE_BPS * (0.2 + n % 5 / 100), Comparison.BETWEEN_SERVERS) for n, r in enumerate(runs[:120])]
    near = [compared(r, LINE_BPS * (1 - n % 5 / 100), Comparison.NAME_AT_CONTROL) for n, r in enumerate(runs[120:])]
    assert not level_changes([*far, *near])
    same = [replace(r, download=replace(r.download, comparison=Comparison.SIGNATURE)) for r in near if r.download]
    assert len(level_changes([*far, *same])) == 1


def test_a_small_shift_is_no_news() -> None:
    runs = history(300, ratio=lambda n: 0.8 if n >= 150 else 1.0, noise=0.05)
    assert not level_changes(runs)


def test_a_week_end_pattern_is_no_onset_once_it_is_known() -> None:
    assert not level_changes(history(28 * 12, ratio=lambda n: 0.4 if (BEGIN + n * EVERY).weekday() >= 5 else 1.0))


def test_a_first_week_end_is_no_onset() -> None:
    assert not level_changes(history(28 * 2 - 2, ratio=lambda n: 0.4 if (BEGIN + n * EVERY).weekday() >= 5 else 1.0))
    (onset,) = level_changes(history(28 * 2, ratio=lambda n: 0.4 if n >= 40 else 1.0))  # lasts longer
    assert _letter(onset.since) == 40


def test_the_interval_holds_a_change_that_noise_hides() -> None:
    held = 0
    for seed in range(12):
        found = level_changes(history(240, ratio=lambda n: 0.4 if n >= 120 else 1.0, seed=seed, noise=0.5))
        held += any(_letter(onset.earliest) < 120 <= _letter(onset.latest) for onset in found)
    assert held >= 11


def test_what_is_no_rate_is_passed_over() -> None:
    runs = history(160, ratio=lambda n: 0.1 if n >= 120 else 1.0)
    for odd in (0.0, -1.0, math.nan, math.inf, None):
        broken = [
            replace(r, download=replace(r.download, target_bps=odd, ratio=odd)) if n % 7 == 3 and r.download else r
            for n, r in enumerate(runs)
        ]
        assert len(level_changes(broken)) == 1
