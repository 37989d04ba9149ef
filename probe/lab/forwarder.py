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
from dataclasses import dataclass

from probe.lab.line import Line
from probe.lab.rules import Direction

ETH_P_IP = 0x0800
ETHERNET_HEADER_BYTES = 14
MAX_FRAME_BYTES = 65_536
RECEIVE_BUFFER_BYTES = 16 * 2**20  # several seconds of a fast line: a burst must never be lost for want of room
SOL_PACKET = 263
PACKET_STATISTICS = 6
SO_RCVBUFFORCE = 33
LATE_SECONDS = 0.002  # a packet that leaves later than this after its time disturbs what a goodput test sees
BATCH_PACKETS = 32  # read at most so many before what is due is sent
IDLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LabStats:
    """What the emulated path did since the lab began. Packets, but for `worst_lateness_seconds`.

    `late`: packets sent more than `LATE_SECONDS` after their time. `overrun`: packets that the kernel dropped before
    this process saw them. Both should be zero; a measurement in a lab where they are not says little.
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
    overrun: int
    unsent: int
    worst_lateness_seconds: float


class Port:
    """A raw socket on one veth end. `peer_mac` is the other end's address, which every frame sent here bears."""

    def __init__(self, interface: str, *, peer_mac: bytes) -> None:
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
        except PermissionError:  # older kernels ask for the real root's capability
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self.socket.bind((interface, ETH_P_IP))
        self.socket.setblocking(False)
        own_mac = self.socket.getsockname()[4]
        self._header = peer_mac + own_mac + struct.pack("!H", ETH_P_IP)
        self.unsent = 0
        self._overrun = 0

    def fileno(self) -> int:
        return self.socket.fileno()

    def receive(self) -> bytes | None:
        """The next IPv4 packet, None when there is none."""
        try:
            return self.socket.recv(MAX_FRAME_BYTES)[ETHERNET_HEADER_BYTES:]
        except BlockingIOError:
            return None

    def send(self, data: bytes) -> None:
        try:
            self.socket.send(self._header + data)
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
        self._worst_lateness_seconds = 0.0

    def run(self, controls: Mapping[socket.socket, Callable[[], bool]]) -> None:
        """Serve. A readable control socket has its handler called; the first that returns False ends the service."""
        readers: list[Port | socket.socket] = [*self._ports.values(), *controls]
        while True:
            readable, _, _ = select.select(readers, (), (), self._wait_seconds())
            for direction, port in self._ports.items():
                if port in readable:
                    self._take_in(port, direction)
            self._send_due()
            for control, handle in controls.items():
                if control in readable and not handle():
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
            late=self._late,
            overrun=sum(port.overrun() for port in self._ports.values()),
            unsent=sum(port.unsent for port in self._ports.values()),
            worst_lateness_seconds=self._worst_lateness_seconds,
        )

    def _wait_seconds(self) -> float:
        due = self.line.next_event()
        return IDLE_SECONDS if due is None else min(IDLE_SECONDS, max(0.0, due - time.monotonic()))

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
                self._worst_lateness_seconds = max(self._worst_lateness_seconds, lateness)
