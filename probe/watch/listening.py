"""On which socket does the web server of `watch` listen, and how much may a client take from it?

At most `MAX_CONNECTIONS`; a connection that does not finish a request, asks nothing, or does not read its answer is
ended. What is answered is `probe.watch.web`'s.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

MAX_CONNECTIONS = 64  # two Prometheus servers, a browser and a supervisor need ten
# A client that opened a connection, or had its answer, must have sent the whole head of its next request after so long.
IDLE_SECONDS = 75.0  # above the usual scrape interval of 60 s
UNREAD_SECONDS = 20.0  # an answer that is not read at all for so long will not be
SWEEP_SECONDS = 10.0
MAX_LINE_BYTES = 8190  # a request line or a header; a longer one is answered with 400
MAX_HEADERS = 64
LINGERING_SECONDS = 1.0  # for a body that nobody asked for
END_SECONDS = 2.0  # for answers that are on the way when the service ends
BACKLOG = 32


class _Refused(asyncio.Protocol):
    """One connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


@asynccontextmanager
async def listening(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve `app` on `host`, an address literal or "localhost", for as long as this is held; gives the port.

    Port 0 is any free one. Raises OSError where the address cannot be listened on.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        handler_cancellation=True,  # a client that hangs up ends its probe
        keepalive_timeout=IDLE_SECONDS,
        max_line_size=MAX_LINE_BYTES,
        max_field_size=MAX_LINE_BYTES,
        max_headers=MAX_HEADERS,
        lingering_time=LINGERING_SECONDS,
        shutdown_timeout=END_SECONDS,
    )
    await runner.setup()
    server = runner.server
    assert server is not None

    def accept() -> asyncio.BaseProtocol:
        return server() if len(server.connections) < MAX_CONNECTIONS else _Refused()

    try:
        listener = await asyncio.get_running_loop().create_server(accept, host, port, backlog=BACKLOG)
        sweeper = asyncio.create_task(_end_unread(server))
        try:
            yield listener.sockets[0].getsockname()[1]
        finally:
            listener.close()
            sweeper.cancel()
    finally:
        await runner.cleanup()


async def _end_unread(server: web.Server) -> None:
    """End connections whose answer has been waiting for the client for `UNREAD_SECONDS` without moving."""
    stuck: dict[asyncio.Transport, tuple[int, float]] = {}
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        waiting = {}
        for connection in server.connections:
            transport = connection.transport
            left = transport.get_write_buffer_size() if isinstance(transport, asyncio.Transport) else 0
            if transport is None or not left:
                continue
            before, seconds = stuck.get(transport, (left, 0.0))
            unmoved = seconds + SWEEP_SECONDS if left >= before else 0.0
            if unmoved > UNREAD_SECONDS:
                transport.abort()
            else:
                waiting[transport] = (left, unmoved)
        stuck = waiting
