"""Which resolver, if any, can be accused on this evidence, and of what?

Every finder asks for the control of its own comparison: control's addresses, and a neutral name that the same server
resolves. The rules and their order are `probe.verdict.dns`'s; what each resolver did is `probe.verdict.resolutions`'s.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from probe.checks.addresses import dialable, distinct, given, verifies
from probe.checks.dns import Evidence, is_invented
from probe.failure import Failure
from probe.model.observations import DnsQuery
from probe.model.results import Mechanism
from probe.verdict.filtering_resolvers import FILTERING_RESOLVERS
from probe.verdict.notices import is_notice
from probe.verdict.resolutions import LIES, NULL_ADDRESSES, Outcome, Resolution, knowledge, resolutions
from probe.wire.bogon import is_private

MIN_ATTEMPTS = 2  # a refusal or silence must repeat: one lost or unlucky answer is common (design §3, 6)
MIN_GIVING_CONTROLS = 2  # of different operators, where no handshake proves an address: one may be wrong itself
MIN_NEUTRAL_SILENCES = 2  # before and after: a slow or lossy proxy may miss one question, not both beside an answer
LOOPBACK = frozenset({"127.0.0.1", "::1"})  # with 0.0.0.0 and ::, what hosts files give to names they filter
DEAD = frozenset({Failure.DNS_NXDOMAIN, Failure.DNS_NO_ANSWER})  # a control's word that there is no address
FAILURES = (
    Outcome.NXDOMAIN,
    Outcome.REFUSED,
    Outcome.SERVFAIL,
    Outcome.NO_ANSWER,
    Outcome.TIMEOUT,
)
MECHANISMS = {
    Outcome.RACED: Mechanism.DNS_INJECTION,
    Outcome.BOGON: Mechanism.DNS_BOGON,
    Outcome.INTERNAL: Mechanism.DNS_BOGON,
    Outcome.NULL: Mechanism.DNS_BOGON,
    Outcome.FOREIGN_CERTIFICATE: Mechanism.DNS_INJECTION,
    Outcome.UNUSABLE: Mechanism.DNS_INJECTION,
    Outcome.NXDOMAIN: Mechanism.DNS_NXDOMAIN,
    Outcome.REFUSED: Mechanism.DNS_REFUSED,
    Outcome.SERVFAIL: Mechanism.DNS_SERVFAIL,
    Outcome.NO_ANSWER: Mechanism.DNS_NO_ANSWER,
    Outcome.TIMEOUT: Mechanism.DNS_TIMEOUT,
}
UNLIKE_OWN = (Outcome.INTERNAL, Outcome.FOREIGN_CERTIFICATE, Outcome.UNUSABLE)  # an old address looks like it, too
WORDS = {
    Outcome.NXDOMAIN: "says that it does not exist",
    Outcome.REFUSED: "refuses to answer",
    Outcome.SERVFAIL: "says that it failed",
    Outcome.NO_ANSWER: "answers without an address",
    Outcome.TIMEOUT: "does not answer",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsFacts:
    """What the rules read.

    `answered_controls`: control resolvers that said anything, be it that there is no address; `giving_controls`: those
    that gave one. `control_proved`: at an address that control gave, a handshake for the name verified. `invented`:
    what the system's resolvers answer for a name that cannot exist. `nowhere`: untrue addresses that came for the
    target, and nothing for a neutral name, from where no resolver lives; `proxied`: there the neutral name was answered
    too, so somebody answers every question in the resolvers' place. `notices`: addresses whose page is a censor's.
    """

    hostname: str
    answered_controls: int
    control: tuple[str, ...]
    giving_controls: int
    control_proved: bool
    system: tuple[str, ...]
    invented: tuple[str, ...]
    servers: tuple[Resolution, ...]
    nowhere: tuple[str, ...]
    proxied: bool
    notices: tuple[str, ...]


def derive(evidence: Evidence) -> DnsFacts:
    control = dialable(evidence.control)
    proved = {h.endpoint.address for h in evidence.control_handshakes if verifies(h, evidence.hostname)}
    denying = _denying(evidence.control)
    return DnsFacts(
        hostname=evidence.hostname,
        answered_controls=len({q.resolver for q in evidence.control if q.addresses} | denying),
        control=control,
        giving_controls=len({q.resolver for q in evidence.control if q.addresses}),
        control_proved=bool(proved & set(control)),
        system=given(evidence.system),
        invented=given(q for q in evidence.decoy if is_invented(q.hostname)),
        servers=resolutions(evidence),
        nowhere=_answered_nowhere(evidence),
        proxied=any(q.addresses for q in evidence.nowhere_neutral) and any(q.addresses for q in evidence.nowhere),
        notices=tuple(
            page.exchange.endpoint.address
            for page in evidence.pages
            if page.known_blockpages or is_notice(page.exchange)
        ),
    )


def _answered_nowhere(evidence: Evidence) -> tuple[str, ...]:
    """The untrue addresses given for the target, and for it alone, by a control site that is no resolver."""
    neutral = evidence.nowhere_neutral
    if len(neutral) < MIN_NEUTRAL_SILENCES or any(q.replies for q in neutral):
        return ()
    known = knowledge(evidence)
    replies = [r for q in evidence.nowhere for r in q.replies if r.addresses and not r.malformed]
    if any(known.outcome(r.addresses) in (Outcome.GENUINE, Outcome.OTHER) for r in replies):
        return ()
    return distinct(a for r in replies for a in r.addresses)


def _denying(control: Sequence[DnsQuery]) -> set[str]:
    """The control resolvers that say, of both families, that there is no address."""
    none = {q.resolver for q in control if q.query_type == "A" and q.failure in DEAD}
    none &= {q.resolver for q in control if q.query_type == "AAAA" and q.failure in DEAD}
    return none | {q.resolver for q in control if q.failure is Failure.DNS_NXDOMAIN and q.query_type == "A"}


def first_failure(facts: DnsFacts) -> Failure | None:
    return next((s.failure for s in facts.servers if s.outcome in FAILURES), None)


def exists(facts: DnsFacts) -> bool:
    """Whether control is sure that the name has addresses: a handshake proved one, or two resolvers give some.

    Routers strip private addresses from public answers (protection against DNS rebinding), so those do not count.
    Only what speaks for it counts: a resolver that denies the name takes nothing away, so leaving it out adds nothing.
    """
    public = not all(is_private(a) for a in facts.control)
    return public and (facts.control_proved or facts.giving_controls >= MIN_GIVING_CONTROLS)


def lies(facts: DnsFacts, *outcomes: Outcome) -> Resolution | None:
    """The first server on the network, alive for a neutral name, that lied in one of these ways."""
    if not exists(facts):
        return None
    return next((s for s in facts.servers if s.outcome in outcomes and may_be_accused(s)), None)


def fails(facts: DnsFacts, *outcomes: Outcome) -> Resolution | None:
    """The first server, alive for a neutral name, that failed for this one every time it was asked."""
    if not exists(facts):
        return None
    return next(
        (s for s in facts.servers if s.outcome in outcomes and s.attempts >= MIN_ATTEMPTS and may_be_accused(s)),
        None,
    )


def may_be_accused(server: Resolution) -> bool:
    """Alive for a neutral name, and not one that filters for those who chose it, unless somebody forges its answers."""
    by_choice = server.server in FILTERING_RESOLVERS and server.outcome is not Outcome.RACED
    return server.neutral_resolves and not server.is_local and not by_choice


def chosen_filter(facts: DnsFacts) -> Resolution | None:
    """The first resolver, known to filter for those who choose it, that lies about the name or fails for it.

    What clears needs no control: with one, taking it away would accuse.
    """
    odd = (s for s in facts.servers if s.outcome in (*LIES, *FAILURES) and s.outcome is not Outcome.TIMEOUT)
    return next((s for s in odd if s.server in FILTERING_RESOLVERS), None)


def null(facts: DnsFacts) -> Resolution | None:
    """Who answers 0.0.0.0 or ::, as filters do that a household sets up or chooses."""
    return lies(facts, Outcome.NULL)


def system_lies(facts: DnsFacts) -> Resolution | None:
    """Getaddrinfo's misdoing, where no server could be asked over UDP, or none of them gives a true address."""
    found = next((s for s in facts.servers if s.is_local), None)
    if found is None or not found.neutral_resolves or not exists(facts) or may_be_genuine(facts):
        return None
    if chosen_filter(facts) is not None:
        return None
    failed = found.outcome in FAILURES and found.attempts >= MIN_ATTEMPTS
    filtered = any(a in NULL_ADDRESSES or a in LOOPBACK for a in found.addresses)
    beside = (
        not set(facts.nowhere) <= NULL_ADDRESSES
        or found.forges_below
        or bool(set(found.addresses) & set(facts.notices))
    )
    lied = found.outcome in LIES and not filtered and (beside or found.outcome not in UNLIKE_OWN)
    return found if failed or lied else None


def any_genuine(facts: DnsFacts) -> bool:
    return any(s.outcome is Outcome.GENUINE for s in facts.servers)


def may_be_genuine(facts: DnsFacts) -> bool:
    """Whether some resolver's answer may hold: one that a missing control leaves untested counts as well."""
    return any(s.outcome in (Outcome.GENUINE, Outcome.UNTESTED) for s in facts.servers)


def silent(facts: DnsFacts) -> Resolution | None:
    """Silence, a server's own failure or an empty answer, where no other resolver of the system does better."""
    if may_be_genuine(facts):
        return None
    return fails(facts, Outcome.SERVFAIL, Outcome.NO_ANSWER, Outcome.TIMEOUT)


def accused(facts: DnsFacts) -> Resolution | None:
    return lies(facts, *LIES) or fails(facts, Outcome.NXDOMAIN, Outcome.REFUSED) or silent(facts) or system_lies(facts)


def mechanisms(find: Callable[[DnsFacts], Resolution | None]) -> Callable[[DnsFacts], tuple[Mechanism, ...]]:
    def named(facts: DnsFacts) -> tuple[Mechanism, ...]:
        found = find(facts)
        if found is None:
            return ()
        extra = (Mechanism.DNS_INTERCEPTION,) if found.other_source or facts.proxied else ()
        return (MECHANISMS[found.outcome], *extra)

    return named


def about(facts: DnsFacts, find: Callable[[DnsFacts], Resolution | None], words: str) -> str:
    """One sentence about the resolver found: `words` follow "The resolver … for <name>"."""
    found = find(facts)
    if found is None:
        return words
    family = f" (over {found.family} only)" if found.family else ""
    others = [s.name for s in facts.servers if s.outcome is Outcome.GENUINE]
    beside = f"; {others[0]} gives true addresses" if others else ""
    source = "; its answer came from an address that was not asked" if found.other_source else ""
    listed = ", ".join(found.addresses[:4])
    return f"for {facts.hostname} {found.name} " + words.format(addresses=listed) + family + source + beside


def failure_words(find: Callable[[DnsFacts], Resolution | None]) -> Callable[[DnsFacts], str]:
    def words(facts: DnsFacts) -> str:
        found = find(facts)
        what = WORDS.get(found.outcome, "answers {addresses}, which is not the target's") if found else ""
        times = f", {found.attempts} times of {found.attempts}" if found and found.outcome in FAILURES else ""
        return about(facts, find, f"{what}{times}, while control resolvers give addresses and a neutral name resolves")

    return words


def beside(facts: DnsFacts) -> str:
    """What is odd although a true address was given, as a clause."""
    odd = [
        f"{s.name} {WORDS.get(s.outcome, 'gives others')}" for s in facts.servers if s.outcome is not Outcome.GENUINE
    ]
    return "; but " + ", ".join(odd) if odd else ""


def raced(f: DnsFacts) -> Resolution | None:
    return lies(f, Outcome.RACED)


def bogon(f: DnsFacts) -> Resolution | None:
    return lies(f, Outcome.BOGON)


def nxdomain(f: DnsFacts) -> Resolution | None:
    return fails(f, Outcome.NXDOMAIN)


def refused(f: DnsFacts) -> Resolution | None:
    return fails(f, Outcome.REFUSED)
