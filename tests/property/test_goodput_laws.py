"""Do the laws of judgement hold for goodput, whatever the transfers were?

Design §3, "What judgement must never do".
"""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from probe.checks.context import Step
from probe.checks.goodput import Arm, Evidence, Phase, Series, Trial
from probe.failure import Failure
from probe.model.observations import Direction
from probe.model.results import State
from probe.verdict.goodput import RULES, judge, judge_direction, next_step
from tests.goodput_samples import Times, failed, policed_curve, refused, series, stalled_curve, steady, transfer, trial

ACCUSING = (State.THROTTLED, State.BLOCKED)
COMPARISONS = ((Arm.TARGET, Arm.NEUTRAL), (Arm.TARGET, Arm.CONTROL), (Arm.FOREIGN, Arm.CONTROL))
LIMIT_SECONDS = 15.0
SWAPPED = {Arm.TARGET: Arm.NEUTRAL, Arm.NEUTRAL: Arm.TARGET}

rates = st.floats(min_value=3e4, max_value=5e7)
shapes = st.sampled_from(["plain"] * 6 + ["policed", "stalled", "refused", "failed", "timeout", "busy"])


@st.composite
def trials_of(draw: st.DrawFn, arm: Arm, phase: Phase, pair: int | None) -> Trial:
    """One transfer of any kind."""
    shape, rate = draw(shapes), draw(rates)
    made = transfer(arm, steady(rate), limit_seconds=draw(st.sampled_from([1.5, LIMIT_SECONDS])))
    if shape == "policed":
        made = transfer(
            arm, steady(rate), curve=policed_curve(rate / 20, t0=0.0, seconds=1.8, step=0.05), limit_seconds=1.8
        )
    elif shape == "stalled":
        made = transfer(arm, steady(rate), curve=stalled_curve(draw(st.sampled_from([15_000, 60_000])), t0=0.0))
    elif shape == "refused":
        made = refused(made, status=draw(st.sampled_from([403, 421, 503])))
    elif shape == "failed":
        made = failed(made)
    elif shape == "timeout":
        made = failed(made, Failure.GENERIC_TIMEOUT)
    elif shape == "busy":
        made = replace(made, loop_lag_seconds=0.4)
    return trial(arm, made, phase=phase, pair=pair)


@st.composite
def any_series(draw: st.DrawFn) -> Series:
    """Pilots, pairs of one or two comparisons, repetitions: also such as no check would make."""
    trials = [draw(trials_of(arm, Phase.PILOT, None)) for arm in draw(st.lists(st.sampled_from(list(Arm)), max_size=3))]
    number = 0
    for arms in draw(st.lists(st.sampled_from(COMPARISONS), min_size=1, max_size=2)):
        for phase, most in ((Phase.FIRST, 7), (Phase.CONFIRM, 3)):
            for _ in range(draw(st.integers(min_value=0, max_value=most))):
                trials += [draw(trials_of(arm, phase, number)) for arm in arms]
                number += 1
    if draw(st.booleans()):
        trials.append(draw(trials_of(Arm.TARGET, Phase.SMALL, None)))
    return series(trials, budget_hit=draw(st.booleans()))


@st.composite
def slowed_series(draw: st.DrawFn) -> Series:
    """What a throttled target looks like, so that accusations are met often: the suspect at a fraction of its pair."""
    arms = draw(st.sampled_from(COMPARISONS))
    trials = [trial(Arm.CONTROL, transfer(Arm.CONTROL, steady(1e7)), phase=Phase.PILOT)]
    fraction = draw(st.floats(min_value=0.005, max_value=1.2))
    first = draw(st.integers(min_value=2, max_value=7))
    for number in range(first + draw(st.integers(min_value=0, max_value=3))):
        phase = Phase.FIRST if number < first else Phase.CONFIRM
        line = 1e7 * draw(st.floats(min_value=0.7, max_value=1.3))
        pair = zip(arms, (line * fraction, line), strict=True)
        trials += [
            trial(a, transfer(a, steady(r), limit_seconds=LIMIT_SECONDS), phase=phase, pair=number) for a, r in pair
        ]
    return series(trials)


@st.composite
def limited_address(draw: st.DrawFn) -> Series:
    """What a policed or frozen address looks like: alike under both names, far below a control."""
    rate, stalls = draw(st.floats(min_value=1e5, max_value=1e6)), draw(st.booleans())
    trials: list[Trial] = []
    for number in range(2 + draw(st.integers(min_value=1, max_value=4))):
        arms = COMPARISONS[0] if number < 2 else COMPARISONS[1]
        for arm in arms:
            made = transfer(arm, steady(1e7 * draw(st.floats(min_value=0.7, max_value=1.3))))
            if arm is Arm.CONTROL:
                count = len(made.series.t)
                calm = replace(made.series, segments=tuple(n // 1448 for n in made.series.num_bytes))
                made = replace(made, series=replace(calm, rtt_seconds=(0.04,) * count, retransmits=(0,) * count))
            else:
                curve = stalled_curve(15_000, t0=0.0) if stalls else policed_curve(rate, t0=0.0, seconds=1.8, step=0.03)
                made = transfer(arm, steady(1e7), curve=curve, limit_seconds=1.8)
            trials.append(trial(arm, made, pair=number))
    return series(trials)


everything = st.one_of(any_series(), slowed_series(), limited_address())


@given(everything)
@settings(max_examples=300, deadline=None)
def test_judging_is_total_and_deterministic(made: Series) -> None:
    verdict = judge_direction(made)
    assert verdict == judge_direction(made)
    assert verdict.rule_ids[0] in {rule.id for rule in RULES}
    assert next_step(made) is next_step(made)
    assert judge(Evidence(download=made, upload=None)).state is verdict.state


@given(everything)
@settings(max_examples=300, deadline=None)
def test_equal_arms_never_accuse(made: Series) -> None:
    """Every suspect gets its own pair's control transfer: nothing differs any more."""
    by_pair = {t.pair: t.transfer for t in made.trials if t.pair is not None and t.arm in (Arm.NEUTRAL, Arm.CONTROL)}
    equal = [
        replace(t, transfer=by_pair[t.pair]) if t.pair in by_pair and t.arm in (Arm.TARGET, Arm.FOREIGN) else t
        for t in made.trials
    ]
    assert judge_direction(replace(made, trials=tuple(equal))).state not in ACCUSING


@given(everything, st.data())
@settings(max_examples=400, deadline=None)
def test_taking_controls_away_never_accuses(made: Series, data: st.DataObject) -> None:
    if judge_direction(made).state in ACCUSING:
        return
    controls = [i for i, t in enumerate(made.trials) if t.arm in (Arm.NEUTRAL, Arm.CONTROL)]
    gone = data.draw(st.sets(st.sampled_from(controls))) if controls else set()
    kept = tuple(t for i, t in enumerate(made.trials) if i not in gone)
    assert judge_direction(replace(made, trials=kept)).state not in ACCUSING


@given(everything)
@settings(max_examples=300, deadline=None)
def test_taking_all_of_one_control_arm_away_never_accuses(made: Series) -> None:
    for arm in (Arm.NEUTRAL, Arm.CONTROL):
        kept = tuple(t for t in made.trials if t.arm is not arm)
        if len(kept) < len(made.trials) and judge_direction(made).state not in ACCUSING:
            assert judge_direction(replace(made, trials=kept)).state not in ACCUSING


def _slower(times: Times, factor: float, made: Trial) -> Trial:
    return replace(made, transfer=transfer(made.arm, times.times(factor), limit_seconds=LIMIT_SECONDS))


@given(
    st.lists(st.tuples(rates, rates), min_size=2, max_size=7),
    st.integers(min_value=0, max_value=3),
    st.floats(min_value=1.0, max_value=50.0),
)
@settings(max_examples=400, deadline=None)
def test_slowing_the_target_never_clears_it(pair_rates: list[tuple[float, float]], again: int, factor: float) -> None:
    first = max(1, len(pair_rates) - again)
    before, after = [], []
    for number, (target_bps, neutral_bps) in enumerate(pair_rates):
        phase = Phase.FIRST if number < first else Phase.CONFIRM
        target = trial(Arm.TARGET, transfer(Arm.TARGET, steady(target_bps)), phase=phase, pair=number)
        target = _slower(steady(target_bps), 1.0, target)
        made = transfer(Arm.NEUTRAL, steady(neutral_bps), limit_seconds=LIMIT_SECONDS)
        neutral = trial(Arm.NEUTRAL, made, phase=phase, pair=number)
        before += [target, neutral]
        after += [_slower(steady(target_bps), factor, target), neutral]
    if judge_direction(series(before)).state is not State.OK:
        assert judge_direction(series(after)).state is not State.OK


@given(everything)
@settings(max_examples=300, deadline=None)
def test_swapped_arms_are_never_both_slowed(made: Series) -> None:
    """The target slower than the neutral name, and the neutral name slower than the target: one of them at most."""
    only = tuple(t for t in made.trials if t.arm in SWAPPED)
    swapped = tuple(replace(t, arm=SWAPPED[t.arm]) for t in only)
    states = {judge_direction(replace(made, trials=given)).state for given in (only, swapped)}
    assert len(states) == 2 or not states & set(ACCUSING)


@given(any_series())
@settings(max_examples=200, deadline=None)
def test_two_servers_alone_never_accuse_without_a_signature(made: Series) -> None:
    between = tuple(t for t in made.trials if t.arm in (Arm.TARGET, Arm.CONTROL))
    bare = tuple(
        replace(t, transfer=replace(t.transfer, series=replace(t.transfer.series, segments=(), rtt_seconds=())))
        for t in between
    )
    verdict = judge_direction(replace(made, trials=bare))
    assert verdict.state not in ACCUSING or "stall" in verdict.rule_ids[0]


@given(everything)
@settings(max_examples=200, deadline=None)
def test_nothing_is_asked_for_once_a_pair_is_broken(made: Series) -> None:
    paired = [t for t in made.trials if t.pair is not None]
    if paired:
        broken = replace(made, trials=tuple(t for t in made.trials if t is not paired[0]))
        assert next_step(broken) is Step.DONE
        assert judge_direction(broken).state not in ACCUSING


@given(everything, everything)
@settings(max_examples=100, deadline=None)
def test_the_worse_direction_is_the_targets(down: Series, up: Series) -> None:
    up = replace(up, direction=Direction.UPLOAD)
    both = judge(Evidence(download=down, upload=up)).state
    alone = {judge_direction(down).state, judge_direction(up).state}
    assert both in alone
    if alone & set(ACCUSING):
        assert both in ACCUSING
