"""Is one arm slower than its control, given their pairs in the order measured?

The sequential rule and its thresholds; which arms may accuse of what is for `probe.verdict.goodput`. Error rates:
docs/method/goodput.md, "How often it is wrong".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from probe.checks.goodput.evidence import Arm, Phase, Trial
from probe.checks.goodput.fate import Fate, fate, is_sample
from probe.model.observations import Transfer
from probe.stats.curves import mid_bps, min_rtt_seconds, whole_bps
from probe.stats.pairs import spread

# Pairs -> the greatest ratio that all of them may show for "slower". From 4 pairs on this is rule F of feasibility §0;
# two more pairs have to repeat what three show, so that no verdict rests on fewer than five (simulated: docs/method).
SLOWER_AT = {3: 0.33, 4: 0.33, 5: 0.45, 6: 0.55, 7: 0.8}
MAX_MEDIAN_RATIO = 0.5  # the effect floor: what slows by less than half is not called throttling
MIN_EQUAL_RATIO = 0.8  # a pair with at least this says "not slower" (feasibility §0, step 4)
MIN_EQUAL_WHOLE_RATIO = 0.25  # … unless the whole transfer, latency included, was this much slower
EQUAL_PAIRS = 2  # so many such pairs end a series (feasibility §1: clean lines are called ok in ≥ 97.7 %)
MAX_PAIRS = 7  # undecided after this many: inconclusive
MAX_QUIET_SPREAD = 2.0  # greatest by least control rate: beyond, the line is noisy and whole transfers are compared
NOISY_PAIRS = 4  # on a noisy line single ratios say little: from here on medians may say "not slower" …
NOISY_WHOLE_RATIO = 0.6  # … this of whole transfers, of which a quarter of the line shows .54 (feasibility §2)
NOISY_MIDDLE_RATIO = 0.5  # … and this of their middles, of which it shows .25
AGAIN_PAIRS = (
    2  # design §3, 8: a first finding is measured once more; two pairs, so that no one chance event repeats it
)
MAX_AGAIN_RATIO = 0.6  # of every pair of the repetition; with all of one arm below all of the other (see below)
MAX_AGAIN_STARTED = 3  # one pair of a repetition may be lost to a busy machine
MAX_LAG_RTT_SHARE = 0.5  # an event loop later than half an RTT measures itself (feasibility §6, trap 7)
MAX_LAG_TIME_SHARE = 0.05  # … unless that is a small part of the time over which the rate is taken
MIN_LAG_SECONDS = 0.02  # … or less than this, which two busy cores show on a healthy transfer


class Outcome(StrEnum):
    ABSENT = "absent"  # no such pair was made
    OPEN = "open"
    NOT_SLOWER = "not_slower"
    SLOWER = "slower"  # to be measured again
    CONFIRMED = "confirmed"
    NOT_REPEATED = "not_repeated"
    UNDECIDED = "undecided"
    CONTROL_REFUSED = "control_refused"  # the control arm's name or object is not served
    CONTROL_FAILED = "control_failed"
    SUSPECT_REFUSED = "suspect_refused"
    SUSPECT_FAILED = "suspect_failed"  # the network ended it, or nothing came


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two transfers of one size; `suspect` is the arm that may be slowed. An arm that was not made is None."""

    phase: Phase
    suspect: Transfer | None
    control: Transfer | None

    @property
    def is_usable(self) -> bool:
        """Whether both are samples, the control's with bytes."""
        if self.suspect is None or self.control is None:
            return False
        return is_sample(self.suspect) and is_sample(self.control) and whole_bps(self.control) > 0

    @property
    def is_disturbed(self) -> bool:
        """Whether this machine was too busy to measure: such a pair neither accuses nor clears."""
        return any(_lags(t) for t in (self.suspect, self.control) if t is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The pairs of one comparison and what they come to. Rates, in bit/s, and ratios are of usable pairs, by the
    estimator that the control arm's spread chose (`middle`)."""

    pairs: tuple[Pair, ...]
    middle: bool
    suspect_bps: tuple[float, ...]
    control_bps: tuple[float, ...]
    outcome: Outcome

    @property
    def ratios(self) -> tuple[float, ...]:
        return tuple(a / b for a, b in zip(self.suspect_bps, self.control_bps, strict=True))

    @property
    def ratio(self) -> float | None:
        return median(self.ratios) if self.ratios else None

    @property
    def suspects(self) -> tuple[Transfer, ...]:
        return tuple(p.suspect for p in self.pairs if p.suspect is not None)

    @property
    def controls(self) -> tuple[Transfer, ...]:
        return tuple(p.control for p in self.pairs if p.control is not None)


def pairs_of(trials: Sequence[Trial], suspect: Arm, control: Arm) -> tuple[Pair, ...]:
    """The pairs that compare exactly these two arms, in the order measured."""
    found = []
    for group in _groups(trials):
        arms = {t.arm: t.transfer for t in group}
        if set(arms) == {suspect, control}:
            found.append(Pair(phase=group[0].phase, suspect=arms[suspect], control=arms[control]))
    return tuple(found)


def has_broken_pair(trials: Sequence[Trial]) -> bool:
    """Whether a pair was started of which an arm is missing: it counts, and nothing may be concluded against anyone."""
    return any(len(group) != 2 or len({t.arm for t in group}) != 2 for group in _groups(trials))


def tally(pairs: Sequence[Pair], *, if_answers_differ: Outcome | None = None) -> Tally:
    """Add up the pairs of one comparison.

    `if_answers_differ` says what it means that the arms were answered with different classes of status: between two
    names at one server that one of them is not served; between two servers nothing.
    """
    usable = [p for p in pairs if p.is_usable]
    middle = spread([mid_bps(p.control) for p in usable if p.control is not None]) <= MAX_QUIET_SPREAD
    rate = mid_bps if middle else whole_bps
    return Tally(
        pairs=tuple(pairs),
        middle=middle,
        suspect_bps=tuple(rate(p.suspect) for p in usable if p.suspect is not None),
        control_bps=tuple(rate(p.control) for p in usable if p.control is not None),
        outcome=_outcome(pairs, middle=middle, if_answers_differ=if_answers_differ),
    )


def _outcome(pairs: Sequence[Pair], *, middle: bool, if_answers_differ: Outcome | None) -> Outcome:
    if not pairs:
        return Outcome.ABSENT
    unserved = _unserved(pairs)
    if unserved is not None:
        return unserved
    if if_answers_differ is not None and any(_class_differs(p) for p in pairs):
        return if_answers_differ
    first = [p for p in pairs if p.phase is not Phase.CONFIRM]
    again = [p for p in pairs if p.phase is Phase.CONFIRM]
    if again:
        return _repeated(first, again, middle=middle)
    if _is_equal(first, middle=middle):
        return Outcome.NOT_SLOWER
    if _is_slower(first, middle=middle):
        return Outcome.SLOWER
    return Outcome.UNDECIDED if len(first) >= MAX_PAIRS else Outcome.OPEN


def _unserved(pairs: Sequence[Pair]) -> Outcome | None:
    """What a server's refusal, or a network that lets nothing through, makes of the comparison."""
    controls = [p.control for p in pairs if p.control is not None]
    suspects = [p.suspect for p in pairs if p.suspect is not None]
    if any(fate(t) in (Fate.REFUSED, Fate.SHORT) for t in controls):
        return Outcome.CONTROL_REFUSED
    if any(fate(t) in (Fate.REFUSED, Fate.SHORT) for t in suspects):
        return Outcome.SUSPECT_REFUSED
    if sum(fate(t) is Fate.FAILED or not t.num_bytes for t in suspects) >= EQUAL_PAIRS:
        return Outcome.SUSPECT_FAILED
    if sum(fate(t) is Fate.FAILED for t in controls) >= EQUAL_PAIRS:
        return Outcome.CONTROL_FAILED
    return None


def _repeated(first: Sequence[Pair], again: Sequence[Pair], *, middle: bool) -> Outcome:
    """Whether the repetition bears out the first finding; `SLOWER` while it is not complete."""
    everything = [*first, *again]
    if not _is_slower(first, middle=middle) or any(not p.is_usable for p in again):
        return Outcome.NOT_REPEATED
    suspect, control = _rates(everything, middle=middle)
    ratios = [a / b for a, b in zip(*_rates(again, middle=middle), strict=True)]
    if max(ratios) > MAX_AGAIN_RATIO or max(suspect) >= min(control):
        return Outcome.NOT_REPEATED
    if sum(not p.is_disturbed for p in again) < AGAIN_PAIRS:
        return Outcome.SLOWER if len(again) < MAX_AGAIN_STARTED else Outcome.NOT_REPEATED
    return Outcome.CONFIRMED


def _is_slower(pairs: Sequence[Pair], *, middle: bool) -> bool:
    """Rule F: every ratio small, the median below the effect floor, every suspect below every control."""
    limit = SLOWER_AT.get(min(sum(not p.is_disturbed for p in pairs), MAX_PAIRS))
    if limit is None or any(not p.is_usable for p in pairs):
        return False
    suspect, control = _rates(pairs, middle=middle)
    ratios = [a / b for a, b in zip(suspect, control, strict=True)]
    return max(ratios) <= limit and median(ratios) <= MAX_MEDIAN_RATIO and max(suspect) < min(control)


def _is_equal(pairs: Sequence[Pair], *, middle: bool) -> bool:
    """Two pairs alike; on a noisy line also a median above the effect floor once there are enough."""
    calm = [p for p in pairs if p.is_usable and not p.is_disturbed]
    suspect, control = _rates(calm, middle=middle)
    ratios = [a / b for a, b in zip(suspect, control, strict=True)]
    whole = [a / b for a, b in zip(*_rates(calm, middle=False), strict=True)]
    alike = [r >= MIN_EQUAL_RATIO and w >= MIN_EQUAL_WHOLE_RATIO for r, w in zip(ratios, whole, strict=True)]
    if sum(alike) >= EQUAL_PAIRS:
        return True
    if middle or len(calm) < NOISY_PAIRS:
        return False
    mid = [a / b for a, b in zip(*_rates(calm, middle=True), strict=True)]
    return median(whole) >= NOISY_WHOLE_RATIO and median(mid) >= NOISY_MIDDLE_RATIO


def _rates(pairs: Sequence[Pair], *, middle: bool) -> tuple[list[float], list[float]]:
    """Suspect's and control's rates of usable pairs."""
    rate = mid_bps if middle else whole_bps
    usable = [p for p in pairs if p.is_usable]
    suspect = [rate(p.suspect) for p in usable if p.suspect is not None]
    return suspect, [rate(p.control) for p in usable if p.control is not None]


def _class_differs(pair: Pair) -> bool:
    """Whether the arms were answered with different classes of status."""
    answers = [t.status for t in (pair.suspect, pair.control) if t is not None and t.status is not None]
    return len(answers) == 2 and answers[0] // 100 != answers[1] // 100


def _lags(transfer: Transfer) -> bool:
    lag, rtt = transfer.loop_lag_seconds, min_rtt_seconds(transfer) or 0.0
    taken = MAX_LAG_TIME_SHARE * (transfer.t - transfer.t_request) if transfer.t_request is not None else 0.0
    return lag > max(MIN_LAG_SECONDS, MAX_LAG_RTT_SHARE * rtt, taken)


def _groups(trials: Sequence[Trial]) -> list[list[Trial]]:
    numbered = [t for t in trials if t.pair is not None]
    return [[t for t in numbered if t.pair == number] for number in dict.fromkeys(t.pair for t in numbered)]
