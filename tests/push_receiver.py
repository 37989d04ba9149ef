"""What a receiver of remote write sees: a reader of its messages, written from the specification and not from ours, and
a receiver that keeps all it was sent and answers as a test wants."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ssl import SSLContext

import cramjam
from aiohttp import web

from probe.push.remote_write import Labels

Answerer = Callable[["Receiver", web.Request], Awaitable[web.StreamResponse]]
START_MS = int(datetime(2026, 3, 10, 7, tzinfo=UTC).timestamp() * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A sample as a test gives it to be pushed."""

    name: str
    value: float
    timestamp_ms: int = START_MS
    labels: Labels = ()


@dataclass(frozen=True, slots=True, order=True)
class Heard:
    """A sample as a receiver reads it; the value by its bits, so that a stale marker is what it is."""

    labels: Labels
    timestamp_ms: int
    bits: int


def bits_of(value: float) -> int:
    return int.from_bytes(struct.pack(">d", value), "big")


def read_body(body: bytes) -> list[Heard]:
    """The samples of one request in the order in which they stand there."""
    return [sample for series in read_series(bytes(cramjam.snappy.decompress_raw(body))) for sample in series]


def read_series(message: bytes) -> Iterator[list[Heard]]:
    for number, series in _fields(message):
        assert number == 1 and isinstance(series, bytes)
        labels: list[tuple[str, str]] = []
        samples: list[tuple[int, int]] = []
        for kind, content in _fields(series):
            assert isinstance(content, bytes)
            parts = dict(_fields(content))
            if kind == 1:
                name, text = parts[1], parts[2]
                assert isinstance(name, bytes) and isinstance(text, bytes)
                labels.append((name.decode(), text.decode()))
            else:
                assert kind == 2
                bits, time = parts[1], parts.get(2, 0)
                assert isinstance(bits, int) and isinstance(time, int)
                samples.append((time - (1 << 64) if time >> 63 else time, bits))
        yield [Heard(tuple(labels), time, bits) for time, bits in samples]


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protobuf message: varints, doubles (as bits) and what is delimited by a length."""
    place = 0
    while place < len(message):
        key, place = _number(message, place)
        match key & 7:
            case 0:
                number, place = _number(message, place)
                yield key >> 3, number
            case 1:
                yield key >> 3, int.from_bytes(message[place : place + 8], "little")
                place += 8
            case 2:
                length, place = _number(message, place)
                assert place + length <= len(message)
                yield key >> 3, message[place : place + length]
                place += length
            case other:
                raise AssertionError(f"wire type {other}")


def _number(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, place


@dataclass(slots=True, kw_only=True)
class Receiver:
    """What was asked of it; `taken` are the bodies that it answered with 204."""

    url: str = ""
    requests: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    def samples(self) -> list[Heard]:
        return [sample for body in self.taken for sample in read_body(body)]


async def take(receiver: Receiver, request: web.Request) -> web.StreamResponse:
    receiver.taken.append(receiver.bodies[-1])
    return web.Response(status=204)


def say(status: int, text: str = "", **headers: str) -> Answerer:
    """Always this answer."""

    async def answer(receiver: Receiver, request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


def first(times: int, answer: Answerer, then: Answerer = take) -> Answerer:
    """So many times this answer, then the other."""

    async def both(receiver: Receiver, request: web.Request) -> web.StreamResponse:
        return await (answer if len(receiver.requests) <= times else then)(receiver, request)

    return both


@asynccontextmanager
async def receiving(
    answer: Answerer = take, *, tls: SSLContext | None = None, port: int = 0
) -> AsyncIterator[Receiver]:
    """A receiver on loopback, at `Receiver.url`."""
    receiver = Receiver()

    async def handle(request: web.Request) -> web.StreamResponse:
        receiver.at_once += 1
        receiver.most_at_once = max(receiver.most_at_once, receiver.at_once)
        try:
            receiver.bodies.append(await request.read())
            receiver.requests.append(request)
            return await answer(receiver, request)
        finally:
            receiver.at_once -= 1

    app = web.Application()
    app.router.add_post("/api/v1/write", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls)
    await site.start()
    host, bound = runner.addresses[0][:2]
    receiver.url = f"{'https' if tls else 'http'}://{host if tls is None else 'localhost'}:{bound}/api/v1/write"
    try:
        yield receiver
    finally:
        await runner.cleanup()
        await asyncio.sleep(0)
