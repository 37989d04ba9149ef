"""Which TCP segments does a censor make of the one it holds?

Resets that fit the connection (RFC 9293 §3.5.2: an RST counts where its sequence number is the next expected one), for
the actions beside this module.
"""

from probe.lab.rules import Crossing, Direction, Injected
from probe.wire.packets import TcpFlag, TcpSegment, tcp_packet


def after(segment: TcpSegment) -> int:
    """The sequence number behind the segment."""
    return (segment.seq + segment.sequence_length) & 0xFFFFFFFF


def rst_to_client(crossing: Crossing, segment: TcpSegment) -> Injected:
    """In the server's name, in answer to a packet from the client."""
    reset = TcpSegment(
        source_port=segment.destination_port,
        destination_port=segment.source_port,
        seq=segment.ack if segment.flags & TcpFlag.ACK else 0,
        ack=after(segment),
        flags=TcpFlag.RST | TcpFlag.ACK,
    )
    data = tcp_packet(reset, source=crossing.ip.destination, destination=crossing.ip.source)
    return Injected(direction=Direction.DOWN, data=data)


def rst_to_server(crossing: Crossing, segment: TcpSegment, *, seq: int | None = None) -> tuple[Injected, ...]:
    """In the client's name, in place of its packet or at `seq`. Nothing for a SYN: the server has not heard of that
    connection.
    """
    if not segment.flags & TcpFlag.ACK:
        return ()
    reset = TcpSegment(
        source_port=segment.source_port,
        destination_port=segment.destination_port,
        seq=segment.seq if seq is None else seq,
        ack=segment.ack,
        flags=TcpFlag.RST | TcpFlag.ACK,
    )
    data = tcp_packet(reset, source=crossing.ip.source, destination=crossing.ip.destination)
    return (Injected(direction=Direction.UP, data=data),)
