"""What did the site answer over both schemes, and what did other Host lines and another address change?

Turns HTTP evidence into counts and last answers; which of them accuse is `probe.verdict.http`'s business.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from probe.checks.addresses import host_of
from probe.checks.http import Evidence, Hop
from probe.checks.redirects import is_failed
from probe.failure import Failure
from probe.model.observations import HttpExchange, HttpStage
from probe.verdict.answers import TINY_BODY_BYTES, Unusual, is_different, is_same, unusual

HTTP_PORT = 80
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
    control's address; `unserved_heard`, `unserved_differ`: Hosts that do not exist there, answered, and answered
    differently from it. `not_hosted`: TLS showed that this control does not serve the target. `known`: supplied texts
    found over plain HTTP; `known_secure`: over verified TLS.
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
    foreign_same: int
    unserved_heard: int
    unserved_differ: int
    not_hosted: bool
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
        foreign_same=sum(first is not None and is_same(first, e) for e in answered),
        unserved_heard=sum(e.status is not None for e in evidence.foreign_neutral),
        unserved_differ=sum(all(is_different(f, e) for f in answered) for e in evidence.foreign_neutral)
        if answered
        else 0,
        not_hosted=any(_refutes(e) for e in evidence.foreign if e.endpoint.port != HTTP_PORT),
        known=_known(h for h in evidence.plain if not h.url.startswith("https:")),
        known_secure=_known(evidence.secure),
        secure_answers=secure,
    )


def _refutes(exchange: HttpExchange) -> bool:
    """Whether a TLS exchange for the target's name at a control showed that the control is not the target's server."""
    refused = exchange.stage is HttpStage.TLS and exchange.failure is Failure.SSL_FAILED_HANDSHAKE
    return exchange.verify_failure is not None or refused


def _known(hops: Iterable[Hop]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for hop in hops for name in hop.known_blockpages))
