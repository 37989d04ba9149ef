"""What does a rule of the censor remember from one flow to the next?

A shared bucket, how many flows matched lately, and which pairs of addresses are still being punished. What it
remembers of a single flow is its treatment's; the flows are `probe.lab.censor`'s.
"""

from collections import deque

from probe.lab.rules import CensorRule, Treatment
from probe.lab.sightings import Sighting

MAX_REMEMBERED = 5_000  # pairs of addresses; beyond it those that expired are dropped

_Pair = tuple[str, str, int | None]


class Ruling:
    """One rule at work."""

    def __init__(self, rule: CensorRule) -> None:
        self.rule = rule
        self._shared: Treatment | None = None
        self._punished_until: dict[_Pair, float] = {}
        self._recent: dict[tuple[str, str, str | None], deque[float]] = {}

    def begin(self, sighting: Sighting) -> Treatment | None:
        """A flow matched: its treatment, or None where the allowance covers it."""
        if not self._exceeds_allowance(sighting):
            return None
        if self.rule.residual is not None:
            self._remember(sighting, sighting.at + self.rule.residual.seconds)
        if not self.rule.shared:
            return self.rule.do.start(sighting)
        if self._shared is None:
            self._shared = self.rule.do.start(sighting)
        return self._shared

    def punish(self, sighting: Sighting, *, at_hello: bool) -> Treatment | None:
        """What an earlier match brings upon a flow at its first packet or, `at_hello`, at its ClientHello."""
        residual = self.rule.residual
        if residual is None or residual.at_hello is not at_hello:
            return None
        until = self._punished_until.get(self._pair(sighting))
        return residual.do.start(sighting) if until is not None and sighting.at < until else None

    def _exceeds_allowance(self, sighting: Sighting) -> bool:
        allowance = self.rule.allowance
        if allowance is None:
            return True
        name = sighting.request.name if allowance.by_name and sighting.request else None
        recent = self._recent.setdefault((sighting.client, sighting.server, name), deque(maxlen=allowance.flows + 1))
        while recent and sighting.at - recent[0] > allowance.seconds:
            recent.popleft()
        recent.append(sighting.at)
        return len(recent) > allowance.flows

    def _remember(self, sighting: Sighting, until: float) -> None:
        if len(self._punished_until) >= MAX_REMEMBERED:
            self._punished_until = {pair: end for pair, end in self._punished_until.items() if end > sighting.at}
        self._punished_until[self._pair(sighting)] = until

    def _pair(self, sighting: Sighting) -> _Pair:
        same_port = self.rule.residual is not None and self.rule.residual.same_port
        return sighting.client, sighting.server, sighting.server_port if same_port else None
