"""Does each of the censor's less simple actions do to packets what its docstring says?"""

from collections.abc import Sequence

import dns.message
import pytest

from probe.lab.actions import (
    AfterPackets,
    AfterSeconds,
    Divert,
    Drop,
    FreezeAfterPackets,
    InHours,
    Lose,
    LosePureAcks,
    OneWay,
    Police,
    RacingReset,
    ResetAnswers,
    Shape,
    Since,
    Unreachable,
    forged_address,
)
from probe.lab.rules import PASS, Action, CensorRule, Direction, DnsName, Everything, Sni, ToAddress, ToPort, named
from probe.wire import packets
from probe.wire.packets import Protocol, TcpFlag
from tests.crossings import (
    ACKED,
    CLIENT,
    CLIENT6,
    ISN,
    OTHER_SERVER,
    RESOLVER,
    ROUTER6,
    SERVER,
    SERVER6,
    censor,
    datagram,
    down,
    engine,
    injected_tcp,
    opened,
    query,
    syn,
    up,
)
from tests.unit.test_lab_tls_names import client_hello

LISTED = Sni(pattern=named("birdnet.test"))
HELLO = client_hello("media.birdnet.test")


def forwarded(do: Action, offered: Sequence[tuple[bytes, Direction, float]]) -> list[bool]:
    """Which of these packets pass the action, applied to everything."""
    made = censor(Everything(), do)
    return [made.process(data, direction, now).forward for data, direction, now in offered]


def test_a_racing_reset_lets_the_true_packets_go_on() -> None:
    made = censor(LISTED, RacingReset())
    outcome = opened(made, HELLO)
    assert outcome.forward
    assert injected_tcp(outcome, Direction.DOWN).seq == ACKED
    to_server = [packets.parse_ip(one.data).payload for one in outcome.injected if one.direction is Direction.UP]
    assert [packets.parse_tcp(data).seq for data in to_server] == [ISN + 1, ISN + 1 + len(HELLO)]
    assert made.process(down(b"ServerHello"), Direction.DOWN, 0) == PASS
    assert made.process(up(), Direction.UP, 0) == PASS


def test_a_racing_reset_to_the_client_alone() -> None:
    outcome = opened(censor(LISTED, RacingReset(to_server=False)), HELLO)
    assert [one.direction for one in outcome.injected] == [Direction.DOWN]


def test_answers_become_resets() -> None:
    made = censor(LISTED, ResetAnswers())
    assert opened(made, HELLO) == PASS
    outcome = made.process(down(b"ServerHello"), Direction.DOWN, 0)
    reset = injected_tcp(outcome, Direction.DOWN)
    assert not outcome.forward
    assert (reset.seq, reset.flags, reset.payload) == (ACKED, TcpFlag.RST | TcpFlag.ACK, b"")


@pytest.mark.parametrize("direction", list(Direction))
def test_one_sided_silence(direction: Direction) -> None:
    made = censor(LISTED, OneWay(do=Drop(), direction=direction))
    assert opened(made, HELLO).forward is (direction is Direction.DOWN)
    assert made.process(down(b"x"), Direction.DOWN, 0).forward is (direction is Direction.UP)


def test_silence_after_some_packets() -> None:
    made = censor(LISTED, AfterPackets(do=Drop(), packets=5))
    assert opened(made, HELLO).forward
    seen = [made.process(down(b"x"), Direction.DOWN, 0).forward for _ in range(4)]
    seen += [made.process(up(b"x"), Direction.UP, 0).forward for _ in range(3)]
    assert seen == [True] * 5 + [False] * 2


def test_how_many_pass_may_differ_from_flow_to_flow() -> None:
    made = censor(LISTED, AfterPackets(do=Drop(), packets=5, at_most=8))
    passed = []
    for port in range(20_000, 20_040):
        opened(made, HELLO, port=port)
        passed.append(sum(made.process(down(b"x", port=port), Direction.DOWN, 0).forward for _ in range(12)))
    assert set(passed) == {5, 6, 7, 8}


def test_freezing_counts_packets_of_both_directions() -> None:
    passing = forwarded(FreezeAfterPackets(packets=25), [(up(), Direction.UP, 0), (down(), Direction.DOWN, 0)] * 20)
    assert passing == [True] * 25 + [False] * 15


def test_freezing_may_count_one_direction() -> None:
    rule = FreezeAfterPackets(packets=3, directions=(Direction.DOWN,))
    assert forwarded(rule, [(up(), Direction.UP, 0)] * 9 + [(down(), Direction.DOWN, 0)] * 4)[-4:] == [
        True,
        True,
        True,
        False,
    ]
    udp = [(datagram(b"x"), Direction.UP, 0.0)] * 30
    assert sum(forwarded(FreezeAfterPackets(), udp)) == 25


@pytest.mark.parametrize(("since", "begins"), [(Since.MATCH, 15.0), (Since.START, 10.0)])
def test_an_action_that_begins_later(since: Since, begins: float) -> None:
    made = censor(LISTED, AfterSeconds(do=Drop(), seconds=10, since=since))
    assert made.process(query("birdnet.test"), Direction.UP, 0).forward  # the censor's first packet
    assert opened(made, HELLO, now=5.0).forward
    assert made.process(down(), Direction.DOWN, begins - 0.1).forward
    assert not made.process(down(), Direction.DOWN, begins).forward


@pytest.mark.parametrize(
    ("begins", "ends", "expected"), [(0.25, 0.5, [1, 0, 1, 1, 1, 0]), (0.75, 0.25, [0, 1, 1, 0, 0, 1])]
)
def test_an_action_in_some_hours(begins: float, ends: float, expected: list[int]) -> None:
    rule = InHours(do=Drop(), begins=begins, ends=ends, day_seconds=40)
    times = [100.0, 110.0, 120.0, 130.0, 140.0, 150.0]
    assert forwarded(rule, [(down(), Direction.DOWN, now) for now in times]) == [bool(each) for each in expected]


def test_random_loss_keeps_its_share_and_direction() -> None:
    rule = Lose(share=0.3, directions=(Direction.DOWN,))
    passed = forwarded(rule, [(down(), Direction.DOWN, 0)] * 2000)
    assert sum(passed) / 2000 == pytest.approx(0.7, abs=0.04)
    assert passed == forwarded(rule, [(down(), Direction.DOWN, 0)] * 2000)  # the same dice for the same flow
    assert all(forwarded(rule, [(up(), Direction.UP, 0)] * 50))


def test_only_pure_acknowledgements_are_lost() -> None:
    rule = LosePureAcks(share=1.0)
    offered = [syn(), up(), up(b"x"), up(flags=TcpFlag.ACK | TcpFlag.FIN), datagram(b"x")]
    assert forwarded(rule, [(data, Direction.UP, 0) for data in offered]) == [True, False, True, True, True]
    assert forwarded(rule, [(down(), Direction.DOWN, 0)]) == [True]
    assert sum(forwarded(LosePureAcks(share=0.4), [(up(), Direction.UP, 0)] * 2000)) == pytest.approx(1200, abs=80)


@pytest.mark.parametrize("burst_bytes", [8_000, 64_000, 256_000])
def test_a_policers_burst(burst_bytes: int) -> None:
    rule = Police(rate_bps=64e3, burst_bytes=burst_bytes)
    data = down(b"x" * 960)
    assert sum(forwarded(rule, [(data, Direction.DOWN, 0)] * 300)) == burst_bytes // 1000


def test_each_direction_has_its_own_bucket() -> None:
    data = [(down(b"x" * 960), Direction.DOWN, 0.0), (up(b"x" * 960), Direction.UP, 0.0)] * 20
    assert forwarded(Police(rate_bps=64e3, burst_bytes=8000), data) == [True] * 16 + [False] * 24


def test_delays_of_two_rules_add_up_behind_one_another() -> None:
    rules = [CensorRule(when=Everything(), do=Shape(rate_bps=rate)) for rate in (80e3, 40e3)]
    assert engine(*rules).process(down(b"x" * 960), Direction.DOWN, 0).delay_seconds == pytest.approx(0.3)


def test_the_first_that_drops_ends_it_but_not_what_was_injected_before() -> None:
    rules = [CensorRule(when=Everything(), do=do) for do in (RacingReset(to_server=False), Drop())]
    outcome = engine(*rules).process(up(b"x"), Direction.UP, 0)
    assert not outcome.forward
    assert len(outcome.injected) == 1


def test_a_diverted_query_and_its_answer() -> None:
    made = censor(ToPort(port=53, protocol=Protocol.UDP), Divert(to="198.18.0.54"))
    sent = made.process(query("birdnet.test"), Direction.UP, 0).replaced
    assert sent is not None
    assert packets.parse_ip(sent).destination == "198.18.0.54"
    assert packets.parse_udp(packets.parse_ip(sent).payload).destination_port == 53
    answer = packets.UdpDatagram(source_port=53, destination_port=5000, payload=b"answer")
    back = made.process(packets.udp_packet(answer, source="198.18.0.54", destination=CLIENT), Direction.DOWN, 0)
    assert back.replaced == packets.udp_packet(answer, source=RESOLVER, destination=CLIENT)


def test_a_diverted_query_answered_from_elsewhere() -> None:
    made = censor(DnsName(pattern=named("birdnet.test")), Divert(to="198.18.0.54", answers_as_asked=False))
    assert made.process(query("birdnet.test"), Direction.UP, 0).replaced is not None
    assert made.process(query("gazette.test"), Direction.UP, 0) == PASS
    answer = packets.UdpDatagram(source_port=53, destination_port=5000, payload=b"answer")
    data = packets.udp_packet(answer, source="198.18.0.54", destination=CLIENT)
    assert made.process(data, Direction.DOWN, 0) == PASS


def test_a_diverted_connection_keeps_its_rules_and_its_bytes() -> None:
    rules = [
        CensorRule(when=ToAddress(addresses=(SERVER,)), do=Divert(to=OTHER_SERVER)),
        CensorRule(when=ToAddress(addresses=(SERVER,)), do=Shape(rate_bps=80e3)),
    ]
    made = engine(*rules)
    assert made.process(up(b"request"), Direction.UP, 0).replaced == up(b"request", server=OTHER_SERVER)
    back = made.process(down(b"answer", server=OTHER_SERVER), Direction.DOWN, 0)
    assert back.replaced == down(b"answer")
    assert back.delay_seconds == pytest.approx(46 * 8 / 80e3)
    assert made.process(up(b"x", server=OTHER_SERVER, port=40001), Direction.UP, 0) == PASS


def test_diversion_to_the_other_ip_version_is_none() -> None:
    made = censor(Everything(), Divert(to=SERVER6))
    assert made.process(up(), Direction.UP, 0).replaced is None
    data = up(b"x", client=CLIENT6, server="2001:2:0:8011::2")
    assert made.process(data, Direction.UP, 0).replaced == up(b"x", client=CLIENT6, server=SERVER6)


def test_resets_and_names_over_ipv6() -> None:
    outcome = opened(censor(LISTED, RacingReset()), HELLO, client=CLIENT6, server=SERVER6)
    assert injected_tcp(outcome, Direction.DOWN).seq == ACKED
    assert packets.parse_ip(outcome.injected[0].data).destination == CLIENT6


def test_an_icmpv6_error_comes_from_the_routers_ipv6_address() -> None:
    made = censor(ToAddress(addresses=(SERVER6,)), Unreachable())
    (injected,) = made.process(syn(client=CLIENT6, server=SERVER6), Direction.UP, 0).injected
    answer = packets.parse_ip(injected.data)
    assert (answer.source, answer.destination, answer.protocol) == (ROUTER6, CLIENT6, Protocol.ICMPV6)


@pytest.mark.parametrize(("qtype", "expected"), [("A", "10.10.34.35"), ("AAAA", "2001:2:0:8010::1")])
def test_a_forged_address_is_of_the_type_asked_for(qtype: str, expected: str) -> None:
    for address, given in ((expected, [expected]), ("192.0.2.1" if qtype == "AAAA" else "2001:db8::1", [])):
        made = censor(DnsName(pattern=named("linkhub.test")), forged_address(address))
        (injected,) = made.process(query("linkhub.test", qtype), Direction.UP, 0).injected
        answer = dns.message.from_wire(packets.parse_udp(packets.parse_ip(injected.data).payload).payload).answer
        assert [record.to_text() for rrset in answer for record in rrset] == given
