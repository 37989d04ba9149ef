"""What does the censor do to a packet, and by which rule?

The packet as it crosses, what may become of it, and the rule that joins a matcher to an action. The matchers are
`probe.lab.matchers`'s, whose names are here too; the actions are in `probe.lab.actions`, and the engine that applies
them is `probe.lab.censor`.
"""

from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Protocol

from probe.lab.matchers import (
    AllOf,
    AnyOf,
    AnySni,
    AnyTls,
    DnsName,
    EchWithSni,
    Everything,
    HttpHost,
    Matcher,
    NamePattern,
    NameTest,
    Not,
    QuicSize,
    QuicSni,
    ShareOfFlows,
    Sni,
    ToAddress,
    ToPort,
    named,
)
from probe.lab.sightings import Sighting
from probe.wire import ip, packets

__all__ = [
    "DROP",
    "PASS",
    "Action",
    "AllOf",
    "Allowance",
    "AnyOf",
    "AnySni",
    "AnyTls",
    "CensorRule",
    "Crossing",
    "Direction",
    "Diversion",
    "DnsName",
    "EchWithSni",
    "Everything",
    "HttpHost",
    "Injected",
    "Matcher",
    "NamePattern",
    "NameTest",
    "Not",
    "Outcome",
    "QuicSize",
    "QuicSni",
    "Residual",
    "ShareOfFlows",
    "Sni",
    "ToAddress",
    "ToPort",
    "Treatment",
    "named",
]


TCP_FLAGS_AT = 13  # in the TCP header (RFC 9293 §3.1)


class Direction(Enum):
    UP = "up"  # from the vantage point
    DOWN = "down"  # to the vantage point


class Crossing:
    """One packet as it passes the censor. `router_address` is where the censor's own ICMP errors come from."""

    def __init__(self, data: bytes, direction: Direction, router_address: str) -> None:
        self.data = data
        self.direction = direction
        self.router_address = router_address

    @property
    def is_syn(self) -> bool:
        """Whether it opens a TCP connection; without parsing, since this is asked of every packet."""
        at = (packets.IPV6_HEADER_BYTES if ip.is_ipv6(self.data) else (self.data[0] & 15) * 4) + TCP_FLAGS_AT
        is_tcp = ip.protocol_of(self.data) == packets.Protocol.TCP
        return is_tcp and len(self.data) > at and bool(self.data[at] & packets.TcpFlag.SYN)

    @cached_property
    def ip(self) -> packets.IpPacket:
        return packets.parse_ip(self.data)

    @cached_property
    def tcp(self) -> packets.TcpSegment | None:
        return packets.parse_tcp(self.ip.payload) if self.ip.protocol == packets.Protocol.TCP else None

    @cached_property
    def udp(self) -> packets.UdpDatagram | None:
        return packets.parse_udp(self.ip.payload) if self.ip.protocol == packets.Protocol.UDP else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """A packet that the censor makes itself, and where it sends it. Its TTL is counted from the censor."""

    direction: Direction
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Diversion:
    """To which other address a packet goes on. With `answers_as_asked` what comes back from there bears the address
    that the client asked; without, that of whoever answered.
    """

    to: str
    answers_as_asked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What becomes of one packet: whether it goes on, how much later, and what the censor sends besides.

    An action says with `diverted` where else it goes; the engine turns that into `replaced`, the packet that goes on
    in its place.
    """

    forward: bool = True
    delay_seconds: float = 0.0
    injected: tuple[Injected, ...] = ()
    diverted: Diversion | None = None
    replaced: bytes | None = None


PASS = Outcome()
DROP = Outcome(forward=False)


class Treatment(Protocol):
    """The state of one action on one flow (or, for a shared rule, on all its flows)."""

    def handle(self, crossing: Crossing, now: float) -> Outcome: ...


class Action(Protocol):
    """What a rule does; `start` is called when a flow first matches, before its matching packet is handled."""

    def start(self, sighting: Sighting) -> Treatment: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """What happens after a match to new flows between the same client and server (and, with `same_port`, server
    port), for so many seconds from the last match.

    `at_hello`: the connection comes about and its ClientHello is punished, whatever its name. China punishes the pair
    of addresses and the port for some minutes; Russia's TSPU keeps to one five-tuple, for 75 s (SNI-I), 40 s (SNI-IV)
    or 420 s (SNI-II, QUIC) (Xue et al., "TSPU: Russia's decentralized censorship system", IMC 2022).
    """

    seconds: float
    do: Action
    same_port: bool = False
    at_hello: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """The first so many matching flows to one server address (with `by_name`: and one name) within the window are left
    alone; all that come, punished ones too, count.

    Russia, from November 2025: after 4-12 TLS handshakes new ones to suspicious networks time out, for 60-120 s
    (net4people/bbs #546).
    """

    flows: int
    seconds: float
    by_name: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CensorRule:
    """When a packet matches, its flow gets the action. `shared`: one state (one bucket) for all matching flows
    together.
    """

    when: Matcher
    do: Action
    shared: bool = field(default=False)
    residual: Residual | None = None
    allowance: Allowance | None = None
