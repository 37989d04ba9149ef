"""Whom did the probe contact for a target, and what for?

Read from the evidence of every check: endpoints that were dialled, resolvers that were asked. Addresses that were only
seen in answers are not contacts.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from probe.checks import dns, goodput, hops, http, reach, tls
from probe.model.observations import DnsQuery, Engine, HttpExchange, TlsHandshake
from probe.model.results import Measurement

SYSTEM_RESOLVER = "the system's resolver"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One contact with a place (address and port); `names` are the SNI, Host or question sent, or a resolver's own."""

    names: tuple[str, ...]
    place: str
    purpose: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contacted:
    """One place and everything it was contacted for."""

    place: str
    names: tuple[str, ...]
    purposes: tuple[str, ...]
    times: int


def contacted(measurements: Iterable[Measurement]) -> tuple[Contacted, ...]:
    """Every place once, in the order first contacted."""
    found: dict[str, list[Contact]] = {}
    for measurement in measurements:
        for contact in _contacts(measurement.attempt.evidence):
            found.setdefault(contact.place, []).append(contact)
    return tuple(
        Contacted(
            place=place,
            names=tuple(dict.fromkeys(name for c in contacts for name in c.names)),
            purposes=tuple(dict.fromkeys(c.purpose for c in contacts)),
            times=len(contacts),
        )
        for place, contacts in found.items()
    )


def _contacts(evidence: object) -> Iterator[Contact]:
    match evidence:
        case dns.Evidence():
            yield from map(_query, (*evidence.system, *evidence.control, *evidence.decoy))
            yield from map(_handshake, (*evidence.handshakes, *evidence.control_handshakes))
        case reach.Evidence():
            for connect in (*evidence.connects, *evidence.neutral):
                yield Contact(names=(), place=str(connect.endpoint), purpose="TCP")
        case tls.Evidence():
            own, foreign = (*evidence.target, *evidence.neutral), (*evidence.nameless, *evidence.foreign_neutral)
            yield from map(_handshake, (*own, *foreign, *evidence.foreign))
        case hops.Evidence():
            for attempt in (*evidence.connects, *evidence.neutral_connects):
                yield Contact(names=(), place=str(attempt.endpoint), purpose="TCP with few hops")
            for hello in (*evidence.hellos, *evidence.neutral_hellos):
                yield Contact(names=(hello.server_name,), place=str(hello.endpoint), purpose="TLS with few hops")
        case http.Evidence():
            yield from _pages(evidence)
        case goodput.Evidence():
            for series in (evidence.download, evidence.upload):
                for trial in series.trials if series else ():
                    moved = trial.transfer
                    names = (moved.server_name,) if moved.server_name else ()
                    yield Contact(names=names, place=str(moved.endpoint), purpose=str(moved.direction))
        case _:
            return


def _pages(evidence: http.Evidence) -> Iterator[Contact]:
    for hop in (*evidence.plain, *evidence.secure):
        yield from map(_query, hop.lookups)
        yield from map(_exchange, hop.exchanges)
    yield from map(_exchange, (*evidence.neutral, *evidence.foreign_neutral, *evidence.foreign))


def _query(query: DnsQuery) -> Contact:
    if query.engine is Engine.GETADDRINFO or not query.resolver_address:
        return Contact(names=(query.hostname,), place=SYSTEM_RESOLVER, purpose="DNS")
    if query.engine is Engine.DOH:
        return Contact(names=(query.resolver,), place=f"{query.resolver_address} port 443", purpose="encrypted DNS")
    return Contact(names=(query.hostname,), place=f"{query.resolver_address} port 53", purpose="DNS")


def _handshake(handshake: TlsHandshake) -> Contact:
    names = (handshake.server_name,) if handshake.server_name else ()
    return Contact(names=names, place=str(handshake.endpoint), purpose="TLS")


def _exchange(exchange: HttpExchange) -> Contact:
    if exchange.server_name is not None:
        return Contact(names=(exchange.server_name,), place=str(exchange.endpoint), purpose="HTTPS")
    return Contact(names=(exchange.host,), place=str(exchange.endpoint), purpose="HTTP")
