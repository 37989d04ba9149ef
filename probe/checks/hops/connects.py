"""How far do connection attempts to an address that never answers get, and how far those to neutral addresses?

First the neutral addresses, from one router on until they answer; then the target's; then both again, the target's
first, wherever a router spoke to the neutral packets and not to the target's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from probe.checks import reach
from probe.checks.addresses import host_of
from probe.checks.context import Context
from probe.checks.hops.evidence import Evidence
from probe.checks.pacing import deadline, pause, side_by_side, time_for
from probe.failure import Failure
from probe.model.observations import IcmpKind, LimitedConnect, TcpConnect
from probe.model.targets import Endpoint

MAX_SYNS = 60  # of one input, all arms together: a person's line and three servers bear that without noticing
MAX_LIMIT = 24  # routers between a home and a large platform are fewer than 20 nearly always
NEUTRAL_ADDRESSES = 2  # whatever both paths share is this line's own access network
LIMITS_BEYOND = 2  # a target may be this much farther than the farther neutral address
TRIES = 3  # of a limit that stays silent: one SYN in ten is lost with its answer at 5 % loss
SUSPECTED = 4  # limits at a time that are looked at closer, the nearest first
LEAST_WAIT_SECONDS = 0.5  # routers answer from their slow path, the neutral packets too
MOST_WAIT_SECONDS = 2.5
WAIT_ROUND_TRIPS = 2  # of the nearest neutral address, at rest: the same again for queues
NEUTRAL = frozenset({reach.Source.CONTROL, reach.Source.FILE, reach.Source.HANDSHAKE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An endpoint that refuses or ignores everybody, neutral ones that connected beside it, and how long a round trip
    to the nearer of those took."""

    endpoint: Endpoint
    neutral: tuple[Endpoint, ...]
    round_trip_seconds: float


def subject(ctx: Context[Evidence]) -> Subject | None:
    """What `reach` found dead; None where any endpoint that somebody vouches for took a connection."""
    known = ctx.prior.get("reach")
    if not isinstance(known, reach.Evidence):
        return None
    vouched = {c.address for c in known.candidates if NEUTRAL.intersection(c.sources)}
    tried = [c for c in known.connects if c.endpoint.address in vouched]
    if not tried or any(c.failure is None for c in tried):
        return None
    subjects = [_beside(ctx, endpoint, known.neutral) for endpoint in dict.fromkeys(c.endpoint for c in tried)]
    return max(subjects, key=lambda s: len(s.neutral))


def _beside(ctx: Context[Evidence], endpoint: Endpoint, neutral: Sequence[TcpConnect]) -> Subject:
    """The endpoint with neutral ones of its family and kind of port, at random where there are more than needed."""
    plain = endpoint.port == reach.HTTP_PORT
    good = {
        n.endpoint.address: n
        for n in neutral
        if n.failure is None
        and n.endpoint.is_ipv6 is endpoint.is_ipv6
        and (n.endpoint.port == reach.HTTP_PORT) is plain
        and n.endpoint.address != endpoint.address
    }
    chosen = ctx.net.random.sample(list(good.values()), min(NEUTRAL_ADDRESSES, len(good)))
    return Subject(
        endpoint=endpoint,
        neutral=tuple(n.endpoint for n in chosen),
        round_trip_seconds=min((n.t - n.t0 for n in good.values()), default=0.0),
    )


async def gather(ctx: Context[Evidence], found: Subject) -> Evidence:
    """Walk all paths, then look closer where they differ, until every difference was tried often enough."""
    walks = _Walks(ctx, found)
    await side_by_side(walks.walk(endpoint, MAX_LIMIT) for endpoint in found.neutral)
    if found.neutral:
        await walks.walk(found.endpoint, min(MAX_LIMIT, walks.longest() + LIMITS_BEYOND))
        while closer := walks.suspected():
            if not await walks.look_closer(closer):
                break
    made = tuple(walks.made)
    return Evidence(
        host=host_of(ctx.input),
        endpoint=found.endpoint,
        connects=tuple(c for c in made if c.endpoint == found.endpoint),
        neutral_connects=tuple(c for c in made if c.endpoint != found.endpoint),
    )


class _Walks:
    """All attempts of one measurement, and what is to be tried next."""

    def __init__(self, ctx: Context[Evidence], found: Subject) -> None:
        self._ctx = ctx
        self._found = found
        patience_seconds = max(LEAST_WAIT_SECONDS, WAIT_ROUND_TRIPS * found.round_trip_seconds)
        self._seconds = min(patience_seconds, MOST_WAIT_SECONDS)
        self._begun = 0
        self.made: list[LimitedConnect] = []

    def _may_begin(self, attempts: int = 1) -> bool:
        return self._begun + attempts <= MAX_SYNS and time_for(self._ctx, self._seconds)

    async def _try(self, endpoint: Endpoint, hop_limit: int) -> LimitedConnect:
        self._begun += 1
        until = deadline(self._ctx, self._seconds)
        made = await self._ctx.net.connect_within(endpoint, hop_limit=hop_limit, deadline=until)
        self.made.append(made)
        return made

    async def walk(self, endpoint: Endpoint, farthest: int) -> None:
        """One router farther each time, two attempts at once, until something other than a router answers."""
        for limit in range(1, farthest + 1, 2):
            pair = [k for k in (limit, limit + 1) if k <= farthest]
            if not self._may_begin(len(pair)):
                return
            if any(map(_ends, await side_by_side(self._try(endpoint, k) for k in pair))):
                return

    def longest(self) -> int:
        """The limit with which the farther neutral address answered, or the last one tried."""
        ends = []
        for endpoint in self._found.neutral:
            own = [c for c in self.made if c.endpoint == endpoint]
            ends.append(min((c.hop_limit for c in own if _ends(c)), default=max((c.hop_limit for c in own), default=0)))
        return max(ends, default=0)

    def suspected(self) -> tuple[int, ...]:
        """The nearest limits beyond the target's last router that are not yet tried often enough: where a neutral
        packet made a router speak, up to one more than where the target's was answered by something else."""
        own = self._own()
        if any(c.failure is None for c in own):
            return ()
        last = self._last()
        end = min((c.hop_limit for c in own if _ends(c)), default=MAX_LIMIT + 1)
        spoke = {c.hop_limit for c in self.made if c.endpoint != self._found.endpoint and _heard(c)}
        if max(spoke, default=0) >= end:
            spoke.add(end)
        worth = [k for k in sorted(spoke) if last < k <= end + 1][:SUSPECTED]
        return tuple(k for k in worth if sum(c.hop_limit == k for c in own) < TRIES)

    def _own(self) -> list[LimitedConnect]:
        return [c for c in self.made if c.endpoint == self._found.endpoint]

    def _last(self) -> int:
        """The greatest limit at which a router answered the target's packet."""
        return max((c.hop_limit for c in self._own() if _heard(c)), default=0)

    async def look_closer(self, limits: Sequence[int]) -> bool:
        """After a moment, the target's packet and then a neutral one with each of these limits, two limits at once;
        False when time or attempts ran out.

        The target's goes first: a router that answers only so many packets a second owes it an answer rather than the
        neutral one, so that what is answered after a silence was not withheld for that. Beside the first go neutral
        packets that the target's last router has not answered yet: it must be known to be theirs as well.
        """
        if not await pause(self._ctx, 2 * self._seconds):
            return False
        last = self._last()
        beside = [(e, last) for e in self._found.neutral if last and not self._answered(e, last)]
        for start in range(0, len(limits) + 2, 2):
            both = limits[start : start + 2]
            tries = [*((self._found.endpoint, limit) for limit in both), *beside]
            if not self._may_begin(len(tries)):
                return False
            await side_by_side(self._try(endpoint, limit) for endpoint, limit in tries)
            beside = [(self._neutral_at(limit), limit) for limit in both]
        return True

    def _neutral_at(self, hop_limit: int) -> Endpoint:
        """The neutral address that has been answered least often with this limit: a lost answer hides a router."""
        return min(self._found.neutral, key=lambda endpoint: self._answered(endpoint, hop_limit))

    def _answered(self, endpoint: Endpoint, hop_limit: int) -> int:
        return sum(c.endpoint == endpoint and c.hop_limit == hop_limit and _heard(c) for c in self.made)


def _heard(connect: LimitedConnect) -> bool:
    """Whether a router said that the limit ended there."""
    return connect.icmp is IcmpKind.TIME_EXCEEDED


def _ends(connect: LimitedConnect) -> bool:
    """Whether something else than a router's limit answered: a connection, a refusal, an unreachable network."""
    return not _heard(connect) and connect.failure is not Failure.GENERIC_TIMEOUT
