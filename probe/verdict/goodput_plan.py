"""What should be measured next in this direction?

Handed to the check through `ctx.enough`, so that thresholds stay with the judge. Pure: the same series, the same step.
"""

from probe.checks.context import Step
from probe.checks.goodput.evidence import Series
from probe.model.results import Method
from probe.verdict.goodput_facts import ADDRESS_PAIRS, MAX_ADDRESS_RATIO, ROUTE_RATIO, DirectionFacts, read
from probe.verdict.goodput_pairs import Outcome, Tally
from probe.verdict.goodput_sequence import MIN_EQUAL_RATIO

ROUTE_PAIRS = 2  # of target and control, all far apart: enough to go on to the comparison that may accuse
SERVER_PAIRS = 3  # … and that many where they neither agree nor are far apart
CLEARING_PAIRS = 7  # … or so many where the control refuses the target's name and some pair is alike: they may clear


def next_step(series: Series) -> Step:
    """Names at the target's address if it serves a neutral one, else the control's help; `DONE` when told enough."""
    facts = read(series)
    if facts.broken or not series.trials:
        return Step.DONE
    if facts.name.outcome not in (Outcome.ABSENT, Outcome.CONTROL_REFUSED):
        return _names(facts, facts.name, Step.PAIR)
    if facts.name.outcome is Outcome.ABSENT and facts.neutral_serves:
        return Step.PAIR
    return _without_neutral(facts)


def _names(facts: DirectionFacts, names: Tally, step: Step) -> Step:
    """How a comparison of two names at one address goes on."""
    match names.outcome:
        case Outcome.OPEN:
            return step
        case Outcome.SLOWER:
            return Step.CONFIRM
        case Outcome.CONFIRMED if facts.stands_still and facts.uploads and not facts.stepped:
            return Step.STEPWISE
        case Outcome.CONFIRMED:
            return Step.SMALL if facts.stall_after_bytes is not None and facts.small_delivered is None else Step.DONE
        case Outcome.NOT_SLOWER:
            return _address(facts) if step is Step.FOREIGN or facts.slow_alike else Step.DONE
        case Outcome.SUSPECT_REFUSED if step is Step.FOREIGN:
            return _address(facts)
        case _:
            return Step.DONE


def _without_neutral(facts: DirectionFacts) -> Step:
    """Neutral names are refused: target against control, and names at the control's address if that is slower."""
    if facts.target_dead:
        return Step.DONE
    if not facts.control_serves:
        return Step.CONTROL
    server = facts.server
    if facts.foreign.pairs:
        step = _names(facts, facts.foreign, Step.FOREIGN)
        return Step.CONTROL if step is Step.DONE and _may_clear(facts) else step
    if not server.pairs:
        far = facts.server_ratio is not None and facts.server_ratio <= ROUTE_RATIO
        return Step.FOREIGN if far else Step.CONTROL
    if server.outcome not in (Outcome.OPEN, Outcome.SLOWER, Outcome.UNDECIDED):
        return Step.DONE
    apart = len(server.ratios) >= ROUTE_PAIRS and max(server.ratios) <= ROUTE_RATIO
    return Step.FOREIGN if apart or len(server.pairs) >= SERVER_PAIRS else Step.CONTROL


def _may_clear(facts: DirectionFacts) -> bool:
    """Whether more pairs of target and control may show it to be as fast, after the control refused its name."""
    server = facts.server
    if facts.foreign.outcome is not Outcome.SUSPECT_REFUSED or facts.near_control:
        return False
    if server.outcome is Outcome.ABSENT:
        return True
    promising = not server.middle or max(server.ratios, default=0.0) >= MIN_EQUAL_RATIO
    return server.outcome is Outcome.OPEN and promising and len(server.pairs) < CLEARING_PAIRS


def _address(facts: DirectionFacts) -> Step:
    """The name makes no difference: is the address far below a control, and with a limiter's signature?"""
    if not facts.control_serves:
        return Step.CONTROL
    if not facts.never_ends and (facts.server_ratio is None or facts.server_ratio > MAX_ADDRESS_RATIO):
        return Step.DONE
    if facts.server.outcome not in (Outcome.ABSENT, Outcome.OPEN, Outcome.SLOWER):
        return Step.DONE
    if len(facts.server.pairs) < ADDRESS_PAIRS:
        return Step.CONTROL
    if facts.signature is not Method.STALLED:
        return Step.DONE
    if facts.uploads and not facts.stepped:
        return Step.STEPWISE
    return Step.SMALL if facts.small_delivered is None else Step.DONE
