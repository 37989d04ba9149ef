"""What becomes of a packet that crosses the censor?

Keeps the state of flows, finds the names in their first packets, and applies the rules that match. Sans-I/O, `now`
injected. The queue and the wire are `probe.lab.line`'s; what each action does to a packet is the action's own.

Like the devices it imitates it knows a flow by its five-tuple alone and forgets it only when it was idle: FIN and RST
do not clear the state, and a new connection from the same port inherits it (Xue et al., IMC 2021: idle about ten
minutes). It looks at the first request of a connection only, and puts a ClientHello together from at most two
segments, in either order.
"""

import struct
from collections.abc import Sequence

from probe.lab.rules import (
    PASS,
    CensorRule,
    Crossing,
    Direction,
    DnsName,
    Everything,
    HttpHost,
    Outcome,
    Sni,
    ToAddress,
    Treatment,
)
from probe.wire import packets, plaintext, tls

FLOW_IDLE_SECONDS = 600.0
MAX_FLOWS = 20_000  # beyond it idle flows are looked for: the lab's memory stays bounded
MAX_REASSEMBLED_SEGMENTS = 2
DNS_PORT = 53
HTTP_METHODS = (b"GET ", b"POST ", b"HEAD ", b"PUT ", b"OPTIONS ")

FlowKey = tuple[bytes, bytes, int]


class _Flow:
    """What the censor remembers of one five-tuple."""

    def __init__(self, now: float) -> None:
        self.treatments: list[Treatment] = []
        self.inspecting = True
        self.matched = False
        self.first_seq: int | None = None
        self.segments: dict[int, bytes] = {}
        self.seen_at = now

    def first_bytes(self, segment: packets.TcpSegment) -> bytes:
        """Add one data segment; the stream so far, without gaps."""
        if self.first_seq is None:
            self.first_seq = segment.seq
        offset = (segment.seq - self.first_seq) & 0xFFFFFFFF
        if offset < tls.MAX_CLIENT_HELLO_BYTES:
            self.segments[offset] = segment.payload
        stream = b""
        while len(stream) in self.segments:
            stream += self.segments[len(stream)]
        return stream


class Censor:
    """The engine. `router_address` is the router in front of it, whose name its ICMP errors bear."""

    def __init__(self, rules: Sequence[CensorRule], *, router_address: str) -> None:
        self._rules = tuple(rules)
        self._router_address = router_address
        self._flows: dict[FlowKey, _Flow] = {}
        self._shared: dict[int, Treatment] = {}
        self._looks_inside = any(isinstance(rule.when, Sni | HttpHost) for rule in self._rules)

    def process(self, data: bytes, direction: Direction, now: float) -> Outcome:
        """Judge one IPv4 packet. Packets that are neither TCP nor UDP, and malformed ones, pass."""
        if not self._rules or data[9] not in (packets.Protocol.TCP, packets.Protocol.UDP):
            return PASS
        crossing = Crossing(data, direction, self._router_address)
        try:
            flow = self._flow(crossing, now)
            treatments = flow.treatments + self._asked(crossing)
            if self._looks_inside and direction is Direction.UP and crossing.tcp is not None:
                self._inspect(flow, crossing.tcp)
                treatments = flow.treatments
        except packets.MalformedPacketError:
            return PASS
        return _apply(treatments, crossing, now)

    def _flow(self, crossing: Crossing, now: float) -> _Flow:
        key = _flow_key(crossing)
        flow = self._flows.get(key)
        if flow is None or now - flow.seen_at > FLOW_IDLE_SECONDS:
            if len(self._flows) >= MAX_FLOWS:
                self._flows = {k: f for k, f in self._flows.items() if now - f.seen_at <= FLOW_IDLE_SECONDS}
            flow = self._flows[key] = _Flow(now)
            flow.treatments = [
                self._start(index) for index, rule in enumerate(self._rules) if _addressed(rule, crossing)
            ]
        flow.seen_at = now
        return flow

    def _start(self, index: int) -> Treatment:
        rule = self._rules[index]
        if not rule.shared:
            return rule.do.start()
        return self._shared.setdefault(index, rule.do.start())

    def _asked(self, crossing: Crossing) -> list[Treatment]:
        """Treatments of a DNS query; they end with it, since one port may ask for several names."""
        if crossing.direction is Direction.DOWN or crossing.udp is None or crossing.udp.destination_port != DNS_PORT:
            return []
        name = plaintext.parse_dns_question(crossing.udp.payload).name
        return [
            self._start(index)
            for index, rule in enumerate(self._rules)
            if isinstance(rule.when, DnsName) and rule.when.pattern.covers(name)
        ]

    def _inspect(self, flow: _Flow, segment: packets.TcpSegment) -> None:
        """Look for a listed name in the first bytes that the client sends."""
        if segment.flags & packets.TcpFlag.SYN:
            flow.first_seq = (segment.seq + 1) & 0xFFFFFFFF
            flow.segments.clear()
            flow.inspecting = not flow.matched
        if not flow.inspecting or not segment.payload:
            return
        stream = flow.first_bytes(segment)
        matcher, name = _name_in(stream)
        if matcher is None and len(flow.segments) < MAX_REASSEMBLED_SEGMENTS:
            return
        flow.inspecting = False
        flow.segments.clear()
        for index, rule in enumerate(self._rules):
            wanted = rule.when
            if isinstance(wanted, Sni | HttpHost) and type(wanted) is matcher and name and wanted.pattern.covers(name):
                flow.matched = True
                flow.treatments.append(self._start(index))


def _apply(treatments: list[Treatment], crossing: Crossing, now: float) -> Outcome:
    """Each treatment in turn; the first that drops the packet ends it, delays add up."""
    delay_seconds = 0.0
    for treatment in treatments:
        outcome = treatment.handle(crossing, now + delay_seconds)
        if outcome.injected or not outcome.forward:
            return outcome
        delay_seconds += outcome.delay_seconds
    return Outcome(delay_seconds=delay_seconds) if delay_seconds else PASS


def _flow_key(crossing: Crossing) -> FlowKey:
    """Client's address and port, server's address and port, protocol. Raises MalformedPacketError without ports."""
    data = crossing.data
    header_bytes = (data[0] & 15) * 4
    if len(data) < header_bytes + 4:
        raise packets.MalformedPacketError("no ports")
    source = data[12:16] + data[header_bytes : header_bytes + 2]
    destination = data[16:20] + data[header_bytes + 2 : header_bytes + 4]
    if crossing.direction is Direction.UP:
        return source, destination, data[9]
    return destination, source, data[9]


def _addressed(rule: CensorRule, crossing: Crossing) -> bool:
    """Whether the rule matches by address or matches everything."""
    if isinstance(rule.when, Everything):
        return True
    if not isinstance(rule.when, ToAddress):
        return False
    source_port, destination_port = struct.unpack_from("!HH", crossing.ip.payload)
    up = crossing.direction is Direction.UP
    server = crossing.ip.destination if up else crossing.ip.source
    port = destination_port if up else source_port
    return server in rule.when.addresses and rule.when.port in (None, port)


def _name_in(stream: bytes) -> tuple[type | None, str | None]:
    """The kind of matcher that the first bytes of a connection call for, and the name in them; None while they are
    too few.
    """
    if not stream:
        return None, None
    if stream.startswith(HTTP_METHODS):
        name = plaintext.parse_http_host(stream)
        return (HttpHost, name) if name is not None or b"\r\n\r\n" in stream else (None, None)
    try:
        return Sni, tls.parse_client_hello(stream).server_name
    except tls.IncompleteHelloError:
        return None, None
    except tls.NotClientHelloError:
        return Everything, None  # neither: no rule that looks inside wants it
