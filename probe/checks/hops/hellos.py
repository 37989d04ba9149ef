"""From which limit on is a ClientHello with the target's name cut, where one with a neutral name is not?

Halving the interval between the farthest limit that a router or nobody answered and the nearest at which the name was
cut; with each limit the neutral name first. A router that never answers is stepped round.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from probe.checks import tls
from probe.checks.context import Context
from probe.checks.hops.evidence import Evidence
from probe.checks.pacing import CONNECT_SECONDS, deadline, time_for
from probe.failure import Failure
from probe.model.observations import LimitedHello, TlsHandshake, TlsStage
from probe.model.results import CannotRun, ProblemReason
from probe.model.targets import Endpoint

MAX_HANDSHAKES = 40  # of one input; halving 24 limits takes 5 steps of 2 to 6
MAX_LIMIT = 24  # as for connections
TRIES = 3  # of a limit at which nobody says anything: a lost RST is not sent twice
CUTS = 2  # of the name at the limit that is found: one reset alone is weak
SPACING_SECONDS = 0.1  # between two handshakes to one address
LEAST_WAIT_SECONDS = 0.6  # the kernel sends a lost hello again after 0.2 s, with the same limit
MOST_WAIT_SECONDS = 2.5
WAIT_ROUND_TRIPS = 2  # of this address, at rest: the same again for queues
RESETS = frozenset({Failure.CONNECTION_RESET, Failure.CONNECTION_ABORTED, Failure.EOF})


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Where the name is cut, a neutral name that is answered there if there is one, and how long a round trip takes.

    `silent`: the name is met with silence rather than with a reset.
    """

    endpoint: Endpoint
    name: str
    neutral_name: str
    round_trip_seconds: float
    silent: bool


def subject(ctx: Context[Evidence]) -> Subject | None:
    """The first address at which `tls` saw the name fail after TCP connected, one that answers neutral names first."""
    known = ctx.prior.get("tls")
    if not isinstance(known, tls.Evidence):
        return None
    good = {h.endpoint for h in known.target if tls.is_good(h)}
    cut = [h for h in known.target if h.stage is not TlsStage.CONNECT and h.endpoint not in good and not tls.answers(h)]
    heard = [n for n in known.neutral if tls.answers(n) and n.server_name]
    names = [n for n in (*ctx.controls.names, *(s.name for s in ctx.control_sites)) if n != known.hostname]
    beside = {n.endpoint: n.server_name for n in heard}
    for h in sorted(cut, key=lambda h: h.endpoint not in beside):
        name = beside.get(h.endpoint) or next(iter(names), None)
        if name is not None:
            return Subject(
                endpoint=h.endpoint,
                name=known.hostname,
                neutral_name=name,
                round_trip_seconds=_round_trip_seconds(h.endpoint, (*known.target, *known.neutral)),
                silent=h.failure is Failure.GENERIC_TIMEOUT,
            )
    return None


def _round_trip_seconds(endpoint: Endpoint, handshakes: Sequence[TlsHandshake]) -> float:
    connects = [h.connect for h in handshakes if h.endpoint == endpoint and h.connect.failure is None]
    return min((c.t - c.t0 for c in connects), default=0.0)


async def gather(ctx: Context[Evidence]) -> Evidence:
    """Halve until the limits are neighbours, then the cut once more. Raises CannotRun where no name is cut."""
    found = subject(ctx)
    if found is None:
        raise CannotRun(ProblemReason.NOTHING_TO_MEASURE, stage="hops", detail="no address and no name is cut")
    search = _Search(ctx, found)
    while (limit := search.next_limit()) is not None and await search.try_both(limit):
        pass
    while search.wants_repeat() and await search.try_both(search.cut_from):
        pass
    return Evidence(
        host=found.name,
        endpoint=found.endpoint,
        hellos=tuple(h for h in search.made if h.server_name == found.name),
        neutral_hellos=tuple(h for h in search.made if h.server_name != found.name),
    )


class _Search:
    """All hellos of one measurement, and the interval that is left: the name passes `passes_to`, and is cut from
    `cut_from` on."""

    def __init__(self, ctx: Context[Evidence], found: Subject) -> None:
        self._ctx = ctx
        self._found = found
        patience_seconds = max(LEAST_WAIT_SECONDS, WAIT_ROUND_TRIPS * found.round_trip_seconds)
        self._seconds = min(patience_seconds, MOST_WAIT_SECONDS)
        self._unclear: set[int] = set()
        self.passes_to = 0
        self.cut_from = MAX_LIMIT + 1
        self.made: list[LimitedHello] = []

    def next_limit(self) -> int | None:
        """The middle of the interval, or what is nearest to it of the limits that were not unclear."""
        middle = (self.passes_to + self.cut_from) // 2
        left = [k for k in range(self.passes_to + 1, self.cut_from) if k not in self._unclear]
        return min(left, key=lambda k: abs(k - middle), default=None)

    def wants_repeat(self) -> bool:
        """Whether the cut that was found has been seen too seldom."""
        cuts = [h for h in self._at(self._found.name, self.cut_from) if h.failure in RESETS]
        return 0 < len(cuts) < CUTS

    async def try_both(self, limit: int) -> bool:
        """The neutral name and the target's with this limit, and what follows for the interval; False when time or
        handshakes ran out."""
        for name in (self._found.neutral_name, self._found.name):
            for _ in range(TRIES):
                if not self._may_begin():
                    return False
                hello = await self._try(name, limit)
                if hello.connect.failure is None and hello.failure is not Failure.GENERIC_TIMEOUT:
                    break
                if name == self._found.neutral_name and not self._found.silent:
                    break  # only where silence is the cut must the neutral name be heard
        self._narrow(limit)
        return True

    def _narrow(self, limit: int) -> None:
        own = [h.failure for h in self._at(self._found.name, limit)]
        beside = [h.failure for h in self._at(self._found.neutral_name, limit)]
        if not own:
            self._unclear.add(limit)
        elif any(failure in RESETS for failure in own):
            self.cut_from = min(self.cut_from, limit)
        elif any(failure is not Failure.GENERIC_TIMEOUT for failure in own) or not self._found.silent:
            self.passes_to = max(self.passes_to, limit)
        elif any(failure is not Failure.GENERIC_TIMEOUT for failure in beside):
            self.cut_from = min(self.cut_from, limit)
        else:
            self._unclear.add(limit)

    def _at(self, name: str, limit: int) -> list[LimitedHello]:
        """Those that were sent: where no connection came about, nothing was said of the name."""
        sent = [h for h in self.made if h.connect.failure is None]
        return [h for h in sent if h.server_name == name and h.hop_limit == limit]

    def _may_begin(self) -> bool:
        return len(self.made) < MAX_HANDSHAKES and time_for(self._ctx, SPACING_SECONDS + 2 * self._seconds)

    async def _try(self, name: str, limit: int) -> LimitedHello:
        if self.made:
            await self._ctx.net.clock.sleep(SPACING_SECONDS)
        made = await self._ctx.net.greet_within(
            self._found.endpoint,
            server_name=name,
            hop_limit=limit,
            answer_seconds=self._seconds,
            deadline=deadline(self._ctx, CONNECT_SECONDS),
        )
        self.made.append(made)
        return made
