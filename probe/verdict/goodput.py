"""Does the network slow this target's media, down or up, and by what?

Only a comparison of two names at one address accuses with certainty, only a limiter's own signature without one, at
`likely`; two servers compared with each other never do (design §3, "What judgement must never do", 2). The sequential
rule is in `goodput_pairs`, the means in `goodput_method`, what is measured next in `goodput_plan`.
"""

from dataclasses import replace

from probe.checks.goodput.evidence import Arm, Evidence, Series
from probe.model.observations import Direction
from probe.model.results import Facts, GoodputFacts, State, Strength, Verdict
from probe.verdict.goodput_facts import public, read
from probe.verdict.goodput_plan import next_step
from probe.verdict.goodput_rules import RULES
from probe.verdict.rules import first_match

__all__ = ["RULES", "enough", "judge", "judge_direction", "next_step"]

enough = next_step  # the name under which the registry hands it to the check

ORDER = (State.BLOCKED, State.THROTTLED, State.WITHHELD, State.DOWN, State.INCONCLUSIVE, State.OK)
# These say that a direction could not be measured at all; it then speaks only where it is the only one.
NOT_MEASURED = ("goodput.media_gone", "goodput.not_begun", "goodput.target_refused")


def judge(evidence: Evidence) -> Verdict:
    """Both directions: the worse one decides; one that could not be measured speaks only where it is the only one."""
    verdicts = [judge_direction(s) for s in (evidence.download, evidence.upload) if s is not None]
    measured = [v for v in verdicts if v.rule_ids[0] not in NOT_MEASURED] or verdicts
    if not measured:
        return first_match((), None, public=Facts(), otherwise="the target has no media", prefix="goodput")
    worst = [v for v in measured if v.state is min((m.state for m in measured), key=ORDER.index)]
    left_out = [v for v in verdicts if v not in measured]
    first = worst[0]
    strengths = [v.strength for v in worst if v.strength is not None]
    return Verdict(
        state=first.state,
        strength=None if not strengths else Strength.CONFIRMED if Strength.CONFIRMED in strengths else Strength.LIKELY,
        mechanisms=tuple(dict.fromkeys(m for v in worst for m in v.mechanisms)),
        rule_ids=tuple(dict.fromkeys(rule for v in (*worst, *left_out) for rule in v.rule_ids)),
        rules_version=first.rules_version,
        reason="; ".join(v.reason for v in (*worst, *left_out)),
        facts=replace(
            first.facts,
            download=_figures(evidence.download, Direction.DOWNLOAD),
            upload=_figures(evidence.upload, Direction.UPLOAD),
        ),
    )


def judge_direction(series: Series) -> Verdict:
    """One direction."""
    facts, figures = read(series), _figures(series, series.direction)
    own = [t.transfer for t in series.trials if t.arm in (Arm.TARGET, Arm.NEUTRAL)]
    failures = [t.transfer.failure for t in series.trials if t.arm is Arm.TARGET and t.transfer.failure is not None]
    shown = Facts(
        host=own[0].host if own else None,
        endpoint=str(own[0].endpoint) if own else None,
        failure=failures[0] if failures else None,
        download=figures if series.direction is Direction.DOWNLOAD else None,
        upload=figures if series.direction is Direction.UPLOAD else None,
    )
    return first_match(RULES, facts, public=shown, otherwise="no rule matched", prefix="goodput")


def _figures(series: Series | None, direction: Direction) -> GoodputFacts | None:
    """The published figures of a direction that was begun."""
    if series is None or not series.trials or series.direction is not direction:
        return None
    return public(read(series))
