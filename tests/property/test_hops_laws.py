"""Does the judge of places on the path keep the laws of design §3 on any evidence whatever?"""

from dataclasses import fields, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from probe.checks.hops import Evidence
from probe.failure import Failure
from probe.model.observations import IcmpKind, LimitedConnect, LimitedHello
from probe.model.results import State
from probe.model.targets import Endpoint
from probe.verdict.hops import RULES, judge
from tests.fakes import ADDRESS, CONTROL_ADDRESS, HOST, connect, limited_connect, limited_hello
from tests.unit.test_verdict_hops import CASES, SECOND_CONTROL

ENDPOINT = Endpoint(address=ADDRESS, port=443)
CONTROLS = ("neutral_connects", "neutral_hellos")
LIMITS = st.integers(1, 6)
ENDINGS = st.sampled_from(
    [
        (None, None),
        (Failure.GENERIC_TIMEOUT, None),
        (Failure.CONNECTION_REFUSED, None),
        (Failure.CONNECTION_RESET, None),
        (Failure.HOST_UNREACHABLE, IcmpKind.HOST_UNREACHABLE),
        (Failure.HOST_UNREACHABLE, IcmpKind.ADMIN_PROHIBITED),
    ]
)


def connects(*addresses: str) -> st.SearchStrategy[LimitedConnect]:
    heard = st.builds(
        lambda address, limit, by: limited_connect(address, limit, router=limit + by),
        st.sampled_from(addresses),
        LIMITS,
        st.sampled_from([0, 0, 0, 1]),
    )
    ended = st.builds(
        lambda address, limit, ending: limited_connect(address, limit, *ending),
        st.sampled_from(addresses),
        LIMITS,
        ENDINGS,
    )
    return st.one_of(heard, ended)


def hellos(name: str) -> st.SearchStrategy[LimitedHello]:
    failures = st.sampled_from(
        [None, Failure.HOST_UNREACHABLE, Failure.CONNECTION_RESET, Failure.GENERIC_TIMEOUT, Failure.EOF]
    )
    made = st.builds(limited_hello, st.just(ADDRESS), st.just(name), LIMITS, failures)
    return st.one_of(made, made.map(lambda h: replace(h, connect=connect(failure=Failure.GENERIC_TIMEOUT))))


def several(one: st.SearchStrategy[LimitedConnect] | st.SearchStrategy[LimitedHello]) -> st.SearchStrategy[object]:
    return st.lists(one, max_size=12).map(tuple)


ANY = st.builds(
    Evidence,
    host=st.just(HOST),
    endpoint=st.just(ENDPOINT),
    connects=several(connects(ADDRESS)),
    neutral_connects=several(connects(CONTROL_ADDRESS, SECOND_CONTROL, "198.51.100.9")),
    hellos=st.one_of(st.just(()), several(hellos(HOST))),
    neutral_hellos=several(hellos("example.com")),
)
WRITTEN = st.sampled_from([case[0] for case in CASES.values()])
# Written cases near the edge of an accusation, each arm from another one, with something unforeseen among it.
MIXED = st.builds(
    lambda one, two, other: replace(
        one,
        neutral_connects=two.neutral_connects + other.neutral_connects[:3],
        connects=one.connects + other.connects[:1],
        neutral_hellos=two.neutral_hellos + other.neutral_hellos[:3],
        hellos=one.hellos + other.hellos[:1],
    ),
    WRITTEN,
    WRITTEN,
    ANY,
)
EVIDENCE = st.one_of(ANY, MIXED, WRITTEN)


@settings(max_examples=200, deadline=None)
@given(evidence=EVIDENCE)
def test_judging_is_total_and_says_why(evidence: Evidence) -> None:
    found = judge(evidence)
    assert found == judge(evidence)
    assert found.rule_ids[0] in {*(r.id for r in RULES), "hops.no_rule_matched"}
    assert found.reason
    assert found.state in (State.BLOCKED, State.INCONCLUSIVE)
    assert (found.strength is not None) is bool(found.mechanisms) is (found.state is State.BLOCKED)


@settings(max_examples=300, deadline=None)
@given(evidence=EVIDENCE)
def test_taking_a_neutral_packet_away_never_yields_an_accusation(evidence: Evidence) -> None:
    if judge(evidence).state is State.BLOCKED:
        return
    for name in CONTROLS:
        made = getattr(evidence, name)
        for position in range(len(made)):
            poorer = replace(evidence, **{name: made[:position] + made[position + 1 :]})
            assert judge(poorer).state is not State.BLOCKED


@settings(max_examples=150, deadline=None)
@given(evidence=EVIDENCE)
def test_without_neutral_packets_nobody_is_accused(evidence: Evidence) -> None:
    assert judge(replace(evidence, neutral_connects=(), neutral_hellos=())).state is not State.BLOCKED


@settings(max_examples=200, deadline=None)
@given(evidence=EVIDENCE)
def test_equal_arms_accuse_nobody(evidence: Evidence) -> None:
    """Neutral packets that fare exactly as the target's do, at two addresses and under a neutral name."""
    alike = tuple(
        replace(c, endpoint=replace(ENDPOINT, address=address))
        for address in (CONTROL_ADDRESS, SECOND_CONTROL)
        for c in evidence.connects
    )
    named = tuple(replace(h, server_name="example.com") for h in evidence.hellos)
    assert judge(replace(evidence, neutral_connects=alike, neutral_hellos=named)).state is not State.BLOCKED


def test_the_arms_are_all_of_the_evidence() -> None:
    arms = {f.name for f in fields(Evidence)} - {"host", "endpoint"}
    assert arms == {"connects", "neutral_connects", "hellos", "neutral_hellos"}
