"""HTTP exchanges with servers that are slow, endless, broken, or talk about our own address."""

import asyncio
import gzip
import json
import ssl
import tracemalloc
import zlib
from random import Random

import msgspec
import pytest
import trustme

from probe.failure import Failure
from probe.model.observations import HttpExchange, HttpStage
from probe.model.results import CannotRun
from probe.model.targets import Endpoint, Resolver
from probe.net.base import HttpRequest
from probe.net.live import LiveNet, Session
from tests.loopback.conftest import Handler, Serve, server_context
from tests.loopback.test_stream import free_port, keep_silent, reset

OWN_ADDRESS = "203.0.113.77"
MEBIBYTE = 1024 * 1024


def plain(endpoint: Endpoint, *, path: str = "/", host: str = "platform.test", max_bytes: int = 65_536) -> HttpRequest:
    return HttpRequest(
        url=f"http://platform.test{path}", endpoint=endpoint, server_name=None, host=host, max_bytes=max_bytes
    )


def secure(endpoint: Endpoint, *, server_name: str | None = "platform.test") -> HttpRequest:
    return HttpRequest(url="https://platform.test/", endpoint=endpoint, server_name=server_name, host="platform.test")


def answers(data: bytes) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    return handler


def page(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def fetched(net: LiveNet, serve: Serve, data: bytes, *, deadline: float = 5.0) -> HttpExchange:
    async with serve(answers(data)) as endpoint:
        return await net.fetch(plain(endpoint), deadline=deadline)


async def test_a_page(net: LiveNet, serve: Serve) -> None:
    body = "<html><head><title>\n Platform &amp; friends </title></head>ü</html>".encode()
    made = await fetched(net, serve, page(body, "Content-Type: text/html; charset=utf-8", "X-Thing: 1", "X-Thing: 2"))
    assert (made.stage, made.failure, made.status) == (HttpStage.FINISHED, None, 200)
    assert made.title == "Platform & friends"
    assert made.body == body.decode()
    assert made.body_bytes == len(body)
    assert not made.truncated
    assert made.header("x-thing") == "1"
    assert made.location is None
    assert made.t_connected is not None
    assert made.t_secured is None
    assert made.t_request is not None
    assert made.t_first_byte is not None
    assert made.t0 <= made.t_connected <= made.t_request <= made.t_first_byte <= made.t


async def test_what_is_sent(net: LiveNet, serve: Serve) -> None:
    seen: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(page(b"ok", "Set-Cookie: id=1"))
        await writer.drain()

    async with serve(handler) as endpoint:
        for _ in range(2):
            made = await net.fetch(plain(endpoint, path="/a%20b?c=%2F", host="neutral.test"), deadline=5)
            assert made.status == 200
            assert made.host == "neutral.test"
            assert made.header("set-cookie") == ""
    request = seen[1].decode()
    assert request.startswith("GET /a%20b?c=%2F HTTP/1.1\r\n")
    assert "Host: neutral.test\r\n" in request
    assert "User-Agent: throttleprobe/" in request
    assert "cookie" not in request.lower()
    assert "authorization" not in request.lower()
    assert seen[0] == seen[1]


async def test_https_with_independent_names(net: LiveNet, serve: Serve, authority: trustme.CA) -> None:
    names: list[str | None] = []
    context = server_context(authority.issue_cert("neutral.test", "platform.test"))

    def note(sock: ssl.SSLObject, name: str | None, own: ssl.SSLContext) -> None:
        names.append(name)

    context.sni_callback = note
    async with serve(answers(page(b"secret")), tls=context) as endpoint:
        for name in ("platform.test", "neutral.test", None):
            made = await net.fetch(secure(endpoint, server_name=name), deadline=5)
            assert (made.stage, made.failure, made.verify_failure) == (HttpStage.FINISHED, None, None)
            assert made.body == "secret"
            assert made.t_secured is not None
    assert names == ["platform.test", "neutral.test", None]


@pytest.mark.parametrize(
    ("name", "is_trusted", "failure"),
    [
        ("platform.test", False, Failure.SSL_UNKNOWN_AUTHORITY),
        ("other.test", True, Failure.SSL_INVALID_HOSTNAME),
    ],
)
async def test_nothing_is_sent_over_a_bad_certificate(
    net: LiveNet, serve: Serve, authority: trustme.CA, name: str, is_trusted: bool, failure: Failure
) -> None:
    received = bytearray()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.extend(await reader.read())

    context = server_context((authority if is_trusted else trustme.CA()).issue_cert(name))
    async with serve(handler, tls=context) as endpoint:
        made = await net.fetch(secure(endpoint), deadline=5)
    assert (made.stage, made.failure, made.verify_failure) == (HttpStage.TLS, failure, failure)
    assert made.t_request is None
    assert not received


async def test_stages_of_failure_before_the_request(net: LiveNet, serve: Serve) -> None:
    async def at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        reset(writer)

    async def farewell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.close()
        await writer.wait_closed()

    made = await net.fetch(plain(Endpoint(address="127.0.0.1", port=free_port())), deadline=5)
    assert (made.stage, made.failure) == (HttpStage.CONNECT, Failure.CONNECTION_REFUSED)
    async with serve(at_once) as endpoint:
        made = await net.fetch(secure(endpoint), deadline=5)
    assert (made.stage, made.failure) == (HttpStage.TLS, Failure.CONNECTION_RESET)
    async with serve(farewell) as endpoint:
        made = await net.fetch(secure(endpoint), deadline=5)
    assert (made.stage, made.failure) == (HttpStage.TLS, Failure.EOF)
    async with serve(keep_silent) as endpoint:
        made = await net.fetch(secure(endpoint), deadline=net.clock.now() + 0.3)
    assert (made.stage, made.failure) == (HttpStage.TLS, Failure.GENERIC_TIMEOUT)
    assert made.t_connected is not None


async def test_reset_after_the_request_is_not_tried_again(net: LiveNet, serve: Serve) -> None:
    requests = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await reader.readuntil(b"\r\n\r\n")
        requests += 1
        reset(writer)

    async with serve(handler) as endpoint:
        made = await net.fetch(plain(endpoint), deadline=5)
    assert (made.stage, made.failure) == (HttpStage.REQUEST, Failure.CONNECTION_RESET)
    assert requests == 1


async def test_end_after_the_request(net: LiveNet, serve: Serve) -> None:
    requests = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await reader.readuntil(b"\r\n\r\n")
        requests += 1
        writer.close()
        await writer.wait_closed()

    async with serve(handler) as endpoint:
        made = await net.fetch(plain(endpoint), deadline=5)
    assert (made.stage, made.failure) == (HttpStage.REQUEST, Failure.EOF)
    assert requests == 1


async def test_silence_after_the_request(net: LiveNet, serve: Serve) -> None:
    async with serve(keep_silent) as endpoint:
        made = await net.fetch(plain(endpoint), deadline=net.clock.now() + 0.3)
    assert (made.stage, made.failure) == (HttpStage.REQUEST, Failure.GENERIC_TIMEOUT)


async def test_half_a_head(net: LiveNet, serve: Serve) -> None:
    made = await fetched(net, serve, b"HTTP/1.1 200 OK\r\nServer: x")
    assert (made.stage, made.failure, made.status) == (HttpStage.HEADERS, Failure.EOF, None)


async def test_what_came_of_a_body_is_kept(net: LiveNet, serve: Serve) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nso far so good")
        await writer.drain()
        await asyncio.sleep(0.1)
        reset(writer)

    async with serve(handler) as endpoint:
        made = await net.fetch(plain(endpoint), deadline=5)
    assert (made.stage, made.failure, made.status) == (HttpStage.BODY, Failure.CONNECTION_RESET, 200)
    assert made.body == "so far so "  # the last word may be half of one
    assert made.body_bytes == len(b"so far so good")


async def test_a_body_cut_short(net: LiveNet, serve: Serve) -> None:
    made = await fetched(net, serve, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort of that")
    assert (made.stage, made.failure) == (HttpStage.BODY, Failure.EOF)
    assert made.body == "short of "


async def test_a_slow_body_ends_at_the_deadline(net: LiveNet, serve: Serve) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x ")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with serve(handler) as endpoint:
        made = await net.fetch(plain(endpoint), deadline=net.clock.now() + 0.4)
    assert (made.stage, made.failure, made.status) == (HttpStage.BODY, Failure.GENERIC_TIMEOUT, 200)
    assert 0 < made.body_bytes < 100


async def test_slow_headers_end_at_the_deadline(net: LiveNet, serve: Serve) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X: y\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with serve(handler) as endpoint:
        made = await net.fetch(plain(endpoint), deadline=net.clock.now() + 0.4)
    assert (made.stage, made.failure, made.status) == (HttpStage.HEADERS, Failure.GENERIC_TIMEOUT, None)


ENDLESS = {
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X-Filler: yyyyyyyyyyyyyyyyyyyy\r\n" * 512),
    "one header": (b"HTTP/1.1 200 OK\r\nX: ", b"y" * 16_384),
    "status line": (b"HTTP/1.1 200 ", b"y" * 16_384),
    "early hints": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 512),
    "garbage": (b"", b"\x00\xff\r\n" * 4096),
}


@pytest.mark.parametrize("kind", ENDLESS)
async def test_an_endless_head_is_bounded(net: LiveNet, serve: Serve, kind: str) -> None:
    start, filler = ENDLESS[kind]

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(start)
        while True:
            writer.write(filler)
            await writer.drain()

    tracemalloc.start()
    try:
        async with serve(handler) as endpoint:
            made = await net.fetch(plain(endpoint), deadline=net.clock.now() + 4)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (made.stage, made.failure, made.status) == (HttpStage.HEADERS, Failure.HTTP_REQUEST_FAILED, None)
    assert peak_bytes < 8 * MEBIBYTE


@pytest.mark.parametrize("framing", ["Content-Length: 1000000000", "Connection: close", "Transfer-Encoding: chunked"])
async def test_an_endless_body_is_cut(net: LiveNet, serve: Serve, framing: str) -> None:
    filler = b"4000\r\n" + b"y " * 0x2000 + b"\r\n" if "chunked" in framing else b"y " * 0x2000

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode())
        while True:
            writer.write(filler)
            await writer.drain()

    tracemalloc.start()
    try:
        async with serve(handler) as endpoint:
            made = await net.fetch(plain(endpoint), deadline=5)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (made.stage, made.failure, made.truncated) == (HttpStage.FINISHED, None, True)
    assert made.body_bytes == 65_536
    assert 16_000 < len(made.body) <= 16_384
    assert peak_bytes < 8 * MEBIBYTE


@pytest.mark.parametrize("coding", ["gzip", "deflate", "bare"])
async def test_a_compressed_page(net: LiveNet, serve: Serve, coding: str) -> None:
    text = b"<title>small</title>"
    bare = zlib.compressobj(wbits=-15)
    body = {"gzip": gzip.compress(text), "deflate": zlib.compress(text), "bare": bare.compress(text) + bare.flush()}
    name = "gzip" if coding == "gzip" else "deflate"
    made = await fetched(net, serve, page(body[coding], f"Content-Encoding: {name}"))
    assert made.title == "small"
    assert made.body == text.decode()
    assert made.body_bytes == len(body[coding])


async def test_a_gzip_bomb(net: LiveNet, serve: Serve) -> None:
    bomb = gzip.compress(bytes(50 * MEBIBYTE))
    tracemalloc.start()
    try:
        made = await fetched(net, serve, page(bomb, "Content-Encoding: gzip"))
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert made.failure is None
    assert len(made.body.encode()) <= 16_384
    assert peak_bytes < 8 * MEBIBYTE


async def test_what_cannot_be_read_is_not_kept(net: LiveNet, serve: Serve) -> None:
    body = f"your address is {OWN_ADDRESS}".encode()
    for header in ("Content-Encoding: br", "Content-Encoding: gzip, gzip", "Content-Type: application/octet-stream"):
        made = await fetched(net, serve, page(body, header), deadline=net.clock.now() + 5)
        assert made.body == ""
        assert made.body_bytes == len(body)


@pytest.mark.parametrize(
    ("charset", "coding"),
    [
        ("windows-1251", "cp1251"),
        ("UTF-16", "utf-16"),
        ("iso-8859-99", "utf-8"),
        ("punycode", "utf-8"),
        ("unicode_escape", "utf-8"),
        ("x" * 200, "utf-8"),
    ],
)
async def test_character_sets(net: LiveNet, serve: Serve, charset: str, coding: str) -> None:
    text = f"<title>Доступ ограничен</title> {OWN_ADDRESS}"
    for body, header in (
        (text.encode(coding), f"Content-Type: text/html; charset={charset}"),
        (
            f"<meta charset={charset}>".encode("latin-1") + text.encode("utf-8" if coding == "utf-16" else coding),
            "X: y",
        ),
    ):
        made = await fetched(net, serve, page(body, header), deadline=net.clock.now() + 5)
        assert OWN_ADDRESS not in made.body
        assert coding == "utf-16" or made.title == "Доступ ограничен"


async def test_a_redirect(net: LiveNet, serve: Serve) -> None:
    made = await fetched(net, serve, page(b"", "Location: /next?a=b", status="302 Found"))
    assert (made.status, made.failure) == (302, None)
    assert made.location == "http://platform.test/next?a=b"


@pytest.mark.parametrize(
    "location", ["http://", "http:///x", "https://[::1", "ftp://platform.test/", "http://a..b/", "http://x:99999/"]
)
async def test_a_redirect_to_nowhere(net: LiveNet, serve: Serve, location: str) -> None:
    made = await fetched(net, serve, page(b"", f"Location: {location}", status="302 Found"))
    assert (made.stage, made.status, made.location) == (HttpStage.FINISHED, 302, None)
    assert made.failure is None  # the server's mistake, not the network's


@pytest.mark.parametrize(
    ("location", "kept"),
    [
        (f"http://{OWN_ADDRESS}/block", "http://scrubbed.invalid/block"),
        ("http://[2001:db8::7]:8080/block", "http://scrubbed.invalid:8080/block"),
        ("http://203-0-113-77.isp.test/", "http://scrubbed.invalid/"),
        ("http://3405803853/", "http://scrubbed.invalid/"),
        (f"/block?ip={OWN_ADDRESS}&x=1", "http://platform.test/block?ip=[scrubbed]&x=1"),
        ("http://127.0.0.1/next", "http://127.0.0.1/next"),
        ("http://bücher.test/", "http://xn--bcher-kva.test/"),
        ("http://user:pass@portal.test/", "http://portal.test/"),
    ],
)
async def test_addresses_in_redirects(net: LiveNet, serve: Serve, location: str, kept: str) -> None:
    made = await fetched(net, serve, page(b"", f"Location: {location}", status="302 Found"))
    assert made.location == kept


async def test_no_planted_address_reaches_the_evidence(net: LiveNet, serve: Serve) -> None:
    notations = (
        OWN_ADDRESS,
        "203.000.113.077",
        "203%2E0%2E113%2E77",
        "203&#46;0&#46;113&#46;77",
        "203-0-113-77",
        "77.113.0.203.in-addr.arpa",
        "3405803853",
        "0xCB00714D",
        "2001:db8:0:0:0:0:0:77",
        "2001:DB8::77",
    )
    listed = " ".join(notations)
    body = f"<title>{listed}</title><p>{listed}</p>{json.dumps(listed)}".encode()
    headers = (
        f"X-Client-Ip: {listed}",
        f"Set-Cookie: ip={OWN_ADDRESS}",
        f"X-{OWN_ADDRESS}: 1",
        f"Location: /?{OWN_ADDRESS}",
    )
    made = await fetched(net, serve, page(body, *headers, status="302 Found"))
    record = msgspec.json.encode(made).decode()
    for notation in notations:
        assert notation not in record
    assert "203.0" not in record
    assert "127.0.0.1" in record  # the endpoint dialled


async def test_an_address_cut_in_two_is_not_kept(net: LiveNet, serve: Serve) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nYou are 203.0.113")
        await writer.drain()
        await asyncio.sleep(60)

    async with serve(handler) as endpoint:
        made = await net.fetch(plain(endpoint), deadline=net.clock.now() + 0.5)
    assert made.body == "You are "


async def test_the_digest_is_over_the_scrubbed_text(net: LiveNet, serve: Serve) -> None:
    one = await fetched(net, serve, page(b"you: 203.0.113.77"))
    other = await fetched(net, serve, page(b"you: 198.51.100.5"))
    assert one.body_sha256 == other.body_sha256


async def test_an_answer_that_is_no_http(net: LiveNet, serve: Serve) -> None:
    made = await fetched(net, serve, b"SSH-2.0-OpenSSH_9.2 at 203.0.113.77\r\nrest\r\n")
    assert (made.stage, made.failure) == (HttpStage.HEADERS, Failure.HTTP_REQUEST_FAILED)
    assert "SSH-2.0" in made.body
    assert OWN_ADDRESS not in made.body


async def test_a_cookie_in_half_a_head(net: LiveNet, serve: Serve) -> None:
    made = await fetched(net, serve, b"HTTP/1.1 200 OK\r\nSet-Cookie: secret=1\r\nServer: x")
    assert "secret" not in made.body


async def test_damaged_answers_never_raise(net: LiveNet, serve: Serve) -> None:
    random = Random(7)
    whole = page(b"<title>x</title>", "Content-Type: text/html", "Transfer-Encoding: chunked", "Set-Cookie: a=b; c")
    damaged: list[bytes] = []
    for _ in range(200):
        data = bytearray(whole)
        for _ in range(random.randint(1, 6)):
            place = random.randrange(len(data))
            data[place : place + random.randint(0, 3)] = random.randbytes(random.randint(0, 3))
        damaged.append(bytes(data))
    waiting = iter(damaged)

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answers(next(waiting))(reader, writer)

    async with serve(handler) as endpoint:
        for _ in damaged:
            made = await net.fetch(plain(endpoint), deadline=net.clock.now() + 5)
            assert made.failure is not Failure.GENERIC_TIMEOUT


async def test_a_wait_at_the_gate_is_not_the_networks_silence(net: LiveNet, serve: Serve) -> None:
    """Two silent handshakes hold the gate for longer than the third request was given; that one still gets its time."""
    accepted = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        if accepted <= 2:
            await asyncio.sleep(60)
        await answers(page(b"late but fine"))(reader, writer)

    async with serve(handler) as endpoint:
        silent = [asyncio.create_task(net.fetch(secure(endpoint), deadline=net.clock.now() + 1.2)) for _ in range(2)]
        await asyncio.sleep(0.1)
        asked_at = net.clock.now()
        made = await net.fetch(plain(endpoint), deadline=asked_at + 0.8)
        assert {(await task).failure for task in silent} == {Failure.GENERIC_TIMEOUT}
    assert made.failure is None
    assert made.t0 - asked_at > 0.8


async def test_no_time_is_not_a_silence(net: LiveNet) -> None:
    """Nothing was sent, so no time-out may be recorded."""
    endpoint = Endpoint(address="127.0.0.1", port=1)
    resolver = Resolver(name="control", url="https://platform.test/dns-query", address="127.0.0.1")
    attempts = (
        net.connect(endpoint, deadline=-1),
        net.handshake(endpoint, server_name=None, verified_name=None, deadline=-1),
        net.fetch(plain(endpoint), deadline=-1),
        net.resolve("platform.test", deadline=-1),
        net.query_udp("127.0.0.1", "platform.test", "A", deadline=-1),
        net.query_encrypted(resolver, "platform.test", "A", deadline=-1),
    )
    for attempt in attempts:
        with pytest.raises(CannotRun):
            await attempt


async def test_a_url_that_cannot_be_asked_for(net: LiveNet) -> None:
    endpoint = Endpoint(address="127.0.0.1", port=1)
    for url in ("ftp://platform.test/", "http://[x/", "nonsense"):
        made = await net.fetch(
            HttpRequest(url=url, endpoint=endpoint, server_name=None, host="platform.test"), deadline=5
        )
        assert (made.stage, made.failure) == (HttpStage.CONNECT, Failure.HTTP_REQUEST_FAILED)


async def test_bytes_are_counted_for_measurement_and_run(session: Session, serve: Serve) -> None:
    one, other = session.measurement(), session.measurement()
    async with serve(answers(page(b"x" * 1000))) as endpoint:
        await one.fetch(plain(endpoint), deadline=5)
        await other.fetch(plain(endpoint), deadline=5)
    assert one.meter.received_bytes == other.meter.received_bytes > 1000
    assert one.meter.sent_bytes > 100
    assert session.meter.received_bytes == 2 * one.meter.received_bytes


async def test_cancellation_closes_the_connection(net: LiveNet, serve: Serve) -> None:
    arrived, left = asyncio.Event(), asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.set()
        await reader.read()
        left.set()

    async with serve(handler) as endpoint:
        task = asyncio.create_task(net.fetch(plain(endpoint), deadline=30))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(10):
            await left.wait()
