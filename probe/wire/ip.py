"""What does this IP packet say, of whichever version, and which bytes say it?

Parses and builds the headers of IPv4 and IPv6, with the checksums that depend on them, and reads the few fields that a
router needs without parsing the rest. Sans-I/O: bytes in, frozen records out, and back. It leaves fragments and IPv6
extension headers to nobody (a packet with one has that header's number as its protocol), and what is inside to
`probe.wire.packets`.

Sources: RFC 791 (IPv4), RFC 8200 (IPv6; §8.1 pseudo-header), RFC 1071 (checksum), RFC 1624 (its update).
"""

import ipaddress
import struct
import sys
from array import array
from dataclasses import dataclass
from enum import IntEnum

IPV4_HEADER_BYTES = 20
IPV6_HEADER_BYTES = 40
PORT_BYTES = 2
_UNROUTED6 = (b"\xfe\x80", b"\0\0")


class MalformedPacketError(ValueError):
    """The bytes are not what their header promises."""


class Protocol(IntEnum):
    ICMP = 1
    TCP = 6
    UDP = 17
    ICMPV6 = 58


@dataclass(frozen=True, slots=True, kw_only=True)
class IpPacket:
    """One unfragmented packet. The addresses, as `ipaddress` writes them, say of which version; `ttl` is IPv6's hop
    limit, `payload` what follows the IP header, `identification` IPv4's alone.
    """

    source: str
    destination: str
    protocol: int
    payload: bytes
    ttl: int = 64
    identification: int = 0


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of `data`, padded with a zero byte where its length is odd."""
    words = array("H", data if len(data) % 2 == 0 else data + b"\0")
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    if sys.byteorder == "little":
        total = (total & 0xFF) << 8 | total >> 8
    return ~total & 0xFFFF


def is_ipv6(data: bytes) -> bool:
    """The version of a packet with at least one byte, by its first four bits."""
    return data[0] >> 4 == 6


def is_whole_header(data: bytes) -> bool:
    """Whether the fixed header is there to be read; the functions below ask for it."""
    return len(data) >= (IPV6_HEADER_BYTES if data and is_ipv6(data) else IPV4_HEADER_BYTES)


def is_link_local(data: bytes) -> bool:
    """Whether no router forwards it: to a multicast group, or from or to a link-local or no address (neighbour
    discovery and multicast listener reports are that), or no IP packet at all.
    """
    version = data[0] >> 4
    if version == 6:
        return data[24] == 0xFF or data[8:10] in _UNROUTED6 or data[24:26] == b"\xfe\x80"
    return version != 4 or data[16] >= 0xE0


def ttl_of(data: bytes) -> int:
    """Its TTL or hop limit."""
    return data[7] if data[0] >> 4 == 6 else data[8]


def protocol_of(data: bytes) -> int:
    """What follows the IP header, as a protocol number."""
    return data[6] if data[0] >> 4 == 6 else data[9]


def packed_source(data: bytes) -> bytes:
    """The source address, 4 or 16 bytes."""
    return data[8:24] if data[0] >> 4 == 6 else data[12:16]


def packed_destination(data: bytes) -> bytes:
    """The destination address, 4 or 16 bytes."""
    return data[24:40] if data[0] >> 4 == 6 else data[16:20]


def packed_ends(data: bytes) -> tuple[bytes, bytes]:
    """Source and destination, each an address with the port behind it. Raises MalformedPacketError without ports."""
    header_bytes = IPV6_HEADER_BYTES if data[0] >> 4 == 6 else (data[0] & 15) * 4
    ports = data[header_bytes : header_bytes + 2 * PORT_BYTES]
    if len(ports) < 2 * PORT_BYTES:
        raise MalformedPacketError("no ports")
    return packed_source(data) + ports[:PORT_BYTES], packed_destination(data) + ports[PORT_BYTES:]


def lower_ttl(data: bytes, hops: int) -> bytes:
    """The same packet `hops` routers later, IPv4's header checksum updated as RFC 1624 says. The caller has made sure
    that TTL > hops.
    """
    if data[0] >> 4 == 6:
        return b"".join((data[:7], bytes((data[7] - hops,)), data[8:]))
    total = int.from_bytes(data[10:12], "big") + (hops << 8)
    total = (total & 0xFFFF) + (total >> 16)
    return b"".join((data[:8], bytes((data[8] - hops,)), data[9:10], total.to_bytes(2, "big"), data[12:]))


def parse_ip(data: bytes) -> IpPacket:
    """Read a packet of either version; bytes after its total length (Ethernet padding) are left out.

    Raises MalformedPacketError.
    """
    return parse_ipv6(data) if data and is_ipv6(data) else parse_ipv4(data)


def build_ip(packet: IpPacket) -> bytes:
    """The packet's bytes, in the version of its addresses. Raises ValueError where the two differ in version."""
    return build_ipv6(packet) if ":" in packet.destination else build_ipv4(packet)


def parse_ipv4(data: bytes) -> IpPacket:
    """As `parse_ip`, of an IPv4 packet."""
    if len(data) < IPV4_HEADER_BYTES or data[0] >> 4 != 4:
        raise MalformedPacketError("not an IPv4 packet")
    header_bytes = (data[0] & 15) * 4
    total = int.from_bytes(data[2:4], "big")
    if header_bytes < IPV4_HEADER_BYTES or total < header_bytes or total > len(data):
        raise MalformedPacketError("IPv4 lengths disagree")
    return IpPacket(
        source=_dotted(data[12:16]),
        destination=_dotted(data[16:20]),
        protocol=data[9],
        payload=data[header_bytes:total],
        ttl=data[8],
        identification=int.from_bytes(data[4:6], "big"),
    )


def build_ipv4(packet: IpPacket) -> bytes:
    """The packet's bytes, with the don't-fragment bit and a right header checksum."""
    total = IPV4_HEADER_BYTES + len(packet.payload)
    head = struct.pack("!BBHHHBB", 0x45, 0, total, packet.identification, 0x4000, packet.ttl, packet.protocol)
    addresses = ipaddress.IPv4Address(packet.source).packed + ipaddress.IPv4Address(packet.destination).packed
    return head + checksum(head + b"\0\0" + addresses).to_bytes(2, "big") + addresses + packet.payload


def parse_ipv6(data: bytes) -> IpPacket:
    """As `parse_ip`, of an IPv6 packet."""
    if len(data) < IPV6_HEADER_BYTES or not is_ipv6(data):
        raise MalformedPacketError("not an IPv6 packet")
    end = IPV6_HEADER_BYTES + int.from_bytes(data[4:6], "big")
    if end > len(data):
        raise MalformedPacketError("IPv6 lengths disagree")
    return IpPacket(
        source=str(ipaddress.IPv6Address(data[8:24])),
        destination=str(ipaddress.IPv6Address(data[24:40])),
        protocol=data[6],
        payload=data[IPV6_HEADER_BYTES:end],
        ttl=data[7],
    )


def build_ipv6(packet: IpPacket) -> bytes:
    """The packet's bytes, without traffic class and flow label."""
    head = struct.pack("!IHBB", 6 << 28, len(packet.payload), packet.protocol, packet.ttl)
    addresses = ipaddress.IPv6Address(packet.source).packed + ipaddress.IPv6Address(packet.destination).packed
    return head + addresses + packet.payload


def pseudo_header(source: str, destination: str, protocol: int, length: int) -> bytes:
    """What a transport's checksum covers of the IP header, for `length` bytes from the transport's header on."""
    addresses = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    if ":" in source:
        return addresses + struct.pack("!II", length, protocol)  # RFC 8200 §8.1: three zero bytes, then the number
    return addresses + struct.pack("!BBH", 0, protocol, length)


def _dotted(address: bytes) -> str:
    return f"{address[0]}.{address[1]}.{address[2]}.{address[3]}"
