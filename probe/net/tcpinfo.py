"""What does the kernel know about this connection?

Reads Linux's `struct tcp_info` by its length, so that an older kernel only lacks fields and a newer one is cut off.
Needs no privilege. Every other platform has no such structure and gives None. What the figures mean is for others.

Source: Linux, include/uapi/linux/tcp.h, `struct tcp_info`; fields are only ever appended to it.
"""

import socket
import struct
import sys

from probe.model.observations import TcpInfo

TCP_INFO_OPTION: int | None = getattr(socket, "TCP_INFO", None) if sys.platform.startswith("linux") else None
ASKED_BYTES = 512  # more than any kernel has (280 in Linux 6.18); the kernel answers with what it has
NO_MIN_RTT = 0xFFFF_FFFF  # the kernel's "not measured yet"
MICROSECONDS = 1e6
MILLISECONDS = 1e3
BITS = 8

STATE = 0  # the first byte
STATE_CLOSE = 7  # include/net/tcp_states.h: reset, or both directions ended

# offset in bytes of each field; the first group is u32, the second u64
U32_SND_MSS = 16
U32_LAST_ACK_RECV = 56
U32_RTT = 68
U32_SND_CWND = 80
U32_TOTAL_RETRANS = 100
U32_MIN_RTT = 148
U32_DATA_SEGS_IN = 152
U32_DATA_SEGS_OUT = 156
U32_DELIVERED = 192
U32_RCV_OOOPACK = 224
U64_BYTES_ACKED = 120
U64_BYTES_RECEIVED = 128
U64_DELIVERY_RATE = 160
U64_RWND_LIMITED = 176
U64_SNDBUF_LIMITED = 184
U64_BYTES_SENT = 200
U64_BYTES_RETRANS = 208

_U32 = struct.Struct("=I")
_U64 = struct.Struct("=Q")


def read_tcp_info(sock: socket.socket) -> TcpInfo | None:
    """The kernel's view of `sock` now; None where the platform has none or the socket is gone."""
    raw = read_raw(sock)
    return None if raw is None else parse_tcp_info(raw)


def read_raw(sock: socket.socket) -> bytes | None:
    """The structure as the kernel gives it, for one field of it read often; None as in `read_tcp_info`."""
    if TCP_INFO_OPTION is None:
        return None
    try:
        return sock.getsockopt(socket.IPPROTO_TCP, TCP_INFO_OPTION, ASKED_BYTES)
    except OSError:
        return None


def u32(raw: bytes, offset: int) -> int | None:
    """A 32-bit field, None where `raw` ends before it does."""
    found: int | None = _U32.unpack_from(raw, offset)[0] if len(raw) >= offset + _U32.size else None
    return found


def u64(raw: bytes, offset: int) -> int | None:
    """A 64-bit field, None where `raw` ends before it does."""
    found: int | None = _U64.unpack_from(raw, offset)[0] if len(raw) >= offset + _U64.size else None
    return found


def is_closed(raw: bytes) -> bool:
    """Whether the connection is over: nothing more will be sent or acknowledged."""
    return len(raw) > STATE and raw[STATE] == STATE_CLOSE


def parse_tcp_info(raw: bytes) -> TcpInfo:
    """Fields of a `struct tcp_info` of any length; times in seconds, rates in bit/s, absent fields None."""
    rtt = u32(raw, U32_RTT)
    min_rtt = u32(raw, U32_MIN_RTT)
    rate = u64(raw, U64_DELIVERY_RATE)
    heard_ago = u32(raw, U32_LAST_ACK_RECV)
    return TcpInfo(
        rtt_seconds=_seconds(rtt) if rtt else None,  # 0: no sample yet
        min_rtt_seconds=None if min_rtt == NO_MIN_RTT else _seconds(min_rtt),
        total_retransmits=u32(raw, U32_TOTAL_RETRANS),
        bytes_acked=u64(raw, U64_BYTES_ACKED),
        bytes_received=u64(raw, U64_BYTES_RECEIVED),
        segments_in=u32(raw, U32_DATA_SEGS_IN),
        segments_out=u32(raw, U32_DATA_SEGS_OUT),
        delivered=u32(raw, U32_DELIVERED),
        bytes_sent=u64(raw, U64_BYTES_SENT),
        bytes_retransmitted=u64(raw, U64_BYTES_RETRANS),
        out_of_order=u32(raw, U32_RCV_OOOPACK),
        mss=u32(raw, U32_SND_MSS),
        congestion_window=u32(raw, U32_SND_CWND),
        delivery_rate_bps=None if rate is None else float(rate * BITS),
        rwnd_limited_seconds=_seconds(u64(raw, U64_RWND_LIMITED)),
        sndbuf_limited_seconds=_seconds(u64(raw, U64_SNDBUF_LIMITED)),
        heard_ago_seconds=None if heard_ago is None else heard_ago / MILLISECONDS,
    )


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / MICROSECONDS
