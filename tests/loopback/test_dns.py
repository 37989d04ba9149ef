"""Resolvers that answer, lie, answer twice, answer from elsewhere, send garbage or nothing."""

import asyncio
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from aiohttp import web

from probe.failure import Failure
from probe.model.observations import DnsQuery, Engine
from probe.model.results import CannotRun
from probe.model.targets import Resolver
from probe.net import getaddrinfo
from probe.net.dns import query_udp, system_servers
from probe.net.dns_https import EncryptedResolvers
from probe.net.getaddrinfo import AddressLookups, Resolved
from probe.net.instruments import Instruments
from probe.net.live import LiveNet
from tests.loopback.conftest import Serve
from tests.loopback.test_stream import free_port, keep_silent

NAME = "platform.test"
TRUE = "198.51.100.10"
FORGED = "192.0.2.66"
Replies = Callable[[bytes], Iterable[tuple[float, bytes]]]


def answer(wire: bytes, *records: str, rcode: dns.rcode.Rcode = dns.rcode.NOERROR, flags: int = 0) -> bytes:
    response = dns.message.make_response(dns.message.from_wire(wire), recursion_available=True)
    response.set_rcode(rcode)
    response.flags |= flags
    for record in records:
        response.answer.append(dns.rrset.from_text_list(*_parts(record)))
    return response.to_wire()


def _parts(record: str) -> tuple[str, int, str, str, list[str]]:
    name, kind, value = record.split()
    return name, 60, "IN", kind, [value]


class _Server(asyncio.DatagramProtocol):
    def __init__(self, replies: Replies, elsewhere: socket.socket | None) -> None:
        self.replies = replies
        self.elsewhere = elsewhere
        self.questions: list[bytes] = []
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.questions.append(data)
        for delay_seconds, reply in self.replies(data):
            asyncio.get_running_loop().call_later(delay_seconds, self._send, reply, addr)

    def _send(self, reply: bytes, addr: tuple[str, int]) -> None:
        if self.elsewhere is not None:
            self.elsewhere.sendto(reply, addr)
        elif self.transport is not None and not self.transport.is_closing():
            self.transport.sendto(reply, addr)


@asynccontextmanager
async def resolver(
    replies: Replies, *, elsewhere: socket.socket | None = None, port: int = 0
) -> AsyncIterator[tuple[int, _Server]]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: _Server(replies, elsewhere), local_addr=("127.0.0.1", port)
    )
    try:
        yield transport.get_extra_info("sockname")[1], server
    finally:
        transport.close()
        await asyncio.sleep(0)


async def ask(instruments: Instruments, replies: Replies, *, seconds: float = 2.0, kind: str = "A") -> DnsQuery:
    async with resolver(replies) as (port, _):
        deadline = instruments.clock.now() + seconds
        return await query_udp("127.0.0.1", NAME, kind, instruments, deadline=deadline, port=port)


async def test_one_answer(instruments: Instruments) -> None:
    made = await ask(instruments, lambda q: [(0, answer(q, f"{NAME}. A {TRUE}"))])
    assert made.failure is None
    assert made.addresses == (TRUE,)
    assert made.engine is Engine.UDP
    assert len(made.replies) == 1
    assert made.replies[0].source == made.resolver_address == "127.0.0.1"
    assert instruments.meter.sent_bytes > 0
    assert instruments.meter.received_bytes > 0
    assert instruments.known.scrub(TRUE) == TRUE


async def test_ipv6_addresses(instruments: Instruments) -> None:
    made = await ask(instruments, lambda q: [(0, answer(q, f"{NAME}. AAAA 2001:DB8::10"))], kind="AAAA")
    assert made.addresses == ("2001:db8::10",)


async def test_aliases_are_followed(instruments: Instruments) -> None:
    made = await ask(
        instruments,
        lambda q: [(0, answer(q, f"{NAME}. CNAME cdn.test.", "cdn.test. CNAME edge.test.", f"edge.test. A {TRUE}"))],
    )
    assert made.addresses == (TRUE,)
    assert made.replies[0].cnames == ("cdn.test", "edge.test")


async def test_an_alias_that_names_an_address(instruments: Instruments) -> None:
    own = "203-0-113-77.customers.test"
    made = await ask(instruments, lambda q: [(0, answer(q, f"{NAME}. CNAME {own}.", f"{own}. A {TRUE}"))])
    assert made.addresses == (TRUE,)
    assert made.replies[0].cnames == ("[scrubbed].customers.test",)


async def test_a_late_second_answer_is_recorded(instruments: Instruments) -> None:
    made = await ask(
        instruments,
        lambda q: [(0, answer(q, f"{NAME}. A {FORGED}")), (0.2, answer(q, f"{NAME}. A {TRUE}"))],
    )
    assert [reply.addresses for reply in made.replies] == [(FORGED,), (TRUE,)]
    assert made.addresses == (FORGED,)
    assert made.replies[1].t - made.replies[0].t >= 0.15


async def test_an_answer_from_another_address(instruments: Instruments) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere:
        elsewhere.bind(("127.0.0.2", 0))
        async with resolver(lambda q: [(0, answer(q, f"{NAME}. A {FORGED}"))], elsewhere=elsewhere) as (port, server):
            made = await query_udp(
                "127.0.0.1", NAME, "A", instruments, deadline=instruments.clock.now() + 0.6, port=port
            )
    assert made.failure is Failure.GENERIC_TIMEOUT  # no program takes such an answer
    assert {reply.source for reply in made.replies} == {"127.0.0.2"}
    assert made.addresses == ()
    assert len(server.questions) == 2


async def test_an_ignored_reply_stands_after_the_one_that_counts(instruments: Instruments) -> None:
    def replies(question: bytes) -> list[tuple[float, bytes]]:
        other_id = bytes((question[0] ^ 1,)) + question[1:]
        return [(0, answer(other_id, f"{NAME}. A {FORGED}")), (0.1, answer(question, f"{NAME}. A {TRUE}"))]

    made = await ask(instruments, replies)
    assert made.addresses == (TRUE,)
    assert [reply.malformed for reply in made.replies] == [False, True]
    assert made.replies[1].addresses == (FORGED,)
    assert made.replies[1].t < made.replies[0].t


@pytest.mark.parametrize(
    ("rcode", "failure"),
    [
        (dns.rcode.NXDOMAIN, Failure.DNS_NXDOMAIN),
        (dns.rcode.REFUSED, Failure.DNS_REFUSED),
        (dns.rcode.SERVFAIL, Failure.DNS_SERVFAIL),
        (dns.rcode.FORMERR, Failure.DNS_SERVER_MISBEHAVING),
        (dns.rcode.NOERROR, Failure.DNS_NO_ANSWER),
    ],
)
async def test_answers_without_addresses(instruments: Instruments, rcode: dns.rcode.Rcode, failure: Failure) -> None:
    made = await ask(instruments, lambda q: [(0, answer(q, rcode=rcode))])
    assert made.failure is failure
    assert made.replies[0].rcode == dns.rcode.to_text(rcode)


async def test_a_truncated_answer_is_no_empty_one(instruments: Instruments) -> None:
    made = await ask(instruments, lambda q: [(0, answer(q, flags=dns.flags.TC))])
    assert made.failure is Failure.DNS_TEMPORARY_FAILURE


async def test_silence(instruments: Instruments) -> None:
    async with resolver(lambda q: []) as (port, server):
        made = await query_udp("127.0.0.1", NAME, "A", instruments, deadline=instruments.clock.now() + 0.4, port=port)
    assert made.failure is Failure.GENERIC_TIMEOUT
    assert made.replies == ()
    assert made.t >= 0.4
    ids = [question[:2] for question in server.questions]
    assert len(ids) == 2


async def test_one_lost_question_is_asked_again(instruments: Instruments) -> None:
    questions = 0

    def replies(question: bytes) -> list[tuple[float, bytes]]:
        nonlocal questions
        questions += 1
        return [(0, answer(question, f"{NAME}. A {TRUE}"))] if questions == 2 else []

    made = await ask(instruments, replies, seconds=1.0)
    assert made.failure is None
    assert len(made.replies) == 1


async def test_nobody_listens(instruments: Instruments) -> None:
    made = await query_udp("127.0.0.1", NAME, "A", instruments, deadline=instruments.clock.now() + 2, port=free_port())
    assert made.failure is Failure.CONNECTION_REFUSED


LOOP = (
    b"\x84\x00\x00\x01\x00\x01\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x01\x00\x04"
)


@pytest.mark.parametrize("garbage", [b"", b"\x00", b"\xff" * 600, LOOP, bytes(60_000)])
async def test_garbage(instruments: Instruments, garbage: bytes) -> None:
    made = await ask(instruments, lambda q: [(0, q[:2] + garbage)], seconds=0.4)
    assert made.failure is Failure.DNS_SERVER_MISBEHAVING
    assert all(reply.malformed for reply in made.replies)


async def test_garbage_before_the_answer(instruments: Instruments) -> None:
    made = await ask(instruments, lambda q: [(0, b"\x00"), (0.05, answer(q, f"{NAME}. A {TRUE}"))])
    assert made.failure is None
    assert made.addresses == (TRUE,)


async def test_a_flood_is_bounded(instruments: Instruments) -> None:
    made = await ask(instruments, lambda q: [(0, answer(q, f"{NAME}. A {TRUE}"))] * 500)
    assert made.failure is None
    assert len(made.replies) == 8


async def test_a_name_that_is_none(instruments: Instruments) -> None:
    async with resolver(lambda q: []) as (port, server):
        made = await query_udp("127.0.0.1", "a..b", "A", instruments, deadline=instruments.clock.now() + 1, port=port)
    assert made.failure is Failure.UNKNOWN
    assert server.questions == []


async def test_international_names(instruments: Instruments) -> None:
    async with resolver(lambda q: [(0, answer(q, f"xn--bcher-kva.test. A {TRUE}"))]) as (port, _):
        made = await query_udp(
            "127.0.0.1", "Bücher.test", "A", instruments, deadline=instruments.clock.now() + 2, port=port
        )
    assert made.addresses == (TRUE,)


# getaddrinfo


async def test_resolve_a_literal(net: LiveNet) -> None:
    made = await net.resolve("127.0.0.1", deadline=5)
    assert made.addresses == ("127.0.0.1",)
    assert (made.engine, made.query_type, made.resolver_address) == (Engine.GETADDRINFO, "ANY", "")


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        (socket.EAI_NONAME, Failure.DNS_NXDOMAIN),
        (socket.EAI_NODATA, Failure.DNS_NO_ANSWER),
        (socket.EAI_AGAIN, Failure.DNS_TEMPORARY_FAILURE),
        (socket.EAI_FAIL, Failure.DNS_SERVER_MISBEHAVING),
    ],
)
async def test_resolve_fails(net: LiveNet, monkeypatch: pytest.MonkeyPatch, code: int, failure: Failure) -> None:
    def fail(hostname: str) -> Resolved:
        raise socket.gaierror(code, "no")

    monkeypatch.setattr(getaddrinfo, "ask", fail)
    made = await net.resolve(NAME, deadline=5)
    assert made.failure is failure
    assert made.replies == ()


async def test_a_hanging_resolver_ends_at_the_deadline(net: LiveNet, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    release = threading.Event()

    def hang(hostname: str) -> Resolved:
        release.wait(20)
        return Resolved(addresses=(TRUE,), canonical_name="")

    monkeypatch.setattr(getaddrinfo, "ask", hang)
    monkeypatch.setattr(getaddrinfo, "MAX_THREADS", 3)
    try:
        made = await asyncio.gather(*(net.resolve(f"a{i}.test", deadline=net.clock.now() + 0.2) for i in range(3)))
        assert {query.failure for query in made} == {Failure.GENERIC_TIMEOUT}
        with pytest.raises(CannotRun):
            await net.resolve(NAME, deadline=5)
    finally:
        release.set()


async def test_lookups_need_no_session() -> None:
    lookups = AddressLookups()
    assert (await lookups.lookup("127.0.0.1")).addresses == ("127.0.0.1",)


HANGING = """
import asyncio, time
from probe.net import getaddrinfo
getaddrinfo.ask = lambda hostname: time.sleep(600)
async def main():
    try:
        async with asyncio.timeout(0.1):
            await getaddrinfo.AddressLookups().lookup("platform.test")
    except TimeoutError:
        print("ended")
asyncio.run(main())
"""


def test_a_hanging_lookup_does_not_hold_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=50, check=True)
    assert done.stdout == "ended\n"


# resolv.conf


def test_system_servers(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("etc")
    conf, upstreams = folder / "resolv.conf", folder / "upstreams"
    conf.write_text("# x\nnameserver 192.0.2.1\nnameserver bad\nnameserver 192.0.2.1\nnameserver 2001:db8::1\n")
    assert system_servers(conf, upstreams) == ("192.0.2.1", "2001:db8::1")
    conf.write_text("nameserver 127.0.0.53\noptions edns0\n")
    assert system_servers(conf, upstreams) == ("127.0.0.53",)
    upstreams.write_text("nameserver 192.0.2.53\nnameserver fe80::1%eth0\nnameserver 127.0.0.53\n")
    assert system_servers(conf, upstreams) == ("192.0.2.53",)
    assert system_servers(folder / "missing", upstreams) == ()


# DNS over HTTPS


@asynccontextmanager
async def doh_server(
    tls: ssl.SSLContext, replies: Callable[[bytes], bytes | int]
) -> AsyncIterator[tuple[int, list[object]]]:
    peers: list[object] = []

    async def handle(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.append(request.transport.get_extra_info("peername"))
        assert request.content_type == "application/dns-message"
        reply = replies(await request.read())
        if isinstance(reply, int):
            return web.Response(status=reply)
        return web.Response(body=reply, content_type="application/dns-message")

    application = web.Application()
    application.router.add_post("/dns-query", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield runner.addresses[0][1], peers
    finally:
        await runner.cleanup()


def control(port: int, name: str = NAME) -> Resolver:
    return Resolver(name="control", url=f"https://{name}:{port}/dns-query", address="127.0.0.1")


async def test_encrypted(net: LiveNet, server_tls: ssl.SSLContext) -> None:
    async with doh_server(server_tls, lambda q: answer(q, f"{NAME}. A {TRUE}")) as (port, peers):
        made = await net.query_encrypted(control(port), NAME, "A", deadline=5)
        again = await net.query_encrypted(control(port), NAME, "A", deadline=5)
    assert made.failure is None
    assert made.addresses == again.addresses == (TRUE,)
    assert (made.engine, made.resolver, made.resolver_address) == (Engine.DOH, "control", "127.0.0.1")
    assert len(set(peers)) == 1  # one handshake for both


async def test_many_questions_use_few_connections(net: LiveNet, server_tls: ssl.SSLContext) -> None:
    async with doh_server(server_tls, lambda q: answer(q, f"{NAME}. A {TRUE}")) as (port, peers):
        made = await asyncio.gather(*(net.query_encrypted(control(port), NAME, "A", deadline=5) for _ in range(20)))
    assert {query.failure for query in made} == {None}
    assert len(set(peers)) <= 4


async def test_encrypted_under_a_wrong_name(net: LiveNet, server_tls: ssl.SSLContext) -> None:
    async with doh_server(server_tls, lambda q: answer(q, f"{NAME}. A {TRUE}")) as (port, peers):
        made = await net.query_encrypted(control(port, "other.test"), NAME, "A", deadline=5)
    assert made.failure is Failure.SSL_INVALID_HOSTNAME
    assert peers == []


@pytest.mark.parametrize("reply", [500, 404, b"", b"garbage", bytes(100_000)])
async def test_encrypted_nonsense(net: LiveNet, server_tls: ssl.SSLContext, reply: bytes | int) -> None:
    async with doh_server(server_tls, lambda q: reply) as (port, _):
        made = await net.query_encrypted(control(port), NAME, "A", deadline=5)
    assert made.failure is Failure.DNS_SERVER_MISBEHAVING


async def test_encrypted_refused_and_silent(net: LiveNet, serve: Serve) -> None:
    refused = await net.query_encrypted(control(free_port()), NAME, "A", deadline=5)
    assert refused.failure is Failure.CONNECTION_REFUSED
    async with serve(keep_silent) as endpoint:
        silent = await net.query_encrypted(control(endpoint.port), NAME, "A", deadline=net.clock.now() + 0.3)
    assert silent.failure is Failure.GENERIC_TIMEOUT


async def test_a_kept_connection_that_the_server_gave_up(
    instruments: Instruments, serve: Serve, server_tls: ssl.SSLContext
) -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        reply = answer(await reader.readexactly(length), f"{NAME}. A {TRUE}")
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(reply)}\r\n\r\n".encode() + reply)
        await writer.drain()
        await reader.readuntil(b"\r\n\r\n")  # the next question gets no answer on this connection
        writer.transport.abort()

    resolvers = EncryptedResolvers(instruments)
    async with serve(once, tls=server_tls) as endpoint:
        for _ in range(3):
            made = await resolvers.query(control(endpoint.port), NAME, "A", instruments, deadline=5)
            assert made.failure is None
        await resolvers.close()
