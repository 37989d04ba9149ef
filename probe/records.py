"""How is a report written down, so that it can be read, checked and judged again years later?

One canonical JSON: fields in the order of the dataclasses, numbers with at most six decimals, integral ones without a
point, what is not finite as null. `encode(decode(encode(r)))` equals `encode(r)` byte for byte. What the fields mean
is for `probe.model`; where records are kept is for `probe.store`; formats for people are for `probe.report`.

Which evidence belongs to which check is an argument everywhere: the registry that knows it stands above this module.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from probe.model.results import SCHEMA_VERSION, Measurement, Report

DECIMALS = 6  # a microsecond in seconds, and finer than any rate or ratio is known
MAX_EXACT_INTEGER = 2**53  # beyond it a float's integral value is not exact, and stays a float (RFC 8259, section 6)

EvidenceTypes = Mapping[str, type]

E = TypeVar("E")


class RecordError(ValueError):
    """A record that cannot be read; `path` says where, as in `$.targets[0].verdict.state`."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


def encode(report: Report) -> bytes:
    """The whole report as one line of canonical JSON, without a newline at the end.

    Measurements are encoded one by one, so that a long report is never held twice as Python objects.
    """
    head = _plain(header(report))
    head["controls"] = [msgspec.Raw(encode_measurement(m)) for m in report.controls]
    for target, result in zip(head["targets"], report.targets, strict=True):
        target["measurements"] = [msgspec.Raw(encode_measurement(m)) for m in result.measurements]
    return msgspec.json.encode(head)


def header(report: Report) -> Report:
    """The report without its measurements: what was asked, what the network was like, what each target came to."""
    targets = tuple(replace(t, measurements=()) for t in report.targets)
    return replace(report, controls=(), targets=targets)


def encode_measurement(measurement: Measurement) -> bytes:
    """One measurement as it stands in a report."""
    return msgspec.json.encode(_plain(measurement))


def encode_line(record: str, value: Measurement | Report, **extra: str) -> bytes:
    """One line of JSON Lines: `record` names its kind, `extra` goes before the value's own fields."""
    return msgspec.json.encode({"record": record, **extra, **_plain(value)})


def decode(data: bytes | str, evidence_types: EvidenceTypes) -> Report:
    """Read what `encode` wrote. Raises `RecordError` for anything else, other schema versions included."""
    try:
        version = msgspec.json.decode(data, type=_Version).schema_version
        if version != SCHEMA_VERSION:
            raise RecordError("$.schema_version", f"version {version} is not version {SCHEMA_VERSION}, known here")
        report = msgspec.json.decode(data, type=Report)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _located(error, "$") from error
    return replace(
        report,
        controls=_typed(report.controls, evidence_types, "$.controls"),
        targets=tuple(
            replace(t, measurements=_typed(t.measurements, evidence_types, f"$.targets[{i}].measurements"))
            for i, t in enumerate(report.targets)
        ),
    )


def decode_measurement(data: bytes | str, evidence_types: EvidenceTypes) -> Measurement:
    """Read what `encode_measurement` wrote. Raises `RecordError`."""
    try:
        measurement = msgspec.json.decode(data, type=Measurement)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _located(error, "$") from error
    return _with_evidence(measurement, evidence_types, "$")


def settle(evidence: E) -> E:
    """The evidence as it will be read back: judge this, and judging the record again gives the same bytes."""
    settled: E = msgspec.convert(_plain(evidence), type(evidence))
    return settled


def schema(evidence_types: EvidenceTypes) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a report; what `attempt.evidence` holds follows from `check`."""
    checks = sorted(evidence_types)
    types = (Report, *(evidence_types[check] for check in checks))
    (root, *evidence), components = msgspec.json.schema_components(
        types, schema_hook=lambda _: {"description": "see `check`"}, ref_template="#/$defs/{name}"
    )
    measurement = components["Measurement"]
    measurement["properties"]["check"] = {"enum": checks}
    measurement["allOf"] = [_evidence_of(check, ref) for check, ref in zip(checks, evidence, strict=True)]
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Throttleprobe report",
        **root,
        "$defs": components,
    }
    roots = {check: _target_of(reference) for check, reference in zip(checks, evidence, strict=True)}
    return _renamed(whole, _names(components, roots))


def _names(definitions: Mapping[str, Any], roots: Mapping[str, str]) -> dict[str, str]:
    """Names that do not tell in which module a class stands, as msgspec's do where several classes share a name:
    moving a class must not change the schema. A check's own classes are named after the check, `goodput.Series`."""
    names = {name: name.rpartition(".")[2] for name in definitions}
    for check, root in roots.items():
        own = {name for name in _reached(definitions, root) if name.startswith("probe.checks.")}
        names |= {name: f"{check}.{name.rpartition('.')[2]}" for name in own}
    return names


def _reached(definitions: Mapping[str, Any], root: str) -> set[str]:
    """Every definition that one refers to, however indirectly, itself included."""
    found: set[str] = set()
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += re.findall(r'"#/\$defs/([^"]+)"', json.dumps(definitions[name]))
    return found


def _target_of(reference: Mapping[str, Any]) -> str:
    name: str = reference["$ref"].rpartition("/")[2]
    return name


def _renamed(whole: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    text = json.dumps(whole)
    for old, new in names.items():
        text = text.replace(f'"#/$defs/{old}"', f'"#/$defs/{new}"')
    renamed: dict[str, Any] = json.loads(text)
    renamed["$defs"] = dict(sorted((names[name], definition) for name, definition in renamed["$defs"].items()))
    return renamed


def schema_text(evidence_types: EvidenceTypes) -> str:
    """`schema` as it stands in docs/schema/report.schema.json."""
    return json.dumps(schema(evidence_types), indent=1, ensure_ascii=False) + "\n"


def _evidence_of(check: str, reference: dict[str, Any]) -> dict[str, Any]:
    evidence = {"oneOf": [{"type": "null"}, reference]}
    return {
        "if": {"properties": {"check": {"const": check}}},
        "then": {"properties": {"attempt": {"properties": {"evidence": evidence}}}},
    }


class _Version(msgspec.Struct):
    schema_version: int


def _typed(measurements: tuple[Measurement, ...], evidence_types: EvidenceTypes, path: str) -> tuple[Measurement, ...]:
    return tuple(_with_evidence(m, evidence_types, f"{path}[{i}]") for i, m in enumerate(measurements))


def _with_evidence(measurement: Measurement, evidence_types: EvidenceTypes, path: str) -> Measurement:
    """The measurement with its evidence as the check's own type instead of JSON's."""
    evidence_type = evidence_types.get(measurement.check)
    if evidence_type is None:
        raise RecordError(f"{path}.check", f"no check is called {measurement.check!r}")
    if measurement.attempt.evidence is None:
        return measurement
    try:
        evidence: object = msgspec.convert(measurement.attempt.evidence, evidence_type)
    except msgspec.ValidationError as error:
        raise _located(error, f"{path}.attempt.evidence") from error
    return replace(measurement, attempt=replace(measurement.attempt, evidence=evidence))


def _located(error: Exception, prefix: str) -> RecordError:
    """msgspec ends its messages with " - at `$.path`"; the path moves to the front, behind where the value stood."""
    message, _, place = str(error).partition(" - at `")
    return RecordError(prefix + place.removeprefix("$").rstrip("`"), message)


def _plain(value: object) -> Any:
    """Dataclasses to JSON's types, numbers and strings in their canonical form."""
    return _canonical(msgspec.to_builtins(value))


def _canonical(value: Any) -> Any:
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, str):
        # A lone surrogate is no text in UTF-8; it can come from a name that the system decoded.
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return value


def _number(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    rounded = round(value, DECIMALS)
    return int(rounded) if rounded.is_integer() and abs(rounded) < MAX_EXACT_INTEGER else rounded
