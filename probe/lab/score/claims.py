"""Which of the promised error rates do these runs bear out?

Pure: trials in, promises with their measured rates out. The promises are the project's own, made before the runs; a
rate that breaks one stands here like any other.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from probe.lab.scenarios.base import Family
from probe.lab.scenarios.holding import STALL_TOLERANCE_BYTES, Aspect
from probe.lab.score.confusion import Trial
from probe.lab.score.intervals import Rate
from probe.lab.score.record import RunRecord, TargetRecord
from probe.lab.score.shares import least_share, rate
from probe.model.results import Method, State

HOME_LINES = frozenset(
    {"home", "home_ipv6", "home_broken_ipv6", "fibre", "cable", "asymmetric", "dsl", "cgnat", "silent", "diurnal"}
)
WIFI, MOBILE, DSL, SATELLITE = "wifi", "mobile", "dsl", "satellite"
BLOCKING = (Family.DNS, Family.ADDRESS, Family.TLS, Family.HTTP)
SLOWING = (Family.THROTTLING, Family.STALL)
TENTH, QUARTER, FOURTEENTH = 0.10, 0.25, 0.07  # of the line
MANY_TRIALS, USUAL_TRIALS = 600, 200  # where 99.5 % is promised, and elsewhere
LIMIT_ERROR = 0.05  # of a policer's or shaper's rate, the median's
MAX_ASKED_BPS = 2e6  # above it no rate is promised
NINE_IN_TEN, EVERY_OTHER = "throttled-nine-of-ten-flows", "throttled-half-of-flows"
CLEAN_LINE = frozenset({"clean-line"})
NEAR_AND_POLICED = frozenset({"policed-download", "policed-upload", "policed-both-ways"})
CLEAN_BYTES, FOUND_BYTES = 2_000_000, 4_000_000  # of one target, both directions together
COST_TRIALS = 20  # of a sum that hardly varies

Chosen = Callable[[RunRecord, TargetRecord], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """`words`: what is promised; `bound`: of the rate, a least one where `at_least`; of fewer than `wanted_trials`
    little follows."""

    words: str
    bound: float
    at_least: bool
    wanted_trials: int
    measured: Rate

    @property
    def kept(self) -> bool | None:
        """Whether the measured rate is within the bound; None without a trial."""
        value = self.measured.value
        if value is None:
            return None
        return value >= self.bound if self.at_least else value <= self.bound

    @property
    def enough(self) -> bool:
        return self.measured.trials >= self.wanted_trials


def claims_of(trials: Sequence[Trial]) -> tuple[Claim, ...]:
    """All promises that trials can bear out, in the order of what is worst to get wrong."""
    return (*_false_alarms(trials), *_misses(trials), *_clarity(trials), *_figures(trials), *_costs(trials))


def _false_alarms(trials: Sequence[Trial]) -> Iterable[Claim]:
    for words, bound, wanted, lines in (
        ("no false alarm on home lines", 0.0, 3_000, HOME_LINES),
        ("false alarms on Wi-Fi with 2 % loss", 0.005, 1_000, {WIFI}),
    ):
        yield _most(words, bound, wanted, _of(trials, lambda r, t: not t.truth.interfered, lines), _false_alarm)


def _misses(trials: Sequence[Trial]) -> Iterable[Claim]:
    def slowed(most: float, least: float = 0.0, *, frozen: bool) -> Chosen:
        def chosen(run: RunRecord, target: TargetRecord) -> bool:
            if run.family not in SLOWING or not target.accusation_wanted:
                return False
            share = least_share(run, target)
            return least < share <= most if share is not None else frozen and Method.STALLED in target.truth.methods

        return chosen

    tenth, fourteenth = slowed(TENTH, frozen=True), slowed(FOURTEENTH, frozen=False)
    home = _of(trials, tenth, HOME_LINES)
    yield _least(
        "throttling to 10 % of the line, or a freeze, found: home lines", 0.995, MANY_TRIALS, home, _not_missed
    )
    quarter = _of(trials, slowed(QUARTER, TENTH, frozen=False), {"home"})
    yield _least("throttling to a quarter found: home", 0.98, USUAL_TRIALS, quarter, _not_missed)
    uneven = _of(trials, fourteenth, {WIFI, MOBILE})
    yield _least("throttling to 7 % found: Wi-Fi and mobile", 0.97, USUAL_TRIALS, uneven, _not_missed)
    for family in BLOCKING:
        blocked = [(r, t) for r, t in trials if r.family is family and t.accusation_wanted]
        yield _least(f"blocking found: {family.value}", 0.995, MANY_TRIALS, blocked, _not_missed)
    nine = [(r, t) for r, t in trials if r.key.scenario == NINE_IN_TEN and t.truth.interfered]
    half = [(r, t) for r, t in trials if r.key.scenario == EVERY_OTHER and t.truth.interfered]
    yield _least("nine flows of ten throttled: throttled", 0.6, USUAL_TRIALS, nine, _accused)
    yield _most("nine flows of ten throttled: ok", 0.02, USUAL_TRIALS, nine, _ok)
    yield _most("every other flow throttled: ok", 0.35, USUAL_TRIALS, half, _ok)


def _clarity(trials: Sequence[Trial]) -> Iterable[Claim]:
    def clean(run: RunRecord, target: TargetRecord) -> bool:
        return not target.truth.interfered and target.truth.states == (State.OK,)

    def inconclusive(target: TargetRecord) -> bool:
        return target.state is State.INCONCLUSIVE

    home, uneven = _of(trials, clean, HOME_LINES), _of(trials, clean, {WIFI, MOBILE})
    yield _most("inconclusive where ok is true, home lines", 0.01, USUAL_TRIALS, home, inconclusive)
    yield _most("inconclusive where ok is true, Wi-Fi and mobile", 0.03, USUAL_TRIALS, uneven, inconclusive)


def _figures(trials: Sequence[Trial]) -> Iterable[Claim]:
    """Of accusations that are right: the method's word, the limiter's rate, a freeze's offset."""
    right = [(r, t) for r, t in trials if t.accused and t.truth.interfered and t.acceptable]

    def asked(aspect: Aspect) -> list[Trial]:
        return [(r, t) for r, t in right if any(p.aspect is aspect for p in t.points)]

    def holds(aspect: Aspect) -> Callable[[TargetRecord], bool]:
        return lambda t: all(p.right for p in t.points if p.aspect is aspect)

    def near(aspect: Aspect, tolerance: float) -> Callable[[TargetRecord], bool]:
        return lambda t: all(p.error is not None and abs(p.error) <= tolerance for p in t.points if p.aspect is aspect)

    limits = [(r, t) for r, t in asked(Aspect.LIMIT) if (t.truth.limit_bps or 0.0) <= MAX_ASKED_BPS]
    offset = f"a freeze's offset within {STALL_TOLERANCE_BYTES / 1e3:.1f} kB"
    yield _least("method right", 0.95, USUAL_TRIALS, asked(Aspect.METHOD), holds(Aspect.METHOD))
    yield _least(
        f"a limiter's rate, up to {MAX_ASKED_BPS / 1e6:.0f} Mbit/s, within {LIMIT_ERROR:.0%} in half of the cases",
        0.5,
        USUAL_TRIALS,
        limits,
        near(Aspect.LIMIT, LIMIT_ERROR),
    )
    stalls = asked(Aspect.STALL_OFFSET)
    yield _least(offset, 0.95, USUAL_TRIALS, stalls, near(Aspect.STALL_OFFSET, STALL_TOLERANCE_BYTES))


def _costs(trials: Sequence[Trial]) -> Iterable[Claim]:
    """Of near targets, clean or policed; the page's last tables have all others."""
    measured = [(r, t) for r, t in trials if t.goodput_seconds is not None]

    def costs(num_bytes: int, seconds: float) -> Callable[[TargetRecord], bool]:
        return lambda t: t.num_bytes <= num_bytes and (t.goodput_seconds or 0.0) <= seconds

    for words, lines, scenarios, state, num_bytes, seconds in (
        ("ok on home", {"home"}, CLEAN_LINE, State.OK, CLEAN_BYTES, 6.0),
        ("throttled on home", {"home"}, NEAR_AND_POLICED, State.THROTTLED, FOUND_BYTES, 25.0),
        ("throttled on mobile and DSL", {MOBILE, DSL}, NEAR_AND_POLICED, State.THROTTLED, FOUND_BYTES, 50.0),
        ("throttled over a satellite", {SATELLITE}, NEAR_AND_POLICED, State.THROTTLED, FOUND_BYTES, 120.0),
    ):
        near = [(r, t) for r, t in measured if r.key.scenario in scenarios and t.state is state]
        promise = f"{words}, a near target: at most {num_bytes / 1e6:.0f} MB and {seconds:.0f} s"
        chosen = _of(near, lambda _run, _target: True, lines)
        yield _least(promise, 0.95, COST_TRIALS, chosen, costs(num_bytes, seconds))


def _of(trials: Sequence[Trial], chosen: Chosen, lines: Iterable[str]) -> list[Trial]:
    wanted = set(lines)
    return [(r, t) for r, t in trials if r.key.profile in wanted and chosen(r, t)]


def _least(
    words: str, bound: float, wanted: int, trials: Sequence[Trial], hits: Callable[[TargetRecord], bool]
) -> Claim:
    measured = rate(trials, lambda _: True, hits)
    return Claim(words=words, bound=bound, at_least=True, wanted_trials=wanted, measured=measured)


def _most(
    words: str, bound: float, wanted: int, trials: Sequence[Trial], hits: Callable[[TargetRecord], bool]
) -> Claim:
    measured = rate(trials, lambda _: True, hits)
    return Claim(words=words, bound=bound, at_least=False, wanted_trials=wanted, measured=measured)


def _false_alarm(target: TargetRecord) -> bool:
    return target.false_alarm


def _not_missed(target: TargetRecord) -> bool:
    return not target.missed


def _accused(target: TargetRecord) -> bool:
    return target.accused


def _ok(target: TargetRecord) -> bool:
    return target.state is State.OK
