"""What did the site answer over both schemes, and what did other Host lines and another address change?

Turns HTTP evidence into counts and last answers; which of them accuse is `probe.verdict.http`'s business.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from probe.checks.addresses import host_of
from probe.checks.http import INSIDE, Evidence, Hop
from probe.checks.redirects import Unfollowed, is_failed
from probe.failure import Failure
from probe.model.observations import HttpExchange, HttpStage
from probe.verdict.answers import TINY_BODY_BYTES, Unusual, is_different, is_same, unusual

HTTP_PORT = 80
MIN_ATTEMPTS = 2  # exchanges of the target that failed alike: one may be chance (design §3, 6)
# What a proxy on the line says of a Host that it cannot find. One that goes by the Host alone fetches the target's own
# answer, or meets its hanging program, at whatever address it is asked (Weaver et al., PAM 2014).
GATEWAY_ERRORS = frozenset({502, 503, 504})
AFTER_REQUEST = frozenset({HttpStage.REQUEST, HttpStage.HEADERS})


class Cut(StrEnum):
    """In which way an exchange ended after the request, before an answer."""

    RESET = "reset"
    CLOSED = "closed"
    TIMEOUT = "timeout"


_CUTS = {
    Failure.CONNECTION_RESET: Cut.RESET,
    Failure.CONNECTION_ABORTED: Cut.RESET,
    Failure.EOF: Cut.CLOSED,
    Failure.GENERIC_TIMEOUT: Cut.TIMEOUT,
}


def cut(exchange: HttpExchange) -> Cut | None:
    """How the exchange was cut after the Host line was sent; None where it was not."""
    if exchange.stage not in AFTER_REQUEST or exchange.failure is None:
        return None
    return _CUTS.get(exchange.failure)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFacts:
    """What the rules read.

    `secure`, `plain`: the last hop of each chain, None without one; `first`: the plain chain's first answer or failure.
    `cuts`: how every plain exchange of the first hop was cut, () if one was not. `heard`: neutral Hosts answered at the
    same address. `unlike_neutral`: those whose answer differs. `foreign_cuts`, `foreign_same`: the target's Host at a
    control's address; `foreign_cut`: it was cut there at least once; `unserved_heard`, `unserved_differ`: Hosts that do
    not exist there, answered other than by a gateway's error, and answered differently from it. `not_hosted`: TLS
    showed that this control does not serve the target. `known`: supplied texts found over plain HTTP; `known_secure`:
    over verified TLS.

    `secure_cuts`: how every https exchange of the first hop was cut inside TLS, () if one was not; `inside_cuts`: the
    same for a control's page under the target's server name; `inside_heard`: names that the control does not serve,
    under which its page came.
    """

    host: str
    secure: Hop | None
    plain: Hop | None
    first: HttpExchange | None
    unusual: Unusual
    is_small: bool
    cuts: tuple[Cut, ...]
    heard: int
    neutral_cut: int
    unlike_neutral: int
    like_neutral: int
    foreign_cuts: tuple[Cut, ...]
    foreign_cut: bool
    foreign_same: int
    unserved_heard: int
    unserved_differ: int
    not_hosted: bool
    secure_cuts: tuple[Cut, ...]
    inside_cuts: tuple[Cut, ...]
    inside_heard: int
    known: tuple[str, ...]
    known_secure: tuple[str, ...]
    secure_answers: tuple[HttpExchange, ...]


def last(hop: Hop | None) -> HttpExchange | None:
    """The last exchange of a hop."""
    return hop.exchanges[-1] if hop is not None and hop.exchanges else None


def derive(evidence: Evidence) -> HttpFacts:
    """Count what each arm showed."""
    host = host_of(evidence.url)
    first_hop = evidence.plain[0] if evidence.plain else None
    first = last(first_hop)
    secure = tuple(
        e
        for hop in evidence.secure
        for e in hop.exchanges
        if hop.url.startswith("https:") and not is_failed(e) and e.status is not None
    )
    cuts = [cut(e) for e in first_hop.exchanges] if first_hop else []
    over_plain = [e for e in evidence.foreign if e.endpoint.port == HTTP_PORT]
    foreign_cuts = [cut(e) for e in over_plain]
    answered = [e for e in over_plain if e.status is not None]
    unserved = [e for e in evidence.foreign_neutral if e.status is not None and e.status not in GATEWAY_ERRORS]
    return HttpFacts(
        host=host,
        secure=evidence.secure[-1] if evidence.secure else None,
        plain=evidence.plain[-1] if evidence.plain else None,
        first=first,
        unusual=unusual(first, host, secure) if first is not None else Unusual.NO,
        is_small=first is not None and first.status is not None and first.body_bytes < TINY_BODY_BYTES,
        cuts=tuple(c for c in cuts if c is not None) if None not in cuts else (),
        heard=sum(e.status is not None for e in evidence.neutral),
        neutral_cut=sum(cut(e) is not None for e in evidence.neutral),
        unlike_neutral=sum(first is not None and is_different(first, e) for e in evidence.neutral),
        like_neutral=sum(first is not None and is_same(first, e) for e in evidence.neutral),
        foreign_cuts=tuple(c for c in foreign_cuts if c is not None) if None not in foreign_cuts else (),
        foreign_cut=any(c is not None for c in foreign_cuts),
        foreign_same=sum(first is not None and is_same(first, e) for e in answered),
        unserved_heard=len(unserved),
        unserved_differ=sum(all(is_different(f, e) for f in answered) for e in unserved) if answered else 0,
        not_hosted=any(_refutes(e) for e in evidence.foreign if e.endpoint.port != HTTP_PORT),
        secure_cuts=_cuts_inside(evidence.secure[0].exchanges if evidence.secure else ()),
        inside_cuts=_cuts_inside(evidence.inside),
        inside_heard=sum(not is_failed(e) and e.status is not None for e in evidence.inside_neutral),
        known=_known(h for h in evidence.plain if not h.url.startswith("https:")),
        known_secure=_known(evidence.secure),
        secure_answers=secure,
    )


def _cuts_inside(exchanges: Sequence[HttpExchange]) -> tuple[Cut, ...]:
    """How each was cut after its TLS handshake; () where one was not."""
    cuts = [_CUTS.get(e.failure) if e.failure and e.stage in INSIDE else None for e in exchanges]
    return tuple(c for c in cuts if c is not None) if None not in cuts else ()


def _refutes(exchange: HttpExchange) -> bool:
    """Whether a TLS exchange for the target's name at a control showed that the control is not the target's server."""
    refused = exchange.stage is HttpStage.TLS and exchange.failure is Failure.SSL_FAILED_HANDSHAKE
    return exchange.verify_failure is not None or refused


def _known(hops: Iterable[Hop]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for hop in hops for name in hop.known_blockpages))


def cut_words(facts: HttpFacts) -> str:
    words = {Cut.RESET: "reset", Cut.CLOSED: "closed", Cut.TIMEOUT: "left without answer"}
    how = " or ".join(dict.fromkeys(words[c] for c in facts.cuts)) or "cut"
    return f"a request for {facts.host} over plain HTTP is {how} after the Host line, {len(facts.cuts)} times"


def answer_words(facts: HttpFacts) -> str:
    first = facts.first
    if first is None:
        return f"no answer for {facts.host}"
    if first.location is not None:
        return f"http://{facts.host} is redirected to {host_of(first.location) or 'an address'}"
    beside = "is not its own over https" if facts.secure_answers else "does not name it"
    return f"http://{facts.host} answers {first.status} with a page that {beside}"


def final(facts: HttpFacts) -> HttpExchange | None:
    """The secure chain's last answer, where it came through."""
    found = last(facts.secure)
    return found if found is not None and not is_failed(found) else None


def status(facts: HttpFacts) -> int:
    found = final(facts)
    return (found.status or 0) if found else 0


def elsewhere(facts: HttpFacts, hop: Hop | None) -> bool:
    return hop is not None and host_of(hop.url) != facts.host


def is_left_to_others(hop: Hop | None) -> bool:
    """Whether the hop failed below HTTP: by its name, its address or its handshake."""
    if hop is None:
        return False
    if hop.problem in (Unfollowed.NO_ADDRESS, Unfollowed.UNREACHABLE, Unfollowed.NO_HANDSHAKE):
        return True
    found = last(hop)
    return found is not None and is_failed(found) and found.stage in (HttpStage.CONNECT, HttpStage.TLS)


def fails(hop: Hop | None) -> bool:
    found = last(hop)
    return is_left_to_others(hop) or (found is not None and is_failed(found))


def is_stalled(hop: Hop | None) -> bool:
    exchanges = hop.exchanges if hop is not None else ()
    return len(exchanges) >= MIN_ATTEMPTS and all(
        e.stage is HttpStage.BODY and e.failure is Failure.GENERIC_TIMEOUT for e in exchanges
    )


def why(hop: Hop | None) -> str:
    """The hop's URL host and what went wrong there."""
    found = last(hop)
    what = (found.failure or found.verify_failure) if found else None
    problem = hop.problem if hop else ""
    return f"{host_of(hop.url) if hop else ''} ({what.value if what else problem or 'no answer'})"


def blocked_by(facts: HttpFacts) -> str:
    found = final(facts)
    link = found.header("Link") if found else None
    return f", blocked by {link}" if link and "blocked-by" in link else ""


def plain_status(facts: HttpFacts) -> int:
    found = last(facts.plain)
    return (found.status or 0) if found is not None and not is_failed(found) else 0
