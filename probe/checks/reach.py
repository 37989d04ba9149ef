"""Does every address of this host accept a TCP connection on the ports that it is used with?

Evidence only: `probe.verdict.reach` decides what it means. Handshakes above TCP are for `tls` and `http`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from probe.checks import dns
from probe.checks.addresses import dialable, distinct, given, host_of, is_literal, may_dial_unvouched, verified
from probe.checks.context import Context
from probe.checks.pacing import CONNECT_SECONDS, deadline, pause, side_by_side
from probe.model.observations import TcpConnect
from probe.model.results import CannotRun, ProblemReason
from probe.model.targets import Endpoint

MAX_ADDRESSES = 8  # dialled of one host, control's first: enough for every family and operator, polite to the rest
MAX_NEUTRAL_SITES = 3
SCHEME_PORTS = {"http": 80, "https": 443}
HTTPS_PORT = 443
HTTP_PORT = 80


class Source(StrEnum):
    """Who gave an address."""

    SYSTEM = "system"
    CONTROL = "control"
    FILE = "file"
    HANDSHAKE = "handshake"  # not who gave it, but what proved it: a TLS handshake for the name verified there


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An address of the host, who gave it, and whether it was dialled (reserved ones that only the system gave are
    not)."""

    address: str
    sources: tuple[Source, ...]
    dialled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`connects` in the order made, failed ones repeated once; `neutral`: the same port at control addresses, same
    run."""

    host: str
    ports: tuple[int, ...]
    candidates: tuple[Candidate, ...]
    connects: tuple[TcpConnect, ...]
    neutral: tuple[TcpConnect, ...]


async def gather(ctx: Context[Evidence]) -> Evidence:
    """Connect everywhere; where that fails, to control's addresses on the same port, then once more."""
    host = host_of(ctx.input)
    ports = _ports(ctx, host)
    candidates = _candidates(ctx, host)
    endpoints = tuple(
        Endpoint(address=candidate.address, port=port)
        for candidate in candidates
        if candidate.dialled
        for port in ports
    )
    if not endpoints:
        raise CannotRun(ProblemReason.NO_ADDRESS, stage="reach", detail=f"no address of {host} that may be dialled")
    connects = await _connect_all(ctx, endpoints)
    failed = tuple(c.endpoint for c in connects if c.failure is not None)
    neutral: tuple[TcpConnect, ...] = ()
    if failed:
        neutral, again = await side_by_side([_connect_all(ctx, _neutral(ctx, failed)), _connect_again(ctx, failed)])
        connects += again
    return Evidence(host=host, ports=ports, candidates=candidates, connects=connects, neutral=neutral)


def _ports(ctx: Context[Evidence], host: str) -> tuple[int, ...]:
    """The ports of the target's sites on this host, or of the endpoint itself; HTTPS where nothing says otherwise."""
    texts = [ctx.input] if "://" in ctx.input else [f"//{ctx.input}"] if not is_literal(ctx.input) else []
    if ctx.target is not None:
        texts += [site for site in ctx.target.sites if host_of(site) == host]
    split = [urlsplit(text) for text in texts]
    ports = [part.port or SCHEME_PORTS.get(part.scheme) for part in split]
    return tuple(dict.fromkeys(port for port in ports if port is not None)) or (HTTPS_PORT,)


def _candidates(ctx: Context[Evidence], host: str) -> tuple[Candidate, ...]:
    if is_literal(host):
        return (Candidate(address=host, sources=(Source.FILE,), dialled=True),)
    known = ctx.prior.get("dns")
    if not isinstance(known, dns.Evidence):
        raise CannotRun(ProblemReason.NO_ADDRESS, stage="reach", detail=f"{host} was not resolved")
    by = {
        Source.CONTROL: set(dialable(known.control)),
        Source.HANDSHAKE: set(verified((*known.handshakes, *known.control_handshakes), known.hostname)),
        Source.SYSTEM: set(given(known.system)),
    }
    found = []
    for address in distinct([*dialable(known.control), *given(known.system)]):
        sources = tuple(source for source, addresses in by.items() if address in addresses)
        may = sources != (Source.SYSTEM,) or may_dial_unvouched(address)
        found.append(Candidate(address=address, sources=sources, dialled=may))
    vouched = sorted(found, key=lambda candidate: candidate.sources == (Source.SYSTEM,))
    chosen = {candidate.address for candidate in _balanced([c for c in vouched if c.dialled])}
    return tuple(Candidate(address=c.address, sources=c.sources, dialled=c.address in chosen) for c in vouched)


def _balanced(candidates: Sequence[Candidate]) -> list[Candidate]:
    """At most `MAX_ADDRESSES`, in order, but not all of one family where there are two."""
    six = [c for c in candidates if ":" in c.address]
    four = [c for c in candidates if ":" not in c.address]
    room_for_six = max(MAX_ADDRESSES - len(four), MAX_ADDRESSES // 2)
    six = six[:room_for_six]
    return four[: MAX_ADDRESSES - len(six)] + six


async def _connect_all(ctx: Context[Evidence], endpoints: Sequence[Endpoint]) -> tuple[TcpConnect, ...]:
    until = deadline(ctx, CONNECT_SECONDS)
    return await side_by_side(ctx.net.connect(endpoint, deadline=until) for endpoint in endpoints)


async def _connect_again(ctx: Context[Evidence], endpoints: Sequence[Endpoint]) -> tuple[TcpConnect, ...]:
    if not await pause(ctx, CONNECT_SECONDS):
        return ()
    return await _connect_all(ctx, endpoints)


def _neutral(ctx: Context[Evidence], failed: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """Control sites' addresses, on the kind of port that failed: plain HTTP's own, HTTPS for every other."""
    kinds = dict.fromkeys(HTTP_PORT if endpoint.port == HTTP_PORT else HTTPS_PORT for endpoint in failed)
    sites = ctx.control_sites[:MAX_NEUTRAL_SITES]
    return tuple(
        Endpoint(address=site.endpoint.address, port=port)
        for port in kinds
        for site in sites
        if port != HTTP_PORT or site.answers_plain_http
    )
