"""Servers and paths that want to hang us, fill our memory or use up a person's data: every check still ends in time."""

import asyncio
import gzip
import ssl
import struct
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.message
import pytest
import trustme

from probe.budget import RunBudget, TargetBudget
from probe.checks import dns as dns_check
from probe.checks import goodput, http, reach, tls
from probe.checks.context import Context, Step
from probe.checks.redirects import Unfollowed
from probe.failure import Failure
from probe.model.observations import Direction, DnsQuery, DnsReply, Engine
from probe.model.results import AttemptStatus, CannotRun, NetworkState, State
from probe.model.targets import Controls, Endpoint, Media, MediaUrl, Resolver, Target
from probe.net import getaddrinfo
from probe.net.dns_messages import read_answer
from probe.net.getaddrinfo import Resolved
from probe.net.meter import MAX_RECEIVED_BYTES, Meter
from probe.net.trust import Trust
from probe.registry import BY_NAME
from probe.runner import GRACE_SECONDS
from probe.verdict import goodput as goodput_verdict
from tests.loopback.conftest import Handler, Serve, server_context
from tests.loopback.media_client import Client
from tests.loopback.media_server import Peer, media_server
from tests.loopback.stage import (
    CONTROL_ADDRESS,
    MEDIA_NAME,
    RESOLVER_NAME,
    TARGET_ADDRESS,
    TARGET_NAME,
    StagedNet,
    StagedSession,
    honest,
    small_internet,
    staged_run,
)
from tests.loopback.test_dns import Replies, resolver
from tests.loopback.test_pages import answers, page
from tests.loopback.test_stream import keep_silent

SECONDS = 0.8  # of a check here; its real deadlines are longer, and kept in the same way
MAX_MEMORY_BYTES = 30 * 1024 * 1024
MEBIBYTE = 1024 * 1024
NEUTRAL = ("neutral.test", "plain.test")


@pytest.fixture
def staged(trust: Trust) -> StagedSession:
    return StagedSession(trust, Meter())


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getaddrinfo, "ask", lambda _: Resolved(addresses=(TARGET_ADDRESS,), canonical_name=""))


@contextmanager
def bounded_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < MAX_MEMORY_BYTES


def vouched(hostname: str) -> dns_check.Evidence:
    reply = DnsReply(t=0.0, source=CONTROL_ADDRESS, rcode="NOERROR", addresses=(TARGET_ADDRESS,))
    query = DnsQuery(
        engine=Engine.DOH,
        resolver="doh",
        resolver_address=CONTROL_ADDRESS,
        hostname=hostname,
        query_type="A",
        t0=0.0,
        t=0.0,
        replies=(reply,),
        failure=None,
        transaction_id=1,
    )
    return dns_check.Evidence(
        hostname=hostname, system=(), control=(query,), decoy=(), handshakes=(), control_handshakes=()
    )


def context(
    net: StagedNet,
    subject: str,
    *,
    media: Media = Media(),  # noqa: B008 - frozen
    resolvers: tuple[Resolver, ...] = (),
    enough: Callable[[Any], Step] = lambda _: Step.DONE,
    seconds: float = SECONDS,
) -> Context[Any]:
    return Context(
        target=Target(id="target", name="Target", sites=(f"http://{TARGET_NAME}/",), media=media),
        input=subject,
        net=net,
        controls=Controls(resolvers=resolvers, names=NEUTRAL, sites=(), media=()),
        control_sites=(),
        budget=TargetBudget(run=RunBudget(meter=net.meter, max_bytes=4_000_000), meter=net.meter),
        deadline=net.clock.now() + seconds,
        enough=enough,
        prior={"dns": vouched(TARGET_NAME), f"dns {MEDIA_NAME}": vouched(MEDIA_NAME)},
        known_blockpages={},
    )


async def in_time(evidence: Awaitable[Any], seconds: float = SECONDS) -> Any:
    """What the check found, None where it says that no time was left; one that the runner would have to end fails."""
    async with asyncio.timeout(seconds + GRACE_SECONDS):
        try:
            return await evidence
        except CannotRun:
            return None


def sends(head: bytes, piece: bytes, *, pause_seconds: float = 0.0, read: bool = True) -> Handler:
    """`head`, and then `piece` for ever."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if read:
            await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_seconds)

    return handler


def redirects(location: Callable[[int], str]) -> Handler:
    count = iter(range(1000))

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(page(b"", f"Location: {location(next(count))}", status="302 Found"))
        await writer.drain()

    return handler


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
PAGES: dict[str, Handler] = {
    "endless headers": sends(OK, b"X-A: b\r\n" * 1000),
    "10 MB header line": sends(OK + b"X: ", b"y" * 10 * MEBIBYTE),
    "headers, a byte at a time": sends(OK, b"x", pause_seconds=0.05),
    "endless body": sends(OK + b"\r\n", b"x" * 65_536),
    "1 GB announced": sends(OK + b"Content-Length: 1073741824\r\n\r\n", b"x" * 65_536),
    "gzip bomb": answers(page(gzip.compress(bytes(50 * MEBIBYTE)), "Content-Encoding: gzip")),
    "HTTP/0.9": sends(b"<title>hello</title>", b"and more\n" * 100),
    "1xx for ever": sends(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
    "103 for ever": sends(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 50),
    "absurd chunk": sends(CHUNKED + b"FFFFFFFFFFFFFFFFF\r\n", b"x" * 1000),
    "huge chunk": sends(CHUNKED + b"7FFFFFFFFFFFFFFF\r\n", b"x" * 65_536),
    "chunk extensions": sends(CHUNKED, b"1;" + b"e" * 7000 + b"\r\nx\r\n"),
    "empty lines": sends(b"", b"\r\n" * 1000),
    "silence": keep_silent,
    "redirect loop": redirects(lambda _: f"http://{TARGET_NAME}/"),
    "redirect chain": redirects(lambda n: f"/{n}"),
}


@pytest.mark.parametrize("kind", PAGES)
async def test_a_page_ends_in_time(staged: StagedSession, serve: Serve, kind: str) -> None:
    async with serve(PAGES[kind], host=TARGET_ADDRESS) as door, staged:
        staged.doors[TARGET_ADDRESS, 80] = door.port
        net = staged.measurement()
        with bounded_memory():
            found = await in_time(http.gather(context(net, f"http://{TARGET_NAME}/")))
    assert isinstance(found, http.Evidence)
    assert BY_NAME["http"].judge(found).state in (State.INCONCLUSIVE, State.OK)
    assert net.meter.total < 2 * MAX_RECEIVED_BYTES


async def test_a_long_chain_of_redirects_ends(staged: StagedSession, serve: Serve) -> None:
    async with serve(redirects(lambda n: f"/{n}"), host=TARGET_ADDRESS) as door, staged:
        staged.doors[TARGET_ADDRESS, 80] = door.port
        found = await http.gather(context(staged.measurement(), f"http://{TARGET_NAME}/", seconds=30.0))
    assert len(found.plain) == 11
    assert found.plain[-1].problem == Unfollowed.TOO_MANY


def record(kind: int, body: bytes) -> bytes:
    return struct.pack(">BHH", kind, 0x0303, len(body)) + body


HANDSHAKES: dict[str, Handler] = {
    "half a record": sends(record(22, bytes(100))[:20], b"", pause_seconds=1.0, read=False),
    "garbage": sends(b"", b"\xde\xad\xbe\xef" * 1000, read=False),
    "plain HTTP": sends(OK + b"\r\n", b"x" * 1000, read=False),
    "empty records": sends(b"", record(22, b"") * 500, read=False),
    "a handshake without end": sends(record(22, b"\x02\xff\xff\xff"), record(22, bytes(16_384)), read=False),
    "warnings for ever": sends(b"", record(21, b"\x01\x5a") * 500, read=False),
    "a byte at a time": sends(record(22, b"\x02\x00\x00\x50")[:5], b"\x02", pause_seconds=0.05, read=False),
    "silence": keep_silent,
}


@pytest.mark.parametrize("kind", HANDSHAKES)
async def test_a_handshake_ends_in_time(staged: StagedSession, serve: Serve, kind: str) -> None:
    async with serve(HANDSHAKES[kind], host=TARGET_ADDRESS) as door, staged:
        staged.doors[TARGET_ADDRESS, 443] = door.port
        net = staged.measurement()
        with bounded_memory():
            found = await in_time(tls.gather(context(net, TARGET_NAME)))
            page_found = await in_time(http.gather(context(net, f"https://{TARGET_NAME}/")))
            connected = await in_time(reach.gather(context(net, TARGET_NAME)))
    assert found.target[0].failure is not None
    for check, evidence in (("tls", found), ("http", page_found), ("reach", connected)):
        assert BY_NAME[check].judge(evidence).state not in (State.BLOCKED, State.THROTTLED)
    assert net.meter.total < 2 * MAX_RECEIVED_BYTES


async def test_a_certificate_chain_of_a_megabyte(
    staged: StagedSession, serve: Serve, authority: trustme.CA, tmp_path: Path
) -> None:
    leaf = authority.issue_cert(TARGET_NAME)
    own = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    chain = tmp_path / "chain.pem"
    count = MEBIBYTE // len(ssl.PEM_cert_to_DER_cert(authority.cert_pem.bytes().decode()))
    chain.write_bytes(leaf.private_key_pem.bytes() + own + authority.cert_pem.bytes() * count)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    await asyncio.to_thread(server.load_cert_chain, chain)
    async with serve(keep_silent, host=TARGET_ADDRESS, tls=server) as door, staged:
        staged.doors[TARGET_ADDRESS, 443] = door.port
        net = staged.measurement()
        with bounded_memory():
            found = await in_time(tls.gather(context(net, TARGET_NAME)))
    assert found.target[0].failure is not None
    assert BY_NAME["tls"].judge(found).state not in (State.BLOCKED, State.THROTTLED)


# Resolvers


def question_of(wire: bytes) -> bytes:
    return wire[12 : wire.index(b"\x00", 12) + 5]


def header(wire: bytes, records: int) -> bytes:
    return wire[:2] + struct.pack(">HHHHH", 0x8180, 1, records, 0, 0)


def pointing_at_itself(wire: bytes) -> bytes:
    question = question_of(wire)
    here = struct.pack(">H", 0xC000 | (12 + len(question)))
    return header(wire, 1) + question + here + struct.pack(">HHIH", 1, 1, 0, 4) + bytes(4)


def costly(wire: bytes, size: int) -> bytes:
    """A valid answer of up to `size` bytes whose every record points at names of 126 labels."""
    question = question_of(wire)
    deep = b"\x01a" * 126 + b"\x00"
    name = struct.pack(">H", 0xC000 | (12 + len(question)))
    first = deep + struct.pack(">HHIH", 1, 1, 0, 4) + bytes(4)
    one = name + struct.pack(">HHIH", 6, 1, 0, 24) + name * 2 + bytes(20)
    count = (size - 12 - len(question) - len(first)) // len(one)
    return header(wire, count + 1) + question + first + one * count


OVER_UDP: dict[str, Replies] = {
    "garbage": lambda _: [(0.0, bytes(range(200)))] * 40,
    "pointer loops": lambda wire: [(0.0, pointing_at_itself(wire))] * 40,
    "costly names": lambda wire: [(0.0, costly(wire, 4096))] * 40,
    "60 KB of costly names": lambda wire: [(0.0, costly(wire, 60_000))] * 40,
    "more records than bytes": lambda wire: [(0.0, header(wire, 65_535) + question_of(wire))] * 40,
    "silence": lambda _: [],
}


@pytest.mark.parametrize("kind", OVER_UDP)
async def test_a_question_over_udp_ends_in_time(staged: StagedSession, kind: str) -> None:
    async with resolver(OVER_UDP[kind]) as (port, _), staged:
        staged.doors[CONTROL_ADDRESS, 53] = port
        with bounded_memory():
            found = await in_time(dns_check.gather(context(staged.measurement(), TARGET_NAME)))
    assert found is None or BY_NAME["dns"].judge(found).state is State.INCONCLUSIVE


OVER_HTTPS: dict[str, Handler] = {
    "64 KB": answers(page(bytes(65_535), "Content-Type: application/dns-message")),
    "endless body": sends(OK + b"\r\n", b"x" * 65_536),
    "endless headers": sends(OK, b"X-A: b\r\n" * 1000),
    "a byte at a time": sends(OK + b"\r\n", b"x", pause_seconds=0.05),
    "1xx for ever": sends(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
    "silence": keep_silent,
}


@pytest.mark.parametrize("kind", OVER_HTTPS)
async def test_a_question_over_https_ends_in_time(
    staged: StagedSession, serve: Serve, authority: trustme.CA, kind: str
) -> None:
    server = server_context(authority.issue_cert(RESOLVER_NAME))
    async with (
        serve(OVER_HTTPS[kind], tls=server) as door,
        resolver(lambda wire: [(0.0, honest(wire))]) as (port, _),
        staged,
    ):
        staged.doors[CONTROL_ADDRESS, 53] = port
        control = Resolver(name="doh", url=f"https://{RESOLVER_NAME}:{door.port}/dns-query", address=CONTROL_ADDRESS)
        with bounded_memory():
            found = await in_time(dns_check.gather(context(staged.measurement(), TARGET_NAME, resolvers=(control,))))
    if found is not None:
        assert all(query.failure is not None for query in found.control)
        assert BY_NAME["dns"].judge(found).state not in (State.BLOCKED, State.DOWN)
    assert staged.meter.total < 8 * MAX_RECEIVED_BYTES


def test_reading_an_answer_costs_little_whatever_its_size() -> None:
    """Only what can hold an answer is read, and of that only addresses and aliases."""
    query = dns.message.make_query("platform.test", "A", id=7).to_wire()
    for size in (1000, 4096, 65_000):
        answer = read_answer(costly(query, size), "platform.test", "A", 7)
        assert answer.addresses == ()
        assert answer.malformed is (size > 4096)


# Media


async def never_read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.sleep(60)


MEDIA: dict[str, Handler] = {
    "1 GB": sends(OK + b"Content-Length: 1073741824\r\n\r\n", b"x" * 65_536),
    "a byte a moment": sends(OK + b"Content-Length: 1000000\r\n\r\n", b"x", pause_seconds=0.05),
    "endless headers": sends(OK, b"X-A: b\r\n" * 1000),
    "1xx for ever": sends(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
    "answers before the request": sends(OK + b"\r\n", b"x" * 65_536, read=False),
    "never reads": never_read,
    "silence": keep_silent,
}


@pytest.mark.parametrize("over_tls", [True, False])
@pytest.mark.parametrize("kind", MEDIA)
async def test_a_medium_ends_in_time_and_costs_no_more_than_its_budget(
    staged: StagedSession, serve: Serve, authority: trustme.CA, kind: str, over_tls: bool
) -> None:
    server = server_context(authority.issue_cert(MEDIA_NAME)) if over_tls else None
    url = (MediaUrl(url=f"{'https' if over_tls else 'http'}://{MEDIA_NAME}/{{bytes}}"),)
    async with serve(MEDIA[kind], host=TARGET_ADDRESS, tls=server) as door, staged:
        staged.doors[TARGET_ADDRESS, 443 if over_tls else 80] = door.port
        net = staged.measurement()
        subject = context(
            net, "target", media=Media(download=url, upload=url), enough=goodput_verdict.enough, seconds=3.0
        )
        with bounded_memory():
            found = await in_time(goodput.gather(subject), 3.0)
    if found is not None:
        assert goodput_verdict.judge(found).state is not State.BLOCKED
        assert goodput_verdict.judge(found).state is not State.THROTTLED
    assert net.meter.total < 4_000_000 + MAX_RECEIVED_BYTES


async def test_an_upload_to_a_server_that_only_talks_is_ended(trust: Trust, authority: trustme.CA) -> None:
    async def talk(peer: Peer) -> None:
        await peer.shake()
        await peer.send(OK + b"\r\n")
        while True:
            await peer.send(b"x" * 65_536)

    client = Client(trust)
    async with media_server(
        server_context(authority.issue_cert("media.test")), talk, receive_buffer_bytes=4096
    ) as port:
        made = await client.run(Direction.UPLOAD, port, 4 * MEBIBYTE)
    assert made.failure is Failure.HTTP_REQUEST_FAILED
    assert not made.cut
    assert not made.complete
    assert client.meter.received_bytes < 8 * MEBIBYTE  # what the kernel's own buffer takes is counted too


# Whole runs


@pytest.mark.parametrize(
    ("plain", "secure", "raw"),
    [
        (PAGES["endless body"], PAGES["chunk extensions"], False),
        (PAGES["endless headers"], HANDSHAKES["empty records"], True),
        (keep_silent, keep_silent, True),
    ],
)
async def test_the_report_of_a_hostile_run_has_every_target(
    staged: StagedSession,
    serve: Serve,
    authority: trustme.CA,
    monkeypatch: pytest.MonkeyPatch,
    plain: Handler,
    secure: Handler,
    raw: bool,
) -> None:
    async with small_internet(
        staged,
        serve,
        authority,
        monkeypatch,
        plain=plain,
        secure=secure,
        raw_secure=raw,
        control=answers(page(b"fine")),
    ) as controls:
        target = Target(id="target", name="Target", sites=(f"https://{TARGET_NAME}/",))
        checks = ("dns", "reach", "tls", "http")
        runner, sink, _ = staged_run(staged, controls, target, checks=checks, max_seconds=5.0)
        async with staged:
            with bounded_memory():
                report = await in_time(runner.run(asyncio.Event(), "run"), 5.0)
        await asyncio.to_thread(sink.close)
    assert report.network.state is NetworkState.OK
    assert [t.id for t in report.targets] == ["target"]
    assert report.targets[0].verdict.state not in (State.THROTTLED, State.OK, State.DOWN)
    measured = {m.check: m.attempt for m in report.targets[0].measurements}
    assert set(measured) == set(checks)
    assert measured["dns"].status is AttemptStatus.COMPLETED
    assert not [m for m in measured.values() if m.problem is not None and m.problem.reason.value == "bug"]


# Redirects into the person's own network


async def test_no_redirect_makes_us_dial_the_persons_own_network(
    staged: StagedSession, serve: Serve, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line's resolver, a router, is a known address: a redirect to it is not scrubbed, nor is it dialled."""
    dialled: list[Endpoint] = []

    async def connect(net: StagedNet, endpoint: Endpoint, *, deadline: float) -> Any:
        dialled.append(endpoint)
        return await original(net, endpoint, deadline=deadline)

    original = StagedNet.connect
    monkeypatch.setattr(StagedNet, "connect", connect)
    staged.known.add("192.168.77.1")
    everywhere = redirects(lambda n: ("http://192.168.77.1/reboot", "http://203.0.113.9/x")[n % 2])
    async with small_internet(
        staged, serve, authority, monkeypatch, plain=everywhere, secure=everywhere, control=answers(page(b"fine"))
    ) as controls:
        target = Target(id="target", name="Target", sites=(f"https://{TARGET_NAME}/",))
        runner, sink, _ = staged_run(staged, controls, target, checks=("dns", "reach", "tls", "http"), max_seconds=20.0)
        async with staged:
            report = await runner.run(asyncio.Event(), "run")
        await asyncio.to_thread(sink.close)
    assert {e.address for e in dialled} <= {TARGET_ADDRESS, CONTROL_ADDRESS}
    assert {m.input for m in report.targets[0].measurements if m.check != "http"} == {TARGET_NAME}
    assert report.targets[0].verdict.state is not State.DOWN
