"""Where did a packet really want to go, and where does it go instead?

The address translation of a censor that hands flows to a machine of its own: a transparent DNS proxy, a TLS
interceptor. Which flows is decided by the rules; the machine itself is a host of `probe.lab.world`.
"""

from dataclasses import replace

from probe.lab.rules import Crossing, Diversion
from probe.wire import ip, packets

MAX_DIVERSIONS = 20_000  # the oldest are forgotten beyond it: the lab's memory stays bounded

_Key = tuple[bytes, bytes, int]


class Diversions:
    """Every diverted pair of ends, and the server that the client meant."""

    def __init__(self) -> None:
        self._asked: dict[_Key, str] = {}

    def divert(self, crossing: Crossing, diversion: Diversion) -> bytes | None:
        """The packet to the other address; None where that is of another IP version."""
        asked = crossing.ip.destination
        if (":" in asked) is not (":" in diversion.to):
            return None
        data = _readdressed(crossing, destination=diversion.to)
        if diversion.answers_as_asked:
            ends = ip.packed_ends(data)
            if len(self._asked) >= MAX_DIVERSIONS:
                self._asked.pop(next(iter(self._asked)))
            self._asked[*ends, crossing.ip.protocol] = asked
        return data

    def restored(self, crossing: Crossing) -> bytes | None:
        """A packet to the client as if the server it meant had sent it; None for what was not diverted."""
        if not self._asked:
            return None
        source, destination = ip.packed_ends(crossing.data)
        asked = self._asked.get((destination, source, ip.protocol_of(crossing.data)))
        return None if asked is None else _readdressed(crossing, source=asked)


def _readdressed(crossing: Crossing, *, source: str | None = None, destination: str | None = None) -> bytes:
    """The same packet between other ends, its checksums made anew."""
    old = crossing.ip
    source, destination = source or old.source, destination or old.destination
    if crossing.tcp is not None:
        payload = packets.build_tcp(crossing.tcp, source=source, destination=destination)
    elif crossing.udp is not None:
        payload = packets.build_udp(crossing.udp, source=source, destination=destination)
    else:
        payload = old.payload
    return packets.build_ip(replace(old, source=source, destination=destination, payload=payload))
