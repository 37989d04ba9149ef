"""Is `struct tcp_info` read by its length, whatever the kernel's age?"""

import socket
import struct
from dataclasses import fields

import pytest

from probe.model.observations import TcpInfo
from probe.net import tcpinfo
from probe.net.tcpinfo import parse_tcp_info, read_tcp_info

# the order of struct tcp_info in Linux 6.18: 8 bytes of flags, then these
WORDS = {
    16: 1448,  # snd_mss
    56: 1_250,  # last_ack_recv
    68: 40_250,  # rtt
    80: 10,  # snd_cwnd
    100: 3,  # total_retrans
    148: 39_500,  # min_rtt
    152: 178,  # data_segs_in
    156: 12,  # data_segs_out
    192: 11,  # delivered
    224: 5,  # rcv_ooopack
}
LONGS = {120: 700, 128: 1 << 33, 160: 2_500_000, 176: 1_500_000, 184: 250_000, 200: 900, 208: 200}
FULL_BYTES = 280


def structure(length: int = FULL_BYTES, **changes: int) -> bytes:
    raw = bytearray(FULL_BYTES)
    for offset, value in WORDS.items():
        struct.pack_into("=I", raw, offset, changes.get(f"at_{offset}", value))
    for offset, value in LONGS.items():
        struct.pack_into("=Q", raw, offset, value)
    return bytes(raw[:length])


FULL = TcpInfo(
    rtt_seconds=0.04025,
    min_rtt_seconds=0.0395,
    total_retransmits=3,
    bytes_acked=700,
    bytes_received=1 << 33,
    segments_in=178,
    segments_out=12,
    delivered=11,
    bytes_sent=900,
    bytes_retransmitted=200,
    out_of_order=5,
    mss=1448,
    congestion_window=10,
    delivery_rate_bps=20_000_000.0,
    rwnd_limited_seconds=1.5,
    sndbuf_limited_seconds=0.25,
    heard_ago_seconds=1.25,
)


@pytest.mark.parametrize("extra", [0, 1, 232])
def test_a_full_or_longer_structure_gives_every_field(extra: int) -> None:
    assert parse_tcp_info(structure() + b"\xff" * extra) == FULL


def test_what_the_kernel_has_not_measured_is_none() -> None:
    parsed = parse_tcp_info(structure(at_68=0, at_148=0xFFFF_FFFF))
    assert (parsed.rtt_seconds, parsed.min_rtt_seconds) == (None, None)


@pytest.mark.parametrize("length", range(FULL_BYTES + 1))
def test_a_shorter_structure_lacks_fields_and_invents_none(length: int) -> None:
    parsed = parse_tcp_info(structure(length))
    for field in fields(TcpInfo):
        assert getattr(parsed, field.name) in (None, getattr(FULL, field.name))


def test_an_old_kernels_structure_keeps_what_it_has() -> None:
    """Linux 4.1's: it ends after bytes_received."""
    parsed = parse_tcp_info(structure(136))
    assert (parsed.bytes_acked, parsed.bytes_received, parsed.rtt_seconds) == (700, 1 << 33, 0.04025)
    assert (parsed.segments_in, parsed.delivered, parsed.bytes_sent, parsed.min_rtt_seconds) == (None,) * 4


def test_a_real_connection_is_counted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        peer, _ = server.accept()
        with peer:
            before = read_tcp_info(peer)
            client.sendall(b"x" * 1000)
            while (after := read_tcp_info(peer)) is not None and not after.bytes_received:
                pass
    assert before is not None and after is not None
    assert (before.bytes_received, after.bytes_received, after.segments_in) == (0, 1000, 1)


def test_other_platforms_and_closed_sockets_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as sock:
        assert read_tcp_info(sock) is not None
        monkeypatch.setattr(tcpinfo, "TCP_INFO_OPTION", None)
        assert read_tcp_info(sock) is None
    monkeypatch.undo()
    assert read_tcp_info(sock) is None
