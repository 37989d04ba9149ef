"""How does a machine of the censor sit in the middle of TLS?

A real server at an address of its own, to which the censor's rules divert flows: it reads the ClientHello, makes a
certificate for the name under its own root and joins the two sides, or passes the bytes on unopened. Whose connections
it opens is `probe.lab.interception`'s.
"""

import asyncio
import contextlib
import socket
import ssl
from functools import partial

import trustme

from probe.lab.doors import first_hello
from probe.lab.interception import Interception

HTTPS_PORT = 443
PIECE_BYTES = 64 * 1024
NOTICE_BODY = b"<html><head><title>Restricted</title></head><body><h1>Access is restricted by law.</h1></body></html>"
NOTICE = (
    b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nConnection: close\r\n"
    + b"Content-Length: %d\r\n\r\n" % len(NOTICE_BODY)
    + NOTICE_BODY
)


class Interceptor:
    """One machine with a root of its own, in front of one server."""

    def __init__(self, interception: Interception) -> None:
        self._interception = interception
        self._root = trustme.CA(organization_name="National Certificate Authority")
        self._contexts: dict[str, ssl.SSLContext] = {}

    async def serve(self, listener: socket.socket) -> None:
        """Accept connections for ever; `listener` does not block."""
        loop = asyncio.get_running_loop()
        visits: set[asyncio.Task[None]] = set()
        while True:
            connection, _ = await loop.sock_accept(listener)
            visit = loop.create_task(self._visit(connection))
            visits.add(visit)
            visit.add_done_callback(visits.discard)

    async def _visit(self, connection: socket.socket) -> None:
        """One connection, from its ClientHello to its end; whatever goes wrong ends it for both sides."""
        connection.setblocking(False)
        hello = await first_hello(connection)
        name = hello.server_name if hello is not None else None
        opened = self._interception.opens(name)
        context = self._context(name) if opened and name is not None else None
        # SSLError, of a client that does not like the certificate, is an OSError; EOFError: it left in mid-request
        with contextlib.suppress(OSError, EOFError, asyncio.LimitOverrunError):
            reader, writer = await _streams(connection, context)
            with contextlib.closing(writer):
                if opened and self._interception.notice:
                    await reader.readuntil(b"\r\n\r\n")
                    writer.write(NOTICE)
                    await writer.drain()
                else:
                    await self._relay(reader, writer, name if opened else None)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str | None) -> None:
        """Join the client to the server; over TLS of our own where `name` is given."""
        context = ssl._create_unverified_context() if name is not None else None
        there, back = await asyncio.open_connection(
            self._interception.upstream, HTTPS_PORT, ssl=context, server_hostname=name
        )
        with contextlib.closing(back):
            await asyncio.gather(_carry(reader, back), _carry(there, writer))

    def _context(self, name: str) -> ssl.SSLContext:
        """The server's side of TLS under `name`, made on the spot."""
        if name not in self._contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._root.issue_cert(name).configure_cert(context)
            self._contexts[name] = context
        return self._contexts[name]


async def _streams(
    connection: socket.socket, context: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The accepted connection as a pair of streams, behind TLS where a context is given."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    make = partial(asyncio.StreamReaderProtocol, reader)
    transport, protocol = await loop.connect_accepted_socket(make, connection, ssl=context)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Bytes from one side to the other until the first is at its end; then the other is told, if it can be."""
    while piece := await source.read(PIECE_BYTES):
        sink.write(piece)
        await sink.drain()
    if sink.can_write_eof():
        sink.write_eof()
    else:
        sink.close()
