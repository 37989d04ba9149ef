"""Is a figure measured now set beside the right earlier ones, and called unusual only where it is?"""

import math
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from probe.model.past import Compared, Hours, PastComparison, PastOutcome, Standing, StateRuns
from probe.model.results import Comparison, State, TargetResult, Vantage
from probe.verdict import past
from probe.verdict.past_outcomes import outcomes_of
from tests.histories import BEGIN, EVERY, HOME, LINE_BPS, goodput, history, outcome, result, states
from tests.reports import clean, report


def compare(earlier: list[PastOutcome], now: PastOutcome, *, vantage: Vantage = HOME) -> PastComparison:
    found = past.compare(result(now), earlier, now=datetime.fromisoformat(now.started_at), vantage=vantage)
    assert found is not None
    return found


def after(earlier: list[PastOutcome], target_bps: float, control_bps: float = LINE_BPS) -> PastOutcome:
    return outcome(BEGIN + len(earlier) * EVERY, download=goodput(target_bps, control_bps))


def download(earlier: list[PastOutcome], now: PastOutcome) -> tuple[str, Compared]:
    found = compare(earlier, now).download
    assert found is not None
    return found.rule_id, found.target


def test_there_is_no_comparison_without_a_past() -> None:
    now = after([], LINE_BPS)
    assert past.compare(result(now), [], now=BEGIN, vantage=HOME) is None
    elsewhere = history(20)
    moved = past.compare(result(now), elsewhere, now=BEGIN + timedelta(days=60), vantage=Vantage(asn=64_501))
    assert moved is None
    later = past.compare(result(now), elsewhere, now=BEGIN, vantage=HOME)
    assert later is None


@pytest.mark.parametrize(
    ("target", "control", "rule"),
    [
        (1.0, 1.0, "past.usual"),
        (0.1, 1.0, "past.lower"),
        (0.1, 0.1, "past.lower_with_control"),
        (0.1, 0.25, "past.lower_with_control"),
        (0.1, 0.5, "past.lower"),  # the control fell, and the target far more
        (5.0, 1.0, "past.higher"),
        (5.0, 5.0, "past.higher_with_control"),
    ],
)
def test_what_is_out_of_range_is_named_with_its_control(target: float, control: float, rule: str) -> None:
    earlier = history(120)
    found, figure = download(earlier, after(earlier, target * LINE_BPS, control * LINE_BPS))
    assert found == rule
    assert figure.median == pytest.approx(LINE_BPS, rel=0.15)
    assert figure.factor == pytest.approx(target, rel=0.15)
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low < LINE_BPS < figure.high


def test_a_quarter_more_is_usual_however_even_the_line_was() -> None:
    earlier = history(60, noise=0.0)
    assert download(earlier, after(earlier, LINE_BPS * 1.2))[0] == "past.usual"
    assert download(earlier, after(earlier, LINE_BPS * 1.3, LINE_BPS))[0] == "past.higher"


def test_it_is_compared_with_the_same_hours_of_the_week_where_there_are_enough() -> None:
    def evening(at: datetime) -> float:
        return LINE_BPS / 4 if at.hour == 18 else LINE_BPS

    for weeks, hours in ((1, Hours.ALL), (3, Hours.OF_DAY), (9, Hours.OF_WEEK)):
        earlier = history(28 * weeks + 3, line=evening)  # now is Monday at 18
        rule, figure = download(earlier, after(earlier, LINE_BPS / 4, LINE_BPS / 4))
        assert figure.hours is hours
        if hours is not Hours.ALL:
            assert rule == "past.usual"
            assert figure.factor == pytest.approx(1, rel=0.2)
            assert download(earlier, after(earlier, LINE_BPS, LINE_BPS))[0] == "past.higher_with_control"


def test_only_the_last_weeks_are_the_baseline() -> None:
    earlier = history(28 * 16, line=lambda at: LINE_BPS * (3 if at < BEGIN + timedelta(weeks=7) else 1))
    rule, figure = download(earlier, after(earlier, LINE_BPS))
    assert rule == "past.usual"
    assert figure.factor == pytest.approx(1, rel=0.2)


@pytest.mark.parametrize("runs", [1, 7])
def test_too_few_runs_have_no_usual_range(runs: int) -> None:
    earlier = history(runs)
    rule, figure = download(earlier, after(earlier, LINE_BPS / 10))
    assert rule == "past.too_few"
    assert (figure.standing, figure.factor, figure.low, figure.runs) == (Standing.UNKNOWN, None, None, runs)


def test_figures_of_another_comparison_are_not_mixed() -> None:
    earlier = [
        replace(r, download=replace(r.download, comparison=Comparison.BETWEEN_SERVERS)) if r.download else r
        for r in history(60)
    ]
    found = compare(earlier, after(earlier, LINE_BPS)).download
    assert found is not None
    assert found.target.rule_id == "past.usual"  # both are the target's server
    assert found.ratio.rule_id == found.control.rule_id == "past.too_few"
    at_control = replace(goodput(LINE_BPS), comparison=Comparison.NAME_AT_CONTROL)
    elsewhere = compare(earlier, outcome(BEGIN + 60 * EVERY, download=at_control)).download
    assert elsewhere is not None
    assert elsewhere.target.rule_id == "past.too_few"


def test_what_was_not_measured_now_has_no_figures() -> None:
    earlier = history(60)
    for nothing in (None, replace(goodput(LINE_BPS), target_bps=None), replace(goodput(LINE_BPS), target_bps=math.nan)):
        assert compare(earlier, outcome(BEGIN + 60 * EVERY, download=nothing)).download is None
    no_control = replace(goodput(LINE_BPS), control_bps=None, ratio=None)
    found = compare(earlier, outcome(BEGIN + 60 * EVERY, download=no_control)).download
    assert found is not None
    assert found.control.rule_id == "past.not_measured"
    assert found.control.median is not None


def test_figures_stay_finite() -> None:
    wild = [1e-320, 1e-12, 1e-300, 1e18, 1e308, 5e-12, 1e17]
    earlier = [replace(r, download=goodput(wild[n % 7], wild[n * 3 % 7])) for n, r in enumerate(history(60))]
    for now in wild:
        found = compare(earlier, after(earlier, now)).download
        if found is not None:
            figures = (found.target.low, found.target.high, found.target.factor, found.target.median)
            assert all(figure is not None and math.isfinite(figure) for figure in figures)


def test_states_are_counted() -> None:
    runs = states("ooooo?ttoo")
    found = compare(runs, outcome(BEGIN + 10 * EVERY, State.BLOCKED))
    assert found.states == (
        StateRuns(state=State.OK, runs=7),
        StateRuns(state=State.THROTTLED, runs=2),
        StateRuns(state=State.INCONCLUSIVE, runs=1),
    )
    assert found.ok_share == pytest.approx(7 / 9)
    assert (found.runs, found.left_out) == (10, 0)
    assert found.last_ok_at == "2026-03-04T06:00:00.000Z"


def test_runs_that_are_no_part_of_the_past_are_counted_as_left_out() -> None:
    runs = [*history(20), *(replace(r, vpn=True, run_id=f"vpn-{r.run_id}") for r in history(5))]
    found = compare(runs, after(runs, LINE_BPS))
    assert (found.runs, found.left_out) == (20, 5)


def test_a_run_that_is_given_twice_counts_once() -> None:
    runs = history(20)
    assert compare([*runs, *runs], after(runs, LINE_BPS)).runs == 20


def test_a_report_gives_a_row_for_each_target() -> None:
    whole = report(clean())
    (row,) = outcomes_of(whole)
    assert row.run_id == whole.id
    assert (row.country, row.asn, row.network) == (whole.vantage.country, whole.vantage.asn, whole.vantage.network)
    assert (row.access_checks, row.access_ok) == (4, 4)
    assert row.checks == ("dns", "goodput", "http", "reach", "tls")
    facts = whole.targets[0].verdict.facts.download
    assert facts is not None
    assert row.download is not None
    assert (row.download.target_bps, row.download.ratio) == (facts.target_bps, facts.ratio)
    assert row.ended_at >= row.started_at
    assert row.goodput_measurement_id in {m.id for m in whole.targets[0].measurements}


def test_access_that_is_worse_than_usual_is_told() -> None:
    measured: TargetResult = clean()
    failing = tuple(
        replace(m, verdict=replace(m.verdict, state=State.BLOCKED)) if m.check in ("tls", "http") else m
        for m in measured.measurements
    )
    earlier = [replace(r, target="encyclopedia") for r in history(20)]
    at = BEGIN + 20 * EVERY
    for measurements, standing, share in (
        (measured.measurements, Standing.USUAL, 1.0),
        (failing, Standing.LOWER, 0.5),
    ):
        found = past.compare(replace(measured, measurements=measurements), earlier, now=at, vantage=HOME)
        assert found is not None
        assert found.access is not None
        assert (found.access.standing, found.access.now) == (standing, share)
