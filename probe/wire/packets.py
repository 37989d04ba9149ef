"""What does this IPv4 packet say, and which bytes say it?

Parses and builds IPv4, TCP, UDP and ICMP with their checksums. Sans-I/O: bytes in, frozen records out, and back. It
leaves fragments and IPv6 to nobody (the lab has neither), names in plain text to `probe.wire.plaintext`, the
ClientHello to `probe.wire.tls`.

Sources: RFC 791 (IPv4), RFC 9293 (TCP), RFC 768 (UDP), RFC 792 (ICMP), RFC 1071 (checksum), RFC 1624 (its update).
"""

import ipaddress
import struct
import sys
from array import array
from dataclasses import dataclass
from enum import IntEnum, IntFlag

IPV4_HEADER_BYTES = 20
TCP_HEADER_BYTES = 20
UDP_HEADER_BYTES = 8
ICMP_HEADER_BYTES = 8
QUOTED_BYTES = 28  # RFC 792: an ICMP error quotes the IP header and the first 8 bytes after it


class MalformedPacketError(ValueError):
    """The bytes are not what their header promises."""


class Protocol(IntEnum):
    ICMP = 1
    TCP = 6
    UDP = 17


class TcpFlag(IntFlag):
    FIN = 1
    SYN = 2
    RST = 4
    PSH = 8
    ACK = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Ipv4Packet:
    """One unfragmented IPv4 packet; addresses in dotted form, `payload` is what follows the IP header."""

    source: str
    destination: str
    protocol: int
    payload: bytes
    ttl: int = 64
    identification: int = 0


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


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of `data`, padded with a zero byte where its length is odd."""
    words = array("H", data if len(data) % 2 == 0 else data + b"\0")
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    if sys.byteorder == "little":
        total = (total & 0xFF) << 8 | total >> 8
    return ~total & 0xFFFF


def _dotted(address: bytes) -> str:
    return f"{address[0]}.{address[1]}.{address[2]}.{address[3]}"


def _packed(address: str) -> bytes:
    return ipaddress.IPv4Address(address).packed


def parse_ipv4(data: bytes) -> Ipv4Packet:
    """Read a packet; bytes after its total length (Ethernet padding) are left out. Raises MalformedPacketError."""
    if len(data) < IPV4_HEADER_BYTES or data[0] >> 4 != 4:
        raise MalformedPacketError("not an IPv4 packet")
    header_bytes = (data[0] & 15) * 4
    total = int.from_bytes(data[2:4], "big")
    if header_bytes < IPV4_HEADER_BYTES or total < header_bytes or total > len(data):
        raise MalformedPacketError("IPv4 lengths disagree")
    return Ipv4Packet(
        source=_dotted(data[12:16]),
        destination=_dotted(data[16:20]),
        protocol=data[9],
        payload=data[header_bytes:total],
        ttl=data[8],
        identification=int.from_bytes(data[4:6], "big"),
    )


def build_ipv4(packet: Ipv4Packet) -> bytes:
    """The packet's bytes, with the don't-fragment bit and a right header checksum."""
    total = IPV4_HEADER_BYTES + len(packet.payload)
    head = struct.pack("!BBHHHBB", 0x45, 0, total, packet.identification, 0x4000, packet.ttl, packet.protocol)
    addresses = _packed(packet.source) + _packed(packet.destination)
    return head + checksum(head + b"\0\0" + addresses).to_bytes(2, "big") + addresses + packet.payload


def lower_ttl(data: bytes, hops: int) -> bytes:
    """The same packet `hops` routers later, its header checksum updated as RFC 1624 says. The caller has made sure
    that TTL > hops.
    """
    total = int.from_bytes(data[10:12], "big") + (hops << 8)
    total = (total & 0xFFFF) + (total >> 16)
    return b"".join((data[:8], bytes((data[8] - hops,)), data[9:10], total.to_bytes(2, "big"), data[12:]))


def _pseudo_header(source: str, destination: str, protocol: int, length: int) -> bytes:
    return _packed(source) + _packed(destination) + struct.pack("!BBH", 0, protocol, length)


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
    pseudo = _pseudo_header(source, destination, Protocol.TCP, len(head) + 4 + len(tail))
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
    pseudo = _pseudo_header(source, destination, Protocol.UDP, length)
    total = checksum(pseudo + head + b"\0\0" + datagram.payload) or 0xFFFF
    return head + total.to_bytes(2, "big") + datagram.payload


def parse_icmp(payload: bytes) -> IcmpMessage:
    """Read an ICMP message (an IP packet's payload). Raises MalformedPacketError."""
    if len(payload) < ICMP_HEADER_BYTES:
        raise MalformedPacketError("ICMP header cut short")
    kind, code, _, rest = struct.unpack_from("!BBHI", payload)
    return IcmpMessage(type=kind, code=code, rest=rest, payload=payload[ICMP_HEADER_BYTES:])


def build_icmp(message: IcmpMessage) -> bytes:
    """The message's bytes with its checksum."""
    head = struct.pack("!BB", message.type, message.code)
    tail = message.rest.to_bytes(4, "big") + message.payload
    return head + checksum(head + b"\0\0" + tail).to_bytes(2, "big") + tail


def icmp_error(about: bytes, *, sender: str, kind: int, code: int) -> bytes:
    """The ICMP error that the router `sender` returns about the packet `about`, quoting what RFC 792 asks for."""
    packet = parse_ipv4(about)
    message = IcmpMessage(type=kind, code=code, payload=about[:QUOTED_BYTES])
    return build_ipv4(
        Ipv4Packet(source=sender, destination=packet.source, protocol=Protocol.ICMP, payload=build_icmp(message))
    )


def tcp_packet(segment: TcpSegment, *, source: str, destination: str, ttl: int = 64) -> bytes:
    """A whole IPv4 packet around one TCP segment."""
    payload = build_tcp(segment, source=source, destination=destination)
    return build_ipv4(
        Ipv4Packet(source=source, destination=destination, protocol=Protocol.TCP, payload=payload, ttl=ttl)
    )


def udp_packet(datagram: UdpDatagram, *, source: str, destination: str, ttl: int = 64) -> bytes:
    """A whole IPv4 packet around one UDP datagram."""
    payload = build_udp(datagram, source=source, destination=destination)
    return build_ipv4(
        Ipv4Packet(source=source, destination=destination, protocol=Protocol.UDP, payload=payload, ttl=ttl)
    )
