"""Real servers on loopback, a root that they are trusted by, and an alarm for whatever blocks the event loop."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from random import Random

import pytest
import trustme
from blockbuster import BlockBuster, blockbuster_ctx

from probe.model.targets import Endpoint
from probe.net.clock import MonotonicClock
from probe.net.instruments import Instruments, KnownAddresses
from probe.net.limits import AddressGate
from probe.net.live import LiveNet, Session
from probe.net.meter import Meter
from probe.net.ports import Ports
from probe.net.trust import Trust

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[..., AbstractAsyncContextManager[Endpoint]]


@pytest.fixture(autouse=True)
def blockbuster() -> Iterator[BlockBuster]:
    with blockbuster_ctx("probe") as alarm:
        yield alarm


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def trust(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Trust:
    root: Path = tmp_path_factory.mktemp("trust") / "root.pem"
    authority.cert_pem.write_to_path(str(root))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(root))
        return Trust()


@pytest.fixture
def prepared(trust: Trust) -> Session:
    return Session(random=Random(), trust=trust)  # reads files, so outside the event loop


@pytest.fixture
async def session(prepared: Session) -> AsyncIterator[Session]:
    async with prepared:
        yield prepared


@pytest.fixture
def net(session: Session) -> LiveNet:
    return session.measurement()


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """A server's side for platform.test, signed by the trusted root."""
    return server_context(authority.issue_cert("platform.test"))


@asynccontextmanager
async def _serve(
    handler: Handler, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Endpoint]:
    """A server whose handler's end, and whose clients' rudeness, is nobody's error."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(handle, host, 0, ssl=tls)
    try:
        yield Endpoint(address=host, port=server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


@pytest.fixture
def serve() -> Serve:
    return _serve


@pytest.fixture
def instruments(trust: Trust) -> Instruments:
    """What an operation of its own works with."""
    random = Random()
    return Instruments(
        clock=MonotonicClock(),
        random=random,
        ports=Ports(random),
        trust=trust,
        gate=AddressGate(),
        meter=Meter(),
        known=KnownAddresses(),
    )
