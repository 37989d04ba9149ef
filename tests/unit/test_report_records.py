"""Is a report written so that reading it back loses nothing, and is anything else refused with its place?"""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from probe import records
from probe.model.results import Report
from probe.records import RecordError
from probe.registry import EVIDENCE_TYPES
from tests.factories import dns_evidence, goodput_measurement, measurement
from tests.reports import every_state, report, target, twenty_targets, without_network

SCHEMA = Path(__file__).parents[2] / "docs" / "schema" / "report.schema.json"
REPORTS = [every_state, without_network, report]
TEN_MEGABYTES = 10_000_000


@pytest.mark.parametrize("make", REPORTS)
def test_reading_back_and_writing_again_gives_the_same_bytes(make: Any) -> None:
    written = records.encode(make())
    assert records.encode(records.decode(written, EVIDENCE_TYPES)) == written


def test_evidence_comes_back_as_its_own_type() -> None:
    back = records.decode(records.encode(every_state()), EVIDENCE_TYPES)
    for result in back.targets:
        for read in result.measurements:
            if read.attempt.evidence is not None:
                assert type(read.attempt.evidence) is EVIDENCE_TYPES[read.check]


def test_what_was_read_equals_what_was_settled_before() -> None:
    evidence = records.settle(dns_evidence("clean.example"))
    written = records.encode_measurement(measurement("dns", evidence))
    assert records.decode_measurement(written, EVIDENCE_TYPES).attempt.evidence == evidence


def test_settling_rounds_as_writing_does() -> None:
    evidence = dns_evidence("clean.example")
    query = replace(evidence.system[0], t=1 / 3)
    settled = records.settle(replace(evidence, system=(query,)))
    assert settled.system[0].t == 0.333333
    assert records.settle(settled) == settled


def test_numbers_are_canonical() -> None:
    made = report()
    for given, written in ((61.0, b"61"), (1 / 3, b"0.333333"), (math.inf, b"null"), (-0.0, b"0"), (1e300, b"1e300")):
        line = records.encode(replace(made, duration_seconds=given))
        assert b'"duration_seconds":' + written + b',"parameters"' in line


def test_text_that_is_no_unicode_is_still_written() -> None:
    made = report(replace(report().targets[0], name="half a pair: \ud800"))
    written = records.encode(made)
    assert records.encode(records.decode(written, EVIDENCE_TYPES)) == written


@pytest.mark.parametrize("make", REPORTS)
def test_every_report_fits_the_schema(make: Any) -> None:
    document = json.loads(records.encode(make()))
    jsonschema.Draft202012Validator(records.schema(EVIDENCE_TYPES)).validate(document)


def test_evidence_of_another_check_does_not_fit_the_schema() -> None:
    document = json.loads(records.encode(report()))
    measurements = document["targets"][0]["measurements"]
    measurements[0]["attempt"]["evidence"] = measurements[2]["attempt"]["evidence"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(records.schema(EVIDENCE_TYPES)).validate(document)


def test_the_schema_in_the_documentation_is_this_one() -> None:
    """After a change: make schemas."""
    jsonschema.Draft202012Validator.check_schema(records.schema(EVIDENCE_TYPES))
    assert SCHEMA.read_text(encoding="utf-8") == records.schema_text(EVIDENCE_TYPES)


def test_twenty_slowed_targets_stay_below_ten_megabytes() -> None:
    assert 1_000_000 < len(records.encode(twenty_targets())) < TEN_MEGABYTES


def _broken(change: Any) -> bytes:
    document = json.loads(records.encode(report()))
    change(document)
    return json.dumps(document).encode()


def _first(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["targets"][0]["measurements"][0]
    return found


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda d: d.update(schema_version=99), "$.schema_version"),
        (lambda d: d.pop("schema_version"), "$"),
        (lambda d: d["network"].update(state="fine"), "$.network.state"),
        (lambda d: d["targets"][0]["verdict"].update(reason=None), "$.targets[0].verdict.reason"),
        (lambda d: _first(d).update(check="nothing"), "$.targets[0].measurements[0].check"),
        (
            lambda d: _first(d)["attempt"]["evidence"]["system"][0].update(t="late"),
            "$.targets[0].measurements[0].attempt.evidence.system[0].t",
        ),
        (lambda d: d["controls"][0]["attempt"].update(evidence={}), "$.controls[0].attempt.evidence"),
    ],
)
def test_anything_else_is_refused_with_its_place(change: Any, path: str) -> None:
    with pytest.raises(RecordError) as caught:
        records.decode(_broken(change), EVIDENCE_TYPES)
    assert caught.value.path == path
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"schema_version": 1}', b"[" * 100_000])
def test_what_is_no_report_is_refused(data: bytes) -> None:
    with pytest.raises(RecordError):
        records.decode(data, EVIDENCE_TYPES)
    with pytest.raises(RecordError):
        records.decode_measurement(data, EVIDENCE_TYPES)


def test_the_header_has_the_verdicts_and_no_measurement() -> None:
    full: Report = report(target("slow", "Slow", every_state().targets[1].verdict, goodput_measurement("slow")))
    head = records.header(full)
    assert head.controls == ()
    assert [t.measurements for t in head.targets] == [()]
    assert head.targets[0].verdict == full.targets[0].verdict
