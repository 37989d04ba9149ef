"""How far did packets to the target get, and how far did neutral ones?

Turns limited connections and hellos into hop numbers. Which of them accuse is `probe.verdict.hops`'s business; that
goes by what is known of the path *behind* the place where the target's packets end, and that is known from neutral
packets alone: without them there is nothing here that could speak against anybody.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from probe.checks.hops import Evidence
from probe.failure import Failure
from probe.model.observations import IcmpKind, LimitedConnect, LimitedHello
from probe.model.results import Hop
from probe.model.targets import Endpoint

MIN_NEUTRAL_ADDRESSES = 2  # of different operators: what their paths share is this line's access network
MIN_TRIES = 3  # of a limit that stays silent; at 5 % loss each way one limit in a thousand stays so by chance
# … while the router there answers neutral packets, of which four are sent: one that speaks half the time, because it
# limits its ICMP, would be silent to three of the target's once in eight, and show this many at the same time in 26.
MIN_NEUTRAL_ANSWERS = 3
MIN_ANSWERS = 2  # refusals or resets with one limit: one alone is weak (design §3, 6)
RESETS = frozenset({Failure.CONNECTION_RESET, Failure.CONNECTION_ABORTED, Failure.EOF})
CUTS = RESETS | {Failure.GENERIC_TIMEOUT}
REFUSALS = frozenset({Failure.CONNECTION_REFUSED, Failure.CONNECTION_RESET, Failure.CONNECTION_ABORTED})
UNREACHABLE = frozenset({IcmpKind.HOST_UNREACHABLE, IcmpKind.NETWORK_UNREACHABLE, IcmpKind.ADMIN_PROHIBITED})


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectFacts:
    """`trunk`: limits at which packets to two neutral addresses ended at one router. `last`: the greatest limit at
    which a router answered a packet to the target (0: none did), `on_trunk` whether that is the trunk's router there.
    `answered_from`: the least limit with which something else answered it, None: nothing did; `refusals` and
    `unreachables` how often, with limits at which the trunk goes on. `silent`: trunk limits beyond `last` with which
    the target's packets met nothing but silence, often enough, and neutral ones an answer nearly every time.
    """

    endpoint: Endpoint
    neutral_addresses: int
    trunk: tuple[int, ...]
    last: int
    on_trunk: bool
    connected: bool
    answered_from: int | None
    refusals: int
    unreachables: int
    silent: tuple[int, ...]

    @property
    def beyond(self) -> tuple[int, ...]:
        """Routers of the trunk that the target's packets had yet to come to when something answered them, or beyond
        the last that they came to."""
        from_limit = self.last + 1 if self.answered_from is None else self.answered_from
        return tuple(k for k in self.trunk if k >= from_limit)

    @property
    def hop(self) -> Hop | None:
        """Behind the last router that spoke, before the first limit at which none did any more."""
        before = self.answered_from or min(self.silent, default=None)
        return Hop(after=self.last, before=before) if before is not None and before > self.last else None


def connect_facts(evidence: Evidence) -> ConnectFacts:
    """What the limited connections showed."""
    own = evidence.connects
    trunk = _trunk(evidence.neutral_connects)
    last = max((c.hop_limit for c in own if _is_heard(c)), default=0)
    refusals = [c for c in own if c.failure in REFUSALS and c.icmp is None]
    unreachables = [c for c in own if c.icmp in UNREACHABLE and c.router is not None]  # not the server's own word
    answered_from = min((c.hop_limit for c in (*refusals, *unreachables)), default=None)
    return ConnectFacts(
        endpoint=evidence.endpoint,
        neutral_addresses=len({c.endpoint.address for c in evidence.neutral_connects if _spoke(c)}),
        trunk=tuple(sorted(trunk)),
        last=last,
        on_trunk=bool(trunk.get(last, set()) & {c.router for c in own if c.hop_limit == last and _is_heard(c)}),
        connected=any(c.failure is None for c in own),
        answered_from=answered_from,
        refusals=sum(c.hop_limit <= max(trunk, default=0) for c in refusals),
        unreachables=sum(c.hop_limit <= max(trunk, default=0) for c in unreachables),
        silent=tuple(
            k for k in sorted(trunk) if k > last and _is_silent(own, k) and _speaks(evidence.neutral_connects, k)
        ),
    )


def _is_heard(connect: LimitedConnect) -> bool:
    return connect.icmp is IcmpKind.TIME_EXCEEDED and connect.router is not None


def _spoke(connect: LimitedConnect) -> bool:
    return connect.failure is None or _is_heard(connect)


def _trunk(neutral: Sequence[LimitedConnect]) -> dict[int, set[int | None]]:
    """Limits at which packets to two neutral addresses ended at one router, with that router (or several, where flows
    are spread over parallel ones)."""
    seen: dict[tuple[int, int | None], set[str]] = {}
    for connect in neutral:
        if _is_heard(connect):
            seen.setdefault((connect.hop_limit, connect.router), set()).add(connect.endpoint.address)
    trunk: dict[int, set[int | None]] = {}
    for (limit, router), addresses in seen.items():
        if len(addresses) >= MIN_NEUTRAL_ADDRESSES:
            trunk.setdefault(limit, set()).add(router)
    return trunk


def _is_silent(connects: Sequence[LimitedConnect], limit: int) -> bool:
    tries = [c for c in connects if c.hop_limit == limit]
    silent = all(c.failure is Failure.GENERIC_TIMEOUT and c.icmp is None for c in tries)
    return len(tries) >= MIN_TRIES and silent


def _speaks(neutral: Sequence[LimitedConnect], limit: int) -> bool:
    return sum(c.hop_limit == limit and _is_heard(c) for c in neutral) >= MIN_NEUTRAL_ANSWERS


@dataclass(frozen=True, slots=True, kw_only=True)
class HelloFacts:
    """`cut_from`: the least limit from which on the target's name was cut every time, `by_reset` in which way.
    `passes_to`: the greatest limit below it with which the name was not cut. `short_of_server`: a neutral name with
    that limit or a greater one ended at a router, so it was not cut and the server is farther. `at_server`: with that
    very limit the server answered the neutral name."""

    host: str
    endpoint: Endpoint
    cut_from: int | None
    passes_to: int
    by_reset: bool
    short_of_server: bool
    at_server: bool

    @property
    def hop(self) -> Hop | None:
        return Hop(after=self.passes_to, before=self.cut_from) if self.cut_from is not None else None


def hello_facts(evidence: Evidence) -> HelloFacts:
    """What the limited hellos showed; those without a connection say nothing of a name."""
    own = [h for h in evidence.hellos if h.connect.failure is None]
    beside = [h for h in evidence.neutral_hellos if h.connect.failure is None]
    limits = sorted({h.hop_limit for h in own})
    cut = {k: how for k in limits if (how := _how_cut(_at(own, k), _at(beside, k))) is not None}
    # A name that went on with some limit is not cut with a lower one: what was seen there is something else.
    went_on = max((h.hop_limit for h in own if h.failure not in CUTS), default=0)
    cut_from = min((k for k in cut if k > went_on), default=None)
    by_reset = cut_from is not None and cut[cut_from]
    passed = [k for k in limits if cut_from is not None and k < cut_from and _passes(_at(own, k), by_reset=by_reset)]
    return HelloFacts(
        host=evidence.host,
        endpoint=evidence.endpoint,
        cut_from=cut_from,
        passes_to=max(passed, default=0),
        by_reset=by_reset,
        short_of_server=cut_from is not None
        and any(h.failure is Failure.HOST_UNREACHABLE and h.hop_limit >= cut_from for h in beside),
        at_server=cut_from is not None and None in _at(beside, cut_from),
    )


def _at(hellos: Sequence[LimitedHello], limit: int) -> list[Failure | None]:
    return [h.failure for h in hellos if h.hop_limit == limit]


def _how_cut(own: Sequence[Failure | None], beside: Sequence[Failure | None]) -> bool | None:
    """True: reset again and again, False: met with silence while a neutral name was answered; None: neither."""
    if not CUTS.issuperset(own):
        return None
    resets = sum(failure in RESETS for failure in own)
    if resets:
        return True if resets >= MIN_ANSWERS else None
    heard = any(failure in (None, Failure.HOST_UNREACHABLE) for failure in beside)
    return False if len(own) >= MIN_TRIES and heard else None


def _passes(own: Sequence[Failure | None], *, by_reset: bool) -> bool:
    """Whether the name was not cut: a router or a server answered, or, where resets cut it, nobody did."""
    if any(failure in RESETS for failure in own):
        return False
    return by_reset or any(failure is not Failure.GENERIC_TIMEOUT for failure in own)
