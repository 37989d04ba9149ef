"""A network that moves bytes in virtual time, and what a goodput measurement on it is given: for tests of the check."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from probe.checks.context import Context, Step
from probe.checks.goodput import Arm, Phase, Series
from probe.failure import Failure
from probe.model.observations import (
    DnsQuery,
    DnsReply,
    Engine,
    HttpExchange,
    LimitedConnect,
    LimitedHello,
    TcpConnect,
    TlsHandshake,
    Transfer,
)
from probe.model.targets import ControlMedia, Controls, Endpoint, Media, MediaUrl, Resolver, Target
from probe.net.base import HttpRequest, TransferRequest
from probe.verdict.goodput import next_step
from tests.goodput_samples import (
    NEUTRAL_NAME,
    TARGET_NAME,
    refused,
    steady,
    transfer,
)

DOWN = "https://media.target.example/object?n={bytes}"
UP = "https://media.target.example/upload"
CONTROL_DOWN, CONTROL_UP = "https://speed.control.example/down?n={bytes}", "https://speed.control.example/up"
ADDRESSES = {
    "media.target.example": "192.0.2.10",
    "other.target.example": "192.0.2.11",
    "speed.control.example": "198.51.100.7",
    "speed.second.example": "198.51.100.8",
}
Answer = Callable[[TransferRequest, Transfer], Transfer]


@dataclass
class FakeClock:
    time: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


@dataclass
class FakeNet:
    """Moves bytes at `rate` (by request) in virtual time; `answer` may change what comes of a transfer."""

    rate: Callable[[TransferRequest], float] = lambda _: 18e6
    answer: Answer = lambda _, made: made
    dead: frozenset[str] = frozenset()
    silent_resolvers: bool = False
    clock: FakeClock = field(default_factory=FakeClock)
    random: Random = field(default_factory=lambda: Random(7))
    requests: list[TransferRequest] = field(default_factory=list)
    limits: list[float] = field(default_factory=list)
    moved: int = 0
    asked: list[str] = field(default_factory=list)

    async def transfer(self, request: TransferRequest, *, deadline: float) -> Transfer:
        self.requests.append(request)
        self.limits.append(deadline - self.clock.now())
        made = transfer(
            Arm.TARGET,
            steady(self.rate(request), request.num_bytes),
            t0=self.clock.now(),
            num_bytes=request.num_bytes,
            direction=request.direction,
            limit_seconds=deadline - self.clock.now(),
        )
        named = replace(made, url=request.url, server_name=request.server_name, host=request.host)
        done = self.answer(request, replace(named, endpoint=request.endpoint, order=request.order))
        self.clock.time = done.t
        self.moved += done.num_bytes + 6_000
        return done

    async def connect(self, endpoint: Endpoint, *, deadline: float) -> TcpConnect:
        t0 = self.clock.now()
        bad = endpoint.address in self.dead
        self.clock.time = deadline if bad else t0 + 0.04
        failure = Failure.GENERIC_TIMEOUT if bad else None
        return TcpConnect(endpoint=endpoint, source_port=40_000, t0=t0, t=self.clock.now(), failure=failure)

    async def query_encrypted(self, resolver: Resolver, hostname: str, query_type: str, *, deadline: float) -> DnsQuery:
        self.asked.append(f"{hostname} {query_type}")
        known = ADDRESSES.get(hostname)
        addresses = (known,) if known and query_type == "A" else ()
        reply = DnsReply(t=0.0, source=resolver.address, rcode="NOERROR", addresses=addresses)
        return dns_query(hostname, query_type, () if self.silent_resolvers else (reply,))

    async def query_udp(self, server: str, hostname: str, query_type: str, *, deadline: float) -> DnsQuery:
        raise NotImplementedError

    async def resolve(self, hostname: str, *, deadline: float) -> DnsQuery:
        raise NotImplementedError

    async def fetch(self, request: HttpRequest, *, deadline: float) -> HttpExchange:
        raise NotImplementedError

    async def handshake(
        self, endpoint: Endpoint, *, server_name: str | None, verified_name: str | None, deadline: float
    ) -> TlsHandshake:
        raise NotImplementedError

    async def connect_within(self, endpoint: Endpoint, *, hop_limit: int, deadline: float) -> LimitedConnect:
        raise NotImplementedError

    async def greet_within(
        self, endpoint: Endpoint, *, server_name: str, hop_limit: int, answer_seconds: float, deadline: float
    ) -> LimitedHello:
        raise NotImplementedError

    def system_servers(self) -> Sequence[str]:
        return ()


@dataclass
class FakeBudget:
    net: FakeNet
    limit: int = 4_000_000

    @property
    def remaining_bytes(self) -> int:
        return self.limit - self.net.moved

    def allows(self, num_bytes: int) -> bool:
        return num_bytes <= self.remaining_bytes


def dns_query(hostname: str, query_type: str, replies: tuple[DnsReply, ...]) -> DnsQuery:
    return DnsQuery(
        engine=Engine.DOH,
        resolver="one",
        resolver_address="198.51.100.1",
        hostname=hostname,
        query_type=query_type,
        t0=0.0,
        t=0.0,
        replies=replies,
        failure=None if replies else Failure.GENERIC_TIMEOUT,
        transaction_id=1,
    )


def urls(*given: str) -> tuple[MediaUrl, ...]:
    return tuple(MediaUrl(url=url) for url in given)


def media(*, down: tuple[str, ...] = (DOWN,), up: tuple[str, ...] = (UP,)) -> Media:
    return Media(download=urls(*down), upload=urls(*up))


CONTROLS = Controls(
    resolvers=(Resolver(name="one", url="https://one.example/dns-query", address="198.51.100.1"),),
    names=(NEUTRAL_NAME, "second.example"),
    sites=(),
    media=(ControlMedia(download=MediaUrl(url=CONTROL_DOWN), upload=MediaUrl(url=CONTROL_UP)),),
)


def context(
    net: FakeNet,
    given: Media | None = None,
    *,
    budget: int = 4_000_000,
    deadline: float = 66.0,
    enough: Callable[[Series], Step] = next_step,
    controls: Controls = CONTROLS,
    prior: dict[str, object] | None = None,
) -> Context[Series]:
    return Context(
        target=Target(id="t", name="T", media=given if given is not None else media()),
        input="t",
        net=net,
        controls=controls,
        control_sites=(),
        budget=FakeBudget(net, budget),
        deadline=deadline,
        enough=enough,
        prior=prior or {},
        known_blockpages={},
    )


def arms(series: Series | None, phase: Phase | None = None) -> list[Arm]:
    assert series is not None
    return [t.arm for t in series.trials if phase is None or t.phase is phase]


def slow_name(rate_bps: float) -> Callable[[TransferRequest], float]:
    return lambda request: rate_bps if request.server_name == TARGET_NAME else 18e6


def strict(request: TransferRequest, made: Transfer) -> Transfer:
    """A media host that takes no name but its own."""
    own = request.host == TARGET_NAME and request.server_name == TARGET_NAME
    return made if own or request.host != TARGET_NAME else refused(made, alert="unrecognized_name")
