"""Does the goodput client say what the kernel saw, whatever the server does?"""

import asyncio
import os
import re
import ssl
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from probe.failure import Failure
from probe.model.observations import Transfer
from probe.net import exchange, tcpinfo
from probe.net.exchange import SEGMENT_BYTES
from probe.net.sampling import MAX_SAMPLES
from probe.net.trust import Trust
from probe.verdict.goodput_stall import answers_in_silence
from tests.loopback.media_client import DOWN, LONG_SECONDS, SHORT_SECONDS, UP, Client
from tests.loopback.media_server import KB, NAME, OK, Handler, Peer, media_server, serve_object, server_context

HANGING_SECONDS = 2.5  # long enough for the kernel to ask whether the server is there


@pytest.fixture(scope="session")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    return server_context(authority)


@pytest.fixture
def client(trust: Trust) -> Client:
    return Client(trust)


def check_series(done: Transfer) -> None:
    """What holds for every series."""
    series = done.series
    assert done.t_request is not None
    assert 2 <= len(series.t) <= MAX_SAMPLES and len(series.num_bytes) == len(series.t)
    assert all(len(other) in (0, len(series.t)) for other in (series.segments, series.rtt_seconds, series.retransmits))
    assert list(series.t) == sorted(series.t) and list(series.num_bytes) == sorted(series.num_bytes)
    assert series.num_bytes[0] == 0 and series.num_bytes[-1] == done.num_bytes
    assert series.t[0] >= done.t_request and series.t[-1] == done.t


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


async def test_a_server_that_hangs_is_heard_in_the_silence(client: Client, tls: ssl.SSLContext) -> None:
    """Its kernel answers ours, as nobody behind a freeze on the path would."""

    async def handle(peer: Peer) -> None:
        await peer.shake()
        await peer.read_head()
        await peer.send(OK % (64 * KB) + b"x" * 20 * KB)
        await peer.reader.read()

    async with media_server(tls, handle) as port:
        done = await client.run(DOWN, port, 64 * KB, seconds=HANGING_SECONDS)
    assert done.cut and done.tcp_after is not None
    assert answers_in_silence(done) is True


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


async def test_a_stepwise_upload_has_one_segment_under_way(client: Client, tls: ssl.SSLContext) -> None:
    async def stop_reading(peer: Peer) -> None:
        await peer.shake()
        await peer.read_head()
        reading = peer.writer.transport
        assert isinstance(reading, asyncio.Transport)
        reading.pause_reading()
        await asyncio.sleep(LONG_SECONDS)

    async with media_server(tls, stop_reading, receive_buffer_bytes=8 * KB) as port:
        held = await client.run(UP, port, 1024 * KB, seconds=SHORT_SECONDS, stepwise_from_bytes=2 * KB)
    assert held.cut and held.num_bytes > 2 * KB
    assert 0 <= held.application_bytes - held.num_bytes <= SEGMENT_BYTES


async def test_a_stepwise_upload_arrives_whole(client: Client, tls: ssl.SSLContext) -> None:
    received: list[bytes] = []

    async def handle(peer: Peer) -> None:
        await peer.shake()
        await peer.read_head()
        while data := await peer.read():
            received.append(data)

    async with media_server(tls, handle) as port:
        done = await client.run(UP, port, 40 * KB, stepwise_from_bytes=20 * KB)
        await asyncio.sleep(0.05)
    assert done.complete and done.num_bytes == 40 * KB == len(b"".join(received))


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


async def test_upload_reset_after_the_server_had_finished(client: Client, tls: ssl.SSLContext) -> None:
    """All is in our kernel by then, and the event loop, which read the peer's FIN, does not hear of the RST."""

    async def handle(peer: Peer) -> None:
        await peer.shake()
        await peer.read_head()
        reading = peer.writer.transport
        assert isinstance(reading, asyncio.Transport)
        reading.pause_reading()
        await peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await peer.send_wire(peer.encrypt(b""))
        peer.writer.write_eof()
        await asyncio.sleep(0.2)
        peer.reset()

    async with media_server(tls, handle, receive_buffer_bytes=8 * KB) as port:
        done = await client.run(UP, port, 256 * KB)
    assert (done.failure, done.complete, done.cut, done.status) == (Failure.CONNECTION_RESET, False, False, 403)
    assert 0 < done.num_bytes < 256 * KB
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
