"""How does a censor forbid: forged answers, resets, silence, notices?

Each action is a small frozen record that says where it was seen. They hold no state of their own but the packet at
hand; slowing and freezing, which count, are in `probe.lab.rate_actions`. Matching is `probe.lab.censor`'s.
"""

from dataclasses import dataclass

from probe.lab.rules import DROP, PASS, Crossing, Direction, Injected, Outcome
from probe.wire.packets import (
    MalformedPacketError,
    TcpFlag,
    TcpSegment,
    UdpDatagram,
    icmp_error,
    tcp_packet,
    udp_packet,
)
from probe.wire.plaintext import Rcode, build_dns_answer, parse_dns_question

QTYPE_A = 1
ICMP_UNREACHABLE = 3
ICMP_CODE_HOST = 1
ICMP_CODE_ADMIN_PROHIBITED = 13
INJECTED_WINDOW_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Silence from the matching packet on, both ways.

    Seen as address blocking in many countries, as DNS time-outs, and as TSPU's SNI-IV, which swallows the ClientHello
    (Xue et al., "TSPU: Russia's decentralized censorship system", IMC 2022).
    """

    def start(self) -> "Drop":
        return self

    def handle(self, crossing: Crossing, now: float) -> Outcome:
        return DROP


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """RST to both ends; the packet itself goes no further. To a SYN it is a refusal of the address.

    Seen from TSPU (SNI-I), from India's mobile operators and from China, each time for a listed SNI. Every later
    packet of the client is answered alike, as stateless devices do: a lost RST is followed by another when the client
    retransmits.
    """

    def start(self) -> "Reset":
        return self

    def handle(self, crossing: Crossing, now: float) -> Outcome:
        segment = crossing.tcp
        if segment is None or crossing.direction is Direction.DOWN or segment.flags & TcpFlag.RST:
            return DROP
        return Outcome(forward=False, injected=(_rst_to_client(crossing, segment), *_rst_to_server(crossing, segment)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """ICMP destination unreachable from the router before the censor: "administratively prohibited" or "host
    unreachable".

    Seen where a block is an access list or a null route on an ordinary router rather than a middlebox.
    """

    code: int = ICMP_CODE_ADMIN_PROHIBITED

    def start(self) -> "Unreachable":
        return self

    def handle(self, crossing: Crossing, now: float) -> Outcome:
        if crossing.direction is Direction.DOWN:
            return DROP
        error = icmp_error(crossing.data, sender=crossing.router_address, kind=ICMP_UNREACHABLE, code=self.code)
        return Outcome(forward=False, injected=(Injected(direction=Direction.DOWN, data=error),))


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgeDns:
    """A forged answer to a DNS query.

    `truth_follows`: the query goes on, so that the true answer arrives second: the Chinese injectors race like that
    (Anonymous, "Towards a comprehensive picture of the Great Firewall's DNS censorship", FOCI 2014). Without it the
    query is swallowed and the forged answer stands alone, as with a resolver that lies on order: NXDOMAIN in Germany
    and Italy, REFUSED and SERVFAIL in Russia, a notice server's address in Indonesia and Turkey, 10.10.34.34-36 in
    Iran. Queries for another type than A get no address.
    """

    rcode: int = Rcode.NOERROR
    addresses: tuple[str, ...] = ()
    truth_follows: bool = False

    def start(self) -> "ForgeDns":
        return self

    def handle(self, crossing: Crossing, now: float) -> Outcome:
        query = crossing.udp
        if query is None or crossing.direction is Direction.DOWN:
            return PASS
        try:
            question = parse_dns_question(query.payload)
        except MalformedPacketError:
            return PASS
        addresses = self.addresses if question.qtype == QTYPE_A else ()
        answer = UdpDatagram(
            source_port=query.destination_port,
            destination_port=query.source_port,
            payload=build_dns_answer(question, rcode=self.rcode, addresses=addresses),
        )
        forged = udp_packet(answer, source=crossing.ip.destination, destination=crossing.ip.source)
        return Outcome(forward=self.truth_follows, injected=(Injected(direction=Direction.DOWN, data=forged),))


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectHttp:
    """An HTTP answer put in the server's mouth, then FIN; the server gets RST and the request goes no further.

    Seen as a 200 or 403 page in Iran and with India's Airtel, as a 302 to the operator's notice site with Russian and
    Turkish providers (Yadav et al., "Where the light gets in: web censorship mechanisms in India", IMC 2018).
    `response` is the whole answer, head and body, and fits one segment.
    """

    response: bytes

    def start(self) -> "InjectHttp":
        return self

    def handle(self, crossing: Crossing, now: float) -> Outcome:
        request = crossing.tcp
        if request is None or crossing.direction is Direction.DOWN or not request.payload:
            return DROP
        answer = TcpSegment(
            source_port=request.destination_port,
            destination_port=request.source_port,
            seq=request.ack,
            ack=_after(request),
            flags=TcpFlag.PSH | TcpFlag.ACK | TcpFlag.FIN,
            window=INJECTED_WINDOW_BYTES,
            payload=self.response,
        )
        page = tcp_packet(answer, source=crossing.ip.destination, destination=crossing.ip.source)
        injected = (Injected(direction=Direction.DOWN, data=page), *_rst_to_server(crossing, request))
        return Outcome(forward=False, injected=injected)


def nxdomain() -> ForgeDns:
    return ForgeDns(rcode=Rcode.NXDOMAIN)


def refused() -> ForgeDns:
    return ForgeDns(rcode=Rcode.REFUSED)


def servfail() -> ForgeDns:
    return ForgeDns(rcode=Rcode.SERVFAIL)


def empty_answer() -> ForgeDns:
    return ForgeDns()


def forged_address(address: str, *, truth_follows: bool = False) -> ForgeDns:
    return ForgeDns(addresses=(address,), truth_follows=truth_follows)


def blockpage(
    *, status: str = "403 Forbidden", text: str = "Access to this resource is restricted by law."
) -> InjectHttp:
    """A notice with the given status line."""
    body = f"<html><head><title>Restricted</title></head><body><h1>{text}</h1></body></html>".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return InjectHttp(response=head.encode() + body)


def redirect(location: str) -> InjectHttp:
    """A 302 to a notice site."""
    head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    return InjectHttp(response=head.encode())


def _after(segment: TcpSegment) -> int:
    return (segment.seq + segment.sequence_length) & 0xFFFFFFFF


def _rst_to_client(crossing: Crossing, segment: TcpSegment) -> Injected:
    reset = TcpSegment(
        source_port=segment.destination_port,
        destination_port=segment.source_port,
        seq=segment.ack if segment.flags & TcpFlag.ACK else 0,
        ack=_after(segment),
        flags=TcpFlag.RST | TcpFlag.ACK,
    )
    data = tcp_packet(reset, source=crossing.ip.destination, destination=crossing.ip.source)
    return Injected(direction=Direction.DOWN, data=data)


def _rst_to_server(crossing: Crossing, segment: TcpSegment) -> tuple[Injected, ...]:
    """Nothing for a SYN: the server has not heard of that connection."""
    if not segment.flags & TcpFlag.ACK:
        return ()
    reset = TcpSegment(
        source_port=segment.source_port,
        destination_port=segment.destination_port,
        seq=segment.seq,
        ack=segment.ack,
        flags=TcpFlag.RST | TcpFlag.ACK,
    )
    data = tcp_packet(reset, source=crossing.ip.source, destination=crossing.ip.destination)
    return (Injected(direction=Direction.UP, data=data),)
