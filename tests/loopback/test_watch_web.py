"""The web server of `watch`: what it answers, to whom, and how little a client can take from it."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probe.model.results import NetworkState, State, Strength, Vantage
from probe.watch import listening as listening_module
from probe.watch.admission import Hosts
from probe.watch.status import (
    Activity,
    BudgetStatus,
    PushStatus,
    ReloadStatus,
    RunStatus,
    Status,
    TargetStatus,
)
from probe.watch.status_page import render_status
from probe.watch.web import make_app
from tests.loopback.probe_stage import StagedState, Web, serving

RUN = "0198c3a0-0000-7000-8000-000000000001"
SILENCE_SECONDS = 0.5
PATHS = ("/", "/metrics", "/probe?target=x", f"/report/{RUN}", "/-/healthy", "/-/ready")


@pytest.fixture
def state() -> StagedState:
    return StagedState(pages={RUN: "<!doctype html><p>a report</p>"})


@pytest.fixture
async def web(state: StagedState) -> AsyncIterator[Web]:
    async with serving(state) as running:
        yield running


async def test_supervision(web: Web, state: StagedState) -> None:
    assert (await web.get("/-/healthy")).status == 200
    assert (await web.get("/-/ready")).status == 200
    state.is_healthy = state.is_ready = False
    assert (await web.get("/-/healthy")).status == 503
    assert (await web.get("/-/ready")).status == 503
    assert (await web.get("/-/healthy", method="HEAD")).status == 503


async def test_metrics_in_the_format_that_is_asked_for(web: Web, state: StagedState) -> None:
    state.metrics.set_targets(["birdnet"])
    plain = await web.get("/metrics")
    assert plain.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'throttleprobe_verdict{state="inconclusive",target="birdnet"} 1.0' in plain.text
    openmetrics = await web.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    assert openmetrics.headers["Content-Type"].startswith("application/openmetrics-text")
    assert openmetrics.text.endswith("# EOF\n")
    head = await web.get("/metrics", method="HEAD")
    assert (head.status, head.text) == (200, "")
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        url = f"http://127.0.0.1:{web.port}/metrics"
        async with session.get(url, headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert gzip.decompress(await answer.read()).decode() == plain.text


async def test_reload_is_a_post(web: Web, state: StagedState) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        refused = await web.get("/-/reload", method=method)
        assert refused.status == 405
        assert refused.headers["Allow"] == "POST"
    assert state.reloads == 0
    assert (await web.get("/-/reload", method="POST")).text == "Reloaded.\n"
    assert state.reloads == 1


async def test_a_faulty_reload_tells_every_mistake(web: Web, state: StagedState) -> None:
    state.mistakes = ("watch.yaml:3: mean: not a duration", "targets.yaml:9: unknown field `cateogry`")
    answer = await web.get("/-/reload", method="POST")
    assert answer.status == 500
    assert all(mistake in answer.text for mistake in state.mistakes)


async def test_a_reload_goes_on_when_its_asker_hangs_up(web: Web, state: StagedState) -> None:
    state.reload_gate = asyncio.Event()
    _, writer = await asyncio.open_connection("127.0.0.1", web.port)
    writer.write(b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.transport.abort()
    await asyncio.sleep(0.1)
    state.reload_gate.set()
    await _until(lambda: state.reloads == 1)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:9850", "192.0.2.1", "a@localhost"]
)
async def test_a_foreign_host_is_refused_everywhere(web: Web, state: StagedState, host: str) -> None:
    for path in PATHS:
        assert (await web.get(path, headers={"Host": host})).status == 403, path
    assert (await web.get("/-/reload", method="POST", headers={"Host": host})).status == 403
    assert state.reloads == 0


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9850", "127.0.0.1", "[::1]:9850", "127.8.0.1", "localhost."])
async def test_our_own_names_are_not(web: Web, host: str) -> None:
    assert (await web.get("/-/healthy", headers={"Host": host})).status == 200


async def test_names_that_were_allowed(state: StagedState) -> None:
    async with serving(state, allowed_hosts=("throttleprobe",)) as web:
        assert (await web.get("/metrics", headers={"Host": "throttleprobe:9850"})).status == 200
        assert (await web.get("/metrics", headers={"Host": "throttleprobe.evil.example"})).status == 403


def test_elsewhere_any_literal_may_be_named_and_no_name() -> None:
    hosts = Hosts(listen_host="0.0.0.0", names=("probe.lan",))
    assert all(hosts.allow(host) for host in ("192.168.1.7:9850", "[fd00::7]", "probe.lan", "localhost"))
    assert not any(hosts.allow(host) for host in ("evil.example", "", "probe.lan.evil.example", "1.2.3.4@x", "a b"))


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Referer": "https://evil.example/page"},
    ],
)
async def test_pages_of_other_sites_change_nothing_and_probe_nothing(
    web: Web, state: StagedState, headers: Mapping[str, str]
) -> None:
    assert (await web.get("/-/reload", method="POST", headers=headers)).status == 403
    assert (await web.get("/probe?target=x", headers=headers)).status == 403
    assert (await web.get(f"/report/{RUN}", headers=headers)).status == 403, "each takes seconds of processor"
    assert state.reloads == 0
    own = {"Origin": f"http://127.0.0.1:{web.port}", "Sec-Fetch-Site": "same-origin"}
    assert (await web.get("/-/reload", method="POST", headers=own)).status == 200


async def test_a_link_from_elsewhere_shows_the_status(web: Web) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Referer": "https://wiki.example/"}
    assert (await web.get("/", headers=headers)).status == 200


async def test_every_answer_is_shut_to_browsers(web: Web) -> None:
    for path in (*PATHS, "/nothing", "/report/%00"):
        headers = (await web.get(path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["Server"] == "throttleprobe"
        assert "Access-Control-Allow-Origin" not in headers


async def test_reports(web: Web) -> None:
    page = await web.get(f"/report/{RUN}")
    assert (page.status, page.text) == (200, "<!doctype html><p>a report</p>")
    assert page.headers["Content-Type"].startswith("text/html")
    for unknown in ("0198ffff", "--help", "x;rm", "A" * 200):
        assert (await web.get(f"/report/{unknown}")).status == 404


async def test_without_a_configuration_nothing_is_probed(web: Web) -> None:
    assert (await web.get("/probe?target=x&module=tcp")).status == 503


def full_status() -> Status:
    return Status(
        version="1.0",
        started_at="2026-11-01T00:00:00Z",
        now="2026-11-22T10:00:00Z",
        activity=Activity.PAUSED,
        detail="no network <b>",
        instance="home-1",
        vantage=Vantage(country="NL", asn=64500, network="fixed"),
        next_run_at="2026-11-22T12:00:00Z",
        last_run_at="2026-11-22T06:00:00Z",
        targets=(
            TargetStatus(
                id="birdnet",
                name="Bird <script>alert(1)</script>",
                state=State.THROTTLED,
                strength=Strength.LIKELY,
                reason='slowed"><img src=x>',
                since="2026-11-20T07:00:00Z",
                measured_at="2026-11-22T06:00:00Z",
                run_id=RUN,
            ),
            TargetStatus(id="gazette", name="Gazette"),
        ),
        budgets=(BudgetStatus(window="day", used_bytes=300_000_000, limit_bytes=300_000_000),),
        pushes=(PushStatus(name="lab", pending_samples=12, problem="refused with 401"),),
        runs=(
            RunStatus(
                run_id=RUN,
                started_at="2026-11-22T06:00:00Z",
                finished=True,
                duration_seconds=61.0,
                num_bytes=4_210_000,
                network=NetworkState.OK,
                states=((State.THROTTLED, 1),),
            ),
        ),
        reload=ReloadStatus(at="2026-11-22T09:00:00Z", ok=False, mistakes=("watch.yaml:3: not a duration",)),
        notices=("the store was moved aside",),
    )


async def test_the_status_page(web: Web, state: StagedState) -> None:
    state.shown = full_status()
    page = await web.get("/")
    text = page.text
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    for shown in (
        "Paused: no network",
        "likely throttled",
        "2026-11-20 07:00 UTC (2 days)",
        "Next run: 2026-11-22 12:00 UTC",
        "300 MB of 300 MB",
        f'href="/report/{RUN}"',
        "12 samples",
        "Refused with 401",
        "watch.yaml:3: not a duration",
        "The store was moved aside.",
        "not measured yet",
        "network fixed, AS64500, country NL",
    ):
        assert shown.lower() in text.lower(), shown
    assert "<script" not in text
    assert "<img" not in text
    assert "<b>" not in text


@pytest.mark.parametrize(
    ("activity", "words"),
    [
        (Activity.MEASURING, "after this one"),
        (Activity.PAUSED, "when that is over"),
        (Activity.STARTING, "not known yet"),
    ],
)
def test_a_next_run_without_a_moment_is_not_called_never(activity: Activity, words: str) -> None:
    page = render_status(replace(full_status(), activity=activity, next_run_at=None))
    assert f"Next run: {words}." in page


def test_a_verdict_whose_reason_is_in_an_older_report_says_so() -> None:
    (target, *_) = full_status().targets
    assert "Its report tells." in render_status(replace(full_status(), targets=(replace(target, reason=""),)))


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=80))
def test_no_text_becomes_markup(text: str) -> None:
    target = TargetStatus(id="t", name=text, reason=text, since=text, measured_at=text, run_id=text)
    shown = render_status(
        Status(
            version=text,
            started_at=text,
            now=text,
            activity=Activity.WAITING,
            detail=text,
            instance=text,
            next_run_at=text,
            targets=(target,),
            pushes=(PushStatus(name=text, pending_samples=0, last_success_at=text, problem=text),),
            notices=(text,),
        )
    )
    empty = render_status(
        Status(
            version="",
            started_at="",
            now="",
            activity=Activity.WAITING,
            next_run_at="",
            targets=(TargetStatus(id="t", name="", since="", measured_at="", run_id="r"),),
            pushes=(PushStatus(name="", pending_samples=0, last_success_at=""),),
            notices=("",),
        )
    )
    assert abs(shown.count("<") - empty.count("<")) <= 2  # a link that is there or not


# What a client can take


async def raw(port: int, data: bytes) -> bytes:
    """What comes back before the server closes, or has been silent for a while."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = b""
    try:
        writer.write(data)
        with contextlib.suppress(OSError, TimeoutError):
            while part := await asyncio.wait_for(reader.read(65536), SILENCE_SECONDS):
                received += part
    finally:
        writer.transport.abort()
    return received


@pytest.mark.parametrize(
    "data",
    [
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /probe?target=" + b"b" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"c" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n",
        b"GET / HTTP/1.1\nHost: localhost\nX:\n y\n\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        b"SSH-2.0-OpenSSH\r\n",
        b"\x00" * 4096,
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /probe?target=%0d%0aX-Injected:%201&module=%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
async def test_garbage_is_refused_and_the_server_lives(web: Web, state: StagedState, data: bytes) -> None:
    answer = await raw(web.port, data)
    status = answer.split(b" ", 2)[1:2]
    assert not status or status[0][:1] in (b"4", b"5"), answer[:200]
    assert status[:1] != [b"500"]
    assert b"X-Injected" not in answer
    assert (await web.get("/-/healthy")).status == 200


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(path=st.text(alphabet=st.characters(codec="latin-1", exclude_characters="\r\n "), max_size=60))
def test_no_path_is_a_server_error(path: str) -> None:
    async def ask() -> bytes:
        async with serving(StagedState()) as web:
            return await raw(
                web.port,
                b"GET /" + path.encode("latin-1") + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            )

    answer = asyncio.run(ask())
    assert b" 500 " not in answer.split(b"\r\n", 1)[0], answer[:300]


async def test_a_body_that_nobody_wants_is_not_waited_for(web: Web, state: StagedState) -> None:
    head = b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
    writer.write(head)
    answer = await asyncio.wait_for(reader.read(), 10)  # closed after it, though the body has not ended
    writer.transport.abort()
    assert b"Reloaded." in answer


async def test_a_client_that_never_ends_its_head_is_ended(state: StagedState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening_module, "IDLE_SECONDS", 0.3)
    async with serving(state) as web:
        for beginning in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: "):
            reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
            writer.write(beginning)
            await asyncio.wait_for(reader.read(), 10)
            writer.transport.abort()


async def test_a_client_that_trickles_its_head_is_ended(state: StagedState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening_module, "IDLE_SECONDS", 0.5)
    async with serving(state) as web:
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")

        async def trickle() -> None:
            with contextlib.suppress(OSError):
                while True:
                    writer.write(b"a")
                    await writer.drain()
                    await asyncio.sleep(0.02)

        trickling = asyncio.create_task(trickle())
        with contextlib.suppress(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 10)
        trickling.cancel()
        writer.transport.abort()


async def test_a_client_that_does_not_read_is_ended(state: StagedState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening_module, "SWEEP_SECONDS", 0.05)
    monkeypatch.setattr(listening_module, "UNREAD_SECONDS", 0.2)
    state.pages[RUN] = "x" * 30_000_000  # more than the kernel's buffers take
    async with serving(state) as web:
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port, limit=1024)
        writer.write(f"GET /report/{RUN} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await writer.drain()
        await asyncio.sleep(1.0)
        received = 0
        with contextlib.suppress(ConnectionResetError):
            while part := await asyncio.wait_for(reader.read(1 << 20), 10):
                received += len(part)
        writer.transport.abort()
        assert received < 30_000_000
        assert (await web.get("/-/healthy")).status == 200


async def test_only_so_many_connections(state: StagedState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening_module, "MAX_CONNECTIONS", 5)
    async with serving(state) as web:
        held = [await asyncio.open_connection("127.0.0.1", web.port) for _ in range(5)]
        await asyncio.sleep(0.1)
        assert await raw(web.port, b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n") == b""
        for _, writer in held:
            writer.transport.abort()
        await asyncio.sleep(0.1)
        assert b"Healthy" in await raw(web.port, b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")


async def test_many_at_once(web: Web) -> None:
    pages = await asyncio.gather(*(web.get("/metrics") for _ in range(50)))
    assert {page.status for page in pages} == {200}


async def test_a_port_that_is_taken(web: Web, state: StagedState) -> None:
    with pytest.raises(OSError, match="in use"):
        async with listening_module.listening(make_app(state), "127.0.0.1", web.port):
            pass


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)
