"""Do delay, queue, loss, jitter and TTL of the emulated line act as its profile says? Time is an argument here."""

import random
from dataclasses import replace

import pytest

from probe.lab.actions import Drop, Reset, Unreachable
from probe.lab.censor import Censor
from probe.lab.line import Delivery, Line
from probe.lab.neighbours import Neighbours
from probe.lab.path import HOME, PROFILES, PathProfile
from probe.lab.queue import Queue
from probe.lab.rules import CensorRule, Direction, ToAddress
from probe.wire import packets
from probe.wire.packets import TcpFlag, TcpSegment, UdpDatagram

CLIENT = "192.168.77.2"
NEAR = "198.18.10.1"
FAR = "198.18.11.1"
CLIENT6 = "2001:2:0:77::2"
NEAR6 = "2001:2:0:8010::1"
DUAL = replace(HOME, ipv6="works")
QUIET = replace(HOME, down_bps=1e12, up_bps=1e12)


def line(profile: PathProfile, rules: tuple[CensorRule, ...] = (), seed: int = 1) -> Line:
    hop = profile.censor_hop
    censor = Censor(rules, router_address=profile.router_address(hop), router_address6=profile.router_address6(hop))
    distances = {NEAR: 0.0, FAR: 0.140, NEAR6: 0.0}
    return Line(profile, distances=distances, censor=censor, rng=random.Random(seed))


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


def test_ipv6_takes_the_same_way() -> None:
    path = line(replace(QUIET, ipv6="works"))
    path.submit(udp(CLIENT6, NEAR6, ttl=8), Direction.UP, 10.0)
    path.submit(udp(NEAR6, CLIENT6, ttl=8), Direction.DOWN, 10.0)
    found = {delivery.direction: delivery for delivery in deliveries(path)}
    assert [found[way].due - 10.0 for way in Direction] == pytest.approx([0.020, 0.020])
    assert packets.parse_ip(found[Direction.UP].data).ttl == 1


@pytest.mark.parametrize("hop", range(1, 8))
def test_the_router_where_the_hop_limit_ends_says_so(hop: int) -> None:
    path = line(DUAL)
    path.submit(udp(CLIENT6, NEAR6, ttl=hop), Direction.UP, 0)
    (answer,) = deliveries(path)
    ip = packets.parse_ip(answer.data)
    message = packets.parse_icmp(ip.payload)
    assert (ip.source, ip.destination, ip.ttl) == (DUAL.router_address6(hop), CLIENT6, 64 - hop)
    assert (ip.protocol, message.type, packets.parse_ip(message.payload).ttl) == (58, 3, 1)


def test_the_censor_meets_ipv6_too() -> None:
    path = line(DUAL, (CensorRule(when=ToAddress(addresses=(NEAR6,)), do=Reset()),))
    segment = TcpSegment(source_port=1, destination_port=2, seq=1, ack=0, flags=TcpFlag.SYN)
    path.submit(packets.tcp_packet(segment, source=CLIENT6, destination=NEAR6), Direction.UP, 0)
    (answer,) = deliveries(path)
    ip = packets.parse_ip(answer.data)
    assert (ip.source, ip.ttl) == (NEAR6, 61)
    assert packets.parse_tcp(ip.payload).flags & TcpFlag.RST


def test_the_censors_router_speaks_icmpv6() -> None:
    path = line(DUAL, (CensorRule(when=ToAddress(addresses=(NEAR6,)), do=Unreachable()),))
    path.submit(udp(CLIENT6, NEAR6), Direction.UP, 0)
    (answer,) = deliveries(path)
    ip = packets.parse_ip(answer.data)
    message = packets.parse_icmp(ip.payload)
    assert (ip.source, message.type, message.code) == (DUAL.router_address6(3), 1, 1)


def test_broken_ipv6_is_silent_and_ipv4_is_not() -> None:
    path = line(replace(HOME, ipv6="broken"))
    for ends in ((CLIENT6, NEAR6), (CLIENT, NEAR)):
        path.submit(udp(*ends), Direction.UP, 0)
    (arrived,) = deliveries(path)
    assert packets.parse_ip(arrived.data).destination == NEAR
    assert path.counters.nowhere == 1


def test_neighbour_discovery_goes_nowhere() -> None:
    path = line(DUAL)
    packet = packets.IpPacket(source="::", destination="ff02::16", protocol=58, payload=bytes(20), ttl=255)
    path.submit(packets.build_ip(packet), Direction.UP, 0)
    assert path.next_event() is None


@pytest.mark.parametrize("ends", [(CLIENT, NEAR), (CLIENT6, NEAR6)])
@pytest.mark.parametrize("way", list(Direction))
def test_a_small_mtu_is_told_to_the_sender(ends: tuple[str, str], way: Direction) -> None:
    path = line(replace(DUAL, mtu_bytes=1400))
    sender, receiver = ends if way is Direction.UP else ends[::-1]
    path.submit(udp(sender, receiver, size=1400), way, 0)
    (answer,) = deliveries(path)
    ip = packets.parse_ip(answer.data)
    message = packets.parse_icmp(ip.payload)
    hop = 1 if way is Direction.UP else 2
    router = DUAL.router_address6(hop) if ":" in sender else DUAL.router_address(hop)
    assert (ip.source, ip.destination) == (router, sender)
    assert answer.direction is not way
    assert (message.type, message.code, message.rest) == ((2, 0, 1400) if ":" in sender else (3, 4, 1400))


def test_a_hidden_mtu_swallows_what_is_larger() -> None:
    path = line(PROFILES["black_hole"])
    for size in (1400 - 28, 1401 - 28):
        path.submit(udp(CLIENT, NEAR, size=size), Direction.UP, 0)
        path.submit(udp(NEAR, CLIENT, size=size), Direction.DOWN, 0)
    assert [len(arrived.data) for arrived in deliveries(path)] == [1400, 1400]
    assert path.counters.too_big == 2


def tcp(source: str, destination: str, flags: int, *, ports: tuple[int, int] = (40000, 443)) -> bytes:
    segment = TcpSegment(source_port=ports[0], destination_port=ports[1], seq=5, ack=6, flags=flags)
    return packets.tcp_packet(segment, source=source, destination=destination)


def test_an_idle_flow_is_forgotten_in_silence() -> None:
    path = line(PROFILES["cgnat"])
    up, down = (CLIENT, NEAR), (NEAR, CLIENT)
    path.submit(tcp(*up, TcpFlag.SYN), Direction.UP, 0)
    path.submit(tcp(*down, TcpFlag.ACK, ports=(443, 40000)), Direction.DOWN, 9.0)
    assert len(deliveries(path)) == 2
    path.submit(tcp(*up, TcpFlag.ACK), Direction.UP, 18.0)
    assert len(deliveries(path)) == 1
    path.submit(tcp(*down, TcpFlag.ACK, ports=(443, 40000)), Direction.DOWN, 29.0)
    path.submit(tcp(*up, TcpFlag.ACK), Direction.UP, 29.0)
    assert deliveries(path) == []
    assert path.counters.forgotten == 2
    path.submit(tcp(*up, TcpFlag.SYN), Direction.UP, 30.0)
    assert len(deliveries(path)) == 1


def test_a_forgotten_flow_may_be_reset() -> None:
    path = line(replace(PROFILES["cgnat"], nat_resets=True))
    path.submit(tcp(CLIENT, NEAR, TcpFlag.ACK), Direction.UP, 0)
    (answer,) = deliveries(path)
    ip = packets.parse_ip(answer.data)
    reset = packets.parse_tcp(ip.payload)
    assert (ip.source, reset.flags, reset.seq, reset.destination_port) == (NEAR, TcpFlag.RST, 6, 40000)


def test_nothing_uninvited_passes_the_translator() -> None:
    path = line(PROFILES["cgnat"])
    path.submit(udp(NEAR, CLIENT), Direction.DOWN, 0)
    assert deliveries(path) == []
    path.submit(udp(CLIENT, NEAR), Direction.UP, 1)
    path.submit(udp(CLIENT, NEAR, ttl=4), Direction.UP, 1)  # the ICMP error about it passes
    assert [arrived.direction for arrived in deliveries(path)] == [Direction.UP, Direction.DOWN]


def test_jitter_of_a_mobile_network_keeps_the_order() -> None:
    path = line(replace(PROFILES["4g"], loss=0.0))
    for number in range(500):
        path.submit(udp(NEAR, CLIENT, size=number), Direction.DOWN, number * 0.002)
    arrived = deliveries(path)
    assert [len(d.data) - 28 for d in arrived] == list(range(500))
    delays = [d.due - number * 0.002 for number, d in enumerate(arrived)]
    assert 0.022 < min(delays) < 0.030 < max(delays) < 0.039


def test_neighbours_take_their_share_of_the_access_queue() -> None:
    """Probes through a busy evening see queueing and drops; without the neighbours they see neither."""

    slow = replace(HOME, down_bps=4e6, buffer_seconds=0.1)

    def course(neighbours: int, seed: int = 1) -> tuple[list[float], int]:
        path = line(replace(slow, neighbours_down=neighbours, day_seconds=60.0), seed=seed)
        for number in range(3000):
            datagram = UdpDatagram(source_port=number, destination_port=2000, payload=b"")
            probe = packets.udp_packet(datagram, source=NEAR, destination=CLIENT)
            path.submit(probe, Direction.DOWN, 1000 + number * 0.02)
        arrived = deliveries(path, until=1062.0)
        numbers = [packets.parse_udp(packets.parse_ip(one.data).payload).source_port for one in arrived]
        waits = [one.due - 1000.020 - number * 0.02 for one, number in zip(arrived, numbers, strict=True)]
        return waits, path.counters.queue_dropped

    alone, dropped_alone = course(0)
    waits, dropped = course(3)
    assert max(alone) < 0.001
    assert dropped_alone == 0
    assert max(waits) == pytest.approx(slow.buffer_seconds, abs=0.01)
    assert 0.02 < sum(wait > 0.05 for wait in waits) / len(waits) < 0.9
    assert 0 < dropped == 3000 - len(waits)
    assert course(3) == (waits, dropped) != course(3, seed=2)


def test_a_night_is_quieter_than_an_evening() -> None:
    queue = Queue(2e6, 0.1)
    day_seconds = 200.0
    street = Neighbours(queue, count=3, rate_bps=2e6, rtt_seconds=0.04, day_seconds=day_seconds, rng=random.Random(1))
    busy: dict[bool, list[float]] = {True: [], False: []}
    for number in range(40_000):
        now = number * 0.01
        street.catch_up(now)
        hour = street.busyness(now)
        if not 0.1 < hour < 0.9:
            busy[hour > 0.5].append(queue.wait_seconds(now))
    night, evening = (sum(wait > 0 for wait in busy[late]) / len(busy[late]) for late in (False, True))
    assert night < 0.35
    assert evening > 0.6


@pytest.mark.parametrize(
    "changes",
    [
        {"down_bps": 0.0},
        {"loss": 1.0},
        {"jitter_seconds": 1.0},
        {"censor_hop": 8},
        {"routers": 70},
        {"mtu_bytes": 1000},
        {"nat_idle_seconds": 0.0},
        {"neighbours_up": -1},
        {"day_seconds": 0.0},
    ],
)
def test_impossible_lines_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"line|jitter|loss|censor"):
        replace(HOME, **changes)  # type: ignore[arg-type]
