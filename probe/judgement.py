"""From what was measured to what it means, for a whole report: used by the runner, and again on stored evidence.

Pure: `rejudge` needs no network and no clock, and gives the same report when no rule has changed.
"""

from collections.abc import Sequence
from dataclasses import replace

from probe.model.results import Attempt, AttemptStatus, Measurement, Network, Report, TargetResult, Verdict, summarize
from probe.registry import BY_NAME
from probe.verdict import attempt as attempt_verdict
from probe.verdict import network as network_verdict
from probe.verdict import target as target_verdict
from probe.verdict.subject import judged


def judge_attempt(check: str, attempt: Attempt[object]) -> Verdict:
    """The verdict of one check's attempt."""
    if attempt.status is AttemptStatus.COMPLETED and attempt.evidence is not None:
        return BY_NAME[check].judge(attempt.evidence)
    return attempt_verdict.judge(attempt)


def judge_target(
    measurements: Sequence[Measurement], network: Network, *, optional_hosts: frozenset[str] = frozenset()
) -> Verdict:
    """The target's verdict from its measurements; `optional_hosts` are media candidates that others can stand in
    for."""
    subjects = [judged(m, optional=m.input in optional_hosts and m.check != "goodput") for m in measurements]
    return target_verdict.judge(subjects, network)


def rejudge(report: Report) -> Report:
    """The same report with every verdict made anew from its evidence."""
    controls = tuple(_judge_again(m) for m in report.controls)
    network = network_verdict.judge(controls, [m for t in report.targets for m in t.measurements])
    targets = tuple(_target_again(t, network) for t in report.targets)
    return replace(report, controls=controls, network=network, targets=targets, summary=summarize(targets))


def _judge_again(measurement: Measurement) -> Measurement:
    return replace(measurement, verdict=judge_attempt(measurement.check, measurement.attempt))


def _target_again(target: TargetResult, network: Network) -> TargetResult:
    measurements = tuple(_judge_again(m) for m in target.measurements)
    verdict = judge_target(measurements, network, optional_hosts=frozenset(target.media_hosts))
    return replace(target, measurements=measurements, verdict=verdict)
