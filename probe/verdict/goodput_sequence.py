"""Given the ratios of pairs so far: is the one arm slower than the other, as fast, or is that still open?

The sequential rule on numbers alone; from which transfers they come is `probe.verdict.goodput_pairs`'. Three roads lead
to "slower". On an even line few pairs that all agree are enough. On an uneven one more pairs are added up: the mean of
the logarithms of their ratios, guarded by two tests that hold whatever the noise (signs within pairs, ranks over all
flows) and by how even the slowed flows are. Random loss slows some flows much and others hardly, but each of them loses
more than its control: there the losses must agree, and the rates only on the whole. How often it is wrong:
docs/method/goodput.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from math import exp, log
from statistics import fmean, median

from probe.stats.pairs import rank_probability, sign_flip_probability, spread

# All thresholds below were chosen on simulated series of other seeds than those that docs/method/goodput.md reports.
MAX_LOG_RATIO = 1.6  # one pair says no more than a factor of five: no single accident decides
MAX_QUIET_SPREAD = 2.0  # greatest by least control rate: beyond, the line is uneven
MAX_CALM_SPREAD = 1.4  # … and up to here so even that a single pair far apart is a finding (home lines: 1.1)
MAX_EVEN_SPREAD = 2.0  # greatest by least suspect rate of a limiter; accidents of a lossy line spread over 4 and more
# A quiet line: pairs -> the greatest ratio of middles that all may show. Rule F of feasibility §0, tightened.
SLOWER_AT = {3: 0.33, 4: 0.4, 5: 0.45, 6: 0.6}
MAX_MEDIAN_RATIO = 0.5  # the effect floor: what slows by less than half is not called throttling
MAX_FOUND_LOG_RATIO = -0.7  # the mean over all pairs of a quiet line when it is said
SURE_RATIO = 0.33  # five pairs at most at this, and their wholes below the next, need no even suspects on a calm line …
SURE_WHOLE_RATIO = 0.5
EVEN_RATIO = 0.45  # … up to this with them; beyond, six pairs
# A whole one above this needs seven pairs, or suspects as even as a calm line: losses of Wi-Fi may fall into the
# middles of six flows, and these then spread over 1.7 (a policer's over 1.2).
EVEN_WHOLE_RATIO = 0.6
SURE_PAIRS, EVEN_PAIRS = 5, 6
CALM_PAIRS = 8  # so many on a calm line, suspects even, need no further mean: what is halved is shown by now
# Pairs added up.
POOLED_FIRST_PAIRS = 4  # from here on their mean may say "measure again" …
POOLED_PAIRS = 7  # … and from here on "slower"
MAX_POOLED_LOG_RATIO = -0.8  # of their mean: a factor of 2.2; equal arms of a Wi-Fi line reach -.63 once in 1000
MAX_AGAIN_LOG_RATIO = -0.6  # of the repetition alone
MAX_SIGN_PROBABILITY = 0.01  # exact, over which arm was which within each pair: seven alike, or eight with one against
MAX_RANK_PROBABILITY = 0.0005  # exact, over which flows were which arm's: on an uneven line
# Freezes and random loss leave slowed flows uneven. They need not be even with this mean, a factor of 3.3 (lossy lines
# of the lab: -1.3 to -1.6), and all but one far apart, or so improbable by chance; on a calm line without this mean:
MAX_SURE_LOG_RATIO = -1.2
MAX_SURE_RANK_PROBABILITY = 5e-5  # nine pairs whose arms do not overlap, ten or eleven with one that does
MAX_POOLED_ALIKE = 1  # pairs that show no slowing at all: a censor that misses every tenth flow is still found
EVEN_TRIM_PAIRS = 7  # so many suspects may leave their fastest out when they are asked to be even
# Losses, as shares of a flow's segments. A Wi-Fi line's 2 % leave .00 to .06 in either arm, interference of 10 % .05 to
# .2 in uploads and .01 to .12 in downloads, where one hole may hide several.
LOSSY_AGAIN_PAIRS = 4  # of the repetition: the first pairs were gone on with for being slow, which their losses made
MIN_LOSS_APART = 0.025  # median over all pairs, and over those of the repetition …
MAX_CONTROL_LOSS = 1 / 3  # … and the control's median at most this part of the suspect's
MAX_LOSSY_LOG_RATIO = -0.6  # of the mean of all pairs, with `MAX_MEDIAN_RATIO` for their median
# As fast.
MIN_FASTER_RATIO = 1.25  # a name that is so much faster may lose more: it fills the queue
MIN_EQUAL_RATIO = 0.8  # a pair with at least this says "not slower" (feasibility §0, step 4) …
MIN_EQUAL_WHOLE_RATIO = 0.25  # … unless the whole transfer, latency included, was this much slower
EQUAL_PAIRS = 2  # so many such pairs end a series
MAX_APART_RATIO = 0.4  # a pair at most this, while others are alike and the line is calm, is a finding …
MAX_APART_WHOLE_RATIO = 0.6  # … if the whole shows it as well
OUTVOTED_PAIRS = 4  # alike, and one apart only: half of the flows slowed look so in 1 of 16 series
MIN_UNEVEN_LOG_RATIO = -0.35  # an uneven line: the mean that two alike pairs need
UNEVEN_PAIRS = 5  # … and from here on the mean alone may clear
MIN_CLEARING_LOG_RATIO = -0.45  # … a limit to a tenth shows -1.0 on such a line, spread by .25
CLEARING_AGAIN_PAIRS = 4  # of a repetition on an uneven line that clears what was an accident at first …
MIN_CLEARING_AGAIN_LOG_RATIO = -0.2  # … with this mean, and with that of all pairs above `GIVE_UP_LOG_RATIO`
# Ends.
MAX_PAIRS = 11  # an uneven line or differing flows; more do not fit into 4 MB
MAX_QUIET_PAIRS = 7  # a quiet line whose ratio lies between: more pairs will not move it
AGAIN_PAIRS = 2  # design §3, 8: a first finding is measured once more; two pairs, so that no one event repeats it
MAX_AGAIN_STARTED = 5  # pairs of a repetition may be lost to a busy machine: of 8 in the lab it took 3
GIVE_UP_LOG_RATIO = -0.6  # the mean of a repetition of so many pairs above it: the first finding was an accident
GIVE_UP_PAIRS = 4


class Decision(Enum):
    OPEN = "open"
    NOT_SLOWER = "not_slower"
    SLOWER = "slower"  # to be measured again, or further
    CONFIRMED = "confirmed"
    NOT_REPEATED = "not_repeated"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One pair in numbers: rates in bit/s of the middles and of the wholes. `calm`: this machine kept up; `again`: of
    the repetition. Losses: shares of the segments, None where this platform does not tell."""

    suspect_bps: float
    control_bps: float
    suspect_whole_bps: float
    control_whole_bps: float
    calm: bool
    again: bool
    suspect_loss: float | None = None
    control_loss: float | None = None

    @property
    def ratio(self) -> float:
        return self.suspect_bps / self.control_bps

    @property
    def whole_ratio(self) -> float:
        return self.suspect_whole_bps / self.control_whole_bps

    @property
    def log_ratio(self) -> float:
        """Of middle and whole together, bounded."""
        return (_bounded_log(self.ratio) + _bounded_log(self.whole_ratio)) / 2

    @property
    def loss_apart(self) -> float | None:
        """By how much more the suspect lost."""
        known = self.suspect_loss is not None and self.control_loss is not None
        return (self.suspect_loss or 0.0) - (self.control_loss or 0.0) if known else None

    @property
    def is_alike(self) -> bool:
        return self.ratio >= MIN_EQUAL_RATIO and self.whole_ratio >= MIN_EQUAL_WHOLE_RATIO

    @property
    def is_apart(self) -> bool:
        return self.ratio <= MAX_APART_RATIO and self.whole_ratio <= MAX_APART_WHOLE_RATIO


def _bounded_log(ratio: float) -> float:
    least = exp(-MAX_LOG_RATIO)
    return log(min(max(ratio, least), 1 / least))


def is_quiet(pairs: Sequence[Measured]) -> bool:
    """Whether the control arm gave about the same each time."""
    return spread([p.control_bps for p in pairs]) <= MAX_QUIET_SPREAD


def is_calm(pairs: Sequence[Measured]) -> bool:
    """Whether it gave so nearly the same that one slow flow cannot be the line's."""
    return spread([p.control_bps for p in pairs]) <= MAX_CALM_SPREAD


def flows_differ(pairs: Sequence[Measured]) -> bool:
    """Whether the control arm is even and the suspect's flows are of two kinds, slowed and not: a finding, and no
    noise to be outvoted."""
    some = any(p.is_apart for p in pairs) and any(p.is_alike for p in pairs)
    return some and is_calm(pairs)


def decide(pairs: Sequence[Measured], *, complete: bool) -> Decision:
    """What the pairs come to, in the order measured; `complete` is False where one of them is not usable: then nobody
    is accused."""
    again = [p for p in pairs if p.again]
    if again:
        return _after_repetition(pairs, again, complete=complete)
    if _is_equal([p for p in pairs if p.calm]):
        return Decision.NOT_SLOWER
    if complete and _is_slower(pairs):
        return Decision.SLOWER
    settled = is_quiet(pairs) and not any(p.is_apart for p in pairs)
    return Decision.UNDECIDED if len(pairs) >= (MAX_QUIET_PAIRS if settled else MAX_PAIRS) else Decision.OPEN


def _after_repetition(pairs: Sequence[Measured], again: Sequence[Measured], *, complete: bool) -> Decision:
    """Whether the repetition bears out the first finding; `SLOWER` while more of it is wanted."""
    calm = [p for p in pairs if p.calm]
    repeated = [p.log_ratio for p in calm if p.again]
    if _clears(calm, repeated):
        return Decision.NOT_SLOWER
    if not complete or not _is_slower([p for p in pairs if not p.again]):
        return Decision.NOT_REPEATED
    if len(repeated) < AGAIN_PAIRS:
        return Decision.SLOWER if len(again) < MAX_AGAIN_STARTED else Decision.NOT_REPEATED
    if _all_agree(pairs) or _sum_agrees(calm) or _losses_agree(calm):
        return Decision.CONFIRMED
    accident = len(repeated) >= GIVE_UP_PAIRS and fmean(repeated) > GIVE_UP_LOG_RATIO
    accident = accident and not (is_calm(calm) and _apart(calm))
    mixed = is_quiet(calm) and sum(p.is_alike for p in calm) > MAX_POOLED_ALIKE
    hopeless = (accident or mixed) and not (_loses_more(calm) and _loses_more([p for p in calm if p.again]))
    return Decision.NOT_REPEATED if hopeless or len(pairs) >= MAX_PAIRS else Decision.SLOWER


def _clears(calm: Sequence[Measured], repeated: Sequence[float]) -> bool:
    """Whether the repetition on an uneven line shows the first finding to have been an accident. Slowing a suspect
    never makes this true."""
    if is_quiet(calm) or len(repeated) < CLEARING_AGAIN_PAIRS or sum(p.is_alike for p in calm if p.again) < EQUAL_PAIRS:
        return False
    if _loses_more(calm):
        return False
    everything = fmean(p.log_ratio for p in calm)
    return fmean(repeated) >= MIN_CLEARING_AGAIN_LOG_RATIO and everything >= GIVE_UP_LOG_RATIO


def _is_equal(calm: Sequence[Measured]) -> bool:
    """Two pairs alike and none apart; on a line that is not calm the mean decides as well. No flow that loses more than
    its control is as fast for having been lucky so far. Slowing a suspect never makes this true."""
    if _loses_more(calm) and median(p.ratio for p in calm) < MIN_FASTER_RATIO:
        return False
    alike = sum(p.is_alike for p in calm)
    apart = sum(p.is_apart for p in calm)
    if is_calm(calm):
        return alike >= EQUAL_PAIRS and (not apart or (apart == 1 and alike >= OUTVOTED_PAIRS))
    mean = fmean(p.log_ratio for p in calm)
    if alike >= EQUAL_PAIRS and mean >= MIN_UNEVEN_LOG_RATIO:
        return True
    return not is_quiet(calm) and len(calm) >= UNEVEN_PAIRS and mean >= MIN_CLEARING_LOG_RATIO


def _is_slower(first: Sequence[Measured]) -> bool:
    """Whether it is worth measuring again: all pairs agree on a quiet line, or their sum is far enough on any, or their
    losses are."""
    calm = [p for p in first if p.calm]
    if not calm or median(p.ratio for p in calm) > MAX_MEDIAN_RATIO:
        return False
    limit = SLOWER_AT.get(min(len(calm), EVEN_PAIRS))
    if limit is not None and is_quiet(first) and max(p.ratio for p in first) <= limit and _apart(first):
        return True
    if len(calm) < POOLED_FIRST_PAIRS:
        return False
    few_alike = sum(p.is_alike for p in first) <= MAX_POOLED_ALIKE
    added_up = few_alike and fmean(p.log_ratio for p in calm) <= MAX_POOLED_LOG_RATIO
    return added_up or _is_slowed_by_losses(calm)


def _all_agree(pairs: Sequence[Measured]) -> bool:
    """A quiet line: every pair slow, every suspect below every control, and either the suspects even or the line
    calm."""
    calm = sum(p.calm for p in pairs)
    if calm < SURE_PAIRS or not is_quiet(pairs) or not _apart(pairs):
        return False
    many = calm >= CALM_PAIRS and is_calm(pairs)
    far = many or fmean(p.log_ratio for p in pairs) <= MAX_FOUND_LOG_RATIO
    if not far or median(p.ratio for p in pairs) > MAX_MEDIAN_RATIO:
        return False
    greatest = max(p.ratio for p in pairs)
    slow_altogether = max(p.whole_ratio for p in pairs) <= SURE_WHOLE_RATIO
    if greatest <= SURE_RATIO and slow_altogether and is_calm(pairs):
        return True
    calm_suspects = spread([p.suspect_bps for p in pairs]) <= MAX_CALM_SPREAD
    if calm < POOLED_PAIRS and max(p.whole_ratio for p in pairs) > EVEN_WHOLE_RATIO and not calm_suspects:
        return False
    limit = EVEN_RATIO if calm < EVEN_PAIRS else SLOWER_AT[EVEN_PAIRS]
    return greatest <= limit and _is_even(pairs)


def _sum_agrees(calm: Sequence[Measured]) -> bool:
    """Any line: the mean of all pairs and that of the repetition far below, by chance hardly, and either by even
    suspects, or so far, in every pair but one or by chance still less, that they need not be even."""
    logs = [p.log_ratio for p in calm]
    if len(calm) < POOLED_PAIRS or fmean(logs) > MAX_POOLED_LOG_RATIO:
        return False
    if median(p.ratio for p in calm) > MAX_MEDIAN_RATIO or sum(p.is_alike for p in calm) > MAX_POOLED_ALIKE:
        return False
    if fmean(p.log_ratio for p in calm if p.again) > MAX_AGAIN_LOG_RATIO:
        return False
    if sign_flip_probability(logs) > MAX_SIGN_PROBABILITY:
        return False
    ranks = rank_probability([p.suspect_bps for p in calm], [p.control_bps for p in calm])
    far = fmean(logs) <= MAX_SURE_LOG_RATIO
    sure = (far and _far_apart(calm)) or (ranks <= MAX_SURE_RANK_PROBABILITY and (far or is_calm(calm)))
    return (_is_even(calm) or sure) and (is_quiet(calm) or ranks <= MAX_RANK_PROBABILITY)


def _losses_agree(calm: Sequence[Measured]) -> bool:
    """Any line: the suspect's flows lose more than their controls, of all pairs and of those of the repetition, by
    chance hardly, and are slower on the whole; some may be as fast. By chance over pairs, and over flows as well: one
    flow in two of either arm may take a path that loses packets."""
    known = [p for p in calm if p.loss_apart is not None]
    again = [p for p in known if p.again]
    if len(known) < POOLED_PAIRS or len(again) < LOSSY_AGAIN_PAIRS:
        return False
    if not (_is_slowed_by_losses(calm) and _loses_more(again)):
        return False
    if sign_flip_probability([-(p.loss_apart or 0.0) for p in known]) > MAX_SIGN_PROBABILITY:
        return False
    suspects, controls = [p.suspect_loss or 0.0 for p in known], [p.control_loss or 0.0 for p in known]
    return rank_probability(controls, suspects) <= MAX_RANK_PROBABILITY


def _is_slowed_by_losses(calm: Sequence[Measured]) -> bool:
    if not _loses_more(calm) or median(p.ratio for p in calm) > MAX_MEDIAN_RATIO:
        return False
    return fmean(p.log_ratio for p in calm) <= MAX_LOSSY_LOG_RATIO


def _loses_more(calm: Sequence[Measured]) -> bool:
    """Whether the suspect's flows lose far more, as far as these pairs tell."""
    known = [p for p in calm if p.loss_apart is not None]
    if not known or median(p.loss_apart or 0.0 for p in known) < MIN_LOSS_APART:
        return False
    usual = median(p.suspect_loss or 0.0 for p in known)
    return median(p.control_loss or 0.0 for p in known) <= MAX_CONTROL_LOSS * usual


def _far_apart(calm: Sequence[Measured]) -> bool:
    """Whether all pairs but one are as far apart as a quiet line's five must be."""
    far = sum(p.ratio <= SURE_RATIO and p.whole_ratio <= SURE_WHOLE_RATIO for p in calm)
    return far >= len(calm) - 1


def _apart(pairs: Sequence[Measured]) -> bool:
    return max(p.suspect_bps for p in pairs) < min(p.control_bps for p in pairs)


def _is_even(pairs: Sequence[Measured]) -> bool:
    """Whether the suspects' rates are as even as a limiter makes them, the fastest left out where there are many."""
    rates = sorted(p.suspect_bps for p in pairs)
    kept = rates[:-1] if len(rates) >= EVEN_TRIM_PAIRS else rates
    return spread(kept) <= MAX_EVEN_SPREAD
