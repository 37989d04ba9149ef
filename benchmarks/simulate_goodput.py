"""How often is the goodput judge wrong: false alarms and misses, over many simulated series?

Run from the checkout: `python -m benchmarks.simulate_goodput` (two processes, under three minutes). Each trial is a
series as the check would measure it, `next_step` saying what comes next; transfers are drawn from noise that matches
what a prototype measured (docs/method/goodput.md). It knows nothing of a worse line than those.
"""

import argparse
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from math import exp, lgamma, log
from random import Random
from statistics import median

from probe.checks.context import Step
from probe.checks.goodput import Arm, Phase, Series, Trial
from probe.checks.goodput.measure import (
    CONTROL_TIMES,
    HANDSHAKE_BYTES,
    MAX_PAIR_SECONDS,
    MIN_PAIR_SECONDS,
    SIZES,
    WIRE_SHARE,
)
from probe.model.results import State
from probe.stats.curves import mid_bps
from probe.verdict.goodput import RULES, next_step
from probe.verdict.goodput_facts import read
from tests.goodput_samples import KIB, Times, series, steady, transfer

STEPS = {Step.PAIR: (Arm.TARGET, Arm.NEUTRAL), Step.CONTROL: (Arm.TARGET, Arm.CONTROL)}
LEVEL = 0.95
HANDSHAKE_SECONDS = 0.08
MAX_BYTES = 2_900_000  # a download's share of a target's 4 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`start_sd`, `middle_sd`: standard deviation of the logarithm of a stretch's time. `tail_timeouts`: how often the
    last packet is lost and waited for. `wander_sd`: of the line's rate from one transfer to the next, with memory.
    `drops`: how often a transfer falls into a second at 15 % of the rate.
    """

    name: str
    rate_bps: float
    start_sd: float
    middle_sd: float
    tail_timeouts: float = 0.01
    wander_sd: float = 0.0
    drops: float = 0.0


LINES = (
    Line(name="home", rate_bps=18e6, start_sd=0.03, middle_sd=0.06, tail_timeouts=0.035),
    Line(name="home, cross traffic", rate_bps=18e6, start_sd=0.2, middle_sd=0.45, wander_sd=0.2, drops=0.05),
    Line(name="home, varying rate", rate_bps=18e6, start_sd=0.1, middle_sd=0.2, wander_sd=0.5, drops=0.08),
    Line(name="mobile", rate_bps=5e6, start_sd=0.15, middle_sd=0.35, tail_timeouts=0.05),
    Line(name="mobile, varying rate", rate_bps=5e6, start_sd=0.2, middle_sd=0.45, wander_sd=0.5, drops=0.08),
    Line(name="Wi-Fi, 2 % loss", rate_bps=8e6, start_sd=0.3, middle_sd=0.75, tail_timeouts=0.08),
    Line(name="Wi-Fi, worse", rate_bps=8e6, start_sd=0.4, middle_sd=0.95, tail_timeouts=0.12, drops=0.03),
)
LIMITS: tuple[tuple[str, float | None, int], ...] = (  # what is left of the line, and the burst that passes first
    ("none", None, 0),
    ("to 3 %", 0.03, 16_000),
    ("to 10 %", 0.1, 16_000),
    ("to 25 %, burst 60 kB", 0.25, 60_000),
)


@dataclass
class Path:
    """Draws transfers one after the other; `limit` is what the target's name is slowed to, of the line's rate."""

    line: Line
    limit: float | None
    burst_bytes: int
    random: Random
    wander: float = 0.0

    def times(self, arm: Arm, num_bytes: int) -> Times:
        line, random = self.line, self.random
        self.wander = 0.8 * self.wander + 0.6 * random.gauss(0.0, line.wander_sd) if line.wander_sd else 0.0
        slow = exp(self.wander) / (0.15 if random.random() < line.drops else 1.0)
        clean = steady(line.rate_bps, num_bytes)
        timeout = random.uniform(0.2, 1.0) if random.random() < line.tail_timeouts else 0.0
        made = Times(
            start=clean.start * slow * exp(random.gauss(0.0, line.start_sd)),
            middle=clean.middle * slow * exp(random.gauss(0.0, line.middle_sd)),
            tail=clean.tail * slow * exp(random.gauss(0.0, line.middle_sd)) + timeout,
        )
        if self.limit is None or arm not in (Arm.TARGET, Arm.FOREIGN):
            return made
        floor = steady(self.limit * line.rate_bps * exp(random.gauss(0.0, 0.05)), num_bytes)
        burst = min(1.0, self.burst_bytes / (0.4 * num_bytes))  # of slow start that passes at full rate
        start = made.start * burst + floor.start * (1 - burst)
        return Times(
            start=max(made.start, start), middle=max(made.middle, floor.middle), tail=max(made.tail, floor.tail)
        )


def one_series(line: Line, limit: float | None, burst_bytes: int, random: Random) -> State:
    """One direction from pilot to verdict."""
    path, clock = Path(line, limit, burst_bytes, random), 0.0
    pilot = transfer(Arm.NEUTRAL, path.times(Arm.NEUTRAL, 64 * KIB), num_bytes=64 * KIB, limit_seconds=8.0)
    trials = [Trial(arm=Arm.NEUTRAL, phase=Phase.PILOT, pair=None, transfer=pilot)]
    num_bytes = next(size for least_bps, size in SIZES if mid_bps(pilot) >= least_bps)
    pair_bytes = 2 * (num_bytes * WIRE_SHARE + HANDSHAKE_BYTES)
    controls = [HANDSHAKE_SECONDS + steady(line.rate_bps, num_bytes).total]
    arms, pair = STEPS[Step.PAIR], 0
    spent = 64 * KIB
    while (step := next_step(series(trials, num_bytes=num_bytes))) is not Step.DONE:
        if spent + pair_bytes > MAX_BYTES:
            return state_of(series(trials, num_bytes=num_bytes, budget_hit=True))
        arms = STEPS.get(step, arms)
        usual = median(controls[1:] or controls)
        seconds = min(MAX_PAIR_SECONDS, max(MIN_PAIR_SECONDS, CONTROL_TIMES * usual))
        order = list(arms)
        random.shuffle(order)
        phase = Phase.CONFIRM if step is Step.CONFIRM else Phase.FIRST
        for arm in order:
            made = transfer(arm, path.times(arm, num_bytes), t0=clock, num_bytes=num_bytes, limit_seconds=seconds)
            trials.append(Trial(arm=arm, phase=phase, pair=pair, transfer=made))
            clock = made.t + 0.05
            spent += made.num_bytes + HANDSHAKE_BYTES // 2
            if arm is not Arm.TARGET:
                controls.append(made.t - made.t0)
        pair += 1
    return state_of(series(trials, num_bytes=num_bytes))


def state_of(measured: Series) -> State:
    """The verdict's state, without its figures and words: those cost more time than the rule."""
    facts = read(measured)
    return next(rule.state for rule in RULES if rule.when(facts))


def cell(arguments: tuple[int, int, int, int]) -> Counter[State]:
    """Verdicts of `count` series of one line and limit."""
    line, limit, count, seed = arguments
    random = Random(f"{seed}-{line}-{limit}")
    return Counter(one_series(LINES[line], *LIMITS[limit][1:], random) for _ in range(count))


def clopper_pearson(hits: int, count: int, level: float = LEVEL) -> tuple[float, float]:
    """The exact interval of a share (Clopper and Pearson, Biometrika 1934)."""
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else _bisect(lambda p: 1 - _at_most(hits - 1, count, p) < tail)
    high = 1.0 if hits == count else _bisect(lambda p: _at_most(hits, count, p) > tail)
    return low, high


def _bisect(below: Callable[[float], bool]) -> float:
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) else (low, middle)
    return low


def _at_most(hits: int, count: int, p: float) -> float:
    """The binomial distribution function, summed over the shorter side."""
    if p in (0.0, 1.0):
        return 1.0 if p == 0.0 or hits >= count else 0.0
    if hits > count // 2:
        return 1 - _at_most(count - hits - 1, count, 1 - p)
    whole = lgamma(count + 1)
    return sum(
        exp(whole - lgamma(k + 1) - lgamma(count - k + 1) + k * log(p) + (count - k) * log(1 - p))
        for k in range(hits + 1)
    )


def share(hits: int, count: int) -> str:
    low, high = clopper_pearson(hits, count)
    return f"{100 * hits / count:.3f} ({100 * low:.3f}-{100 * high:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20_000, help="series without a limit, per line")
    parser.add_argument("--found", type=int, default=1_000, help="series with a limit, per line and limit")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    jobs = [
        (line, limit, arguments.found if value else arguments.trials, arguments.seed)
        for line in range(len(LINES))
        for limit, (_, value, _burst) in enumerate(LIMITS)
    ]
    print("| line | limit | series | throttled, % (95 %) | ok, % | inconclusive, % |")
    print("|---|---|---|---|---|---|")
    with ProcessPoolExecutor(arguments.processes) as pool:
        for (line, limit, count, _), found in zip(jobs, pool.map(cell, jobs), strict=True):
            print(
                f"| {LINES[line].name} | {LIMITS[limit][0]} | {count} | {share(found[State.THROTTLED], count)} | "
                f"{100 * found[State.OK] / count:.2f} | {100 * found[State.INCONCLUSIVE] / count:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
