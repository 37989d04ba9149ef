"""What a check is handed: its subject, its controls, the network, its limits, and what was found before it.

The runner builds a `Context` for each measurement; a check never reaches around it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from probe.model.targets import Controls, Endpoint, Target
from probe.net.base import Net


class Step(StrEnum):
    """What the judge wants to see next; checks carry it out and know no threshold."""

    DONE = "done"
    PAIR = "pair"  # one more pair of target and control, in random order
    CONFIRM = "confirm"  # one more such pair after a first finding, to be measured again with fresh flows
    CONTROL = "control"  # the next pairs are against a control's own media
    FOREIGN = "foreign"  # the next pairs are the target's name against a neutral name, both at a control's address
    SMALL = "small"  # one object below the offset at which transfers stall
    STEPWISE = "stepwise"  # one upload, segment by segment, to the offset at which uploads stall


class Budget(Protocol):
    """Bytes and seconds that are left to this target; asked before every transfer."""

    def allows(self, num_bytes: int) -> bool:
        """Whether `num_bytes` more, both directions together, still fit; a refusal is remembered and reported."""

    @property
    def remaining_bytes(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSite:
    """A neutral site that answered in this run: where a target's name can be tried at an address that is not its
    own."""

    name: str
    endpoint: Endpoint  # port 443
    answers_plain_http: bool


E = TypeVar("E")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context(Generic[E]):
    """`input` is a host name, URL or endpoint, as the registry's row says; `target` is None for a control.

    `prior` holds evidence of earlier checks on the same input's host, by check name. `deadline` is absolute on
    `net.clock`. `known_blockpages` maps a name to a text that is known to stand in a blockpage (supplied by the
    person, none bundled).
    """

    target: Target | None
    input: str
    net: Net
    controls: Controls
    control_sites: tuple[ControlSite, ...]
    budget: Budget
    deadline: float
    enough: Callable[[E], Step]
    prior: Mapping[str, object]
    known_blockpages: Mapping[str, str]
