"""What comes back for one HTTP request on one fresh connection to a chosen address?

The only place that uses aiohttp's client. Address, server name and Host line are independent of each other; nothing
is resolved, followed, pooled, decompressed or remembered; credentials and cookies are never sent. How far an exchange
came is read off our own sockets. What the answer says is `probe.net.pages`'s business.

A server cannot hold us longer than the deadline, nor make us keep more than a head of 64 KB, the body's cap, and what
the event loop reads at once (256 KB).
"""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import StreamReader
from aiohttp.tracing import Trace
from yarl import URL

from probe.failure import Failure
from probe.model.observations import HttpStage
from probe.model.targets import Endpoint
from probe.net.classify import NETWORK_ERRORS, classify
from probe.net.instruments import Instruments
from probe.net.meter import MeteredSocket
from probe.net.stream import open_tcp
from probe.net.trust import name_fits
from probe.wire.names import to_ascii

MAX_HEAD_BYTES = 64 * 1024
MAX_LINE_BYTES = 8 * 1024
MAX_SAMPLE_BYTES = 16 * 1024  # of an answer whose head could not be read
KEEP_ALIVE_SECONDS = 30.0
MAX_POOLED = 4  # connections; their handshakes still go two at a time
SHUTDOWN_SECONDS = 0.2  # for a farewell over TLS; asyncio would wait half a minute for the peer's

AIOHTTP_ERRORS: tuple[type[Exception], ...] = (
    aiohttp.ClientError,
    aiohttp.EofStream,
    HttpProcessingError,
    *NETWORK_ERRORS,
)


def end_at_once(transport: asyncio.Transport) -> None:
    """Abort. A TLS transport that has closed by itself is gone already, which asyncio of Python 3.11.2 (Debian 12) does
    not bear: its `abort` then finds no protocol and raises AttributeError."""
    with contextlib.suppress(AttributeError):
        transport.abort()


class DialError(Exception):
    """The connection could not be made, and why. Of a kind that aiohttp neither wraps nor retries."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `verified_name` None: plain HTTP, or a chain left unchecked; `secure` tells these apart."""

    method: str
    url: URL
    endpoint: Endpoint
    secure: bool
    server_name: str | None
    verified_name: str | None
    headers: Mapping[str, str]
    max_bytes: int
    body: bytes | None = None


@dataclass(slots=True, kw_only=True)
class Trip:
    """How far an exchange came and what it brought; filled as it goes on, so that nothing is lost when it ends."""

    t0: float = 0.0
    t_connected: float | None = None
    t_secured: float | None = None
    t_request: float | None = None
    t_first_byte: float | None = None
    stage: HttpStage = HttpStage.CONNECT
    failure: Failure | None = None
    verify_failure: Failure | None = None
    source_port: int = 0
    transaction_id: int = 0
    status: int | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytearray = field(default_factory=bytearray)
    truncated: bool = False
    sample: bytes = b""
    sock: MeteredSocket | None = None
    transport: asyncio.Transport | None = None
    tls: ssl.SSLObject | None = None
    version: str = ""  # of HTTP, as the answer says: "1.1"


class _Answer(ResponseHandler):
    """aiohttp's reader of one connection; notes the first byte and ends a head without end."""

    def __init__(self, loop: asyncio.AbstractEventLoop, trip: Trip, now: Callable[[], float]) -> None:
        super().__init__(loop)
        self._trip = trip
        self._now = now
        self._in_head = True
        self._head_bytes = 0

    def data_received(self, data: bytes) -> None:
        if data and self._trip.t_first_byte is None:
            self._trip.t_first_byte = self._now()
            self._trip.stage = HttpStage.HEADERS
        if self._in_head:
            self._head_bytes += len(data)
            self._trip.sample += data[: MAX_SAMPLE_BYTES - len(self._trip.sample)]
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._trip.failure = Failure.HTTP_REQUEST_FAILED
            self.set_exception(HttpProcessingError(message="endless head"))
            if self.transport is not None:
                end_at_once(self.transport)

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        if data[0].code >= 200:
            self._in_head = False
        super().feed_data(data, size)


class _Connector(aiohttp.BaseConnector):
    """Leaves connecting to us, so that address, source port and server name are ours."""

    def __init__(self, dial: Callable[[], Awaitable[ResponseHandler]], *, keep_alive: bool) -> None:
        if keep_alive:
            super().__init__(keepalive_timeout=KEEP_ALIVE_SECONDS, limit=MAX_POOLED)
        else:
            super().__init__(force_close=True, limit=1)
        self._dial = dial

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        return await self._dial()


def open_session(dial: Callable[[], Awaitable[ResponseHandler]], *, keep_alive: bool) -> aiohttp.ClientSession:
    """A client without a memory: no cookies, no proxies or credentials of the environment, no time-outs of its own."""
    return aiohttp.ClientSession(
        connector=_Connector(dial, keep_alive=keep_alive),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        trust_env=False,
        auto_decompress=False,
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        max_line_size=MAX_LINE_BYTES,
        max_field_size=MAX_LINE_BYTES,
    )


async def dial(call: Call, instruments: Instruments, trip: Trip, *, deadline: float) -> ResponseHandler:
    """Connect, and shake hands where the call is a secure one; callers hold a slot of the address gate.

    Raises DialError.
    """
    trip.t0 = instruments.clock.now()
    made, sock = await open_tcp(call.endpoint, instruments, deadline=deadline)
    trip.source_port, trip.transaction_id = made.source_port, made.transaction_id
    if sock is None:
        raise DialError(made.failure or Failure.UNKNOWN)
    trip.sock = sock
    trip.t_connected = instruments.clock.now()
    try:
        protocol = await _secure(call, instruments, trip, sock)
    except BaseException as error:
        sock.close()
        if not isinstance(error, NETWORK_ERRORS) or isinstance(error, TimeoutError):
            raise
        failure = _dial_failure(error, sock)
        if isinstance(error, ssl.SSLCertVerificationError):
            trip.verify_failure = failure
        raise DialError(failure) from error
    trip.t_request = instruments.clock.now()
    trip.stage = HttpStage.REQUEST
    return protocol


async def _secure(call: Call, instruments: Instruments, trip: Trip, sock: MeteredSocket) -> ResponseHandler:
    loop = asyncio.get_running_loop()

    def make() -> _Answer:
        return _Answer(loop, trip, instruments.clock.now)

    if not call.secure:
        trip.transport, protocol = await loop.create_connection(make, sock=sock)
        return protocol
    trip.stage = HttpStage.TLS
    trust = instruments.trust
    trip.transport, protocol = await loop.create_connection(
        make,
        sock=sock,
        ssl=trust.unverifying if call.verified_name is None else trust.chain_verifying,
        server_hostname=(to_ascii(call.server_name) or call.server_name) if call.server_name else "",
        ssl_shutdown_timeout=SHUTDOWN_SECONDS,
    )
    trip.t_secured = instruments.clock.now()
    trip.tls = tls = trip.transport.get_extra_info("ssl_object")
    if call.verified_name is not None and not name_fits(tls.getpeercert(), call.verified_name):
        trip.verify_failure = Failure.SSL_INVALID_HOSTNAME
        end_at_once(trip.transport)
        raise DialError(Failure.SSL_INVALID_HOSTNAME)
    return protocol


def _dial_failure(error: BaseException, sock: MeteredSocket) -> Failure:
    """asyncio makes one exception of a reset and an end of stream within a handshake; the socket knows better."""
    if isinstance(error, ssl.SSLError):
        return classify(error)
    if sock.error is not None:
        return classify(sock.error)
    return Failure.EOF if sock.at_eof else classify(error)


async def exchange(call: Call, instruments: Instruments, *, deadline: float) -> Trip:
    """Send one request on one connection and read up to `call.max_bytes` of the answer's body.

    Never raises for what the network did; CannotRun as the address gate does. A wait there puts the deadline off.
    """
    trip = Trip()
    gate = instruments.gate.turn(call.endpoint.address, clock=instruments.clock, deadline=deadline)
    async with AsyncExitStack() as turn:
        deadline = await turn.enter_async_context(gate)

        async def dial_once() -> ResponseHandler:
            # aiohttp sends a GET again when its connection broke; a second one would hide the first one's end.
            if trip.t_request is not None:
                raise DialError(_stream_failure(trip))
            protocol = await dial(call, instruments, trip, deadline=deadline)
            await turn.aclose()  # the gate is for handshakes alone
            return protocol

        await _travel(call, trip, dial_once, instruments.seconds_until(deadline))
    return trip


async def _travel(call: Call, trip: Trip, dial_once: Callable[[], Awaitable[ResponseHandler]], seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds), open_session(dial_once, keep_alive=False) as session:
            await _request(session, call, trip)
    except TimeoutError:
        trip.failure = Failure.GENERIC_TIMEOUT
    except DialError as error:
        trip.failure = error.failure
    except AIOHTTP_ERRORS as error:
        trip.failure = trip.failure or _exchange_failure(error, trip)
    finally:
        if trip.transport is not None:
            end_at_once(trip.transport)
            await asyncio.sleep(0)  # lets the event loop close the socket


async def _request(session: aiohttp.ClientSession, call: Call, trip: Trip) -> None:
    async with session.request(
        call.method, call.url, headers=call.headers, data=call.body, allow_redirects=False
    ) as response:
        trip.status = response.status
        trip.headers = tuple(response.raw_headers)
        trip.version = f"{response.version.major}.{response.version.minor}" if response.version else ""
        trip.stage = HttpStage.BODY
        while len(trip.body) < call.max_bytes:
            part = await response.content.readany()
            if not part:
                break
            trip.body += part
        trip.truncated = not response.content.at_eof() or len(trip.body) > call.max_bytes
        del trip.body[call.max_bytes :]
        trip.stage = HttpStage.FINISHED


def _exchange_failure(error: BaseException, trip: Trip) -> Failure:
    if isinstance(error, aiohttp.ClientResponseError):
        return Failure.HTTP_REQUEST_FAILED
    for cause in (error, error.__cause__, error.__context__):
        if isinstance(cause, ssl.SSLError):
            return classify(cause)
    return _stream_failure(trip)


def _stream_failure(trip: Trip) -> Failure:
    """How the connection itself ended; when it did not, what came over it was no HTTP."""
    if trip.sock is not None and trip.sock.error is not None:
        return classify(trip.sock.error)
    return Failure.EOF if trip.sock is not None and trip.sock.at_eof else Failure.HTTP_REQUEST_FAILED


class Pool:
    """Kept connections to one server: for a control resolver, which is asked again and again.

    At most `MAX_POOLED`; their bytes are counted by the pool's own instruments, the run's.
    """

    def __init__(self, call: Call, instruments: Instruments) -> None:
        self._call = call
        self._instruments = instruments
        self._session: aiohttp.ClientSession | None = None
        self._trips: list[Trip] = []
        self._deadline = 0.0

    async def post(self, body: bytes, *, deadline: float) -> tuple[int, bytes]:
        """The status and up to `max_bytes` of the answer's body. `deadline` is on the pool's own clock.

        Raises PoolError; CannotRun as the address gate does.
        """
        self._deadline = max(self._deadline, deadline)
        if self._session is None:
            self._session = open_session(self._dial, keep_alive=True)
        try:
            async with asyncio.timeout(self._instruments.seconds_until(deadline)):
                try:
                    return await self._post(self._session, body)
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                    # Perhaps a kept connection that the server had given up meanwhile; a new one tells.
                    return await self._post(self._session, body)
        except TimeoutError as error:
            raise PoolError(Failure.GENERIC_TIMEOUT) from error
        except DialError as error:
            raise PoolError(error.failure) from error
        except aiohttp.ServerDisconnectedError as error:
            raise PoolError(Failure.EOF) from error
        except aiohttp.ClientOSError as error:
            raise PoolError(classify(error)) from error
        except AIOHTTP_ERRORS as error:
            raise PoolError(Failure.HTTP_REQUEST_FAILED) from error

    async def _dial(self) -> ResponseHandler:
        trip = Trip()
        shared, address = self._instruments, self._call.endpoint.address
        async with shared.gate.slot(address, clock=shared.clock, deadline=self._deadline):
            protocol = await dial(self._call, shared, trip, deadline=self._deadline)
        self._trips = [t for t in self._trips if t.transport is not None and not t.transport.is_closing()]
        self._trips.append(trip)
        return protocol

    async def _post(self, session: aiohttp.ClientSession, body: bytes) -> tuple[int, bytes]:
        call = self._call
        async with session.request(
            call.method, call.url, headers=call.headers, data=body, allow_redirects=False
        ) as response:
            answer = bytearray()
            while len(answer) < call.max_bytes and (part := await response.content.readany()):
                answer += part
            return response.status, bytes(answer[: call.max_bytes])

    async def close(self) -> None:
        for trip in self._trips:
            if trip.transport is not None:
                end_at_once(trip.transport)
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(0)


class PoolError(Exception):
    """No answer came; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure
