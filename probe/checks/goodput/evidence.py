"""Is the same payload slower when the server name, or the address, is the target's?

Evidence only: `probe.verdict.goodput` decides what it means, and through `ctx.enough` what is measured next.
"""

from dataclasses import dataclass
from enum import StrEnum

from probe.model.observations import Direction, Transfer


class Arm(StrEnum):
    """Under which condition a transfer was made; each control arm differs from its partner in one variable."""

    TARGET = "target"  # A: the target's name at the target's address
    NEUTRAL = "neutral"  # B: a neutral name at the same address
    FOREIGN = "foreign"  # C: the target's name at a control's address
    CONTROL = "control"  # D: the control's own name at the control's address


class Phase(StrEnum):
    """Why a transfer was made."""

    PILOT = "pilot"
    FIRST = "first"
    CONFIRM = "confirm"
    SMALL = "small"
    STEPWISE = "stepwise"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One transfer in its place: `pair` numbers the pair it belongs to (None for pilots), in the order measured."""

    arm: Arm
    phase: Phase
    pair: int | None
    transfer: Transfer


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A media URL that was tried and why it was not used ("" when it was)."""

    url: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """All transfers of one direction; `num_bytes` is the size of every transfer in a pair, all arms alike."""

    direction: Direction
    url: str
    control_url: str
    neutral_name: str
    num_bytes: int
    trials: tuple[Trial, ...]
    candidates: tuple[Candidate, ...]
    budget_hit: bool
    deadline_hit: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One series per direction that the target has media for; None where it has none or none could be used."""

    download: Series | None
    upload: Series | None
