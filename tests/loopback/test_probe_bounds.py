"""What `/probe` refuses, what it spends, whom it spares, and that its own limits are never a target's failure."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probe.config.watch_file import IpProtocol, ProbeModule
from probe.config.watch_file import Prober as ProberKind
from probe.model.targets import Controls, Endpoint, Target
from probe.net import getaddrinfo
from probe.net.clock import MonotonicClock
from probe.net.getaddrinfo import Resolved
from probe.net.trust import Trust
from probe.watch.probing import Asked, Line, Prober, Unavailable
from tests.loopback.conftest import Serve, server_context
from tests.loopback.probe_stage import (
    CountedAllowance,
    answering,
    http_answer,
    looking,
    one,
    prober,
    service,
)
from tests.loopback.test_dns import answer, control, doh_server
from tests.loopback.test_stream import keep_silent

NAME, OTHER = "platform.test", "other.test"
TCP = ProbeModule(name="tcp", prober=ProberKind.TCP)
QUICK = ProbeModule(name="quick", prober=ProberKind.TLS, timeout_seconds=0.5)
NOTHING = Controls(resolvers=(), names=(), sites=(), media=())
LINE = Line()
TARGETS = (
    Target(id="birdnet", name="Birdnet", sites=("https://birdnet.test/", "http://m.birdnet.test/home?x=1")),
    Target(id="talk", name="Talk", services=(Endpoint(address="192.0.2.1", port=5222),)),
    Target(id="gazette", name="Gazette", sites=("https://gazette.test:8443/",)),
    Target(id="media", name="Media only"),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    module=st.text(max_size=30) | st.sampled_from(["tcp", "http", "dns", "tls"]),
    target=st.text(min_size=1, max_size=60),
    more=st.dictionaries(st.sampled_from(["hostname", "debug", "x"]), st.text(max_size=20)),
)
def test_garbage_is_a_400(module: str, target: str, more: Mapping[str, str]) -> None:
    async def ask() -> int:
        staged = Prober(targets=TARGETS, controls=NOTHING, allowance=CountedAllowance(), line=LINE)
        async with looking(staged) as web:
            return (await web.probe(module, target, None, **more)).status

    assert asyncio.run(ask()) == 400


async def test_the_name_of_a_host_that_is_not_configured(trust: Trust) -> None:
    async with looking(prober(trust, *TARGETS)) as web:
        page = await web.probe("tls", "talk", hostname="evil.test")
    assert page.status == 400
    assert "evil.test" in page.text


async def test_another_server_name(serve: Serve, trust: Trust, authority: trustme.CA) -> None:
    named: list[str | None] = []
    tls = server_context(authority.issue_cert("birdnet.test"))
    tls.sni_callback = lambda _sock, name, _context: named.append(name)
    async with (
        serve(answering(lambda _: b""), tls=tls) as endpoint,
        looking(prober(trust, *TARGETS[:1], service(endpoint))) as web,
    ):
        page = await web.probe("tls", "service", hostname="birdnet.test")
    assert one(page.series, "probe_success") == 1
    assert named == ["birdnet.test"]


# Time


@pytest.mark.parametrize("module", ["tcp", "tls", "http"])
async def test_a_target_that_hangs_fails_in_time(trust: Trust, module: str, serve: Serve) -> None:
    async with _deaf() as deaf, serve(keep_silent) as silent:
        endpoint = deaf if module == "tcp" else silent
        async with looking(prober(trust, service(endpoint))) as web:
            page = await web.probe(module, str(endpoint), {"X-Prometheus-Scrape-Timeout-Seconds": "1.2"})
    assert page.status == 200, page.text
    assert one(page.series, "probe_success") == 0
    assert one(page.series, "throttleprobe_probe_failure_info", failure="generic_timeout_error") == 1
    assert one(page.series, "probe_duration_seconds") >= 0.69


@asynccontextmanager
async def _deaf() -> AsyncIterator[Endpoint]:
    """A port whose queue of connections is full: another SYN gets no answer."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    port = listener.getsockname()[1]
    waiting = []
    for _ in range(3):
        sock = socket.socket()
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            sock.connect(("127.0.0.1", port))
        waiting.append(sock)
    await asyncio.sleep(0.05)
    try:
        yield Endpoint(address="127.0.0.1", port=port)
    finally:
        for sock in (*waiting, listener):
            sock.close()


async def test_an_endless_page_ends(serve: Serve, trust: Trust) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(bytes(65536))
            await writer.drain()

    allowance = CountedAllowance()
    before = allowance.left_bytes
    async with serve(endless) as endpoint, looking(prober(trust, service(endpoint), allowance=allowance)) as web:
        page = await web.probe("http", str(endpoint))
    assert one(page.series, "probe_success") == 1
    assert one(page.series, "probe_http_uncompressed_body_length") == 65536
    assert one(page.series, "probe_http_content_length") == -1
    assert before - allowance.left_bytes <= 192 * 1024


@pytest.mark.parametrize("module", ["tls", "http"])
async def test_a_flood_costs_no_more_than_was_taken(serve: Serve, trust: Trust, module: str) -> None:
    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        record = b"\x16\x03\x03\x40\x00" + bytes(0x4000)
        while True:
            writer.write(record if module == "tls" else b"HTTP/1.1 200 OK\r\nX: " + b"y" * 65536)
            await writer.drain()

    allowance = CountedAllowance(left_bytes=200 * 1024)
    async with serve(flood) as endpoint, looking(prober(trust, service(endpoint), allowance=allowance)) as web:
        page = await web.probe(module, str(endpoint))
    assert page.status == 200
    assert one(page.series, "probe_success") == 0
    assert allowance.left_bytes >= 0


async def test_a_body_that_is_cut_off_is_a_failure(serve: Serve, trust: Trust) -> None:
    page = answering(lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    async with serve(page) as endpoint, looking(prober(trust, service(endpoint))) as web:
        shown = await web.probe("http", str(endpoint))
    assert one(shown.series, "probe_success") == 0
    assert one(shown.series, "probe_http_status_code") == 200


# The budget


async def test_without_bytes_nothing_is_sent_and_nobody_is_accused(serve: Serve, trust: Trust) -> None:
    asked: list[bytes] = []

    def page(head: bytes) -> bytes:
        asked.append(head)
        return http_answer(b"")

    async with serve(answering(page)) as endpoint:
        broke = prober(trust, service(endpoint), allowance=CountedAllowance(left_bytes=1000))
        async with looking(broke) as web:
            page_ = await web.probe("http", str(endpoint))
    assert page_.status == 503
    assert "budget" in page_.text
    assert asked == []


async def test_what_was_not_moved_is_given_back_and_what_was_is_told(serve: Serve, trust: Trust) -> None:
    allowance, told = CountedAllowance(), []
    before = allowance.left_bytes
    async with serve(answering(lambda _: http_answer(b"x" * 1000))) as endpoint:
        staged = prober(
            trust, service(endpoint), allowance=allowance, moved=lambda received, sent: told.append((received, sent))
        )
        async with looking(staged) as web:
            await web.probe("http", str(endpoint))
    ((received, sent),) = told
    assert received > 1000
    assert 0 < sent < 500
    assert before - allowance.left_bytes == received + sent


# Many at once


async def test_two_who_ask_the_same_share_one_probe(serve: Serve, trust: Trust) -> None:
    connections = 0

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.3)
        writer.write(http_answer(b"here"))
        await writer.drain()

    async with serve(slow) as endpoint, looking(prober(trust, service(endpoint))) as web:
        pages = await asyncio.gather(*(web.probe("http", str(endpoint)) for _ in range(5)))
    assert connections == 1
    assert {page.text for page in pages} == {pages[0].text}
    assert one(pages[0].series, "probe_success") == 1


async def test_one_host_is_probed_by_one_at_a_time_and_all_by_few(serve: Serve, trust: Trust) -> None:
    now, most = 0, 0

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        try:
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(0.05)
            writer.write(http_answer(b"here"))
            await writer.drain()
        finally:
            now -= 1

    modules = [ProbeModule(name=f"m{n}", prober=ProberKind.HTTP, timeout_seconds=20.0) for n in range(6)]
    async with serve(count) as endpoint:
        staged = prober(trust, service(endpoint), modules=modules)
        async with looking(staged) as web:
            pages = await asyncio.gather(*(web.probe(module.name, str(endpoint)) for module in modules))
        assert most == 1
        assert {page.status for page in pages} == {200}
        assert staged._flights == {}
        assert not staged._turns._hosts
        assert not staged._turns._users


async def test_who_cannot_have_a_turn_is_told_so(serve: Serve, trust: Trust) -> None:
    async with serve(keep_silent) as endpoint:
        staged = prober(trust, service(endpoint), modules=[QUICK])
        async with looking(staged) as web:
            first = asyncio.create_task(web.probe("tls", str(endpoint), {"X-Prometheus-Scrape-Timeout-Seconds": "2.5"}))
            await asyncio.sleep(0.2)
            second = await web.probe("quick", str(endpoint))
            assert second.status == 503
            assert "still going on" in second.text
            assert one((await first).series, "probe_success") == 0


async def test_a_busy_address_is_no_failure(serve: Serve, trust: Trust) -> None:
    line = Line(trust=trust)
    async with serve(answering(lambda _: b"")) as endpoint:
        staged = Prober(
            targets=[service(endpoint)], controls=NOTHING, allowance=CountedAllowance(), line=line, modules=[TCP]
        )
        clock = MonotonicClock()
        async with (
            line.gate.slot(endpoint.address, clock=clock, deadline=9),
            line.gate.slot(endpoint.address, clock=clock, deadline=9),
        ):
            with pytest.raises(Unavailable, match="two handshakes"):
                await staged.probe(Asked(module="tcp", target=str(endpoint)), timeout_seconds=0.5)
        assert (await staged.probe(Asked(module="tcp", target=str(endpoint)), timeout_seconds=5)).success


async def test_a_client_that_hangs_up_ends_its_probe(serve: Serve, trust: Trust) -> None:
    ended = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(OSError):
            await reader.read()
        ended.set()

    allowance = CountedAllowance()
    before = allowance.left_bytes
    async with serve(hold) as endpoint:
        staged = prober(trust, service(endpoint), allowance=allowance)
        async with looking(staged) as web:
            _, writer = await asyncio.open_connection("127.0.0.1", web.port)
            writer.write(f"GET /probe?module=http&target={endpoint} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            await writer.drain()
            await asyncio.sleep(0.3)
            assert staged._flights
            writer.transport.abort()
            await asyncio.wait_for(ended.wait(), 5)
            await asyncio.sleep(0.05)
            assert staged._flights == {}
    assert 0 < before - allowance.left_bytes < 1000


async def test_closing_ends_what_is_going_on(serve: Serve, trust: Trust) -> None:
    async with serve(keep_silent) as endpoint:
        staged = prober(trust, service(endpoint))
        going = asyncio.create_task(staged.probe(Asked(module="tls", target="service"), timeout_seconds=9))
        await asyncio.sleep(0.1)
        await staged.close()
        with pytest.raises(asyncio.CancelledError):
            await going


# Where it may lead


def _resolving(monkeypatch: pytest.MonkeyPatch, addresses: Mapping[str, tuple[str, ...]]) -> None:
    def ask(hostname: str) -> Resolved:
        if hostname not in addresses:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return Resolved(addresses=addresses[hostname], canonical_name="")

    monkeypatch.setattr(getaddrinfo, "ask", ask)


async def test_a_private_address_that_only_the_system_gives_is_not_dialled(
    serve: Serve, trust: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    def page(head: bytes) -> bytes:
        asked.append(head)
        return http_answer(b"")

    _resolving(monkeypatch, {NAME: ("127.0.0.1",)})
    async with serve(answering(page)) as endpoint:
        site = Target(id="platform", name="Platform", sites=(f"http://{NAME}:{endpoint.port}/",))
        async with looking(prober(trust, site)) as web:
            for module in ("http", "tcp", "tls"):
                shown = await web.probe(module, "platform")
                assert one(shown.series, "probe_success") == 0
                assert one(shown.series, "throttleprobe_probe_failure_info", failure="private_address") == 1
    assert asked == []


async def test_one_that_a_control_gives_too_is(
    serve: Serve, trust: Trust, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    _resolving(monkeypatch, {NAME: ("127.0.0.1",)})
    tls = server_context(authority.issue_cert("doh.test"))
    own = server_context(authority.issue_cert(NAME))
    async with (
        serve(answering(lambda _: http_answer(b"")), tls=own) as endpoint,
        doh_server(tls, lambda wire: answer(wire, f"{NAME}. A 127.0.0.1")) as (port, _),
    ):
        site = Target(id="platform", name="Platform", sites=(f"https://{NAME}:{endpoint.port}/",))
        staged = prober(trust, site, resolvers=[control(port, "doh.test")])
        async with looking(staged) as web:
            shown = await web.probe("http", "platform", debug="true")
            assert "probe_success 1.0" in shown.text
            over_https = ProbeModule(name="doh", prober=ProberKind.DNS, resolver="control")
            asked = prober(trust, site, resolvers=[control(port, "doh.test")], modules=[over_https])
            found = await asked.probe(Asked(module="doh", target="platform"), timeout_seconds=5)
    assert found.success
    assert b"probe_dns_answer_rrs 1.0" in found.metrics


async def test_a_redirect_elsewhere_is_the_final_answer(
    serve: Serve, trust: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    contacted: list[bytes] = []

    def elsewhere(head: bytes) -> bytes:
        contacted.append(head)
        return http_answer(b"")

    _resolving(monkeypatch, {OTHER: ("127.0.0.1",)})
    async with serve(answering(elsewhere)) as other:
        for place in (f"http://{OTHER}:{other.port}/", f"http://127.0.0.2:{other.port}/", "file:///etc/passwd", "//["):
            away = answering(_redirect(place))
            async with serve(away) as endpoint, looking(prober(trust, service(endpoint))) as web:
                shown = await web.probe("http", str(endpoint))
            assert one(shown.series, "probe_http_status_code") == 302, place
            assert one(shown.series, "probe_success") == 0
            assert one(shown.series, "probe_http_redirects") == 1
    assert contacted == []


def _redirect(location: str) -> Callable[[bytes], bytes]:
    return lambda _: http_answer(b"", status="302 Found", headers=[f"Location: {location}"])


async def test_a_name_that_does_not_resolve(trust: Trust, monkeypatch: pytest.MonkeyPatch) -> None:
    _resolving(monkeypatch, {})
    async with looking(prober(trust, *TARGETS)) as web:
        shown = await web.probe("http", "birdnet")
    assert one(shown.series, "probe_success") == 0
    assert one(shown.series, "throttleprobe_probe_failure_info", failure="dns_nxdomain_error") == 1
    assert one(shown.series, "probe_ip_protocol") == 0


async def test_which_protocol(trust: Trust, monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
    _resolving(monkeypatch, {"birdnet.test": ("2001:db8::1", "192.0.2.1")})
    six = ProbeModule(name="six", prober=ProberKind.TCP, ip_protocol=IpProtocol.IP6, timeout_seconds=0.2)
    four = ProbeModule(name="four", prober=ProberKind.TCP, timeout_seconds=0.2)
    monkeypatch.setattr("probe.watch.probe_stream.open_tcp", _refuse)
    async with looking(prober(trust, *TARGETS, modules=[four, six])) as web:
        assert one((await web.probe("six", "birdnet")).series, "probe_ip_protocol") == 6
        assert one((await web.probe("four", "birdnet")).series, "probe_ip_protocol") == 4
        _resolving(monkeypatch, {"birdnet.test": ("192.0.2.1",)})
        assert one((await web.probe("six", "birdnet")).series, "probe_ip_protocol") == 4


async def _refuse(endpoint: Endpoint, *_: object, **__: object) -> object:
    from probe.failure import Failure
    from probe.model.observations import TcpConnect

    refused = TcpConnect(endpoint=endpoint, source_port=1, t0=0, t=0, failure=Failure.CONNECTION_REFUSED)
    return refused, None


async def test_debug_names_no_address_but_the_targets(serve: Serve, trust: Trust) -> None:
    hint = answering(
        lambda _: http_answer(b"", status="302 Found", headers=["Location: http://203.0.113.77/?you=198.51.100.66"])
    )
    async with serve(hint) as endpoint, looking(prober(trust, service(endpoint))) as web:
        shown = await web.probe("http", str(endpoint), debug="true")
    assert "203.0.113.77" not in shown.text
    assert "198.51.100.66" not in shown.text
    assert "[scrubbed]" in shown.text


async def test_a_hostile_certificate_stays_one_label(serve: Serve, trust: Trust, authority: trustme.CA) -> None:
    names = ["127.0.0.1", "198.51.100.66", *(f"n{number}.test" for number in range(300))]
    tls: ssl.SSLContext = server_context(
        authority.issue_cert(*names, common_name='evil"} 1\n', organization_name="x" * 64)
    )
    async with serve(answering(lambda _: b""), tls=tls) as endpoint, looking(prober(trust, service(endpoint))) as web:
        shown = await web.probe("tls", str(endpoint))
    assert one(shown.series, "probe_success") == 1
    assert "198.51.100.66" not in shown.text
    assert len(shown.text) < 16_000
