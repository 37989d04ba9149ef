"""Does each series lead to the rule that it should, and is every rule reached?"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from probe.checks.context import Step
from probe.checks.goodput import Arm, Candidate, Evidence, Phase, Series, Trial
from probe.failure import Failure
from probe.model.observations import Direction, Transfer
from probe.model.results import Comparison, Mechanism, Method, State, Strength, Trigger
from probe.stats.curves import holes
from probe.verdict.goodput import RULES, enough, judge, judge_direction, next_step
from probe.verdict.goodput_method import signature_of
from tests.goodput_samples import (
    KIB,
    failed,
    policed_curve,
    refused,
    series,
    shaped_curve,
    stalled_curve,
    steady,
    transfer,
    trial,
)

LINE, SLOW = 18e6, 0.14e6
Make = Callable[[Arm], Transfer]


def at(rate_bps: float, *, limit: float = 15.0, num_bytes: int = 256 * KIB) -> Make:
    return lambda arm: transfer(arm, steady(rate_bps, num_bytes), limit_seconds=limit, num_bytes=num_bytes)


FAST, SLOWED, MODEST = at(LINE), at(SLOW, limit=1.5), at(0.9e6)


def policed(arm: Arm) -> Transfer:
    curve = policed_curve(300e3, t0=0.0, seconds=3.0)
    return transfer(arm, steady(LINE), curve=curve, limit_seconds=3.0)


def shaped(arm: Arm) -> Transfer:
    return transfer(arm, steady(LINE), curve=shaped_curve(300e3, t0=0.0, seconds=3.0), limit_seconds=3.0)


def healthy(arm: Arm, bps: float = LINE) -> Transfer:
    """With a curve of segments and RTTs that shows neither loss nor queue."""
    made = transfer(arm, steady(bps))
    count = len(made.series.t)
    rising = tuple(n // 1448 for n in made.series.num_bytes)
    curve = replace(made.series, segments=rising, rtt_seconds=(0.04,) * count, retransmits=(0,) * count)
    return replace(made, series=curve)


def paced(arm: Arm) -> Transfer:
    """A server that sends no faster."""
    return healthy(arm, SLOW)


def stalled(arm: Arm) -> Transfer:
    return transfer(arm, steady(LINE), curve=stalled_curve(15_000, t0=0.0), limit_seconds=1.6)


def silent_over_a_satellite(arm: Arm) -> Transfer:
    """Stopped after some bytes without a loss or a queue, and cut before the silence could be called a freeze."""
    curve = stalled_curve(15_000, t0=0.0, rtt=0.6)
    rising = tuple(n // 1448 for n in curve.num_bytes)
    curve = replace(curve, segments=rising, rtt_seconds=(0.6,) * 3, retransmits=(0,) * 3)
    return transfer(arm, steady(LINE), curve=curve, rtt=0.6, limit_seconds=curve.t[-1] + 1.5)


def fast_over_a_satellite(arm: Arm) -> Transfer:
    return transfer(arm, steady(LINE), rtt=0.6)


def hanging(arm: Arm) -> Transfer:
    """Stands still like a frozen one, but the server's kernel goes on answering."""
    flow = stalled(arm)
    assert flow.tcp_after is not None
    return replace(flow, tcp_after=replace(flow.tcp_after, heard_ago_seconds=0.3))


def pilot(arm: Arm = Arm.NEUTRAL, make: Make = FAST) -> Trial:
    return trial(arm, make(arm), phase=Phase.PILOT)


def pairs(
    suspect: Make,
    control: Make,
    count: int,
    *,
    arms: tuple[Arm, Arm] = (Arm.TARGET, Arm.NEUTRAL),
    phase: Phase = Phase.FIRST,
    start: int = 0,
) -> list[Trial]:
    return [
        trial(arm, make(arm), phase=phase, pair=start + number)
        for number in range(count)
        for arm, make in zip(arms, (suspect, control), strict=True)
    ]


def found(suspect: Make, control: Make = FAST, *, arms: tuple[Arm, Arm] = (Arm.TARGET, Arm.NEUTRAL)) -> list[Trial]:
    """Three pairs and two more."""
    first = pairs(suspect, control, 3, arms=arms)
    return first + pairs(suspect, control, 2, arms=arms, phase=Phase.CONFIRM, start=3)


AT_CONTROL = (Arm.FOREIGN, Arm.CONTROL)
BETWEEN = (Arm.TARGET, Arm.CONTROL)
STRICT = [
    trial(Arm.NEUTRAL, refused(FAST(Arm.NEUTRAL), alert="unrecognized_name"), phase=Phase.PILOT),
    pilot(Arm.TARGET),
    pilot(Arm.CONTROL),
]
SMALL_THROUGH = trial(Arm.TARGET, at(LINE, num_bytes=8 * KIB)(Arm.TARGET), phase=Phase.SMALL)
SMALL_STUCK = trial(Arm.TARGET, failed(FAST(Arm.TARGET), Failure.GENERIC_TIMEOUT), phase=Phase.SMALL)
LAST = Candidate(url="https://media.target.example/gone", problem="answers 404")

CASES: dict[str, Series] = {
    "goodput.media_gone": series([], candidates=(LAST,)),
    "goodput.not_begun": series([pilot()], budget_hit=True),
    "goodput.stall_by_name_below_offset_too": series([pilot(), *found(stalled), SMALL_STUCK]),
    "goodput.stall_by_name": series([pilot(), *found(stalled), SMALL_THROUGH]),
    "goodput.name_slower_without_trace": series([pilot(), *found(paced, healthy)]),
    "goodput.name_falls_silent": series(
        [pilot(make=fast_over_a_satellite), *found(silent_over_a_satellite, fast_over_a_satellite)]
    ),
    "goodput.name_slower_at_target": series([pilot(), *found(SLOWED)]),
    "goodput.name_slower_at_control": series([*STRICT, *found(SLOWED, arms=AT_CONTROL)]),
    "goodput.server_stops": series(
        [pilot(), *pairs(hanging, hanging, 2), *pairs(hanging, healthy, 3, arms=BETWEEN, start=2)]
    ),
    "goodput.address_stall_below_offset_too": series(
        [pilot(), *pairs(stalled, stalled, 2), *pairs(stalled, healthy, 3, arms=BETWEEN, start=2), SMALL_STUCK]
    ),
    "goodput.address_stall": series(
        [pilot(), *pairs(stalled, stalled, 2), *pairs(stalled, healthy, 3, arms=BETWEEN, start=2), SMALL_THROUGH]
    ),
    "goodput.limiter_signature": series(
        [pilot(), *pairs(policed, policed, 2), *pairs(policed, healthy, 3, arms=BETWEEN, start=2)]
    ),
    "goodput.target_refused": series([pilot(), *pairs(lambda arm: refused(FAST(arm), status=403), FAST, 1)]),
    "goodput.target_unmeasured": series([pilot(), *pairs(lambda arm: failed(FAST(arm)), FAST, 2)]),
    "goodput.name_not_slower_at_target": series([pilot(), *pairs(FAST, FAST, 2)]),
    "goodput.name_not_slower_at_control": series([*STRICT, *pairs(FAST, FAST, 2, arms=AT_CONTROL)]),
    "goodput.not_slower_than_control": series([*STRICT, *pairs(FAST, FAST, 2, arms=BETWEEN)]),
    "goodput.not_repeated": series(
        [pilot(), *pairs(SLOWED, FAST, 3), *pairs(at(11e6), FAST, 8, phase=Phase.CONFIRM, start=3)]
    ),
    "goodput.flows_differ": series(
        [pilot(), *pairs(SLOWED, FAST, 3), *pairs(FAST, FAST, 2, phase=Phase.CONFIRM, start=3)]
    ),
    "goodput.control_failed": series([pilot(), *pairs(SLOWED, FAST, 3), *found(SLOWED)[-4:-1]]),
    "goodput.address_unchecked": series([pilot(make=MODEST), *pairs(MODEST, MODEST, 2)]),
    "goodput.limit_reached": series([pilot(), *pairs(SLOWED, FAST, 3)], deadline_hit=True),
    "goodput.server_slow": series([pilot(), *pairs(MODEST, MODEST, 2), *pairs(MODEST, FAST, 3, arms=BETWEEN, start=2)]),
    "goodput.slower_than_control": series(
        [
            *STRICT,
            *pairs(at(5e6), FAST, 3, arms=BETWEEN),
            *pairs(lambda arm: refused(FAST(arm), status=421), FAST, 1, arms=AT_CONTROL, start=3),
        ]
    ),
    "goodput.no_control": series(STRICT[:2]),
    "goodput.undecided": series([pilot(), *pairs(at(11e6), FAST, 7)]),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_is_reached(rule: object) -> None:
    assert judge_direction(CASES[rule.id]).rule_ids == (rule.id,)  # type: ignore[attr-defined]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_sentence_is_whole(rule: object) -> None:
    reason = judge_direction(CASES[rule.id]).reason  # type: ignore[attr-defined]
    assert reason.startswith("download ") and "None" not in reason and "nan" not in reason


def test_a_name_slowed_at_the_targets_address_is_confirmed_with_its_figures() -> None:
    verdict = judge_direction(CASES["goodput.name_slower_at_target"])
    facts = verdict.facts.download
    assert facts is not None
    assert (verdict.state, verdict.strength) == (State.THROTTLED, Strength.CONFIRMED)
    assert verdict.mechanisms == (Mechanism.TLS_THROTTLE_SNI,)
    assert (facts.comparison, facts.trigger, facts.pairs) == (Comparison.NAME_AT_TARGET, Trigger.SNI, 5)
    assert facts.confirmed_by_repeat and facts.ratio_level == 0.9375
    assert facts.ratio_low is not None and facts.ratio_high is not None and facts.ratio_high < 0.1


def test_where_every_name_is_refused_an_uneven_line_is_given_more_pairs_with_the_control() -> None:
    refusal = pairs(lambda arm: refused(FAST(arm), alert="unrecognized_name"), FAST, 1, arms=AT_CONTROL, start=3)
    rates = ((3e6, 7e6), (4.8e6, 2e6), (2.7e6, 5.7e6))
    uneven = [t for i, (a, b) in enumerate(rates) for t in pairs(at(a), at(b), 1, arms=BETWEEN, start=i)]
    even = pairs(at(9e6), FAST, 3, arms=BETWEEN)
    assert next_step(series([*STRICT, *uneven, *refusal])) is Step.CONTROL
    assert next_step(series([*STRICT, *even, *refusal])) is Step.DONE
    alike = pairs(FAST, FAST, 3, arms=BETWEEN, start=4)
    assert judge_direction(series([*STRICT, *uneven, *refusal, *alike])).state is State.OK


def test_flows_that_stand_still_under_every_name_are_never_ok() -> None:
    """However slow the control is: as over a satellite, where 64 KB never leave slow start."""
    control = trial(Arm.CONTROL, at(0.3e6, num_bytes=32 * KIB)(Arm.CONTROL), phase=Phase.PILOT)

    def briefly(arm: Arm) -> Transfer:
        """Its time ends when it has been silent for three of the path's round trips."""
        return transfer(arm, steady(LINE), rtt=0.6, curve=stalled_curve(15_000, t0=0.0, rtt=0.6), limit_seconds=4.2)

    for make in (stalled, briefly):
        found = series([pilot(make=make), *pairs(make, make, 2), control])
        assert next_step(found) is Step.CONTROL
        verdict = judge_direction(found)
        assert (verdict.state, verdict.rule_ids) == (State.INCONCLUSIVE, ("goodput.server_slow",))


def test_a_stall_tells_its_offset_and_is_throttling_only_where_smaller_objects_pass() -> None:
    stall = judge_direction(CASES["goodput.stall_by_name"])
    assert (stall.state, stall.mechanisms) == (State.THROTTLED, (Mechanism.TLS_STALL_SNI,))
    assert stall.facts.download is not None
    assert (stall.facts.download.method, stall.facts.download.stall_after_bytes) == (Method.STALLED, 15_900)
    assert judge_direction(CASES["goodput.stall_by_name_below_offset_too"]).state is State.BLOCKED


def test_a_stalled_address_is_accused_only_where_no_flow_was_answered_and_all_were_asked() -> None:
    def untold(arm: Arm) -> Transfer:
        flow = stalled(arm)
        assert flow.tcp_after is not None
        return replace(flow, tcp_after=replace(flow.tcp_after, heard_ago_seconds=None))

    for odd in (hanging, untold):
        trials = [pilot(), *pairs(stalled, stalled, 2), *pairs(stalled, healthy, 2, arms=BETWEEN, start=2)]
        trials += pairs(odd, healthy, 1, arms=BETWEEN, start=4)
        assert judge_direction(series([*trials, SMALL_THROUGH])).state is State.INCONCLUSIVE


def test_a_lines_own_losses_are_no_signature_of_a_slow_servers_flows() -> None:
    """Watched for longer it shows more holes than a control's short flows, though no more of its segments are lost."""

    def brief(arm: Arm) -> Transfer:
        return transfer(arm, steady(LINE), curve=policed_curve(300e3, t0=0.0, seconds=0.8), limit_seconds=0.8)

    slow = [policed(Arm.TARGET)] * 3
    assert signature_of(slow, [healthy(Arm.CONTROL)] * 3) is Method.POLICED
    assert (holes(brief(Arm.CONTROL)) or 0) <= (holes(slow[0]) or 0) / 3
    assert signature_of(slow, [brief(Arm.CONTROL)] * 3) is None


def test_a_name_whose_server_hangs_is_not_accused() -> None:
    assert judge_direction(series([pilot(), *found(hanging), SMALL_THROUGH])).rule_ids == ("goodput.server_stops",)


def test_a_name_that_its_own_server_may_send_more_slowly_is_nobodys_throttling_and_has_no_method() -> None:
    verdict = judge_direction(CASES["goodput.name_slower_without_trace"])
    assert (verdict.state, verdict.strength) == (State.INCONCLUSIVE, None)
    assert verdict.facts.download is not None and verdict.facts.download.method is Method.UNKNOWN
    for slowed in (policed, shaped):
        found_so = judge_direction(series([pilot(), *found(slowed, healthy)]))
        assert found_so.strength is Strength.CONFIRMED


def test_a_name_slowed_at_a_controls_address_too_needs_no_trace() -> None:
    verdict = judge_direction(series([*STRICT, *found(paced, healthy, arms=AT_CONTROL)]))
    assert (verdict.rule_ids, verdict.strength) == (("goodput.name_slower_at_control",), Strength.CONFIRMED)


def test_a_signature_is_likely_and_of_the_address() -> None:
    verdict = judge_direction(CASES["goodput.limiter_signature"])
    assert (verdict.state, verdict.strength) == (State.THROTTLED, Strength.LIKELY)
    assert verdict.mechanisms == (Mechanism.IP_THROTTLE,)
    assert verdict.facts.download is not None
    assert verdict.facts.download.comparison is Comparison.SIGNATURE
    assert verdict.facts.download.trigger is Trigger.IP
    assert verdict.facts.download.method is Method.POLICED


@pytest.mark.parametrize(("limit_bps", "state"), [(0.6e6, State.THROTTLED), (2.4e6, State.INCONCLUSIVE)])
def test_a_limiter_as_fast_as_rented_servers_have_is_nobodys_signature(limit_bps: float, state: State) -> None:
    """The server takes no neutral names, and a control on a fast line is far ahead."""

    def limited(arm: Arm) -> Transfer:
        return transfer(arm, steady(LINE), curve=shaped_curve(limit_bps, t0=0.0, seconds=1.0), limit_seconds=1.0)

    unserved = pairs(lambda arm: refused(FAST(arm), status=421), FAST, 1, arms=AT_CONTROL)
    verdict = judge_direction(series([*STRICT, *unserved, *pairs(limited, healthy, 3, arms=BETWEEN, start=1)]))
    assert verdict.state is state


def test_a_signature_without_a_comparison_of_names_has_no_trigger() -> None:
    unserved = pairs(lambda arm: refused(FAST(arm), status=421), FAST, 1, arms=AT_CONTROL)
    verdict = judge_direction(series([*STRICT, *unserved, *pairs(shaped, healthy, 3, arms=BETWEEN, start=1)]))
    assert verdict.mechanisms == (Mechanism.THROTTLE_UNATTRIBUTED,)
    assert verdict.facts.download is not None and verdict.facts.download.trigger is Trigger.UNKNOWN


def test_a_control_with_the_same_losses_takes_the_signature_away() -> None:
    lossy = replace(policed(Arm.CONTROL), cut=False, complete=True, num_bytes=256 * KIB)
    trials = [pilot(), *pairs(policed, policed, 2), *pairs(policed, lambda _: lossy, 3, arms=BETWEEN, start=2)]
    assert judge_direction(series(trials)).state is State.INCONCLUSIVE


def test_a_line_that_is_slow_for_all_is_ok() -> None:
    trials = [pilot(make=MODEST), *pairs(MODEST, MODEST, 2), pilot(Arm.CONTROL, MODEST)]
    assert judge_direction(series(trials)).rule_ids == ("goodput.name_not_slower_at_target",)


@pytest.mark.parametrize(("control", "state"), [(at(1.2e6), State.OK), (at(3e6), State.INCONCLUSIVE)])
def test_a_slow_address_beside_a_much_faster_control_is_not_called_healthy(control: Make, state: State) -> None:
    trials = [pilot(make=MODEST), *pairs(MODEST, MODEST, 2), *pairs(MODEST, control, 2, start=2, arms=BETWEEN)]
    assert judge_direction(series(trials)).state is state


def test_a_far_server_is_not_far_below_its_control() -> None:
    def far(arm: Arm) -> Transfer:
        return transfer(arm, steady(1.2e6), rtt=0.18)

    trials = [pilot(make=far), *pairs(far, far, 2), pilot(Arm.CONTROL)]
    assert judge_direction(series(trials)).state is not State.THROTTLED


def test_a_far_strict_server_whose_distance_explains_its_rate_is_ok() -> None:
    def far(arm: Arm) -> Transfer:
        return transfer(arm, steady(5e6), rtt=0.18)

    unserved = pairs(lambda arm: refused(FAST(arm), status=421), FAST, 1, arms=AT_CONTROL)
    verdict = judge_direction(series([*STRICT, *pairs(far, FAST, 2, arms=BETWEEN, start=1), *unserved]))
    assert verdict.rule_ids == ("goodput.not_slower_than_control",)
    slow = [*STRICT, *pairs(lambda arm: transfer(arm, steady(1e6), rtt=0.18), FAST, 2, arms=BETWEEN, start=1)]
    assert judge_direction(series([*slow, *unserved])).state is State.INCONCLUSIVE


def test_ok_tells_what_it_could_have_seen() -> None:
    facts = judge_direction(CASES["goodput.name_not_slower_at_target"]).facts.download
    assert facts is not None and facts.detectable_ratio is not None and facts.detectable_burst_bytes is not None
    assert 0.2 < facts.detectable_ratio < 0.34
    assert facts.detectable_burst_bytes > 64 * KIB
    assert (facts.method, facts.limit_bps, facts.caveat) == (Method.UNKNOWN, None, "")


def test_uncounted_bytes_are_a_caveat() -> None:
    trials = [replace(t, transfer=replace(t.transfer, kernel_counted=False)) for t in (pilot(), *pairs(FAST, FAST, 2))]
    facts = judge_direction(series(trials)).facts.download
    assert facts is not None and "program" in facts.caveat


def test_a_disturbed_pair_neither_accuses_nor_clears() -> None:
    def busy(arm: Arm) -> Transfer:
        return replace(FAST(arm), loop_lag_seconds=0.5)

    assert next_step(series([pilot(), *pairs(busy, busy, 3)])) is Step.PAIR
    trials = [pilot(), *pairs(SLOWED, busy, 3)]
    assert next_step(series(trials)) is Step.PAIR
    more = [*trials, *pairs(SLOWED, FAST, 3, start=3)]
    assert next_step(series(more)) is Step.CONFIRM
    again = pairs(SLOWED, busy, 4, phase=Phase.CONFIRM, start=6)
    assert next_step(series([*more, *again])) is Step.CONFIRM
    more_again = pairs(SLOWED, busy, 5, phase=Phase.CONFIRM, start=6)
    assert judge_direction(series([*more, *more_again])).rule_ids == ("goodput.not_repeated",)


def test_one_failed_control_stops_an_accusation() -> None:
    trials = [pilot(), *pairs(SLOWED, lambda arm: failed(FAST(arm)), 1), *pairs(SLOWED, FAST, 6, start=1)]
    assert judge_direction(series(trials)).state is State.INCONCLUSIVE


def test_the_names_are_not_compared_where_their_answers_differ() -> None:
    def answered(status: int) -> Make:
        return lambda arm: replace(FAST(arm), direction=Direction.UPLOAD, status=status)

    trials = [pilot(), *pairs(answered(403), answered(200), 2)]
    assert next_step(series(trials, direction=Direction.UPLOAD)) is Step.CONTROL


@pytest.mark.parametrize(
    ("trials", "step"),
    [
        ([], Step.DONE),
        ([pilot()], Step.PAIR),
        ([pilot(), *pairs(FAST, FAST, 1)], Step.PAIR),
        ([pilot(), *pairs(FAST, FAST, 2)], Step.DONE),
        ([pilot(), *pairs(SLOWED, FAST, 3)], Step.CONFIRM),
        ([pilot(), *found(SLOWED)], Step.DONE),
        ([pilot(), *found(stalled)], Step.SMALL),
        ([pilot(), *found(stalled), SMALL_THROUGH], Step.DONE),
        ([pilot(), *pairs(MODEST, MODEST, 2)], Step.CONTROL),
        ([pilot(), *pairs(MODEST, MODEST, 2), pilot(Arm.CONTROL, MODEST)], Step.DONE),
        ([pilot(), *pairs(MODEST, MODEST, 2), pilot(Arm.CONTROL)], Step.CONTROL),
        ([pilot(), *pairs(at(11e6), FAST, 7)], Step.DONE),
        (STRICT[:2], Step.CONTROL),
        (STRICT, Step.CONTROL),
        ([STRICT[0], pilot(Arm.TARGET, SLOWED), pilot(Arm.CONTROL)], Step.FOREIGN),
        ([*STRICT, *pairs(SLOWED, FAST, 2, arms=BETWEEN)], Step.FOREIGN),
        ([*STRICT, *pairs(FAST, FAST, 2, arms=BETWEEN)], Step.DONE),
        ([*STRICT, *pairs(FAST, FAST, 2, arms=AT_CONTROL)], Step.DONE),
        ([*STRICT, *pairs(SLOWED, FAST, 3, arms=AT_CONTROL)], Step.CONFIRM),
        ([STRICT[0], trial(Arm.TARGET, failed(FAST(Arm.TARGET)), phase=Phase.PILOT)], Step.DONE),
    ],
)
def test_what_is_measured_next(trials: list[Trial], step: Step) -> None:
    assert next_step(series(trials)) is step
    assert enough(series(trials)) is step


def test_the_worse_direction_decides_and_both_figures_are_told() -> None:
    up = series([pilot(), *pairs(FAST, FAST, 2)], direction=Direction.UPLOAD)
    verdict = judge(Evidence(download=CASES["goodput.name_slower_at_target"], upload=up))
    assert (verdict.state, verdict.strength) == (State.THROTTLED, Strength.CONFIRMED)
    assert verdict.facts.download is not None and verdict.facts.upload is not None
    assert "upload" not in verdict.reason


def test_an_upload_that_could_not_be_measured_leaves_the_download_ok_and_is_named() -> None:
    gone = series([], direction=Direction.UPLOAD, candidates=(LAST,))
    verdict = judge(Evidence(download=CASES["goodput.name_not_slower_at_target"], upload=gone))
    assert verdict.state is State.OK
    assert "upload not measured" in verdict.reason
    assert judge(Evidence(download=None, upload=gone)).state is State.INCONCLUSIVE


def test_a_target_without_media_is_inconclusive() -> None:
    assert judge(Evidence(download=None, upload=None)).rule_ids == ("goodput.no_rule_matched",)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_is_explained_on_the_methods_page(rule: object) -> None:
    page = (Path(__file__).parents[2] / "docs" / "method" / "goodput.md").read_text()
    assert f"`{rule.id}`" in page  # type: ignore[attr-defined]
