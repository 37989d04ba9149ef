"""What becomes of samples when the receiver answers, refuses, hangs, lies, is away, or is not who it should be?"""

import asyncio
import json
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from unittest.mock import Mock

import pytest
import trustme
from aiohttp import web

from probe.config.watch_file import RemoteWrite, Secret
from probe.net.getaddrinfo import Resolved
from probe.net.meter import Meter
from probe.push import connection
from probe.push.pusher import Pusher, ReceiverStatus
from probe.push.remote_write import Sample
from probe.push.sender import Event, EventKind, Pace, Sender
from tests.loopback.conftest import Serve, server_context
from tests.push_receiver import START_MS, Receiver, Told, bits_of, first, receiving, say, take

QUICK = Pace(first_seconds=0.01, most_seconds=0.05, put_right_seconds=0.05, grace_seconds=0.5)
NOW = datetime(2026, 3, 10, 7, tzinfo=UTC)


@dataclass(slots=True, kw_only=True)
class Running:
    """A pusher at work, and what it told."""

    receiver: RemoteWrite
    directory: Path
    pace: Pace
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    told: list[Event] = field(default_factory=list)
    num_bytes: int = 0
    pusher: Pusher = field(init=False)
    task: asyncio.Task[None] = field(init=False)

    def __post_init__(self) -> None:
        self.pusher = Pusher(
            [self.receiver],
            self.directory / "push.sqlite3",
            instance="kiosk-7",
            now=lambda: NOW,
            random=Random(1),
            tell=self.told.append,
            count_bytes=self.count,
            pace=self.pace,
        )
        self.task = asyncio.create_task(self.pusher.run(self.stop))

    def count(self, num_bytes: int) -> None:
        self.num_bytes += num_bytes

    async def push(self, run_id: str, samples: Sequence[Sample]) -> None:
        await asyncio.to_thread(self.pusher.enqueue, run_id, samples)

    async def status(self) -> ReceiverStatus:
        return (await asyncio.to_thread(self.pusher.status))[0]

    async def until(self, reached: Callable[[ReceiverStatus], bool]) -> ReceiverStatus:
        async with asyncio.timeout(30):
            while not reached(status := await self.status()):
                assert not self.task.done(), "it has ended"
                await asyncio.sleep(0.01)
        return status

    async def delivered(self) -> ReceiverStatus:
        return await self.until(lambda status: status.pending_samples == 0)

    def texts(self, kind: EventKind) -> list[str]:
        return [event.text for event in self.told if event.kind is kind]


@asynccontextmanager
async def pushing(receiver: RemoteWrite, directory: Path, pace: Pace = QUICK) -> AsyncIterator[Running]:
    running = Running(receiver=receiver, directory=directory, pace=pace)
    try:
        yield running
    finally:
        running.stop.set()
        async with asyncio.timeout(10):
            await running.task
        running.pusher.close()


def to(receiver: Receiver, **settings: object) -> RemoteWrite:
    return replace(RemoteWrite(name="lab", url=receiver.url, timeout_seconds=5), **settings)  # type: ignore[arg-type]


def run_of(number: int) -> list[Told]:
    return [Told(name="up", value=float(number), timestamp_ms=START_MS + number * 1_000)]


async def test_what_is_enqueued_is_delivered_with_its_own_time_and_labels(tmp_path: Path) -> None:
    async with receiving() as receiver, pushing(to(receiver), tmp_path) as running:
        await running.push("run-1", run_of(1))
        status = await running.delivered()
    (sample,) = receiver.samples()
    assert (sample.timestamp_ms, sample.bits) == (START_MS + 1_000, bits_of(1.0))
    assert sample.labels == (("__name__", "up"), ("instance", "kiosk-7"), ("job", "throttleprobe"))
    assert (status.delivered_samples, status.last_success_at, status.problem) == (1, NOW, "")
    headers = receiver.requests[0].headers
    assert headers["Content-Type"] == "application/x-protobuf"
    assert headers["Content-Encoding"] == "snappy"
    assert headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"
    assert headers["User-Agent"].startswith("throttleprobe/")
    assert "Authorization" not in headers


async def test_a_run_offered_twice_is_sent_once(tmp_path: Path) -> None:
    async with receiving() as receiver, pushing(to(receiver), tmp_path) as running:
        await running.push("run-1", run_of(1))
        await running.push("run-1", run_of(1))
        await running.delivered()
        await running.push("run-1", run_of(1))
        await running.delivered()
        assert await asyncio.to_thread(running.pusher.knows, "run-1")
        assert not await asyncio.to_thread(running.pusher.knows, "run-2")
    assert len(receiver.bodies) == 1


async def test_requests_go_one_at_a_time_and_in_order(tmp_path: Path) -> None:
    async def slowly(receiver: Receiver, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.02)
        return await take(receiver, request)

    async with receiving(slowly) as receiver, pushing(to(receiver), tmp_path) as running:
        await asyncio.gather(*(running.push(f"run-{number}", run_of(number)) for number in range(10)))
        await running.delivered()
    assert receiver.most_at_once == 1
    assert len(receiver.samples()) == 10


@pytest.mark.parametrize("status", [500, 502, 503, 429])
async def test_what_may_pass_is_tried_again_and_said_once(tmp_path: Path, status: int) -> None:
    async with receiving(first(4, say(status, "busy"))) as receiver, pushing(to(receiver), tmp_path) as running:
        await running.push("run-1", run_of(1))
        await running.push("run-2", run_of(2))
        await running.delivered()
    assert [body == receiver.bodies[0] for body in receiver.bodies] == [True] * 5 + [False]
    assert len(receiver.samples()) == 2
    assert running.texts(EventKind.FAILING) == [f"samples wait: HTTP {status} (busy)"]
    assert len(running.texts(EventKind.RECOVERED)) == 1


async def test_five_hundred_for_ever_loses_nothing(tmp_path: Path) -> None:
    async with receiving(say(500)) as receiver, pushing(to(receiver), tmp_path) as running:
        for number in range(3):
            await running.push(f"run-{number}", run_of(number))
        await running.until(lambda status: len(receiver.bodies) > 5)
        status = await running.status()
    assert (status.pending_samples, status.delivered_samples, status.problem) == (3, 0, "HTTP 500")
    assert len(set(receiver.bodies)) == 1, "the first one blocks the others: they stay in order"


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
async def test_what_is_refused_for_good_is_counted_and_the_rest_goes_on(tmp_path: Path, status: int) -> None:
    refusing = first(2, say(status, "out of bounds"))
    async with receiving(refusing) as receiver, pushing(to(receiver), tmp_path) as running:
        for number in range(3):
            await running.push(f"run-{number}", run_of(number))
        counts = await running.delivered()
    assert len(receiver.bodies) == 3
    assert (counts.refused_samples, counts.delivered_samples) == (2, 1)
    (text,) = running.texts(EventKind.REFUSED)
    assert f"HTTP {status} (out of bounds)" in text


@pytest.mark.parametrize("status", [401, 403, 404, 405, 301, 302, 307, 308])
async def test_what_a_person_must_put_right_loses_nothing(tmp_path: Path, status: int) -> None:
    """A token that ran out or a path that is wrong says nothing about the samples."""
    wrong = first(3, say(status, Location="http://127.0.0.1:9/elsewhere"))
    async with receiving(wrong) as receiver, pushing(to(receiver), tmp_path) as running:
        await running.push("run-1", run_of(1))
        counts = await running.delivered()
    assert len(receiver.bodies) == 4
    assert (counts.refused_samples, counts.delivered_samples) == (0, 1)
    assert len(running.texts(EventKind.FAILING)) == 1


async def test_credentials_never_follow_a_redirect(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cr3t-token\n")
    async with receiving() as elsewhere:
        redirecting = say(307, Location=elsewhere.url)
        async with receiving(redirecting) as receiver:
            settings = to(receiver, bearer_token=Secret(file=tmp_path / "token"))
            async with pushing(settings, tmp_path) as running:
                await running.push("run-1", run_of(1))
                await running.until(lambda status: bool(status.problem))
                assert "redirects are not followed" in (await running.status()).problem
    assert receiver.bodies and not elsewhere.bodies


async def test_a_page_with_200_is_no_delivery(tmp_path: Path) -> None:
    """A captive portal answers 200 to everything that is not secured."""
    page = say(200, "<html>Welcome</html>", Content_Type="text/html")
    async with receiving(first(2, page)) as receiver, pushing(to(receiver), tmp_path) as running:
        await running.push("run-1", run_of(1))
        await running.delivered()
    assert len(receiver.samples()) == 1
    assert "portal" in running.texts(EventKind.FAILING)[0]


async def test_a_receiver_that_asks_for_patience_gets_it(tmp_path: Path) -> None:
    """429 with Retry-After: nothing is sent before; 1 s is far beyond what our own pace here would wait."""
    times: list[float] = []

    async def patience(receiver: Receiver, request: web.Request) -> web.StreamResponse:
        times.append(asyncio.get_running_loop().time())
        if len(times) == 1:
            return web.Response(status=429, headers={"Retry-After": "1"})
        return await take(receiver, request)

    async with receiving(patience) as receiver, pushing(to(receiver), tmp_path) as running:
        await running.push("run-1", run_of(1))
        await running.delivered()
    assert times[1] - times[0] >= 1.0


async def test_a_receiver_that_is_away_gets_everything_when_it_is_back(tmp_path: Path) -> None:
    async with receiving() as receiver:
        port = int(receiver.url.split(":")[2].split("/")[0])
    async with pushing(to(receiver), tmp_path) as running:
        for number in range(5):
            await running.push(f"run-{number}", run_of(number))
        await running.until(lambda status: status.problem == "no connection (connection_refused)")
        async with receiving(port=port) as back:
            await running.delivered()
            assert [sample.timestamp_ms for sample in back.samples()] == [START_MS + n * 1_000 for n in range(5)]
    assert len(running.texts(EventKind.FAILING)) == 1


async def test_a_receiver_that_hangs_is_given_up_within_its_limit(tmp_path: Path) -> None:
    async def hang(receiver: Receiver, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError

    async with receiving(first(2, hang)) as receiver, pushing(to(receiver, timeout_seconds=0.2), tmp_path) as running:
        await running.push("run-1", run_of(1))
        await running.delivered()
    assert len(receiver.bodies) == 3
    assert running.texts(EventKind.FAILING) == ["samples wait: the request failed (generic_timeout_error)"]


async def test_an_answer_on_its_way_is_waited_for_when_told_to_stop(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def slowly(receiver: Receiver, request: web.Request) -> web.StreamResponse:
        asked.set()
        await asyncio.sleep(0.2)
        return await take(receiver, request)

    async with receiving(slowly) as receiver:
        async with pushing(to(receiver), tmp_path) as running:
            await running.push("run-1", run_of(1))
            await asked.wait()
        async with pushing(to(receiver), tmp_path) as running:
            assert (await running.delivered()).delivered_samples == 1
    assert len(receiver.bodies) == 1


async def test_who_ends_after_one_run_waits_for_its_delivery(tmp_path: Path) -> None:
    async def slowly(receiver: Receiver, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.3)
        return await take(receiver, request)

    async with receiving(slowly) as receiver, pushing(to(receiver), tmp_path) as running:
        assert await running.pusher.drained(5)
        for number in range(3):
            await running.push(f"run-{number}", run_of(number))
        assert not await running.pusher.drained(0.2)
        assert await running.pusher.drained(30)
        assert len(receiver.samples()) == 3


async def test_who_ends_after_one_run_does_not_wait_for_a_receiver_that_is_away(tmp_path: Path) -> None:
    async with receiving() as receiver:
        pass
    async with pushing(to(receiver), tmp_path) as running:
        await running.push("run-1", run_of(1))
        assert not await running.pusher.drained(30)
        assert (await running.status()).problem


async def test_a_receiver_that_hangs_does_not_hold_up_the_end(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def hang(receiver: Receiver, request: web.Request) -> web.StreamResponse:
        asked.set()
        await asyncio.sleep(60)
        raise AssertionError

    async with receiving(hang) as receiver:
        async with pushing(to(receiver, timeout_seconds=60), tmp_path, Pace()) as running:
            await running.push("run-1", run_of(1))
            await asked.wait()
            running.stop.set()
        async with pushing(to(receiver), tmp_path) as running:
            assert (await running.status()).pending_samples == 1, "nobody said that it was taken"


async def test_a_resolver_that_hangs_does_not_hold_up_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, released = threading.Event(), threading.Event()

    def hang(hostname: str) -> Resolved:
        asked.set()
        released.wait()
        raise OSError

    monkeypatch.setattr("probe.net.getaddrinfo.ask", hang)
    receiver = Receiver(url="https://receiver.test/api/v1/write")
    try:
        async with pushing(to(receiver, timeout_seconds=60), tmp_path) as running:
            await running.push("run-1", run_of(1))
            assert await asyncio.to_thread(asked.wait, 20)
    finally:
        released.set()


GARBAGE = {
    "nothing": b"",
    "noise": bytes(range(256)) * 8,
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "a head without end": b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 100_000,
    "a status that is none": b"HTTP/1.1 999999 Ja\r\n\r\n",
    "a body that breaks off": b"HTTP/1.1 500 No\r\nContent-Length: 99999\r\n\r\nbroken",
    "headers that are none": b"HTTP/1.1 204 OK\r\n:::\x00\r\n\r\n",
}


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE.keys())
async def test_an_answer_of_garbage_is_no_delivery(tmp_path: Path, serve: Serve, answer: bytes) -> None:
    times = 0

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal times
        times += 1
        await reader.read(64)
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with serve(speak) as endpoint:
        receiver = Receiver(url=f"http://127.0.0.1:{endpoint.port}/api/v1/write")
        async with pushing(to(receiver), tmp_path) as running:
            await running.push("run-1", run_of(1))
            await running.until(lambda status: times > 2)
            status = await running.status()
    assert (status.pending_samples, status.delivered_samples, status.refused_samples) == (1, 0, 0)
    assert len(running.texts(EventKind.FAILING)) == 1


async def test_an_answer_without_end_costs_a_bounded_amount(tmp_path: Path, serve: Serve) -> None:
    written = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await reader.read(64)
        writer.write(b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            await writer.drain()
            written += 4096

    async with serve(pour) as endpoint:
        receiver = Receiver(url=f"http://127.0.0.1:{endpoint.port}/api/v1/write")
        slow = replace(QUICK, first_seconds=60.0, most_seconds=60.0)
        async with pushing(to(receiver), tmp_path, slow) as running:
            await running.push("run-1", run_of(1))
            await running.until(lambda status: status.problem.startswith("HTTP 500"))
    assert running.num_bytes < 2_000_000


@pytest.mark.parametrize("status", [200, 400])
async def test_an_answer_counts_before_its_body_has_come(tmp_path: Path, serve: Serve, status: int) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(64)
        writer.write(b"HTTP/1.1 %d Said\r\nContent-Length: 99\r\n\r\nout of" % status)
        await writer.drain()
        await reader.read()

    async with serve(speak) as endpoint:
        receiver = Receiver(url=f"http://127.0.0.1:{endpoint.port}/api/v1/write")
        async with pushing(to(receiver, timeout_seconds=0.5), tmp_path) as running:
            await running.push("run-1", run_of(1))
            counts = await running.delivered()
    assert (counts.delivered_samples, counts.refused_samples) == ((0, 1) if status == 400 else (1, 0))


# Credentials and certificates


async def test_basic_credentials_are_read_when_used(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("first\n")

    async def guard(receiver: Receiver, request: web.Request) -> web.StreamResponse:
        header = request.headers.get("Authorization", "")
        right = header == "Basic cmVzZWFyY2hlcjpzZWNvbmQ="  # researcher:second
        return await take(receiver, request) if right else web.Response(status=401, text=f"first? not {header}")

    async with receiving(guard) as receiver:
        settings = to(receiver, username="researcher", password=Secret(file=password))
        async with pushing(settings, tmp_path) as running:
            await running.push("run-1", run_of(1))
            await running.until(lambda status: status.problem.startswith("HTTP 401"))
            password.write_text("second\n")
            await running.delivered()
    assert not any("cmVzZ" in event.text or "first" in event.text for event in running.told), "nor what it echoes"


async def test_a_bearer_token_is_sent_and_a_missing_one_waits(tmp_path: Path) -> None:
    token = tmp_path / "token"
    async with receiving() as receiver, pushing(to(receiver, bearer_token=Secret(file=token)), tmp_path) as running:
        await running.push("run-1", run_of(1))
        await running.until(lambda status: "no such file" in status.problem)
        token.write_text("s3cr3t\n")
        await running.delivered()
    assert [request.headers["Authorization"] for request in receiver.requests] == ["Bearer s3cr3t"]
    assert "s3cr3t" not in json.dumps([event.text for event in running.told])


@pytest.mark.parametrize("before", [0, 190, 195, 198, 250])
async def test_what_a_receiver_echoes_is_scrubbed(tmp_path: Path, before: int) -> None:
    (tmp_path / "token").write_text("s3cr3t")
    echo = first(1, say(503, "." * before + "s3cr3t is unknown at 203.0.113.7\n\x1b[31m"))
    secret = Secret(file=tmp_path / "token")
    async with receiving(echo) as receiver, pushing(to(receiver, bearer_token=secret), tmp_path) as running:
        await running.push("run-1", run_of(1))
        await running.delivered()
    (text,) = running.texts(EventKind.FAILING)
    assert "s3" not in text and "203.0.113" not in text and "\x1b" not in text
    assert len(text) < 250


@pytest.mark.parametrize(
    "spelt",
    ['{"token": "s3cr3t\\\\ \\"&<  pass/wort="}', "s3cr3t\\ &quot;&amp;&lt;  pass/wort=",
     "?t=s3cr3t%5C%20%22%26%3C%20%20pass%2Fwort%3D",
     "?t=s3cr3t%5C+%22%26%3C++pass%2Fwort%3D", 's3cr3t\\ "&< pass/wort=', 's3cr3t\\ "&<  pass/wort'],
)  # fmt: skip
async def test_a_secret_is_scrubbed_however_it_is_spelt(tmp_path: Path, spelt: str) -> None:
    (tmp_path / "token").write_text('s3cr3t\\ "&<  pass/wort=')
    secret = Secret(file=tmp_path / "token")
    async with (
        receiving(first(1, say(503, spelt))) as receiver,
        pushing(to(receiver, bearer_token=secret), tmp_path) as running,
    ):
        await running.push("run-1", run_of(1))
        await running.delivered()
    (text,) = running.texts(EventKind.FAILING)
    assert "[secret]" in text
    assert "s3cr3t" not in text and "wort" not in text


@pytest.fixture
def root(tmp_path: Path, authority: trustme.CA) -> Path:
    path = tmp_path / "root.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def local_tls(authority: trustme.CA) -> ssl.SSLContext:
    return server_context(authority.issue_cert("localhost"))


async def test_a_receiver_signed_by_the_named_authority_is_trusted(
    tmp_path: Path, root: Path, local_tls: ssl.SSLContext
) -> None:
    async with receiving(tls=local_tls) as receiver, pushing(to(receiver, ca_file=root), tmp_path) as running:
        await running.push("run-1", run_of(1))
        await running.delivered()
    assert len(receiver.samples()) == 1


async def test_a_receiver_signed_by_anybody_else_gets_nothing(tmp_path: Path, local_tls: ssl.SSLContext) -> None:
    async with receiving(tls=local_tls) as receiver, pushing(to(receiver), tmp_path) as running:
        await running.push("run-1", run_of(1))
        status = await running.until(lambda status: bool(status.problem))
    assert status.problem == "its certificate is not valid (ssl_unknown_authority)"
    assert not receiver.bodies


async def test_a_certificate_for_another_name_is_not_taken(tmp_path: Path, root: Path, authority: trustme.CA) -> None:
    other = server_context(authority.issue_cert("other.test"))
    async with receiving(tls=other) as receiver, pushing(to(receiver, ca_file=root), tmp_path) as running:
        await running.push("run-1", run_of(1))
        status = await running.until(lambda status: bool(status.problem))
    assert status.problem == "its certificate is not valid (ssl_invalid_hostname)"
    assert not receiver.bodies


async def test_a_file_of_authorities_that_is_none_is_said(tmp_path: Path, local_tls: ssl.SSLContext) -> None:
    (tmp_path / "root.pem").write_text("nothing")
    settings = {"ca_file": tmp_path / "root.pem"}
    async with receiving(tls=local_tls) as receiver, pushing(to(receiver, **settings), tmp_path) as running:
        await running.push("run-1", run_of(1))
        status = await running.until(lambda status: bool(status.problem))
    assert "root.pem cannot be read as certificates" in status.problem


async def test_proxies_of_the_environment_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    monkeypatch.setenv("no_proxy", "")
    async with receiving() as receiver, pushing(to(receiver), tmp_path) as running:
        await running.push("run-1", run_of(1))
        await running.delivered()
    assert len(receiver.samples()) == 1


@pytest.mark.parametrize(
    "header, server_time, seconds",
    [
        ("120", None, 120.0),
        (" 7 ", None, 7.0),
        ("Tue, 10 Mar 2026 07:02:00 GMT", "Tue, 10 Mar 2026 07:00:00 GMT", 120.0),
        ("Tue, 10 Mar 2026 06:00:00 GMT", "Tue, 10 Mar 2026 07:00:00 GMT", 0.0),
        ("Tue, 10 Mar 2026 07:02:00 GMT", None, None),
        ("soon", "Tue, 10 Mar 2026 07:00:00 GMT", None),
        ("-5", None, None),
        ("1.5", None, None),
        ("٣", None, None),
        (None, None, None),
    ],
)
def test_patience_is_asked_for_in_seconds_or_as_a_date(
    header: str | None, server_time: str | None, seconds: float | None
) -> None:
    assert connection._retry_after(header, server_time) == seconds


def test_patience_and_attempts_are_bounded() -> None:
    def sender() -> Sender:
        return Sender(
            "lab", Mock(), Mock(), meter=Meter(), random=Random(1), tell=Mock(), count_bytes=Mock(), pace=Pace()
        )  # fmt: skip

    impatient = sender()
    waits = [impatient._backoff(None) for _ in range(2_000)]
    assert 2.5 <= waits[0] <= 5.0
    assert all(450.0 <= wait <= 900.0 for wait in waits[10:])
    assert sender()._backoff(1e9) == 3_600.0


# Bytes, the disk


async def test_every_byte_is_counted(tmp_path: Path, serve: Serve) -> None:
    received = sent = 0

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received, sent
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-len"))
        received += len(head) + len(await reader.readexactly(length))
        answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
        sent += len(answer)
        writer.write(answer)
        await writer.drain()

    async with serve(count) as endpoint:
        receiver = Receiver(url=f"http://127.0.0.1:{endpoint.port}/api/v1/write")
        async with pushing(to(receiver), tmp_path) as running:
            await running.push("run-1", run_of(1))
            await running.delivered()
    assert running.num_bytes == received + sent > 300


async def test_without_a_disk_samples_wait_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probe.push.pusher.DISK_RETRY_SECONDS", 0.05)
    (tmp_path / "state").write_text("in the way of the directory")
    async with receiving() as receiver, pushing(to(receiver), tmp_path / "state") as running:
        for number in range(3):
            await running.push(f"run-{number}", run_of(number))
        assert (await running.status()).pending_samples == 3
        (tmp_path / "state").unlink()
        await running.delivered()
    assert [sample.timestamp_ms - START_MS for sample in receiver.samples()] == [0, 1_000, 2_000]
    assert len(running.texts(EventKind.SPOOL)) == 1


async def test_without_a_disk_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probe.push.pusher.MAX_HELD_BYTES", 500)
    (tmp_path / "state").write_text("in the way of the directory")
    async with receiving() as receiver, pushing(to(receiver), tmp_path / "state") as running:
        for number in range(20):
            await running.push(f"run-{number}", run_of(number))
        assert 0 < (await running.status()).pending_samples < 10
    assert len([text for text in running.texts(EventKind.SPOOL) if "are lost" in text]) > 10


async def test_without_a_receiver_nothing_is_kept_or_sent(tmp_path: Path) -> None:
    pusher = Pusher(
        [],
        tmp_path / "push.sqlite3",
        instance="kiosk-7",
        now=lambda: NOW,
        random=Random(1),
        tell=lambda event: None,
        count_bytes=lambda num_bytes: None,
    )
    stop = asyncio.Event()
    task = asyncio.create_task(pusher.run(stop))
    pusher.enqueue("run-1", run_of(1))
    assert pusher.status() == ()
    stop.set()
    await task
    assert not list(tmp_path.iterdir())
