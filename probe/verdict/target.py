"""What becomes of a target, given what each of its checks was judged to show?

The order is the design's: blocked > throttled > withheld > down > inconclusive > ok, over the checks that ran. The
checks' own judges have already asked for the control of their comparison; nothing here can turn a verdict into an
accusation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from probe.model.results import Facts, Hop, Mechanism, Network, NetworkState, State, Strength, Verdict
from probe.verdict.rules import RULES_VERSION, Rule, first_match
from probe.verdict.subject import Judged, accuses

FOLLOWED_BY_HOPS = ("reach", "tls")  # the checks whose findings `hops` looks for a place of
AT_HOME = Hop(after=0, before=1)  # this machine or its first router: a filter of the household's is never excluded
ORDER = (State.BLOCKED, State.THROTTLED, State.WITHHELD, State.DOWN, State.INCONCLUSIVE, State.OK)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFacts:
    """`counted`: the measurements that decide, weakest claims of optional hosts left out; `winners`: those of the
    worst state."""

    network: Network
    counted: tuple[Judged, ...]
    missing: tuple[Judged, ...]
    winners: tuple[Judged, ...]

    @property
    def state(self) -> State | None:
        return self.winners[0].verdict.state if self.winners else None


def _reason(facts: TargetFacts) -> str:
    """The strongest winner's sentence, and how many others say the same."""
    first = facts.winners[0]
    others = {w.input for w in facts.winners} - {first.input}
    more = f" (and {len(others)} more of its hosts or pages)" if others else ""
    return f"{first.verdict.reason}{more}"


def _ok_reason(facts: TargetFacts) -> str:
    checks = sorted({w.check for w in facts.winners})
    text = f"nothing unusual: {', '.join(checks)} agree with their controls"
    if facts.missing:
        text += f"; not measured: {', '.join(sorted({m.check for m in facts.missing}))}"
    return text


def _mechanisms(facts: TargetFacts) -> tuple[Mechanism, ...]:
    seen = {m: None for w in facts.winners for m in w.verdict.mechanisms}
    return tuple(seen)


def _is(state: State) -> "_StateTest":
    return _StateTest(state)


@dataclass(frozen=True, slots=True)
class _StateTest:
    state: State

    def __call__(self, facts: TargetFacts) -> bool:
        return facts.state is self.state


RULES: tuple[Rule[TargetFacts], ...] = (
    Rule(
        "target.network_not_usable",
        lambda f: f.network.state is not NetworkState.OK,
        State.INCONCLUSIVE,
        lambda f: f"the line itself could not be judged: {f.network.reason}",
        "No control site answers, or a portal answers for everybody: nothing can be said about any target.",
    ),
    Rule(
        "target.nothing_measured",
        lambda f: not f.counted,
        State.INCONCLUSIVE,
        lambda f: "no check of this target could be run" + (f": {f.missing[0].verdict.reason}" if f.missing else ""),
        "Every check was refused by a budget, a deadline or a missing capability, or the run was interrupted "
        "before it.",
    ),
    Rule(
        "target.blocked",
        _is(State.BLOCKED),
        State.BLOCKED,
        _reason,
        "At least one check shows, against its own control, that the network stops this target.",
        mechanisms=_mechanisms,
    ),
    Rule(
        "target.throttled",
        _is(State.THROTTLED),
        State.THROTTLED,
        _reason,
        "Nothing is blocked, and goodput shows that the network slows this target.",
        mechanisms=_mechanisms,
    ),
    Rule(
        "target.withheld",
        _is(State.WITHHELD),
        State.WITHHELD,
        _reason,
        "The platform itself refuses, over an authenticated connection; the network does not.",
        mechanisms=_mechanisms,
    ),
    Rule(
        "target.down",
        _is(State.DOWN),
        State.DOWN,
        _reason,
        "The target is broken in a way that its controls show to be the same for everyone.",
        mechanisms=_mechanisms,
    ),
    Rule(
        "target.inconclusive",
        _is(State.INCONCLUSIVE),
        State.INCONCLUSIVE,
        _reason,
        "At least one check could not tell, and none found more.",
        mechanisms=_mechanisms,
    ),
    Rule(
        "target.ok",
        _is(State.OK),
        State.OK,
        _ok_reason,
        "Every check that decides agrees with its control.",
    ),
)


def judge(measurements: Sequence[Judged], network: Network) -> Verdict:
    """The target's verdict; `rule_ids` are the target's rule and then those of the checks that decided."""
    facts = _facts(measurements, network)
    verdict = first_match(
        RULES, facts, public=_public(facts, measurements), otherwise="no rule matched", prefix="target"
    )
    if network.state is not NetworkState.OK or not facts.winners:
        return verdict
    hop = verdict.facts.hop
    confirmed = any(w.verdict.strength is Strength.CONFIRMED for w in facts.winners) and hop != AT_HOME
    claims = [w.verdict.strength for w in facts.winners if w.verdict.strength is not None]
    strength = (Strength.CONFIRMED if confirmed else Strength.LIKELY) if claims else None
    deciding = dict.fromkeys(rule for w in facts.winners for rule in w.verdict.rule_ids)
    place = f"; it happens {hop}" if hop and not facts.winners[0].verdict.facts.hop else ""
    return replace(
        verdict,
        reason=verdict.reason + place,
        strength=strength,
        rule_ids=(*verdict.rule_ids, *deciding) if verdict.state is not State.OK else verdict.rule_ids,
        rules_version=RULES_VERSION,
    )


def _facts(measurements: Sequence[Judged], network: Network) -> TargetFacts:
    ran = [m for m in measurements if m.ran]
    missing = tuple(m for m in measurements if not m.ran and not any(r.check == m.check for r in ran))
    counted = tuple(m for m in ran if not _replaceable(m, ran))
    # A check that could not run speaks only where it was the only one of its kind.
    deciding = (*counted, *missing) if counted else ()
    for state in ORDER:
        winners = tuple(m for m in deciding if m.verdict.state is state)
        if winners:
            ranked = sorted(winners, key=lambda w: w.verdict.strength is not Strength.CONFIRMED)
            return TargetFacts(network=network, counted=counted, missing=missing, winners=tuple(ranked))
    return TargetFacts(network=network, counted=counted, missing=missing, winners=())


def _replaceable(measurement: Judged, ran: Sequence[Judged]) -> bool:
    """A media candidate that is dead or undecided says nothing about the target while another one works.

    An accusation always counts: a blocked media host is a finding.
    """
    if not measurement.optional or measurement.verdict.state is State.OK or accuses(measurement.verdict.state):
        return False
    return any(m.check == measurement.check and m.verdict.state is State.OK for m in ran)


def _public(facts: TargetFacts, measurements: Sequence[Judged]) -> Facts:
    first = facts.winners[0].verdict.facts if facts.winners else Facts()
    goodput = next((m.verdict.facts for m in measurements if m.check == "goodput"), Facts())
    return replace(first, hop=_hop(facts, measurements), download=goodput.download, upload=goodput.upload)


def _hop(facts: TargetFacts, measurements: Sequence[Judged]) -> Hop | None:
    """Where on the path the deciding finding happens: its own, or what the follow-up of it found."""
    if facts.state is None or not accuses(facts.state):
        return None
    first = facts.winners[0]
    if first.verdict.facts.hop is not None or first.check not in FOLLOWED_BY_HOPS:
        return first.verdict.facts.hop
    found = [m.verdict.facts for m in measurements if m.check == "hops" and m.verdict.facts.hop is not None]
    return next((f.hop for f in found if f.host == first.verdict.facts.host), None)
