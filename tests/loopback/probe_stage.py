"""Servers on loopback for `/probe` to look at, a prober for them, and its web server; and what metrics said."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from probe.config.watch_file import DEFAULT_MODULES, ProbeModule
from probe.metrics import Metrics
from probe.model.targets import Controls, Endpoint, Resolver, Target
from probe.net.trust import Trust
from probe.watch.listening import listening
from probe.watch.probe_setup import Taken
from probe.watch.probing import Line, Prober
from probe.watch.report_page import NoReport
from probe.watch.status import Activity, Status
from probe.watch.web import make_app

NO_CONTROLS = Controls(resolvers=(), names=(), sites=(), media=())
Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@dataclass(slots=True)
class CountedAllowance:
    """A budget in memory."""

    left_bytes: int = 100_000_000
    taken: list[int] = field(default_factory=list)

    async def take(self, num_bytes: int) -> Taken | None:
        if num_bytes > self.left_bytes:
            return None
        self.left_bytes -= num_bytes
        self.taken.append(num_bytes)
        return Taken(num_bytes=num_bytes)

    async def give_back(self, taken: Taken, unused_bytes: int) -> None:
        assert 0 <= unused_bytes <= taken.num_bytes
        self.left_bytes += unused_bytes


@dataclass(slots=True, kw_only=True)
class StagedState:
    """A service that does nothing: what the web server asks of one."""

    prober: Prober | None = None
    metrics: Metrics = field(default_factory=Metrics)
    is_healthy: bool = True
    is_ready: bool = True
    mistakes: tuple[str, ...] = ()
    reloads: int = 0
    pages: dict[str, str] = field(default_factory=dict)
    shown: Status = field(
        default_factory=lambda: Status(
            version="1.0",
            started_at="2026-11-01T00:00:00Z",
            now="2026-11-22T00:00:00Z",
            activity=Activity.WAITING,
        )
    )
    reload_gate: asyncio.Event | None = None

    def status(self) -> Status:
        return self.shown

    async def reload(self) -> tuple[str, ...]:
        if self.reload_gate is not None:
            await self.reload_gate.wait()
        self.reloads += 1
        return self.mistakes

    def healthy(self) -> bool:
        return self.is_healthy

    def ready(self) -> bool:
        return self.is_ready

    async def report_html(self, run_id: str) -> str:
        if run_id not in self.pages:
            raise NoReport("no stored run has this id")
        return self.pages[run_id]


def prober(
    trust: Trust,
    *targets: Target,
    modules: Sequence[ProbeModule] = (),
    allowance: CountedAllowance | None = None,
    moved: Callable[[int, int], None] = lambda received, sent: None,
    resolvers: Sequence[Resolver] = (),
) -> Prober:
    controls = Controls(resolvers=tuple(resolvers), names=(), sites=(), media=())
    return Prober(
        targets=targets,
        controls=controls,
        allowance=allowance or CountedAllowance(),
        modules=(*DEFAULT_MODULES, *modules),
        line=Line(trust=trust),
        moved=moved,
    )


def service(*endpoints: Endpoint, identity: str = "service") -> Target:
    """A target that is nothing but addresses and ports: they may be dialled, because the configuration names them."""
    return Target(id=identity, name=identity, services=endpoints)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    status: int
    text: str
    headers: Mapping[str, str]

    @property
    def series(self) -> Series:
        return series(self.text)


def series(text: str) -> Series:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def one(found: Series, name: str, **labels: str) -> float:
    return found[name, tuple(sorted(labels.items()))]


class Web:
    """A client of a running web server; it follows nothing and keeps nothing."""

    def __init__(self, port: int, session: aiohttp.ClientSession) -> None:
        self.port = port
        self._session = session

    async def get(self, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None) -> Page:
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self._session.request(method, url, headers=headers, allow_redirects=False) as answer:
            return Page(status=answer.status, text=await answer.text(), headers=dict(answer.headers))

    async def probe(self, module: str, target: str, headers: Mapping[str, str] | None = None, **more: str) -> Page:
        query = {"module": module, "target": target, **more}
        url = f"http://127.0.0.1:{self.port}/probe"
        async with self._session.get(url, params=query, headers=headers) as answer:
            return Page(status=answer.status, text=await answer.text(), headers=dict(answer.headers))


@asynccontextmanager
async def serving(state: StagedState, *, allowed_hosts: tuple[str, ...] = ()) -> AsyncIterator[Web]:
    app = make_app(state, allowed_hosts=allowed_hosts)
    async with listening(app, "127.0.0.1", 0) as port, aiohttp.ClientSession() as session:
        yield Web(port, session)
    if state.prober is not None:
        await state.prober.close()


@asynccontextmanager
async def looking(staged: Prober) -> AsyncIterator[Web]:
    """The web server of a service whose prober this is."""
    async with serving(StagedState(prober=staged)) as web:
        yield web


def http_answer(body: bytes, *, status: str = "200 OK", headers: Sequence[str] = ()) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "Connection: close", "", ""]
    return "\r\n".join(head).encode() + body


def answering(
    answer: Callable[[bytes], bytes],
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], "asyncio.Future[None]"]:
    """A handler that reads one request's head and writes what `answer` makes of it."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(head))
        await writer.drain()
        writer.write_eof() if writer.can_write_eof() else None

    return handle  # type: ignore[return-value]  # a coroutine function
