"""How many bytes went over the sockets, how many more may, and how did each connection end?

Counts what programs hand to and take from the kernel, TLS included, IP and TCP headers not. Where a limit is set, no
socket sends or reads beyond it: that is our own end, told by `denials`, and never a failure of the network. How the
limit comes about is for `probe.budget`. Rates are not its business: for those the kernel's own counters are read
(`probe.net.tcpinfo`).
"""

import socket
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

# What one connection may bring: a handshake of 256 KB, a head and a body of 64 KB each and what the event loop reads
# at once, or a thousand answers of a resolver. Framing, empty chunks and TLS's own records cost data and no memory, so
# without this a server could use up a person's data plan until the deadline.
MAX_RECEIVED_BYTES = 1024 * 1024


class TooManyBytesError(OSError):
    """The peer sent more than belongs to any answer."""


class BudgetSpentError(OSError):
    """No byte more may be moved: our own limit."""


class Limit(Protocol):
    """Who says how many bytes more may be moved over the sockets of a meter and of those beneath it."""

    def room_bytes(self) -> int:
        """How many more now, both directions together."""

    def left_bytes(self) -> int:
        """How many more in all: what is not there yet may come."""

    def moved(self, num_bytes: int) -> None:
        """So many were just moved."""


class Meter:
    """Bytes sent and received; what one meter counts, its parent counts too. `limit` binds it and those beneath it.

    `denials` says how often a socket wanted more than there was room for, here or beneath.
    """

    __slots__ = ("_parent", "denials", "limit", "received_bytes", "sent_bytes")

    def __init__(self, parent: "Meter | None" = None) -> None:
        self._parent = parent
        self.limit: Limit | None = None
        self.denials = 0
        self.sent_bytes = 0
        self.received_bytes = 0

    @property
    def total(self) -> int:
        """Both directions together, as budgets count."""
        return self.sent_bytes + self.received_bytes

    @property
    def room_bytes(self) -> int:
        """How many bytes more may be moved, both directions together."""
        own = sys.maxsize if self.limit is None else self.limit.room_bytes()
        return own if self._parent is None else min(own, self._parent.room_bytes)

    @property
    def left_bytes(self) -> int:
        """How many bytes more may be moved in all, what is not there yet included."""
        own = sys.maxsize if self.limit is None else self.limit.left_bytes()
        return own if self._parent is None else min(own, self._parent.left_bytes)

    def add(self, sent: int, received: int) -> None:
        self.sent_bytes += sent
        self.received_bytes += received
        if self.limit is not None:
            self.limit.moved(sent + received)
        if self._parent is not None:
            self._parent.add(sent, received)

    def require(self, num_bytes: int) -> int:
        """How much room there is, at least `num_bytes`. Raises BudgetSpentError, and notes it, where there is less."""
        room = self.room_bytes
        if room < num_bytes:
            self.deny()
            raise BudgetSpentError("the byte budget is used up")
        return room

    def deny(self) -> None:
        """Note that something was not moved for want of room."""
        self.denials += 1
        if self._parent is not None:
            self._parent.deny()


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

    def _room(self) -> int:
        return self._meter.require(1)

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        try:
            data = super().recv(min(bufsize, self._room()), flags)
        except (BlockingIOError, InterruptedError):
            raise
        except OSError as error:
            self.error = error
            raise
        self._received(len(data))
        return data

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int = 0, flags: int = 0) -> int:
        try:
            wanted = nbytes or memoryview(buffer).nbytes
            count = super().recv_into(buffer, min(wanted, self._room()), flags)
        except (BlockingIOError, InterruptedError):
            raise
        except OSError as error:
            self.error = error
            raise
        self._received(count)
        return count

    def send(self, data: "ReadableBuffer", flags: int = 0, /) -> int:
        try:
            count = super().send(memoryview(data)[: self._room()], flags)
        except (BlockingIOError, InterruptedError):
            raise
        except OSError as error:
            self.error = error
            raise
        self._sent(count)
        return count

    def sendmsg(self, buffers: "Iterable[ReadableBuffer]", *rest: Any) -> int:
        try:
            pieces = list(buffers)
            if sum(memoryview(piece).nbytes for piece in pieces) > self._room():
                return self.send(b"".join(pieces))
            count = super().sendmsg(pieces, *rest)
        except (BlockingIOError, InterruptedError):
            raise
        except OSError as error:
            self.error = error
            raise
        self._sent(count)
        return count


class MeteredDatagramSocket(socket.socket):
    """A non-blocking UDP socket that counts its bytes; reads nothing where there is not room for all of it."""

    def __init__(self, family: int, meter: Meter) -> None:
        super().__init__(family, socket.SOCK_DGRAM)
        self.setblocking(False)
        self._meter = meter

    def sendto(self, data: "ReadableBuffer", address: Any, /) -> int:  # type: ignore[override]  # without flags
        self._meter.require(memoryview(data).nbytes)
        count = super().sendto(data, address)
        self._meter.add(count, 0)
        return count

    def recvfrom(self, bufsize: int, flags: int = 0, /) -> tuple[bytes, Any]:
        self._meter.require(bufsize)
        wire, sender = super().recvfrom(bufsize, flags)
        self._meter.add(0, len(wire))
        return wire, sender
