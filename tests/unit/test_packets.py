"""Do our packets agree with scapy's, in both directions, and does hostile input fail cleanly?"""

import contextlib
import ipaddress
from collections.abc import Callable
from dataclasses import replace

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dns import DNS, DNSQR
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6
from scapy.packet import Raw

from probe.wire import ip, packets, plaintext
from probe.wire.packets import (
    IcmpMessage,
    MalformedPacketError,
    TcpFlag,
    TcpSegment,
    UdpDatagram,
)
from probe.wire.plaintext import Rcode

CLIENT = "192.168.77.2"
SERVER = "198.18.10.1"
CLIENT6 = "2001:2:0:77::2"
SERVER6 = "2001:2:0:8010::1"
ROUTER6 = "2001:2:0:ff::3"


def scapy_bytes(packet: object) -> bytes:
    return bytes(packet)  # type: ignore[call-overload, no-any-return]


def test_tcp_packet_equals_scapys() -> None:
    segment = TcpSegment(
        source_port=40000,
        destination_port=443,
        seq=0xDEADBEEF,
        ack=7,
        flags=TcpFlag.PSH | TcpFlag.ACK,
        window=1024,
        payload=b"odd",
    )
    ours = packets.tcp_packet(segment, source=CLIENT, destination=SERVER, ttl=9)
    tcp = TCP(sport=40000, dport=443, seq=0xDEADBEEF, ack=7, flags="PA", window=1024)
    theirs = IP(src=CLIENT, dst=SERVER, ttl=9, id=0, flags="DF") / tcp / Raw(b"odd")
    assert ours == scapy_bytes(theirs)


def test_tcp_options_are_read_and_written() -> None:
    theirs = scapy_bytes(IP(src=CLIENT, dst=SERVER) / TCP(sport=1, dport=2, flags="S", options=[("MSS", 1460)]))
    segment = packets.parse_tcp(packets.parse_ipv4(theirs).payload)
    assert segment.options == bytes((2, 4, 0x05, 0xB4))
    assert packets.build_tcp(segment, source=CLIENT, destination=SERVER)[:16] == theirs[20:36]
    assert segment.sequence_length == 1


def test_udp_packet_equals_scapys() -> None:
    datagram = UdpDatagram(source_port=5353, destination_port=53, payload=b"question")
    ours = packets.udp_packet(datagram, source=CLIENT, destination=SERVER)
    theirs = IP(src=CLIENT, dst=SERVER, ttl=64, id=0, flags="DF") / UDP(sport=5353, dport=53) / Raw(b"question")
    assert ours == scapy_bytes(theirs)
    assert packets.parse_udp(packets.parse_ipv4(ours).payload) == datagram


def test_icmp_error_equals_scapys_and_quotes_the_packet() -> None:
    about = packets.tcp_packet(
        TcpSegment(source_port=40000, destination_port=443, seq=5, ack=0, flags=TcpFlag.SYN),
        source=CLIENT,
        destination=SERVER,
        ttl=1,
    )
    ours = packets.icmp_error(about, sender="198.19.255.3", kind=11, code=0)
    theirs = IP(src="198.19.255.3", dst=CLIENT, ttl=64, id=0, flags="DF") / ICMP(type=11, code=0) / Raw(about[:28])
    assert ours == scapy_bytes(theirs)
    message = packets.parse_icmp(packets.parse_ipv4(ours).payload)
    assert message == IcmpMessage(type=11, code=0, payload=about[:28])


def test_tcp_over_ipv6_equals_scapys() -> None:
    segment = TcpSegment(source_port=40000, destination_port=443, seq=9, ack=7, flags=TcpFlag.ACK, payload=b"odd")
    ours = packets.tcp_packet(segment, source=CLIENT6, destination=SERVER6, ttl=9)
    tcp = TCP(sport=40000, dport=443, seq=9, ack=7, flags="A", window=0)
    assert ours == scapy_bytes(IPv6(src=CLIENT6, dst=SERVER6, hlim=9) / tcp / Raw(b"odd"))
    assert packets.parse_tcp(packets.parse_ip(ours).payload) == segment


def test_udp_over_ipv6_equals_scapys() -> None:
    datagram = UdpDatagram(source_port=5353, destination_port=53, payload=b"question")
    ours = packets.udp_packet(datagram, source=CLIENT6, destination=SERVER6)
    assert ours == scapy_bytes(IPv6(src=CLIENT6, dst=SERVER6) / UDP(sport=5353, dport=53) / Raw(b"question"))
    found = packets.parse_ip(ours + b"padding")
    assert (found.source, found.destination, found.protocol, found.ttl) == (CLIENT6, SERVER6, 17, 64)
    assert packets.parse_udp(found.payload) == datagram


@pytest.mark.parametrize(
    ("kind", "code", "rest", "theirs"),
    [
        (11, 0, 0, ICMPv6TimeExceeded(code=0)),
        (3, 13, 0, ICMPv6DestUnreach(code=1)),
        (3, 1, 0, ICMPv6DestUnreach(code=3)),
        (3, 3, 0, ICMPv6DestUnreach(code=4)),
        (3, 0, 0, ICMPv6DestUnreach(code=0)),
        (3, 4, 1400, ICMPv6PacketTooBig(mtu=1400)),
    ],
)
def test_an_icmp_error_about_ipv6_says_the_same_as_icmpv6(kind: int, code: int, rest: int, theirs: object) -> None:
    about = packets.udp_packet(
        UdpDatagram(source_port=1, destination_port=2, payload=bytes(1400)), source=CLIENT6, destination=SERVER6
    )
    ours = packets.icmp_error(about, sender=ROUTER6, kind=kind, code=code, rest=rest)
    assert ours == scapy_bytes(IPv6(src=ROUTER6, dst=CLIENT6) / theirs / Raw(about[:1232]))
    assert len(ours) == 1280


def test_what_a_router_reads_without_parsing() -> None:
    segment = TcpSegment(source_port=258, destination_port=772, seq=0, ack=0, flags=0)
    for client, server in ((CLIENT, SERVER), (CLIENT6, SERVER6)):
        data = packets.tcp_packet(segment, source=client, destination=server, ttl=33)
        source, destination = ipaddress.ip_address(client).packed, ipaddress.ip_address(server).packed
        assert (ip.ttl_of(data), ip.protocol_of(data), ip.is_ipv6(data)) == (33, 6, ":" in client)
        assert (ip.packed_source(data), ip.packed_destination(data)) == (source, destination)
        assert ip.packed_ends(data) == (source + b"\x01\x02", destination + b"\x03\x04")
        assert ip.is_whole_header(data)
        assert not ip.is_link_local(data)


@pytest.mark.parametrize(
    ("source", "destination", "stays"),
    [
        ("fe80::1", SERVER6, True),
        ("::", "ff02::16", True),
        (CLIENT6, "ff02::2", True),
        (CLIENT6, "fe80::1", True),
        (CLIENT, "224.0.0.22", True),
        (CLIENT6, SERVER6, False),
        (CLIENT, SERVER, False),
    ],
)
def test_what_no_router_forwards(source: str, destination: str, stays: bool) -> None:
    packet = packets.IpPacket(source=source, destination=destination, protocol=58, payload=b"")
    assert ip.is_link_local(packets.build_ip(packet)) is stays


@given(ttl=st.integers(30, 200), hops=st.integers(-20, 20))
def test_a_lowered_hop_limit_changes_nothing_else(ttl: int, hops: int) -> None:
    packet = packets.IpPacket(source=CLIENT6, destination=SERVER6, protocol=6, payload=b"inside", ttl=ttl)
    later = packets.parse_ip(packets.lower_ttl(packets.build_ip(packet), hops))
    assert later == replace(packet, ttl=ttl - hops)


@given(ttl=st.integers(30, 200), hops=st.integers(-20, 20), identification=st.integers(0, 0xFFFF))
def test_lowered_ttl_keeps_the_checksum_right(ttl: int, hops: int, identification: int) -> None:
    packet = packets.IpPacket(
        source=CLIENT, destination=SERVER, protocol=17, payload=b"", ttl=ttl, identification=identification
    )
    later = packets.lower_ttl(packets.build_ipv4(packet), hops)
    assert packets.parse_ipv4(later).ttl == ttl - hops
    assert packets.checksum(later[:20]) == 0


@given(payload=st.binary(max_size=60), ports=st.tuples(st.integers(0, 65535), st.integers(0, 65535)))
def test_parse_undoes_build(payload: bytes, ports: tuple[int, int]) -> None:
    datagram = UdpDatagram(source_port=ports[0], destination_port=ports[1], payload=payload)
    segment = TcpSegment(source_port=ports[0], destination_port=ports[1], seq=1, ack=2, flags=24, payload=payload)
    assert packets.parse_udp(packets.build_udp(datagram, source=CLIENT, destination=SERVER)) == datagram
    assert packets.parse_tcp(packets.build_tcp(segment, source=CLIENT, destination=SERVER)) == segment


@given(data=st.binary(max_size=80))
def test_hostile_bytes_are_malformed_or_parsed(data: bytes) -> None:
    parsers: tuple[Callable[[bytes], object], ...]
    parsers = (packets.parse_ip, ip.parse_ipv4, ip.parse_ipv6, packets.parse_tcp, packets.parse_udp, packets.parse_icmp)
    for parse in parsers:
        with contextlib.suppress(MalformedPacketError):
            parse(data)
    if ip.is_whole_header(data):
        with contextlib.suppress(MalformedPacketError):
            ip.packed_ends(data)
        ip.is_link_local(data)
    with contextlib.suppress(MalformedPacketError):
        plaintext.parse_dns_question(data)
    plaintext.parse_http_host(data)


def test_ethernet_padding_is_left_out() -> None:
    packet = packets.udp_packet(
        UdpDatagram(source_port=1, destination_port=2, payload=b"x"), source=CLIENT, destination=SERVER
    )
    assert packets.parse_udp(packets.parse_ipv4(packet + b"\0" * 17).payload).payload == b"x"


@pytest.mark.parametrize(
    ("head", "host"),
    [
        (b"GET / HTTP/1.1\r\nHost: Gazette.Test:80\r\n\r\n", "gazette.test"),
        (b"POST /x HTTP/1.1\r\nAccept: */*\r\nhOsT:gazette.test\r\n\r\nbody", "gazette.test"),
        (b"GET / HTTP/1.1\r\nHost: gazette.test\r\n", None),
        (b"GET / HTTP/1.1\r\nAccept: */*\r\n\r\n", None),
        (b"nonsense\r\nHost: gazette.test\r\n\r\n", None),
    ],
)
def test_http_host(head: bytes, host: str | None) -> None:
    assert plaintext.parse_http_host(head) == host


def test_dns_question_of_scapys_query() -> None:
    question = plaintext.parse_dns_question(
        scapy_bytes(DNS(id=77, rd=1, qd=DNSQR(qname="Media.Birdnet.TEST", qtype="A")))
    )
    assert (question.id, question.name, question.qtype) == (77, "media.birdnet.test", 1)


@pytest.mark.parametrize(
    ("rcode", "addresses", "qtype"),
    [
        (Rcode.NOERROR, ("10.10.34.35", "127.0.0.1"), "A"),
        (Rcode.NOERROR, ("2001:db8::1",), "AAAA"),
        (Rcode.NXDOMAIN, (), "A"),
        (Rcode.REFUSED, (), "A"),
        (Rcode.SERVFAIL, (), "A"),
    ],
)
def test_dns_answer_read_by_dnspython(rcode: Rcode, addresses: tuple[str, ...], qtype: str) -> None:
    query = dns.message.make_query("linkhub.test", qtype, use_edns=False)
    question = plaintext.parse_dns_question(query.to_wire())
    response = dns.message.from_wire(plaintext.build_dns_answer(question, rcode=rcode, addresses=addresses))
    assert query.is_response(response)
    assert int(response.rcode()) == int(rcode)
    assert [record.to_text() for rrset in response.answer for record in rrset] == list(addresses)


def test_an_answer_is_not_a_question() -> None:
    query = dns.message.make_query("linkhub.test", "A")
    with pytest.raises(MalformedPacketError):
        plaintext.parse_dns_question(dns.message.make_response(query).to_wire())
