"""Can Prometheus read what is exposed, is it small, and does nothing get into it that the table lacks?"""

import gc
import subprocess
import tracemalloc
import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from probe.metrics import Endpoint, Metrics
from probe.metrics.definitions import DEFINITIONS, Kind
from probe.metrics.tallies import MAX_EXEMPLAR_CHARACTERS
from probe.model.results import Facts, Report, State, Vantage
from tests import reports
from tests.curves import Shape
from tests.factories import measurement, tls_evidence, verdict

# The library leaves these without types.
generate_openmetrics: Callable[[CollectorRegistry], bytes] = openmetrics.generate_latest
read_openmetrics: Callable[[str], Iterable[Metric]] = openmetrics_parser.text_string_to_metric_families
read_text: Callable[[str], Iterable[Metric]] = text_string_to_metric_families

OPENMETRICS = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,*/*;q=0.1"
MAX_BYTES = 1_000_000  # of a scrape with 200 targets
MAX_BYTES_ALL_THROTTLED = 1_048_576  # … of which every one has goodput in both directions, and is throttled
MANY_RUNS = 150
MAX_GROWTH_BYTES = 20_000  # in so many runs: the interpreter's own; one sample kept of each would be more
UUID = "01935f00-0000-7000-8000-0000000000{:02}"


def everything() -> Metrics:
    """Each metric of the table at least once."""
    at = datetime(2026, 11, 22, 1, tzinfo=UTC)
    metrics = Metrics()
    report = reports.every_state()
    metrics.set_targets([*(t.id for t in report.targets), "never"])
    metrics.observe(replace(report, vantage=replace(report.vantage, vpn=False)))
    metrics.set_budget({"run": 1, "day": 2, "month": 3}, {"day": 1, "month": 2})
    metrics.set_reload(True, at)
    metrics.set_next_run(at)
    metrics.set_line(metered=False, vpn=False)
    metrics.set_store_bytes(4096)
    metrics.set_endpoints([Endpoint(name="home", pending_samples=3, sent_samples=9, last_success_at=at)])
    return metrics


def with_ids(report: Report) -> Report:
    """Measurements named as real ones are."""
    targets = tuple(
        replace(t, measurements=tuple(replace(m, id=UUID.format(number)) for number, m in enumerate(t.measurements)))
        for t in report.targets
    )
    return replace(report, targets=targets)


def many(*kinds: str) -> Report:
    """Two hundred targets of these kinds in turn."""
    made = {
        "throttled": reports.slowed("x", "X", download=Shape.POLICED, upload=Shape.POLICED),
        "ok": reports.clean("x"),
        "sites": reports.target("x", "X", verdict(State.OK), *reports.access("x", "x.example")),
        "blocked": reports.target(
            "x", "X", reports.SNI_RESET, *reports.access("x", "x.example", tls=reports.SNI_RESET)
        ),
    }
    chosen = (replace(made[kinds[n % len(kinds)]], id=f"target{n:03}") for n in range(200))
    return with_ids(reports.report(*chosen))


# Formats


def test_the_format_is_negotiated() -> None:
    metrics = everything()
    plain = metrics.exposition("text/html,*/*")
    assert plain.content_type.startswith("text/plain; version=0.0.4")
    opened = metrics.exposition(OPENMETRICS)
    assert opened.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert opened.body.endswith(b"\n# EOF\n")
    assert opened.body.count(b"# EOF") == 1
    assert b"# EOF" not in plain.body


@pytest.mark.parametrize("accept", ["", OPENMETRICS], ids=["text", "openmetrics"])
def test_gzip_is_one_stream_of_the_same_text_also_when_only_the_service_changed(accept: str) -> None:
    metrics = everything()
    for number in range(3):
        metrics.set_store_bytes(number)
        page = metrics.exposition(accept, "gzip, deflate;q=0.5")
        assert page.content_encoding == "gzip"
        unpacker = zlib.decompressobj(wbits=31)
        assert unpacker.decompress(page.body) == metrics.exposition(accept).body
        assert unpacker.eof, "whole, checksum included"
        assert not unpacker.unused_data, "one member: many clients read no second"
    assert metrics.exposition(accept, "deflate").content_encoding == ""


@pytest.mark.parametrize(
    "accept", ["", "application/openmetrics-text;version=<b>", "text/plain;version=9.x;q=", ",;,", "é" * 9_000]
)
def test_any_accept_header_gets_an_answer_and_is_not_echoed(accept: str) -> None:
    page = everything().exposition(accept)
    assert "<b>" not in page.content_type
    assert page.body


def test_the_text_is_what_the_library_makes_of_the_registry() -> None:
    metrics = everything()
    assert metrics.exposition("").body == generate_latest(metrics.registry)
    assert metrics.exposition(OPENMETRICS).body == generate_openmetrics(metrics.registry)


def test_what_is_kept_of_a_page_is_renewed_by_a_run_and_by_the_service() -> None:
    metrics = everything()
    for accept in ("", OPENMETRICS):
        first = metrics.exposition(accept).body
        assert metrics.exposition(accept).body == first
        metrics.set_store_bytes(8192 + len(accept))
        assert f"throttleprobe_store_bytes {8192.0 + len(accept)}" in metrics.exposition(accept).body.decode()
    metrics.set_targets(["never"])
    for accept in ("", OPENMETRICS):
        assert b"birdsite" not in metrics.exposition(accept).body


def test_openmetrics_is_read_back_by_its_own_strict_parser() -> None:
    metrics = everything()
    read = {f.name: f for f in read_openmetrics(metrics.exposition(OPENMETRICS).body.decode())}
    for definition in DEFINITIONS:
        if definition.family_name in read:
            family = read[definition.family_name]
            assert (family.type, family.unit) == (definition.kind.value, definition.unit)
            assert family.documentation == definition.help
    missing = {d.name for d in DEFINITIONS if d.family_name not in read}
    assert missing <= {"throttleprobe_baseline_ratio", "throttleprobe_onset_timestamp_seconds"}, "they need a past"


def test_text_is_read_back() -> None:
    families = list(read_text(everything().exposition("").body.decode()))
    assert {s.name for f in families for s in f.samples} <= {n for d in DEFINITIONS for n in d.exposed_names}


@pytest.mark.parametrize("metrics", [everything(), Metrics()], ids=["everything", "nothing yet"])
def test_promtool_finds_nothing_to_say(metrics: Metrics) -> None:
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=metrics.exposition("").body, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout.decode(), done.stderr.decode()) == (0, "", "")


def test_no_creation_times_are_exposed() -> None:
    assert b"_created" not in everything().exposition(OPENMETRICS).body


# Exemplars


def test_exemplars_name_the_measurement_and_keep_to_their_length() -> None:
    metrics = Metrics()
    metrics.observe(with_ids(reports.every_state()))
    found = [
        (family.type, sample.name, sample.exemplar)
        for family in read_openmetrics(metrics.exposition(OPENMETRICS).body.decode())
        for sample in family.samples
        if sample.exemplar is not None
    ]
    assert {kind for kind, _, _ in found} == {"histogram", "counter"}
    for kind, name, exemplar in found:
        assert list(exemplar.labels) == ["measurement_id"]
        assert sum(len(k) + len(v) for k, v in exemplar.labels.items()) <= MAX_EXEMPLAR_CHARACTERS
        assert name.endswith("_bucket" if kind == "histogram" else "_total")
        assert exemplar.timestamp is not None
    failures = {s for _, s, _ in found if s.endswith("outcomes_total")}
    assert failures == set(), "no failure stands in these verdicts"


@pytest.mark.parametrize("id_", ["", "x" * 200, 'a"b', "line\nbreak", "é", " "])
def test_an_id_that_is_none_gives_no_exemplar(id_: str) -> None:
    made = replace(measurement("tls", tls_evidence("jobs.example"), target="jobs"), id=id_)
    metrics = Metrics()
    metrics.observe(reports.report(reports.target("jobs", "Jobs", verdict(State.OK), made)))
    assert b"measurement_id" not in metrics.exposition(OPENMETRICS).body


# Bounds

words = st.text(max_size=80)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_nothing_that_a_report_says_gets_past_the_tables_lists(data: st.DataObject) -> None:
    def text() -> str:
        return data.draw(words)

    tls = measurement(
        "tls", tls_evidence("x"), verdict(State.BLOCKED, text(), facts=Facts(host=text(), endpoint=text()))
    )
    odd = replace(
        tls, id=text(), check=data.draw(st.sampled_from(["tls", "dns", text()])), input=text(), started_at=text()
    )
    targets = [
        reports.target(data.draw(st.sampled_from(["jobs", text()])), text(), odd.verdict, odd, tls) for _ in range(3)
    ]
    vantage = Vantage(country=text(), asn=data.draw(st.integers()), network=text(), instance=text())
    metrics = Metrics()
    metrics.set_targets([t.id for t in targets])
    metrics.observe(replace(reports.report(*targets), vantage=vantage, id=text() + "1"))
    metrics.set_endpoints([Endpoint(name=text(), pending_samples=0, sent_samples=0)])
    metrics.set_budget({text(): 1}, {text(): 1})
    by_name = {name: d for d in DEFINITIONS for name in d.exposed_names}
    for family in metrics.registry.collect():
        for sample in family.samples:
            definition = by_name[sample.name]
            allowed = {label.name: label for label in definition.labels}
            for name, value in sample.labels.items():
                assert name == "le" or allowed[name].allows(value), (sample.name, name, value)
            assert set(allowed) == set(sample.labels) - {"le"}
    list(read_openmetrics(metrics.exposition(OPENMETRICS).body.decode()))


@pytest.mark.parametrize("accept", ["", OPENMETRICS], ids=["text", "openmetrics"])
def test_two_hundred_targets_fit_into_a_megabyte(accept: str) -> None:
    metrics = Metrics()
    metrics.observe(many("ok", "sites", "sites", "throttled", "blocked"))
    assert len(metrics.exposition(accept).body) <= MAX_BYTES
    metrics.observe(replace(many("throttled"), id="0193-other"))
    assert len(metrics.exposition(accept).body) <= MAX_BYTES_ALL_THROTTLED


def test_the_number_of_series_of_a_target_is_bounded() -> None:
    """However long it runs: what may be counted is a product of closed lists, and most of it never occurs."""
    report = with_ids(reports.report(reports.slowed("birdsite", "B", download=Shape.POLICED, upload=Shape.POLICED)))
    metrics = Metrics()
    for number in range(30):
        metrics.observe(replace(report, id=f"0193-{number}"))
    of_target = [s for f in metrics.registry.collect() for s in f.samples if "target" in s.labels]
    histogram = next(d for d in DEFINITIONS if d.kind is Kind.HISTOGRAM)
    assert len(of_target) <= 30 + 4 * (len(histogram.buckets) + 3)


def test_runs_do_not_grow_the_memory() -> None:
    report = with_ids(reports.report(*reports.every_state().targets[5:7]))
    metrics = Metrics()

    def observe(numbers: range) -> None:
        for number in numbers:
            metrics.observe(replace(report, id=f"0193-{number:05}"))
            if number % 5 == 0:
                metrics.samples()

    def traced() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    observe(range(20))
    tracemalloc.start()
    try:
        observe(range(20, 60))
        before = traced()
        observe(range(60, 60 + MANY_RUNS))
        after = traced()
    finally:
        tracemalloc.stop()
    assert after - before <= MAX_GROWTH_BYTES
