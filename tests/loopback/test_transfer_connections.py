"""Does a transfer whose connection fails, or is cancelled, say how far it came and leave nothing behind?"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from random import Random

import pytest
import trustme

from probe.failure import Failure
from probe.model.observations import Direction
from probe.net.ports import Ports
from probe.net.trust import Trust
from tests.loopback.media_client import DOWN, LONG_SECONDS, SHORT_SECONDS, UP, Client
from tests.loopback.media_server import KB, NAME, OK, Handler, Peer, media_server, serve_object, server_context


@pytest.fixture(scope="session")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    return server_context(authority)


@pytest.fixture
def client(trust: Trust) -> Client:
    return Client(trust)


async def refuse_by_alert(peer: Peer) -> None:
    with pytest.raises(ssl.SSLError):
        await peer.shake()


async def test_an_alert_is_named(client: Client, authority: trustme.CA) -> None:
    context = server_context(authority)

    def choose(_: ssl.SSLObject, name: str, __: ssl.SSLContext) -> int | None:
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME if name != NAME else None

    context.sni_callback = choose
    async with media_server(context, refuse_by_alert) as port:
        done = await client.run(DOWN, port, KB, server_name="neutral.test", verify=False)
    assert (done.failure, done.alert) == (Failure.SSL_FAILED_HANDSHAKE, "unrecognized_name")
    assert done.t_connected is not None and done.t_secured is None and done.t_request is None
    assert done.verified is None and done.series.t == () and not done.cut
    assert client.meter.sent_bytes == done.sent_bytes > 0


@pytest.mark.parametrize(
    ("trusted", "certificate_name", "server_name", "failure"),
    [
        (True, NAME, NAME, None),
        (True, NAME, "neutral.test", None),  # the chain is checked for the host, whatever name is sent
        (True, "other.test", NAME, Failure.SSL_INVALID_HOSTNAME),
        (True, "neutral.test", "neutral.test", Failure.SSL_INVALID_HOSTNAME),
        (False, NAME, NAME, Failure.SSL_UNKNOWN_AUTHORITY),
        (False, NAME, "neutral.test", Failure.SSL_UNKNOWN_AUTHORITY),
    ],
)
async def test_the_chain_is_verified_for_the_host(
    client: Client,
    authority: trustme.CA,
    trusted: bool,
    certificate_name: str,
    server_name: str,
    failure: Failure | None,
) -> None:
    context = server_context(authority if trusted else trustme.CA(), certificate_name)
    async with media_server(context, serve_object(KB)) as port:
        done = await client.run(DOWN, port, KB, server_name=server_name)
        unchecked = await client.run(DOWN, port, KB, server_name=server_name, verify=False)
    assert (done.failure, done.verified, done.complete) == (failure, failure is None, failure is None)
    assert (done.t_request is None) is (failure is not None)
    assert (unchecked.failure, unchecked.verified, unchecked.complete) == (None, None, True)


async def silence(peer: Peer) -> None:
    await peer.reader.read()


async def reset_after_hello(peer: Peer) -> None:
    await peer.reader.read(1)
    peer.reset()


async def close_after_hello(peer: Peer) -> None:
    await peer.reader.read(65536)


async def garbage(peer: Peer) -> None:
    await peer.send_wire(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)
    await peer.reader.read()


async def half_a_record(peer: Peer) -> None:
    await peer.send_wire(b"\x16\x03\x03\x40\x00" + b"\x02" * 100)
    await peer.reader.read()


async def endless_handshake(peer: Peer) -> None:
    while True:
        await peer.send_wire(b"\x16\x03\x03\x40\x00" + b"\x02\x00\xff\xff" * 4096)


@pytest.mark.parametrize(
    ("handler", "failure", "cut"),
    [
        (silence, Failure.GENERIC_TIMEOUT, True),
        (half_a_record, Failure.GENERIC_TIMEOUT, True),
        (reset_after_hello, Failure.CONNECTION_RESET, False),
        (close_after_hello, Failure.EOF, False),
        (garbage, Failure.SSL_FAILED_HANDSHAKE, False),
        (endless_handshake, Failure.SSL_FAILED_HANDSHAKE, False),
    ],
)
async def test_handshakes_that_fail(
    client: Client, tls: ssl.SSLContext, handler: Handler, failure: Failure, cut: bool
) -> None:
    async with media_server(tls, handler) as port:
        done = await client.run(DOWN, port, KB, seconds=SHORT_SECONDS if cut else LONG_SECONDS)
    assert (done.failure, done.cut, done.t_request, done.complete) == (failure, cut, None, False)
    assert done.t_connected is not None and done.num_bytes == 0


async def test_a_refused_connection(client: Client, tls: ssl.SSLContext) -> None:
    async with media_server(tls, silence) as port:
        pass
    done = await client.run(UP, port, KB)
    assert (done.failure, done.t_connected, done.cut) == (Failure.CONNECTION_REFUSED, None, False)


async def test_a_deadline_in_the_past_sends_nothing_more_than_a_connection(client: Client, tls: ssl.SSLContext) -> None:
    async with media_server(tls, silence) as port:
        done = await client.run(DOWN, port, KB, seconds=-1.0)
    assert (done.failure, done.cut, done.num_bytes) == (Failure.GENERIC_TIMEOUT, True, 0)


async def test_plain_http(client: Client) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK % (40 * KB) + b"x" * 40 * KB)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        done = await client.run(DOWN, port, 40 * KB, url="http://media.test/object")
    assert done.complete and done.server_name is None and done.t_secured is None and done.verified is None
    assert done.application_bytes == 40 * KB


# cancellation


class WatchedPorts(Ports):
    """Remembers every socket that it bound."""

    def __init__(self) -> None:
        super().__init__(Random())
        self.sockets: list[socket.socket] = []

    def bind(self, sock: socket.socket, address: str | None = None) -> int:
        self.sockets.append(sock)
        return super().bind(sock, address)


async def stalled(peer: Peer) -> None:
    await peer.shake()
    await peer.read_head()
    await peer.send(OK % (64 * KB) + b"x" * 5000)
    await asyncio.sleep(LONG_SECONDS)


@pytest.mark.parametrize("handler", [silence, stalled])
@pytest.mark.parametrize("direction", [DOWN, UP])
@pytest.mark.parametrize("turns", [1, 2, 3, 5, 8, 50])
async def test_cancelling_leaves_no_socket_and_loses_no_count(
    client: Client, tls: ssl.SSLContext, handler: Handler, direction: Direction, turns: int
) -> None:
    client.ports = ports = WatchedPorts()
    async with media_server(tls, handler, receive_buffer_bytes=8 * KB) as port:
        task = asyncio.create_task(client.run(direction, port, 2048 * KB))
        for _ in range(turns):
            await asyncio.sleep(0 if turns < 50 else 0.004)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: all(sock.fileno() == -1 for sock in ports.sockets))
    assert len(ports.sockets) == 1
    if turns == 50:
        assert client.meter.sent_bytes > 0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG_SECONDS):
        while not condition():
            await asyncio.sleep(0.01)
