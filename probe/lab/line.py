"""When does a packet come out at the other end, if it does?

The emulated path between the vantage point and the servers, sans-I/O: packets and `now` in, due times and packets
out. It owns delay, jitter, loss, the access link's two queues, the routers' answers to expired TTLs and each server's
own distance; it hands every packet that gets that far to the censor. Sockets and real time are
`probe.lab.forwarder`'s.

Order on the way up: home router, loss, access queue, routers up to the censor, the censor, the other routers, the
server's own distance; on the way down the reverse. Every place is an event in one heap, so that packets queue in the
order in which they arrive there and a forged answer can overtake the true one.
"""

import heapq
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from probe.lab.censor import Censor
from probe.lab.path import MIN_QUEUE_PACKETS, MTU_BYTES, PathProfile
from probe.lab.rules import Direction, Outcome
from probe.wire.packets import IPV4_HEADER_BYTES, icmp_error, lower_ttl

ICMP_TIME_EXCEEDED = 11
HOME_DELAY_SECONDS = 0.0002  # what a packet that expires in the home router takes there and back


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A packet that reaches an end of the path: `direction` UP to the servers, DOWN to the vantage point, due at
    `due` seconds.
    """

    due: float
    direction: Direction
    data: bytes


@dataclass(slots=True, kw_only=True)
class LineCounters:
    """Packets by what became of them, since the lab began."""

    carried_up: int = 0
    carried_down: int = 0
    lost: int = 0
    queue_dropped: int = 0
    censor_dropped: int = 0
    injected: int = 0
    expired: int = 0
    nowhere: int = 0


class _Queue:
    """A link's transmitter with a drop-tail buffer counted in time."""

    def __init__(self, rate_bps: float, buffer_seconds: float) -> None:
        self._rate_bps = rate_bps
        self._limit_seconds = max(buffer_seconds, MIN_QUEUE_PACKETS * MTU_BYTES * 8 / rate_bps)
        self._busy_until = 0.0

    def leaves_at(self, size_bytes: int, now: float) -> float | None:
        """When a packet that arrives now has left; None when there is no room for it."""
        starts_at = max(now, self._busy_until)
        if starts_at - now > self._limit_seconds:
            return None
        self._busy_until = starts_at + size_bytes * 8 / self._rate_bps
        return self._busy_until


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
        self._distances = {bytes(map(int, address.split("."))): extra for address, extra in distances.items()}
        self._rng = rng
        self._up = _Queue(profile.up_bps, profile.buffer_seconds)
        self._down = _Queue(profile.down_bps, profile.buffer_seconds)
        one_way = (
            profile.rtt_seconds - profile.jitter_seconds
        ) / 2  # jitter adds its mean back, half in each direction
        self._hop_seconds = [one_way * hop / (profile.routers + 1) for hop in range(profile.routers + 2)]
        self._heap: list[tuple[float, int, Callable[[bytes, float], None], bytes]] = []
        self._sequence = 0
        self._delivered: list[Delivery] = []

    def submit(self, data: bytes, direction: Direction, now: float) -> None:
        """A packet leaves the vantage point (UP) or a server (DOWN)."""
        if len(data) < IPV4_HEADER_BYTES:
            return
        if direction is Direction.UP:
            self._leave_vantage(data, now)
        else:
            extra = self._distances.get(data[12:16], 0.0)
            core = self._hop_seconds[-1] - self._hop_seconds[self._profile.censor_hop]
            self._at(now + extra / 2 + core, self._censor_down, data)

    def next_event(self) -> float | None:
        """When `advance` has something to do next."""
        return self._heap[0][0] if self._heap else None

    def advance(self, now: float) -> list[Delivery]:
        """Let everything happen that is due by `now`; the packets that reached an end, in order."""
        self._delivered = []
        while self._heap and self._heap[0][0] <= now:
            due, _, happen, data = heapq.heappop(self._heap)
            happen(data, due)
        return self._delivered

    def _at(self, when: float, happen: Callable[[bytes, float], None], data: bytes) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, (when, self._sequence, happen, data))

    def _leave_vantage(self, data: bytes, now: float) -> None:
        if data[8] <= 1:
            self._at(now + HOME_DELAY_SECONDS, self._expire_at_home, data)
            return
        if self._lost():
            return
        leaves_at = self._up.leaves_at(len(data), now)
        if leaves_at is None:
            self.counters.queue_dropped += 1
            return
        arrives = leaves_at + self._jitter()
        hop = min(data[8], self._profile.censor_hop)
        if data[8] <= self._profile.censor_hop:
            self._at(arrives + self._hop_seconds[hop], self._expire, data)
        else:
            self._at(arrives + self._hop_seconds[hop], self._censor_up, data)

    def _censor_up(self, data: bytes, now: float) -> None:
        outcome = self.censor.process(data, Direction.UP, now)
        self._inject(outcome, now)
        if not outcome.forward:
            self.counters.censor_dropped += 1
            return
        self._onward_up(data, now + outcome.delay_seconds)

    def _onward_up(self, data: bytes, now: float) -> None:
        """From the censor to the server, or to the router where the TTL ends."""
        here = self._hop_seconds[self._profile.censor_hop]
        if data[8] <= self._profile.routers:
            self._at(now + self._hop_seconds[data[8]] - here, self._expire, data)
            return
        extra = self._distances.get(data[16:20])
        if extra is None:
            self.counters.nowhere += 1
            return
        self._at(now + self._hop_seconds[-1] - here + extra / 2, self._deliver_up, data)

    def _censor_down(self, data: bytes, now: float) -> None:
        outcome = self.censor.process(data, Direction.DOWN, now)
        self._inject(outcome, now)
        if not outcome.forward:
            self.counters.censor_dropped += 1
            return
        self._onward_down(data, now + outcome.delay_seconds)

    def _onward_down(self, data: bytes, now: float) -> None:
        """From the censor to the access queue."""
        self._at(now + self._hop_seconds[self._profile.censor_hop] - self._hop_seconds[1], self._access_down, data)

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
        hop = data[8]
        if hop in self._profile.silent_hops:
            return
        answer = self._time_exceeded(data, hop)
        self._at(now + self._hop_seconds[hop] - self._hop_seconds[1], self._access_down, answer)

    def _expire_at_home(self, data: bytes, now: float) -> None:
        """As `_expire`, but on this side of the access link."""
        self.counters.expired += 1
        if 1 not in self._profile.silent_hops:
            self._deliver_down(self._time_exceeded(data, 1), now)

    def _time_exceeded(self, data: bytes, hop: int) -> bytes:
        arrived = lower_ttl(data, hop - 1) if hop > 1 else data
        answer = icmp_error(arrived, sender=self._profile.router_address(hop), kind=ICMP_TIME_EXCEEDED, code=0)
        return lower_ttl(answer, hop - self._profile.routers)

    def _access_down(self, data: bytes, now: float) -> None:
        leaves_at = self._down.leaves_at(len(data), now)
        if leaves_at is None:
            self.counters.queue_dropped += 1
        elif not self._lost():
            self._at(leaves_at + self._hop_seconds[1] + self._jitter(), self._deliver_down, data)

    def _deliver_up(self, data: bytes, now: float) -> None:
        self.counters.carried_up += 1
        self._deliver(data, Direction.UP, now)

    def _deliver_down(self, data: bytes, now: float) -> None:
        self.counters.carried_down += 1
        self._deliver(data, Direction.DOWN, now)

    def _deliver(self, data: bytes, direction: Direction, now: float) -> None:
        if data[8] > self._profile.routers:  # a server's own short TTL ends on the way, unheard
            arrived = lower_ttl(data, self._profile.routers)
            self._delivered.append(Delivery(due=now, direction=direction, data=arrived))

    def _lost(self) -> bool:
        if self._profile.loss and self._rng.random() < self._profile.loss:
            self.counters.lost += 1
            return True
        return False

    def _jitter(self) -> float:
        return self._rng.uniform(0.0, self._profile.jitter_seconds) if self._profile.jitter_seconds else 0.0
