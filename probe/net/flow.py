"""One TCP connection with TLS on it, for bytes in bulk: what left, what came, how it ended?

TLS runs here over memory buffers, not in asyncio, so that every byte on the wire has a known place in the stream:
only so can acknowledged bytes be told from bytes that wait in some buffer (feasibility §6, trap 2). What the bytes
mean is the sink's business; which context, name and deadline apply is the caller's.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
import sys
from collections.abc import Mapping
from typing import Protocol

from probe.net.meter import BudgetSpentError, TooManyBytesError
from probe.net.tally import Tally

RECEIVE_BUFFER_BYTES = 512 * 1024
MAX_RECORD_BYTES = 16 * 1024  # of a TLS record's plain text (RFC 8446 §5.1)
PLAIN_BUFFER_BYTES = 4 * MAX_RECORD_BYTES
MAX_HANDSHAKE_BYTES = 256 * 1024  # a longer handshake is not one
# Beyond the body that is asked for: handshake, head, records' headers, and what is read at once before it is stopped.
MAX_EXTRA_BYTES = MAX_HANDSHAKE_BYTES + RECEIVE_BUFFER_BYTES
RESET_ON_CLOSE = struct.pack("HH" if sys.platform == "win32" else "ii", 1, 0)  # struct linger: on, 0 s


class EndlessHandshakeError(ssl.SSLError):
    """The peer sent more than a handshake can hold."""

    reason = "ENDLESS_HANDSHAKE"  # which `ssl` gives its own errors only


class Sink(Protocol):
    """Who uses the flow; called from the event loop."""

    def received(self, data: memoryview) -> None:
        """Application bytes came; `data` is valid during the call only."""

    def finished(self) -> None:
        """The peer will send no more, and said so as its protocol asks; our direction is still open."""

    def broken(self, error: OSError) -> None:
        """The connection is gone or unreadable."""

    def writable(self) -> None:
        """The socket took all that was written: write more."""


class Flow(asyncio.BufferedProtocol):
    """A connected socket, secured by `tls` unless that is None, feeding `sink` once `attach`ed.

    `wire_sent_bytes` counts what was given to the transport, TLS included; `unsent_bytes` of it wait in this process.
    A peer that sends more than `max_received_bytes`, TLS's own records included, breaks the flow, and so does `tally`
    where the budget ends.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        tls: ssl.SSLContext | None,
        server_name: str,
        *,
        max_received_bytes: int,
        tally: Tally,
    ) -> None:
        self.secured: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self.paused = False
        self.wire_sent_bytes = 0
        self.wire_received_bytes = 0
        self._max_received_bytes = max_received_bytes
        self.tally = tally
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = None
        if tls is not None:
            self._tls = tls.wrap_bio(self._incoming, self._outgoing, server_side=False, server_hostname=server_name)
        self._transport: asyncio.Transport | None = None
        self._sink: Sink | None = None
        self._early: OSError | None = None  # an end that came before there was a sink
        self._peer_finished = False
        self._raw = memoryview(bytearray(RECEIVE_BUFFER_BYTES))
        self._plain = memoryview(bytearray(PLAIN_BUFFER_BYTES))

    @property
    def connected(self) -> bool:
        """Whether the event loop has, or had, this connection: then it closes the socket too."""
        return self._transport is not None

    @property
    def certificate(self) -> Mapping[str, object] | None:
        """The peer's leaf as `ssl` gives it, empty where the chain is not verified; None before the handshake."""
        return self._tls.getpeercert() if self._tls is not None else None

    @property
    def unsent_bytes(self) -> int:
        return self._outgoing.pending + (self._transport.get_write_buffer_size() if self._transport else 0)

    def attach(self, sink: Sink) -> None:
        """Deliver from now on; an end that came before is delivered at once."""
        self._sink = sink
        if self._early is not None:
            sink.broken(self._early)
        elif self._peer_finished:
            sink.finished()
        elif self._tls is not None:
            self._decrypt()

    def write(self, data: bytes | memoryview) -> None:
        """Encrypt and hand to the transport. Raises ssl.SSLError when TLS is over."""
        self.prepare(data)
        self._flush()

    def prepare(self, data: bytes | memoryview) -> int:
        """Encrypt only, to be sent with the next `write`; returns the bytes this takes on the wire."""
        waiting = self._outgoing.pending
        if self._tls is None:
            self._outgoing.write(data)
        else:
            self._tls.write(data)
        return self._outgoing.pending - waiting

    def abort(self, sock: socket.socket, *, reset: bool) -> None:
        """Close without flushing; with `reset` even what the kernel still holds is dropped."""
        if reset:
            with contextlib.suppress(OSError):  # gone already, and its queue with it
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        if self._transport is not None:
            self._transport.abort()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=0)
        if self._tls is None:
            self.secured.set_result(None)
        else:
            self._shake()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._raw

    def buffer_updated(self, num_bytes: int) -> None:
        self.wire_received_bytes += num_bytes
        try:
            self.tally.received(num_bytes)
        except BudgetSpentError as error:
            self._break(error)
            return
        if self.wire_received_bytes > self._max_received_bytes:
            self._break(TooManyBytesError("the peer sends more than was asked for"))
            return
        if self._tls is None:
            if self._sink is not None:
                self._sink.received(self._raw[:num_bytes])
            return
        self._incoming.write(self._raw[:num_bytes])
        if not self.secured.done():
            self._shake()
        elif self._sink is not None:
            self._decrypt()

    def eof_received(self) -> bool:
        self._incoming.write_eof()
        if self._tls is None:
            self._finish()
        elif not self.secured.done():
            self._shake()
        elif self._sink is not None:
            self._decrypt()
        return True  # our own direction stays open: a server that has answered may still be reading

    def connection_lost(self, exc: Exception | None) -> None:
        error = exc if isinstance(exc, OSError) else ConnectionAbortedError("closed by us")
        self._unsecured(error)
        if exc is not None:
            self._break(error)
        self._sink = None  # each holds the other, and this one large buffers
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        if self._sink is not None:
            self._sink.writable()

    # TLS

    def _shake(self) -> None:
        assert self._tls is not None
        try:
            if self.wire_received_bytes > MAX_HANDSHAKE_BYTES:
                raise EndlessHandshakeError("the handshake does not end")
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return
        except OSError as error:  # SSLError and SSLCertVerificationError are
            self._flush()  # our own alert
            self._unsecured(error)
            return
        self._flush()
        if not self.secured.done():
            self.secured.set_result(None)

    def _decrypt(self) -> None:
        """Deliver what can be decrypted, several records at a time: a call per record costs a tenth of the speed."""
        assert self._tls is not None
        read, plain, filled = self._tls.read, self._plain, 0
        try:
            while count := read(MAX_RECORD_BYTES, plain[filled:]):
                filled += count  # type: ignore[operator]  # a number, since a buffer was given
                if filled > len(plain) - MAX_RECORD_BYTES:
                    self._deliver(filled)
                    filled = 0
            self._deliver(filled)
            self._finish()
        except ssl.SSLWantReadError:
            self._deliver(filled)
            if self._outgoing.pending:
                self._flush()  # an answer of TLS's own, such as to a key update
        except OSError as error:
            self._deliver(filled)
            self._break(error)

    def _deliver(self, filled: int) -> None:
        if filled and self._sink is not None:
            self._sink.received(self._plain[:filled])

    def _flush(self) -> None:
        data = self._outgoing.read()
        if not data or self._transport is None:
            return
        try:
            self.tally.sending(len(data))
        except BudgetSpentError as error:
            self._break(error)
            return
        self.wire_sent_bytes += len(data)
        self._transport.write(data)

    def _finish(self) -> None:
        if not self._peer_finished:
            self._peer_finished = True
            if self._sink is not None:
                self._sink.finished()

    def _break(self, error: OSError) -> None:
        self._unsecured(error)
        if self._sink is not None:
            self._sink.broken(error)
        elif self._early is None:
            self._early = error

    def _unsecured(self, error: OSError) -> None:
        if not self.secured.done():
            self.secured.set_exception(error)
            self.secured.exception()  # marked as seen: the waiter may have been cancelled
