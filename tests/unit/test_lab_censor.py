"""Does the censor's engine do to each packet what its rule says, and nothing to the others?"""

import dns.message
import pytest

from probe.lab.actions import (
    Drop,
    Freeze,
    Police,
    Reset,
    Shape,
    Unreachable,
    blockpage,
    empty_answer,
    forged_address,
    nxdomain,
    redirect,
    refused,
    servfail,
)
from probe.lab.censor import FLOW_IDLE_SECONDS, Censor
from probe.lab.rules import PASS, Action, Direction, DnsName, Everything, HttpHost, NameTest, Sni, ToAddress, named
from probe.wire import packets
from probe.wire.packets import TcpFlag
from tests.crossings import CLIENT, ISN, ROUTER, SERVER, censor, down, injected_tcp, query, syn, up
from tests.unit.test_lab_tls_names import client_hello

REQUEST = b"GET / HTTP/1.1\r\nHost: gazette.test\r\n\r\n"


def test_sni_reset_goes_to_both_ends_and_fits_the_connection() -> None:
    engine = censor(Sni(pattern=named("birdnet.test")), Reset())
    assert engine.process(syn(), Direction.UP, 0) == PASS
    hello = client_hello("media.birdnet.test")
    outcome = engine.process(up(hello), Direction.UP, 0)
    assert not outcome.forward
    to_client = injected_tcp(outcome, Direction.DOWN)
    assert (to_client.seq, to_client.ack) == (77, ISN + 1 + len(hello))
    assert to_client.flags == TcpFlag.RST | TcpFlag.ACK
    assert injected_tcp(outcome, Direction.UP).seq == ISN + 1
    assert not engine.process(down(b"late"), Direction.DOWN, 0).forward


def test_a_lost_reset_is_sent_again_when_the_client_retransmits() -> None:
    engine = censor(Sni(pattern=named("birdnet.test")), Reset())
    hello = up(client_hello("birdnet.test"))
    engine.process(syn(), Direction.UP, 0)
    assert engine.process(hello, Direction.UP, 0).injected == engine.process(hello, Direction.UP, 1).injected != ()


def test_a_hello_in_two_segments_in_either_order() -> None:
    hello = client_hello("birdnet.test")
    first, second = up(hello[:100]), up(hello[100:], seq=ISN + 101)
    for port_order in ((first, second), (second, first)):
        engine = censor(Sni(pattern=named("birdnet.test")), Drop())
        engine.process(syn(), Direction.UP, 0)
        assert engine.process(port_order[0], Direction.UP, 0).forward
        assert not engine.process(port_order[1], Direction.UP, 0).forward


def test_a_hello_in_three_segments_escapes() -> None:
    hello = client_hello("birdnet.test")
    engine = censor(Sni(pattern=named("birdnet.test")), Drop())
    engine.process(syn(), Direction.UP, 0)
    for start, end in ((0, 50), (50, 100), (100, len(hello))):
        assert engine.process(up(hello[start:end], seq=ISN + 1 + start), Direction.UP, 0).forward


@pytest.mark.parametrize(
    ("test", "name", "covered"),
    [
        (NameTest.EXACT, "t.co", True),
        (NameTest.EXACT, "www.t.co", False),
        (NameTest.SUFFIX, "www.t.co", True),
        (NameTest.SUFFIX, "microsoft.co", False),
        (NameTest.SUBSTRING, "reddit.com", True),
        (NameTest.SUBSTRING, "t.com", True),
        (NameTest.SUBSTRING, "tco", False),
    ],
)
def test_how_names_are_compared(test: NameTest, name: str, covered: bool) -> None:
    assert named("t.co", test).covers(name) is covered


def test_other_names_pass_untouched() -> None:
    engine = censor(Sni(pattern=named("birdnet.test")), Reset())
    engine.process(syn(), Direction.UP, 0)
    assert engine.process(up(client_hello("www.northnet.test")), Direction.UP, 0) == PASS
    assert engine.process(down(b"x"), Direction.DOWN, 0) == PASS
    assert engine.process(query("birdnet.test"), Direction.UP, 0) == PASS


def test_a_punished_port_stays_punished_until_it_was_idle() -> None:
    engine = censor(Sni(pattern=named("birdnet.test")), Drop())
    engine.process(syn(), Direction.UP, 0)
    engine.process(up(client_hello("birdnet.test")), Direction.UP, 0)
    assert not engine.process(syn(), Direction.UP, 5).forward
    assert engine.process(syn(port=40001), Direction.UP, 5).forward
    assert engine.process(syn(), Direction.UP, 6 + FLOW_IDLE_SECONDS).forward


def test_a_reused_port_is_inspected_anew() -> None:
    engine = censor(Sni(pattern=named("birdnet.test")), Drop())
    for name, passes in (("www.northnet.test", True), ("birdnet.test", False)):
        engine.process(syn(), Direction.UP, 0)
        assert engine.process(up(client_hello(name)), Direction.UP, 0).forward is passes


def test_address_rules_by_port_and_both_ways() -> None:
    engine = censor(ToAddress(addresses=(SERVER,), port=443), Drop())
    assert not engine.process(syn(), Direction.UP, 0).forward
    assert not engine.process(down(), Direction.DOWN, 0).forward
    assert engine.process(query("birdnet.test"), Direction.UP, 0).forward
    assert censor(ToAddress(addresses=(SERVER,), port=80), Drop()).process(syn(), Direction.UP, 0).forward


def test_a_reset_address_refuses_the_syn() -> None:
    outcome = censor(ToAddress(addresses=(SERVER,)), Reset()).process(syn(), Direction.UP, 0)
    assert len(outcome.injected) == 1
    assert injected_tcp(outcome, Direction.DOWN).ack == ISN + 1


@pytest.mark.parametrize("code", [1, 13])
def test_unreachable_quotes_the_packet(code: int) -> None:
    (injected,) = (
        censor(ToAddress(addresses=(SERVER,)), Unreachable(code=code)).process(syn(), Direction.UP, 0).injected
    )
    ip = packets.parse_ipv4(injected.data)
    message = packets.parse_icmp(ip.payload)
    assert (ip.source, message.type, message.code) == (ROUTER, 3, code)
    assert message.payload == syn()[:28]


@pytest.mark.parametrize(
    ("action", "rcode", "addresses"),
    [
        (nxdomain(), 3, []),
        (refused(), 5, []),
        (servfail(), 2, []),
        (empty_answer(), 0, []),
        (forged_address("10.10.34.35"), 0, ["10.10.34.35"]),
    ],
)
def test_forged_answers_stand_alone(action: Action, rcode: int, addresses: list[str]) -> None:
    outcome = censor(DnsName(pattern=named("linkhub.test")), action).process(query("linkhub.test"), Direction.UP, 0)
    assert not outcome.forward
    datagram = packets.parse_udp(packets.parse_ipv4(outcome.injected[0].data).payload)
    response = dns.message.from_wire(datagram.payload)
    assert int(response.rcode()) == rcode
    assert [record.to_text() for rrset in response.answer for record in rrset] == addresses


def test_a_racing_forgery_lets_the_query_go_on() -> None:
    engine = censor(DnsName(pattern=named("linkhub.test")), forged_address("198.18.0.80", truth_follows=True))
    outcome = engine.process(query("linkhub.test"), Direction.UP, 0)
    assert outcome.forward
    assert len(outcome.injected) == 1
    assert engine.process(query("birdnet.test"), Direction.UP, 0) == PASS


def test_a_forged_answer_for_aaaa_has_no_address() -> None:
    engine = censor(DnsName(pattern=named("linkhub.test")), forged_address("10.10.34.35"))
    (injected,) = engine.process(query("linkhub.test", "AAAA"), Direction.UP, 0).injected
    datagram = packets.parse_udp(packets.parse_ipv4(injected.data).payload)
    assert dns.message.from_wire(datagram.payload).answer == []


@pytest.mark.parametrize(
    ("action", "start"), [(blockpage(), b"HTTP/1.1 403"), (redirect("http://n.test/"), b"HTTP/1.1 302")]
)
def test_injected_http_ends_the_connection(action: Action, start: bytes) -> None:
    engine = censor(HttpHost(pattern=named("gazette.test")), action)
    engine.process(syn(), Direction.UP, 0)
    outcome = engine.process(up(REQUEST), Direction.UP, 0)
    page = injected_tcp(outcome, Direction.DOWN)
    assert page.payload.startswith(start)
    assert page.flags & TcpFlag.FIN
    assert (page.seq, page.ack) == (77, ISN + 1 + len(REQUEST))
    assert injected_tcp(outcome, Direction.UP).flags & TcpFlag.RST
    assert not outcome.forward


def passed_bytes(engine: Censor, *, offered_bps: float, seconds: float, direction: Direction, port: int = 40000) -> int:
    """Packets of 1000 bytes at a steady rate; the bytes that went on."""
    make = up if direction is Direction.UP else down
    data = make(b"x" * 960, port=port)
    count = int(offered_bps * seconds / 8 / len(data))
    return sum(len(data) for i in range(count) if engine.process(data, direction, i * seconds / count).forward)


def test_a_policer_passes_its_rate_and_its_burst() -> None:
    engine = censor(Everything(), Police(rate_bps=140e3, burst_bytes=16_000, directions=(Direction.DOWN,)))
    passed = passed_bytes(engine, offered_bps=5e6, seconds=20, direction=Direction.DOWN)
    assert passed == pytest.approx(140e3 * 20 / 8 + 16_000, rel=0.01)
    assert passed_bytes(engine, offered_bps=5e6, seconds=1, direction=Direction.UP) == pytest.approx(625_000, rel=0.01)


def test_a_flow_below_the_policers_rate_loses_nothing() -> None:
    engine = censor(Everything(), Police(rate_bps=140e3))
    assert passed_bytes(engine, offered_bps=130e3, seconds=20, direction=Direction.UP) == 325_000


@pytest.mark.parametrize(("shared", "factor"), [(False, 2), (True, 1)])
def test_a_shared_bucket_is_one_for_all_flows(shared: bool, factor: int) -> None:
    engine = censor(Everything(), Police(rate_bps=400e3, burst_bytes=8000), shared=shared)
    passed = 0
    for i in range(10_000):
        for port in (40000, 40001):
            data = down(b"x" * 960, port=port)
            passed += len(data) * engine.process(data, Direction.DOWN, i * 0.001).forward
    assert passed == pytest.approx(factor * (400e3 * 10 / 8 + 8000), rel=0.02)


def test_a_shaper_delays_and_then_drops() -> None:
    engine = censor(Everything(), Shape(rate_bps=80e3, queue_seconds=0.5))
    data = down(b"x" * 960)
    outcomes = [engine.process(data, Direction.DOWN, 0) for _ in range(8)]
    assert [outcome.delay_seconds for outcome in outcomes[:6]] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert [outcome.forward for outcome in outcomes] == [True] * 6 + [False] * 2
    assert engine.process(data, Direction.DOWN, 1.0).delay_seconds == pytest.approx(0.1)


def test_a_frozen_flow_is_silent_both_ways() -> None:
    engine = censor(Everything(), Freeze(after_bytes=16_000))
    forwarded = [engine.process(down(b"x" * 1000), Direction.DOWN, 0).forward for _ in range(18)]
    assert forwarded == [True] * 16 + [False] * 2
    assert not engine.process(up(), Direction.UP, 0).forward
    assert engine.process(syn(port=40001), Direction.UP, 0).forward


def test_what_it_cannot_read_passes() -> None:
    engine = censor(Sni(pattern=named("birdnet.test")), Drop())
    broken = packets.build_ipv4(packets.IpPacket(source=CLIENT, destination=SERVER, protocol=6, payload=b"\0" * 3))
    assert engine.process(broken, Direction.UP, 0) == PASS
