"""What does the inside of this IP packet say, and which bytes say it?

Parses and builds TCP, UDP, ICMP and ICMPv6 with their checksums, and whole packets around them. Sans-I/O: bytes in,
frozen records out, and back. The IP header, of either version, is `probe.wire.ip`'s, whose names are here too; names
in plain text are `probe.wire.plaintext`'s, the ClientHello `probe.wire.tls`'s.

Sources: RFC 9293 (TCP), RFC 768 (UDP), RFC 792 (ICMP), RFC 4443 (ICMPv6).
"""

import struct
from dataclasses import dataclass
from enum import IntFlag

from probe.wire.ip import (
    IPV4_HEADER_BYTES,
    IPV6_HEADER_BYTES,
    IpPacket,
    MalformedPacketError,
    Protocol,
    build_ip,
    build_ipv4,
    checksum,
    lower_ttl,
    parse_ip,
    parse_ipv4,
    pseudo_header,
)

__all__ = [
    "ICMP_TIME_EXCEEDED",
    "ICMP_TOO_BIG",
    "ICMP_UNREACHABLE",
    "IPV4_HEADER_BYTES",
    "IPV6_HEADER_BYTES",
    "IcmpMessage",
    "IpPacket",
    "MalformedPacketError",
    "Protocol",
    "TcpFlag",
    "TcpSegment",
    "UdpDatagram",
    "build_icmp",
    "build_ip",
    "build_ipv4",
    "build_tcp",
    "build_udp",
    "checksum",
    "icmp_error",
    "lower_ttl",
    "parse_icmp",
    "parse_ip",
    "parse_ipv4",
    "parse_tcp",
    "parse_udp",
    "tcp_packet",
    "udp_packet",
]

TCP_HEADER_BYTES = 20
UDP_HEADER_BYTES = 8
ICMP_HEADER_BYTES = 8
QUOTED_BYTES = 28  # RFC 792: an ICMP error quotes the IP header and the first 8 bytes after it
QUOTED_IPV6_BYTES = 1280 - IPV6_HEADER_BYTES - ICMP_HEADER_BYTES  # RFC 4443 §2.4: as much as the least MTU holds
ICMP_UNREACHABLE = 3
ICMP_TOO_BIG = 4  # a code of it: fragmentation needed, and don't-fragment set (RFC 1191)
ICMP_TIME_EXCEEDED = 11
ICMPV6_TIME_EXCEEDED = 3
ICMPV6_NO_ROUTE = (1, 0)
ICMPV6_UNREACHABLE = {1: (1, 3), 3: (1, 4), ICMP_TOO_BIG: (2, 0), 9: (1, 1), 10: (1, 1), 13: (1, 1)}
"""Type and code (RFC 4443) of what an IPv4 router says with ICMP_UNREACHABLE and a code: RFC 7915 §4.2, but for "host
unreachable", which has its own code where it is not translated."""


class TcpFlag(IntFlag):
    FIN = 1
    SYN = 2
    RST = 4
    PSH = 8
    ACK = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpSegment:
    source_port: int
    destination_port: int
    seq: int
    ack: int
    flags: int
    window: int = 0
    options: bytes = b""
    payload: bytes = b""

    @property
    def sequence_length(self) -> int:
        """Sequence numbers that the segment takes up: its payload, SYN and FIN (RFC 9293 §3.4)."""
        return len(self.payload) + bool(self.flags & TcpFlag.SYN) + bool(self.flags & TcpFlag.FIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class UdpDatagram:
    source_port: int
    destination_port: int
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class IcmpMessage:
    """`rest` is the second word of the header (unused, or next-hop MTU); `payload` the quoted packet."""

    type: int
    code: int
    payload: bytes
    rest: int = 0


def parse_tcp(payload: bytes) -> TcpSegment:
    """Read a TCP segment (an IP packet's payload). Raises MalformedPacketError."""
    if len(payload) < TCP_HEADER_BYTES:
        raise MalformedPacketError("TCP header cut short")
    source_port, destination_port, seq, ack, offset, flags, window = struct.unpack_from("!HHIIBBH", payload)
    header_bytes = (offset >> 4) * 4
    if header_bytes < TCP_HEADER_BYTES or header_bytes > len(payload):
        raise MalformedPacketError("TCP data offset outside the segment")
    return TcpSegment(
        source_port=source_port,
        destination_port=destination_port,
        seq=seq,
        ack=ack,
        flags=flags,
        window=window,
        options=payload[TCP_HEADER_BYTES:header_bytes],
        payload=payload[header_bytes:],
    )


def build_tcp(segment: TcpSegment, *, source: str, destination: str) -> bytes:
    """The segment's bytes with its checksum over the pseudo-header; options are padded to whole words."""
    options = segment.options + b"\0" * (-len(segment.options) % 4)
    offset = (TCP_HEADER_BYTES + len(options)) // 4 << 4
    ports = (segment.source_port, segment.destination_port)
    head = struct.pack("!HHIIBBH", *ports, segment.seq, segment.ack, offset, segment.flags, segment.window)
    tail = options + segment.payload
    pseudo = pseudo_header(source, destination, Protocol.TCP, len(head) + 4 + len(tail))
    return head + checksum(pseudo + head + b"\0\0\0\0" + tail).to_bytes(2, "big") + b"\0\0" + tail


def parse_udp(payload: bytes) -> UdpDatagram:
    """Read a UDP datagram (an IP packet's payload). Raises MalformedPacketError."""
    if len(payload) < UDP_HEADER_BYTES:
        raise MalformedPacketError("UDP header cut short")
    source_port, destination_port, length = struct.unpack_from("!HHH", payload)
    if length < UDP_HEADER_BYTES or length > len(payload):
        raise MalformedPacketError("UDP length outside the packet")
    return UdpDatagram(
        source_port=source_port, destination_port=destination_port, payload=payload[UDP_HEADER_BYTES:length]
    )


def build_udp(datagram: UdpDatagram, *, source: str, destination: str) -> bytes:
    """The datagram's bytes; a checksum that comes out as zero is sent as all ones (RFC 768)."""
    length = UDP_HEADER_BYTES + len(datagram.payload)
    head = struct.pack("!HHH", datagram.source_port, datagram.destination_port, length)
    pseudo = pseudo_header(source, destination, Protocol.UDP, length)
    total = checksum(pseudo + head + b"\0\0" + datagram.payload) or 0xFFFF
    return head + total.to_bytes(2, "big") + datagram.payload


def parse_icmp(payload: bytes) -> IcmpMessage:
    """Read an ICMP or ICMPv6 message (an IP packet's payload). Raises MalformedPacketError."""
    if len(payload) < ICMP_HEADER_BYTES:
        raise MalformedPacketError("ICMP header cut short")
    kind, code, _, rest = struct.unpack_from("!BBHI", payload)
    return IcmpMessage(type=kind, code=code, rest=rest, payload=payload[ICMP_HEADER_BYTES:])


def build_icmp(message: IcmpMessage, *, pseudo: bytes = b"") -> bytes:
    """The message's bytes with its checksum; ICMPv6's covers `pseudo` too (`pseudo_header`)."""
    head = struct.pack("!BB", message.type, message.code)
    tail = message.rest.to_bytes(4, "big") + message.payload
    return head + checksum(pseudo + head + b"\0\0" + tail).to_bytes(2, "big") + tail


def icmp_error(about: bytes, *, sender: str, kind: int, code: int, rest: int = 0) -> bytes:
    """The ICMP error that the router `sender` returns about the packet `about`, quoting what its RFC asks for.

    `kind` and `code` are those of ICMP for IPv4 (time exceeded, unreachable); about an IPv6 packet the same is said as
    ICMPv6 says it, and `sender` is an IPv6 address. `rest` is the next hop's MTU where the packet was too big.
    """
    packet = parse_ip(about)
    protocol, pseudo, quoted = Protocol.ICMP, b"", about[:QUOTED_BYTES]
    if ":" in packet.source:
        protocol, quoted = Protocol.ICMPV6, about[:QUOTED_IPV6_BYTES]
        kind, code = _icmpv6_kind(kind, code)
        pseudo = pseudo_header(sender, packet.source, protocol, ICMP_HEADER_BYTES + len(quoted))
    payload = build_icmp(IcmpMessage(type=kind, code=code, rest=rest, payload=quoted), pseudo=pseudo)
    return build_ip(IpPacket(source=sender, destination=packet.source, protocol=protocol, payload=payload))


def _icmpv6_kind(kind: int, code: int) -> tuple[int, int]:
    if kind == ICMP_TIME_EXCEEDED:
        return ICMPV6_TIME_EXCEEDED, code
    return ICMPV6_UNREACHABLE.get(code, ICMPV6_NO_ROUTE)


def tcp_packet(segment: TcpSegment, *, source: str, destination: str, ttl: int = 64) -> bytes:
    """A whole packet around one TCP segment, of the addresses' version."""
    payload = build_tcp(segment, source=source, destination=destination)
    return build_ip(IpPacket(source=source, destination=destination, protocol=Protocol.TCP, payload=payload, ttl=ttl))


def udp_packet(datagram: UdpDatagram, *, source: str, destination: str, ttl: int = 64) -> bytes:
    """A whole packet around one UDP datagram, of the addresses' version."""
    payload = build_udp(datagram, source=source, destination=destination)
    return build_ip(IpPacket(source=source, destination=destination, protocol=Protocol.UDP, payload=payload, ttl=ttl))
