"""How do measurements reach the real network?

A `Session` holds what one run shares: source ports, trust store, the gate that spares addresses, kept connections to
control resolvers, known addresses, the byte count. Each measurement gets its own `LiveNet` of it, with its own clock.
The operations themselves are in the modules beside this one.
"""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from types import TracebackType

from probe.model.observations import (
    DnsQuery,
    HttpExchange,
    LimitedConnect,
    LimitedHello,
    TcpConnect,
    TlsHandshake,
    Transfer,
)
from probe.model.targets import Endpoint, Resolver
from probe.net import dns, hops, pages, stream
from probe.net.base import Clock, HttpRequest, TransferRequest
from probe.net.clock import MonotonicClock
from probe.net.dns_https import EncryptedResolvers
from probe.net.getaddrinfo import AddressLookups
from probe.net.instruments import Instruments, KnownAddresses
from probe.net.limits import AddressGate
from probe.net.meter import Meter
from probe.net.ports import Ports
from probe.net.transfer import transfer
from probe.net.trust import Trust


class Session:
    """What one run shares. `async with` it, or `close` it: it keeps connections to control resolvers.

    Making one reads files (trust store, resolv.conf) and takes some 100 ms: best before the event loop runs. `gate`:
    that of other sessions of the same event loop, which then spare the same addresses together.
    Raises OSError when `SSL_CERT_FILE` names a file that cannot be read.
    """

    def __init__(
        self,
        *,
        random: Random | None = None,
        trust: Trust | None = None,
        meter: Meter | None = None,
        gate: AddressGate | None = None,
        resolv_conf: Path = dns.RESOLV_CONF,
    ) -> None:
        self.random = random or Random()
        self.trust = trust or Trust()
        self.meter = meter or Meter()
        self.known = KnownAddresses()
        self._ports = Ports(self.random)
        self._gate = gate or AddressGate()
        self.lookups = AddressLookups()
        self.servers = dns.system_servers(resolv_conf)
        self.known.add(*self.servers)
        self.resolvers = EncryptedResolvers(self._instruments(self.meter))

    def measurement(self, meter: Meter | None = None) -> "LiveNet":
        """The network of one measurement, its clock at 0. `meter` None: a new one that adds to the run's."""
        return LiveNet(self, self._instruments(meter or Meter(self.meter)))

    def _instruments(self, meter: Meter) -> Instruments:
        return Instruments(
            clock=MonotonicClock(),
            random=self.random,
            ports=self._ports,
            trust=self.trust,
            gate=self._gate,
            meter=meter,
            known=self.known,
        )

    async def close(self) -> None:
        await self.resolvers.close()

    async def __aenter__(self) -> "Session":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class LiveNet:
    """`probe.net.base.Net` on real sockets.

    Beyond what that says: every operation but transfer raises CannotRun when its deadline is already past. Two earlier
    handshakes to the same address make connect, handshake, fetch and the limited ones wait; that wait is not part of
    the operation (its `t0` comes after it, its deadline is put off by it), and CannotRun is raised when it takes too
    long. So does resolve when too many earlier look-ups still hang.
    """

    def __init__(self, session: Session, instruments: Instruments) -> None:
        self._session = session
        self._instruments = instruments

    @property
    def clock(self) -> Clock:
        return self._instruments.clock

    @property
    def random(self) -> Random:
        return self._instruments.random

    @property
    def meter(self) -> Meter:
        return self._instruments.meter

    def system_servers(self) -> Sequence[str]:
        return self._session.servers

    async def resolve(self, hostname: str, *, deadline: float) -> DnsQuery:
        return await dns.resolve(hostname, self._session.lookups, self._instruments, deadline=deadline)

    async def query_udp(self, server: str, hostname: str, query_type: str, *, deadline: float) -> DnsQuery:
        return await dns.query_udp(server, hostname, query_type, self._instruments, deadline=deadline)

    async def query_encrypted(self, resolver: Resolver, hostname: str, query_type: str, *, deadline: float) -> DnsQuery:
        return await self._session.resolvers.query(resolver, hostname, query_type, self._instruments, deadline=deadline)

    async def connect(self, endpoint: Endpoint, *, deadline: float) -> TcpConnect:
        return await stream.connect(endpoint, self._instruments, deadline=deadline)

    async def handshake(
        self, endpoint: Endpoint, *, server_name: str | None, verified_name: str | None, deadline: float
    ) -> TlsHandshake:
        return await stream.handshake(
            endpoint, self._instruments, server_name=server_name, verified_name=verified_name, deadline=deadline
        )

    async def connect_within(self, endpoint: Endpoint, *, hop_limit: int, deadline: float) -> LimitedConnect:
        return await hops.connect_within(endpoint, self._instruments, hop_limit=hop_limit, deadline=deadline)

    async def greet_within(
        self, endpoint: Endpoint, *, server_name: str, hop_limit: int, answer_seconds: float, deadline: float
    ) -> LimitedHello:
        return await hops.greet_within(
            endpoint,
            self._instruments,
            server_name=server_name,
            hop_limit=hop_limit,
            answer_seconds=answer_seconds,
            deadline=deadline,
        )

    async def fetch(self, request: HttpRequest, *, deadline: float) -> HttpExchange:
        return await pages.fetch(request, self._instruments, deadline=deadline)

    async def transfer(self, request: TransferRequest, *, deadline: float) -> Transfer:
        shared = self._instruments
        shared.known.add(request.endpoint.address)
        return await transfer(
            request,
            deadline=deadline,
            clock=shared.clock,
            ports=shared.ports,
            trust=shared.trust,
            meter=shared.meter,
            gate=shared.gate,
        )
