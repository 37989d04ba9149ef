"""Earlier results of one target: rows as the store gives them, and the result that is set beside them."""

import math
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from probe.model.past import PastGoodput, PastOutcome
from probe.model.results import (
    Comparison,
    Facts,
    GoodputFacts,
    Method,
    State,
    TargetResult,
    Trigger,
    Vantage,
    Verdict,
)

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
EVERY = timedelta(hours=6)
LINE_BPS = 2e7
HOME = Vantage(country="XX", asn=64_500, network="home")


def goodput(target_bps: float, control_bps: float = LINE_BPS) -> PastGoodput:
    return PastGoodput(
        target_bps=target_bps,
        control_bps=control_bps,
        ratio=target_bps / control_bps,
        comparison=Comparison.NAME_AT_TARGET,
    )


def outcome(at: datetime, state: State = State.OK, download: PastGoodput | None = None) -> PastOutcome:
    """A run from home; five access checks that were ok."""
    return PastOutcome(
        run_id=f"run-{at.isoformat()}",
        target="birdsite",
        started_at=at.isoformat(),
        state=state,
        country=HOME.country,
        asn=HOME.asn,
        network=HOME.network,
        access_checks=5,
        access_ok=5,
        checks=("dns", "goodput", "http", "reach", "tls"),
        download=download,
    )


def history(
    count: int,
    *,
    ratio: Callable[[int], float] = lambda _: 1.0,
    line: Callable[[datetime], float] = lambda _: LINE_BPS,
    state: Callable[[int], State] = lambda _: State.OK,
    seed: int = 1,
    noise: float = 0.15,
) -> list[PastOutcome]:
    """A run every six hours; the line's rate and the ratio to it, both with lognormal noise."""
    rng = random.Random(seed)
    made = []
    for number in range(count):
        at = BEGIN + number * EVERY
        control = line(at) * math.exp(rng.gauss(0, noise))
        made.append(
            outcome(at, state(number), goodput(control * ratio(number) * math.exp(rng.gauss(0, noise)), control))
        )
    return made


def states(words: str) -> list[PastOutcome]:
    """One run a letter: o(k), t(hrottled), b(locked), ? inconclusive; a space is six hours without a run."""
    known = {"o": State.OK, "t": State.THROTTLED, "b": State.BLOCKED, "d": State.DOWN, "?": State.INCONCLUSIVE}
    rate = {"o": goodput(LINE_BPS), "t": goodput(LINE_BPS / 10)}
    return [
        outcome(BEGIN + number * EVERY, known[letter], rate.get(letter))
        for number, letter in enumerate(words)
        if letter != " "
    ]


def result(now: PastOutcome) -> TargetResult:
    """The target's result that would be kept as this outcome."""
    verdict = Verdict(
        state=now.state,
        strength=now.strength,
        mechanisms=now.mechanisms,
        rule_ids=("target.ok",),
        rules_version="1",
        reason="",
        facts=Facts(download=_facts(now.download), upload=_facts(now.upload)),
    )
    return TargetResult(id=now.target, name="Birdsite", verdict=verdict, measurements=())


def _facts(figures: PastGoodput | None) -> GoodputFacts | None:
    if figures is None:
        return None
    return GoodputFacts(
        target_bps=figures.target_bps,
        control_bps=figures.control_bps,
        ratio=figures.ratio,
        ratio_low=figures.ratio,
        ratio_high=figures.ratio,
        ratio_level=None,
        pairs=4,
        detectable_ratio=None,
        detectable_burst_bytes=None,
        comparison=figures.comparison,
        method=Method.UNKNOWN,
        stall_after_bytes=None,
        limit_bps=None,
        trigger=Trigger.UNKNOWN,
        hop=None,
        confirmed_by_repeat=False,
    )


def moved(outcome: PastOutcome, by: timedelta) -> PastOutcome:
    """The same result at another time."""
    at = datetime.fromisoformat(outcome.started_at) + by
    return replace(outcome, started_at=at.isoformat(), run_id=f"run-{at.isoformat()}")
