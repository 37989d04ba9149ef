"""Which interface would a packet to anywhere leave by?

Asked of the kernel's own routing decision (RTM_GETROUTE of rtnetlink(7)), which follows policy rules as WireGuard,
Tailscale and strongSwan set them; nothing is sent for it. Where that is forbidden, the main routing tables are read.
What the interface is, `kinds` says.
"""

import errno
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

# Somewhere else: three resolvers known to everyone, two of them in the halves of the IPv4 address space by which a VPN
# may replace the default route (OpenVPN's `redirect-gateway def1`). They are only looked up in routing tables.
ELSEWHERE = ("1.1.1.1", "208.67.222.222", "2606:4700:4700::1111")

# linux/netlink.h, linux/rtnetlink.h
_NLMSG_ERROR, _RTM_NEWROUTE, _RTM_GETROUTE = 2, 24, 26
_NLM_F_REQUEST = 1
_RTM_F_LOOKUP_TABLE = 0x1000  # answer with the table that decided
_RTA_DST, _RTA_OIF, _RTA_TABLE = 1, 4, 15
_RTN_UNICAST = 1
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ROUTE = struct.Struct("=BBBBBBBBI")  # family, dst_len, src_len, tos, table, protocol, scope, type, flags
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_NUMBER = struct.Struct("=I")
_ERROR = struct.Struct("=i")
_MAX_ANSWER_BYTES = 16_384
_ANSWER_SECONDS = 1.0  # the kernel answers at once
_NO_ROUTE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EACCES, errno.EINVAL, errno.EAFNOSUPPORT}

_RTF_UP, _RTF_REJECT = 0x1, 0x200  # linux/route.h
_HALVES = {"00000000": {"00000000", "00000080"}, "00000080": {"00000080"}}  # destination -> masks, as /proc writes them
_IPV6_HALVES = {("0" * 32, "00"), ("0" * 32, "01"), ("8" + "0" * 31, "01"), ("2" + "0" * 31, "03")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The way to one address: the interface, and the table that says so (0: not known)."""

    interface: str
    table: int = 0


Lookup = Callable[[str], Route | None]  # None: no route; raises OSError where it may not be asked


def routes_elsewhere(proc: Path, lookup: Lookup | None = None) -> tuple[Route, ...]:
    """The different ways out of here, IPv4 first; empty where there is none. `proc` is /proc, or stands for it."""
    found: list[Route] = []
    refused = 0
    for address in ELSEWHERE:
        try:
            route = (lookup or ask_kernel)(address)
        except OSError:  # of one family alone, where the kernel has no other
            refused += 1
            continue
        found += [route] if route is not None else []
    if refused == len(ELSEWHERE):
        found = list(_from_tables(proc))
    return tuple(dict.fromkeys(found))


def ask_kernel(address: str) -> Route | None:
    """The kernel's decision for one address. Raises `OSError` where it may not be asked, or is no Linux."""
    family = getattr(socket, "AF_NETLINK", None)
    if family is None:
        raise OSError(errno.EAFNOSUPPORT, "no rtnetlink on this system")
    literal = ip_address(address)
    to = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(literal.packed), _RTA_DST) + literal.packed
    inet = socket.AF_INET if literal.version == 4 else socket.AF_INET6
    route = _ROUTE.pack(inet, literal.max_prefixlen, 0, 0, 0, 0, 0, 0, _RTM_F_LOOKUP_TABLE)
    size = _HEADER.size + len(route) + len(to)
    with socket.socket(family, socket.SOCK_RAW, 0) as kernel:  # 0: NETLINK_ROUTE
        kernel.settimeout(_ANSWER_SECONDS)
        kernel.bind((0, 0))
        kernel.sendto(_HEADER.pack(size, _RTM_GETROUTE, _NLM_F_REQUEST, 1, 0) + route + to, (0, 0))
        return _answer(kernel.recv(_MAX_ANSWER_BYTES))


def _answer(message: bytes) -> Route | None:
    """The route in the kernel's answer. Raises `OSError` for a refusal that does not mean "no route"."""
    _, kind, _, _, _ = _HEADER.unpack_from(message)
    if kind == _NLMSG_ERROR:
        number = -_ERROR.unpack_from(message, _HEADER.size)[0]
        if number in _NO_ROUTE:
            return None
        raise OSError(number, "rtnetlink")
    if kind != _RTM_NEWROUTE or _ROUTE.unpack_from(message, _HEADER.size)[7] != _RTN_UNICAST:
        return None
    numbers = dict(_numbers(message, _HEADER.size + _ROUTE.size))
    if _RTA_OIF not in numbers:
        return None
    return Route(interface=socket.if_indextoname(numbers[_RTA_OIF]), table=numbers.get(_RTA_TABLE, 0))


def _numbers(message: bytes, start: int) -> Iterator[tuple[int, int]]:
    """The attributes of four bytes, which are all that matter here."""
    at = start
    while at + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, at)
        if length < _ATTRIBUTE.size:
            return
        if length == _ATTRIBUTE.size + _NUMBER.size and at + length <= len(message):
            yield kind, _NUMBER.unpack_from(message, at + _ATTRIBUTE.size)[0]
        at += (length + 3) & ~3


def _from_tables(proc: Path) -> Iterator[Route]:
    """Default routes of the main tables; the halves of OpenVPN come before them, as they do for the kernel."""
    found = [*_ipv4_defaults(_lines(proc / "net" / "route")[1:]), *_ipv6_defaults(_lines(proc / "net" / "ipv6_route"))]
    for family in (4, 6):
        ours = sorted((-length, metric, name) for kind, length, metric, name in found if kind == family)
        for length, metric, name in ours:
            if (length, metric) == ours[0][:2]:
                yield Route(interface=name)


def _ipv4_defaults(lines: list[str]) -> Iterator[tuple[int, int, int, str]]:
    for line in lines:
        fields = line.split()
        if len(fields) < 8 or fields[7] not in _HALVES.get(fields[1], ()):
            continue
        flags, metric = hexadecimal(fields[3]), int(fields[6]) if fields[6].isdecimal() else 0
        if flags & _RTF_UP and not flags & _RTF_REJECT:
            yield 4, int(fields[7] != "00000000"), metric, fields[0]


def _ipv6_defaults(lines: list[str]) -> Iterator[tuple[int, int, int, str]]:
    for line in lines:
        fields = line.split()
        if len(fields) < 10 or (fields[0], fields[1]) not in _IPV6_HALVES or fields[9] == "lo":
            continue
        flags = hexadecimal(fields[8])
        if flags & _RTF_UP and not flags & _RTF_REJECT:
            yield 6, hexadecimal(fields[1]), hexadecimal(fields[5]), fields[9]


def hexadecimal(text: str) -> int:
    """A number as /proc/net/route writes it; 0 for what is none."""
    try:
        return int(text, 16)
    except ValueError:
        return 0


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
