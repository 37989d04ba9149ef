"""Do the target's addresses accept connections, and if not: is it this line, the target, or something between?

From one place a dead server and a dropped address look alike (design §3, 7), so silence, refusals and resets never
accuse here; only an ICMP error that quotes our own packet, with a control that connects, may. Names are for `tls`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from probe.checks.reach import HTTP_PORT, Evidence, Source
from probe.failure import Failure
from probe.model.observations import IcmpKind, TcpConnect
from probe.model.results import Facts, Mechanism, State, Strength, Verdict
from probe.model.targets import Endpoint
from probe.verdict.rules import Rule, first_match

MIN_ATTEMPTS = 2  # of one endpoint: a lost SYN is common, a failure counts when it repeats (design §3, 6)
MIN_UNREACHABLE_ADDRESSES = 2  # a dead host's own last router says "unreachable" too; rarely for all of a platform
NO_ROUTE = frozenset(
    {
        Failure.NETWORK_UNREACHABLE,
        Failure.NETWORK_DOWN,
        Failure.HOST_UNREACHABLE,
        Failure.ADDRESS_NOT_AVAILABLE,
        Failure.ADDRESS_FAMILY_NOT_SUPPORTED,
        Failure.PERMISSION_DENIED,
        Failure.NO_BUFFER_SPACE,
    }
)
UNREACHABLE = frozenset({IcmpKind.HOST_UNREACHABLE, IcmpKind.NETWORK_UNREACHABLE})
TIMEOUT = frozenset({Failure.GENERIC_TIMEOUT})
REFUSED = frozenset({Failure.CONNECTION_REFUSED})
RESET = frozenset({Failure.CONNECTION_RESET, Failure.CONNECTION_ABORTED})
VOUCHED = frozenset({Source.CONTROL, Source.FILE, Source.HANDSHAKE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one endpoint over all attempts; `failure` is the last one where none succeeded. `from_target`: an
    ICMP error came from the endpoint's own address."""

    endpoint: Endpoint
    connected: bool
    attempts: int
    failure: Failure | None
    icmp: tuple[IcmpKind | None, ...]
    from_target: bool

    @property
    def is_repeated(self) -> bool:
        return not self.connected and self.attempts >= MIN_ATTEMPTS

    @property
    def has_no_route(self) -> bool:
        """Whether this machine itself had nowhere to send to: nothing on the network said so."""
        return self.failure in NO_ROUTE and not any(self.icmp)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachFacts:
    """What the rules read: endpoints somebody vouches for, others, and how control's addresses did beside them."""

    host: str
    outcomes: tuple[Outcome, ...]
    unvouched: int
    neutral: tuple[TcpConnect, ...]

    @property
    def good(self) -> tuple[Outcome, ...]:
        return tuple(o for o in self.outcomes if o.connected)

    @property
    def bad(self) -> tuple[Outcome, ...]:
        return tuple(o for o in self.outcomes if not o.connected)


def judge(evidence: Evidence) -> Verdict:
    """One verdict on all addresses and ports of the host."""
    facts = _facts(evidence)
    worst = facts.bad[0] if facts.bad else None
    public = Facts(
        host=evidence.host,
        endpoint=str(worst.endpoint) if worst else None,
        failure=worst.failure if worst else None,
        addresses=tuple(c.address for c in evidence.candidates if c.dialled),
    )
    otherwise = f"how the addresses of {evidence.host} answered fits no known pattern"
    return first_match(RULES, facts, public=public, otherwise=otherwise, prefix="reach")


def _facts(evidence: Evidence) -> ReachFacts:
    vouched = {c.address for c in evidence.candidates if VOUCHED.intersection(c.sources)}
    endpoints = dict.fromkeys(c.endpoint for c in evidence.connects)
    return ReachFacts(
        host=evidence.host,
        outcomes=tuple(_outcome(e, evidence.connects) for e in endpoints if e.address in vouched),
        unvouched=sum(e.address not in vouched for e in endpoints),
        neutral=evidence.neutral,
    )


def _outcome(endpoint: Endpoint, connects: Sequence[TcpConnect]) -> Outcome:
    mine = [c for c in connects if c.endpoint == endpoint]
    connected = any(c.failure is None for c in mine)
    return Outcome(
        endpoint=endpoint,
        connected=connected,
        attempts=len(mine),
        failure=None if connected else mine[-1].failure,
        icmp=tuple(c.icmp for c in mine),
        from_target=any(c.icmp_from_target for c in mine),
    )


def _neutral_connects(facts: ReachFacts, bad: Outcome) -> bool:
    """Whether, in this run, a control's address of the same family took a connection on the same kind of port."""
    plain = bad.endpoint.port == HTTP_PORT
    return any(
        n.failure is None and (n.endpoint.port == HTTP_PORT) is plain and n.endpoint.is_ipv6 is bad.endpoint.is_ipv6
        for n in facts.neutral
    )


def _everything(facts: ReachFacts, kinds: frozenset[IcmpKind]) -> bool:
    """Whether every endpoint failed, repeatedly and each time with such an ICMP error of somebody else's, while control
    connects. A server whose own firewall rejects us says so from its own address.
    """
    return bool(facts.outcomes) and all(
        o.is_repeated and all(i in kinds for i in o.icmp) and not o.from_target and _neutral_connects(facts, o)
        for o in facts.outcomes
    )


def _one_family_is_broken(facts: ReachFacts) -> bool:
    """Whether one family works entirely, the other not at all, and control's addresses of that one do not either."""
    bad = {o.endpoint.is_ipv6 for o in facts.bad}
    good = {o.endpoint.is_ipv6 for o in facts.good}
    if len(bad) != 1 or not good or bad & good:
        return False
    beside = [n for n in facts.neutral if n.endpoint.is_ipv6 in bad]
    if not beside:
        return bad == {True}  # a line without IPv6 is common, one without IPv4 has to be shown
    return all(n.failure is not None for n in beside)


def _listed(outcomes: Sequence[Outcome]) -> str:
    """Endpoints and what happened there, at most three of them."""
    texts = [f"{o.endpoint} ({o.failure.value if o.failure else 'connected'})" for o in outcomes[:3]]
    more = f" and {len(outcomes) - 3} more" if len(outcomes) > 3 else ""
    return ", ".join(texts) + more


def _all(facts: ReachFacts, failures: frozenset[Failure]) -> bool:
    return bool(facts.bad) and not facts.good and all(o.failure in failures for o in facts.bad)


def _family(outcome: Outcome) -> str:
    return "IPv6" if outcome.endpoint.is_ipv6 else "IPv4"


def _addresses(facts: ReachFacts) -> set[str]:
    return {o.endpoint.address for o in facts.outcomes}


def _machines(facts: ReachFacts) -> int:
    """How many machines there are at least: one may well have an address of each family."""
    six = sum(":" in address for address in _addresses(facts))
    return max(six, len(_addresses(facts)) - six)


RULES: tuple[Rule[ReachFacts], ...] = (
    Rule(
        "reach.only_unvouched",
        lambda f: not f.outcomes,
        State.INCONCLUSIVE,
        lambda f: f"no address of {f.host} that control or a handshake vouches for was dialled",
        "Only addresses that nobody vouches for: whatever they do, the target is not blamed for it.",
    ),
    Rule(
        "reach.ok",
        lambda f: not f.bad,
        State.OK,
        lambda f: f"{f.host} accepts connections at {len(f.good)} of {len(f.outcomes)} endpoints",
        "Every endpoint that somebody vouches for took a connection, at the latest when tried again.",
    ),
    Rule(
        "reach.admin_prohibited",
        lambda f: _everything(f, frozenset({IcmpKind.ADMIN_PROHIBITED})),
        State.BLOCKED,
        lambda f: (
            f"a router says that {f.host} is administratively prohibited, repeatedly and at every address: "
            f"{_listed(f.bad)}; a control's address connects"
        ),
        "ICMP 'administratively prohibited', quoting our packets and not from the server itself, twice at every "
        "endpoint, while control connects.",
        Strength.LIKELY,
        lambda _: (Mechanism.IP_UNREACHABLE,),
    ),
    Rule(
        "reach.unreachable",
        lambda f: (
            _machines(f) >= MIN_UNREACHABLE_ADDRESSES and _everything(f, UNREACHABLE | {IcmpKind.ADMIN_PROHIBITED})
        ),
        State.BLOCKED,
        lambda f: (
            f"a router says that {f.host} is unreachable, repeatedly and at all its {len(_addresses(f))} addresses: "
            f"{_listed(f.bad)}; a control's address connects"
        ),
        "ICMP 'unreachable', quoting our packets and not from the server itself, twice at every endpoint of two "
        "addresses or more of one family; control connects.",
        Strength.LIKELY,
        lambda _: (Mechanism.IP_UNREACHABLE,),
    ),
    Rule(
        "reach.one_family",
        _one_family_is_broken,
        State.OK,
        lambda f: (
            f"{f.host} accepts connections over {_family(f.good[0])}; "
            f"{_family(f.bad[0])} does not work on this line, or no control could show that it does"
        ),
        "One IP version works at every address, the other nowhere, controls included: the line's own fault.",
    ),
    Rule(
        "reach.no_route",
        lambda f: not f.good and all(o.has_no_route for o in f.bad),
        State.INCONCLUSIVE,
        lambda f: f"this machine has no route to {f.host}: {_listed(f.bad)}",
        "The machine itself had nowhere to send to: nothing on the network spoke.",
    ),
    Rule(
        "reach.some_fail",
        lambda f: bool(f.good),
        State.INCONCLUSIVE,
        lambda f: (
            f"{f.host} accepts connections at {len(f.good)} of {len(f.outcomes)} endpoints, not at {_listed(f.bad)}: "
            "dead or dropped, which looks alike from one place"
        ),
        "Some addresses or ports connect, others do not: a dead server and a dropped address look alike from here.",
    ),
    Rule(
        "reach.line_down",
        lambda f: bool(f.neutral) and all(n.failure is not None for n in f.neutral),
        State.INCONCLUSIVE,
        lambda f: f"nothing connects, neither {f.host} nor the controls",
        "The controls' addresses do not connect either: the line, not the target.",
    ),
    Rule(
        "reach.no_neutral",
        lambda f: not f.neutral,
        State.INCONCLUSIVE,
        lambda f: f"{f.host} does not accept connections ({_listed(f.bad)}), and no control was tried beside it",
        "The addresses fail, and there is no control to compare with.",
    ),
    Rule(
        "reach.timeout",
        lambda f: _all(f, TIMEOUT),
        State.INCONCLUSIVE,
        lambda f: f"{f.host} does not answer at {_listed(f.bad)}: a dead server and a dropped address look alike",
        "Silence at every address, while control connects. From one place this is not told from a dead server.",
        mechanisms=lambda _: (Mechanism.TCP_TIMEOUT,),
    ),
    Rule(
        "reach.refused",
        lambda f: _all(f, REFUSED),
        State.INCONCLUSIVE,
        lambda f: f"connections are refused at {_listed(f.bad)}: by the server or in its name, which looks alike",
        "A reset to every SYN, while control connects. From one place this is not told from a closed port.",
        mechanisms=lambda _: (Mechanism.TCP_REFUSED,),
    ),
    Rule(
        "reach.reset",
        lambda f: _all(f, RESET),
        State.INCONCLUSIVE,
        lambda f: f"connections are reset at {_listed(f.bad)}: by the server or in its name, which looks alike",
        "A reset while connecting at every address, while control connects: not told from the server's own.",
        mechanisms=lambda _: (Mechanism.TCP_RESET,),
    ),
    Rule(
        "reach.mixed_failures",
        lambda f: bool(f.bad),
        State.INCONCLUSIVE,
        lambda f: f"{f.host} does not accept connections: {_listed(f.bad)}",
        "Every address fails, in different ways or in one that says nothing, while control connects.",
    ),
)
