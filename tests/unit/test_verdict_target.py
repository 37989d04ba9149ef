"""Does combining the checks of a target weaken claims at most, and name what decided?"""

from dataclasses import replace

import pytest

from probe.model.results import Facts, Hop, Mechanism, Network, NetworkState, State, Strength
from probe.verdict import target
from probe.verdict.subject import Judged
from tests.factories import verdict

GOOD_LINE = Network(state=NetworkState.OK, reason="2 of 2 control sites answer", ipv6=False)


def judged(
    state: State,
    *mechanisms: Mechanism,
    check: str = "tls",
    host: str = "a.example",
    optional: bool = False,
    ran: bool = True,
) -> Judged:
    made = verdict(state, f"{check} of {host} is {state.value}", *mechanisms, rule=f"{check}.{state.value}")
    return Judged(check=check, input=host, ran=ran, optional=optional, verdict=made)


def test_ok_when_every_check_agrees() -> None:
    found = target.judge([judged(State.OK), judged(State.OK, check="dns")], GOOD_LINE)
    assert (found.state, found.rule_ids) == (State.OK, ("target.ok",))


@pytest.mark.parametrize(
    ("worse", "better"),
    list(zip(target.ORDER, target.ORDER[1:], strict=False)),
)
def test_the_worse_state_decides(worse: State, better: State) -> None:
    found = target.judge([judged(better), judged(worse, host="b.example")], GOOD_LINE)
    assert found.state is worse
    assert found.rule_ids == (
        (f"target.{worse.value}", f"tls.{worse.value}") if worse is not State.OK else ("target.ok",)
    )
    assert "b.example" in found.reason


def test_mechanisms_of_all_winners_and_the_others_counted() -> None:
    found = target.judge(
        [
            judged(State.BLOCKED, Mechanism.TLS_RESET_SNI),
            judged(State.BLOCKED, Mechanism.DNS_NXDOMAIN, check="dns", host="b.example"),
        ],
        GOOD_LINE,
    )
    assert set(found.mechanisms) == {Mechanism.TLS_RESET_SNI, Mechanism.DNS_NXDOMAIN}
    assert "1 more" in found.reason
    assert found.strength is Strength.CONFIRMED


def test_a_likely_claim_stays_likely() -> None:
    likely = judged(State.BLOCKED)
    likely = replace(likely, verdict=replace(likely.verdict, strength=Strength.LIKELY))
    assert target.judge([likely, judged(State.OK)], GOOD_LINE).strength is Strength.LIKELY


@pytest.mark.parametrize("state", [s for s in NetworkState if s is not NetworkState.OK])
def test_no_claim_on_a_line_that_could_not_be_judged(state: NetworkState) -> None:
    line = replace(GOOD_LINE, state=state, reason="a portal is in the way")
    found = target.judge([judged(State.BLOCKED, Mechanism.TLS_RESET_SNI)], line)
    assert (found.state, found.rule_ids) == (State.INCONCLUSIVE, ("target.network_not_usable",))
    assert not found.mechanisms
    assert "portal" in found.reason


def test_nothing_measured_is_inconclusive() -> None:
    assert target.judge([], GOOD_LINE).rule_ids == ("target.nothing_measured",)
    assert target.judge([judged(State.INCONCLUSIVE, ran=False)], GOOD_LINE).rule_ids == ("target.nothing_measured",)


def test_a_check_that_could_not_run_counts_only_where_it_was_the_only_one_of_its_kind() -> None:
    missing = judged(State.INCONCLUSIVE, check="goodput", ran=False)
    assert target.judge([judged(State.OK), missing], GOOD_LINE).state is State.INCONCLUSIVE
    other = judged(State.OK, check="goodput", host="b.example")
    assert target.judge([judged(State.OK), missing, other], GOOD_LINE).state is State.OK


@pytest.mark.parametrize("state", [State.DOWN, State.INCONCLUSIVE, State.WITHHELD])
def test_a_dead_media_candidate_does_not_count_while_another_works(state: State) -> None:
    dead = judged(state, host="old-media.example", optional=True)
    works = judged(State.OK, host="media.example", optional=True)
    assert target.judge([judged(State.OK), dead, works], GOOD_LINE).state is State.OK
    assert target.judge([dead], GOOD_LINE).state is state


def test_a_blocked_media_candidate_always_counts() -> None:
    blocked = judged(State.BLOCKED, Mechanism.TLS_TIMEOUT_SNI, host="media.example", optional=True)
    assert target.judge([judged(State.OK), blocked], GOOD_LINE).state is State.BLOCKED


def test_a_place_on_the_path_joins_the_finding_that_it_belongs_to() -> None:
    hop = Hop(after=3, before=4)
    cut = judged(State.BLOCKED, Mechanism.TLS_RESET_SNI)
    cut = replace(cut, verdict=replace(cut.verdict, facts=Facts(host="a.example")))
    placed = judged(State.INCONCLUSIVE, check="hops")
    for host, expected in (("a.example", hop), ("b.example", None)):
        other = replace(placed, verdict=replace(placed.verdict, facts=Facts(host=host, hop=hop)))
        found = target.judge([cut, other], GOOD_LINE)
        assert found.facts.hop == expected
        assert ("between hops 3 and 4" in found.reason) is (expected is not None)
    assert target.judge([placed], GOOD_LINE).facts.hop is None


def test_what_happens_before_the_second_router_may_be_the_households_own_filter() -> None:
    cut = judged(State.BLOCKED, Mechanism.TLS_RESET_SNI)
    cut = replace(cut, verdict=replace(cut.verdict, strength=Strength.CONFIRMED, facts=Facts(host="a.example")))
    placed = judged(State.INCONCLUSIVE, check="hops")
    for hop, strength in ((Hop(after=0, before=1), Strength.LIKELY), (Hop(after=1, before=2), Strength.CONFIRMED)):
        other = replace(placed, verdict=replace(placed.verdict, facts=Facts(host="a.example", hop=hop)))
        found = target.judge([cut, other], GOOD_LINE)
        assert (found.state, found.strength) == (State.BLOCKED, strength)
