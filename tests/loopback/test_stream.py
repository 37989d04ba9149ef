"""Connections and handshakes against servers that refuse, reset, keep silent, lie or never end."""

import asyncio
import contextlib
import datetime
import socket
import ssl
import struct
import tracemalloc

import pytest
import trustme

from probe.failure import Failure
from probe.model.observations import TlsStage
from probe.model.targets import Endpoint
from probe.net.live import LiveNet
from tests.loopback.conftest import Serve, server_context


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
        sock.bind((host, 0))
        port: int = sock.getsockname()[1]
        return port


def reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_connect(net: LiveNet, serve: Serve, host: str) -> None:
    async with serve(keep_silent, host=host) as endpoint:
        made = await net.connect(endpoint, deadline=5)
    assert made.failure is None
    assert made.icmp is None
    assert 20_000 <= made.source_port <= 60_999
    assert 0 <= made.t0 <= made.t


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_refused(net: LiveNet, host: str) -> None:
    made = await net.connect(Endpoint(address=host, port=free_port(host)), deadline=5)
    assert made.failure is Failure.CONNECTION_REFUSED
    assert made.icmp is None


async def test_silence_until_the_deadline(net: LiveNet) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        with socket.socket() as first, socket.socket() as second:
            for filler in (first, second):  # the queue holds one; SYNs beyond are dropped
                filler.setblocking(False)
                filler.connect_ex(address)
            made = await net.connect(Endpoint(address=address[0], port=address[1]), deadline=net.clock.now() + 0.3)
    assert made.failure is Failure.GENERIC_TIMEOUT
    assert made.t >= 0.3


async def test_a_name_is_never_resolved(net: LiveNet) -> None:
    with pytest.raises(ValueError, match="platform"):
        await net.connect(Endpoint(address="platform.test", port=1), deadline=5)


async def test_handshake_completes_and_is_verified(net: LiveNet, serve: Serve, server_tls: ssl.SSLContext) -> None:
    async with serve(keep_silent, tls=server_tls) as endpoint:
        made = await net.handshake(endpoint, server_name="platform.test", verified_name="platform.test", deadline=5)
    assert (made.stage, made.failure, made.verify_failure) == (TlsStage.FINISHED, None, None)
    assert made.certificate is not None
    assert made.certificate.names == ("platform.test",)
    assert made.tls_version == "TLSv1.3"
    assert 200 < made.client_hello_bytes < 1400  # one segment
    assert made.received_bytes > 500
    assert made.alert is None
    assert made.t0 <= made.connect.t <= made.t


async def test_the_server_name_is_sent_as_asked(net: LiveNet, serve: Serve, server_tls: ssl.SSLContext) -> None:
    seen: list[str | None] = []

    def note(sock: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        seen.append(name)

    server_tls.sni_callback = note
    async with serve(keep_silent, tls=server_tls) as endpoint:
        for name in ("platform.test", "neutral.test", None):
            made = await net.handshake(endpoint, server_name=name, verified_name="platform.test", deadline=5)
            assert made.verify_failure is None  # the name checked is not the name sent
    assert seen == ["platform.test", "neutral.test", None]


async def test_wrong_name(net: LiveNet, serve: Serve, server_tls: ssl.SSLContext) -> None:
    async with serve(keep_silent, tls=server_tls) as endpoint:
        made = await net.handshake(endpoint, server_name="other.test", verified_name="other.test", deadline=5)
    assert (made.stage, made.failure) == (TlsStage.FINISHED, None)
    assert made.verify_failure is Failure.SSL_INVALID_HOSTNAME
    assert made.certificate is not None


async def test_unknown_authority_keeps_the_interceptors_certificate(net: LiveNet, serve: Serve) -> None:
    stranger = server_context(trustme.CA(organization_name="Interceptor").issue_cert("platform.test"))
    async with serve(keep_silent, tls=stranger) as endpoint:
        made = await net.handshake(endpoint, server_name="platform.test", verified_name="platform.test", deadline=5)
    assert (made.stage, made.failure) == (TlsStage.FINISHED, None)
    assert made.verify_failure is Failure.SSL_UNKNOWN_AUTHORITY
    assert made.certificate is not None
    assert "Interceptor" in made.certificate.issuer


async def test_expired(net: LiveNet, serve: Serve, authority: trustme.CA) -> None:
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    expired = server_context(authority.issue_cert("platform.test", not_after=past))
    async with serve(keep_silent, tls=expired) as endpoint:
        made = await net.handshake(endpoint, server_name="platform.test", verified_name="platform.test", deadline=5)
    assert made.failure is None
    assert made.verify_failure is Failure.SSL_INVALID_CERTIFICATE
    assert made.certificate is not None
    assert made.certificate.not_after == "2020-01-01T00:00:00Z"


async def test_a_bad_certificate_then_silence_is_a_certificate_failure(net: LiveNet, serve: Serve) -> None:
    stranger = server_context(trustme.CA().issue_cert("platform.test"))
    handshakes = 0

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal handshakes
        handshakes += 1
        if handshakes == 1:
            await writer.start_tls(stranger)
        await asyncio.sleep(60)

    async with serve(once) as endpoint:
        made = await net.handshake(
            endpoint, server_name="platform.test", verified_name="platform.test", deadline=net.clock.now() + 1
        )
    assert made.stage is TlsStage.CERTIFICATE
    assert made.failure is Failure.SSL_UNKNOWN_AUTHORITY
    assert made.verify_failure is Failure.SSL_UNKNOWN_AUTHORITY
    assert made.certificate is None


async def test_unverified(net: LiveNet, serve: Serve) -> None:
    stranger = server_context(trustme.CA().issue_cert("other.test"))
    async with serve(keep_silent, tls=stranger) as endpoint:
        made = await net.handshake(endpoint, server_name="platform.test", verified_name=None, deadline=5)
    assert (made.stage, made.failure, made.verify_failure) == (TlsStage.FINISHED, None, None)
    assert made.verified_name is None
    assert made.certificate is not None


async def test_reset_after_the_hello(net: LiveNet, serve: Serve) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        reset(writer)

    async with serve(handler) as endpoint:
        made = await net.handshake(endpoint, server_name="platform.test", verified_name=None, deadline=5)
    assert (made.stage, made.failure) == (TlsStage.CLIENT_HELLO, Failure.CONNECTION_RESET)
    assert made.received_bytes == 0
    assert made.connect.failure is None


async def test_end_of_stream_after_the_hello(net: LiveNet, serve: Serve) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.close()
        await writer.wait_closed()

    async with serve(handler) as endpoint:
        made = await net.handshake(endpoint, server_name="platform.test", verified_name=None, deadline=5)
    assert (made.stage, made.failure) == (TlsStage.CLIENT_HELLO, Failure.EOF)


async def test_silence_after_the_hello(net: LiveNet, serve: Serve) -> None:
    async with serve(keep_silent) as endpoint:
        made = await net.handshake(
            endpoint, server_name="platform.test", verified_name=None, deadline=net.clock.now() + 0.3
        )
    assert (made.stage, made.failure) == (TlsStage.CLIENT_HELLO, Failure.GENERIC_TIMEOUT)
    assert made.client_hello_bytes > 200


async def test_half_a_record(net: LiveNet, serve: Serve) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(b"\x16\x03\x03\x10\x00\x02\x00\x00\x50")
        await asyncio.sleep(60)

    async with serve(handler) as endpoint:
        made = await net.handshake(
            endpoint, server_name="platform.test", verified_name=None, deadline=net.clock.now() + 0.3
        )
    assert (made.stage, made.failure) == (TlsStage.SERVER_HELLO, Failure.GENERIC_TIMEOUT)
    assert made.received_bytes == 9


@pytest.mark.parametrize(
    ("record", "name"),
    [
        (b"\x15\x03\x03\x00\x02\x02\x70", "unrecognized_name"),
        (b"\x15\x03\x01\x00\x02\x02\x28", "handshake_failure"),
        (b"\x15\x03\x03\x00\x02\x02\xfe", "alert_254"),
    ],
)
async def test_an_alert_is_named(net: LiveNet, serve: Serve, record: bytes, name: str) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        for byte in record:
            writer.write(bytes((byte,)))
            await writer.drain()
        await asyncio.sleep(60)

    async with serve(handler) as endpoint:
        made = await net.handshake(endpoint, server_name="platform.test", verified_name=None, deadline=5)
    assert made.alert == name
    assert made.failure is Failure.SSL_FAILED_HANDSHAKE
    assert made.received_bytes == len(record)


def shake_hands_twice(listener: socket.socket, context: ssl.SSLContext) -> None:
    for _ in range(2):
        accepted, _ = listener.accept()
        with accepted, contextlib.suppress(ssl.SSLError):
            context.wrap_socket(accepted, server_side=True).close()


async def test_a_server_that_refuses_the_name(net: LiveNet, server_tls: ssl.SSLContext) -> None:
    def refuse(sock: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> int | None:
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME if name != "platform.test" else None

    server_tls.sni_callback = refuse
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = asyncio.create_task(asyncio.to_thread(shake_hands_twice, listener, server_tls))
        endpoint = Endpoint(address="127.0.0.1", port=listener.getsockname()[1])
        refused = await net.handshake(endpoint, server_name="neutral.test", verified_name=None, deadline=5)
        taken = await net.handshake(endpoint, server_name="platform.test", verified_name=None, deadline=5)
        await server
    assert refused.alert == "unrecognized_name"
    assert refused.failure is Failure.SSL_FAILED_HANDSHAKE
    assert taken.failure is None
    assert taken.alert is None


async def test_an_answer_that_is_no_tls(net: LiveNet, serve: Serve) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        await asyncio.sleep(60)

    async with serve(handler) as endpoint:
        made = await net.handshake(endpoint, server_name="platform.test", verified_name=None, deadline=5)
    assert (made.stage, made.failure, made.alert) == (TlsStage.SERVER_HELLO, Failure.SSL_FAILED_HANDSHAKE, None)


async def test_an_endless_handshake_is_bounded(net: LiveNet, serve: Serve) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        while True:  # records of a handshake message that claims 16 MB
            writer.write(b"\x16\x03\x03\x40\x00" + b"\x02\xff\xff\xff" + bytes(0x4000 - 4))
            await writer.drain()

    tracemalloc.start()
    try:
        async with serve(handler) as endpoint:
            made = await net.handshake(
                endpoint, server_name="platform.test", verified_name=None, deadline=net.clock.now() + 3
            )
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert made.failure is Failure.SSL_FAILED_HANDSHAKE
    assert made.received_bytes <= 300 * 1024
    assert peak_bytes < 4 * 1024 * 1024


async def test_cancellation_leaves_no_socket(net: LiveNet, serve: Serve) -> None:
    arrived = asyncio.Event()
    left = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        while await reader.read(4096):
            pass
        left.set()

    async with serve(handler) as endpoint:
        task = asyncio.create_task(
            net.handshake(endpoint, server_name="platform.test", verified_name=None, deadline=30)
        )
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(10):
            await left.wait()


async def test_every_flow_leaves_from_another_port_and_is_counted(net: LiveNet, serve: Serve) -> None:
    async with serve(keep_silent) as endpoint:
        ports = [(await net.connect(endpoint, deadline=5)).source_port for _ in range(20)]
        assert net.meter.sent_bytes == 0
        made = await net.handshake(
            endpoint, server_name="platform.test", verified_name=None, deadline=0.2 + net.clock.now()
        )
    assert len(set(ports)) == 20
    assert net.meter.sent_bytes == made.client_hello_bytes
