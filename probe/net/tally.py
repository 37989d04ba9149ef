"""May this bulk connection go on, and what has it cost so far?

Charges a transfer's bytes while they move, those that the kernel sends again included, and ends the connection before
what the kernel may still take in could go beyond the budget. What the kernel holds unread has come over the line, so it
counts; how much that can be is bounded by its receive buffer. Checks ask whether a transfer fits before they begin one
(`TRANSFER_SPARE_BYTES` beside its own bytes), so that only a server that sends more than was asked for ends like this.
"""

import socket

from probe.net import tcpinfo
from probe.net.meter import BudgetSpentError, Meter

SCARCE_BYTES = 8_000_000  # with less left, the buffer must not grow: usual kernels let it to 6 MB (tcp_rmem)
SCARCE_BUFFER_BYTES = 200 * 1024  # Linux doubles it and offers half: a window that holds a transfer nearly whole …
TRANSFER_SPARE_BYTES = 500_000  # … and what must be left beside a transfer for that buffer and 64 KB sent again
AHEAD_BYTES = 64 * 1024  # sent again between two looks, which are 10 ms apart


class Tally:
    """The bytes of one connection on `meter`, which is not made yet."""

    def __init__(self, meter: Meter, sock: socket.socket) -> None:
        """Raises BudgetSpentError where not even what an unasked server may send fits."""
        self._meter, self._sock = meter, sock
        self._sent_bytes = self._received_bytes = 0
        if meter.left_bytes < SCARCE_BYTES:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SCARCE_BUFFER_BYTES)
        self._require(0)

    def received(self, num_bytes: int) -> None:
        """So many were read. Raises BudgetSpentError where no more may come."""
        self._received_bytes += num_bytes
        self._meter.add(0, num_bytes)
        self._require(0)

    def sending(self, num_bytes: int) -> None:
        """So many are about to be handed to the kernel. Raises BudgetSpentError where they may not be."""
        self._require(num_bytes)
        self._sent_bytes += num_bytes
        self._meter.add(num_bytes, 0)

    def look(self, raw: bytes | None) -> None:
        """Charge what the kernel sent again, by its figures. Raises BudgetSpentError where no more may move."""
        sent = None if raw is None else tcpinfo.u64(raw, tcpinfo.U64_BYTES_SENT)
        if sent is not None and sent > self._sent_bytes:
            self._meter.add(sent - self._sent_bytes, 0)
            self._sent_bytes = sent
            self._require(0)

    def settle(self, sent_bytes: int, received_bytes: int) -> None:
        """What it came to in the end: what waited in buffers and never left is given back."""
        self._meter.add(sent_bytes - self._sent_bytes, received_bytes - self._received_bytes)
        self._sent_bytes, self._received_bytes = sent_bytes, received_bytes

    def _require(self, num_bytes: int) -> None:
        room = self._meter.room_bytes
        if room >= 8 * SCARCE_BYTES:  # no kernel's buffer is as large; asking it costs a system call each time
            return
        try:
            buffered = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        except OSError:  # closed meanwhile: nothing comes any more
            buffered = 0
        if room < num_bytes + buffered + AHEAD_BYTES:
            self._meter.deny()
            raise BudgetSpentError("the byte budget is used up")
