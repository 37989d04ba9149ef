"""Does the goodput client say what the kernel saw, whatever the server does?"""

import asyncio
import os
import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
import trustme
from aiohttp import web

from probe.failure import Failure
from probe.model.observations import Direction, Transfer
from probe.model.targets import Endpoint
from probe.net import exchange, tcpinfo
from probe.net.base import TransferRequest
from probe.net.clock import MonotonicClock
from probe.net.limits import AddressGate
from probe.net.meter import Meter
from probe.net.ports import Ports
from probe.net.sampling import MAX_SAMPLES
from probe.net.transfer import transfer
from probe.net.trust import Trust
from tests.loopback.media_server import NAME, Handler, Peer, media_server, server_context

DOWN, UP = Direction.DOWNLOAD, Direction.UPLOAD
KB = 1024
OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
LONG_SECONDS = 20.0  # for transfers that end by themselves
SHORT_SECONDS = 0.6  # for transfers that must be cut


@dataclass
class Client:
    """One run's collaborators, and transfers made with them."""

    trust: Trust
    clock: MonotonicClock = field(default_factory=MonotonicClock)
    ports: Ports = field(default_factory=lambda: Ports(Random()))
    meter: Meter = field(default_factory=Meter)
    gate: AddressGate = field(default_factory=AddressGate)

    async def run(
        self,
        direction: Direction,
        port: int,
        num_bytes: int,
        *,
        seconds: float = LONG_SECONDS,
        server_name: str = NAME,
        verify: bool = True,
        url: str = "https://media.test/object?x=1",
    ) -> Transfer:
        request = TransferRequest(
            direction=direction,
            url=url,
            endpoint=Endpoint(address="127.0.0.1", port=port),
            server_name=server_name,
            host=NAME,
            num_bytes=num_bytes,
            verify=verify,
            order=3,
        )
        return await transfer(
            request,
            deadline=self.clock.now() + seconds,
            clock=self.clock,
            ports=self.ports,
            trust=self.trust,
            meter=self.meter,
            gate=self.gate,
        )


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    return server_context(authority)


@pytest.fixture
def client(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    store = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(store))
    monkeypatch.setenv("SSL_CERT_FILE", str(store))
    return Client(Trust())


def check_series(done: Transfer) -> None:
    """What holds for every series."""
    series = done.series
    assert done.t_request is not None
    assert 2 <= len(series.t) <= MAX_SAMPLES and len(series.num_bytes) == len(series.t)
    assert all(len(other) in (0, len(series.t)) for other in (series.segments, series.rtt_seconds, series.retransmits))
    assert list(series.t) == sorted(series.t) and list(series.num_bytes) == sorted(series.num_bytes)
    assert series.num_bytes[0] == 0 and series.num_bytes[-1] == done.num_bytes
    assert series.t[0] >= done.t_request and series.t[-1] == done.t


def serve_object(size: int, *, gap_seconds: float = 0.0, head: bytes = OK) -> Handler:
    async def handle(peer: Peer) -> None:
        await peer.shake()
        await peer.read_head()
        await peer.send(head % size if b"%d" in head else head)
        for start in range(0, size, 16 * KB):
            await peer.send(b"x" * min(16 * KB, size - start))
            await asyncio.sleep(gap_seconds)
        await peer.reader.read()

    return handle


# downloads


async def test_download_that_completes(client: Client, tls: ssl.SSLContext) -> None:
    heads: list[bytes] = []

    async def handle(peer: Peer) -> None:
        await peer.shake()
        heads.append(await peer.read_head())
        await peer.send(b"HTTP/1.1 206 Partial Content\r\nContent-Length: 262144\r\n\r\n" + b"x" * 256 * KB)
        await peer.read()

    async with media_server(tls, handle) as port:
        done = await client.run(DOWN, port, 256 * KB)
    assert (done.failure, done.complete, done.cut, done.status, done.verified) == (None, True, False, 206, True)
    assert done.application_bytes == 256 * KB <= done.num_bytes < 260 * KB
    assert done.kernel_counted and done.order == 3 and done.server_name == NAME
    assert done.t_connected is not None and done.t_secured is not None and done.t_first_byte is not None
    assert done.t0 <= done.t_connected <= done.t_secured <= (done.t_request or 0) <= done.t_first_byte <= done.t
    check_series(done)
    assert b"GET /object?x=1 HTTP/1.1\r\n" in heads[0] and b"\r\nRange: bytes=0-262143\r\n" in heads[0]
    assert b"\r\nHost: media.test\r\n" in heads[0] and b"User-Agent: throttleprobe/" in heads[0]
    assert (client.meter.sent_bytes, client.meter.received_bytes) == (done.sent_bytes, done.received_bytes)
    assert done.received_bytes > done.num_bytes


async def test_every_transfer_has_its_own_port(client: Client, tls: ssl.SSLContext) -> None:
    async with media_server(tls, serve_object(KB)) as port:
        ports = {(await client.run(DOWN, port, KB)).source_port for _ in range(5)}
    assert len(ports) == 5


async def test_download_cut_by_the_deadline_counts_its_bytes(client: Client, tls: ssl.SSLContext) -> None:
    async with media_server(tls, serve_object(1024 * KB, gap_seconds=0.05)) as port:
        done = await client.run(DOWN, port, 1024 * KB, seconds=SHORT_SECONDS)
    assert (done.failure, done.cut, done.complete, done.status) == (None, True, False, 200)
    assert 0 < done.application_bytes < 1024 * KB
    assert done.num_bytes >= done.application_bytes
    check_series(done)
    assert client.meter.received_bytes == done.received_bytes > 0


async def test_a_stall_inside_a_record_is_seen_by_the_kernel_alone(client: Client, tls: ssl.SSLContext) -> None:
    async def handle(peer: Peer) -> None:
        await peer.shake()
        await peer.read_head()
        await peer.send(OK % (64 * KB))
        await peer.send_wire(peer.encrypt(b"x" * 16 * KB)[: 10 * KB])
        await peer.reader.read()

    async with media_server(tls, handle) as port:
        done = await client.run(DOWN, port, 64 * KB, seconds=SHORT_SECONDS)
    assert done.cut and done.application_bytes == 0
    assert 10 * KB <= done.num_bytes < 11 * KB
    check_series(done)


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\n\r\n", OK, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]
)
async def test_download_of_an_endless_body_stops_at_what_was_asked(
    client: Client, tls: ssl.SSLContext, head: bytes
) -> None:
    async with media_server(tls, serve_object(1 << 30, head=head)) as port:
        done = await client.run(DOWN, port, 128 * KB)
    assert (done.complete, done.failure, done.status, done.cut) == (True, None, 200, False)
    assert done.application_bytes == 128 * KB


@pytest.mark.parametrize(
    ("response", "failure", "status", "application_bytes"),
    [
        (OK % 1000 + b"x" * 1000, None, 200, 1000),  # an object that is too small
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nnot", None, 404, 3),
        (b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", None, 302, 0),
        (b"HTTP/1.1 204 No Content\r\n\r\n", None, 204, 0),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK % 5 + b"12345", None, 200, 5),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", None, 200, 13),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", None, 200, 5),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Failure.HTTP_REQUEST_FAILED, None, 0),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", Failure.HTTP_REQUEST_FAILED, None, 0),
        (b"HTTP/1.1 2x0 OK\r\n\r\n", Failure.HTTP_REQUEST_FAILED, None, 0),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Filler: y\r\n" * 2000, Failure.HTTP_REQUEST_FAILED, None, 0),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, Failure.HTTP_REQUEST_FAILED, None, 0),
    ],
)
async def test_download_of_something_else(
    client: Client,
    tls: ssl.SSLContext,
    response: bytes,
    failure: Failure | None,
    status: int | None,
    application_bytes: int,
) -> None:
    async def handle(peer: Peer) -> None:
        await peer.shake()
        await peer.read_head()
        await peer.send(response)
        await peer.read()

    async with media_server(tls, handle) as port:
        done = await client.run(DOWN, port, 64 * KB)
    assert (done.failure, done.status, done.complete, done.cut) == (failure, status, False, False)
    assert done.application_bytes == application_bytes


@pytest.mark.parametrize(
    ("head", "notify", "failure"),
    [
        (OK % (64 * KB), True, Failure.EOF),
        (b"HTTP/1.0 200 OK\r\n\r\n", True, None),
        (b"HTTP/1.0 200 OK\r\n\r\n", False, Failure.EOF),  # anyone on the path can forge this end
        (b"", True, Failure.EOF),
    ],
)
async def test_download_that_the_server_ends(
    client: Client, tls: ssl.SSLContext, head: bytes, notify: bool, failure: Failure | None
) -> None:
    async def handle(peer: Peer) -> None:
        await peer.shake()
        await peer.read_head()
        if head:
            await peer.send(head + b"x" * 1000)
        if notify:
            await peer.send_wire(peer.encrypt(b""))
        peer.writer.write_eof()
        await peer.reader.read()

    async with media_server(tls, handle) as port:
        done = await client.run(DOWN, port, 64 * KB)
    assert (done.failure, done.complete, done.cut) == (failure, False, False)
    assert done.application_bytes == (1000 if head else 0)


async def test_download_that_is_reset(client: Client, tls: ssl.SSLContext) -> None:
    async def handle(peer: Peer) -> None:
        await peer.shake()
        await peer.read_head()
        await peer.send(OK % (64 * KB) + b"x" * 5000)
        await asyncio.sleep(0.1)
        peer.reset()

    async with media_server(tls, handle) as port:
        done = await client.run(DOWN, port, 64 * KB)
    assert (done.failure, done.complete, done.cut) == (Failure.CONNECTION_RESET, False, False)
    assert done.application_bytes == 5000 < done.num_bytes
    check_series(done)


async def test_the_round_trip_is_probed_only_while_the_server_keeps_the_connection(
    client: Client, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "RTT_PROBE_INTERVAL_SECONDS", 0.02)
    probes: list[bytes] = []

    def serve(connection: bytes) -> Handler:
        async def handle(peer: Peer) -> None:
            await peer.shake()
            await peer.read_head()
            await peer.send(b"HTTP/1.1 200 OK\r\nConnection: %s\r\nContent-Length: 9999\r\n\r\n" % connection)
            while data := await peer.read():
                probes.append(data)

        return handle

    async with media_server(tls, serve(b"keep-alive")) as port:
        await client.run(DOWN, port, 9999, seconds=SHORT_SECONDS)
    assert len(b"".join(probes)) > 3 and exchange.RTT_PROBE_REQUEST.startswith(b"".join(probes))
    probes.clear()
    async with media_server(tls, serve(b"close")) as port:
        await client.run(DOWN, port, 9999, seconds=SHORT_SECONDS)
    assert not probes


# uploads


async def test_upload_that_completes(client: Client, tls: ssl.SSLContext) -> None:
    received: list[bytes] = []

    async def handle(peer: Peer) -> None:
        await peer.shake()
        received.append(await peer.read_head())
        while data := await peer.read():
            received.append(data)

    async with media_server(tls, handle) as port:
        done = await client.run(UP, port, 300 * KB)
        await asyncio.sleep(0.05)
    assert (done.failure, done.complete, done.cut, done.status) == (None, True, False, None)
    assert done.num_bytes == done.application_bytes == 300 * KB
    assert done.sent_bytes > 300 * KB and client.meter.sent_bytes == done.sent_bytes
    check_series(done)
    head, _, body = b"".join(received).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /object?x=1 HTTP/1.1\r\n") and b"\r\nContent-Length: 307200" in head
    assert b"\r\nContent-Type: application/octet-stream" in head
    assert len(body) == 300 * KB and len(set(re.findall(rb"(?s).{1024}", body))) == 300


async def test_upload_counts_nothing_that_waits_in_our_buffers(client: Client, tls: ssl.SSLContext) -> None:
    async def handle(peer: Peer) -> None:
        peer.writer.transport.set_write_buffer_limits(0)
        await peer.shake()
        await peer.read_head()
        reading = peer.writer.transport
        assert isinstance(reading, asyncio.Transport)
        reading.pause_reading()
        await asyncio.sleep(LONG_SECONDS)

    async with media_server(tls, handle, receive_buffer_bytes=8 * KB) as port:
        done = await client.run(UP, port, 1024 * KB, seconds=SHORT_SECONDS)
    assert (done.failure, done.complete, done.cut) == (None, False, True)
    assert 0 < done.num_bytes < done.application_bytes <= 1024 * KB
    assert done.tcp_after is not None and done.tcp_after.bytes_acked is not None
    assert done.num_bytes <= done.tcp_after.bytes_acked
    check_series(done)


@pytest.mark.parametrize("status", [401, 403, 413])
async def test_upload_goes_on_after_an_early_refusal(client: Client, tls: ssl.SSLContext, status: int) -> None:
    async def handle(peer: Peer) -> None:
        await peer.shake()
        await peer.read_head()
        await peer.send(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
        await peer.send_wire(peer.encrypt(b""))
        peer.writer.write_eof()
        while await peer.reader.read(16 * KB):
            await asyncio.sleep(0.002)

    async with media_server(tls, handle, receive_buffer_bytes=16 * KB) as port:
        done = await client.run(UP, port, 512 * KB)
    assert (done.failure, done.complete, done.status) == (None, True, status)
    assert done.num_bytes == 512 * KB


async def test_upload_that_the_server_ends_with_a_refusal(client: Client, tls: ssl.SSLContext) -> None:
    async def handle(peer: Peer) -> None:
        await peer.shake()
        await peer.read_head()
        await peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await asyncio.sleep(0.2)
        peer.reset()

    async with media_server(tls, handle, receive_buffer_bytes=8 * KB) as port:
        done = await client.run(UP, port, 4096 * KB)
    assert (done.failure, done.complete, done.status) == (Failure.CONNECTION_RESET, False, 403)
    assert 0 < done.num_bytes < 4096 * KB
    check_series(done)


async def test_aiohttp_takes_uploads_and_serves_ranges(client: Client, tls: ssl.SSLContext, tmp_path: Path) -> None:
    sizes: list[int] = []

    async def take(request: web.Request) -> web.Response:
        sizes.append(len(await request.read()))
        return web.Response()

    media = tmp_path / "media"
    media.write_bytes(os.urandom(300 * KB))

    async def give(request: web.Request) -> web.FileResponse:
        return web.FileResponse(media)

    application = web.Application(client_max_size=1 << 30)
    application.router.add_post("/object", take)
    application.router.add_get("/object", give)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        port: int = runner.addresses[0][1]
        up = await client.run(UP, port, 256 * KB)
        down = await client.run(DOWN, port, 128 * KB)
    finally:
        await runner.cleanup()
    assert up.complete and up.num_bytes == 256 * KB
    assert down.complete and down.status == 206 and down.num_bytes < 132 * KB


# without TCP_INFO


async def test_without_tcp_info_the_application_counts(
    client: Client, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcpinfo, "TCP_INFO_OPTION", None)

    async def take(peer: Peer) -> None:
        await peer.shake()
        left = 200 * KB - len((await peer.read_head()).partition(b"\r\n\r\n")[2])
        while left > 0 and (data := await peer.read()):
            left -= len(data)
        await peer.send(OK % 0)
        await peer.read()

    async with media_server(tls, serve_object(100 * KB)) as port:
        down = await client.run(DOWN, port, 100 * KB)
    async with media_server(tls, take) as port:
        up = await client.run(UP, port, 200 * KB)
    for done, size in ((down, 100 * KB), (up, 200 * KB)):
        assert done.complete and not done.kernel_counted and done.failure is None and done.status == 200
        assert done.num_bytes == done.application_bytes == size
        assert done.series.segments == done.series.rtt_seconds == done.series.retransmits == ()
        assert done.tcp_before is done.tcp_after is None
        check_series(done)
    assert down.received_bytes > 100 * KB and up.sent_bytes > 200 * KB


# connections


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


def open_sockets() -> int:
    count = 0
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the directory's own
            count += str(link.readlink()).startswith("socket:")
    return count


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
    before = open_sockets()
    async with media_server(tls, handler, receive_buffer_bytes=8 * KB) as port:
        task = asyncio.create_task(client.run(direction, port, 2048 * KB))
        for _ in range(turns):
            await asyncio.sleep(0 if turns < 50 else 0.004)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await until(lambda: open_sockets() <= before)
    if turns == 50:
        assert client.meter.sent_bytes > 0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG_SECONDS):
        while not condition():
            await asyncio.sleep(0.01)
