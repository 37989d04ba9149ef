"""How much do others send over this interface at the moment?

From the kernel's own counters, with what this program moved meanwhile taken away. Other devices behind the same
router are not seen: the arms of a goodput measurement are interleaved for them.
"""

from dataclasses import dataclass
from pathlib import Path

SAMPLE_SECONDS = 1.0  # a video's bursts come every few seconds; a download is there in every one
HEADER_FACTOR = 1.06  # headers of IP and TCP, and acknowledgements, on top of what sockets count

_SENT = 8  # the field of the bytes sent; those received are the first


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Bytes since the interface came up, and what this program itself has moved."""

    sent_bytes: int
    received_bytes: int
    own_sent_bytes: int
    own_received_bytes: int


def read_counters(interface: str, proc: Path, own: tuple[int, int]) -> Counters | None:
    """`own`: sent, received; None where the system shows no counters.

    From /proc/net/dev, which shows the network namespace of whoever asks; /sys may have been mounted for another.
    """
    try:
        lines = (proc / "net" / "dev").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, counted = line.partition(":")
        fields = counted.split()
        if name.strip() == interface and len(fields) > _SENT and fields[_SENT].isdecimal() and fields[0].isdecimal():
            return Counters(
                sent_bytes=int(fields[_SENT]),
                received_bytes=int(fields[0]),
                own_sent_bytes=own[0],
                own_received_bytes=own[1],
            )
    return None


def others_bps(before: Counters, after: Counters, seconds: float) -> float:
    """The greater of both directions, in bit/s; never negative (an interface that went away starts from 0)."""
    sent = after.sent_bytes - before.sent_bytes - HEADER_FACTOR * (after.own_sent_bytes - before.own_sent_bytes)
    received = after.received_bytes - before.received_bytes
    received -= round(HEADER_FACTOR * (after.own_received_bytes - before.own_received_bytes))
    return max(0.0, sent, received) * 8 / seconds if seconds > 0 else 0.0
