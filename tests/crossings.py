"""Packets as they cross the lab's censor, for the tests of what it does with them."""

import dns.message

from probe.lab.censor import Censor
from probe.lab.rules import Action, CensorRule, Direction, Matcher, Outcome
from probe.wire import packets
from probe.wire.packets import TcpFlag, TcpSegment, UdpDatagram

CLIENT = "192.168.77.2"
SERVER = "198.18.10.2"
OTHER_SERVER = "198.18.11.2"
RESOLVER = "198.18.0.53"
ROUTER = "198.19.255.3"
CLIENT6, SERVER6, ROUTER6 = "2001:2:0:77::2", "2001:2:0:8010::2", "2001:2:0:ffff::3"
ISN = 1000
ACKED = 77
HTTPS_PORT = 443


def censor(when: Matcher, do: Action, *, shared: bool = False) -> Censor:
    return engine(CensorRule(when=when, do=do, shared=shared))


def engine(*rules: CensorRule) -> Censor:
    return Censor(rules, router_address=ROUTER, router_address6=ROUTER6)


def up(
    payload: bytes = b"",
    *,
    seq: int = ISN + 1,
    flags: int = TcpFlag.ACK,
    port: int = 40000,
    client: str = CLIENT,
    server: str = SERVER,
    server_port: int = HTTPS_PORT,
) -> bytes:
    segment = TcpSegment(
        source_port=port, destination_port=server_port, seq=seq, ack=ACKED, flags=flags, payload=payload
    )
    return packets.tcp_packet(segment, source=client, destination=server)


def syn(port: int = 40000, *, client: str = CLIENT, server: str = SERVER, server_port: int = HTTPS_PORT) -> bytes:
    return up(seq=ISN, flags=TcpFlag.SYN, port=port, client=client, server=server, server_port=server_port)


def down(payload: bytes = b"", *, port: int = 40000, client: str = CLIENT, server: str = SERVER) -> bytes:
    segment = TcpSegment(
        source_port=HTTPS_PORT, destination_port=port, seq=ACKED, ack=5, flags=TcpFlag.ACK, payload=payload
    )
    return packets.tcp_packet(segment, source=server, destination=client)


def datagram(payload: bytes, *, server: str = SERVER, server_port: int = HTTPS_PORT, port: int = 5000) -> bytes:
    made = UdpDatagram(source_port=port, destination_port=server_port, payload=payload)
    return packets.udp_packet(made, source=CLIENT, destination=server)


def query(name: str, qtype: str = "A") -> bytes:
    return datagram(dns.message.make_query(name, qtype).to_wire(), server=RESOLVER, server_port=53)


def opened(
    censor: Censor, hello: bytes, *, port: int = 40000, server: str = SERVER, client: str = CLIENT, now: float = 0
) -> Outcome:
    """A SYN, if it passes, and the first data of a new connection; what became of the latter (or of the SYN)."""
    first = censor.process(syn(port, client=client, server=server), Direction.UP, now)
    if not first.forward:
        return first
    return censor.process(up(hello, port=port, client=client, server=server), Direction.UP, now)


def injected_tcp(outcome: Outcome, direction: Direction) -> TcpSegment:
    (one,) = [injected.data for injected in outcome.injected if injected.direction is direction]
    return packets.parse_tcp(packets.parse_ip(one).payload)
