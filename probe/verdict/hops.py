"""Where on the path does it happen, and does that show that it is the network?

A follow-up of `reach` and `tls`. An address from which nobody answers is dead, or something drops or refuses what is
sent to it. If that happens where the paths to all neutral addresses still run together, and they run on together for
two routers at least, then the packets never left this line's access network: `likely` the network. If the packets get
farther, the one looks like the other, and nothing is said. Of a cut name only the place is asked.
"""

from collections.abc import Callable, Mapping

from probe.checks.hops import Evidence
from probe.checks.reach import Evidence as ReachEvidence
from probe.checks.tls import Evidence as TlsEvidence
from probe.model.results import Facts, Hop, Mechanism, State, Strength, Verdict
from probe.verdict import reach, tls
from probe.verdict.hops_facts import (
    MIN_ANSWERS,
    MIN_NEUTRAL_ADDRESSES,
    ConnectFacts,
    HelloFacts,
    connect_facts,
    hello_facts,
)
from probe.verdict.rules import Rule, first_match

# The path's length is easily taken one too long where packets are lost, and the router in front of a dead server is
# the last one of its path: so two routers at least must lie behind the place (a prototype's 200 of 200 trials).
MIN_HOPS_SHORT = 2
DEAD_OR_DROPPED = frozenset(
    {
        "reach.admin_prohibited",
        "reach.unreachable",
        "reach.timeout",
        "reach.refused",
        "reach.reset",
        "reach.mixed_failures",
    }
)
NAME_IS_CUT = frozenset({Mechanism.TLS_RESET_SNI, Mechanism.TLS_TIMEOUT_SNI})


def wanted(prior: Mapping[str, object]) -> bool:
    """Whether what is known so far of a host has a place on the path: every address fails, or the name is cut."""
    reached, shaken = prior.get("reach"), prior.get("tls")
    if isinstance(reached, ReachEvidence) and DEAD_OR_DROPPED.intersection(reach.judge(reached).rule_ids):
        return True
    if not isinstance(shaken, TlsEvidence):
        return False
    found = tls.judge(shaken)
    return found.state is State.BLOCKED and not NAME_IS_CUT.isdisjoint(found.mechanisms)


def judge(evidence: Evidence) -> Verdict:
    """One verdict on one endpoint."""
    if evidence.hellos:
        facts = hello_facts(evidence)
        public = _public(evidence, facts.hop)
        otherwise = f"the hop at which handshakes for {evidence.host} are cut was not found"
        return first_match(HELLO_RULES, facts, public=public, otherwise=otherwise, prefix="hops")
    reached = connect_facts(evidence)
    public = _public(evidence, reached.hop if _is_on_the_way(reached) else None)
    otherwise = f"how far packets to {evidence.endpoint} get fits no known pattern"
    return first_match(CONNECT_RULES, reached, public=public, otherwise=otherwise, prefix="hops")


def _public(evidence: Evidence, hop: Hop | None) -> Facts:
    failures = [c.failure for c in evidence.connects] + [h.failure for h in evidence.hellos]
    return Facts(
        host=evidence.host,
        endpoint=str(evidence.endpoint),
        failure=failures[-1] if failures else None,
        addresses=(evidence.endpoint.address,),
        hop=hop,
    )


def _is_on_the_way(facts: ConnectFacts) -> bool:
    """Whether the target's packets end where all neutral ones go on together, far enough to be sure."""
    return (
        not facts.connected
        and facts.on_trunk
        and (facts.answered_from is None or facts.last < facts.answered_from)
        and len(facts.beyond) >= MIN_HOPS_SHORT
    )


def _is_dropped(facts: ConnectFacts) -> bool:
    return _is_on_the_way(facts) and facts.answered_from is None and len(facts.silent) >= MIN_HOPS_SHORT


def _place(hop: Hop | None) -> str:
    if hop is None:
        return "on the way"
    return str(hop)


def _beside(facts: ConnectFacts) -> str:
    return (
        f"where packets to {facts.neutral_addresses} neutral addresses go on together as far as hop {facts.trunk[-1]}"
    )


def _did(words: str) -> Callable[[ConnectFacts], str]:
    return lambda f: f"{words.format(endpoint=f.endpoint, place=_place(f.hop))}, {_beside(f)}"


CONNECT_RULES: tuple[Rule[ConnectFacts], ...] = (
    Rule(
        "hops.connects",
        lambda f: f.connected,
        State.INCONCLUSIVE,
        lambda f: f"{f.endpoint} accepted a connection when it was looked at closer",
        "An address that refused or ignored every connection took one after all: it comes and goes.",
    ),
    Rule(
        "hops.no_neutral",
        lambda f: f.neutral_addresses < MIN_NEUTRAL_ADDRESSES,
        State.INCONCLUSIVE,
        lambda f: f"too few neutral addresses answered to say how far packets to {f.endpoint} could have got",
        "Fewer than two neutral addresses answered: what all paths share is not known.",
    ),
    Rule(
        "hops.routers_silent",
        lambda f: not f.trunk,
        State.INCONCLUSIVE,
        lambda f: f"no router on the way speaks to packets of all neutral addresses, so {f.endpoint} cannot be placed",
        "No router answers, or the neutral paths have none in common: there is nothing to place the failure by.",
    ),
    Rule(
        "hops.path_differs",
        lambda f: f.last > 0 and not f.on_trunk,
        State.INCONCLUSIVE,
        lambda f: f"packets to {f.endpoint} take another way than neutral ones, whose end says nothing about theirs",
        "The last router that answered the target's packets is not one that all neutral ones meet there: they may "
        "have left for the target's own network.",
    ),
    Rule(
        "hops.stays_home",
        lambda f: f.last == 0,
        State.INCONCLUSIVE,
        lambda f: (
            f"no router saw a packet to {f.endpoint}: this machine's own firewall, or the home's, may hold it back"
        ),
        "No router answered the target's packets, while some answer neutral ones: nothing shows that they left home.",
    ),
    Rule(
        "hops.refused_on_the_way",
        lambda f: _is_on_the_way(f) and f.refusals >= MIN_ANSWERS,
        State.BLOCKED,
        _did("connections to {endpoint} are refused {place}"),
        "A refusal, twice, to packets that could not have got as far as the server: neutral ones with the same limit, "
        "and with one more, end at routers that all paths share.",
        Strength.LIKELY,
        lambda _: (Mechanism.TCP_REFUSED,),
    ),
    Rule(
        "hops.unreachable_on_the_way",
        lambda f: _is_on_the_way(f) and f.unreachables >= MIN_ANSWERS,
        State.BLOCKED,
        _did("a router {place} says, twice, that {endpoint} cannot be reached"),
        "ICMP 'unreachable' or 'prohibited', twice, from where the paths to all neutral addresses go on together for "
        "two routers or more.",
        Strength.LIKELY,
        lambda _: (Mechanism.IP_UNREACHABLE,),
    ),
    Rule(
        "hops.dropped_on_the_way",
        _is_dropped,
        State.BLOCKED,
        _did("packets to {endpoint} vanish {place}"),
        "Three packets and more vanish with each of two limits or more at which routers that all paths share answer "
        "three neutral ones.",
        Strength.LIKELY,
        lambda _: (Mechanism.TCP_TIMEOUT,),
    ),
    Rule(
        "hops.gets_as_far",
        lambda f: len(f.beyond) < MIN_HOPS_SHORT,
        State.INCONCLUSIVE,
        lambda f: (
            f"packets to {f.endpoint} get past hop {f.last}, as far as the ways to neutral addresses run together: "
            "a dead server, or something farther on"
        ),
        "The target's packets get as far as the paths to all neutral addresses run together: as to a dead server.",
    ),
)


def _cut_words(facts: HelloFacts) -> str:
    return "is reset" if facts.by_reset else "gets no answer"


def _cut_means(facts: HelloFacts) -> tuple[Mechanism, ...]:
    return (Mechanism.TLS_RESET_SNI if facts.by_reset else Mechanism.TLS_TIMEOUT_SNI,)


HELLO_RULES: tuple[Rule[HelloFacts], ...] = (
    Rule(
        "hops.cut_on_the_way",
        lambda f: f.short_of_server,
        State.BLOCKED,
        lambda f: (
            f"a ClientHello for {f.host} {_cut_words(f)} {_place(f.hop)}, short of the server, where one with a "
            "neutral name goes on"
        ),
        "The name is cut, every time, in packets that cannot have got as far as the server: those with a neutral name "
        "and the same limit, or a greater one, end at a router.",
        Strength.LIKELY,
        _cut_means,
    ),
    Rule(
        "hops.cut_at_far_end",
        lambda f: f.at_server and f.cut_from == f.passes_to + 1,
        State.INCONCLUSIVE,
        lambda f: (
            f"a ClientHello for {f.host} {_cut_words(f)} {_place(f.hop)}, where the server answers a neutral name: "
            "the server itself, or something right in front of it"
        ),
        "The name is cut only in packets that reach the server: from here that is no place on the way.",
    ),
    Rule(
        "hops.cut_somewhere",
        lambda f: f.cut_from is not None,
        State.INCONCLUSIVE,
        lambda f: f"a ClientHello for {f.host} {_cut_words(f)} {_place(f.hop)}; how far the server is, no router told",
        "The limit from which the name is cut is known, and not whether packets with it reach the server.",
    ),
)

RULES: tuple[Rule[ConnectFacts] | Rule[HelloFacts], ...] = (*CONNECT_RULES, *HELLO_RULES)
