"""Does each rule on reachability hold where it should, and is nobody accused for what looks like a dead server?"""

from dataclasses import replace

import pytest

from probe.checks.reach import Candidate, Evidence, Source
from probe.failure import Failure
from probe.model.observations import IcmpKind, TcpConnect
from probe.model.results import Mechanism, State, Strength
from probe.verdict.reach import RULES, judge
from tests.fakes import ADDRESS, ADDRESS6, CONTROL_ADDRESS, FORGED, HOST, SECOND_ADDRESS, connect

CONTROL6 = "2001:db8:1::7"
NEUTRAL = (connect(CONTROL_ADDRESS),)
DEAD_NEUTRAL = (connect(CONTROL_ADDRESS, failure=Failure.GENERIC_TIMEOUT),)


def evidence(
    *connects: TcpConnect, neutral: tuple[TcpConnect, ...] = NEUTRAL, source: Source = Source.CONTROL
) -> Evidence:
    addresses = dict.fromkeys(c.endpoint.address for c in connects)
    return Evidence(
        host=HOST,
        ports=(443,),
        candidates=tuple(Candidate(address=a, sources=(source,), dialled=True) for a in addresses),
        connects=connects,
        neutral=neutral,
    )


def failing(address: str, failure: Failure, icmp: IcmpKind | None = None) -> tuple[TcpConnect, ...]:
    return (connect(address, failure=failure, icmp=icmp),) * 2


PROHIBITED = failing(ADDRESS, Failure.HOST_UNREACHABLE, IcmpKind.ADMIN_PROHIBITED)
UNREACHABLE = (
    *failing(ADDRESS, Failure.HOST_UNREACHABLE, IcmpKind.HOST_UNREACHABLE),
    *failing(SECOND_ADDRESS, Failure.NETWORK_UNREACHABLE, IcmpKind.NETWORK_UNREACHABLE),
)
TIMEOUT = failing(ADDRESS, Failure.GENERIC_TIMEOUT)
TIMEOUT6 = failing(ADDRESS6, Failure.GENERIC_TIMEOUT)

CASES: dict[str, tuple[Evidence, State, Mechanism | None]] = {
    "reach.only_unvouched": (evidence(connect(FORGED), source=Source.SYSTEM), State.INCONCLUSIVE, None),
    "reach.ok": (evidence(connect(), connect(SECOND_ADDRESS)), State.OK, None),
    "reach.admin_prohibited": (evidence(*PROHIBITED), State.BLOCKED, Mechanism.IP_UNREACHABLE),
    "reach.unreachable": (evidence(*UNREACHABLE), State.BLOCKED, Mechanism.IP_UNREACHABLE),
    "reach.one_family": (evidence(connect(), *TIMEOUT6), State.OK, None),
    "reach.no_route": (evidence(*failing(ADDRESS, Failure.NETWORK_UNREACHABLE)), State.INCONCLUSIVE, None),
    "reach.some_fail": (
        evidence(connect(), *failing(SECOND_ADDRESS, Failure.GENERIC_TIMEOUT)),
        State.INCONCLUSIVE,
        None,
    ),
    "reach.line_down": (evidence(*TIMEOUT, neutral=DEAD_NEUTRAL), State.INCONCLUSIVE, None),
    "reach.no_neutral": (evidence(*TIMEOUT, neutral=()), State.INCONCLUSIVE, None),
    "reach.timeout": (evidence(*TIMEOUT), State.INCONCLUSIVE, Mechanism.TCP_TIMEOUT),
    "reach.refused": (
        evidence(*failing(ADDRESS, Failure.CONNECTION_REFUSED)),
        State.INCONCLUSIVE,
        Mechanism.TCP_REFUSED,
    ),
    "reach.reset": (evidence(*failing(ADDRESS, Failure.CONNECTION_RESET)), State.INCONCLUSIVE, Mechanism.TCP_RESET),
    "reach.mixed_failures": (
        evidence(*TIMEOUT, *failing(SECOND_ADDRESS, Failure.CONNECTION_REFUSED)),
        State.INCONCLUSIVE,
        None,
    ),
}


@pytest.mark.parametrize("rule", [rule.id for rule in RULES])
def test_each_rule(rule: str) -> None:
    given, state, mechanism = CASES[rule]
    found = judge(given)
    assert (found.rule_ids, found.state) == ((rule,), state)
    assert found.mechanisms == (() if mechanism is None else (mechanism,))
    assert found.strength is (Strength.LIKELY if state is State.BLOCKED else None)
    assert found.reason


def test_a_connect_that_works_when_repeated_is_ok() -> None:
    assert judge(evidence(connect(failure=Failure.GENERIC_TIMEOUT), connect())).state is State.OK


def test_icmp_without_a_control_that_connects_accuses_nobody() -> None:
    assert judge(evidence(*PROHIBITED, neutral=())).state is State.INCONCLUSIVE
    assert judge(evidence(*PROHIBITED, neutral=DEAD_NEUTRAL)).state is State.INCONCLUSIVE


def test_icmp_that_was_seen_once_accuses_nobody() -> None:
    assert judge(evidence(PROHIBITED[0])).state is State.INCONCLUSIVE


def test_one_unreachable_host_may_be_dead() -> None:
    given = evidence(*failing(ADDRESS, Failure.HOST_UNREACHABLE, IcmpKind.HOST_UNREACHABLE))
    assert judge(given).rule_ids == ("reach.mixed_failures",)


def test_a_servers_own_firewall_is_not_the_network() -> None:
    """Distributions reject what is not opened with "administratively prohibited", from the server's own address."""
    own = tuple(replace(c, icmp_from_target=True) for c in PROHIBITED)
    assert judge(evidence(*own)).state is State.INCONCLUSIVE
    assert judge(evidence(PROHIBITED[0], own[0])).state is State.INCONCLUSIVE


def test_a_dead_host_with_an_address_of_each_family_is_one_host() -> None:
    found = [failing(a, Failure.HOST_UNREACHABLE, IcmpKind.HOST_UNREACHABLE) for a in (ADDRESS, ADDRESS6)]
    given = evidence(*found[0], *found[1], neutral=(*NEUTRAL, connect(CONTROL6)))
    assert judge(given).rule_ids == ("reach.mixed_failures",)


def test_unreachable_without_icmp_is_our_own_routing() -> None:
    given = evidence(*failing(ADDRESS, Failure.HOST_UNREACHABLE), *failing(SECOND_ADDRESS, Failure.HOST_UNREACHABLE))
    assert judge(given).rule_ids == ("reach.no_route",)


def test_ipv6_that_works_for_control_and_not_for_the_target_is_not_the_lines_fault() -> None:
    given = evidence(connect(), *TIMEOUT6, neutral=(*NEUTRAL, connect(CONTROL6)))
    assert judge(given).rule_ids == ("reach.some_fail",)


def test_ipv4_is_not_called_broken_without_a_control_that_shows_it() -> None:
    given = evidence(connect(ADDRESS6), *TIMEOUT, neutral=())
    assert judge(given).rule_ids == ("reach.some_fail",)


def test_addresses_that_only_the_system_gave_do_not_blame_the_target() -> None:
    given = Evidence(
        host=HOST,
        ports=(443,),
        candidates=(
            Candidate(address=ADDRESS, sources=(Source.CONTROL, Source.SYSTEM), dialled=True),
            Candidate(address=FORGED, sources=(Source.SYSTEM,), dialled=True),
        ),
        connects=(connect(), *failing(FORGED, Failure.HOST_UNREACHABLE, IcmpKind.ADMIN_PROHIBITED)),
        neutral=NEUTRAL,
    )
    assert judge(given).state is State.OK
