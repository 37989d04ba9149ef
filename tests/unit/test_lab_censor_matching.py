"""Does the censor find what its rules mean, remember what they say, and let the rest alone?"""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.lab.actions import Divert, Drop, Reset
from probe.lab.censor import Censor
from probe.lab.rules import (
    PASS,
    AllOf,
    Allowance,
    AnyOf,
    AnySni,
    AnyTls,
    CensorRule,
    Direction,
    DnsName,
    EchWithSni,
    Everything,
    HttpHost,
    Matcher,
    NameTest,
    Not,
    QuicSize,
    QuicSni,
    Residual,
    ShareOfFlows,
    Sni,
    ToAddress,
    ToPort,
    named,
)
from probe.wire import packets, quic
from probe.wire.packets import Protocol
from tests import quic_initials
from tests.crossings import (
    OTHER_SERVER,
    RESOLVER,
    SERVER,
    censor,
    datagram,
    down,
    engine,
    opened,
    query,
    syn,
    up,
)
from tests.unit.test_lab_tls_names import client_hello

BAD, GOOD, NAMELESS = client_hello("birdnet.test"), client_hello("www.northnet.test"), client_hello(None)
BAD_SNI = Sni(pattern=named("birdnet.test"))
REQUEST = b"GET / HTTP/1.1\r\nHost: birdnet.test\r\n\r\n"


def with_ech(stream: bytes) -> bytes:
    """The same ClientHello with an encrypted_client_hello extension at the end."""
    extension = b"\xfe\x0d\x00\x02\x00\x00"
    message = bytearray(stream[5:])
    message[1:4] = (int.from_bytes(message[1:4], "big") + len(extension)).to_bytes(3, "big")
    at = 4 + 34
    at += 1 + message[at]
    at += 2 + int.from_bytes(message[at : at + 2], "big")
    at += 1 + message[at]
    message[at : at + 2] = (int.from_bytes(message[at : at + 2], "big") + len(extension)).to_bytes(2, "big")
    message += extension
    return stream[:3] + len(message).to_bytes(2, "big") + bytes(message)


def is_matched(when: Matcher, first: bytes, *, server: str = SERVER) -> bool:
    """Whether a connection that begins with these bytes is dropped."""
    return not opened(censor(when, Drop()), first, server=server).forward


@pytest.mark.parametrize(
    ("when", "matched"),
    [
        (AnySni(patterns=(named("a.test"), named("birdnet.test"))), {"bad"}),
        (AnySni(patterns=()), set()),
        (Not(matcher=AnySni(patterns=(named("northnet.test"),))), {"bad", "nameless"}),
        (Not(matcher=BAD_SNI), {"good", "nameless"}),
        (AnyTls(), {"bad", "good", "nameless"}),
        (Not(matcher=AnyTls()), {"http"}),
        (AllOf(matchers=(BAD_SNI, ToAddress(addresses=(SERVER,)))), {"bad"}),
        (AllOf(matchers=(BAD_SNI, ToAddress(addresses=(OTHER_SERVER,)))), set()),
        (AnyOf(matchers=(BAD_SNI, HttpHost(pattern=named("birdnet.test")))), {"bad", "http"}),
        (Not(matcher=AnyOf(matchers=(ToAddress(addresses=(OTHER_SERVER,)), BAD_SNI))), {"good", "nameless"}),
        (Not(matcher=ToAddress(addresses=(OTHER_SERVER,))), {"bad", "good", "nameless", "http"}),
        (ToPort(port=443, protocol=Protocol.TCP), {"bad", "good", "nameless", "http"}),
        (ToPort(port=443, protocol=Protocol.UDP), set()),
        (ToPort(port=853), set()),
        (Sni(pattern=named("rth", NameTest.SUBSTRING)), {"good"}),
        (EchWithSni(pattern=named("birdnet.test")), set()),
        (QuicSni(pattern=named("birdnet.test")), set()),
        (DnsName(pattern=named("birdnet.test")), set()),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),  # a set's own order changes
)
def test_which_connections_are_meant(when: Matcher, matched: set[str]) -> None:
    firsts = {"bad": BAD, "good": GOOD, "nameless": NAMELESS, "http": REQUEST}
    assert {name for name, first in firsts.items() if is_matched(when, first)} == matched


@pytest.mark.parametrize(
    ("name", "ech", "matched"),
    [
        ("cloudflare-ech.test", True, True),
        ("cloudflare-ech.test", False, False),
        ("www.northnet.test", True, False),
        ("www.northnet.test", False, False),
    ],
)
def test_ech_and_name_together(name: str, ech: bool, matched: bool) -> None:
    """The four cells of the test by which the rule was found (net4people/bbs #417), over TCP and QUIC."""
    hello = with_ech(client_hello(name)) if ech else client_hello(name)
    when = EchWithSni(pattern=named("cloudflare-ech.test"))
    assert is_matched(when, hello) is matched
    initial = datagram(quic_initials.initial(quic_initials.hello_message(hello)))
    assert censor(when, Drop()).process(initial, Direction.UP, 0).forward is not matched


def test_quic_names_over_one_datagram_and_two() -> None:
    bad, good = map(quic_initials.hello_message, (BAD, GOOD))
    when = QuicSni(pattern=named("birdnet.test"))
    for version in (quic.VERSION_1, quic.VERSION_2):
        made = censor(when, Drop())
        assert not made.process(datagram(quic_initials.initial(bad, version=version)), Direction.UP, 0).forward
        assert not made.process(datagram(b"\x40later"), Direction.UP, 0).forward
        assert made.process(datagram(quic_initials.initial(good, version=version), port=5001), Direction.UP, 0) == PASS
    for swapped in (False, True):
        first, second = quic_initials.in_two(bad, cut=100, swapped=swapped)
        made = censor(when, Drop())
        assert made.process(datagram(first), Direction.UP, 0) == PASS
        assert not made.process(datagram(second), Direction.UP, 0).forward
    assert made.process(datagram(quic_initials.initial(bad), server_port=4433), Direction.UP, 0) == PASS


def test_a_white_list_of_quic_names_leaves_what_it_cannot_read() -> None:
    when = Not(matcher=QuicSni(pattern=named("northnet.test")))
    bad, good = (datagram(quic_initials.initial(quic_initials.hello_message(hello))) for hello in (BAD, GOOD))
    assert not censor(when, Drop()).process(bad, Direction.UP, 0).forward
    assert censor(when, Drop()).process(good, Direction.UP, 0) == PASS
    for unknown in (b"\xc0\xff\x00\x00\x1d" + bytes(1200), b"\x40short", b""):
        assert censor(when, Drop()).process(datagram(unknown), Direction.UP, 0) == PASS


@pytest.mark.parametrize(
    ("payload_bytes", "version", "dropped"),
    [
        (1001, quic.VERSION_1, True),
        (1000, quic.VERSION_1, False),
        (1200, quic.VERSION_2, False),
        (1200, 0xBABABABA, False),
    ],
)
def test_quic_by_size_and_version(payload_bytes: int, version: int, dropped: bool) -> None:
    payload = (b"\xc0" + version.to_bytes(4, "big")).ljust(payload_bytes, b"\0")
    made = censor(QuicSize(), Drop())
    assert made.process(datagram(payload), Direction.UP, 0).forward is not dropped
    assert made.process(datagram(b"\x40".ljust(1200, b"\0"), port=5001), Direction.UP, 0) == PASS


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_a_share_of_flows(share: float) -> None:
    made = censor(AllOf(matchers=(BAD_SNI, ShareOfFlows(share=share))), Drop())
    ports = range(20_000, 20_600)
    dropped = [not opened(made, BAD, port=port).forward for port in ports]
    assert sum(dropped) / len(dropped) == pytest.approx(share, abs=0.06)
    again = censor(AllOf(matchers=(BAD_SNI, ShareOfFlows(share=share))), Drop())
    assert [not opened(again, BAD, port=port).forward for port in ports] == dropped
    assert all(opened(made, GOOD, port=port).forward for port in range(30_000, 30_050))


def test_another_seed_draws_other_flows() -> None:
    def drawn(seed: int) -> list[bool]:
        return [
            is_in
            for made in [censor(ShareOfFlows(share=0.5, seed=seed), Drop())]
            for is_in in (made.process(syn(port), Direction.UP, 0).forward for port in range(20_000, 20_064))
        ]

    assert drawn(0) == drawn(0) != drawn(1)


def residual(**fields: object) -> Censor:
    rest = dataclasses.replace(Residual(seconds=75, do=Drop()), **fields)  # type: ignore[arg-type]
    return engine(CensorRule(when=BAD_SNI, do=Reset(), residual=rest))


def test_residue_meets_new_flows_of_the_same_pair_until_it_ends() -> None:
    made = residual()
    assert opened(made, GOOD).forward
    assert opened(made, BAD, port=1, now=10).injected
    assert made.process(up(b"x"), Direction.UP, 11).forward  # a flow that was there before goes on
    assert opened(made, GOOD, port=2, server=OTHER_SERVER, now=11).forward
    assert not made.process(syn(3), Direction.UP, 84.9).forward
    assert made.process(syn(4, server_port=80), Direction.UP, 84.9).forward is False
    assert opened(made, GOOD, port=5, now=85.1).forward


def test_a_second_match_renews_the_residue() -> None:
    made = residual(at_hello=True)
    for number, now in enumerate((0, 60)):
        assert not opened(made, BAD, port=number + 1, now=now).forward
    assert not opened(made, GOOD, port=9, now=100).forward


def test_residue_on_one_port_alone() -> None:
    made = residual(same_port=True)
    opened(made, BAD)
    assert not made.process(syn(2), Direction.UP, 1).forward
    assert made.process(syn(3, server_port=80), Direction.UP, 1).forward


def test_residue_at_the_hello() -> None:
    made = residual(at_hello=True)
    opened(made, BAD)
    assert made.process(syn(2), Direction.UP, 1).forward
    assert not made.process(up(GOOD, port=2), Direction.UP, 1).forward
    assert opened(made, REQUEST, port=3, now=1).forward
    assert opened(made, GOOD, port=4, server=OTHER_SERVER, now=1).forward


def test_residue_after_a_quic_name() -> None:
    rule = CensorRule(when=QuicSni(pattern=named("birdnet.test")), do=Drop(), residual=Residual(seconds=420, do=Drop()))
    made = engine(rule)
    made.process(datagram(quic_initials.initial(quic_initials.hello_message(BAD))), Direction.UP, 0)
    assert not made.process(datagram(b"x", port=5001), Direction.UP, 419).forward


def counted(
    made: Censor, times: list[float], *, hello: bytes = GOOD, server: str = SERVER, base: int = 1
) -> list[bool]:
    return [opened(made, hello, port=base + i, server=server, now=now).forward for i, now in enumerate(times)]


def test_handshakes_beyond_the_allowance_are_dropped_until_the_window_is_over() -> None:
    made = engine(CensorRule(when=AnyTls(), do=Drop(), allowance=Allowance(flows=3, seconds=60)))
    assert counted(made, [0, 0, 0, 0, 59]) == [True, True, True, False, False]
    assert counted(made, [59], server=OTHER_SERVER, base=10) == [True]
    assert counted(made, [130.0], base=20) == [True]
    assert made.process(down(port=1), Direction.DOWN, 130).forward


def test_an_allowance_by_name() -> None:
    made = engine(CensorRule(when=AnyTls(), do=Drop(), allowance=Allowance(flows=1, seconds=60, by_name=True)))
    assert counted(made, [0, 0]) == [True, False]
    assert counted(made, [0, 0], hello=BAD, base=10) == [True, False]


def test_a_white_list_by_address_covers_udp() -> None:
    made = censor(Not(matcher=ToAddress(addresses=(RESOLVER, OTHER_SERVER))), Drop())
    assert made.process(query("birdnet.test"), Direction.UP, 0) == PASS
    assert not made.process(datagram(b"x"), Direction.UP, 0).forward
    assert opened(made, BAD, server=OTHER_SERVER) == PASS


RULES = tuple(
    CensorRule(when=when, do=do, residual=Residual(seconds=9, do=Drop(), at_hello=at_hello))
    for when, do, at_hello in (
        (Everything(), Divert(to=OTHER_SERVER), False),
        (BAD_SNI, Reset(), True),
        (QuicSni(pattern=named("birdnet.test")), Drop(), False),
        (DnsName(pattern=named("birdnet.test")), Drop(), False),
        (HttpHost(pattern=named("birdnet.test")), Reset(), True),
    )
)


@given(
    payload=st.binary(max_size=120),
    protocol=st.sampled_from([Protocol.TCP, Protocol.UDP, Protocol.ICMP]),
    direction=st.sampled_from(list(Direction)),
)
def test_hostile_bytes_never_stop_the_line(payload: bytes, protocol: Protocol, direction: Direction) -> None:
    made = engine(*RULES)
    data = packets.build_ip(packets.IpPacket(source=SERVER, destination=SERVER, protocol=protocol, payload=payload))
    for cut in (data, data[: len(data) // 2], payload):
        made.process(cut, direction, 0)


@given(payload=st.binary(max_size=80), port=st.sampled_from([53, 443, 80]))
def test_hostile_requests_never_stop_the_line(payload: bytes, port: int) -> None:
    made = engine(*RULES)
    made.process(datagram(b"\xc0\x00\x00\x00\x01" + payload, server_port=port), Direction.UP, 0)
    made.process(datagram(payload, server_port=port), Direction.UP, 0)
    made.process(up(b"\x16\x03\x01" + payload, server_port=port), Direction.UP, 0)
    made.process(up(b"GET / HTTP/1.1\r\n" + payload, server_port=port), Direction.UP, 0)
