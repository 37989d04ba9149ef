"""Do the laws of design §3 hold for whole reports, from the evidence that emulated internets really gave?

Every stored report (tests/golden) is judged again with something taken away or made worse. What holds for one check's
judge on any evidence is in the other files here; this is about what becomes of the target.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from probe import judgement
from probe.checks import dns, goodput
from probe.checks.goodput import Arm, Series
from probe.model.observations import Transfer
from probe.model.results import Attempt, Measurement, Report, State, TargetResult
from tests.golden_verdicts import kept
from tests.property.test_access_laws import CONTROLS

ACCUSING = (State.BLOCKED, State.THROTTLED)
Change = Callable[[Measurement], Measurement]


@cache
def reports() -> tuple[Report, ...]:
    return tuple(report for _, report in kept())


stored = st.deferred(lambda: st.sampled_from(reports()))


def _with(measurement: Measurement, evidence: object) -> Measurement:
    attempt: Attempt[Any] = replace(measurement.attempt, evidence=evidence)
    return replace(measurement, attempt=attempt)


def _each(report: Report, change: Change) -> Report:
    """The report with every target's measurements changed."""
    targets = tuple(replace(t, measurements=tuple(map(change, t.measurements))) for t in report.targets)
    return judgement.rejudge(replace(report, targets=targets))


def accused(report: Report) -> set[str]:
    return {t.id for t in report.targets if t.verdict.state in ACCUSING}


@given(stored, st.data())
@settings(max_examples=150, deadline=None)
def test_taking_some_control_observations_away_accuses_nobody(report: Report, data: st.DataObject) -> None:
    def poorer(measurement: Measurement) -> Measurement:
        evidence = measurement.attempt.evidence
        if evidence is None:
            return measurement
        if isinstance(evidence, goodput.Evidence):
            return _with(measurement, replace(evidence, download=thin(evidence.download), upload=thin(evidence.upload)))
        changes = {}
        for name in CONTROLS.get(measurement.check, ()):
            observations = getattr(evidence, name)
            changes[name] = tuple(o for o in observations if data.draw(st.booleans()))
        return _with(measurement, replace(evidence, **changes)) if changes else measurement  # type: ignore[type-var]

    def thin(series: Series | None) -> Series | None:
        if series is None:
            return None
        kept_trials = [t for t in series.trials if t.arm not in (Arm.NEUTRAL, Arm.CONTROL) or data.draw(st.booleans())]
        return replace(series, trials=tuple(kept_trials))

    assert accused(_each(report, poorer)) <= accused(report)


@given(stored, st.sampled_from([Arm.NEUTRAL, Arm.CONTROL]))
@settings(max_examples=60, deadline=None)
def test_taking_a_whole_arm_away_accuses_nobody(report: Report, arm: Arm) -> None:
    def without(series: Series | None) -> Series | None:
        return None if series is None else replace(series, trials=tuple(t for t in series.trials if t.arm is not arm))

    def poorer(measurement: Measurement) -> Measurement:
        evidence = measurement.attempt.evidence
        if not isinstance(evidence, goodput.Evidence):
            return measurement
        changed = replace(evidence, download=without(evidence.download), upload=without(evidence.upload))
        return _with(measurement, changed)

    assert accused(_each(report, poorer)) <= accused(report)


@given(stored, st.data())
@settings(max_examples=60, deadline=None)
def test_taking_a_resolver_away_accuses_nobody(report: Report, data: st.DataObject) -> None:
    found = [m.attempt.evidence for t in report.targets for m in t.measurements]
    names = sorted({q.resolver for e in found if isinstance(e, dns.Evidence) for q in e.control})
    if not names:
        return
    gone = data.draw(st.sampled_from(names))

    def poorer(measurement: Measurement) -> Measurement:
        evidence = measurement.attempt.evidence
        if not isinstance(evidence, dns.Evidence):
            return measurement
        return _with(measurement, replace(evidence, control=tuple(q for q in evidence.control if q.resolver != gone)))

    assert accused(_each(report, poorer)) <= accused(report)


@given(stored, st.data())
@settings(max_examples=100, deadline=None)
def test_taking_controls_of_the_run_or_measurements_away_accuses_nobody(report: Report, data: st.DataObject) -> None:
    def less(target: TargetResult) -> TargetResult:
        return replace(target, measurements=tuple(m for m in target.measurements if data.draw(st.booleans())))

    controls = tuple(c for c in report.controls if data.draw(st.booleans()))
    poorer = replace(report, controls=controls, targets=tuple(map(less, report.targets)))
    assert accused(judgement.rejudge(poorer)) <= accused(report)


def _slowed(transfer: Transfer, factor: float) -> Transfer:
    """The same bytes, each so much later after the request."""
    start = transfer.t_request
    if start is None:
        return transfer

    def later(t: float | None) -> float | None:
        return None if t is None else start + factor * (t - start)

    series = replace(transfer.series, t=tuple(start + factor * (t - start) for t in transfer.series.t))
    ended = start + factor * (transfer.t - start)
    return replace(transfer, series=series, t_first_byte=later(transfer.t_first_byte), t=ended)


@given(stored, st.floats(min_value=1.0, max_value=100.0))
@settings(max_examples=100, deadline=None)
def test_slowing_the_targets_transfers_never_clears_it(report: Report, factor: float) -> None:
    """Of a direction: what was not found equal is not found equal when the target's name is slower still."""

    def slower(series: Series | None) -> Series | None:
        if series is None:
            return None
        named = (Arm.TARGET, Arm.FOREIGN)
        trials = (replace(t, transfer=_slowed(t.transfer, factor)) if t.arm in named else t for t in series.trials)
        return replace(series, trials=tuple(trials))

    def change(measurement: Measurement) -> Measurement:
        evidence = measurement.attempt.evidence
        if not isinstance(evidence, goodput.Evidence):
            return measurement
        return _with(measurement, replace(evidence, download=slower(evidence.download), upload=slower(evidence.upload)))

    before = {t.id for t in report.targets if t.verdict.state is State.OK}
    assert {t.id for t in _each(report, change).targets if t.verdict.state is State.OK} <= before


def test_every_kind_of_evidence_is_among_the_stored() -> None:
    """Or the laws above would be about nothing."""
    measured = [m for report in reports() for t in report.targets for m in t.measurements]
    assert {m.check for m in measured if m.attempt.evidence is not None} >= {"dns", "reach", "tls", "http", "goodput"}
    assert {t.verdict.state for r in reports() for t in r.targets} >= {State.OK, State.BLOCKED, State.THROTTLED}
    for check, names in CONTROLS.items():
        given_controls = [m.attempt.evidence for m in measured if m.check == check and m.attempt.evidence is not None]
        for name in names:
            assert all(name in {f.name for f in fields(e)} for e in given_controls)  # type: ignore[arg-type]
