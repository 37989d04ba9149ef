"""What a check may ask of the network: protocols only, so that importing a check loads no network library.

The runner hands a concrete `Net` to each check; tests hand over a scripted one. Every deadline is absolute, on
`Clock.now`, which counts seconds since the measurement began. No operation raises for what the network did: that is a
`Failure` in what it returns. Addresses given are literals; names are resolved only by the three DNS operations.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from probe.model.observations import (
    Direction,
    DnsQuery,
    HttpExchange,
    LimitedConnect,
    LimitedHello,
    TcpConnect,
    TlsHandshake,
    Transfer,
)
from probe.model.targets import Endpoint, Resolver

LATE_REPLY_SECONDS = (
    0.5  # how long a UDP query is kept open for a second answer (OONI Web Connectivity LTE waits as long)
)
MAX_KEPT_BODY_BYTES = 16 * 1024  # design §5: what `net` keeps of a body
MAX_BODY_BYTES = 64 * 1024  # what is read of a page: beyond 16-34 KB, where connections are known to be frozen


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the measurement began; monotonic."""

    async def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A GET for `url`, sent to `endpoint`; `host` is the Host header, `server_name` the SNI (None for plain HTTP).

    The chain must be valid for the server name, unless `verified` is False: then it is left unchecked.
    """

    url: str
    endpoint: Endpoint
    server_name: str | None
    host: str
    max_bytes: int = MAX_BODY_BYTES
    verified: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRequest:
    """A transfer of `num_bytes` of `url` at `endpoint`; `{bytes}` in the URL is already filled in.

    `verify`: whether the chain is checked for `host` (control arms under a name that is not the server's are not).
    `order` is the transfer's place in its check, for the record. `stepwise_from_bytes`: from so many bytes of an upload
    on, each segment waits until the one before it is acknowledged; None: never.
    """

    direction: Direction
    url: str
    endpoint: Endpoint
    server_name: str
    host: str
    num_bytes: int
    verify: bool
    order: int
    stepwise_from_bytes: int | None = None


class Net(Protocol):
    @property
    def clock(self) -> Clock: ...

    @property
    def random(self) -> Random: ...

    def system_servers(self) -> Sequence[str]:
        """Addresses of the configured resolvers: resolv.conf's, or a loopback stub's upstreams; may be empty."""

    async def resolve(self, hostname: str, *, deadline: float) -> DnsQuery:
        """Ask the system resolver as every program does (getaddrinfo)."""

    async def query_udp(self, server: str, hostname: str, query_type: str, *, deadline: float) -> DnsQuery:
        """Ask one server over UDP and keep listening for `LATE_REPLY_SECONDS` after the first answer."""

    async def query_encrypted(self, resolver: Resolver, hostname: str, query_type: str, *, deadline: float) -> DnsQuery:
        """Ask a control resolver over HTTPS, certificate verified."""

    async def connect(self, endpoint: Endpoint, *, deadline: float) -> TcpConnect: ...

    async def handshake(
        self, endpoint: Endpoint, *, server_name: str | None, verified_name: str | None, deadline: float
    ) -> TlsHandshake:
        """Connect and shake hands; `verified_name` None leaves the chain unchecked (recorded as such)."""

    async def connect_within(self, endpoint: Endpoint, *, hop_limit: int, deadline: float) -> LimitedConnect:
        """Connect with packets that may pass at most `hop_limit` - 1 routers. Raises CannotRun where the system does
        not tell which router spoke."""

    async def greet_within(
        self, endpoint: Endpoint, *, server_name: str, hop_limit: int, answer_seconds: float, deadline: float
    ) -> LimitedHello:
        """Connect without a limit, send a ClientHello with one, wait `answer_seconds` for whatever comes first, and
        reset the connection. Raises as `connect_within` does."""

    async def fetch(self, request: HttpRequest, *, deadline: float) -> HttpExchange: ...

    async def transfer(self, request: TransferRequest, *, deadline: float) -> Transfer:
        """Move media bytes and watch them; the deadline counts from `Clock.now`, connection included."""
