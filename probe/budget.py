"""How many bytes may still be moved? Asked before every transfer, by every check, in every run.

Three limits at once: the target's share (design §5: 4 MB a run, both directions and all arms), what `--max-bytes`
leaves of the run, and what the day's and the month's budget leave, as the store remembers them. A refusal is
remembered and told.
"""

from dataclasses import dataclass, field

from probe.config.plan import MAX_BYTES_PER_TARGET
from probe.net.meter import Meter

DEFAULT_RUN_BYTES = 100_000_000  # 25 targets at their most; a run of healthy ones stays under half of it
DEFAULT_DAY_BYTES = 300_000_000
DEFAULT_MONTH_BYTES = 3_000_000_000


@dataclass(slots=True)
class RunBudget:
    """What a whole run may move; `meter` counts what it has moved."""

    meter: Meter
    max_bytes: int
    hit: bool = False

    @property
    def remaining_bytes(self) -> int:
        return max(0, self.max_bytes - self.meter.total)


@dataclass(slots=True)
class TargetBudget:
    """A target's share; implements `probe.checks.context.Budget`."""

    run: RunBudget
    meter: Meter
    max_bytes: int = MAX_BYTES_PER_TARGET
    hit: bool = field(default=False)

    @property
    def remaining_bytes(self) -> int:
        return max(0, min(self.max_bytes - self.meter.total, self.run.remaining_bytes))

    def allows(self, num_bytes: int) -> bool:
        if num_bytes <= self.remaining_bytes:
            return True
        self.hit = True
        self.run.hit = True
        return False
