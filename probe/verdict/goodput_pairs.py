"""Is one arm slower than its control, given their pairs in the order measured?

From transfers to the numbers of pairs. The rule on those is `goodput_sequence`; which arms may accuse of what is for
`probe.verdict.goodput`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from probe.checks.goodput.evidence import Arm, Phase, Trial
from probe.checks.goodput.fate import Fate, fate, is_sample
from probe.model.observations import Direction, Transfer
from probe.stats.curves import hole_share, mid_bps, min_rtt_seconds, retransmitted_share, whole_bps
from probe.verdict.goodput_sequence import EQUAL_PAIRS, Measured, decide, flows_differ, is_quiet

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
    estimator that the control arm's spread chose (`middle`). `slowed_pairs` are those that show a slowed flow by
    themselves; `flows_differ`: on an even line some do and some show none."""

    pairs: tuple[Pair, ...]
    middle: bool
    suspect_bps: tuple[float, ...]
    control_bps: tuple[float, ...]
    outcome: Outcome
    slowed_pairs: int
    flows_differ: bool

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
    names at one server that one of them is not served; between two servers nothing, nor do their ways' losses.
    """
    same_way = if_answers_differ is not None
    usable = [measured(p, losses=same_way) for p in pairs if p.is_usable]
    middle = is_quiet(usable)
    return Tally(
        pairs=tuple(pairs),
        middle=middle,
        suspect_bps=tuple(p.suspect_bps if middle else p.suspect_whole_bps for p in usable),
        control_bps=tuple(p.control_bps if middle else p.control_whole_bps for p in usable),
        outcome=_outcome(pairs, usable, if_answers_differ=if_answers_differ),
        slowed_pairs=sum(p.is_apart for p in usable),
        flows_differ=flows_differ([p for p in usable if p.calm]),
    )


def _outcome(pairs: Sequence[Pair], usable: Sequence[Measured], *, if_answers_differ: Outcome | None) -> Outcome:
    if not pairs:
        return Outcome.ABSENT
    unserved = _unserved(pairs)
    if unserved is not None:
        return unserved
    if if_answers_differ is not None and any(_class_differs(p) for p in pairs):
        return if_answers_differ
    return Outcome(decide(usable, complete=len(usable) == len(pairs)).value)


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


def measured(pair: Pair, *, losses: bool = True) -> Measured:
    """A usable pair in numbers; `losses`: with what either flow lost."""
    assert pair.suspect is not None
    assert pair.control is not None
    return Measured(
        suspect_bps=mid_bps(pair.suspect),
        control_bps=mid_bps(pair.control),
        suspect_whole_bps=whole_bps(pair.suspect),
        control_whole_bps=whole_bps(pair.control),
        calm=not pair.is_disturbed,
        again=pair.phase is Phase.CONFIRM,
        suspect_loss=_lost_share(pair.suspect) if losses else None,
        control_loss=_lost_share(pair.control) if losses else None,
    )


def _lost_share(transfer: Transfer) -> float | None:
    """What of it was lost: by what the kernel sent again, or by the holes in what arrived."""
    return retransmitted_share(transfer) if transfer.direction is Direction.UPLOAD else hole_share(transfer)


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
