"""Is a figure measured now what is usual for it at these hours, and does its control share what is not?

One figure at a time, against the same figure of earlier runs; which runs those are is for `past_outcomes`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import exp, log

from probe.model.past import Compared, DirectionPast, OnsetOf, PastGoodput, Standing
from probe.model.results import Comparison
from probe.stats.seasonal import same_hours, usual
from probe.verdict.past_outcomes import Earlier

BASELINE = timedelta(days=56)  # eight weeks: the same hours of one weekday come eight times
HALF_WIDTH_HOURS = 2.0  # the same hours are four: a summer-time change stays within them
ENOUGH_RUNS = 8  # fewer have no usual range; at four runs a day this is two days
UNUSUAL_DEVIATIONS = 3.5  # from the median, by the median absolute deviation (Iglewicz and Hoaglin 1993, section 3.3)
SMALLEST_FACTOR = 1.25  # a quarter more, or a fifth less, is usual however even the line was before
SMALLEST_SHARE = 0.25  # of the access checks, in the same way
SHARED_PART = 0.5  # of a change, in the logarithm: where the control's is at least half as large, it is shared
# At a control's address the rates are not those of the target's server.
AT_CONTROL = frozenset({Comparison.NAME_AT_CONTROL})

LEAST, MOST = 1e-12, 1e18  # bit/s and ratios that no line has: the figures made of them stay finite

Dated = tuple[datetime, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How a kind of figure is compared: where differences are taken, and the least that is unusual there."""

    into: Callable[[float], float]
    back: Callable[[float], float]
    smallest: float


RATES = Scale(into=log, back=exp, smallest=log(SMALLEST_FACTOR))
SHARES = Scale(into=float, back=float, smallest=SMALLEST_SHARE)


def baseline(runs: Sequence[Earlier], current: Earlier) -> tuple[Earlier, ...]:
    """The runs that tell what is usual now."""
    return tuple(run for run in runs if current.at - run.at <= BASELINE)


def access(runs: Sequence[Earlier], current: Earlier) -> Compared | None:
    """The share of the access checks that were ok, beside `runs`; None where none ran now."""
    now = _share(current)
    if now is None:
        return None
    earlier = [(run.at, share) for run in runs if (share := _share(run)) is not None]
    return _compared(now, current.at, earlier, SHARES)


def goodput(runs: Sequence[Earlier], current: Earlier, what: OnsetOf) -> DirectionPast | None:
    """One direction's three figures; None where it was not measured now."""
    now = direction(current, what)
    if now is None or positive(now.target_bps) is None:
        return None
    past = [(run.at, facts) for run in runs if (facts := direction(run, what)) is not None]
    alike = [(at, facts) for at, facts in past if facts.comparison is now.comparison]
    there = [(at, facts) for at, facts in past if (facts.comparison in AT_CONTROL) is (now.comparison in AT_CONTROL)]
    target = _rate(now.target_bps, current.at, [(at, facts.target_bps) for at, facts in there])
    control = _rate(now.control_bps, current.at, [(at, facts.control_bps) for at, facts in alike])
    ratio = _rate(now.ratio, current.at, [(at, facts.ratio) for at, facts in alike])
    return DirectionPast(target=target, control=control, ratio=ratio, rule_id=_rule(target, control))


def direction(run: Earlier, what: OnsetOf) -> PastGoodput | None:
    """One direction's figures of a run."""
    return run.outcome.upload if what is OnsetOf.UPLOAD else run.outcome.download


def positive(value: float | None) -> float | None:
    """The value where it can be a rate or a ratio at all."""
    return value if value is not None and LEAST <= value <= MOST else None


def _rule(target: Compared, control: Compared) -> str:
    """What the target's and its control's figures mean together."""
    if target.standing not in (Standing.LOWER, Standing.HIGHER):
        return target.rule_id
    known = target.factor is not None and control.factor is not None
    shared = known and log(control.factor or 1.0) / log(target.factor or 1.0) >= SHARED_PART
    return f"{target.rule_id}_with_control" if shared else target.rule_id


def _rate(now: float | None, at: datetime, earlier: Sequence[tuple[datetime, float | None]]) -> Compared:
    return _compared(positive(now), at, [(t, v) for t, value in earlier if (v := positive(value)) is not None], RATES)


def _compared(now: float | None, at: datetime, earlier: Sequence[Dated], scale: Scale) -> Compared:
    hours, same = same_hours([t for t, _ in earlier], at, half_width_hours=HALF_WIDTH_HOURS, enough=ENOUGH_RUNS)
    values = [scale.into(earlier[i][1]) for i in same]
    unknown = Compared(
        now=now,
        median=None,
        low=None,
        high=None,
        factor=None,
        runs=len(values),
        hours=hours,
        standing=Standing.UNKNOWN,
        rule_id="past.too_few",
    )
    if len(values) < ENOUGH_RUNS:
        return unknown
    found = usual(values)
    reach = max(UNUSUAL_DEVIATIONS * found.deviation, scale.smallest)
    middle, low, high = (scale.back(found.median + part) for part in (0.0, -reach, reach))
    known = replace(unknown, median=middle, low=low, high=high, rule_id="past.not_measured")
    if now is None:
        return known
    beyond = scale.into(now) - found.median
    standing = Standing.LOWER if beyond < -reach else Standing.HIGHER if beyond > reach else Standing.USUAL
    factor = now / middle if middle > 0 else None
    return replace(known, factor=factor, standing=standing, rule_id=f"past.{standing.value}")


def _share(run: Earlier) -> float | None:
    checks, ok = run.outcome.access_checks, run.outcome.access_ok
    return ok / checks if checks and ok is not None else None
