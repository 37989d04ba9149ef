"""What did each of the system's resolvers do with the name, measured against what control knows?

Turns DNS evidence into one `Resolution` a server; what that means for the target is `probe.verdict.dns`'s business.
An address is the target's if control gives it or a verified TLS handshake for the name completed there; it is
disproved only where the same handshake verifies at an address that control gave, in the same family and run.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from probe.checks.addresses import dialable, is_literal, verified, verifies
from probe.checks.dns import Evidence, is_invented, is_known
from probe.failure import Failure
from probe.model.observations import DnsQuery, DnsReply, Engine
from probe.wire.bogon import is_bogon, is_internal, is_private

MIN_FAILED_HANDSHAKES = 2  # at one address: a single handshake may fail by loss (design §3, 6: repeat it)
MIN_CONTROLS_FOR_SILENCE = 2  # resolvers that must agree before an address that merely fails is called forged
MIN_RACED_ERRORS = 2  # an error before a true answer: once may be a resolver's own retry, twice is a race
WRONG_SERVER = frozenset({Failure.SSL_UNKNOWN_AUTHORITY, Failure.SSL_INVALID_HOSTNAME})
NULL_ADDRESSES = frozenset({"0.0.0.0", "::"})  # noqa: S104 - nothing is bound: what filters in homes answer for advertisers

# Addresses inside a country's network at which its notice is known to stand: Iran (Aryan et al., FOCI 2013).
NOTICE_ADDRESSES = frozenset({"10.10.34.34", "10.10.34.35", "10.10.34.36"})


class Outcome(StrEnum):
    """What one resolver did with the name; `GENUINE` if any of its answers holds."""

    GENUINE = "genuine"
    RACED = "raced"  # a false answer, then the true one, to one question
    BOGON = "bogon"
    INTERNAL = "internal"  # an address as servers inside a network have, which nobody outside can look at
    NULL = "null"
    FOREIGN_CERTIFICATE = "foreign_certificate"  # who is at its addresses cannot prove the name
    UNUSABLE = "unusable"  # nobody at its addresses shakes hands
    UNTESTED = "untested"
    NXDOMAIN = "nxdomain"
    REFUSED = "refused"
    SERVFAIL = "servfail"
    NO_ANSWER = "no_answer"
    TIMEOUT = "timeout"
    OTHER = "other"


# False if control is right; which of them accuse, and with what beside them, is for the rules.
LIES = (
    Outcome.RACED,
    Outcome.BOGON,
    Outcome.INTERNAL,
    Outcome.FOREIGN_CERTIFICATE,
    Outcome.UNUSABLE,
    Outcome.NULL,
)
_FAILED = {
    Failure.DNS_NXDOMAIN: Outcome.NXDOMAIN,
    Failure.DNS_REFUSED: Outcome.REFUSED,
    Failure.DNS_SERVFAIL: Outcome.SERVFAIL,
    Failure.DNS_TEMPORARY_FAILURE: Outcome.SERVFAIL,
    Failure.DNS_NO_ANSWER: Outcome.NO_ANSWER,
    Failure.GENERIC_TIMEOUT: Outcome.TIMEOUT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """One resolver's doing. `server` is its address, "" for getaddrinfo; `attempts` how often it was asked for IPv4.

    `neutral_resolves`: the neutral name got other addresses through the same server, in the same run: it is alive and
    does not send everybody to one place. `like_nothing`: a name that cannot exist got the same addresses.
    `forges_below`: a name that cannot exist below the target's gets addresses, one below the neutral name gets none.
    `other_source`: an answer came from an address that was not asked; `other_source_for_all`: for a neutral name too.
    `family`: "" or the one that alone is affected.
    """

    server: str
    outcome: Outcome
    failure: Failure | None
    addresses: tuple[str, ...]
    attempts: int
    neutral_resolves: bool
    like_everything: bool
    like_nothing: bool
    forges_below: bool
    other_source: bool
    other_source_for_all: bool
    family: str

    @property
    def is_local(self) -> bool:
        """Whether this is getaddrinfo, which also reads hosts files and asks local stubs."""
        return self.server == ""

    @property
    def name(self) -> str:
        return "the system's resolver" if self.is_local else f"the resolver {self.server}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What is known about addresses, from control and from handshakes."""

    control: tuple[str, ...]
    proved: tuple[str, ...]
    foreign: tuple[str, ...]
    unusable: tuple[str, ...]

    def is_genuine(self, address: str) -> bool:
        return is_known(address, self.control) or address in self.proved

    def is_bogus(self, address: str) -> bool:
        """Whether no public server can have it; void where control itself gives such addresses (a test network)."""
        private = is_private(address) and not any(is_private(a) for a in self.control)
        bogon = is_bogon(address) and not any(is_bogon(a) for a in self.control)
        return bool(self.control) and (private or bogon)

    def outcome(self, addresses: Sequence[str]) -> Outcome:
        """What an answer with these addresses is; a lie only if every one of them is disproved."""
        literals = tuple(a for a in addresses if is_literal(a))
        if not literals or any(self.is_genuine(a) for a in literals):
            return Outcome.GENUINE if literals else Outcome.OTHER
        if all(a in NULL_ADDRESSES for a in literals):
            return Outcome.NULL if self.control else Outcome.UNTESTED
        if all(self.is_bogus(a) for a in literals):
            own = all(is_internal(a) and a not in NOTICE_ADDRESSES for a in literals)
            return Outcome.INTERNAL if own else Outcome.BOGON
        if all(self.is_bogus(a) or a in self.foreign for a in literals):
            return Outcome.FOREIGN_CERTIFICATE
        if all(self.is_bogus(a) or a in self.foreign or a in self.unusable for a in literals):
            return Outcome.UNUSABLE
        return Outcome.UNTESTED


def knowledge(evidence: Evidence) -> Knowledge:
    """What control and the handshakes say of the addresses."""
    control = dialable(evidence.control)
    working = {h.endpoint.is_ipv6 for h in evidence.control_handshakes if verifies(h, evidence.hostname)}
    answering = {q.resolver for q in evidence.control if q.addresses}
    foreign, unusable = [], []
    for address in dict.fromkeys(h.endpoint.address for h in evidence.handshakes):
        tried = [h for h in evidence.handshakes if h.endpoint.address == address]
        if any(verifies(h, evidence.hostname) for h in tried) or len(tried) < MIN_FAILED_HANDSHAKES:
            continue
        if tried[0].endpoint.is_ipv6 not in working:
            continue
        if any(h.verify_failure in WRONG_SERVER for h in tried):
            foreign.append(address)
        elif all(h.failure is not None for h in tried) and len(answering) >= MIN_CONTROLS_FOR_SILENCE:
            unusable.append(address)
    proved = verified((*evidence.handshakes, *evidence.control_handshakes), evidence.hostname)
    return Knowledge(control=control, proved=proved, foreign=tuple(foreign), unusable=tuple(unusable))


def resolutions(evidence: Evidence) -> tuple[Resolution, ...]:
    """One for each server asked over UDP, in the order asked, then getaddrinfo's."""
    known = knowledge(evidence)
    servers = dict.fromkeys(q.resolver_address for q in evidence.system if q.engine is Engine.UDP)
    found = [
        _resolution(server, evidence, known)
        for server in (*servers, "")
        if any(_is_of(q, server) for q in evidence.system)
    ]
    return tuple(found)


def _is_of(query: DnsQuery, server: str) -> bool:
    if server == "":
        return query.engine is Engine.GETADDRINFO
    return query.engine is Engine.UDP and query.resolver_address == server


def _resolution(server: str, evidence: Evidence, known: Knowledge) -> Resolution:
    queries = [q for q in evidence.system if _is_of(q, server)]
    only_ipv6 = bool(known.control) and all(":" in address for address in known.control)
    found = _of_one_kind(server, [q for q in queries if only_ipv6 or q.query_type != "AAAA"], known)
    second = _of_one_kind(server, [q for q in queries if q.query_type == "AAAA"], known)
    if found.outcome is Outcome.TIMEOUT and any(_counts(q) for q in queries):
        found = replace(found, outcome=Outcome.OTHER)  # it does answer about this name, if only for IPv6
    if second.outcome in LIES and found.outcome not in LIES:
        found = replace(second, family="IPv6")
    elif only_ipv6 and found.outcome is Outcome.NO_ANSWER:
        found = replace(found, outcome=Outcome.OTHER)  # routers that filter AAAA do this to everybody
    found = replace(found, attempts=sum(q.query_type != "AAAA" for q in queries))
    decoys = [q for q in evidence.decoy if _is_of(q, server) and (q.query_type == "AAAA") is (found.family != "")]
    neutral = [q.addresses for q in decoys if not is_invented(q.hostname) and _says_something(q, found.family)]
    invented = [q.addresses for q in decoys if is_invented(q.hostname) and q.addresses]
    mine = set(found.addresses)
    return replace(
        found,
        neutral_resolves=any(mine.isdisjoint(addresses) for addresses in neutral),
        like_everything=any(not mine.isdisjoint(addresses) for addresses in neutral),
        like_nothing=any(not mine.isdisjoint(addresses) for addresses in invented),
        forges_below=_forges_below(server, evidence, known),
        other_source=any(_came_from_elsewhere(q) for q in queries),
        other_source_for_all=any(_came_from_elsewhere(q) for q in decoys),
    )


def _counts(query: DnsQuery) -> bool:
    """Whether some reply came from where the question went."""
    return any(r.source in ("", query.resolver_address) for r in query.replies)


def _forges_below(server: str, evidence: Evidence, known: Knowledge) -> bool:
    """Whether the server gave untrue addresses for a name that cannot exist below the target's, to which control says
    that there is none, and no address for one that cannot exist below a neutral name."""
    control = any(q.failure is Failure.DNS_NXDOMAIN for q in evidence.below_control)
    invented = [q for q in evidence.decoy if _is_of(q, server) and is_invented(q.hostname)]
    denied = any(q.failure is Failure.DNS_NXDOMAIN for q in invented) and not any(q.addresses for q in invented)
    given = [q.addresses for q in evidence.below if _is_of(q, server) and q.addresses]
    return control and denied and any(known.outcome(addresses) is not Outcome.GENUINE for addresses in given)


def _says_something(query: DnsQuery, family: str) -> bool:
    """Whether the neutral name resolved; that it has no IPv6 address is an honest answer too, if no other follows."""
    none = query.failure is Failure.DNS_NO_ANSWER and not any(r.addresses for r in query.replies)
    return bool(query.addresses) or (family != "" and none)


def _came_from_elsewhere(query: DnsQuery) -> bool:
    asked = query.resolver_address
    return bool(asked) and any(r.source not in ("", asked) for r in query.replies if not r.malformed)


def _of_one_kind(server: str, queries: list[DnsQuery], known: Knowledge) -> Resolution:
    """What the server did with questions of one type: a lie only if it is what every one of them was told."""
    outcomes = [_outcome(q, known) for q in queries]
    outcome = Outcome.OTHER
    if _is_raced(queries, known):
        outcome = Outcome.RACED
    elif Outcome.GENUINE in outcomes:
        outcome = Outcome.GENUINE
    elif outcomes and len(set(outcomes)) == 1:
        outcome = outcomes[0]
    elif Outcome.UNTESTED in outcomes:
        outcome = Outcome.UNTESTED
    addresses = tuple(dict.fromkeys(a for q in queries for a in q.addresses))
    return Resolution(
        server=server,
        outcome=outcome,
        failure=next((q.failure for q in queries if q.failure is not None), None),
        addresses=addresses,
        attempts=len(queries),
        neutral_resolves=False,
        like_everything=False,
        like_nothing=False,
        forges_below=False,
        other_source=False,
        other_source_for_all=False,
        family="",
    )


def _outcome(query: DnsQuery, known: Knowledge) -> Outcome:
    if query.failure is not None:
        return _FAILED.get(query.failure, Outcome.OTHER)
    return known.outcome(query.addresses)


def _is_raced(queries: list[DnsQuery], known: Knowledge) -> bool:
    """Whether a false answer came before the true one: lies once, errors (a resolver may retry) more than once."""
    errors = 0
    for query in queries:
        replies = [r for r in query.replies if not r.malformed]
        if len(replies) < 2 or not any(_is_true(r, known) for r in replies[1:]) or _is_true(replies[0], known):
            continue
        if not replies[0].addresses:
            errors += 1
        elif known.outcome(replies[0].addresses) in LIES:
            return True
    return errors >= MIN_RACED_ERRORS


def _is_true(reply: DnsReply, known: Knowledge) -> bool:
    return bool(reply.addresses) and known.outcome(reply.addresses) is Outcome.GENUINE
