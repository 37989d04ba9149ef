"""What becomes of a packet that crosses the censor?

Keeps the state of flows, has their first packets read, and applies the rules that match. Sans-I/O, `now` injected. The
queue and the wire are `probe.lab.line`'s; what each action does to a packet is the action's own, what a rule remembers
between flows `probe.lab.rulings`'s.

Like the devices it imitates it knows a flow by its five-tuple alone and forgets it only when it was idle: FIN and RST
do not clear the state, and a new connection from the same port inherits it (Xue et al., IMC 2021: idle about ten
minutes).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from probe.lab.diversions import Diversions
from probe.lab.reading import DNS_PORT, QUIC_PORT, QuicReading, TcpReading, dns_request
from probe.lab.rules import PASS, CensorRule, Crossing, Direction, Diversion, Injected, Outcome, Treatment
from probe.lab.rulings import Ruling
from probe.lab.sightings import Request, RequestKind, Sighting
from probe.wire import ip, packets

FLOW_IDLE_SECONDS = 600.0
MAX_FLOWS = 20_000  # beyond it idle flows are looked for: the lab's memory stays bounded

FlowKey = tuple[bytes, bytes, int]


class _Flow:
    """What the censor remembers of one five-tuple. `is_read`: whether any rule asks what its first packets say."""

    def __init__(self, sighting: Sighting, *, is_read: bool) -> None:
        self.sighting = sighting
        self.is_read = is_read
        self.treatments: list[Treatment] = []
        self.rules_in_force: set[int] = set()
        self.matched_request = False
        self.tcp = TcpReading()
        self.quic = QuicReading()
        self.seen_at = sighting.at


class Censor:
    """The engine. `router_address` is the router in front of it, whose name its ICMP errors bear; `router_address6`
    the same router's for IPv6, without which nothing is said about IPv6 packets.
    """

    def __init__(self, rules: Sequence[CensorRule], *, router_address: str, router_address6: str = "") -> None:
        self._rulings = tuple(Ruling(rule) for rule in rules)
        self._router_addresses = (router_address, router_address6)
        self._flows: dict[FlowKey, _Flow] = {}
        self._diversions = Diversions()
        self._since: float | None = None
        self._punishes_hellos = any(rule.residual is not None and rule.residual.at_hello for rule in rules)

    def process(self, data: bytes, direction: Direction, now: float) -> Outcome:
        """Judge one packet. Packets that are neither TCP nor UDP, and malformed ones, pass."""
        if not self._rulings or not ip.is_whole_header(data):
            return PASS
        if ip.protocol_of(data) not in (packets.Protocol.TCP, packets.Protocol.UDP):
            return PASS
        if self._since is None:
            self._since = now
        try:
            return self._judge(self._crossing(data, direction), now)
        except packets.MalformedPacketError:
            return PASS

    def _judge(self, crossing: Crossing, now: float) -> Outcome:
        restored = self._diversions.restored(crossing) if crossing.direction is Direction.DOWN else None
        if restored is not None:
            crossing = self._crossing(restored, Direction.DOWN)
        flow = self._flow(crossing, now)
        own = self._read(flow, crossing, now) if flow.is_read and crossing.direction is Direction.UP else ()
        outcome = _apply((*flow.treatments, *own), crossing, now)
        if not outcome.forward:
            return outcome
        if outcome.diverted is not None:
            return replace(outcome, replaced=self._diversions.divert(crossing, outcome.diverted))
        return outcome if restored is None else replace(outcome, replaced=restored)

    def _crossing(self, data: bytes, direction: Direction) -> Crossing:
        return Crossing(data, direction, self._router_addresses[ip.is_ipv6(data)])

    def _flow(self, crossing: Crossing, now: float) -> _Flow:
        source, destination = ip.packed_ends(crossing.data)
        client, server = (source, destination) if crossing.direction is Direction.UP else (destination, source)
        key = (client, server, ip.protocol_of(crossing.data))
        flow = self._flows.get(key)
        if flow is None or now - flow.seen_at > FLOW_IDLE_SECONDS:
            if len(self._flows) >= MAX_FLOWS:
                self._flows = {k: f for k, f in self._flows.items() if now - f.seen_at <= FLOW_IDLE_SECONDS}
            flow = self._flows[key] = self._new_flow(crossing, key, now)
        flow.seen_at = now
        return flow

    def _new_flow(self, crossing: Crossing, key: FlowKey, now: float) -> _Flow:
        is_up, (client, server, protocol) = crossing.direction is Direction.UP, key
        sighting = Sighting(
            client=crossing.ip.source if is_up else crossing.ip.destination,
            client_port=int.from_bytes(client[-ip.PORT_BYTES :], "big"),
            server=crossing.ip.destination if is_up else crossing.ip.source,
            server_port=int.from_bytes(server[-ip.PORT_BYTES :], "big"),
            protocol=protocol,
            at=now,
            censor_since=now if self._since is None else self._since,
        )
        undecided = any(ruling.rule.when.matches(sighting) is None for ruling in self._rulings)
        flow = _Flow(sighting, is_read=undecided or self._punishes_hellos)
        flow.treatments = [*self._punished(sighting, at_hello=False), *self._started(flow, sighting)]
        return flow

    def _read(self, flow: _Flow, crossing: Crossing, now: float) -> Sequence[Treatment]:
        """Look into a packet from the client. Treatments of the flow are added to it; those returned are of this
        packet alone: a DNS query's end with it, since one port may ask for several names.
        """
        if flow.tcp.is_over and not crossing.is_syn:
            return ()
        request = None
        if crossing.tcp is not None:
            if crossing.is_syn:
                flow.tcp.restart(crossing.tcp, is_over=flow.matched_request)
            request = flow.tcp.add(crossing.tcp)
        elif crossing.udp is not None and flow.sighting.server_port == DNS_PORT:
            sighting = replace(flow.sighting, at=now, request=dns_request(crossing.udp.payload))
            return [treatment for _, treatment in self._matching(flow, sighting)]
        elif crossing.udp is not None and flow.sighting.server_port == QUIC_PORT:
            request = flow.quic.add(crossing.udp.payload)
        if request is not None:
            self._asked(flow, request, now)
        return ()

    def _asked(self, flow: _Flow, request: Request, now: float) -> None:
        """The flow has said what it wants: the rules that this calls for come into force."""
        sighting = replace(flow.sighting, at=now, request=request)
        punished = self._punished(sighting, at_hello=True) if request.kind is RequestKind.TLS else []
        started = self._started(flow, sighting)
        flow.treatments += [*punished, *started]
        flow.matched_request = flow.matched_request or bool(punished or started)

    def _punished(self, sighting: Sighting, *, at_hello: bool) -> list[Treatment]:
        found = (ruling.punish(sighting, at_hello=at_hello) for ruling in self._rulings)
        return [treatment for treatment in found if treatment is not None]

    def _started(self, flow: _Flow, sighting: Sighting) -> list[Treatment]:
        """Treatments of the rules that match now and were not in force on this flow."""
        matching = list(self._matching(flow, sighting))
        flow.rules_in_force.update(index for index, _ in matching)
        return [treatment for _, treatment in matching]

    def _matching(self, flow: _Flow, sighting: Sighting) -> Iterable[tuple[int, Treatment]]:
        for index, ruling in enumerate(self._rulings):
            if index not in flow.rules_in_force and ruling.rule.when.matches(sighting):
                treatment = ruling.begin(sighting)
                if treatment is not None:
                    yield index, treatment


def _apply(treatments: Iterable[Treatment], crossing: Crossing, now: float) -> Outcome:
    """Each treatment in turn; the first that drops the packet ends it, delays and injected packets add up."""
    delay_seconds = 0.0
    injected: tuple[Injected, ...] = ()
    diverted: Diversion | None = None
    for treatment in treatments:
        outcome = treatment.handle(crossing, now + delay_seconds)
        injected += outcome.injected
        if not outcome.forward:
            return Outcome(forward=False, injected=injected)
        delay_seconds += outcome.delay_seconds
        diverted = outcome.diverted or diverted
    if not delay_seconds and not injected and diverted is None:
        return PASS
    return Outcome(delay_seconds=delay_seconds, injected=injected, diverted=diverted)
