"""One request on a connected flow: how many bytes did it move, when, and how did it end?

`Download` and `Upload` are the two kinds. Both count what the kernel counts, sample it, and end by themselves when all
is done or nothing more can come; the deadline is the caller's, who says `cut`. Connections are the caller's too.

Counting and the in-band RTT probe follow the prototype's findings (feasibility §3 and §6).
"""

import asyncio
import os
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable

from probe.failure import Failure
from probe.model.observations import TcpInfo
from probe.net import tcpinfo
from probe.net.classify import classify
from probe.net.flow import Flow
from probe.net.http1 import BadResponseError, Response, download_request, upload_request
from probe.net.meter import BudgetSpentError
from probe.net.sampling import Sample, Sampler

RTT_PROBE_INTERVAL_SECONDS = 0.1  # one byte so often makes tcpi_rtt show the queue of a download
RTT_PROBE_REQUEST = b"GET / HTTP/1.1\r\nX-Unfinished: " + b"-" * 220  # sent byte by byte, never to its end
PIECE_BYTES = 64 * 1024  # of an upload, encrypted and written at once
PIECES_PER_TURN = 8  # written before the event loop gets its turn, so that sampling keeps its pace
PAYLOAD_BYTES = 1024 * 1024  # random bytes prepared; a larger upload repeats them
SEGMENT_BYTES = 1200  # in a TLS record it fits one segment of every path that carries IPv6 (RFC 8200 §5: 1280 bytes)
ACK_POLL_SECONDS = 0.001  # once all is written: how exactly the last acknowledgement is timed


class Exchange(ABC):
    """What both kinds share; `t`, `num_bytes`, `failure`, `complete` and `tcp_after` hold once it has `ended`.

    `now` is the measurement's clock; `error` is what broke the connection, for its alert.
    """

    def __init__(self, flow: Flow, sock: socket.socket, now: Callable[[], float], num_bytes: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.flow, self.sock, self.now, self.wanted_bytes = flow, sock, now, num_bytes
        self.ended = False
        self._end_noted = asyncio.Event()
        self.response = Response()
        self.sampler = Sampler(self.loop, self._sample)
        self.tcp_before: TcpInfo | None = None
        self.tcp_after: TcpInfo | None = None
        self.t_request: float | None = None
        self.t_first_byte: float | None = None
        self.t = 0.0
        self.num_bytes = 0
        self.error: OSError | None = None
        self.failure: Failure | None = None
        self.complete = False
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None

    @property
    @abstractmethod
    def kernel_counted(self) -> bool:
        """Whether the kernel counted `num_bytes`."""

    @property
    @abstractmethod
    def application_bytes(self) -> int:
        """Body bytes that the program read, or wrote: of an upload some may wait in buffers."""

    @abstractmethod
    def start(self, url: str, host: str) -> None:
        """Send the request, on a flow that is secured and attached to this. Raises ssl.SSLError."""

    @abstractmethod
    def _count(self, raw: bytes | None) -> Sample:
        """Bytes since the request, by the kernel's `raw` figures where it gives any."""

    @property
    def status(self) -> int | None:
        return self.response.head.status if self.response.head else None

    async def wait(self) -> None:
        """Until it has ended."""
        await self._end_noted.wait()

    def cut(self) -> None:
        """The caller's deadline has come."""
        self._end(None)

    def broken(self, error: OSError) -> None:
        """The flow's word that the connection is gone or unreadable."""
        if not self.ended:
            self.error = error
            self._end(classify(error))

    def _begin(self) -> None:
        raw = tcpinfo.read_raw(self.sock)
        self.tcp_before = None if raw is None else tcpinfo.parse_tcp_info(raw)
        self.t_request = self.now()
        self.sampler.start(self._count(raw))

    def _sample(self) -> Sample:
        raw = tcpinfo.read_raw(self.sock)
        if not self.ended:
            self._charge(raw)
        return self._count(raw)

    def _charge(self, raw: bytes | None) -> None:
        try:
            self.flow.tally.look(raw)
        except BudgetSpentError as error:
            self.loop.call_soon(self.broken, error)  # after this sample

    def _end(self, failure: Failure | None, *, complete: bool = False) -> None:
        if self.ended:
            return
        self.ended = True
        if self._timer is not None:
            self._timer.cancel()
        self.sampler.stop()
        self.t = self.now()
        if self.t_request is not None:
            last = self.sampler.take()
            self.t, self.num_bytes = last.t, last.num_bytes
        self.failure, self.complete = failure, complete
        self.tcp_after = tcpinfo.read_tcp_info(self.sock)
        self._end_noted.set()

    def _note_first_byte(self) -> None:
        if self.t_first_byte is None:
            self.t_first_byte = self.now()


class Download(Exchange):
    """A ranged GET that ends once `num_bytes` of the body came, or the body did."""

    def __init__(self, flow: Flow, sock: socket.socket, now: Callable[[], float], num_bytes: int) -> None:
        super().__init__(flow, sock, now, num_bytes)
        self._probed_bytes = 0

    @property
    def kernel_counted(self) -> bool:
        return self.tcp_before is not None and self.tcp_before.bytes_received is not None

    @property
    def application_bytes(self) -> int:
        return min(self.response.num_bytes, self.wanted_bytes)

    def start(self, url: str, host: str) -> None:
        self._begin()
        self.flow.write(download_request(url, host, self.wanted_bytes))

    def received(self, data: memoryview) -> None:
        if self.ended:
            return
        self._note_first_byte()
        headless = self.response.head is None
        try:
            self.response.feed(data)
        except BadResponseError:
            self._end(Failure.HTTP_REQUEST_FAILED)
            return
        if self.response.num_bytes >= self.wanted_bytes:
            self._end(None, complete=True)
        elif self.response.ended:
            self._end(None)
        elif headless and self.response.head is not None and self.response.head.persistent:
            self._timer = self.loop.call_later(RTT_PROBE_INTERVAL_SECONDS, self._probe_rtt)

    def finished(self) -> None:
        head = self.response.head
        delimited = head is not None and (head.chunked or head.content_length is not None)
        self._end(Failure.EOF if head is None or delimited else None)

    def writable(self) -> None:
        """Nothing waits to be written."""

    def _probe_rtt(self) -> None:
        """Send one byte of a request that never ends: its acknowledgement queues behind the data.

        Only while the server keeps the connection open: one that closes on unread input destroys its own response.
        """
        if self._probed_bytes < len(RTT_PROBE_REQUEST):
            try:
                self.flow.write(RTT_PROBE_REQUEST[self._probed_bytes : self._probed_bytes + 1])
            except ssl.SSLError:
                return  # reading finds the same, and says what it is
            self._probed_bytes += 1
            self._timer = self.loop.call_later(RTT_PROBE_INTERVAL_SECONDS, self._probe_rtt)

    def _count(self, raw: bytes | None) -> Sample:
        before = self.tcp_before
        received = None if raw is None else tcpinfo.u64(raw, tcpinfo.U64_BYTES_RECEIVED)
        if raw is None or before is None or before.bytes_received is None or received is None:
            return Sample(self.now(), self.response.num_bytes, None, None, None)
        return Sample(
            self.now(),
            received - before.bytes_received,
            _since(tcpinfo.u32(raw, tcpinfo.U32_DATA_SEGS_IN), before.segments_in),
            _rtt_seconds(raw),
            _since(tcpinfo.u32(raw, tcpinfo.U32_TOTAL_RETRANS), before.total_retransmits),
        )


class Upload(Exchange):
    """A POST that ends once the peer's kernel has acknowledged all of it, whatever its program answers."""

    def __init__(
        self,
        flow: Flow,
        sock: socket.socket,
        now: Callable[[], float],
        num_bytes: int,
        acked_at_connect: int | None,
        *,
        stepwise_from_bytes: int | None = None,
    ) -> None:
        super().__init__(flow, sock, now, num_bytes)
        self._acked_at_connect = acked_at_connect
        self._stepwise_from_bytes = num_bytes if stepwise_from_bytes is None else stepwise_from_bytes
        self._payload = memoryview(os.urandom(min(num_bytes, PAYLOAD_BYTES)))
        self._written_bytes = 0
        self._body_offset = 0  # where on the wire the body begins
        self._answered = False

    @property
    def kernel_counted(self) -> bool:
        return self._acked_at_connect is not None

    @property
    def application_bytes(self) -> int:
        return self._written_bytes

    def start(self, url: str, host: str) -> None:
        head_bytes = self.flow.prepare(upload_request(url, host, self.wanted_bytes))
        self._body_offset = self.flow.wire_sent_bytes + head_bytes
        self._begin()
        self._pump()

    def received(self, data: memoryview) -> None:
        if self.ended:
            return
        self._note_first_byte()
        if not self._answered:
            try:
                self.response.feed(data)
            except BadResponseError:
                self._answered = True  # whatever it was; what counts is what is acknowledged
            self._answered = self._answered or self.response.head is not None
        self._check_arrival()

    def finished(self) -> None:
        if not self.kernel_counted:
            self._end(None if self._answered and self._all_left() else Failure.EOF, complete=self._all_left())
        # else go on: a server that has answered and closed its direction may still be reading (RFC 9112 §9.6)

    def broken(self, error: OSError) -> None:
        self._check_arrival()
        super().broken(error)

    def writable(self) -> None:
        self._pump()

    def _pump(self) -> None:
        """Write until the socket is full, the loop needs its turn, or all is written."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for _ in range(PIECES_PER_TURN):
            left = self.wanted_bytes - self._written_bytes
            room = self._room_bytes()
            if not left or not room or self.flow.paused or self.ended:
                break
            start = self._written_bytes % len(self._payload)
            piece = self._payload[start : start + min(left, room, PIECE_BYTES)]
            try:
                self.flow.write(piece)
            except ssl.SSLError as error:
                self.broken(error)
                return
            self._written_bytes += len(piece)
        if self.ended:
            return
        if self._written_bytes == self.wanted_bytes:
            self._check_arrival()
            if not self.ended:
                self._timer = self.loop.call_later(ACK_POLL_SECONDS, self._pump)
        elif self._written_bytes >= self._stepwise_from_bytes:
            self._timer = self.loop.call_later(ACK_POLL_SECONDS, self._pump)
        elif not self.flow.paused:
            self._timer = self.loop.call_soon(self._pump)

    def _room_bytes(self) -> int:
        """How much may be written now: up to where single segments begin, then one whenever all is acknowledged."""
        eager = self._stepwise_from_bytes - self._written_bytes
        if eager > 0 or not self._written_bytes:
            return max(eager, SEGMENT_BYTES)
        acked = self._acknowledged_bytes(tcpinfo.read_raw(self.sock))
        return SEGMENT_BYTES if acked is not None and acked >= self.flow.wire_sent_bytes else 0

    def _all_left(self) -> bool:
        return self._written_bytes == self.wanted_bytes and not self.flow.unsent_bytes

    def _check_arrival(self) -> None:
        """End when all has arrived: by the peer's kernel's word, or by its program's where ours tells nothing.

        Or when our kernel has given the connection up: after the peer's FIN the event loop reads no more, and would
        not hear of the RST by which a server that has answered early drops the rest.
        """
        if self._all_left():
            raw = tcpinfo.read_raw(self.sock)
            acked = self._acknowledged_bytes(raw)
            if self._answered if acked is None else acked >= self.flow.wire_sent_bytes:
                self._end(None, complete=True)
            elif raw is not None and tcpinfo.is_closed(raw):
                super().broken(ConnectionResetError("reset after the peer had finished"))

    def _acknowledged_bytes(self, raw: bytes | None) -> int | None:
        """Bytes of our stream that the peer's kernel has, from its very first byte."""
        acked = None if raw is None else tcpinfo.u64(raw, tcpinfo.U64_BYTES_ACKED)
        return None if acked is None or self._acked_at_connect is None else acked - self._acked_at_connect

    def _count(self, raw: bytes | None) -> Sample:
        before = self.tcp_before
        acked = self._acknowledged_bytes(raw)
        if acked is None:
            acked = self.flow.wire_sent_bytes - self.flow.unsent_bytes
        num_bytes = min(self.wanted_bytes, max(0, acked - self._body_offset))
        if raw is None or before is None:
            return Sample(self.now(), num_bytes, None, None, None)
        return Sample(
            self.now(),
            num_bytes,
            _since(tcpinfo.u32(raw, tcpinfo.U32_DELIVERED), before.delivered),
            _rtt_seconds(raw),
            _since(tcpinfo.u32(raw, tcpinfo.U32_TOTAL_RETRANS), before.total_retransmits),
        )


def _since(value: int | None, before: int | None) -> int | None:
    return None if value is None or before is None else value - before


def _rtt_seconds(raw: bytes) -> float | None:
    rtt = tcpinfo.u32(raw, tcpinfo.U32_RTT)
    return rtt / tcpinfo.MICROSECONDS if rtt else None
