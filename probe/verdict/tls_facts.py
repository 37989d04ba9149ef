"""What became of the target's name at each address, and of its controls beside it?

Turns TLS evidence into counts that can only speak for an accusation by being there: a neutral name that completed, a
name at a control's address that failed. Which counts accuse is `probe.verdict.tls`'s business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from probe.checks.tls import Evidence, answers, is_good
from probe.failure import Failure
from probe.model.observations import Certificate, TlsHandshake, TlsStage
from probe.model.targets import Endpoint


class Kind(StrEnum):
    """In which way a handshake failed."""

    RESET = "reset"
    CLOSED = "closed"
    TIMEOUT = "timeout"  # after the ClientHello, before any answer
    LATE_TIMEOUT = "late_timeout"  # after the server's first bytes: large packets may be lost as well
    ALERT = "alert"
    CERTIFICATE = "certificate"
    CONNECT = "connect"
    OTHER = "other"


MIN_VOUCHED = 2  # neutral names shown one certificate: one alone may have met another of many servers
NETWORK_KINDS = frozenset({Kind.RESET, Kind.CLOSED, Kind.TIMEOUT, Kind.LATE_TIMEOUT})
SHUT_OUT_KINDS = NETWORK_KINDS | {Kind.CONNECT}  # what is seen once a pair of addresses is punished
_KINDS = {
    Failure.CONNECTION_RESET: Kind.RESET,
    Failure.CONNECTION_ABORTED: Kind.RESET,
    Failure.EOF: Kind.CLOSED,
}


def kind(handshake: TlsHandshake) -> Kind | None:
    """How it failed; None if it did not."""
    if is_good(handshake):
        return None
    if handshake.stage is TlsStage.CONNECT:
        return Kind.CONNECT
    if handshake.alert is not None:
        return Kind.ALERT
    if handshake.verify_failure is not None or handshake.stage is TlsStage.CERTIFICATE:
        return Kind.CERTIFICATE
    if handshake.failure is Failure.GENERIC_TIMEOUT:
        return Kind.TIMEOUT if handshake.stage is TlsStage.CLIENT_HELLO else Kind.LATE_TIMEOUT
    return _KINDS.get(handshake.failure, Kind.OTHER) if handshake.failure else Kind.OTHER


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """The target's name at one address: how it failed each time (empty: it completed in the end), and what neutral
    names did there: `completed` handshakes, `alerted` ones (refused by a server, so heard), `failed` ones.

    `untrusted`: how often the target's name was shown a chain that ends at no trusted authority; `vouched`: every
    neutral name there was shown one certificate of another issuer, and it is valid for the target's name.
    """

    endpoint: Endpoint
    kinds: tuple[Kind, ...]
    last: TlsHandshake
    completed: int
    alerted: int
    failed: int
    untrusted: int = 0
    vouched: bool = False

    @property
    def is_good(self) -> bool:
        return not self.kinds

    @property
    def attempts(self) -> int:
        return len(self.kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFacts:
    """What the rules read. `foreign`: how the target's name failed at a control's address, () if a server answered;
    `foreign_cut`: it was cut there at least once, whoever did it; `foreign_first`: how it failed at the first of
    `foreign_tries`, None if it did not or where a later try was answered. `unserved_heard`: names that the control does
    not serve either and that a server answered there. `own_valid`, `own_invalid`: the control's own name there, with a
    valid or invalid chain. `impostor`: the certificate of an interceptor, shown for the target's name at its own
    address and at a control's, and to no other name there.
    """

    hostname: str
    addresses: tuple[Address, ...]
    foreign: tuple[Kind, ...]
    foreign_cut: bool
    foreign_first: Kind | None
    foreign_tries: int
    unserved_heard: int
    own_valid: int
    own_invalid: int
    impostor: Certificate | None

    @property
    def bad(self) -> tuple[Address, ...]:
        return tuple(a for a in self.addresses if not a.is_good)

    @property
    def good(self) -> tuple[Address, ...]:
        return tuple(a for a in self.addresses if a.is_good)


def derive(evidence: Evidence) -> TlsFacts:
    """Count what each arm showed."""
    endpoints = dict.fromkeys(h.endpoint for h in evidence.target)
    unserved = [h for h in evidence.foreign_neutral if h.verified_name is None]
    own = [h for h in evidence.foreign_neutral if h.verified_name is not None]
    foreign_kinds = [kind(h) for h in evidence.foreign]
    return TlsFacts(
        hostname=evidence.hostname,
        addresses=tuple(_address(evidence, endpoint) for endpoint in endpoints),
        foreign=tuple(k for k in foreign_kinds if k is not None)
        if all(k in NETWORK_KINDS for k in foreign_kinds)
        else (),
        foreign_cut=any(k in NETWORK_KINDS for k in foreign_kinds),
        foreign_first=foreign_kinds[0] if foreign_kinds and set(foreign_kinds) <= SHUT_OUT_KINDS else None,
        foreign_tries=len(foreign_kinds),
        unserved_heard=sum(answers(h) for h in unserved),
        own_valid=sum(is_good(h) for h in own),
        own_invalid=sum(h.verify_failure is not None for h in own),
        impostor=_impostor(evidence, unserved),
    )


def _address(evidence: Evidence, endpoint: Endpoint) -> Address:
    tried = [h for h in evidence.target if h.endpoint == endpoint]
    kinds = [kind(h) for h in tried]
    neutral = [h for h in evidence.neutral if h.endpoint == endpoint]
    return Address(
        endpoint=endpoint,
        kinds=() if None in kinds else tuple(k for k in kinds if k is not None),
        last=tried[-1],
        completed=sum(h.failure is None for h in neutral),
        alerted=sum(h.alert is not None for h in neutral),
        failed=sum(not answers(h) for h in neutral),
        untrusted=sum(h.verify_failure is Failure.SSL_UNKNOWN_AUTHORITY for h in tried),
        vouched=_is_vouched(tried, neutral, [h for h in evidence.vouching if h.endpoint == endpoint]),
    )


def _is_vouched(
    tried: Sequence[TlsHandshake], neutral: Sequence[TlsHandshake], vouching: Sequence[TlsHandshake]
) -> bool:
    """Whether neutral names, two at least, are all shown the certificate that is valid for the target, and the target
    never one of that issuer.

    Behind a balancer of which one server is badly kept names meet now this certificate, now that, and a server that
    forgets the authority's intermediate certificate for one name forgets it beside a good chain of the same issuer.
    """
    good = {h.certificate.sha256: h.certificate.issuer for h in vouching if is_good(h) and h.certificate is not None}
    shown = [h.certificate.sha256 for h in neutral if h.failure is None and h.certificate is not None]
    issuers = {h.certificate.issuer for h in tried if h.certificate is not None}
    alike = len(shown) >= MIN_VOUCHED and good.keys() >= set(shown)
    return alike and issuers.isdisjoint(good.values())


def _impostor(evidence: Evidence, unserved: Sequence[TlsHandshake]) -> Certificate | None:
    """The certificate that follows the target's name to a control's address.

    Servers of one operator may show one default certificate, and one authority signs for many: so the chain must end
    at no trusted authority, and another unserved name at the control must be refused, or shown another authority's.
    """
    for here in evidence.target:
        for there in evidence.foreign:
            shown, met = here.certificate, there.certificate
            if shown is None or met is None:
                continue
            unknown = here.verify_failure is there.verify_failure is Failure.SSL_UNKNOWN_AUTHORITY
            same = shown.sha256 == met.sha256 or shown.issuer == met.issuer
            if unknown and same and any(_is_shown_another(h, met) for h in unserved):
                return shown
    return None


def _is_shown_another(handshake: TlsHandshake, met: Certificate) -> bool:
    if handshake.alert is not None:
        return True
    certificate = handshake.certificate
    return certificate is not None and certificate.sha256 != met.sha256 and certificate.issuer != met.issuer
