"""How do the packets of two network namespaces pass through this process, and how punctually?

The shell around `probe.lab.line`: AF_PACKET sockets on the two veth ends in the middle namespace, one `select` with
the time of the next event as its limit. What happens to a packet is the line's; making the namespaces is
`probe.lab.namespaces`'s.

AF_PACKET rather than TUN, because /dev/net/tun is closed to ordinary users; so root and everyone else go one way.
"""

import select
import socket
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from probe.lab.line import Line
from probe.lab.rules import Direction
from probe.wire.ip import is_ipv6

ETH_P_ALL = 0x0003
ETH_P_IP = b"\x08\x00"
ETH_P_IPV6 = b"\x86\xdd"
ETHERNET_HEADER_BYTES = 14
MAX_FRAME_BYTES = 2048  # without offloads no frame is larger than the MTU and its header
RECEIVE_BUFFER_BYTES = 16 * 2**20  # several seconds of a fast line: a burst must never be lost for want of room
SOL_PACKET = 263
PACKET_STATISTICS = 6
PACKET_IGNORE_OUTGOING = 23
SO_RCVBUFFORCE = 33
MAX_LATE_SHARE = 0.01  # of the packets: fewer late ones than the 2 % that a lossy line loses anyway
FEW_PACKETS = 20  # a single pause delays one burst, in a run however short
VERY_LATE_SECONDS = 0.1  # half of Linux's least retransmission timer: no pause may make the kernel repeat packets
LATE_SECONDS = 0.002  # a packet that leaves later than this after its time disturbs what a goodput test sees
BATCH_PACKETS = 32  # read at most so many before what is due is sent
IDLE_SECONDS = 1.0
REST_SECONDS = 0.0002  # what is due so soon may wait for company: a tenth of what counts as late, half of the waking


@dataclass(frozen=True, slots=True, kw_only=True)
class LabStats:
    """What the emulated path did since the lab began. Packets, but for `worst_lateness_seconds`.

    `late`: packets sent more than `LATE_SECONDS` after their time; `very_late`: more than `VERY_LATE_SECONDS`.
    `overrun`: packets that the kernel dropped before this process saw them; `unsent`: that it did not take. All should
    be zero; `disturbed` says from where on a measurement in the lab says little. It knows the path alone: a program or
    a server that waits for a processor is not seen here.
    """

    carried_up: int
    carried_down: int
    lost: int
    queue_dropped: int
    censor_dropped: int
    injected: int
    expired: int
    nowhere: int
    late: int
    very_late: int
    overrun: int
    unsent: int
    too_big: int
    forgotten: int
    worst_lateness_seconds: float

    @property
    def packets(self) -> int:
        """All that reached an end of the path."""
        return self.carried_up + self.carried_down

    @property
    def disturbed(self) -> bool:
        """Whether the path was so short of processor time that what was measured on it is invalid."""
        return (
            self.overrun + self.unsent + self.very_late > 0 or self.late > MAX_LATE_SHARE * self.packets + FEW_PACKETS
        )

    def since(self, earlier: "LabStats") -> "LabStats":
        """What happened after `earlier` was taken from the same lab; `worst_lateness_seconds` may be older."""
        counts = {
            field.name: getattr(self, field.name) - getattr(earlier, field.name)
            for field in fields(self)
            if field.name != "worst_lateness_seconds"
        }
        return LabStats(**counts, worst_lateness_seconds=self.worst_lateness_seconds)


class Port:
    """A raw socket on one veth end. `peer_mac` is the other end's address, which every frame sent here bears."""

    def __init__(self, interface: str, *, peer_mac: bytes) -> None:
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
        except PermissionError:  # older kernels ask for the real root's capability
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.socket.bind((interface, ETH_P_ALL))
        self.socket.setblocking(False)
        own_mac = self.socket.getsockname()[4]
        self._header = peer_mac + own_mac + ETH_P_IP
        self._header6 = peer_mac + own_mac + ETH_P_IPV6
        self.unsent = 0
        self._overrun = 0

    def fileno(self) -> int:
        return self.socket.fileno()

    def receive(self) -> bytes | None:
        """The next IP packet, None when there is none."""
        try:
            return self.socket.recv(MAX_FRAME_BYTES)[ETHERNET_HEADER_BYTES:]
        except BlockingIOError:
            return None

    def send(self, data: bytes) -> None:
        try:
            self.socket.send((self._header6 if is_ipv6(data) else self._header) + data)
        except OSError:  # the interface's queue is full, or its namespace is going away
            self.unsent += 1

    def overrun(self) -> int:
        """Packets that the kernel dropped on this socket so far (reading resets the kernel's own count)."""
        counts = self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        self._overrun += struct.unpack("II", counts)[1]
        return self._overrun


class Forwarder:
    """Carries packets between `vantage` and `servers` through `line`, until a handler of `controls` says that it is
    over.
    """

    def __init__(self, line: Line, *, vantage: Port, servers: Port) -> None:
        self.line = line
        self._ports = {Direction.UP: vantage, Direction.DOWN: servers}  # by the direction of what arrives there
        self._exits = {Direction.UP: servers, Direction.DOWN: vantage}
        self._late = 0
        self._very_late = 0
        self._worst_lateness_seconds = 0.0

    def run(self, controls: Mapping[socket.socket, Callable[[], bool]]) -> None:
        """Serve. A readable control socket has its handler called; the first that returns False ends the service."""
        handlers = {control.fileno(): handle for control, handle in controls.items()}
        ports = {port.fileno(): (port, direction) for direction, port in self._ports.items()}
        descriptors = [*ports, *handlers]  # as numbers: `select` would ask each object for its own every time
        while True:
            readable, _, _ = select.select(descriptors, (), (), self._wait_seconds())
            for descriptor in readable:
                if descriptor in ports:
                    self._take_in(*ports[descriptor])
            self._send_due()
            for descriptor in readable:
                if descriptor in handlers and not handlers[descriptor]():
                    return

    def stats(self) -> LabStats:
        counters = self.line.counters
        return LabStats(
            carried_up=counters.carried_up,
            carried_down=counters.carried_down,
            lost=counters.lost,
            queue_dropped=counters.queue_dropped,
            censor_dropped=counters.censor_dropped,
            injected=counters.injected,
            expired=counters.expired,
            nowhere=counters.nowhere,
            too_big=counters.too_big,
            forgotten=counters.forgotten,
            late=self._late,
            very_late=self._very_late,
            overrun=sum(port.overrun() for port in self._ports.values()),
            unsent=sum(port.unsent for port in self._ports.values()),
            worst_lateness_seconds=self._worst_lateness_seconds,
        )

    def _wait_seconds(self) -> float:
        due = self.line.next_event()
        return IDLE_SECONDS if due is None else min(IDLE_SECONDS, max(REST_SECONDS, due - time.monotonic()))

    def _take_in(self, port: Port, direction: Direction) -> None:
        for _ in range(BATCH_PACKETS):
            data = port.receive()
            if data is None:
                return
            self.line.submit(data, direction, time.monotonic())

    def _send_due(self) -> None:
        now = time.monotonic()
        for delivery in self.line.advance(now):
            self._exits[delivery.direction].send(delivery.data)
            lateness = now - delivery.due
            if lateness > LATE_SECONDS:
                self._late += 1
                self._very_late += lateness > VERY_LATE_SECONDS
                self._worst_lateness_seconds = max(self._worst_lateness_seconds, lateness)
