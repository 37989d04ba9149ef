"""Do the metrics say what the last reports said, neither more nor longer?"""

import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from probe.failure import Failure
from probe.metrics import Endpoint, Metrics, Skip
from probe.model.past import Compared, DirectionPast, Hours, Onset, OnsetOf, PastComparison, Standing
from probe.model.results import (
    Bytes,
    Facts,
    Measurement,
    ProblemReason,
    Report,
    State,
    Strength,
    TargetResult,
    Vantage,
)
from probe.verdict.past_outcomes import outcomes_of
from tests import reports
from tests.curves import Shape
from tests.factories import dns_evidence, measurement, not_run, tls_evidence, verdict

Labels = dict[str, str]


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    found: float | None = metrics.registry.get_sample_value(f"throttleprobe_{name}", labels)
    return found


def series(metrics: Metrics, name: str) -> list[tuple[Labels, float]]:
    wanted = f"throttleprobe_{name}"
    return [(s.labels, s.value) for family in metrics.registry.collect() for s in family.samples if s.name == wanted]


def state_of(metrics: Metrics, target: str) -> list[str]:
    return [labels["state"] for labels, on in series(metrics, "verdict") if on and labels["target"] == target]


def run(report: Report, number: int, *, minutes: int = 0) -> Report:
    """The same report as that of another run, `minutes` later."""
    at = datetime(2026, 11, 21, 18, 33, tzinfo=UTC).timestamp() + 60 * minutes
    started = datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
    targets = tuple(
        replace(t, measurements=tuple(replace(m, started_at=started) for m in t.measurements)) for t in report.targets
    )
    return replace(report, id=f"0193-run-{number}", started_at=started, targets=targets)


def only(state: State, id_: str = "jobs", reason: str = "because") -> Report:
    judged = verdict(state, reason)
    return reports.report(reports.target(id_, "Jobs", judged, *reports.access(id_, f"{id_}.example")))


def observed(*made: Report) -> Metrics:
    metrics = Metrics()
    for number, report in enumerate(made):
        metrics.observe(run(report, number, minutes=number * 60))
    return metrics


# Verdicts


def test_every_target_is_in_exactly_one_state() -> None:
    report = reports.every_state()
    metrics = observed(report)
    for target in report.targets:
        assert state_of(metrics, target.id) == [target.verdict.state.value]
        assert len([1 for labels, _ in series(metrics, "verdict") if labels["target"] == target.id]) == len(State)


def test_a_target_that_was_never_measured_is_inconclusive_and_has_nothing_else() -> None:
    metrics = Metrics()
    metrics.set_targets(["jobs"])
    assert state_of(metrics, "jobs") == ["inconclusive"]
    about = {s.name for f in metrics.registry.collect() for s in f.samples if s.labels.get("target") == "jobs"}
    assert about == {"throttleprobe_verdict"}


def test_an_alert_can_tell_confirmed_from_likely_and_either_from_no_accusation() -> None:
    likely = replace(reports.NXDOMAIN, strength=Strength.LIKELY)
    guess = reports.target("guess", "Guess", likely, *reports.access("guess", "guess.example"))
    metrics = observed(reports.report(*reports.every_state().targets, guess))
    assert value(metrics, "verdict_confirmed", target="jobs") == 1.0
    assert value(metrics, "verdict_confirmed", target="guess") == 0.0
    assert value(metrics, "verdict_confirmed", target="encyclopedia") is None


def test_runs_that_agree_are_counted_over_inconclusive_ones_and_from_one_after_a_change() -> None:
    metrics = Metrics()
    told: list[float | None] = []
    states = (State.BLOCKED, State.BLOCKED, State.INCONCLUSIVE, State.BLOCKED, State.OK, State.BLOCKED)
    for number, state in enumerate(states):
        metrics.observe(run(only(state), number, minutes=number))
        told.append(value(metrics, "verdict_runs", target="jobs"))
    assert told == [1.0, 2.0, None, 3.0, 1.0, 1.0]


@pytest.mark.parametrize("other", [Vantage(vpn=True), Vantage(asn=64501), Vantage(network="mobile")])
def test_runs_in_two_networks_do_not_agree(other: Vantage) -> None:
    places = (Vantage(vpn=False), Vantage(), other, other, Vantage())
    made = [
        replace(run(only(State.BLOCKED), number, minutes=number), vantage=place) for number, place in enumerate(places)
    ]
    metrics = Metrics()
    told: list[float | None] = []
    for report in made:
        metrics.observe(report)
        told.append(value(metrics, "verdict_runs", target="jobs"))
    assert told == [1.0, 2.0, 1.0, 2.0, 1.0]
    after = Metrics()
    after.restore([outcome for report in made for outcome in outcomes_of(report)])
    assert value(after, "verdict_runs", target="jobs") == 1.0


def test_mechanisms_of_an_earlier_run_do_not_stay() -> None:
    metrics = observed(reports.every_state(), only(State.OK))
    assert [labels for labels, _ in series(metrics, "mechanism_info") if labels["target"] == "jobs"] == []
    assert {labels["target"] for labels, _ in series(metrics, "mechanism_info")} >= {"birdsite", "news"}


# Goodput


def test_rates_are_in_bytes_and_ratios_between_both_arms() -> None:
    report = reports.report(reports.slowed("birdsite", "B", download=Shape.POLICED))
    facts = report.targets[0].verdict.facts.download
    assert facts is not None
    assert facts.target_bps is not None
    metrics = observed(report)
    labels = {"target": "birdsite", "direction": "download"}
    assert value(metrics, "goodput_bytes_per_second", **labels, arm="target") == round(facts.target_bps / 8)
    assert value(metrics, "goodput_ratio", **labels) == round(facts.ratio or 0.0, 4)
    assert value(metrics, "goodput_ratio_low", **labels) == round(facts.ratio_low or 0.0, 4)


def test_a_run_without_goodput_leaves_no_goodput() -> None:
    metrics = observed(reports.report(reports.slowed("birdsite", "B")), only(State.OK, "birdsite"))
    assert series(metrics, "goodput_bytes_per_second") == []
    assert series(metrics, "goodput_ratio") == []


def test_a_figure_that_is_not_known_is_absent_and_no_number_is_none() -> None:
    result = reports.slowed("birdsite", "B")
    download = result.verdict.facts.download
    assert download is not None
    facts = replace(download, target_bps=None, control_bps=float("nan"), ratio=float("inf"), ratio_low=0.0)
    metrics = observed(reports.report(with_facts(result, Facts(download=facts))))
    assert series(metrics, "goodput_bytes_per_second") == []
    assert series(metrics, "goodput_ratio") == []
    assert [v for _, v in series(metrics, "goodput_ratio_low")] == [0.0]


def with_facts(result: TargetResult, facts: Facts) -> TargetResult:
    return replace(result, verdict=replace(result.verdict, facts=facts))


def comparison(factor: float | None, since: str = "2026-03-10T07:00:00Z") -> PastComparison:
    one = Compared(
        now=1.0,
        median=4.0,
        low=3.0,
        high=5.0,
        factor=factor,
        runs=9,
        hours=Hours.ALL,
        standing=Standing.LOWER,
        rule_id="past.lower",
    )
    onset = Onset(
        what=OnsetOf.DOWNLOAD, since=since, earliest=since, latest=since, known_at=since, rule_id="past.level_changed"
    )
    return PastComparison(
        runs=9,
        left_out=0,
        first_at=since,
        last_at=since,
        last_ok_at=None,
        states=(),
        ok_share=None,
        download=DirectionPast(target=one, control=one, ratio=one, rule_id="past.lower"),
        onsets=(onset,),
    )


def test_the_past_is_a_ratio_and_an_onset_and_absent_where_it_is_not_known() -> None:
    result = replace(reports.slowed("birdsite", "B"), past=comparison(0.25))
    metrics = observed(reports.report(result))
    assert value(metrics, "baseline_ratio", target="birdsite", direction="download") == 0.25
    assert value(metrics, "baseline_ratio", target="birdsite", direction="upload") is None
    since = datetime(2026, 3, 10, 7, tzinfo=UTC).timestamp()
    assert value(metrics, "onset_timestamp_seconds", target="birdsite", what="download") == since
    unknown = observed(reports.report(replace(result, past=comparison(None, since="long ago"))))
    assert series(unknown, "baseline_ratio") == []
    assert series(unknown, "onset_timestamp_seconds") == []


# Checks


def test_outcomes_count_the_failure_behind_a_result_that_is_not_ok() -> None:
    failed = verdict(State.BLOCKED, "reset", facts=Facts(failure=Failure.CONNECTION_RESET))
    # One dead address of a host that is fine is not what became of the check.
    fine = verdict(State.OK, "works", facts=Facts(failure=Failure.GENERIC_TIMEOUT))
    made = [
        measurement("tls", tls_evidence("a.example"), judged, target="jobs", number=n)
        for n, judged in enumerate((failed, failed, fine))
    ]
    metrics = observed(reports.report(reports.target("jobs", "Jobs", failed, *made)))
    assert value(metrics, "check_outcomes_total", target="jobs", check="tls", failure="connection_reset") == 2.0
    assert value(metrics, "check_outcomes_total", target="jobs", check="tls", failure="none") == 1.0
    assert len(series(metrics, "check_outcomes_total")) == 2


def test_a_check_that_gave_no_evidence_is_a_problem_and_no_outcome() -> None:
    refused = not_run("goodput", ProblemReason.BUDGET, target="clips", subject="clips")
    metrics = observed(reports.report(reports.target("clips", "Clips", verdict(State.INCONCLUSIVE), refused)))
    assert value(metrics, "check_problems_total", target="clips", check="goodput", reason="budget") == 1.0
    assert series(metrics, "check_outcomes_total") == []


def test_phases_hold_the_times_of_what_succeeded() -> None:
    metrics = observed(reports.report(reports.clean("wiki")))
    sums = {labels["phase"]: v for labels, v in series(metrics, "phase_duration_seconds_sum")}
    assert sums == pytest.approx({"lookup": 0.03, "connect": 0.041, "handshake": 0.087, "first_byte": 0.061})
    buckets = [v for labels, v in series(metrics, "phase_duration_seconds_bucket") if labels["phase"] == "handshake"]
    assert buckets == [0.0, 1.0, 1.0, 1.0, 1.0]
    failing = observed(reports.report(reports.target("gone", "G", reports.SNI_RESET, *reset("gone"))))
    assert {labels["phase"] for labels, _ in series(failing, "phase_duration_seconds_sum")} == {
        "lookup",
        "connect",
        "first_byte",
    }


def test_a_lookup_ends_with_its_first_answer_however_long_a_second_was_waited_for() -> None:
    evidence = dns_evidence("wiki.example")
    (query,) = evidence.system
    evidence = replace(evidence, system=(replace(query, t=query.replies[0].t + 0.5),))
    made = measurement("dns", evidence, target="wiki")
    metrics = observed(reports.report(reports.target("wiki", "Wiki", verdict(State.OK), made)))
    assert [v for _, v in series(metrics, "phase_duration_seconds_sum")] == [pytest.approx(0.03)]


def reset(id_: str) -> tuple[Measurement, ...]:
    return reports.access(id_, f"{id_}.example", tls=reports.SNI_RESET)


def test_controls_are_in_no_metric_of_a_target() -> None:
    metrics = observed(reports.report(reports.clean()))
    assert all(s.labels.get("target", "x") for f in metrics.registry.collect() for s in f.samples)


# Over several runs


def test_counters_only_rise_and_one_report_counts_once() -> None:
    metrics = Metrics()
    before: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for number in range(4):
        report = run(reports.every_state(), number, minutes=number)
        metrics.observe(report)
        metrics.observe(report)
        now = {
            (s.name, tuple(sorted(s.labels.items()))): s.value
            for f in metrics.registry.collect()
            if f.type in ("counter", "histogram")
            for s in f.samples
        }
        assert all(now[key] >= old for key, old in before.items())
        before = now
    assert value(metrics, "runs_total", outcome="completed") == 4.0
    assert value(metrics, "transfer_bytes_total", direction="download") == 4 * 4_210_000


def test_a_run_of_some_targets_leaves_the_others_as_they_were() -> None:
    metrics = observed(reports.every_state())
    before = value(metrics, "last_run_timestamp_seconds", target="news")
    metrics.observe(run(only(State.OK), 9, minutes=90))
    assert state_of(metrics, "news") == ["blocked"]
    assert value(metrics, "last_run_timestamp_seconds", target="news") == before
    assert state_of(metrics, "jobs") == ["ok"]


def test_a_target_that_an_interrupted_run_did_not_come_to_keeps_its_result() -> None:
    metrics = observed(only(State.BLOCKED))
    never = not_run("dns", ProblemReason.INTERRUPTED, target="jobs", subject="jobs.example")
    result = reports.target("jobs", "Jobs", verdict(State.INCONCLUSIVE), never)
    metrics.observe(run(reports.report(result, interrupted=True), 5, minutes=99))
    assert state_of(metrics, "jobs") == ["blocked"]
    assert value(metrics, "runs_total", outcome="interrupted") == 1.0


def test_a_line_that_cannot_be_judged_makes_every_target_inconclusive() -> None:
    metrics = observed(reports.every_state(), reports.without_network())
    assert state_of(metrics, "news") == ["inconclusive"]
    assert value(metrics, "network_state", state="no_network") == 1.0
    assert value(metrics, "network_state", state="ok") == 0.0
    assert value(metrics, "runs_total", outcome="no_usable_network") == 1.0


def test_removed_targets_vanish_and_their_counters_go_on_when_they_come_back() -> None:
    metrics = observed(reports.every_state())
    counted = value(metrics, "check_outcomes_total", target="jobs", check="dns", failure="none")
    metrics.set_targets(["news", "new-one"])
    assert {labels["target"] for labels, _ in series(metrics, "verdict")} == {"news", "new-one"}
    names = {s.labels["target"] for f in metrics.registry.collect() for s in f.samples if "target" in s.labels}
    assert names == {"news", "new-one"}
    metrics.set_targets(["jobs", "news"])
    assert value(metrics, "check_outcomes_total", target="jobs", check="dns", failure="none") == counted
    assert state_of(metrics, "jobs") == ["blocked"]


def test_a_configuration_that_changes_for_ever_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probe.metrics.registry.MAX_REMEMBERED_TARGETS", 3)
    metrics = Metrics()
    for number in range(9):
        metrics.set_targets([f"t{number}"])
        metrics.observe(run(only(State.OK, f"t{number}"), number, minutes=number))
    metrics.set_targets([f"t{number}" for number in range(9)])
    measured = {labels["target"] for labels, _ in series(metrics, "last_run_timestamp_seconds")}
    assert measured == {"t5", "t6", "t7", "t8"}


def test_a_scrape_in_the_middle_of_a_report_sees_it_whole_or_not_at_all() -> None:
    metrics = Metrics()
    ids = [f"target{n}" for n in range(12)]
    both = [
        reports.report(*(reports.target(id_, id_, verdict(state), *reset(id_)) for id_ in ids))
        for state in (State.OK, State.DOWN)
    ]
    metrics.set_targets(ids)
    metrics.observe(run(both[0], 0))
    done = threading.Event()
    mixed: list[set[str]] = []

    def scrape() -> None:
        while not done.is_set():
            states = {labels["state"] for labels, on in series(metrics, "verdict") if on}
            text = metrics.exposition("").body.decode()
            states_in_text = {
                line.split('"')[1]
                for line in text.splitlines()
                if line.startswith("throttleprobe_verdict{") and line.endswith("1.0")
            }
            mixed.extend(found for found in (states, states_in_text) if len(found) != 1)

    scraper = threading.Thread(target=scrape)
    scraper.start()
    for number in range(1, 40):
        metrics.observe(run(both[number % 2], number, minutes=number))
    done.set()
    scraper.join()
    assert not mixed


# After a restart


def test_after_a_restart_the_last_results_stand_there_as_before_and_counters_begin_at_zero() -> None:
    made = [run(reports.every_state(), 0), run(reports.every_state(), 1, minutes=60)]
    before = Metrics()
    for report in made:
        before.observe(report)
    after = Metrics()
    after.set_targets([t.id for t in made[0].targets])
    after.restore([o for report in made for o in outcomes_of(report)])
    for name in (
        "verdict",
        "verdict_runs",
        "verdict_confirmed",
        "mechanism_info",
        "goodput_bytes_per_second",
        "goodput_ratio",
        "last_run_timestamp_seconds",
        "network_state",
        "vpn",
    ):
        assert sorted(series(after, name), key=str) == sorted(series(before, name), key=str), name
    assert series(after, "check_outcomes_total") == []
    assert value(after, "runs_total", outcome="completed") == 0.0


def test_after_a_restart_results_through_a_vpn_still_say_so() -> None:
    made = [
        replace(run(only(State.BLOCKED), number, minutes=number), vantage=Vantage(vpn=vpn))
        for number, vpn in enumerate((False, True))
    ]
    metrics = Metrics()
    metrics.restore([outcome for report in made for outcome in outcomes_of(report)])
    assert value(metrics, "vpn") == 1.0
    metrics.restore(outcomes_of(made[0]))
    assert value(metrics, "vpn") == 1.0


def test_whether_a_vpn_was_used_changes_with_the_results_and_not_before() -> None:
    metrics = Metrics()
    metrics.set_line(metered=False, vpn=True)
    assert value(metrics, "vpn") == 1.0
    metrics.observe(replace(run(only(State.OK), 0), vantage=Vantage(vpn=True)))
    metrics.set_line(metered=False, vpn=False)
    assert value(metrics, "vpn") == 1.0, "what is shown went through it, also while the next run goes on"
    never = not_run("dns", ProblemReason.INTERRUPTED, target="jobs", subject="jobs.example")
    result = reports.target("jobs", "Jobs", verdict(State.INCONCLUSIVE), never)
    nothing = run(reports.report(result, interrupted=True), 1, minutes=60)
    metrics.observe(replace(nothing, vantage=Vantage(vpn=False)))
    assert value(metrics, "vpn") == 1.0, "nothing of that run is shown"
    metrics.observe(replace(run(only(State.OK), 2, minutes=90), vantage=Vantage(vpn=False)))
    assert value(metrics, "vpn") == 0.0


def test_what_was_observed_is_not_replaced_by_what_is_restored() -> None:
    old = run(only(State.BLOCKED), 0)
    metrics = observed(only(State.OK))
    metrics.restore(outcomes_of(old))
    assert state_of(metrics, "jobs") == ["ok"]


def test_a_restart_with_the_last_outcomes_alone_counts_one_run() -> None:
    metrics = Metrics()
    metrics.restore(outcomes_of(run(only(State.BLOCKED), 0)))
    assert value(metrics, "verdict_runs", target="jobs") == 1.0
    metrics.observe(run(only(State.BLOCKED), 1, minutes=60))
    assert value(metrics, "verdict_runs", target="jobs") == 2.0


def test_outcomes_may_come_in_any_order() -> None:
    made = [o for n, s in enumerate((State.OK, State.BLOCKED)) for o in outcomes_of(run(only(s), n, minutes=n))]
    metrics = Metrics()
    metrics.restore(made[::-1])
    assert state_of(metrics, "jobs") == ["blocked"]


# The service


def test_what_nobody_said_is_absent() -> None:
    names = {s.name for family in Metrics().registry.collect() for s in family.samples}
    assert names == {
        f"throttleprobe_{name}"
        for name in ("runs_total", "skipped_total", "transfer_bytes_total", "vantage_info", "build_info")
    }


def test_the_service_says_what_it_was_told() -> None:
    metrics = Metrics(version="1.2.3")
    at = datetime(2026, 11, 22, 1, tzinfo=UTC)
    metrics.set_budget({"run": 100, "day": 300, "month": 3000}, {"day": 30, "month": 299})
    metrics.set_reload(True, at)
    metrics.set_reload(False, datetime(2026, 11, 22, 2, tzinfo=UTC))
    metrics.set_next_run(at)
    metrics.set_line(metered=True, vpn=None)
    metrics.set_store_bytes(4096)
    metrics.count_skipped(Skip.BUSY_LINE)
    metrics.count_skipped(Skip.BUSY_LINE)
    metrics.count_failed_run()
    metrics.add_bytes(received=7, sent=5)
    metrics.set_endpoints(
        [Endpoint(name="home", pending_samples=3, sent_samples=9, dropped_samples=1, last_success_at=at)]
    )
    assert value(metrics, "budget_limit_bytes", window="run") == 100
    assert value(metrics, "budget_used_bytes", window="month") == 299
    assert value(metrics, "budget_used_bytes", window="run") is None
    metrics.observe(replace(only(State.OK), bytes=Bytes(sent=3, received=4)))
    assert [value(metrics, "budget_used_bytes", window=w) for w in ("run", "day", "month")] == [7, 37, 306]
    metrics.set_budget({"run": 100}, {"day": 36, "month": 305})
    assert [value(metrics, "budget_used_bytes", window=w) for w in ("run", "day", "month")] == [7, 36, 305]
    assert value(metrics, "config_last_reload_successful") == 0
    assert value(metrics, "config_last_reload_success_timestamp_seconds") == at.timestamp()
    assert value(metrics, "next_run_timestamp_seconds") == at.timestamp()
    assert value(metrics, "metered") == 1
    assert value(metrics, "vpn") is None
    assert value(metrics, "store_bytes") == 4096
    assert value(metrics, "skipped_total", reason="busy_line") == 2
    assert value(metrics, "runs_total", outcome="failed") == 1
    assert value(metrics, "transfer_bytes_total", direction="upload") == 8
    assert value(metrics, "remote_write_pending_samples", endpoint="home") == 3
    assert value(metrics, "remote_write_sent_samples_total", endpoint="home") == 9
    assert value(metrics, "remote_write_failed_samples_total", endpoint="home", reason="dropped") == 1
    assert value(metrics, "remote_write_last_success_timestamp_seconds", endpoint="home") == at.timestamp()
    assert value(metrics, "build_info", version="1.2.3") == 1


@pytest.mark.parametrize(
    ("vantage", "labels"),
    [
        (Vantage(country="DE", asn=3320, network="fixed"), {"country": "DE", "asn": "3320", "network": "fixed"}),
        (Vantage(), {"country": "", "asn": "", "network": ""}),
        (Vantage(country="de-BY", asn=-1, network="192.0.2.7"), {"country": "", "asn": "", "network": "other"}),
    ],
)
def test_the_vantage_point_says_nothing_that_its_lists_lack(vantage: Vantage, labels: Labels) -> None:
    metrics = Metrics()
    metrics.set_vantage(vantage)
    assert series(metrics, "vantage_info") == [(labels, 1)]
    other = Metrics()
    other.observe(replace(only(State.OK), vantage=replace(vantage, vpn=True)))
    assert series(other, "vantage_info") == [(labels, 1)]
    assert value(other, "vpn") == 1


def test_a_report_without_a_time_is_refused_and_changes_nothing() -> None:
    metrics = Metrics()
    with pytest.raises(ValueError, match="does not say when"):
        metrics.observe(replace(only(State.OK), started_at="yesterday"))
    assert series(metrics, "verdict") == []


def test_moved_bytes_are_those_of_the_report() -> None:
    metrics = observed(replace(only(State.OK), bytes=Bytes(sent=3, received=4)))
    assert value(metrics, "transfer_bytes_total", direction="upload") == 3
    assert value(metrics, "transfer_bytes_total", direction="download") == 4
