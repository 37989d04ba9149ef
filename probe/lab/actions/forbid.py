"""How does a censor forbid: silence, resets, an error from a router?

The packets on their way are dropped or joined by ones of the censor's own. Forged answers are
`probe.lab.actions.forge`'s; whatever counts or waits is in the modules beside it.
"""

from dataclasses import dataclass

from probe.lab.actions.segments import after, rst_to_client, rst_to_server
from probe.lab.rules import DROP, PASS, Crossing, Direction, Injected, Outcome
from probe.lab.sightings import Sighting
from probe.wire.packets import ICMP_UNREACHABLE, TcpFlag, TcpSegment, icmp_error, tcp_packet

ICMP_CODE_HOST = 1
ICMP_CODE_ADMIN_PROHIBITED = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Silence from the matching packet on, both ways.

    Seen as address blocking in many countries, as DNS time-outs, and as TSPU's SNI-IV, which swallows the ClientHello
    (Xue et al., "TSPU: Russia's decentralized censorship system", IMC 2022).
    """

    def start(self, sighting: Sighting) -> "Drop":
        return self

    def handle(self, crossing: Crossing, now: float) -> Outcome:
        return DROP


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """RST to both ends; the packet itself goes no further. To a SYN it is a refusal of the address.

    Seen from India's mobile operators for a listed SNI. Every later packet of the client is answered alike, as
    stateless devices do: a lost RST is followed by another when the client retransmits.
    """

    def start(self, sighting: Sighting) -> "Reset":
        return self

    def handle(self, crossing: Crossing, now: float) -> Outcome:
        segment = crossing.tcp
        if segment is None or crossing.direction is Direction.DOWN or segment.flags & TcpFlag.RST:
            return DROP
        return Outcome(forward=False, injected=(rst_to_client(crossing, segment), *rst_to_server(crossing, segment)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RacingReset:
    """RST to the client and, with `to_server`, to the server, while the packet itself goes on: its answer races the
    RST.

    What a censor beside the path can do, and the Chinese one does (Clayton et al., "Ignoring the Great Firewall of
    China", PET 2006). Every packet with data is answered alike. The server gets two, one for each place of the data
    in the race, as the Chinese devices send several.
    """

    to_server: bool = True

    def start(self, sighting: Sighting) -> "RacingReset":
        return self

    def handle(self, crossing: Crossing, now: float) -> Outcome:
        segment = crossing.tcp
        if segment is None or crossing.direction is Direction.DOWN or not segment.payload:
            return PASS
        injected: tuple[Injected, ...] = (rst_to_client(crossing, segment),)
        if self.to_server:
            ahead, behind = segment.seq, after(segment)
            injected += (*rst_to_server(crossing, segment, seq=ahead), *rst_to_server(crossing, segment, seq=behind))
        return Outcome(injected=injected)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetAnswers:
    """The server's packets become RST/ACK without their data; the client's go on.

    Seen from Russia's TSPU as SNI-I, the usual one (Xue et al., "TSPU: Russia's decentralized censorship system", IMC
    2022).
    """

    def start(self, sighting: Sighting) -> "ResetAnswers":
        return self

    def handle(self, crossing: Crossing, now: float) -> Outcome:
        segment = crossing.tcp
        if segment is None or crossing.direction is Direction.UP:
            return PASS
        reset = TcpSegment(
            source_port=segment.source_port,
            destination_port=segment.destination_port,
            seq=segment.seq,
            ack=segment.ack,
            flags=TcpFlag.RST | TcpFlag.ACK,
        )
        data = tcp_packet(reset, source=crossing.ip.source, destination=crossing.ip.destination)
        return Outcome(forward=False, injected=(Injected(direction=Direction.DOWN, data=data),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """ICMP destination unreachable from the router before the censor: "administratively prohibited" or "host
    unreachable".

    Seen where a block is an access list or a null route on an ordinary router rather than a middlebox.
    """

    code: int = ICMP_CODE_ADMIN_PROHIBITED

    def start(self, sighting: Sighting) -> "Unreachable":
        return self

    def handle(self, crossing: Crossing, now: float) -> Outcome:
        if crossing.direction is Direction.DOWN or not crossing.router_address:
            return DROP
        error = icmp_error(crossing.data, sender=crossing.router_address, kind=ICMP_UNREACHABLE, code=self.code)
        return Outcome(forward=False, injected=(Injected(direction=Direction.DOWN, data=error),))
