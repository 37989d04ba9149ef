"""Do delay, queue, loss, jitter and TTL of the emulated line act as its profile says? Time is an argument here."""

import random
from dataclasses import replace

import pytest

from probe.lab.actions import Drop, Reset
from probe.lab.censor import Censor
from probe.lab.line import Delivery, Line
from probe.lab.path import HOME, PROFILES, PathProfile
from probe.lab.rules import CensorRule, Direction, ToAddress
from probe.wire import packets
from probe.wire.packets import TcpFlag, TcpSegment, UdpDatagram

CLIENT = "192.168.77.2"
NEAR = "198.18.10.1"
FAR = "198.18.11.1"
QUIET = replace(HOME, down_bps=1e12, up_bps=1e12)


def line(profile: PathProfile, rules: tuple[CensorRule, ...] = (), seed: int = 1) -> Line:
    censor = Censor(rules, router_address=profile.router_address(profile.censor_hop))
    return Line(profile, distances={NEAR: 0.0, FAR: 0.140}, censor=censor, rng=random.Random(seed))


def udp(source: str, destination: str, *, size: int = 0, ttl: int = 64) -> bytes:
    datagram = UdpDatagram(source_port=1000, destination_port=2000, payload=bytes(size))
    return packets.udp_packet(datagram, source=source, destination=destination, ttl=ttl)


def deliveries(path: Line, until: float = 60.0) -> list[Delivery]:
    out: list[Delivery] = []
    while (due := path.next_event()) is not None and due <= until:
        out += path.advance(due)
    return out


@pytest.mark.parametrize(("server", "one_way"), [(NEAR, 0.020), (FAR, 0.090)])
def test_delay_in_each_direction(server: str, one_way: float) -> None:
    path = line(QUIET)
    path.submit(udp(CLIENT, server), Direction.UP, 10.0)
    path.submit(udp(server, CLIENT), Direction.DOWN, 10.0)
    found = {delivery.direction: delivery.due - 10.0 for delivery in deliveries(path)}
    assert found == {Direction.UP: pytest.approx(one_way), Direction.DOWN: pytest.approx(one_way)}


def test_every_router_takes_one_from_the_ttl() -> None:
    path = line(QUIET)
    path.submit(udp(CLIENT, NEAR, ttl=8), Direction.UP, 0)
    (arrived,) = deliveries(path)
    assert arrived.data[8] == 1
    assert packets.checksum(arrived.data[:20]) == 0


@pytest.mark.parametrize("hop", range(1, 8))
def test_the_router_where_the_ttl_ends_says_so(hop: int) -> None:
    path = line(HOME)
    path.submit(udp(CLIENT, NEAR, ttl=hop), Direction.UP, 0)
    (answer,) = deliveries(path)
    ip = packets.parse_ipv4(answer.data)
    message = packets.parse_icmp(ip.payload)
    assert answer.direction is Direction.DOWN
    assert (ip.source, ip.ttl) == (HOME.router_address(hop), 64 - hop)
    assert (message.type, message.payload[8]) == (11, 1)
    assert packets.checksum(message.payload[:20]) == 0


def test_silent_hops_say_nothing() -> None:
    path = line(replace(HOME, silent_hops=(1, 4)))
    for hop in (1, 4):
        path.submit(udp(CLIENT, NEAR, ttl=hop), Direction.UP, 0)
    assert deliveries(path) == []


@pytest.mark.parametrize(("ttl", "answered_by"), [(3, "198.19.255.3"), (4, NEAR)])
def test_a_packet_meets_the_censor_behind_its_router(ttl: int, answered_by: str) -> None:
    path = line(HOME, (CensorRule(when=ToAddress(addresses=(NEAR,)), do=Reset()),))
    segment = TcpSegment(source_port=1, destination_port=2, seq=1, ack=0, flags=TcpFlag.SYN)
    path.submit(packets.tcp_packet(segment, source=CLIENT, destination=NEAR, ttl=ttl), Direction.UP, 0)
    (answer,) = deliveries(path)
    ip = packets.parse_ipv4(answer.data)
    assert (ip.source, ip.ttl) == (answered_by, 61)
    assert packets.checksum(answer.data[:20]) == 0


def test_an_address_where_nobody_lives_is_silent() -> None:
    path = line(HOME)
    path.submit(udp(CLIENT, "10.10.34.35"), Direction.UP, 0)
    assert deliveries(path) == []
    assert path.counters.nowhere == 1


@pytest.mark.parametrize(("direction", "rate_bps"), [(Direction.UP, 8e6), (Direction.DOWN, 20e6)])
def test_the_access_link_has_a_rate_and_a_buffer(direction: Direction, rate_bps: float) -> None:
    path = line(HOME)
    ends = (CLIENT, NEAR) if direction is Direction.UP else (NEAR, CLIENT)
    data = udp(*ends, size=1472)
    for _ in range(2000):
        path.submit(data, direction, 0)
    arrived = deliveries(path)
    seconds = arrived[-1].due - arrived[0].due
    assert (len(arrived) - 1) * 1500 * 8 / seconds == pytest.approx(rate_bps, rel=0.001)
    assert len(arrived) * 1500 * 8 / rate_bps == pytest.approx(HOME.buffer_seconds, rel=0.05)
    assert path.counters.queue_dropped == 2000 - len(arrived)


def test_loss_in_each_direction() -> None:
    path = line(replace(QUIET, loss=0.02))
    for _ in range(10_000):
        path.submit(udp(CLIENT, NEAR), Direction.UP, 0)
        path.submit(udp(NEAR, CLIENT), Direction.DOWN, 0)
    arrived = deliveries(path)
    for direction in Direction:
        assert sum(d.direction is direction for d in arrived) == pytest.approx(9800, abs=60)


def test_jitter_keeps_the_mean_spreads_and_reorders() -> None:
    path = line(replace(QUIET, rtt_seconds=0.090, jitter_seconds=0.020))
    for number in range(1000):
        path.submit(udp(NEAR, CLIENT, size=number), Direction.DOWN, number * 0.002)
    arrived = deliveries(path)
    sizes = [len(d.data) - 28 for d in arrived]
    delays = [d.due - size * 0.002 for d, size in zip(arrived, sizes, strict=True)]
    assert sum(delays) / 1000 == pytest.approx(0.045, abs=0.001)
    assert min(delays) == pytest.approx(0.035, abs=0.001)
    assert max(delays) == pytest.approx(0.055, abs=0.001)
    assert sizes != sorted(sizes)


def test_one_seed_gives_one_course_of_events() -> None:
    def course(seed: int) -> list[float]:
        path = line(PROFILES["mobile"], seed=seed)
        for number in range(200):
            path.submit(udp(CLIENT, NEAR, size=100), Direction.UP, number * 0.01)
        return [d.due for d in deliveries(path)]

    assert course(3) == course(3) != course(4)


def test_what_the_censor_drops_is_counted() -> None:
    path = line(HOME, (CensorRule(when=ToAddress(addresses=(NEAR,)), do=Drop()),))
    path.submit(udp(CLIENT, NEAR), Direction.UP, 0)
    assert deliveries(path) == []
    assert path.counters.censor_dropped == 1


@pytest.mark.parametrize(
    "changes",
    [{"down_bps": 0.0}, {"loss": 1.0}, {"jitter_seconds": 1.0}, {"censor_hop": 8}, {"routers": 70}],
)
def test_impossible_lines_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"line|jitter|loss|censor"):
        replace(HOME, **changes)  # type: ignore[arg-type]
