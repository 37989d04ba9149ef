"""How many bytes were moved on which day, and how many may a run still move?

Pure: days are given, nothing is read or written (`probe.store.usage_file` does). Days are those of UTC, as ISO dates,
which sort by time; all counts are bytes, both directions together.

A run claims what it may move on each day that it can touch, and draws on its claim before it moves anything: what is
drawn is on the disk first. A run that was killed is therefore charged with what it had drawn, which is never less than
it moved. When the clock was set back, what was moved on days that have not come again is charged to today as well:
the same bytes are never given twice, and no wrong clock closes the budget for longer than its own day and month.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

KEPT_DAYS = 62  # on which bytes were moved, before today and after it: the current month and the one before it
MONTH = len("2026-11")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many bytes one run, one day and one month (UTC) may take, all processes together."""

    run: int
    day: int
    month: int


@dataclass(slots=True, kw_only=True)
class Day:
    """`moved` on this day; `carried` of it were charged to an earlier day too, when the clock had been set back."""

    moved: int = 0
    carried: int = 0


@dataclass(slots=True, kw_only=True)
class Share:
    """What a run may move on one day: `granted` at most, `drawn` of it without asking again."""

    granted: int
    drawn: int = 0


@dataclass(slots=True, kw_only=True)
class Claim:
    """What a run that has not ended may move, by day; `owner` names the process that makes it."""

    owner: str
    shares: dict[str, Share]

    def granted_from(self, day: str) -> int:
        """The most that it may still charge to this day or a later one: it moves its bytes on one or the other."""
        return max((share.granted for of, share in self.shares.items() if of >= day), default=0)


@dataclass(slots=True, kw_only=True)
class Usage:
    """`unknown`: the first and the last day of whose bytes nothing is known; None where all are."""

    days: dict[str, Day] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)
    unknown: tuple[str, str] | None = None

    def reserve(
        self, run_id: str, owner: str, wanted: int, limits: Limits, days: Iterable[str], *, first_draw: int
    ) -> int:
        """Claim up to `wanted` bytes for a run that can touch `days`, today first; the bytes that were granted.

        Each of the days, and each month that they lie in, has them left.
        """
        touched = tuple(days)
        today = touched[0]
        self._assume_the_worst(limits)
        self._carry(today)
        self._forget(today)
        left = [min(limits.day - self._taken(day), limits.month - self._taken_in_month(day)) for day in touched]
        granted = max(0, min(wanted, limits.run, *left))
        shares = {day: Share(granted=granted) for day in touched}
        shares[today].drawn = min(first_draw, granted)
        self.claims[run_id] = Claim(owner=owner, shares=shares)
        return granted

    def draw(self, run_id: str, day: str, num_bytes: int) -> int:
        """Have at least `num_bytes` drawn in all for this run and day, as far as granted; what is drawn then."""
        claim = self.claims.get(run_id)
        share = claim.shares.get(day) if claim is not None else None
        if share is None:
            return 0
        share.drawn = max(share.drawn, min(num_bytes, share.granted))
        return share.drawn

    def settle(self, run_id: str, moved: Mapping[str, int]) -> None:
        """The run has ended: charge what it moved on each day, and give the rest of its claim back."""
        self.claims.pop(run_id, None)
        for day, num_bytes in moved.items():
            self.add(day, num_bytes)

    def settle_the_dead(self, lives: Callable[[str], bool]) -> None:
        """Charge the runs whose processes have died with all that they had drawn."""
        dead = [run_id for run_id, claim in self.claims.items() if not lives(claim.owner)]
        for run_id in dead:
            shares = self.claims[run_id].shares
            self.settle(run_id, {day: share.drawn for day, share in shares.items() if share.drawn})

    def add(self, day: str, num_bytes: int) -> None:
        """Charge bytes to a day."""
        self.days.setdefault(day, Day()).moved += num_bytes

    def used(self, beginning: str) -> int:
        """What was moved on the days whose name begins so: a day's own, or a month's. What is drawn counts as moved."""
        settled = sum(day.moved for name, day in self.days.items() if name.startswith(beginning))
        shares = (pair for claim in self.claims.values() for pair in claim.shares.items())
        return settled + sum(share.drawn for name, share in shares if name.startswith(beginning))

    def _taken(self, day: str) -> int:
        moved = self.days[day].moved if day in self.days else 0
        return moved + sum(claim.granted_from(day) for claim in self.claims.values())

    def _taken_in_month(self, day: str) -> int:
        month = day[:MONTH]
        moved = sum(of.moved for name, of in self.days.items() if name[:MONTH] == month)
        return moved + sum(claim.granted_from(month) for claim in self.claims.values())

    def _carry(self, today: str) -> None:
        """Charge to today what was moved on days to come: the clock was set back since."""
        ahead = [day for name, day in self.days.items() if name > today and day.moved > day.carried]
        if ahead:
            self.add(today, sum(day.moved - day.carried for day in ahead))
        for day in ahead:
            day.carried = day.moved

    def _assume_the_worst(self, limits: Limits) -> None:
        """Where the figures were lost: each of those days was used in full."""
        if self.unknown is None:
            return
        first, last = map(date.fromisoformat, self.unknown)
        for number in range((last - first).days + 1):
            day = self.days.setdefault(str(first + timedelta(days=number)), Day())
            day.moved = max(day.moved, limits.day)
        self.unknown = None

    def _forget(self, today: str) -> None:
        """Drop what no window can reach any more. By number and not by age: today may be what a wrong clock says, which
        starts at 1970 in a machine that keeps no time, and what was moved in the true month must outlive that."""
        past, ahead = (sorted(name for name in self.days if (name > today) is later) for later in (False, True))
        self.days = {name: self.days[name] for name in (*past[-KEPT_DAYS:], *ahead[:KEPT_DAYS])}
