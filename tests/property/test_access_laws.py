"""Do the judges of DNS, reachability, TLS and pages keep the laws of design §3 on any evidence whatever?

The evidence is as the checks can gather it: handshakes for `dns` only at addresses that no control gave, at most two
tries of the target's name at a control.
"""

import operator
from collections.abc import Callable, Collection, Iterator
from dataclasses import fields, replace
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.checks import dns, http, reach, tls
from probe.checks.forgery import Page
from probe.failure import Failure
from probe.model.observations import (
    DnsQuery,
    Engine,
    HttpExchange,
    HttpStage,
    IcmpKind,
    TcpConnect,
    TlsHandshake,
    TlsStage,
)
from probe.model.results import State, Verdict
from probe.verdict import dns as dns_verdict
from probe.verdict import http as http_verdict
from probe.verdict import reach as reach_verdict
from probe.verdict import tls as tls_verdict
from tests.fakes import CONTROL_ADDRESS, HOST, SERVER, Answer, certificate, connect, exchange, handshake, query
from tests.unit.test_verdict_dns import CASES as dns_cases
from tests.unit.test_verdict_http import CASES as http_cases
from tests.unit.test_verdict_reach import CASES as reach_cases
from tests.unit.test_verdict_tls import CASES as tls_cases

T = TypeVar("T")
E = TypeVar("E")
Judge = Callable[[Any], Verdict]

ADDRESSES = ("192.0.2.10", "192.0.2.11", "2001:db8::10")
UNKNOWN = ("203.0.113.66", "203.0.113.67", "2001:db8:ffff::66")
SERVERS = (SERVER, "192.168.1.1")
CONTROLS = {
    "dns": ("control", "decoy", "control_handshakes", "below_control", "nowhere_neutral"),
    "reach": ("neutral",),
    "tls": ("neutral", "nameless", "foreign_neutral", "foreign"),
    "http": ("neutral", "foreign_neutral", "foreign"),
}


def several(made: st.SearchStrategy[T], at_most: int = 4, at_least: int = 0) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(made, min_size=at_least, max_size=at_most).map(tuple)


DNS_FAILURES = st.sampled_from(
    [
        Failure.DNS_NXDOMAIN,
        Failure.DNS_REFUSED,
        Failure.DNS_SERVFAIL,
        Failure.DNS_NO_ANSWER,
        Failure.GENERIC_TIMEOUT,
        Failure.UNKNOWN,
    ]
)


def dns_answers(*addresses: str) -> st.SearchStrategy[Answer]:
    given_addresses: st.SearchStrategy[Answer] = several(st.sampled_from(addresses), 2, 1)
    return st.one_of(given_addresses, DNS_FAILURES)


def system_queries(answers: st.SearchStrategy[Answer], host: str) -> st.SearchStrategy[DnsQuery]:
    return st.builds(
        query,
        st.sampled_from([Engine.UDP, Engine.UDP, Engine.GETADDRINFO]),
        answers,
        host=st.just(host),
        kind=st.sampled_from(["A", "A", "AAAA"]),
        server=st.sampled_from(SERVERS),
        late=several(answers, 1),
        source=st.sampled_from([None, "203.0.113.99"]),
    )


def hands(
    *addresses: str, names: tuple[str | None, ...] = (HOST,), free: bool = False
) -> st.SearchStrategy[TlsHandshake]:
    """Handshakes that end in any way; `free` ones are not verified."""
    good: st.SearchStrategy[dict[str, Any]] = st.just({})
    failed = st.fixed_dictionaries(
        {
            "failure": st.sampled_from([Failure.CONNECTION_RESET, Failure.GENERIC_TIMEOUT, Failure.EOF]),
            "stage": st.sampled_from([TlsStage.CONNECT, TlsStage.CLIENT_HELLO, TlsStage.SERVER_HELLO]),
        }
    )
    alerted = st.just({"failure": Failure.SSL_FAILED_HANDSHAKE, "alert": "unrecognized_name"})
    invalid = st.fixed_dictionaries(
        {
            "verify": st.sampled_from([Failure.SSL_UNKNOWN_AUTHORITY, Failure.SSL_INVALID_HOSTNAME]),
            "shown": st.sampled_from([certificate("Evil CA", "ee"), certificate("Good CA", "dd")]),
        }
    )

    def make(address: str, name: str | None, ending: dict[str, Any]) -> TlsHandshake:
        return handshake(address, name, unverified=free, **ending)

    ending: st.SearchStrategy[dict[str, Any]] = st.one_of(good, failed, alerted, invalid)
    return st.builds(make, st.sampled_from(addresses), st.sampled_from(names), ending)


PAGES = st.builds(
    Page,
    exchange=st.builds(
        exchange,
        st.just(f"http://{HOST}/"),
        address=st.sampled_from(UNKNOWN),
        status=st.sampled_from([None, 200, 451]),
        body=st.sampled_from(["", "welcome", "blocked by order"]),
    ),
    known_blockpages=st.sampled_from([(), ("supplied",)]),
)
DNS_EVIDENCE = st.builds(
    dns.Evidence,
    hostname=st.just(HOST),
    system=several(system_queries(dns_answers(*ADDRESSES, *UNKNOWN, "10.0.0.7", "0.0.0.0", "::1"), HOST), 6),
    control=several(
        st.builds(
            query,
            st.just(Engine.DOH),
            dns_answers(*ADDRESSES),
            kind=st.sampled_from(["A", "AAAA"]),
            server=st.sampled_from(["one", "two", "three"]),
        )
    ),
    decoy=several(system_queries(dns_answers("198.51.100.9", *UNKNOWN), "example.com")),
    handshakes=several(hands(*UNKNOWN), 6),
    control_handshakes=several(hands(*ADDRESSES)),
    below=several(system_queries(dns_answers(*ADDRESSES, *UNKNOWN), f"no-such-name-1.{HOST}"), 2),
    below_control=several(st.builds(query, st.just(Engine.DOH), dns_answers(*ADDRESSES), server=st.just("one")), 1),
    nowhere=several(st.builds(query, st.just(Engine.UDP), dns_answers(*ADDRESSES, *UNKNOWN, "0.0.0.0")), 1),
    nowhere_neutral=several(
        st.builds(query, st.just(Engine.UDP), dns_answers("198.51.100.9"), host=st.just("example.com")), 2
    ),
    pages=several(PAGES, 2),
)

CONNECTS = st.builds(
    connect,
    st.sampled_from(ADDRESSES),
    st.sampled_from([443, 80]),
    st.sampled_from(
        [None, Failure.GENERIC_TIMEOUT, Failure.CONNECTION_REFUSED, Failure.HOST_UNREACHABLE, Failure.CONNECTION_RESET]
    ),
    st.sampled_from([None, IcmpKind.ADMIN_PROHIBITED, IcmpKind.HOST_UNREACHABLE]),
).map(lambda made: made if made.failure is Failure.HOST_UNREACHABLE else replace(made, icmp=None))

REACH_EVIDENCE = st.builds(
    reach.Evidence,
    host=st.just(HOST),
    ports=st.just((443, 80)),
    candidates=st.just(
        tuple(
            reach.Candidate(address=a, sources=(source,), dialled=True)
            for a, source in zip(
                ADDRESSES, [reach.Source.CONTROL, reach.Source.CONTROL, reach.Source.SYSTEM], strict=True
            )
        )
    ),
    connects=several(CONNECTS, 6),
    neutral=several(CONNECTS),
)

NEUTRAL_NAMES = ("example.com", "example.org")
TLS_EVIDENCE = st.builds(
    tls.Evidence,
    hostname=st.just(HOST),
    target=several(hands(*ADDRESSES), 5),
    neutral=several(hands(*ADDRESSES, names=NEUTRAL_NAMES, free=True)),
    nameless=several(hands(*ADDRESSES, names=(None,), free=True), 2),
    foreign_neutral=several(
        st.one_of(
            hands(CONTROL_ADDRESS, names=("example.com",)), hands(CONTROL_ADDRESS, names=("a.example.org",), free=True)
        )
    ),
    foreign=several(hands(CONTROL_ADDRESS), 2),
)

NOTICE, PAGE = "this resource is restricted by order of the authority", f"{HOST} " + "much to read here " * 400


def pages(url: str, *addresses: str) -> st.SearchStrategy[HttpExchange]:
    """Answers and failures of any kind for one URL."""
    answered = st.builds(
        exchange,
        st.just(url),
        address=st.sampled_from(addresses),
        status=st.sampled_from([200, 301, 403, 451, 500]),
        body=st.sampled_from(["", NOTICE, PAGE]),
        location=st.sampled_from([None, f"https://{HOST}/", "http://blocked.test/"]),
    )
    failed = st.builds(
        exchange,
        st.just(url),
        address=st.sampled_from(addresses),
        failure=st.sampled_from([Failure.CONNECTION_RESET, Failure.GENERIC_TIMEOUT, Failure.EOF]),
        stage=st.sampled_from([HttpStage.CONNECT, HttpStage.REQUEST, HttpStage.BODY]),
    )
    return st.one_of(answered, failed)


def hops(url: str) -> st.SearchStrategy[http.Hop]:
    return st.builds(
        http.Hop,
        url=st.just(url),
        lookups=st.just(()),
        exchanges=several(pages(url, "192.0.2.10"), 2),
        known_blockpages=st.sampled_from([(), ("isp",)]),
        problem=st.just(""),
    )


PLAIN, SECURE = f"http://{HOST}/", f"https://{HOST}/"
REFUTED = exchange(SECURE, address=CONTROL_ADDRESS, verify=Failure.SSL_INVALID_HOSTNAME, stage=HttpStage.TLS)
OVER_PLAIN = pages(PLAIN, CONTROL_ADDRESS)
HTTP_EVIDENCE = st.builds(
    http.Evidence,
    url=st.sampled_from([PLAIN, SECURE]),
    plain=several(hops(PLAIN), 1),
    secure=several(hops(SECURE), 1),
    neutral=several(pages("http://example.com/", "192.0.2.10")),
    foreign_neutral=several(pages("http://a.example.org/", CONTROL_ADDRESS)),
    foreign=st.one_of(
        several(OVER_PLAIN.filter(lambda e: e.status is None), 2),
        OVER_PLAIN.map(lambda e: (e, REFUTED)),
        OVER_PLAIN.map(lambda e: (e, exchange(SECURE, address=CONTROL_ADDRESS, body=PAGE))),
    ),
)


def mixed(cases: Collection[tuple[Any, ...]], single: tuple[str, ...] = ()) -> st.SearchStrategy[Any]:
    """Evidence put together from the fields of two written cases each: near the edge of an accusation.

    `single` fields come from one case, since the check cannot gather more of them.
    """
    written = [case[0] for case in cases]
    parts: dict[str, st.SearchStrategy[Any]] = {}
    for field in fields(written[0]):
        values = st.sampled_from([getattr(evidence, field.name) for evidence in written])
        plain = field.name in single or not isinstance(getattr(written[0], field.name), tuple)
        parts[field.name] = values if plain else st.one_of(values, st.builds(operator.add, values, values))
    return st.builds(type(written[0]), **parts)


EVIDENCE: dict[str, tuple[st.SearchStrategy[Any], Judge]] = {
    "dns": (DNS_EVIDENCE | mixed(dns_cases.values()), dns_verdict.judge),
    "reach": (REACH_EVIDENCE | mixed(reach_cases.values(), ("ports",)), reach_verdict.judge),
    "tls": (TLS_EVIDENCE | mixed(tls_cases.values(), ("foreign",)), tls_verdict.judge),
    "http": (HTTP_EVIDENCE | mixed(http_cases.values(), ("foreign", "plain", "secure")), http_verdict.judge),
}
IDS = {
    "dns": {r.id for r in dns_verdict.RULES},
    "reach": {r.id for r in reach_verdict.RULES},
    "tls": {r.id for r in tls_verdict.RULES},
    "http": {r.id for r in http_verdict.RULES},
}


def one_less(evidence: E, controls: tuple[str, ...]) -> Iterator[E]:
    """The same evidence with each control observation in turn taken away."""
    for field in fields(evidence):  # type: ignore[arg-type]  # evidence is a dataclass
        if field.name in controls:
            observations = getattr(evidence, field.name)
            for position in range(len(observations)):
                left = observations[:position] + observations[position + 1 :]
                yield replace(evidence, **{field.name: left})  # type: ignore[type-var]


@pytest.mark.parametrize("check", EVIDENCE)
@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_judging_is_total_and_says_why(check: str, data: st.DataObject) -> None:
    strategy, judge = EVIDENCE[check]
    evidence = data.draw(strategy)
    found = judge(evidence)
    assert found == judge(evidence)
    assert found.rule_ids[0] in {*IDS[check], f"{check}.no_rule_matched"}
    assert found.reason
    if found.state in (State.BLOCKED, State.WITHHELD):
        assert found.strength is not None
        assert found.mechanisms
    else:
        assert found.strength is None


@pytest.mark.parametrize("check", EVIDENCE)
@settings(max_examples=600, deadline=None)
@given(data=st.data())
def test_taking_a_control_away_never_yields_an_accusation(check: str, data: st.DataObject) -> None:
    strategy, judge = EVIDENCE[check]
    evidence = data.draw(strategy)
    if judge(evidence).state is State.BLOCKED:
        return
    for poorer in one_less(evidence, CONTROLS[check]):
        assert judge(poorer).state is not State.BLOCKED


@pytest.mark.parametrize("check", EVIDENCE)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_without_any_control_nobody_is_accused(check: str, data: st.DataObject) -> None:
    strategy, judge = EVIDENCE[check]
    evidence = data.draw(strategy)
    bare = replace(evidence, **dict.fromkeys(CONTROLS[check], ()))
    assert judge(bare).state is not State.BLOCKED


@settings(max_examples=300, deadline=None)
@given(target=several(hands(*ADDRESSES), 5, 1))
def test_equal_handshakes_accuse_nobody(target: tuple[TlsHandshake, ...]) -> None:
    """A neutral name that fares at each address exactly as the target's does, here and at a control."""
    neutral = tuple(replace(h, server_name="example.com", verified_name=None) for h in target)
    there = tuple(replace(h, endpoint=replace(h.endpoint, address=CONTROL_ADDRESS)) for h in target[:2])
    evidence = tls.Evidence(
        hostname=HOST,
        target=target,
        neutral=neutral,
        nameless=neutral,
        foreign_neutral=tuple(replace(h, server_name="a.example.org", verified_name=None) for h in there),
        foreign=there,
    )
    assert tls_verdict.judge(evidence).state is not State.BLOCKED


@settings(max_examples=300, deadline=None)
@given(hop=hops(PLAIN), secure=several(hops(SECURE), 1))
def test_equal_pages_accuse_nobody(hop: http.Hop, secure: tuple[http.Hop, ...]) -> None:
    """A neutral Host that gets at each address exactly what the target's does."""
    there = tuple(replace(e, endpoint=replace(e.endpoint, address=CONTROL_ADDRESS)) for e in hop.exchanges)
    evidence = http.Evidence(
        url=PLAIN, plain=(hop,), secure=secure, neutral=hop.exchanges, foreign_neutral=there, foreign=(*there, REFUTED)
    )
    assert http_verdict.judge(evidence).state is not State.BLOCKED


@settings(max_examples=200, deadline=None)
@given(connects=several(CONNECTS, 6))
def test_equal_connects_accuse_nobody(connects: tuple[TcpConnect, ...]) -> None:
    evidence = reach.Evidence(
        host=HOST,
        ports=(443,),
        candidates=tuple(reach.Candidate(address=a, sources=(reach.Source.CONTROL,), dialled=True) for a in ADDRESSES),
        connects=connects,
        neutral=connects,
    )
    assert reach_verdict.judge(evidence).state is not State.BLOCKED


@settings(max_examples=300, deadline=None)
@given(evidence=EVIDENCE["dns"][0])
def test_a_name_that_fares_as_a_neutral_one_accuses_no_resolver(evidence: dns.Evidence) -> None:
    alike = tuple(replace(q, hostname="example.com") for q in evidence.system)
    assert dns_verdict.judge(replace(evidence, decoy=alike)).state is not State.BLOCKED
