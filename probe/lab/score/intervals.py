"""How far can a rate be from the true one, when trials of one run resemble each other?

Exact binomial intervals (Clopper and Pearson, Biometrika 26, 1934) on the effective number of trials of Korn and
Graubard (Survey Methodology 24, 1998): the variance between runs, not between trials, says how much was learnt.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """`hits` of `trials` in `runs` runs; `effective` trials is what the interval [`low`, `high`] rests on."""

    hits: int
    trials: int
    runs: int
    effective: float
    low: float
    high: float

    @property
    def value(self) -> float | None:
        return self.hits / self.trials if self.trials else None


def clustered(runs: Sequence[tuple[int, int]]) -> Rate:
    """The rate with its 95 % interval; each run gives (hits, trials), runs without a trial do not count.

    Where nothing or everything hits, no variance can be seen: then the runs alone are counted as trials.
    """
    counted = [(hits, trials) for hits, trials in runs if trials]
    hits, trials = sum(h for h, _ in counted), sum(n for _, n in counted)
    if not trials:
        return Rate(hits=0, trials=0, runs=0, effective=0.0, low=0.0, high=1.0)
    effective = effective_trials(counted)
    low, high = clopper_pearson(hits / trials * effective, effective)
    return Rate(hits=hits, trials=trials, runs=len(counted), effective=effective, low=low, high=high)


def effective_trials(runs: Sequence[tuple[int, int]]) -> float:
    """Trials divided by the design effect, with the correction for few runs; never more than the trials there are."""
    hits, trials, count = sum(h for h, _ in runs), sum(n for _, n in runs), len(runs)
    if hits in (0, trials) or count < 2:
        return float(count)
    if trials == count:  # a run for every trial: nothing is clustered
        return float(trials)
    rate = hits / trials
    between = count / (count - 1) * sum((h - rate * n) ** 2 for h, n in runs) / trials**2
    if between == 0.0:  # every run has the same share; no more can be claimed than all trials
        return float(trials)
    effective = rate * (1 - rate) / between * (_t(trials - 1) / _t(count - 1)) ** 2
    return min(effective, float(trials))


def clopper_pearson(hits: float, trials: float) -> tuple[float, float]:
    """The exact interval; equals `scipy.stats.binomtest(…).proportion_ci()` for whole numbers, and is defined for
    effective ones between them.
    """
    from scipy.stats import beta

    tail = (1 - CONFIDENCE) / 2
    low = 0.0 if hits <= 0 else float(beta.ppf(tail, hits, trials - hits + 1))
    high = 1.0 if hits >= trials else float(beta.ppf(1 - tail, hits + 1, trials - hits))
    return (low if math.isfinite(low) else 0.0), (high if math.isfinite(high) else 1.0)


def _t(degrees: int) -> float:
    from scipy.stats import t

    return float(t.ppf(1 - (1 - CONFIDENCE) / 2, degrees))
