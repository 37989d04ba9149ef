"""How does a censor answer in another's name: forged DNS answers, notices over plain HTTP?

Silence and resets are `probe.lab.actions.forbid`'s, a machine that answers for the censor
`probe.lab.actions.divert`'s.
"""

from dataclasses import dataclass

from probe.lab.actions.segments import after, rst_to_server
from probe.lab.rules import DROP, PASS, Crossing, Direction, Injected, Outcome
from probe.lab.sightings import Sighting
from probe.wire.packets import MalformedPacketError, TcpFlag, TcpSegment, UdpDatagram, tcp_packet, udp_packet
from probe.wire.plaintext import Rcode, build_dns_answer, parse_dns_question

QTYPE_A = 1
QTYPE_AAAA = 28
INJECTED_WINDOW_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgeDns:
    """A forged answer to a DNS query.

    `truth_follows`: the query goes on, so that the true answer arrives second: the Chinese injectors race like that
    (Anonymous, "Towards a comprehensive picture of the Great Firewall's DNS censorship", FOCI 2014). Without it the
    query is swallowed and the forged answer stands alone, as with a resolver that lies on order: NXDOMAIN in Germany
    and Italy, REFUSED and SERVFAIL in Russia, a notice server's address in Indonesia and Turkey, 10.10.34.34-36 in
    Iran. A query gets the addresses of its own type (A, AAAA), one for another type none.
    """

    rcode: int = Rcode.NOERROR
    addresses: tuple[str, ...] = ()
    truth_follows: bool = False

    def start(self, sighting: Sighting) -> "ForgeDns":
        return self

    def handle(self, crossing: Crossing, now: float) -> Outcome:
        query = crossing.udp
        if query is None or crossing.direction is Direction.DOWN:
            return PASS
        try:
            question = parse_dns_question(query.payload)
        except MalformedPacketError:
            return PASS
        wanted = {QTYPE_A: False, QTYPE_AAAA: True}.get(question.qtype)
        addresses = tuple(address for address in self.addresses if (":" in address) is wanted)
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

    def start(self, sighting: Sighting) -> "InjectHttp":
        return self

    def handle(self, crossing: Crossing, now: float) -> Outcome:
        request = crossing.tcp
        if request is None or crossing.direction is Direction.DOWN or not request.payload:
            return DROP
        answer = TcpSegment(
            source_port=request.destination_port,
            destination_port=request.source_port,
            seq=request.ack,
            ack=after(request),
            flags=TcpFlag.PSH | TcpFlag.ACK | TcpFlag.FIN,
            window=INJECTED_WINDOW_BYTES,
            payload=self.response,
        )
        page = tcp_packet(answer, source=crossing.ip.destination, destination=crossing.ip.source)
        injected = (Injected(direction=Direction.DOWN, data=page), *rst_to_server(crossing, request))
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
