"""What does the censor look for, and what does it do when it sees it?

The matchers and the rule that joins one to an action. The actions are in `probe.lab.actions` (answers, resets, drops)
and `probe.lab.rate_actions` (slowing and freezing); the engine that applies them is `probe.lab.censor`.
"""

from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Protocol

from probe.wire import packets


class Direction(Enum):
    UP = "up"  # from the vantage point
    DOWN = "down"  # to the vantage point


class NameTest(Enum):
    """How a censor compares names. SUBSTRING is how `t.co` caught `microsoft.com` in 2021 (Xue et al., IMC 2021)."""

    EXACT = "exact"
    SUFFIX = "suffix"
    SUBSTRING = "substring"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamePattern:
    """One listed name; SUFFIX covers the name itself and all names below it."""

    text: str
    test: NameTest = NameTest.SUFFIX

    def covers(self, name: str) -> bool:
        if self.test is NameTest.EXACT:
            return name == self.text
        if self.test is NameTest.SUBSTRING:
            return self.text in name
        return name == self.text or name.endswith("." + self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sni:
    """TLS connections whose ClientHello carries a listed name."""

    pattern: NamePattern


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpHost:
    """Plain HTTP connections whose first request carries a listed Host."""

    pattern: NamePattern


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsName:
    """DNS queries over UDP port 53 for a listed name, to whatever resolver."""

    pattern: NamePattern


@dataclass(frozen=True, slots=True, kw_only=True)
class ToAddress:
    """Every flow to a listed address (and, where given, port)."""

    addresses: tuple[str, ...]
    port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    """Every flow: the generalised slow-down of a whole line."""


Matcher = Sni | HttpHost | DnsName | ToAddress | Everything


class Crossing:
    """One packet as it passes the censor. `router_address` is where the censor's own ICMP errors come from."""

    def __init__(self, data: bytes, direction: Direction, router_address: str) -> None:
        self.data = data
        self.direction = direction
        self.router_address = router_address

    @cached_property
    def ip(self) -> packets.Ipv4Packet:
        return packets.parse_ipv4(self.data)

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
class Outcome:
    """What becomes of one packet: whether it goes on, how much later, and what the censor sends besides."""

    forward: bool = True
    delay_seconds: float = 0.0
    injected: tuple[Injected, ...] = ()


PASS = Outcome()
DROP = Outcome(forward=False)


class Treatment(Protocol):
    """The state of one action on one flow (or, for a shared rule, on all its flows)."""

    def handle(self, crossing: Crossing, now: float) -> Outcome: ...


class Action(Protocol):
    """What a rule does; `start` is called when a flow first matches, before its matching packet is handled."""

    def start(self) -> Treatment: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CensorRule:
    """When a packet matches, its flow gets the action. `shared`: one state (one bucket) for all matching flows
    together.
    """

    when: Matcher
    do: Action
    shared: bool = field(default=False)


def named(text: str, test: NameTest = NameTest.SUFFIX) -> NamePattern:
    """A pattern in one word, for tables of rules."""
    return NamePattern(text=text, test=test)
