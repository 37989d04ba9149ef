"""Limited connections and hellos against real servers: on loopback no router can end them, so the limit is one."""

import asyncio
import ssl
import sys

import pytest

from probe.failure import Failure
from probe.model.results import CannotRun, ProblemReason
from probe.model.targets import Endpoint
from probe.net.live import LiveNet
from tests.loopback.conftest import Serve
from tests.loopback.test_stream import free_port, keep_silent, reset


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_connect_within(net: LiveNet, serve: Serve, host: str) -> None:
    async with serve(keep_silent, host=host) as endpoint:
        made = await net.connect_within(endpoint, hop_limit=1, deadline=5)
    assert (made.failure, made.icmp, made.router, made.hop_limit) == (None, None, None, 1)
    assert 20_000 <= made.source_port <= 60_999


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_refused(net: LiveNet, host: str) -> None:
    made = await net.connect_within(Endpoint(address=host, port=free_port(host)), hop_limit=3, deadline=5)
    assert (made.failure, made.icmp, made.router) == (Failure.CONNECTION_REFUSED, None, None)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_server_that_answers_a_hello(net: LiveNet, serve: Serve, server_tls: ssl.SSLContext, host: str) -> None:
    async with serve(keep_silent, tls=server_tls, host=host) as endpoint:
        made = await net.greet_within(endpoint, server_name="platform.test", hop_limit=1, answer_seconds=5, deadline=5)
    assert (made.failure, made.connect.failure) == (None, None)
    assert made.received_bytes > 0


async def test_the_hello_names_the_name_and_the_connection_is_reset(net: LiveNet, serve: Serve) -> None:
    heard: list[bytes] = []
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(4096))
        writer.write(b"anything")
        try:
            await reader.read()
        except ConnectionResetError:
            ended.set_result("reset")
        else:
            ended.set_result("closed")

    async with serve(listen) as endpoint:
        made = await net.greet_within(endpoint, server_name="bücher.test", hop_limit=9, answer_seconds=5, deadline=5)
        assert await ended == "reset"
    assert b"xn--bcher-kva.test" in heard[0]
    assert made.received_bytes == len(b"anything")


async def test_a_reset_a_close_and_a_silence_after_the_hello(net: LiveNet, serve: Serve) -> None:
    async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        reset(writer)

    async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.close()
        await keep_silent(reader, writer)

    found = []
    for handler in (resets, closes, keep_silent):
        async with serve(handler) as endpoint:
            made = await net.greet_within(endpoint, server_name="a.test", hop_limit=2, answer_seconds=0.2, deadline=5)
            found.append(made.failure)
    assert found == [Failure.CONNECTION_RESET, Failure.EOF, Failure.GENERIC_TIMEOUT]


async def test_no_connection_no_hello(net: LiveNet) -> None:
    endpoint = Endpoint(address="127.0.0.1", port=free_port())
    made = await net.greet_within(endpoint, server_name="a.test", hop_limit=2, answer_seconds=1, deadline=5)
    assert made.failure is made.connect.failure is Failure.CONNECTION_REFUSED


async def test_a_system_that_does_not_tell_cannot_run_it(net: LiveNet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    endpoint = Endpoint(address="127.0.0.1", port=9)
    with pytest.raises(CannotRun) as connecting:
        await net.connect_within(endpoint, hop_limit=2, deadline=5)
    with pytest.raises(CannotRun) as greeting:
        await net.greet_within(endpoint, server_name="a.test", hop_limit=2, answer_seconds=1, deadline=5)
    for refusal in (connecting, greeting):
        assert refusal.value.problem.reason is ProblemReason.MISSING_CAPABILITY
