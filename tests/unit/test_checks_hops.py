"""Does the search for a place on the path go where it should, repeat what was silent, and keep within its bounds?"""

from collections.abc import Collection
from dataclasses import replace
from random import Random

import pytest

from probe.checks import reach
from probe.checks.context import Context
from probe.checks.hops import Evidence, gather
from probe.checks.hops.connects import MAX_SYNS
from probe.checks.hops.hellos import MAX_HANDSHAKES
from probe.failure import Failure
from probe.model.observations import IcmpKind, LimitedConnect, LimitedHello, TcpConnect
from probe.model.results import CannotRun, Hop, ProblemReason, State
from probe.model.targets import Endpoint
from probe.verdict.hops import judge
from tests.fakes import (
    ADDRESS,
    ADDRESS6,
    CONTROL_ADDRESS,
    HOST,
    NEUTRAL,
    ScriptedNet,
    connect,
    context,
    limited_connect,
    limited_hello,
)
from tests.unit.test_verdict_tls import CASES as TLS_CASES

SECOND_CONTROL = "198.51.100.8"
ROUTERS = 7
TIMEOUT, REFUSED, RESET = Failure.GENERIC_TIMEOUT, Failure.CONNECTION_REFUSED, Failure.CONNECTION_RESET


def dead(*addresses: str, neutral: tuple[TcpConnect, ...] | None = None) -> dict[str, object]:
    """What `reach` found: no answer from these addresses, one from each of these neutral ones."""
    beside = (connect(CONTROL_ADDRESS), connect(SECOND_CONTROL)) if neutral is None else neutral
    sources = (reach.Source.CONTROL,)
    return {
        "reach": reach.Evidence(
            host=HOST,
            ports=(443,),
            candidates=tuple(reach.Candidate(address=a, sources=sources, dialled=True) for a in addresses),
            connects=tuple(connect(a, failure=TIMEOUT) for a in (*addresses, *addresses)),
            neutral=beside,
        )
    }


def path(
    behind: int, how: Failure, *, loss: float = 0.0, silent: Collection[int] = (), icmp: IcmpKind | None = None
) -> ScriptedNet:
    """Seven routers; packets to the target's address are dropped or answered `how` behind one of them."""
    random = Random(5)

    def answer(endpoint: Endpoint, limit: int) -> LimitedConnect:
        is_target = endpoint.address == ADDRESS
        if random.random() < loss:
            return limited_connect(endpoint.address, limit, TIMEOUT)
        if limit <= (behind if is_target else ROUTERS):
            if limit in silent:
                return limited_connect(endpoint.address, limit, TIMEOUT)
            return limited_connect(endpoint.address, limit, router=limit)
        said = behind if icmp is not None else None
        if is_target:
            return limited_connect(endpoint.address, limit, how, icmp, said)
        return limited_connect(endpoint.address, limit)

    return ScriptedNet(on_limited_connect=answer)


async def found_on(net: ScriptedNet, prior: dict[str, object] | None = None) -> Evidence:
    made: Evidence = await gather(context(net, prior=prior or dead(ADDRESS), seconds=15.0))
    return made


@pytest.mark.parametrize("behind", [1, 2, 3, 5])
@pytest.mark.parametrize("how", [TIMEOUT, REFUSED])
async def test_a_dead_address_is_placed(behind: int, how: Failure) -> None:
    net = path(behind, how)
    verdict = judge(await found_on(net))
    assert (verdict.state, verdict.facts.hop) == (State.BLOCKED, Hop(after=behind, before=behind + 1))
    assert len(net.calls) <= MAX_SYNS
    assert net.clock.now() <= 15.0


@pytest.mark.parametrize("behind", [6, 7])
@pytest.mark.parametrize("how", [TIMEOUT, REFUSED])
async def test_a_dead_server_is_not_placed(behind: int, how: Failure) -> None:
    assert judge(await found_on(path(behind, how))).rule_ids == ("hops.gets_as_far",)


async def test_prohibited_by_a_router() -> None:
    net = path(3, Failure.HOST_UNREACHABLE, icmp=IcmpKind.ADMIN_PROHIBITED)
    assert judge(await found_on(net)).rule_ids == ("hops.unreachable_on_the_way",)


async def test_routers_that_never_answer() -> None:
    net = path(3, TIMEOUT, silent=(2, 3, 4))
    assert judge(await found_on(net)).facts.hop == Hop(after=1, before=5)
    assert judge(await found_on(path(3, REFUSED, silent=range(1, 8)))).rule_ids == ("hops.routers_silent",)


@pytest.mark.parametrize("behind", [3, 7])
async def test_loss_is_made_up_for(behind: int) -> None:
    verdict = judge(await found_on(path(behind, TIMEOUT, loss=0.1)))
    assert verdict.state is (State.BLOCKED if behind == 3 else State.INCONCLUSIVE)


async def test_routers_that_limit_their_answers_do_not_make_a_dead_server_look_dropped() -> None:
    """Two routers of the trunk speak half the time, to anybody; behind them the server is dead."""
    accused = 0
    for seed in range(200):
        random, plain = Random(seed), path(ROUTERS, TIMEOUT).on_limited_connect

        def answer(endpoint: Endpoint, limit: int, random: Random = random) -> LimitedConnect:
            if limit in (ROUTERS - 1, ROUTERS) and random.random() < 0.5:
                return limited_connect(endpoint.address, limit, TIMEOUT)
            return plain(endpoint, limit)  # noqa: B023

        made = await found_on(ScriptedNet(on_limited_connect=answer))
        accused += judge(made).state is State.BLOCKED
    assert accused <= 1


async def test_what_is_silent_is_tried_thrice_beside_a_neutral_packet() -> None:
    made = await found_on(path(3, TIMEOUT))
    assert sum(c.hop_limit == 4 for c in made.connects) == 3
    assert sum(c.hop_limit == 4 for c in made.neutral_connects) == 4


async def test_neutral_addresses_are_of_the_targets_family() -> None:
    net = path(3, TIMEOUT)
    six = (connect("2001:db8:1::7"), connect("2001:db8:1::8"))
    made = await found_on(net, dead(ADDRESS6, ADDRESS, neutral=six))
    assert made.endpoint.address == ADDRESS6
    assert all(c.endpoint.is_ipv6 for c in made.neutral_connects)


async def test_without_a_neutral_address_nothing_is_sent() -> None:
    net = path(3, TIMEOUT)
    made = await found_on(net, dead(ADDRESS, neutral=(connect(CONTROL_ADDRESS, failure=TIMEOUT),)))
    assert net.calls == []
    assert judge(made).rule_ids == ("hops.no_neutral",)


def names_cut(behind: int, how: Failure, *, silent: Collection[int] = ()) -> ScriptedNet:
    """Seven routers; hellos with the target's name are cut behind one of them."""

    def answer(endpoint: Endpoint, name: str, limit: int) -> LimitedHello:
        failure: Failure | None = None
        if name == HOST and limit > behind:
            failure = how
        elif limit <= ROUTERS:
            failure = TIMEOUT if limit in silent else Failure.HOST_UNREACHABLE
        return limited_hello(endpoint.address, name, limit, failure)

    return ScriptedNet(on_limited_hello=answer)


def cut_name(how: Failure) -> dict[str, object]:
    evidence = TLS_CASES["tls.cut_by_name"][0]
    return {"tls": replace(evidence, target=tuple(replace(h, failure=how) for h in evidence.target))}


@pytest.mark.parametrize("behind", [1, 2, 3, 5, 6])
@pytest.mark.parametrize("how", [TIMEOUT, RESET])
async def test_a_cut_name_is_placed(behind: int, how: Failure) -> None:
    net = names_cut(behind, how)
    verdict = judge(await found_on(net, cut_name(how)))
    assert (verdict.state, verdict.facts.hop) == (State.BLOCKED, Hop(after=behind, before=behind + 1))
    assert len(net.calls) <= MAX_HANDSHAKES
    assert net.clock.now() <= 15.0


async def test_a_name_that_the_server_cuts_is_at_the_far_end() -> None:
    assert judge(await found_on(names_cut(7, RESET), cut_name(RESET))).rule_ids == ("hops.cut_at_far_end",)


async def test_a_silent_router_is_stepped_round() -> None:
    verdict = judge(await found_on(names_cut(3, TIMEOUT, silent=(3,)), cut_name(TIMEOUT)))
    assert verdict.facts.hop == Hop(after=2, before=4)
    verdict = judge(await found_on(names_cut(3, RESET, silent=(2, 3, 4)), cut_name(RESET)))
    assert verdict.facts.hop == Hop(after=3, before=4)


async def test_the_neutral_name_goes_first() -> None:
    net = names_cut(3, RESET)
    await found_on(net, cut_name(RESET))
    assert net.calls[0][2] in NEUTRAL
    assert net.calls[1][2] == HOST


async def test_a_name_that_is_not_cut_any_more() -> None:
    verdict = judge(await found_on(names_cut(99, RESET), cut_name(RESET)))
    assert verdict.rule_ids == ("hops.no_rule_matched",)


async def test_nothing_to_look_for() -> None:
    with pytest.raises(CannotRun) as refusal:
        await found_on(ScriptedNet(), {"tls": TLS_CASES["tls.ok"][0]})
    assert refusal.value.problem.reason is ProblemReason.NOTHING_TO_MEASURE


async def test_an_end_of_its_own_leaves_what_was_found() -> None:
    ctx: Context[Evidence] = context(path(3, TIMEOUT), prior=dead(ADDRESS), seconds=2.0)
    made = await gather(ctx)
    assert made.connects
    assert judge(made).state is State.INCONCLUSIVE
