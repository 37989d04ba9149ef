"""Is a control's medium told that serves from one that does not?"""

from dataclasses import replace

import pytest

from probe.checks.goodput import Evidence
from probe.checks.goodput.control import gather_control
from probe.model.observations import Direction
from probe.model.results import CannotRun, ProblemReason, State
from probe.verdict.goodput_control import judge_control
from tests.goodput_samples import KIB, refused
from tests.unit.test_goodput_gather import CONTROL_DOWN, CONTROL_UP, CONTROLS, FakeNet, context


async def test_a_medium_is_asked_once_each_way_under_its_own_name() -> None:
    net = FakeNet()
    evidence = await gather_control(replace(context(net), input=CONTROL_DOWN, target=None))
    assert [(r.direction, r.num_bytes, r.server_name, r.verify) for r in net.requests] == [
        (Direction.DOWNLOAD, 64 * KIB, "speed.control.example", True),
        (Direction.UPLOAD, 64 * KIB, "speed.control.example", True),
    ]
    verdict = judge_control(evidence)
    assert (verdict.state, verdict.rule_ids) == (State.OK, ("goodput.control_serves",))
    assert "Mbit/s" in verdict.reason


async def test_a_medium_that_is_refused_or_unknown_is_unusable() -> None:
    net = FakeNet(answer=lambda _, made: refused(made, status=404))
    evidence = await gather_control(replace(context(net), input=CONTROL_UP))
    verdict = judge_control(evidence)
    assert (verdict.state, verdict.rule_ids) == (State.INCONCLUSIVE, ("goodput.control_unusable",))
    unresolved = await gather_control(replace(context(FakeNet(silent_resolvers=True)), input=CONTROL_UP))
    assert judge_control(unresolved).state is State.INCONCLUSIVE
    assert judge_control(Evidence(download=None, upload=None)).state is State.INCONCLUSIVE


async def test_another_url_is_nothing_to_measure() -> None:
    with pytest.raises(CannotRun) as refusal:
        await gather_control(replace(context(FakeNet(), controls=CONTROLS), input="https://else.example/"))
    assert refusal.value.problem.reason is ProblemReason.NOTHING_TO_MEASURE
