"""Which flows does the operator's address translation still remember?

Sans-I/O: it decides whether a packet passes, and answers for one that does not. The addresses themselves stay as they
are: what a carrier-grade NAT does to a measurement is to forget.

A flow begins with the first packet from inside (for TCP a SYN: RFC 5382 REQ-2) and lasts while packets of either
direction pass. What then comes from outside is dropped. What comes from inside in the middle of a connection is
dropped by translators that track TCP's state; others answer it with RST, in the name of a server that has never seen
the new address and port.

Sources: RFC 4787 (UDP), RFC 5382 (TCP), RFC 6888 (carrier-grade NAT); ICMP errors pass (RFC 5508).
"""

from probe.wire import packets
from probe.wire.ip import IPV4_HEADER_BYTES, is_ipv6, packed_ends, protocol_of

MAX_FLOWS = 20_000  # beyond it idle flows are looked for
TCP_FLAGS_AT = IPV4_HEADER_BYTES + 13

FlowKey = tuple[bytes, bytes, int]


class Translator:
    """The flows of one subscriber, by both ends and the protocol."""

    def __init__(self, idle_seconds: float, *, resets: bool) -> None:
        self._idle_seconds = idle_seconds
        self._resets = resets
        self._seen_at: dict[FlowKey, float] = {}

    def outbound(self, data: bytes, now: float) -> bool:
        """Whether a packet from inside passes."""
        try:
            key = self._key(data, inbound=False)
        except packets.MalformedPacketError:
            return False
        if key is None or self._known(key, now):
            return True
        begins = key[2] != packets.Protocol.TCP or self._flags(data) & packets.TcpFlag.SYN
        if begins:
            self._remember(key, now)
        return bool(begins)

    def inbound(self, data: bytes, now: float) -> bool:
        """Whether a packet from outside passes."""
        try:
            key = self._key(data, inbound=True)
        except packets.MalformedPacketError:
            return False
        return key is None or self._known(key, now)

    def refusal(self, data: bytes) -> bytes | None:
        """What the sender of a packet from inside that did not pass hears; None for silence."""
        if not self._resets or protocol_of(data) != packets.Protocol.TCP:
            return None
        try:
            ip = packets.parse_ip(data)
            segment = packets.parse_tcp(ip.payload)
        except packets.MalformedPacketError:
            return None
        if segment.flags & packets.TcpFlag.RST:
            return None
        reset = packets.TcpSegment(
            source_port=segment.destination_port,
            destination_port=segment.source_port,
            seq=segment.ack,
            ack=0,
            flags=packets.TcpFlag.RST,
        )
        return packets.tcp_packet(reset, source=ip.destination, destination=ip.source)

    def _key(self, data: bytes, *, inbound: bool) -> FlowKey | None:
        """None for what no flow is kept of: IPv6, which needs no translation, and ICMP."""
        protocol = protocol_of(data)
        if is_ipv6(data) or protocol not in (packets.Protocol.TCP, packets.Protocol.UDP):
            return None
        source, destination = packed_ends(data)
        return (destination, source, protocol) if inbound else (source, destination, protocol)

    def _known(self, key: FlowKey, now: float) -> bool:
        seen_at = self._seen_at.get(key)
        if seen_at is None or now - seen_at > self._idle_seconds:
            return False
        self._seen_at[key] = now
        return True

    def _remember(self, key: FlowKey, now: float) -> None:
        if len(self._seen_at) >= MAX_FLOWS:
            self._seen_at = {k: at for k, at in self._seen_at.items() if now - at <= self._idle_seconds}
        self._seen_at[key] = now

    @staticmethod
    def _flags(data: bytes) -> int:
        return data[TCP_FLAGS_AT] if len(data) > TCP_FLAGS_AT else 0
