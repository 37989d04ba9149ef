"""A network that follows a script, in virtual time, and short ways to write down what it observed.

Addresses and names are those reserved for documentation (RFC 2606, 5737, 3849); nothing here opens a socket.
"""

import asyncio
import hashlib
import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from probe.checks.context import Context, ControlSite, Step
from probe.failure import Failure
from probe.model.observations import (
    Certificate,
    DnsQuery,
    DnsReply,
    Engine,
    Header,
    HttpExchange,
    HttpStage,
    IcmpKind,
    LimitedConnect,
    LimitedHello,
    TcpConnect,
    TlsHandshake,
    TlsStage,
    Transfer,
)
from probe.model.targets import Controls, Endpoint, Resolver, Target
from probe.net.base import HttpRequest, TransferRequest

HOST = "target.example"
NEUTRAL = ("example.com", "example.org")
SERVER = "203.0.113.53"
ADDRESS = "192.0.2.10"
SECOND_ADDRESS = "192.0.2.11"
ADDRESS6 = "2001:db8::10"
FORGED = "203.0.113.66"
CONTROL_ADDRESS = "198.51.100.7"
RESOLVERS = (
    Resolver(name="one", url="https://one.example/dns-query", address="198.51.100.1"),
    Resolver(name="two", url="https://two.example/dns-query", address="198.51.100.2"),
)
SITES = (
    ControlSite(name="example.com", endpoint=Endpoint(address=CONTROL_ADDRESS, port=443), answers_plain_http=True),
)
OPERATION_SECONDS = 0.05

Answer = tuple[str, ...] | Failure


class FakeClock:
    """Time that passes only when everybody waits: the earliest sleeper moves it on."""

    YIELDS = 30  # turns in which others may still begin something shorter

    def __init__(self) -> None:
        self._now = 0.0
        self._waiting: list[float] = []

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        until = self._now + seconds
        heapq.heappush(self._waiting, until)
        while self._now < until:
            for _ in range(self.YIELDS):
                await asyncio.sleep(0)
            if self._waiting[0] == until:
                self._now = max(self._now, until)
        self._waiting.remove(until)
        heapq.heapify(self._waiting)


class FakeBudget:
    """So many bytes, taken as they are asked for."""

    def __init__(self, num_bytes: int = 4_000_000) -> None:
        self._left = num_bytes

    @property
    def remaining_bytes(self) -> int:
        return self._left

    def allows(self, num_bytes: int) -> bool:
        if num_bytes > self._left:
            return False
        self._left -= num_bytes
        return True


def query(
    engine: Engine = Engine.UDP,
    answer: Answer = (ADDRESS,),
    *,
    host: str = HOST,
    kind: str = "A",
    server: str = SERVER,
    late: Sequence[Answer] = (),
    source: str | None = None,
) -> DnsQuery:
    """One question; `late` are further replies to it, `source` where they came from if not from the server asked."""
    answers: list[Answer] = [answer, *late]
    failure = answer if isinstance(answer, Failure) else None
    if failure is Failure.GENERIC_TIMEOUT:
        answers = []
    return DnsQuery(
        engine=engine,
        resolver=server if engine is Engine.DOH else "system",
        resolver_address="" if engine is Engine.GETADDRINFO else server,
        hostname=host,
        query_type="ANY" if engine is Engine.GETADDRINFO else kind,
        t0=0.0,
        t=0.05,
        replies=tuple(
            DnsReply(
                t=0.05,
                source=source or ("" if engine is Engine.GETADDRINFO else server),
                rcode="NOERROR",
                addresses=() if isinstance(a, Failure) else a,
            )
            for a in answers
        ),
        failure=failure,
        transaction_id=0,
    )


def connect(
    address: str = ADDRESS, port: int = 443, failure: Failure | None = None, icmp: IcmpKind | None = None
) -> TcpConnect:
    return TcpConnect(
        endpoint=Endpoint(address=address, port=port), source_port=40000, t0=0.0, t=0.04, failure=failure, icmp=icmp
    )


def limited_connect(
    address: str = ADDRESS,
    limit: int = 1,
    failure: Failure | None = None,
    icmp: IcmpKind | None = None,
    router: int | None = None,
    *,
    port: int = 443,
) -> LimitedConnect:
    """A limited connection that succeeded, or what the arguments say; with `router` alone the limit ended there."""
    if router is not None and icmp is None:
        failure, icmp = Failure.HOST_UNREACHABLE, IcmpKind.TIME_EXCEEDED
    endpoint = Endpoint(address=address, port=port)
    return LimitedConnect(
        endpoint=endpoint, hop_limit=limit, source_port=40000, t0=0.0, t=0.04, failure=failure, icmp=icmp, router=router
    )


def limited_hello(
    address: str = ADDRESS, name: str = HOST, limit: int = 1, failure: Failure | None = None
) -> LimitedHello:
    """A limited ClientHello that a server answered, or how it failed."""
    return LimitedHello(
        endpoint=Endpoint(address=address, port=443),
        server_name=name,
        hop_limit=limit,
        connect=connect(address),
        t0=0.0,
        t=0.1,
        failure=failure,
        received_bytes=1400 if failure is None else 0,
    )


def certificate(issuer: str = "Good CA", sha256: str = "aa", name: str = HOST) -> Certificate:
    return Certificate(
        sha256=sha256 * 32,
        subject=name,
        issuer=issuer,
        names=(name,),
        not_before="2026-01-01T00:00:00Z",
        not_after="2027-01-01T00:00:00Z",
        self_signed=False,
    )


def handshake(
    address: str = ADDRESS,
    name: str | None = HOST,
    *,
    verified: str | None = None,
    unverified: bool = False,
    failure: Failure | None = None,
    verify: Failure | None = None,
    stage: TlsStage | None = None,
    alert: str | None = None,
    shown: Certificate | None = None,
) -> TlsHandshake:
    """A handshake that completed and verified for `name`, or what the arguments say."""
    if stage is None:
        stage = TlsStage.FINISHED if failure is None else TlsStage.CLIENT_HELLO
    tcp_failure = failure if stage is TlsStage.CONNECT else None
    completed = failure is None
    return TlsHandshake(
        endpoint=Endpoint(address=address, port=443),
        source_port=40000,
        server_name=name,
        verified_name=None if unverified else verified or name,
        connect=connect(address, 443, tcp_failure),
        t0=0.0,
        t=0.1,
        stage=stage,
        failure=failure,
        verify_failure=verify,
        alert=alert,
        certificate=shown or (certificate(name=name or "default") if completed else None),
        tls_version="TLSv1.3" if completed else None,
        alpn="http/1.1" if completed else None,
        client_hello_bytes=517,
        received_bytes=3000 if completed else 0,
    )


def exchange(
    url: str = f"https://{HOST}/",
    *,
    address: str = ADDRESS,
    host: str | None = None,
    status: int | None = 200,
    body: str = "",
    title: str = "",
    location: str | None = None,
    headers: Mapping[str, str] | None = None,
    failure: Failure | None = None,
    verify: Failure | None = None,
    stage: HttpStage | None = None,
    body_bytes: int | None = None,
) -> HttpExchange:
    """An answer, or a failure after the request (`stage` says where else)."""
    secure = url.startswith("https:")
    named = host or url.split("/")[2].partition(":")[0]
    if stage is None:
        stage = HttpStage.FINISHED if failure is None else HttpStage.REQUEST
    return HttpExchange(
        url=url,
        endpoint=Endpoint(address=address, port=443 if secure else 80),
        source_port=40000,
        server_name=named if secure else None,
        host=named,
        t0=0.0,
        t_connected=0.04,
        t_secured=0.08 if secure else None,
        t_request=0.08,
        t_first_byte=0.12 if failure is None else None,
        t=0.2,
        stage=stage,
        failure=failure,
        status=status if failure is None and verify is None else None,
        headers=tuple(Header(name=n, value=v) for n, v in (headers or {}).items()),
        location=location,
        title=title,
        body=body,
        body_bytes=len(body) if body_bytes is None else body_bytes,
        body_sha256=hashlib.sha256(body.encode()).hexdigest(),
        truncated=False,
        verify_failure=verify,
    )


def _no_answer(*_: object) -> Answer:
    return Failure.GENERIC_TIMEOUT


@dataclass(slots=True)
class ScriptedNet:
    """Answers every operation from a function; `calls` lists what was asked, in the order begun.

    Each operation takes `OPERATION_SECONDS` of virtual time, one that times out as long as it was allowed.
    """

    servers: tuple[str, ...] = (SERVER,)
    on_resolve: Callable[[str], Answer] = _no_answer
    on_udp: Callable[[str, str, str], Answer | DnsQuery] = _no_answer
    on_encrypted: Callable[[str, str, str], Answer] = _no_answer
    on_connect: Callable[[Endpoint], TcpConnect] = field(default=lambda e: connect(e.address, e.port))
    on_handshake: Callable[[Endpoint, str | None, str | None], TlsHandshake] = field(
        default=lambda e, name, verified: handshake(e.address, name, unverified=verified is None)
    )
    on_fetch: Callable[[HttpRequest], HttpExchange] = field(
        default=lambda r: exchange(r.url, address=r.endpoint.address, host=r.host)
    )
    on_limited_connect: Callable[[Endpoint, int], LimitedConnect] = field(
        default=lambda e, limit: limited_connect(e.address, limit, port=e.port)
    )
    on_limited_hello: Callable[[Endpoint, str, int], LimitedHello] = field(
        default=lambda e, name, limit: limited_hello(e.address, name, limit)
    )
    clock: FakeClock = field(default_factory=FakeClock)
    random: Random = field(default_factory=lambda: Random(1))
    calls: list[tuple[str, ...]] = field(default_factory=list)

    def system_servers(self) -> Sequence[str]:
        return self.servers

    async def _pass(self, failure: Failure | None, deadline: float) -> None:
        silent = failure is Failure.GENERIC_TIMEOUT
        await self.clock.sleep(max(0.0, deadline - self.clock.now()) if silent else OPERATION_SECONDS)

    async def resolve(self, hostname: str, *, deadline: float) -> DnsQuery:
        self.calls.append(("resolve", hostname))
        made = query(Engine.GETADDRINFO, self.on_resolve(hostname), host=hostname)
        await self._pass(made.failure, deadline)
        return made

    async def query_udp(self, server: str, hostname: str, query_type: str, *, deadline: float) -> DnsQuery:
        self.calls.append(("udp", server, hostname, query_type))
        found = self.on_udp(server, hostname, query_type)
        made = (
            found
            if isinstance(found, DnsQuery)
            else query(Engine.UDP, found, host=hostname, kind=query_type, server=server)
        )
        await self._pass(made.failure, deadline)
        return made

    async def query_encrypted(self, resolver: Resolver, hostname: str, query_type: str, *, deadline: float) -> DnsQuery:
        self.calls.append(("doh", resolver.name, hostname, query_type))
        answer = self.on_encrypted(resolver.name, hostname, query_type)
        made = query(Engine.DOH, answer, host=hostname, kind=query_type, server=resolver.name)
        await self._pass(made.failure, deadline)
        return made

    async def connect(self, endpoint: Endpoint, *, deadline: float) -> TcpConnect:
        self.calls.append(("connect", str(endpoint)))
        made = self.on_connect(endpoint)
        await self._pass(made.failure, deadline)
        return made

    async def handshake(
        self, endpoint: Endpoint, *, server_name: str | None, verified_name: str | None, deadline: float
    ) -> TlsHandshake:
        self.calls.append(("handshake", endpoint.address, server_name or "", verified_name or ""))
        made = self.on_handshake(endpoint, server_name, verified_name)
        await self._pass(made.failure, deadline)
        return made

    async def connect_within(self, endpoint: Endpoint, *, hop_limit: int, deadline: float) -> LimitedConnect:
        self.calls.append(("connect_within", endpoint.address, str(hop_limit)))
        made = self.on_limited_connect(endpoint, hop_limit)
        await self._pass(made.failure, deadline)
        return made

    async def greet_within(
        self, endpoint: Endpoint, *, server_name: str, hop_limit: int, answer_seconds: float, deadline: float
    ) -> LimitedHello:
        self.calls.append(("greet_within", endpoint.address, server_name, str(hop_limit)))
        made = self.on_limited_hello(endpoint, server_name, hop_limit)
        await self._pass(made.failure, self.clock.now() + answer_seconds)
        return made

    async def fetch(self, request: HttpRequest, *, deadline: float) -> HttpExchange:
        self.calls.append(("fetch", str(request.endpoint), request.url))
        made = self.on_fetch(request)
        await self._pass(made.failure, deadline)
        return made

    async def transfer(self, request: TransferRequest, *, deadline: float) -> Transfer:
        raise AssertionError(f"no check here moves media: {request.url}")


def context(
    net: ScriptedNet,
    subject: str = HOST,
    *,
    prior: Mapping[str, object] | None = None,
    sites: Sequence[str] = (f"https://{HOST}/",),
    control_sites: Sequence[ControlSite] = SITES,
    resolvers: Sequence[Resolver] = RESOLVERS,
    names: Sequence[str] = NEUTRAL,
    seconds: float = 60.0,
    num_bytes: int = 4_000_000,
    known_blockpages: Mapping[str, str] | None = None,
) -> Context[Any]:
    """A context as the runner makes it, over a scripted network."""
    return Context(
        target=Target(id="target", name="Target", sites=tuple(sites)),
        input=subject,
        net=net,
        controls=Controls(resolvers=tuple(resolvers), names=tuple(names), sites=(), media=()),
        control_sites=tuple(control_sites),
        budget=FakeBudget(num_bytes),
        deadline=seconds,
        enough=lambda _: Step.DONE,
        prior=prior or {},
        known_blockpages=known_blockpages or {},
    )
