"""Where does a URL lead, hop by hop, fetched only at addresses that control vouches for?

Each hop is resolved through the control resolvers (what the system says is recorded beside it), fetched, repeated
where it failed, and its redirect read. What the answers mean is for `probe.verdict.http`.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Generic, TypeVar
from urllib.parse import urldefrag, urlsplit

from probe.checks import dns, reach, tls
from probe.checks.addresses import dialable, distinct, host_of, is_literal, may_dial_unvouched, verified
from probe.checks.context import Context
from probe.checks.pacing import FETCH_SECONDS, QUERY_SECONDS, deadline, patience, pause, side_by_side, time_for
from probe.model.observations import DnsQuery, Engine, HttpExchange, HttpStage
from probe.model.targets import Endpoint
from probe.net.base import MAX_BODY_BYTES, HttpRequest
from probe.wire.bogon import is_private
from probe.wire.names import to_ascii

E = TypeVar("E")

MAX_REDIRECTS = 10
REDIRECTS = frozenset({301, 302, 303, 307, 308})
SERVER_ERRORS = range(500, 600)
PORTS = {"http": 80, "https": 443}


class Unfollowed(StrEnum):
    """Why a chain ends at a hop that has no final answer."""

    LOOP = "redirect loop"
    TOO_MANY = "too many redirects"
    NOT_A_URL = "redirect to what is no http(s) URL with a host name"
    PRIVATE = "redirect to a private address, not followed"
    NO_ADDRESS = "no address that control gives"
    UNREACHABLE = "no address accepts a connection"
    NO_HANDSHAKE = "no TLS handshake completes"
    DEADLINE = "no time was left"
    BUDGET = "the byte budget was used up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One URL of a redirect chain: how its host was resolved, and the exchange, repeated where it failed.

    `lookups` is empty where the check of DNS resolved the host. `known_blockpages`: names of the supplied texts that
    stand in the answer. `problem` is "" or says why it was not fetched or followed (`Unfollowed`).
    """

    url: str
    lookups: tuple[DnsQuery, ...]
    exchanges: tuple[HttpExchange, ...]
    known_blockpages: tuple[str, ...]
    problem: str = ""


def is_failed(exchange: HttpExchange) -> bool:
    """Whether the network or the server kept an answer from us; our own cap on bodies is no failure."""
    return exchange.failure is not None or exchange.verify_failure is not None


@dataclass(slots=True)
class Follower(Generic[E]):
    """Follows the chains of one site; a URL that both chains reach is fetched once."""

    ctx: Context[E]
    _hops: dict[str, Hop] = field(default_factory=dict)
    _lookups: dict[str, tuple[DnsQuery, ...]] = field(default_factory=dict)
    slowest_success_seconds: float | None = None
    _starts_in_private: bool = False

    async def follow(self, url: str) -> tuple[Hop, ...]:
        """The chain from `url`, its redirects included; the last hop has the final answer or a `problem`."""
        hops: list[Hop] = []
        seen: set[str] = set()
        while url:
            seen.add(url)
            if url not in self._hops:
                self._hops[url] = await self._hop(url, first=not hops)
            hops.append(self._hops[url])
            url, problem = _next(hops[-1])
            if url in seen:
                problem = Unfollowed.LOOP
            elif url and len(hops) > MAX_REDIRECTS:
                problem = Unfollowed.TOO_MANY
            if problem:
                hops[-1] = replace(hops[-1], problem=problem)
                break
        return tuple(hops)

    async def endpoints(self, url: str, *, first: bool) -> tuple[tuple[Endpoint, ...], tuple[DnsQuery, ...], str]:
        """Where `url` may be fetched, the lookups made for it, and "" or why it may not."""
        host, port = host_of(url), _port(url)
        if is_literal(host):
            if not first and not may_dial_unvouched(host):
                return (), (), Unfollowed.PRIVATE
            return (Endpoint(address=host, port=port),), (), ""
        known = self.ctx.prior.get("dns")
        if isinstance(known, dns.Evidence) and known.hostname == host:
            proved = verified((*known.handshakes, *known.control_handshakes), host)
            lookups: tuple[DnsQuery, ...] = ()
            addresses = distinct([*dialable(known.control), *proved])
        else:
            lookups = await self._look_up(host)
            addresses = dialable(query for query in lookups if query.engine is Engine.DOH)
        alive = tuple(address for address in addresses if address not in self._dead(host, port))
        if not alive:
            return (), lookups, Unfollowed.UNREACHABLE if addresses else Unfollowed.NO_ADDRESS
        if not first and not self._starts_in_private:  # a public site must not make us ask the person's own network
            alive = tuple(address for address in alive if not is_private(address))
            if not alive:
                return (), lookups, Unfollowed.PRIVATE
        if url.startswith("https:") and self._has_no_handshake(host):
            return (), lookups, Unfollowed.NO_HANDSHAKE
        return tuple(Endpoint(address=address, port=port) for address in alive), lookups, ""

    async def _hop(self, url: str, *, first: bool) -> Hop:
        if self._hops and not time_for(self.ctx, FETCH_SECONDS):
            return Hop(url=url, lookups=(), exchanges=(), known_blockpages=(), problem=Unfollowed.DEADLINE)
        endpoints, lookups, problem = await self.endpoints(url, first=first)
        if first and endpoints:
            self._starts_in_private = is_private(endpoints[0].address)
        exchanges: tuple[HttpExchange, ...] = ()
        if not problem:
            exchanges = await self._fetch(url, endpoints)
            problem = "" if exchanges else Unfollowed.BUDGET
        known = [
            name
            for name, text in self.ctx.known_blockpages.items()
            if any(text in e.body or text in e.title for e in exchanges)
        ]
        return Hop(url=url, lookups=lookups, exchanges=exchanges, known_blockpages=tuple(known), problem=problem)

    async def _fetch(self, url: str, endpoints: tuple[Endpoint, ...]) -> tuple[HttpExchange, ...]:
        """One exchange, and one more where it failed: at another address if not even TCP connected."""
        host, seconds = host_of(url), FETCH_SECONDS
        exchanges: list[HttpExchange] = []
        for endpoint in (endpoints[0], endpoints[:2][-1]):
            if not self.ctx.budget.allows(MAX_BODY_BYTES):
                break
            heard = bool(exchanges) and exchanges[0].stage is not HttpStage.CONNECT
            request = HttpRequest(
                url=url,
                endpoint=endpoints[0] if heard else endpoint,
                server_name=host if url.startswith("https:") and not is_literal(host) else None,
                host=urlsplit(url).netloc.rpartition("@")[2],
            )
            exchanges.append(await self.ctx.net.fetch(request, deadline=deadline(self.ctx, seconds)))
            last = exchanges[-1]
            if not is_failed(last):
                self.slowest_success_seconds = max(self.slowest_success_seconds or 0.0, last.t - last.t0)
            seconds = patience(self.slowest_success_seconds, FETCH_SECONDS)
            fine = not is_failed(last) and (last.status or 0) not in SERVER_ERRORS
            if fine or not await pause(self.ctx, seconds):
                break
        return tuple(exchanges)

    async def _look_up(self, host: str) -> tuple[DnsQuery, ...]:
        if host not in self._lookups:
            net, until = self.ctx.net, deadline(self.ctx, QUERY_SECONDS)
            self._lookups[host] = await side_by_side(
                [
                    net.resolve(host, deadline=until),
                    *(
                        net.query_encrypted(resolver, host, kind, deadline=until)
                        for resolver in self.ctx.controls.resolvers
                        for kind in dns.QUERY_TYPES
                    ),
                ]
            )
        return self._lookups[host]

    def _dead(self, host: str, port: int) -> set[str]:
        """Addresses whose every connection to this port failed in the check of reachability."""
        known = self.ctx.prior.get("reach")
        if not isinstance(known, reach.Evidence) or known.host != host:
            return set()
        tried = [c for c in known.connects if c.endpoint.port == port]
        return {c.endpoint.address for c in tried} - {c.endpoint.address for c in tried if c.failure is None}

    def _has_no_handshake(self, host: str) -> bool:
        """Whether the check of TLS has already shown that none completes: asking again would cost and teach nothing."""
        known = self.ctx.prior.get("tls")
        if not isinstance(known, tls.Evidence) or known.hostname != host or not known.target:
            return False
        return not any(tls.is_good(handshake) for handshake in known.target)


def _port(url: str) -> int:
    split = urlsplit(url)
    return split.port or PORTS[split.scheme]


def is_fetchable(url: str) -> bool:
    """Whether this is an http(s) URL with a host and, if any, a valid port."""
    try:
        split = urlsplit(url)
        host, port = split.hostname or "", split.port
    except ValueError:
        return False
    named = is_literal(host) or (host.isascii() and to_ascii(host) is not None)
    return split.scheme in PORTS and named and port != 0


def _next(hop: Hop) -> tuple[str, str]:
    """The URL that the last answer redirects to ("" if none), and "" or why it cannot be followed."""
    last = hop.exchanges[-1] if hop.exchanges else None
    if hop.problem or last is None or is_failed(last) or last.status not in REDIRECTS or last.location is None:
        return "", hop.problem
    if not is_fetchable(last.location):
        return "", Unfollowed.NOT_A_URL
    return urldefrag(last.location).url, ""
