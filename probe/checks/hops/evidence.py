"""What does the search for a place on the path bring home?"""

from dataclasses import dataclass

from probe.model.observations import LimitedConnect, LimitedHello
from probe.model.targets import Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One endpoint of the target, in the order made. Either the connects are filled, or the hellos.

    `connects` go to the target's endpoint, `neutral_connects` to two control addresses of the same family on the same
    kind of port. `hellos` carry the target's name, `neutral_hellos` a neutral one, all at the target's endpoint.
    """

    host: str
    endpoint: Endpoint
    connects: tuple[LimitedConnect, ...] = ()
    neutral_connects: tuple[LimitedConnect, ...] = ()
    hellos: tuple[LimitedHello, ...] = ()
    neutral_hellos: tuple[LimitedHello, ...] = ()
