"""How many bytes went over the sockets, and how did each connection end?

Counts what programs hand to and take from the kernel, TLS included, IP and TCP headers not. Rates are not its
business: for those the kernel's own counters are read (`probe.net.tcpinfo`).
"""

import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

# What one connection may bring: a handshake of 256 KB, a head and a body of 64 KB each and what the event loop reads
# at once, or a thousand answers of a resolver. Framing, empty chunks and TLS's own records cost data and no memory, so
# without this a server could use up a person's data plan until the deadline.
MAX_RECEIVED_BYTES = 1024 * 1024


class TooManyBytesError(OSError):
    """The peer sent more than belongs to any answer."""


class Meter:
    """Bytes sent and received; what one meter counts, its parent counts too."""

    __slots__ = ("_parent", "received_bytes", "sent_bytes")

    def __init__(self, parent: "Meter | None" = None) -> None:
        self._parent = parent
        self.sent_bytes = 0
        self.received_bytes = 0

    @property
    def total(self) -> int:
        """Both directions together, as budgets count."""
        return self.sent_bytes + self.received_bytes

    def add(self, sent: int, received: int) -> None:
        self.sent_bytes += sent
        self.received_bytes += received
        if self._parent is not None:
            self._parent.add(sent, received)


class MeteredSocket(socket.socket):
    """A non-blocking TCP socket that counts its bytes and remembers how its stream ended.

    An event loop's transport turns an end of stream inside a TLS handshake and a reset into the same exception; here,
    where the kernel says it, they are still apart. (Where the event loop reads sockets without Python's `recv`, as on
    Windows, both counts and endings stay empty.)
    """

    def __init__(self, family: int, meter: Meter) -> None:
        super().__init__(family, socket.SOCK_STREAM)
        self.setblocking(False)
        self._meter = meter
        self.sent_bytes = 0
        self.received_bytes = 0
        self.at_eof = False
        self.error: OSError | None = None

    def _received(self, count: int) -> None:
        self.received_bytes += count
        self._meter.add(0, count)
        if not count:
            self.at_eof = True
        if self.received_bytes > MAX_RECEIVED_BYTES:
            self.error = TooManyBytesError("the peer sends more than an answer")
            raise self.error

    def _sent(self, count: int) -> None:
        self.sent_bytes += count
        self._meter.add(count, 0)

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        try:
            data = super().recv(bufsize, flags)
        except (BlockingIOError, InterruptedError):
            raise
        except OSError as error:
            self.error = error
            raise
        self._received(len(data))
        return data

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int = 0, flags: int = 0) -> int:
        try:
            count = super().recv_into(buffer, nbytes, flags)
        except (BlockingIOError, InterruptedError):
            raise
        except OSError as error:
            self.error = error
            raise
        self._received(count)
        return count

    def send(self, data: "ReadableBuffer", flags: int = 0, /) -> int:
        try:
            count = super().send(data, flags)
        except (BlockingIOError, InterruptedError):
            raise
        except OSError as error:
            self.error = error
            raise
        self._sent(count)
        return count

    def sendmsg(self, buffers: "Iterable[ReadableBuffer]", *rest: Any) -> int:
        try:
            count = super().sendmsg(buffers, *rest)
        except (BlockingIOError, InterruptedError):
            raise
        except OSError as error:
            self.error = error
            raise
        self._sent(count)
        return count
