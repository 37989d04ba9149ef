"""Does what is pushed carry the time of its measurement, and end what is gone?"""

import struct
from dataclasses import replace
from datetime import UTC, datetime

from probe.metrics import STALE_NAN, Metrics, Sample
from probe.metrics.samples import is_stale
from probe.model.results import NetworkState, ProblemReason, Report, State, TargetResult, Vantage
from probe.verdict.past_outcomes import outcomes_of
from tests import reports
from tests.factories import not_run, verdict

HOUR_MS = 3_600_000
FIRST_MS = round(datetime(2026, 11, 21, 18, 0, tzinfo=UTC).timestamp() * 1000)
RUN_MS = 61_250  # how long the reports of `tests.reports` took
TARGET_MS = 3_500  # when the last measurement of a target with four of them ended, after its beginning


def run(number: int, *targets: TargetResult, hours: int | None = None, interrupted: bool = False) -> Report:
    """A run so many hours after the first."""
    at_ms = FIRST_MS + (number if hours is None else hours) * HOUR_MS
    started = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    dated = tuple(
        replace(t, measurements=tuple(replace(m, started_at=started) for m in t.measurements)) for t in targets
    )
    return replace(reports.report(*dated, interrupted=interrupted), id=f"0193-run-{number}", started_at=started)


def blocked(id_: str = "news") -> TargetResult:
    return reports.target(id_, "News", reports.NXDOMAIN, *reports.access(id_, f"{id_}.example"))


def fine(id_: str = "news") -> TargetResult:
    return reports.target(id_, "News", verdict(State.OK), *reports.access(id_, f"{id_}.example"))


def named(samples: tuple[Sample, ...], name: str, **labels: str) -> list[Sample]:
    wanted = set(labels.items())
    return [s for s in samples if s.name == f"throttleprobe_{name}" and wanted <= set(s.labels)]


def test_before_the_first_run_there_is_nothing_to_push() -> None:
    metrics = Metrics()
    metrics.set_targets(["news"])
    assert metrics.samples() == ()
    metrics.restore(outcomes_of(run(0, blocked())))
    assert metrics.samples() == ()


def test_gauges_of_a_target_have_its_time_and_all_else_the_end_of_the_run() -> None:
    metrics = Metrics()
    metrics.observe(run(0, blocked()))
    samples = metrics.samples()
    assert {s.timestamp_ms for s in named(samples, "verdict")} == {FIRST_MS + TARGET_MS}
    assert {s.timestamp_ms for s in named(samples, "mechanism_info")} == {FIRST_MS + TARGET_MS}
    for name in ("check_outcomes_total", "phase_duration_seconds_bucket", "runs_total", "network_state", "build_info"):
        assert {s.timestamp_ms for s in named(samples, name)} == {FIRST_MS + RUN_MS}, name


def test_samples_are_those_of_a_scrape() -> None:
    metrics = Metrics()
    metrics.observe(run(0, *reports.every_state().targets))
    scraped = {
        (s.name, tuple(sorted((k, v) for k, v in s.labels.items() if v)), s.value)
        for family in metrics.registry.collect()
        for s in family.samples
    }
    assert {(s.name, s.labels, s.value) for s in metrics.samples()} == scraped


def test_no_series_has_two_samples_and_no_label_is_empty() -> None:
    metrics = Metrics()
    metrics.observe(replace(run(0, blocked(), fine("jobs")), vantage=Vantage()))
    samples = metrics.samples()
    assert len({s.series for s in samples}) == len(samples)
    assert all(value and name for s in samples for name, value in s.labels)
    assert all(s.labels == tuple(sorted(s.labels)) for s in samples)


def test_asking_again_gives_the_same() -> None:
    metrics = Metrics()
    metrics.observe(run(0, blocked()))
    metrics.samples()
    metrics.observe(run(1, fine()))
    once, again = metrics.samples(), metrics.samples()
    assert [(s.series, s.timestamp_ms, s.is_stale or s.value) for s in once] == [
        (s.series, s.timestamp_ms, s.is_stale or s.value) for s in again
    ]
    assert any(s.is_stale for s in again)


def test_what_is_gone_ends_with_a_stale_marker_at_the_time_of_its_target() -> None:
    metrics = Metrics()
    metrics.observe(run(0, blocked()))
    metrics.samples()
    metrics.observe(run(1, fine()))
    samples = metrics.samples()
    (mechanism,) = named(samples, "mechanism_info")
    assert mechanism.is_stale
    assert mechanism.timestamp_ms == FIRST_MS + HOUR_MS + TARGET_MS
    assert {s.name for s in samples if s.is_stale} == {
        "throttleprobe_mechanism_info",
        "throttleprobe_verdict_confirmed",
    }
    metrics.observe(run(2, fine()))
    assert not any(s.is_stale for s in metrics.samples())


def test_a_run_whose_samples_nobody_asked_for_does_not_hide_what_ended_in_it() -> None:
    metrics = Metrics()
    metrics.observe(run(0, blocked()))
    metrics.samples()
    metrics.observe(run(1, fine()))
    metrics.observe(run(2, fine()))
    assert [s.is_stale for s in named(metrics.samples(), "mechanism_info")] == [True]


def test_after_a_restart_what_was_pushed_before_it_still_ends() -> None:
    metrics = Metrics()
    metrics.restore(outcomes_of(run(0, blocked())))
    metrics.observe(run(1, fine()))
    assert [s.is_stale for s in named(metrics.samples(), "mechanism_info")] == [True]


def test_a_target_that_was_removed_ends_with_all_its_series() -> None:
    metrics = Metrics()
    metrics.observe(run(0, blocked(), fine("jobs")))
    before = {s.series for s in metrics.samples() if ("target", "news") in s.labels}
    metrics.set_targets(["jobs"])
    metrics.observe(run(1, fine("jobs")))
    samples = metrics.samples()
    ended = {s.series for s in samples if s.is_stale}
    assert ended == before
    assert {s.timestamp_ms for s in samples if s.is_stale} == {FIRST_MS + HOUR_MS + RUN_MS}


def test_targets_that_the_run_did_not_measure_are_not_pushed_again_and_do_not_end() -> None:
    metrics = Metrics()
    metrics.observe(run(0, blocked(), fine("jobs")))
    metrics.samples()
    metrics.observe(run(1, fine("jobs")))
    assert not any(("target", "news") in s.labels for s in metrics.samples())
    never = not_run("dns", ProblemReason.INTERRUPTED, target="news", subject="news.example")
    untold = reports.target("news", "News", verdict(State.INCONCLUSIVE), never)
    metrics.observe(run(2, fine("jobs"), untold, interrupted=True))
    assert not any(("target", "news") in s.labels for s in metrics.samples())


def test_a_target_on_a_line_without_network_has_the_time_of_the_run_and_is_inconclusive() -> None:
    metrics = Metrics()
    metrics.observe(run(0, blocked()))
    metrics.samples()
    dead = run(1, reports.target("news", "News", verdict(State.INCONCLUSIVE)))
    metrics.observe(replace(dead, network=replace(dead.network, state=NetworkState.NO_NETWORK)))
    samples = metrics.samples()
    assert {s.timestamp_ms for s in named(samples, "verdict")} == {FIRST_MS + HOUR_MS}
    assert [s.value for s in named(samples, "verdict", state="inconclusive")] == [1.0]
    assert all(s.is_stale for s in named(samples, "mechanism_info"))


def test_no_marker_is_older_than_what_it_ends_though_the_clock_was_set_back() -> None:
    metrics = Metrics()
    metrics.observe(run(1, blocked()))
    first = {s.series: s.timestamp_ms for s in metrics.samples()}
    metrics.observe(run(2, fine(), hours=0))
    stale = [s for s in metrics.samples() if s.is_stale]
    assert stale
    assert all(s.timestamp_ms > first[s.series] for s in stale)


def test_the_stale_marker_has_prometheus_bits_also_after_copying() -> None:
    assert struct.pack(">d", STALE_NAN).hex() == "7ff0000000000002"
    assert is_stale([STALE_NAN][0])
    assert not is_stale(float("nan"))
    assert not is_stale(1.0)
    sample = Sample(name="x", labels=(), value=STALE_NAN, timestamp_ms=0)
    assert struct.pack(">d", replace(sample, name="y").value).hex() == "7ff0000000000002"
