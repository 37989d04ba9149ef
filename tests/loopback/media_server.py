"""A media server that misbehaves to the byte: TLS over memory buffers, so that a test decides what goes on the wire."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import trustme

NAME = "media.test"
KB = 1024
OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


class Peer:
    """The server's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext) -> None:
        self.reader, self.writer = reader, writer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    async def shake(self) -> None:
        """Complete the handshake. Raises ssl.SSLError."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self.send_wire(self._outgoing.read())
                data = await self._read_wire()
                if not data:
                    raise ConnectionError("the client left during the handshake") from None
                self._incoming.write(data)
            except ssl.SSLError:
                await self.send_wire(self._outgoing.read())
                raise
            else:
                await self.send_wire(self._outgoing.read())
                return

    async def read(self) -> bytes:
        """Some plain text; b"" at the end."""
        while True:
            try:
                return self._tls.read(65536)
            except ssl.SSLWantReadError:
                data = await self._read_wire()
                if not data:
                    return b""
                self._incoming.write(data)

    async def read_head(self) -> bytes:
        """A request's head, and whatever of its body came with it."""
        request = b""
        while b"\r\n\r\n" not in request:
            data = await self.read()
            if not data:
                break
            request += data
        return request

    async def send(self, data: bytes) -> None:
        await self.send_wire(self.encrypt(data))

    def encrypt(self, data: bytes) -> bytes:
        """The wire's form of `data`, and of a close_notify where `data` is empty."""
        if data:
            self._tls.write(data)
        else:
            with suppress(ssl.SSLError):
                self._tls.unwrap()
        return self._outgoing.read()

    async def send_wire(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """End the connection with an RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.writer.transport.abort()

    async def _read_wire(self) -> bytes:
        return await self.reader.read(65536)


Handler = Callable[[Peer], Awaitable[None]]


def server_context(authority: trustme.CA, name: str = NAME) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@asynccontextmanager
async def media_server(
    context: ssl.SSLContext, handler: Handler, *, receive_buffer_bytes: int | None = None
) -> AsyncIterator[int]:
    """Serve `handler` on the loopback; yields the port. A connection that the client drops ends its handler quietly."""
    sock = socket.socket()
    if receive_buffer_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    sock.bind(("127.0.0.1", 0))
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
                await handler(Peer(reader, writer, context))
        finally:
            writer.close()
            with suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, sock=sock)
    try:
        yield sock.getsockname()[1]
    finally:
        await asyncio.sleep(0.01)  # asyncio leaks a connection that it accepts while the server closes
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def serve_object(size: int, *, gap_seconds: float = 0.0, head: bytes = OK) -> Handler:
    async def handle(peer: Peer) -> None:
        await peer.shake()
        await peer.read_head()
        await peer.send(head % size if b"%d" in head else head)
        for start in range(0, size, 16 * KB):
            await peer.send(b"x" * min(16 * KB, size - start))
            await asyncio.sleep(gap_seconds)
        await peer.reader.read()

    return handle
