"""Does the check carry out the procedure: candidates, pilots, pairs, controls, limits?"""

from dataclasses import replace

import pytest

from probe.checks import dns, reach
from probe.checks.context import Step
from probe.checks.goodput import Arm, Evidence, Phase, Series, gather
from probe.checks.goodput.gather import MAX_STEPS
from probe.failure import Failure
from probe.model.observations import (
    Direction,
    DnsReply,
    Transfer,
)
from probe.model.observations import Series as Curve
from probe.model.results import CannotRun, ProblemReason, State
from probe.model.targets import ControlMedia, Endpoint, Media, MediaUrl
from probe.net.base import TransferRequest
from probe.verdict.goodput import judge
from tests.fakes import connect
from tests.goodput_net import (
    CONTROLS,
    DOWN,
    FakeNet,
    arms,
    context,
    dns_query,
    media,
    slow_name,
    strict,
)
from tests.goodput_samples import (
    HANDSHAKE_STREAM_BYTES,
    KIB,
    NEUTRAL_NAME,
    TARGET_NAME,
    failed,
    refused,
    stalled_curve,
    steady,
    transfer,
)


async def test_a_clean_line_takes_a_pilot_and_two_pairs_each_way() -> None:
    net = FakeNet()
    evidence = await gather(context(net))
    for series, size in ((evidence.download, 256 * KIB), (evidence.upload, 128 * KIB)):
        assert arms(series, Phase.PILOT) == [Arm.NEUTRAL]
        assert sorted(arms(series, Phase.FIRST)) == [Arm.NEUTRAL, Arm.NEUTRAL, Arm.TARGET, Arm.TARGET]
        assert series is not None and series.num_bytes == size
        assert {t.transfer.requested_bytes for t in series.trials if t.pair is not None} == {size}
    assert judge(evidence).state is State.OK
    assert net.moved <= 2_000_000 and net.clock.now() <= 6.0


async def test_only_the_name_differs_between_target_and_neutral() -> None:
    net = FakeNet()
    await gather(context(net, media(up=())))
    paired = net.requests[1:]
    assert {(r.endpoint, r.host, r.url, r.num_bytes) for r in paired} == {
        (Endpoint(address="192.0.2.10", port=443), TARGET_NAME, DOWN.replace("{bytes}", "262144"), 262_144)
    }
    assert {(r.server_name, r.verify) for r in paired} == {(TARGET_NAME, True), (NEUTRAL_NAME, False)}


async def test_the_order_within_pairs_is_drawn() -> None:
    def never(series: Series) -> Step:
        return Step.PAIR if len(series.trials) < 17 else Step.DONE

    evidence = await gather(context(FakeNet(), media(up=()), budget=10**9, enough=never))
    assert evidence.download is not None
    firsts = {t.arm for t in evidence.download.trials[1::2]}
    assert firsts == {Arm.TARGET, Arm.NEUTRAL}


async def test_a_slowed_name_is_measured_again_within_bytes_and_time() -> None:
    net = FakeNet(rate=slow_name(140e3))
    evidence = await gather(context(net))
    for series in (evidence.download, evidence.upload):
        assert len(arms(series, Phase.CONFIRM)) == 4
    assert judge(evidence).rule_ids == ("goodput.name_slower_at_target",)
    assert net.moved <= 4_000_000 and net.clock.now() <= 25.0


async def test_the_first_repetition_gives_the_target_more_time() -> None:
    net = FakeNet(rate=slow_name(140e3))
    evidence = await gather(context(net, media(up=())))
    assert evidence.download is not None
    cut = [t.transfer.t - t.transfer.t0 for t in evidence.download.trials if t.arm is Arm.TARGET]
    assert max(cut) == pytest.approx(2.0) == pytest.approx(cut[3])


async def test_a_strict_media_host_is_compared_at_the_controls_address() -> None:
    net = FakeNet(rate=slow_name(140e3), answer=strict)
    evidence = await gather(context(net, media(up=())))
    series = evidence.download
    assert arms(series, Phase.PILOT) == [Arm.NEUTRAL, Arm.NEUTRAL, Arm.TARGET, Arm.CONTROL]
    assert {r.server_name for r in net.requests[:2]} == {NEUTRAL_NAME, "second.example"}
    assert set(arms(series, Phase.FIRST)) == {Arm.FOREIGN, Arm.CONTROL}
    foreign = next(r for r in net.requests if r.server_name == TARGET_NAME and r.host != TARGET_NAME)
    assert (foreign.host, foreign.endpoint.address, foreign.verify) == ("speed.control.example", "198.51.100.7", False)
    assert judge(evidence).rule_ids == ("goodput.name_slower_at_control",)


async def test_a_strict_host_that_is_as_fast_as_a_control_is_ok() -> None:
    evidence = await gather(context(FakeNet(answer=strict), media(up=())))
    assert judge(evidence).rule_ids == ("goodput.not_slower_than_control",)


async def test_the_second_operator_is_tried_when_the_first_ones_media_fail() -> None:
    second = ControlMedia(download=MediaUrl(url="https://speed.second.example/down?n={bytes}"), upload=None)
    none = ControlMedia(download=None, upload=None)

    def first_is_gone(request: TransferRequest, made: Transfer) -> Transfer:
        if request.host == "speed.control.example":
            return refused(made, status=404)
        return strict(request, made)

    controls = replace(CONTROLS, media=(none, *CONTROLS.media, second))
    net = FakeNet(answer=first_is_gone)
    evidence = await gather(context(net, media(up=()), controls=controls))
    assert evidence.download is not None
    assert evidence.download.control_url == "https://speed.second.example/down?n={bytes}"
    assert judge(evidence).state is State.OK


async def test_without_any_control_media_a_strict_host_is_inconclusive() -> None:
    controls = replace(CONTROLS, media=())
    evidence = await gather(context(FakeNet(answer=strict), media(up=()), controls=controls))
    assert judge(evidence).rule_ids == ("goodput.no_control",)


@pytest.mark.parametrize("status", [403, 404, 410, 416, 302, 503])
async def test_a_candidate_that_the_server_does_not_serve_gives_way_to_the_next(status: int) -> None:
    def gone(request: TransferRequest, made: Transfer) -> Transfer:
        return refused(made, status=status) if "object" in request.url else made

    other = "https://other.target.example/media?n={bytes}"
    evidence = await gather(context(FakeNet(answer=gone), media(down=(DOWN, other), up=())))
    assert evidence.download is not None
    assert [(c.url, c.problem) for c in evidence.download.candidates] == [(DOWN, f"answers {status}"), (other, "")]
    assert evidence.download.url == other
    assert judge(evidence).state is State.OK


async def test_media_that_are_all_gone_cannot_run() -> None:
    net = FakeNet(answer=lambda _, made: refused(made, status=404))
    with pytest.raises(CannotRun) as refusal:
        await gather(context(net, media(up=())))
    assert refusal.value.problem.reason is ProblemReason.MEDIA_GONE


async def test_one_direction_gone_is_kept_with_its_candidates() -> None:
    def gone(request: TransferRequest, made: Transfer) -> Transfer:
        return refused(made, status=404) if request.direction is Direction.DOWNLOAD else made

    evidence = await gather(context(FakeNet(answer=gone)))
    assert evidence.download is not None and evidence.download.trials == ()
    assert evidence.download.candidates[0].problem == "answers 404"
    assert judge(evidence).state is State.OK


async def test_a_name_that_no_control_resolver_knows_cannot_run() -> None:
    with pytest.raises(CannotRun) as refusal:
        await gather(context(FakeNet(silent_resolvers=True), media(up=())))
    assert refusal.value.problem.reason is ProblemReason.NO_ADDRESS


async def test_a_target_without_media_cannot_run() -> None:
    with pytest.raises(CannotRun) as refusal:
        await gather(context(FakeNet(), Media()))
    assert refusal.value.problem.reason is ProblemReason.NOTHING_TO_MEASURE


async def test_a_network_that_ends_the_targets_transfers_is_evidence_and_not_a_gone_object() -> None:
    def reset(request: TransferRequest, made: Transfer) -> Transfer:
        return failed(made) if request.server_name == TARGET_NAME else made

    evidence = await gather(context(FakeNet(answer=reset), media(up=())))
    assert arms(evidence.download).count(Arm.TARGET) == 2
    verdict = judge(evidence)
    assert verdict.rule_ids == ("goodput.target_unmeasured",)
    assert verdict.facts.failure is Failure.CONNECTION_RESET


async def test_an_address_that_accepts_no_connection_stays_in_the_evidence() -> None:
    net = FakeNet(dead=frozenset({"192.0.2.10"}), answer=lambda _, made: failed(made, Failure.GENERIC_TIMEOUT))
    evidence = await gather(context(net, media(up=())))
    assert judge(evidence).rule_ids == ("goodput.target_unmeasured",)


async def test_what_the_dns_check_found_is_not_asked_again() -> None:
    reply = DnsReply(t=0.0, source="198.51.100.1", rcode="NOERROR", addresses=("192.0.2.99", "2001:db8::9"))
    known = dns.Evidence(
        hostname=TARGET_NAME,
        system=(),
        control=(dns_query(TARGET_NAME, "A", (reply,)),),
        decoy=(),
        handshakes=(),
        control_handshakes=(),
    )
    net = FakeNet(dead=frozenset({"192.0.2.99"}))
    evidence = await gather(context(net, media(up=()), prior={f"dns {TARGET_NAME}": known}))
    assert net.asked == []
    assert evidence.download is not None
    assert {t.transfer.endpoint.address for t in evidence.download.trials} == {"2001:db8::9"}


async def test_an_address_in_the_url_needs_no_resolver() -> None:
    net = FakeNet()
    await gather(context(net, media(down=("https://192.0.2.10:8443/object",), up=())))
    assert net.asked == [] and net.requests[0].endpoint == Endpoint(address="192.0.2.10", port=8443)


async def test_a_fixed_object_smaller_than_the_pairs_is_asked_for_less() -> None:
    def small(request: TransferRequest, made: Transfer) -> Transfer:
        if request.num_bytes <= 64 * KIB:
            return made
        came = Curve(t=(made.t0 + 0.1, made.t0 + 0.2), num_bytes=(0, 100_000))
        return replace(made, complete=False, num_bytes=100_000, t=made.t0 + 0.2, series=came)

    evidence = await gather(context(FakeNet(answer=small), media(up=())))
    series = evidence.download
    assert series is not None and series.num_bytes == 64 * KIB
    assert arms(series, Phase.PILOT).count(Arm.TARGET) == 1
    assert judge(evidence).state is State.OK


async def test_a_stall_is_followed_by_one_object_below_its_offset() -> None:
    def freeze(request: TransferRequest, made: Transfer) -> Transfer:
        if request.server_name != TARGET_NAME or request.num_bytes < 15_000:
            return made
        stuck = transfer(
            Arm.TARGET,
            steady(18e6),
            t0=made.t0,
            num_bytes=request.num_bytes,
            curve=stalled_curve(15_000, t0=made.t0),
            limit_seconds=net.limits[-1],
        )
        return replace(stuck, server_name=TARGET_NAME)

    net = FakeNet(answer=freeze)
    evidence = await gather(context(net, media(up=())))
    assert arms(evidence.download, Phase.SMALL) == [Arm.TARGET]
    assert judge(evidence).rule_ids == ("goodput.stall_by_name",)


async def test_a_stalled_upload_is_followed_step_by_step_to_its_offset() -> None:
    def freeze(request: TransferRequest, made: Transfer) -> Transfer:
        if request.server_name != TARGET_NAME or request.num_bytes < 20_000:
            return made
        heard_of = 19_000 if request.stepwise_from_bytes is not None else 9_000
        stuck = transfer(
            Arm.TARGET,
            steady(18e6),
            t0=made.t0,
            num_bytes=request.num_bytes,
            direction=Direction.UPLOAD,
            curve=stalled_curve(heard_of, t0=made.t0),
            limit_seconds=net.limits[-1],
        )
        return replace(stuck, server_name=TARGET_NAME)

    net = FakeNet(answer=freeze)
    evidence = await gather(context(net, media(down=())))
    assert arms(evidence.upload, Phase.STEPWISE) == arms(evidence.upload, Phase.SMALL) == [Arm.TARGET]
    verdict = judge(evidence)
    assert verdict.rule_ids == ("goodput.stall_by_name",)
    assert verdict.facts.upload is not None
    assert verdict.facts.upload.stall_after_bytes == 19_000 + HANDSHAKE_STREAM_BYTES
    steps = [r for r in net.requests if r.stepwise_from_bytes is not None]
    assert [r.stepwise_from_bytes for r in steps] == [6_000]


async def test_both_arms_of_a_pair_have_the_same_time() -> None:
    net = FakeNet(rate=lambda _: 1.2e6)
    evidence = await gather(context(net, media(up=())))
    assert evidence.download is not None
    limits = dict(zip(net.requests, net.limits, strict=True))
    by_pair: dict[int, set[float]] = {}
    for made in evidence.download.trials:
        if made.pair is not None:
            limit = next(value for request, value in limits.items() if request.order == made.transfer.order)
            by_pair.setdefault(made.pair, set()).add(round(limit, 6))
    assert all(len(found) == 1 for found in by_pair.values())


async def test_a_download_leaves_the_upload_its_bytes() -> None:
    net = FakeNet(rate=lambda r: 11e6 if r.server_name == TARGET_NAME and r.direction is Direction.DOWNLOAD else 18e6)
    evidence = await gather(context(net))
    assert evidence.download is not None and evidence.download.budget_hit
    assert evidence.upload is not None and not evidence.upload.budget_hit
    assert net.moved <= 4_000_000
    verdict = judge(evidence)
    assert (verdict.state, verdict.rule_ids) == (State.INCONCLUSIVE, ("goodput.limit_reached",))
    assert "byte budget" in verdict.reason


async def test_where_few_bytes_are_left_transfers_are_smaller_and_finish() -> None:
    """As an upload after a download that took many pairs."""
    evidence = await gather(context(FakeNet(rate=slow_name(140e3)), media(down=()), budget=900_000))
    assert evidence.upload is not None and evidence.upload.num_bytes == 64 * KIB
    assert not evidence.upload.budget_hit
    assert judge(evidence).rule_ids == ("goodput.name_slower_at_target",)


async def test_long_round_trips_ask_for_larger_transfers() -> None:
    def far(request: TransferRequest, made: Transfer) -> Transfer:
        info = replace(made.tcp_after, min_rtt_seconds=0.6) if made.tcp_after is not None else None
        return replace(made, tcp_after=info)

    evidence = await gather(context(FakeNet(rate=lambda _: 0.5e6, answer=far), media(up=())))
    assert evidence.download is not None and 100 * KIB < evidence.download.num_bytes <= 256 * KIB


@pytest.mark.parametrize("budget", [0, 100_000, 600_000, 1_500_000])
async def test_the_budget_is_never_exceeded_and_is_named(budget: int) -> None:
    net = FakeNet(rate=slow_name(140e3))
    evidence = await gather(context(net, media(up=()), budget=budget))
    assert net.moved <= budget
    assert evidence.download is not None and evidence.download.budget_hit
    assert judge(evidence).state is State.INCONCLUSIVE


@pytest.mark.parametrize(("rtt_seconds", "least", "most"), [(0.04, 55.0, 64.0), (0.6, 100.0, 120.0)])
async def test_a_line_of_long_round_trips_is_given_more_time(rtt_seconds: float, least: float, most: float) -> None:
    """A direction that is never decided: it ends with its time."""
    seen = replace(connect(), t=rtt_seconds)
    known = reach.Evidence(host=TARGET_NAME, ports=(443,), candidates=(), connects=(seen,), neutral=())
    net = FakeNet(rate=lambda _: 0.15e6)
    ctx = context(net, media(up=()), deadline=120.0, enough=lambda _: Step.PAIR, prior={f"reach {TARGET_NAME}": known})
    evidence = await gather(ctx)
    assert evidence.download is not None and evidence.download.deadline_hit
    assert least <= net.clock.now() <= most


@pytest.mark.parametrize("deadline", [1.0, 3.0, 6.0, 20.0])
async def test_a_slow_line_ends_by_its_deadline_without_half_a_pair(deadline: float) -> None:
    net = FakeNet(rate=lambda _: 0.1e6)
    evidence = await gather(context(net, deadline=deadline))
    assert net.clock.now() <= deadline + 0.2
    for series in (evidence.download, evidence.upload):
        assert series is not None
        assert sum(t.pair is not None for t in series.trials) % 2 == 0
    assert judge(evidence).state in (State.INCONCLUSIVE, State.OK)


async def test_a_server_that_asks_to_be_left_alone_is() -> None:
    def tired(request: TransferRequest, made: Transfer) -> Transfer:
        return refused(made, status=429) if request.order >= 2 else made

    net = FakeNet(answer=tired)
    evidence = await gather(context(net, media(up=())))
    assert len(net.requests) == 3
    assert judge(evidence).state is State.INCONCLUSIVE


async def test_a_queue_that_a_cut_transfer_left_is_waited_for() -> None:
    def bloated(request: TransferRequest, made: Transfer) -> Transfer:
        if made.complete:
            return made
        rtts = tuple(0.04 + 0.2 * i for i in range(len(made.series.t)))
        return replace(made, series=replace(made.series, rtt_seconds=rtts))

    net = FakeNet(rate=slow_name(140e3), answer=bloated)
    await gather(context(net, media(up=())))
    assert net.clock.slept and max(net.clock.slept) <= 2.0


async def test_a_judge_that_never_has_enough_is_not_obeyed_for_ever() -> None:
    net = FakeNet()
    await gather(context(net, media(up=()), budget=10**12, deadline=10**6, enough=lambda _: Step.PAIR))
    assert len(net.requests) == 1 + 2 * MAX_STEPS


async def test_evidence_is_told_apart_from_no_media() -> None:
    evidence = await gather(context(FakeNet(), media(up=())))
    assert isinstance(evidence, Evidence) and evidence.upload is None
