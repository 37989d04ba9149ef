"""Did an ICMP error, and which, end this connection attempt?

On Linux a connecting socket hands out the ICMP error that quotes its own SYN through its error queue, to any user.
Elsewhere the errno alone remains, and it does not say whether the path or this machine spoke: then None.

Source: ip(7) IP_RECVERR; linux/errqueue.h (struct sock_extended_err, followed by the offender's address);
RFC 792, RFC 1812 §5.2.7.1, RFC 4443 §3.1.
"""

import socket
import struct
import sys
from dataclasses import dataclass

from probe.model.observations import IcmpKind

_IP_RECVERR = 11
_IPV6_RECVERR = 25
_MSG_ERRQUEUE = 0x2000
_ERROR = struct.Struct("=IBBBBII")  # errno, origin, type, code, padding, info, data
_ORIGIN_ICMP = 2
_ORIGIN_ICMP6 = 3
_ADDRESS_OFFSET = {socket.AF_INET: (_ERROR.size + 4, 4), socket.AF_INET6: (_ERROR.size + 8, 16)}

_TIME_EXCEEDED = frozenset({(_ORIGIN_ICMP, 11), (_ORIGIN_ICMP6, 3)})
_UNREACHABLE_V4 = 3
_V4: dict[int, IcmpKind] = {
    **dict.fromkeys((0, 6, 11), IcmpKind.NETWORK_UNREACHABLE),
    **dict.fromkeys((1, 7, 12), IcmpKind.HOST_UNREACHABLE),
    3: IcmpKind.PORT_UNREACHABLE,
    **dict.fromkeys((9, 10, 13), IcmpKind.ADMIN_PROHIBITED),
}
_UNREACHABLE_V6 = 1
_V6: dict[int, IcmpKind] = {
    0: IcmpKind.NETWORK_UNREACHABLE,
    **dict.fromkeys((1, 5, 6), IcmpKind.ADMIN_PROHIBITED),
    3: IcmpKind.HOST_UNREACHABLE,
    4: IcmpKind.PORT_UNREACHABLE,
}


def ask_for_icmp(sock: socket.socket) -> None:
    """Have ICMP errors kept for `read_icmp_error`; before connecting or sending."""
    _set(sock, 1)


def stop_icmp(sock: socket.socket) -> None:
    """On an established connection a forged ICMP error must not end it."""
    _set(sock, 0)


def _set(sock: socket.socket, value: int) -> None:
    if sys.platform == "linux":
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, value)
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class IcmpError:
    """What was said, and who said it: a packed address, which must not get into evidence (design §5)."""

    kind: IcmpKind
    offender: bytes


def read_icmp_error(sock: socket.socket) -> IcmpError | None:
    """The ICMP error that is queued on a non-blocking socket, None when there is none or our own machine made it."""
    if sys.platform != "linux":
        return None
    try:
        _, ancillary, _, _ = sock.recvmsg(1, 512, _MSG_ERRQUEUE)
        own = socket.inet_pton(sock.family, sock.getsockname()[0].partition("%")[0])
    except OSError:
        return None
    for _level, _type, data in ancillary:
        if len(data) < _ERROR.size:
            continue
        _errno, origin, kind, code, *_ = _ERROR.unpack_from(data)
        start, width = _ADDRESS_OFFSET[socket.AddressFamily(sock.family)]
        # A neighbour that does not answer makes the kernel send the error to itself.
        offender = data[start : start + width]
        if origin in (_ORIGIN_ICMP, _ORIGIN_ICMP6) and offender != own:
            return IcmpError(kind=_kind(origin, kind, code), offender=offender)
    return None


def _kind(origin: int, kind: int, code: int) -> IcmpKind:
    if (origin, kind) in _TIME_EXCEEDED:
        return IcmpKind.TIME_EXCEEDED
    if origin == _ORIGIN_ICMP and kind == _UNREACHABLE_V4:
        return _V4.get(code, IcmpKind.OTHER)
    if origin == _ORIGIN_ICMP6 and kind == _UNREACHABLE_V6:
        return _V6.get(code, IcmpKind.OTHER)
    return IcmpKind.OTHER
