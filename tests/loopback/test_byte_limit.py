"""Is a byte limit never exceeded by a byte, however much servers send, and is its end never taken for the network's?"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
import trustme

from probe.budget import RunBudget
from probe.model.observations import Transfer
from probe.model.results import AttemptStatus, Measurement, ProblemReason, State
from probe.model.targets import Media, MediaUrl, Target
from probe.net.meter import BudgetSpentError, Meter, MeteredDatagramSocket, MeteredSocket
from probe.net.tally import TRANSFER_SPARE_BYTES
from probe.net.trust import Trust
from probe.runner import CUT_BY_BUDGET
from tests.loopback.conftest import Handler, Serve, server_context
from tests.loopback.media_client import DOWN, UP, Client
from tests.loopback.media_server import NAME, Peer, media_server
from tests.loopback.stage import MEDIA_NAME, SITE, StagedSession, small_internet, staged_run
from tests.loopback.test_hostile_run import CHUNKED, OK, sends
from tests.loopback.test_pages import answers, page

MEBIBYTE = 1024 * 1024
TARGET = Target(
    id="target",
    name="Target",
    sites=(SITE,),
    media=Media(
        download=(MediaUrl(url=f"https://{MEDIA_NAME}/{{bytes}}"),), upload=(MediaUrl(url=f"https://{MEDIA_NAME}/up"),)
    ),
)
GREEDY: dict[str, Handler] = {
    "honest": answers(page(b"<title>hello</title>" + b"x" * 30_000)),
    "endless body": sends(OK + b"\r\n", b"x" * 65_536),
    "endless headers": sends(OK, b"X-A: b\r\n" * 1000),
    "before it is asked": sends(OK + b"\r\n", b"x" * 65_536, read=False),
    "chunks of a byte": sends(CHUNKED, b"1;" + b"e" * 7000 + b"\r\nx\r\n"),
    "1xx for ever": sends(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 500),
}


@pytest.fixture
def staged(trust: Trust) -> StagedSession:
    return StagedSession(trust, Meter())


@pytest.mark.parametrize("seed", range(12))
async def test_no_run_moves_a_byte_too_many(
    staged: StagedSession,
    serve: Serve,
    authority: trustme.CA,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    random = Random(seed)
    limit = int(10 ** random.uniform(3.3, 6.3))
    kinds = [random.choice(list(GREEDY)) for _ in range(3)]
    async with (
        staged,
        small_internet(
            staged,
            serve,
            authority,
            monkeypatch,
            plain=GREEDY[kinds[0]],
            secure=GREEDY[kinds[1]],
            control=GREEDY[kinds[2]],
            raw_secure=random.random() < 0.3,
        ) as controls,
    ):
        checks = ("dns", "reach", "tls", "http", "goodput")
        runner, sink, _ = staged_run(staged, controls, TARGET, checks=checks, max_seconds=4.0)
        runner.plan = replace(runner.plan, max_bytes=limit)
        runner.__post_init__()
        report = await runner.run(asyncio.Event(), "run")
        await asyncio.to_thread(sink.close)
    assert staged.meter.total <= limit, (limit, kinds)
    assert report.bytes.sent + report.bytes.received <= limit
    cut = [m for t in report.targets for m in t.measurements if _is_cut(m)]
    assert all(m.attempt.evidence is None and m.verdict.state is State.INCONCLUSIVE for m in cut)
    assert report.parameters.budget_hit or not cut
    assert all(t.verdict.state is not State.THROTTLED for t in report.targets)


def _is_cut(measurement: Measurement) -> bool:
    problem = measurement.attempt.problem
    return problem is not None and problem.detail == CUT_BY_BUDGET


async def test_what_the_limit_cuts_is_not_scheduled_and_no_finding(
    staged: StagedSession, serve: Serve, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        staged,
        small_internet(
            staged,
            serve,
            authority,
            monkeypatch,
            plain=GREEDY["honest"],
            secure=GREEDY["chunks of a byte"],
            control=GREEDY["honest"],
        ) as controls,
    ):
        runner, sink, _ = staged_run(staged, controls, TARGET, checks=("http",), max_seconds=8.0)
        free = await runner.run(asyncio.Event(), "run")
        await asyncio.to_thread(sink.close)
        used = sum(m.sent_bytes + m.received_bytes for m in free.controls)
        runner, sink, _ = staged_run(staged, controls, TARGET, checks=("http",), max_seconds=8.0)
        runner.plan = replace(runner.plan, max_bytes=staged.meter.total + used + 150_000)
        runner.__post_init__()
        report = await runner.run(asyncio.Event(), "run")
        await asyncio.to_thread(sink.close)
    (measurement,) = report.targets[0].measurements
    assert measurement.attempt.status is AttemptStatus.NOT_SCHEDULED
    assert measurement.attempt.problem is not None
    assert measurement.attempt.problem.reason is ProblemReason.BUDGET
    assert _is_cut(measurement)
    assert report.targets[0].verdict.state is State.INCONCLUSIVE
    assert report.parameters.budget_hit


# Transfers


async def moved(client: Client, limit: int, make: Callable[[], object]) -> tuple[Transfer, int]:
    RunBudget(meter=client.meter, max_bytes=limit)
    made = await make()  # type: ignore[misc]
    assert isinstance(made, Transfer)
    return made, client.meter.total


async def flood(peer: Peer) -> None:
    await peer.shake()
    await peer.read_head()
    await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
    wire = peer.encrypt(b"x" * MEBIBYTE)
    while True:
        await peer.send_wire(wire)
        wire = peer.encrypt(b"x" * MEBIBYTE)


async def flood_at_once(peer: Peer) -> None:
    while True:
        await peer.send_wire(b"\x16\x03\x03\x40\x00" + b"x" * 16384)


@pytest.mark.parametrize("limit", [1_000, 300_000, 600_000, 900_000, 2_000_000, 20_000_000])
@pytest.mark.parametrize("handler", [flood, flood_at_once])
async def test_a_server_that_floods_us_takes_no_byte_too_many(
    trust: Trust, authority: trustme.CA, limit: int, handler: Callable[[Peer], object]
) -> None:
    """What the kernel took in and nobody read is counted as well."""
    client = Client(trust=trust)
    async with media_server(server_context(authority.issue_cert(NAME)), handler) as port:  # type: ignore[arg-type]
        made, total = await moved(client, limit, lambda: client.run(DOWN, port, 256 * 1024, seconds=3.0))
    assert total == made.sent_bytes + made.received_bytes <= limit


async def test_with_room_to_spare_a_transfer_ends_as_without_a_limit(trust: Trust, authority: trustme.CA) -> None:
    async def serves(peer: Peer) -> None:
        await peer.shake()
        await peer.read_head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 262144\r\n\r\n" + b"x" * 262_144)
        await peer.read()

    client = Client(trust=trust)
    async with media_server(server_context(authority.issue_cert(NAME)), serves) as port:
        limit = int(256 * 1024 * 1.06) + 12_000 + TRANSFER_SPARE_BYTES
        made, total = await moved(client, limit, lambda: client.run(DOWN, port, 256 * 1024))
    assert made.complete
    assert made.failure is None
    assert client.meter.denials == 0
    assert total <= limit - TRANSFER_SPARE_BYTES


async def test_an_upload_stops_at_the_limit(trust: Trust, authority: trustme.CA) -> None:
    async def swallows(peer: Peer) -> None:
        await peer.shake()
        while await peer.read():
            pass

    client = Client(trust=trust)
    async with media_server(server_context(authority.issue_cert(NAME)), swallows) as port:
        made, total = await moved(client, 700_000, lambda: client.run(UP, port, 4 * MEBIBYTE, seconds=3.0))
    assert not made.complete
    assert client.meter.denials
    assert total <= 700_000


# Sockets


async def test_a_socket_reads_and_sends_only_what_there_is_room_for(serve: Serve) -> None:
    meter = Meter()
    RunBudget(meter=meter, max_bytes=1000)
    loop = asyncio.get_running_loop()
    async with serve(sends(b"", b"y" * 1000, read=False)) as endpoint:
        with MeteredSocket(2, Meter(meter)) as sock:
            await loop.sock_connect(sock, (endpoint.address, endpoint.port))
            await loop.sock_sendall(sock, b"x" * 400)
            got = await loop.sock_recv(sock, 5000)
            while len(got) < 600:
                got += await loop.sock_recv(sock, 5000)
            assert len(got) == 600
            with pytest.raises(BudgetSpentError):
                await loop.sock_recv(sock, 1)
            with pytest.raises(BudgetSpentError):
                await loop.sock_sendall(sock, b"x")
    assert (meter.total, meter.denials) == (1000, 2)


def test_a_datagram_is_not_read_in_part() -> None:
    meter = Meter()
    RunBudget(meter=meter, max_bytes=1000)
    with MeteredDatagramSocket(2, meter) as ours, MeteredDatagramSocket(2, Meter()) as theirs:
        ours.bind(("127.0.0.1", 0))
        theirs.bind(("127.0.0.1", 0))
        theirs.sendto(b"x" * 700, ours.getsockname())
        assert len(ours.recvfrom(1000)[0]) == 700
        theirs.sendto(b"x" * 100, ours.getsockname())
        with pytest.raises(BudgetSpentError):
            ours.recvfrom(1000)
        with pytest.raises(BudgetSpentError):
            ours.sendto(b"x" * 301, theirs.getsockname())
    assert meter.total == 700
