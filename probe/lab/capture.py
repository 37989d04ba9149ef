"""What did the vantage point send and receive, packet by packet?

Classic pcap (draft-ietf-opsawg-pcap), link type RAW: whole IP packets as they are at the vantage point's own interface,
so before the line loses any that go up and after it has lost those that come down. Carrying is
`probe.lab.forwarder`'s, which knows nothing of this: a capturing port takes an ordinary one's place.
"""

import struct
import time
from pathlib import Path
from types import TracebackType

from probe.lab.forwarder import MAX_FRAME_BYTES, Port

MAGIC_MICROSECONDS = 0xA1B2C3D4
VERSION = (2, 4)
LINKTYPE_RAW = 101
BUFFER_BYTES = 2**20  # a write to the disk in the middle of a burst is a pause on the line


class Capture:
    """A pcap file that is open for writing, in host byte order. Raises OSError where it cannot be made."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=BUFFER_BYTES)
        self._file.write(struct.pack("=IHHiIII", MAGIC_MICROSECONDS, *VERSION, 0, 0, MAX_FRAME_BYTES, LINKTYPE_RAW))

    def __enter__(self) -> "Capture":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, data: bytes) -> None:
        """One IP packet, now."""
        microseconds = time.time_ns() // 1000
        seconds, rest = divmod(microseconds, 1_000_000)
        self._file.write(struct.pack("=IIII", seconds, rest, len(data), len(data)) + data)


class CapturingPort(Port):
    """A port whose packets, both ways, are also written down."""

    def __init__(self, interface: str, *, peer_mac: bytes, capture: Capture) -> None:
        super().__init__(interface, peer_mac=peer_mac)
        self._capture = capture

    def receive(self) -> bytes | None:
        data = super().receive()
        if data is not None:
            self._capture.write(data)
        return data

    def send(self, data: bytes) -> None:
        self._capture.write(data)
        super().send(data)
