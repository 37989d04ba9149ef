"""What is kept of one run of one scenario?

Runs it and makes its record. Which runs there are is `probe.lab.score.plan`'s, where the record goes
`probe.lab.score.log`'s.
"""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import probe
from probe.lab.scenarios.base import Scenario, Setup
from probe.lab.scenarios.holding import hold
from probe.lab.scenarios.running import NoReportError, Outcome, run
from probe.lab.score.plan import line_of
from probe.lab.score.record import RECORD_VERSION, DirectionRecord, Key, RunRecord, TargetRecord
from probe.lab.session import LabError
from probe.model.results import GoodputFacts, Report, TargetResult

GOODPUT = "goodput"
MAX_PROBLEM_CHARACTERS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Which code is scored: the commit ("" outside a checkout, "+" at its end where files differ from it)."""

    commit: str


def try_out(
    scenario: Scenario, key: Key, origin: Origin, *, keep: Callable[[Key, Report], None] | None = None
) -> RunRecord:
    """One run. A lab that cannot start and a command that gives no report are problems in the record.

    For a process that has called `copies.import_all`. `keep` is handed the report. Raises KeyError for a line that
    the scenario does not have, and what `keep` raises.
    """
    setup = scenario.build(line_of(scenario, key.profile))
    began = datetime.now(UTC)
    try:
        outcome = run(setup, seed=key.seed, copies=True)
    except (LabError, NoReportError, subprocess.TimeoutExpired) as error:
        return failed(scenario, key, origin, problem=str(error), seconds=_since(began))
    if missing := sorted(set(setup.truths) - {t.id for t in outcome.report.targets}):
        return failed(scenario, key, origin, problem=f"no verdict for {', '.join(missing)}", seconds=_since(began))
    if keep is not None:
        keep(key, outcome.report)
    return _record(scenario, key, origin, setup, outcome, seconds=_since(began))


def failed(scenario: Scenario, key: Key, origin: Origin, *, problem: str, seconds: float) -> RunRecord:
    """The record of a run that gave no report."""
    return RunRecord(
        record_version=RECORD_VERSION,
        key=key,
        family=scenario.family,
        down_bps=line_of(scenario, key.profile).down_bps,
        up_bps=line_of(scenario, key.profile).up_bps,
        run_id="",
        code=-1,
        network=None,
        network_wanted=None,
        disturbed=False,
        problem=problem[-MAX_PROBLEM_CHARACTERS:] or "no report",
        late_packets=0,
        carried_packets=0,
        worst_lateness_seconds=0.0,
        seconds=seconds,
        ended_at=_now(),
        commit=origin.commit,
        probe_version=probe.__version__,
        rules_version="",
        targets=(),
    )


def _record(
    scenario: Scenario, key: Key, origin: Origin, setup: Setup, outcome: Outcome, *, seconds: float
) -> RunRecord:
    stats, report = outcome.stats, outcome.report
    return RunRecord(
        record_version=RECORD_VERSION,
        key=key,
        family=scenario.family,
        down_bps=setup.profile.down_bps,
        up_bps=setup.profile.up_bps,
        run_id=report.id,
        code=outcome.code,
        network=report.network.state,
        network_wanted=setup.network,
        disturbed=outcome.disturbed,
        problem="",
        late_packets=stats.late,
        carried_packets=stats.carried_up + stats.carried_down,
        worst_lateness_seconds=stats.worst_lateness_seconds,
        seconds=seconds,
        ended_at=_now(),
        commit=origin.commit,
        probe_version=report.probe_version,
        rules_version=next((t.verdict.rules_version for t in report.targets), ""),
        targets=target_records(setup, report),
    )


def target_records(setup: Setup, report: Report) -> tuple[TargetRecord, ...]:
    """What is kept of each target whose truth the scenario tells."""
    results = {target.id: target for target in report.targets}
    return tuple(_target(setup, identity, results[identity]) for identity in setup.truths)


def _target(setup: Setup, identity: str, result: TargetResult) -> TargetRecord:
    verdict, truth = result.verdict, setup.truths[identity]
    goodput = [m.duration_seconds for m in result.measurements if m.check == GOODPUT]
    return TargetRecord(
        target=identity,
        truth=truth,
        state=verdict.state,
        strength=verdict.strength,
        mechanisms=verdict.mechanisms,
        rule_ids=verdict.rule_ids,
        reason=verdict.reason,
        points=hold(truth, result),
        download=_direction(verdict.facts.download),
        upload=_direction(verdict.facts.upload),
        num_bytes=sum(m.sent_bytes + m.received_bytes for m in result.measurements),
        goodput_seconds=round(sum(goodput), 3) if goodput else None,
    )


def _direction(facts: GoodputFacts | None) -> DirectionRecord | None:
    if facts is None:
        return None
    return DirectionRecord(
        method=facts.method,
        target_bps=facts.target_bps,
        control_bps=facts.control_bps,
        ratio=facts.ratio,
        limit_bps=facts.limit_bps,
        stall_after_bytes=facts.stall_after_bytes,
        hop_after=facts.hop.after if facts.hop else None,
        detectable_ratio=facts.detectable_ratio,
        pairs=facts.pairs,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _since(began: datetime) -> float:
    return round((datetime.now(UTC) - began).total_seconds(), 3)
