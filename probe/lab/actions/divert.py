"""How does a censor hand a flow to a machine of its own?

The action alone; the address translation is `probe.lab.diversions`'s, the machines are hosts of `probe.lab.world`: a
resolver, or an interceptor (`probe.lab.interceptor`).
"""

from dataclasses import dataclass

from probe.lab.rules import PASS, Crossing, Direction, Diversion, Outcome
from probe.lab.sightings import Sighting


@dataclass(frozen=True, slots=True, kw_only=True)
class Divert:
    """What the client sends goes to the address `to` instead, on the same port.

    With `answers_as_asked` the answers bear the address that was asked: the transparent DNS proxies of many providers,
    and the TLS interception of Kazakhstan (Raman et al., "Investigating large scale HTTPS interception in Kazakhstan",
    IMC 2020). Without, they come from `to` itself, as blockcheck finds with Russian providers. A TCP flow must be
    diverted from its SYN on, so it is matched by address or port; packets of the other IP version pass.
    """

    to: str
    answers_as_asked: bool = True

    def start(self, sighting: Sighting) -> "Divert":
        return self

    def handle(self, crossing: Crossing, now: float) -> Outcome:
        if crossing.direction is Direction.DOWN:
            return PASS
        return Outcome(diverted=Diversion(to=self.to, answers_as_asked=self.answers_as_asked))
