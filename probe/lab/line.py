"""When does a packet come out at the other end, if it does?

The emulated path between the vantage point and the servers, sans-I/O: packets and `now` in, due times and packets
out. It owns delay, jitter, loss, the access link's two queues and its MTU, the routers' answers to expired TTLs and
each server's own distance; it hands every packet that gets that far to the censor. Sockets and real time are
`probe.lab.forwarder`'s, the operator's address translation `probe.lab.nat`'s, cross traffic `probe.lab.neighbours`'s.

Order on the way up: home router, MTU, loss, access queue, address translation, routers up to the censor, the censor,
the other routers, the server's own distance; on the way down the reverse. Every place is an event in one heap, so that
packets queue in the order in which they arrive there and a forged answer can overtake the true one. What is due at an
end waits in a second one: only that has to happen on time, the rest merely in order and before it.
"""

import heapq
import ipaddress
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from probe.lab.access import AccessLink, LineCounters
from probe.lab.censor import Censor
from probe.lab.nat import Translator
from probe.lab.path import PathProfile
from probe.lab.rules import Direction, Outcome
from probe.wire.ip import is_ipv6, is_link_local, is_whole_header, packed_destination, packed_source, ttl_of
from probe.wire.packets import ICMP_TIME_EXCEEDED, ICMP_TOO_BIG, ICMP_UNREACHABLE, icmp_error, lower_ttl

HOME_DELAY_SECONDS = 0.0002  # what a packet that ends in the home router takes there and back
HOME_HOP = 1
FIRST_OUTSIDE_HOP = 2  # the router at the operator's end of the access link


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A packet that reaches an end of the path: `direction` UP to the servers, DOWN to the vantage point, due at
    `due` seconds.
    """

    due: float
    direction: Direction
    data: bytes


class Line:
    """`distances`: the extra round trip in seconds of every server address; an address that is not in it answers
    nobody.
    """

    def __init__(
        self, profile: PathProfile, *, distances: Mapping[str, float], censor: Censor, rng: random.Random
    ) -> None:
        self.censor = censor
        self.counters = LineCounters()
        self._profile = profile
        self._distances = {ipaddress.ip_address(address).packed: extra for address, extra in distances.items()}
        self._up = AccessLink(profile, Direction.UP, counters=self.counters, rng=rng)
        self._down = AccessLink(profile, Direction.DOWN, counters=self.counters, rng=rng)
        idle_seconds = profile.nat_idle_seconds
        self._nat = Translator(idle_seconds, resets=profile.nat_resets) if idle_seconds is not None else None
        one_way = (
            profile.rtt_seconds - profile.jitter_seconds
        ) / 2  # jitter adds its mean back, half in each direction
        self._hop_seconds = [one_way * hop / (profile.routers + 1) for hop in range(profile.routers + 2)]
        self._within_seconds = min(  # from any event on the way to the delivery that follows
            self._hop_seconds[HOME_HOP], self._hop_seconds[-1] - self._hop_seconds[profile.censor_hop]
        )
        self._on_the_way: list[tuple[float, int, Callable[[bytes, float], None], bytes]] = []
        self._arriving: list[tuple[float, int, Direction, bytes]] = []
        self._sequence = 0

    def submit(self, data: bytes, direction: Direction, now: float) -> None:
        """A packet leaves the vantage point (UP) or a server (DOWN)."""
        if not is_whole_header(data) or is_link_local(data):
            return
        if is_ipv6(data) and self._profile.ipv6 == "broken":
            self.counters.nowhere += 1
        elif direction is Direction.UP:
            self._leave_vantage(data, now)
        else:
            extra = self._distances.get(packed_source(data), 0.0)
            core = self._hop_seconds[-1] - self._hop_seconds[self._profile.censor_hop]
            self._at(now + extra / 2 + core, self._censor_down, data)

    def next_event(self) -> float | None:
        """When `advance` has something to do next."""
        times = [time for time in (self._up.next_look(), self._down.next_look()) if time is not None]
        if self._arriving:
            times.append(self._arriving[0][0])
        if self._on_the_way:
            times.append(self._on_the_way[0][0] + self._within_seconds)
        return min(times) if times else None

    def advance(self, now: float) -> list[Delivery]:
        """Let everything happen that is due by `now`; the packets that reached an end, in order."""
        on_the_way, arriving = self._on_the_way, self._arriving
        while on_the_way and on_the_way[0][0] <= now:
            due, _, happen, data = heapq.heappop(on_the_way)
            happen(data, due)
        delivered = []
        while arriving and arriving[0][0] <= now:
            due, _, direction, data = heapq.heappop(arriving)
            delivered.append(Delivery(due=due, direction=direction, data=data))
        self._up.look(now)
        self._down.look(now)
        return delivered

    def _at(self, when: float, happen: Callable[[bytes, float], None], data: bytes) -> None:
        self._sequence += 1
        heapq.heappush(self._on_the_way, (when, self._sequence, happen, data))

    def _leave_vantage(self, data: bytes, now: float) -> None:
        ttl = ttl_of(data)
        if ttl <= HOME_HOP:
            self._expire_at_home(data, now + HOME_DELAY_SECONDS)
            return
        if len(data) > self._profile.mtu_bytes:
            self._too_big_at_home(data, now + HOME_DELAY_SECONDS)
            return
        arrives = self._up.arrival(len(data), now)
        if arrives is None:
            return
        if self._nat is not None and not self._nat.outbound(data, arrives):
            self._at(arrives + self._hop_seconds[FIRST_OUTSIDE_HOP], self._forgotten, data)
            return
        hop = min(ttl, self._profile.censor_hop)
        if ttl <= self._profile.censor_hop:
            self._at(arrives + self._hop_seconds[hop], self._expire, data)
        else:
            self._at(arrives + self._hop_seconds[hop], self._censor_up, data)

    def _censor_up(self, data: bytes, now: float) -> None:
        outcome = self.censor.process(data, Direction.UP, now)
        self._inject(outcome, now)
        if not outcome.forward:
            self.counters.censor_dropped += 1
            return
        self._onward_up(outcome.replaced or data, now + outcome.delay_seconds)

    def _onward_up(self, data: bytes, now: float) -> None:
        """From the censor to the server, or to the router where the TTL ends."""
        here = self._hop_seconds[self._profile.censor_hop]
        ttl = ttl_of(data)
        if ttl <= self._profile.routers:
            self._at(now + self._hop_seconds[ttl] - here, self._expire, data)
            return
        extra = self._distances.get(packed_destination(data))
        if extra is None:
            self.counters.nowhere += 1
            return
        self._deliver(data, Direction.UP, now + self._hop_seconds[-1] - here + extra / 2)

    def _censor_down(self, data: bytes, now: float) -> None:
        outcome = self.censor.process(data, Direction.DOWN, now)
        self._inject(outcome, now)
        if not outcome.forward:
            self.counters.censor_dropped += 1
            return
        self._onward_down(outcome.replaced or data, now + outcome.delay_seconds)

    def _onward_down(self, data: bytes, now: float) -> None:
        """From the censor to the access queue."""
        self._at(
            now + self._hop_seconds[self._profile.censor_hop] - self._hop_seconds[HOME_HOP], self._access_down, data
        )

    def _inject(self, outcome: Outcome, now: float) -> None:
        """Send the censor's own packets. Their TTL is raised by the routers that they do not pass, since delivery
        takes off all.
        """
        for injected in outcome.injected:
            self.counters.injected += 1
            passed_over = self._profile.censor_hop
            if injected.direction is Direction.UP:
                self._onward_up(lower_ttl(injected.data, -passed_over), now)
            else:
                self._onward_down(lower_ttl(injected.data, passed_over - self._profile.routers), now)

    def _expire(self, data: bytes, now: float) -> None:
        """A TTL ended at the router whose number it was: the router says so, unless it is a silent one."""
        self.counters.expired += 1
        hop = ttl_of(data)
        if hop in self._profile.silent_hops:
            return
        answer = self._time_exceeded(data, hop)
        self._at(now + self._hop_seconds[hop] - self._hop_seconds[HOME_HOP], self._access_down, answer)

    def _expire_at_home(self, data: bytes, now: float) -> None:
        """As `_expire`, but on this side of the access link."""
        self.counters.expired += 1
        if HOME_HOP not in self._profile.silent_hops:
            self._deliver(self._time_exceeded(data, HOME_HOP), Direction.DOWN, now)

    def _time_exceeded(self, data: bytes, hop: int) -> bytes:
        arrived = lower_ttl(data, hop - 1) if hop > 1 else data
        answer = self._icmp(arrived, hop, kind=ICMP_TIME_EXCEEDED, code=0)
        return lower_ttl(answer, hop - self._profile.routers)

    def _too_big_at_home(self, data: bytes, now: float) -> None:
        self.counters.too_big += 1
        if not self._profile.hides_mtu:
            answer = lower_ttl(self._too_big(data, HOME_HOP), HOME_HOP - self._profile.routers)
            self._deliver(answer, Direction.DOWN, now)

    def _too_big_outside(self, data: bytes, now: float) -> None:
        """The operator's router tells the server, which is as far as `_censor_down` and `submit` made it."""
        self.counters.too_big += 1
        extra = self._distances.get(packed_source(data), 0.0)
        if not self._profile.hides_mtu:
            answer = lower_ttl(self._too_big(data, FIRST_OUTSIDE_HOP), -FIRST_OUTSIDE_HOP)
            self._deliver(answer, Direction.UP, now + self._hop_seconds[-1] - self._hop_seconds[HOME_HOP] + extra / 2)

    def _too_big(self, data: bytes, hop: int) -> bytes:
        return self._icmp(data, hop, kind=ICMP_UNREACHABLE, code=ICMP_TOO_BIG, rest=self._profile.mtu_bytes)

    def _icmp(self, about: bytes, hop: int, *, kind: int, code: int, rest: int = 0) -> bytes:
        address = self._profile.router_address6(hop) if is_ipv6(about) else self._profile.router_address(hop)
        return icmp_error(about, sender=address, kind=kind, code=code, rest=rest)

    def _forgotten(self, data: bytes, now: float) -> None:
        """The operator's translator knows nothing of this flow."""
        self.counters.forgotten += 1
        answer = self._nat.refusal(data) if self._nat is not None else None
        if answer is not None:
            raised = lower_ttl(answer, FIRST_OUTSIDE_HOP - self._profile.routers)
            self._at(now + self._hop_seconds[FIRST_OUTSIDE_HOP] - self._hop_seconds[HOME_HOP], self._queue_down, raised)

    def _access_down(self, data: bytes, now: float) -> None:
        if self._nat is not None and not self._nat.inbound(data, now):
            self.counters.forgotten += 1
        elif len(data) > self._profile.mtu_bytes:
            self._too_big_outside(data, now)
        else:
            self._queue_down(data, now)

    def _queue_down(self, data: bytes, now: float) -> None:
        arrives = self._down.arrival(len(data), now)
        if arrives is not None:
            self._deliver(data, Direction.DOWN, arrives + self._hop_seconds[HOME_HOP])

    def _deliver(self, data: bytes, direction: Direction, due: float) -> None:
        """All routers passed; a server's own short TTL ends on the way, unheard."""
        if ttl_of(data) <= self._profile.routers:
            return
        if direction is Direction.UP:
            self.counters.carried_up += 1
        else:
            self.counters.carried_down += 1
        self._sequence += 1
        heapq.heappush(self._arriving, (due, self._sequence, direction, lower_ttl(data, self._profile.routers)))
