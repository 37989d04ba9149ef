"""Does each rule on the place of a failure hold where it should, and is nobody accused for a dead server, a firewall at
home, a path of its own or routers that say nothing?"""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from probe.checks.hops import Evidence
from probe.failure import Failure
from probe.model.observations import IcmpKind, LimitedConnect, LimitedHello
from probe.model.results import Hop, Mechanism, State, Strength
from probe.model.targets import Endpoint
from probe.verdict.hops import RULES, judge, wanted
from tests.fakes import ADDRESS, CONTROL_ADDRESS, HOST, connect, limited_connect, limited_hello
from tests.unit.test_verdict_reach import CASES as REACH_CASES
from tests.unit.test_verdict_tls import CASES as TLS_CASES

NEUTRAL_NAME = "example.com"
SECOND_CONTROL = "198.51.100.8"
ROUTERS = 7
TIMEOUT, REFUSED, RESET = Failure.GENERIC_TIMEOUT, Failure.CONNECTION_REFUSED, Failure.CONNECTION_RESET
ENDPOINT = Endpoint(address=ADDRESS, port=443)


def walk(
    address: str = ADDRESS,
    *,
    routers: int = ROUTERS,
    then: Failure | None = TIMEOUT,
    icmp: IcmpKind | None = None,
    silent: Sequence[int] = (),
    other: Sequence[int] = (),
    tries: int = 3,
    own_word: bool = False,
) -> tuple[LimitedConnect, ...]:
    """Packets that `routers` routers answer, and what happens with every greater limit; `silent` routers never answer,
    at `other` limits stand routers of the path's own. `own_word`: the ICMP error is the target's, no router's."""
    made = []
    for limit in range(1, ROUTERS + 3):
        if limit in silent:
            made += [limited_connect(address, limit, TIMEOUT)] * tries
        elif limit <= routers:
            made.append(limited_connect(address, limit, router=limit + (100 if limit in other else 0)))
        else:
            said = routers if icmp is not None and not own_word else None
            made += [limited_connect(address, limit, then, icmp, said)] * (1 if then is None else tries)
    return tuple(made)


def reached(*connects: LimitedConnect, silent: Sequence[int] = (), neutral: int = 2) -> Evidence:
    beside = [c for a in (CONTROL_ADDRESS, SECOND_CONTROL)[:neutral] for c in walk(a, then=None, silent=silent)] * 2
    return Evidence(host=HOST, endpoint=ENDPOINT, connects=connects, neutral_connects=tuple(beside))


def hello(name: str, limit: int, failure: Failure | None) -> LimitedHello:
    return limited_hello(ADDRESS, name, limit, failure)


def greeted(
    cut_behind: int, how: Failure = RESET, *, silent: Sequence[int] = (), neutral_too: bool = False
) -> Evidence:
    """Hellos with every limit; the target's name is cut behind one router."""

    def one(name: str, limit: int, *, cut: bool) -> list[LimitedHello]:
        if cut and limit > cut_behind:
            return [hello(name, limit, how)] * (2 if how is RESET else 3)
        if limit > ROUTERS:
            return [hello(name, limit, None)]
        return [hello(name, limit, TIMEOUT if limit in silent else Failure.HOST_UNREACHABLE)]

    limits = range(1, ROUTERS + 3)
    return Evidence(
        host=HOST,
        endpoint=ENDPOINT,
        hellos=tuple(h for k in limits for h in one(HOST, k, cut=True)),
        neutral_hellos=tuple(h for k in limits for h in one(NEUTRAL_NAME, k, cut=neutral_too)),
    )


ALL = range(1, ROUTERS + 1)
CASES: dict[str, tuple[Evidence, State, Mechanism | None, Hop | None]] = {
    "hops.connects": (reached(*walk(then=None)), State.INCONCLUSIVE, None, None),
    "hops.no_neutral": (reached(*walk(routers=3), neutral=1), State.INCONCLUSIVE, None, None),
    "hops.routers_silent": (
        reached(*walk(routers=3, silent=ALL), silent=ALL),
        State.INCONCLUSIVE,
        None,
        None,
    ),
    "hops.path_differs": (reached(*walk(routers=3, other=(3,))), State.INCONCLUSIVE, None, None),
    "hops.stays_home": (reached(*walk(routers=0)), State.INCONCLUSIVE, None, None),
    "hops.refused_on_the_way": (
        reached(*walk(routers=3, then=REFUSED)),
        State.BLOCKED,
        Mechanism.TCP_REFUSED,
        Hop(after=3, before=4),
    ),
    "hops.unreachable_on_the_way": (
        reached(*walk(routers=3, then=Failure.HOST_UNREACHABLE, icmp=IcmpKind.HOST_UNREACHABLE)),
        State.BLOCKED,
        Mechanism.IP_UNREACHABLE,
        Hop(after=3, before=4),
    ),
    "hops.dropped_on_the_way": (
        reached(*walk(routers=3)),
        State.BLOCKED,
        Mechanism.TCP_TIMEOUT,
        Hop(after=3, before=4),
    ),
    "hops.gets_as_far": (reached(*walk()), State.INCONCLUSIVE, None, None),
    "hops.cut_on_the_way": (greeted(3), State.BLOCKED, Mechanism.TLS_RESET_SNI, Hop(after=3, before=4)),
    "hops.cut_at_far_end": (greeted(7), State.INCONCLUSIVE, None, Hop(after=7, before=8)),
    "hops.cut_somewhere": (greeted(3, silent=ALL), State.INCONCLUSIVE, None, Hop(after=3, before=4)),
}


@pytest.mark.parametrize("rule", [rule.id for rule in RULES])
def test_each_rule(rule: str) -> None:
    given, state, mechanism, hop = CASES[rule]
    found = judge(given)
    assert (found.rule_ids, found.state) == ((rule,), state)
    assert found.mechanisms == (() if mechanism is None else (mechanism,))
    assert found.strength is (Strength.LIKELY if state is State.BLOCKED else None)
    assert found.facts.hop == hop
    assert found.reason


@pytest.mark.parametrize("routers", [6, 7])
@pytest.mark.parametrize("then", [TIMEOUT, REFUSED])
def test_near_the_far_end_it_may_be_the_server(routers: int, then: Failure) -> None:
    found = judge(reached(*walk(routers=routers, then=then)))
    assert (found.rule_ids, found.facts.hop) == (("hops.gets_as_far",), None)


def test_routers_that_say_nothing_leave_the_place_wide() -> None:
    found = judge(reached(*walk(routers=3, silent=(2, 3, 4)), silent=(2, 3, 4)))
    assert (found.state, found.facts.hop) == (State.BLOCKED, Hop(after=1, before=5))


def test_one_silent_limit_is_not_enough() -> None:
    """The neutral paths part behind hop 4."""
    given = reached(*walk(routers=3))
    parted = tuple(
        replace(c, router=200 + c.hop_limit)
        if c.endpoint.address == SECOND_CONTROL and c.hop_limit > 4 and c.icmp
        else c
        for c in given.neutral_connects
    )
    assert judge(replace(given, neutral_connects=parted)).rule_ids == ("hops.gets_as_far",)


def test_packets_that_were_tried_too_seldom_accuse_nobody() -> None:
    assert judge(reached(*walk(routers=3, tries=2))).rule_ids == ("hops.no_rule_matched",)


def test_one_refusal_is_not_enough() -> None:
    given = reached(*(c for c in walk(routers=3, then=REFUSED, tries=1) if c.hop_limit <= 4))
    assert judge(given).state is State.INCONCLUSIVE


def test_a_firewall_of_this_machine_accuses_nobody() -> None:
    assert judge(reached(*walk(routers=0, then=REFUSED))).rule_ids == ("hops.stays_home",)


def test_a_name_that_meets_silence() -> None:
    found = judge(greeted(2, TIMEOUT))
    assert (found.mechanisms, found.facts.hop) == ((Mechanism.TLS_TIMEOUT_SNI,), Hop(after=2, before=3))


@pytest.mark.parametrize("how", [TIMEOUT, RESET])
def test_a_neutral_name_that_fares_alike_accuses_nobody(how: Failure) -> None:
    assert judge(greeted(3, how, neutral_too=True)).state is State.INCONCLUSIVE


def test_hellos_without_a_connection_say_nothing() -> None:
    given = greeted(3)
    unconnected = tuple(replace(h, connect=connect(failure=TIMEOUT)) for h in given.hellos)
    assert judge(replace(given, hellos=unconnected)).rule_ids == ("hops.no_rule_matched",)


def test_followed_up_is_a_dead_address_or_a_cut_name() -> None:
    dead, cut = REACH_CASES["reach.timeout"][0], TLS_CASES["tls.cut_by_name"][0]
    assert wanted({"reach": dead})
    assert wanted({"reach": REACH_CASES["reach.ok"][0], "tls": cut})
    assert not wanted({})
    assert not wanted({"reach": REACH_CASES["reach.ok"][0], "tls": TLS_CASES["tls.ok"][0]})


@pytest.mark.parametrize(
    "rule", ["reach.ok", "reach.some_fail", "reach.one_family", "reach.line_down", "reach.no_neutral"]
)
def test_not_followed_up(rule: str) -> None:
    assert not wanted({"reach": REACH_CASES[rule][0]})


def test_a_server_of_the_access_network_whose_firewall_rejects_us_accuses_nobody() -> None:
    for own_word, state in ((False, State.BLOCKED), (True, State.INCONCLUSIVE)):
        prohibited = walk(routers=3, then=Failure.HOST_UNREACHABLE, icmp=IcmpKind.ADMIN_PROHIBITED, own_word=own_word)
        assert judge(reached(*prohibited)).state is state
