"""Does each rule on DNS answers hold where it should, and does none accuse without its control?"""

from dataclasses import replace

import pytest

from probe.checks.dns import INVENTED_LABEL, Evidence
from probe.checks.forgery import Page
from probe.failure import Failure
from probe.model.observations import DnsQuery, Engine, TlsHandshake, TlsStage
from probe.model.results import Mechanism, State, Strength, Verdict
from probe.verdict.dns import RULES, judge
from tests.fakes import (
    ADDRESS,
    ADDRESS6,
    CONTROL_ADDRESS,
    FORGED,
    HOST,
    NEUTRAL,
    SECOND_ADDRESS,
    Answer,
    exchange,
    handshake,
    query,
)

PRIVATE_SERVER = "192.168.1.1"


def control(*answers: Answer, kind: str = "A") -> tuple[DnsQuery, ...]:
    """One control resolver per answer."""
    return tuple(query(Engine.DOH, a, kind=kind, server=f"resolver-{i}") for i, a in enumerate(answers))


def neutral(server: str = "203.0.113.53", answer: Answer = ("198.51.100.99",)) -> DnsQuery:
    return query(Engine.UDP, answer, host=NEUTRAL[0], server=server)


def invented(answer: Answer) -> DnsQuery:
    return query(Engine.UDP, answer, host=f"{INVENTED_LABEL}0123.{NEUTRAL[0]}")


def evidence(
    *system: DnsQuery,
    control: tuple[DnsQuery, ...] = control((ADDRESS,), (ADDRESS,)),
    decoy: tuple[DnsQuery, ...] = (neutral(),),
    handshakes: tuple[TlsHandshake, ...] = (),
    control_handshakes: tuple[TlsHandshake, ...] = (handshake(),),
    below: tuple[DnsQuery, ...] = (),
    below_control: tuple[DnsQuery, ...] = (),
    nowhere_neutral: tuple[DnsQuery, ...] = (),
    nowhere: tuple[DnsQuery, ...] = (),
    pages: tuple[Page, ...] = (),
) -> Evidence:
    return Evidence(
        hostname=HOST,
        system=system,
        control=control,
        decoy=decoy,
        handshakes=handshakes,
        control_handshakes=control_handshakes,
        below=below,
        below_control=below_control,
        nowhere_neutral=nowhere_neutral,
        nowhere=nowhere,
        pages=pages,
    )


def nowhere(answer: Answer, host: str = HOST) -> tuple[DnsQuery, ...]:
    """A question to a control site, which is no resolver."""
    return (query(Engine.UDP, answer, host=host, server=CONTROL_ADDRESS),)


def below(answer: Answer, engine: Engine = Engine.UDP) -> tuple[DnsQuery, ...]:
    return (query(engine, answer, host=f"{INVENTED_LABEL}4567.{HOST}"),)


def page(body: str = "", status: int = 200, known: tuple[str, ...] = ()) -> tuple[Page, ...]:
    """What the forged address answers for the target."""
    shown = exchange(f"http://{HOST}/", address=FORGED, status=status, body=body)
    return (Page(exchange=shown, known_blockpages=known),)


def twice(made: DnsQuery) -> tuple[DnsQuery, DnsQuery]:
    return made, made


def wrong_certificate(address: str = FORGED) -> tuple[TlsHandshake, ...]:
    return (handshake(address, verify=Failure.SSL_INVALID_HOSTNAME),) * 2


def silent(address: str = FORGED) -> tuple[TlsHandshake, ...]:
    return (handshake(address, failure=Failure.GENERIC_TIMEOUT, stage=TlsStage.CONNECT),) * 2


CHOSEN_FILTER = "1.1.1.3"
SILENT_NOWHERE = nowhere(Failure.GENERIC_TIMEOUT, NEUTRAL[0]) * 2
DENIED_BELOW = below(Failure.DNS_NXDOMAIN, Engine.DOH)
BY_ANOTHER = replace(
    query(answer=(FORGED,), source="203.0.113.99"), failure=Failure.GENERIC_TIMEOUT
)  # programs ignore such an answer
RACED = query(Engine.UDP, ("10.10.34.35",), late=[(ADDRESS,)])
GETADDRINFO_FAILS = query(Engine.GETADDRINFO, Failure.DNS_NXDOMAIN)
LOCAL_NEUTRAL = query(Engine.GETADDRINFO, ("198.51.100.99",), host=NEUTRAL[0])

CASES: dict[str, tuple[Evidence, State, Mechanism | None]] = {
    "dns.nothing_asked": (evidence(), State.INCONCLUSIVE, None),
    "dns.dead_name": (
        evidence(
            query(answer=Failure.DNS_NXDOMAIN),
            GETADDRINFO_FAILS,
            control=control(Failure.DNS_NXDOMAIN, Failure.DNS_NXDOMAIN),
        ),
        State.DOWN,
        Mechanism.SERVER_DEAD_NAME,
    ),
    "dns.dead_name_unconfirmed": (
        evidence(query(answer=Failure.DNS_NXDOMAIN), control=control(Failure.DNS_NXDOMAIN, Failure.GENERIC_TIMEOUT)),
        State.INCONCLUSIVE,
        None,
    ),
    "dns.answered_like_nothing": (
        evidence(query(answer=(FORGED,)), handshakes=wrong_certificate(), decoy=(neutral(), invented((FORGED,)))),
        State.BLOCKED,
        Mechanism.DNS_NXDOMAIN,
    ),
    "dns.injection_race": (evidence(RACED), State.BLOCKED, Mechanism.DNS_INJECTION),
    "dns.bogon": (evidence(*twice(query(answer=("10.10.34.35",)))), State.BLOCKED, Mechanism.DNS_BOGON),
    "dns.answered_where_no_resolver_is": (
        evidence(
            query(answer=(FORGED,)),
            handshakes=silent(),
            nowhere=nowhere((SECOND_ADDRESS,)),
            nowhere_neutral=SILENT_NOWHERE,
        ),
        State.BLOCKED,
        Mechanism.DNS_INJECTION,
    ),
    "dns.leads_to_notice": (
        evidence(query(answer=(FORGED,)), handshakes=silent(), pages=page("Blocked by order of a ministry.")),
        State.BLOCKED,
        Mechanism.DNS_INJECTION_BLOCKPAGE,
    ),
    "dns.forged_below": (
        evidence(
            query(answer=(FORGED,)),
            handshakes=wrong_certificate(),
            decoy=(neutral(), invented(Failure.DNS_NXDOMAIN)),
            below=below((FORGED,)),
            below_control=DENIED_BELOW,
        ),
        State.BLOCKED,
        Mechanism.DNS_INJECTION,
    ),
    "dns.null_address_injected": (
        evidence(*twice(query(answer=("0.0.0.0",))), nowhere=nowhere(("0.0.0.0",)), nowhere_neutral=SILENT_NOWHERE),
        State.BLOCKED,
        Mechanism.DNS_BOGON,
    ),
    "dns.answered_by_another": (evidence(*twice(BY_ANOTHER)), State.BLOCKED, Mechanism.DNS_INTERCEPTION),
    "dns.null_address": (evidence(*twice(query(answer=("0.0.0.0",)))), State.INCONCLUSIVE, Mechanism.DNS_BOGON),
    "dns.internal_address": (evidence(*twice(query(answer=("10.0.0.7",)))), State.INCONCLUSIVE, None),
    "dns.filter_by_choice": (
        evidence(
            *twice(query(answer=("0.0.0.0",), server=CHOSEN_FILTER)),
            GETADDRINFO_FAILS,
            decoy=(neutral(server=CHOSEN_FILTER), LOCAL_NEUTRAL),
        ),
        State.INCONCLUSIVE,
        Mechanism.DNS_BOGON,
    ),
    "dns.another_server": (
        evidence(query(answer=(FORGED,)), handshakes=wrong_certificate()),
        State.INCONCLUSIVE,
        None,
    ),
    "dns.nobody_there": (evidence(query(answer=(FORGED,)), handshakes=silent()), State.INCONCLUSIVE, None),
    "dns.nxdomain": (
        evidence(*twice(query(answer=Failure.DNS_NXDOMAIN))),
        State.BLOCKED,
        Mechanism.DNS_NXDOMAIN,
    ),
    "dns.refused": (evidence(*twice(query(answer=Failure.DNS_REFUSED))), State.BLOCKED, Mechanism.DNS_REFUSED),
    "dns.servfail": (evidence(*twice(query(answer=Failure.DNS_SERVFAIL))), State.BLOCKED, Mechanism.DNS_SERVFAIL),
    "dns.no_answer": (evidence(*twice(query(answer=Failure.DNS_NO_ANSWER))), State.BLOCKED, Mechanism.DNS_NO_ANSWER),
    "dns.timeout": (evidence(*twice(query(answer=Failure.GENERIC_TIMEOUT))), State.BLOCKED, Mechanism.DNS_TIMEOUT),
    "dns.system_resolver_lies": (
        evidence(*twice(GETADDRINFO_FAILS), decoy=(LOCAL_NEUTRAL,)),
        State.BLOCKED,
        Mechanism.DNS_NXDOMAIN,
    ),
    "dns.answers_everything": (
        evidence(query(answer=(FORGED,)), handshakes=wrong_certificate(), decoy=(neutral(answer=(FORGED,)),)),
        State.INCONCLUSIVE,
        None,
    ),
    "dns.verified_without_control": (
        evidence(
            query(answer=(SECOND_ADDRESS,)), control=(), handshakes=(handshake(SECOND_ADDRESS),), control_handshakes=()
        ),
        State.OK,
        None,
    ),
    "dns.no_control": (
        evidence(*twice(query(answer=Failure.DNS_NXDOMAIN)), control=(), control_handshakes=()),
        State.INCONCLUSIVE,
        None,
    ),
    "dns.local_disagreement": (evidence(query(), *twice(GETADDRINFO_FAILS)), State.INCONCLUSIVE, None),
    "dns.ok": (evidence(query(), query(Engine.GETADDRINFO)), State.OK, None),
    "dns.ok_in_part": (
        evidence(query(), *twice(query(answer=Failure.GENERIC_TIMEOUT, server="203.0.113.54"))),
        State.OK,
        None,
    ),
    "dns.control_knows_no_address": (
        evidence(query(answer=(FORGED,)), control=control(Failure.DNS_NXDOMAIN, Failure.DNS_NXDOMAIN)),
        State.INCONCLUSIVE,
        None,
    ),
    "dns.resolver_dead": (
        evidence(*twice(query(answer=Failure.GENERIC_TIMEOUT)), decoy=(neutral(answer=Failure.GENERIC_TIMEOUT),)),
        State.INCONCLUSIVE,
        None,
    ),
    "dns.untested": (evidence(query(answer=(SECOND_ADDRESS,))), State.INCONCLUSIVE, None),
    "dns.unexplained": (evidence(query(answer=Failure.DNS_NXDOMAIN)), State.INCONCLUSIVE, None),
}


@pytest.mark.parametrize("rule", [rule.id for rule in RULES])
def test_each_rule(rule: str) -> None:
    given, state, mechanism = CASES[rule]
    found = judge(given)
    assert (found.rule_ids, found.state) == ((rule,), state)
    assert found.mechanisms[:1] == (() if mechanism is None else (mechanism,))
    assert (found.strength is not None) == (state is State.BLOCKED)
    assert found.reason
    assert found.facts.host == HOST


def state_of(given: Evidence) -> State:
    return judge(given).state


def test_cdn_with_other_addresses_that_verify_is_ok() -> None:
    given = evidence(query(answer=(SECOND_ADDRESS,)), handshakes=(handshake(SECOND_ADDRESS),))
    assert judge(given).rule_ids == ("dns.ok",)


def test_certificate_that_also_fails_at_control_accuses_nobody() -> None:
    given = evidence(
        query(answer=(FORGED,)),
        handshakes=wrong_certificate(),
        control_handshakes=(handshake(verify=Failure.SSL_INVALID_HOSTNAME),),
    )
    assert state_of(given) is State.INCONCLUSIVE


def test_name_blocked_in_tls_as_well_does_not_disprove_a_cdn_address() -> None:
    reset = replace(handshake(failure=Failure.CONNECTION_RESET), failure=Failure.CONNECTION_RESET)
    given = evidence(query(answer=(SECOND_ADDRESS,)), handshakes=silent(SECOND_ADDRESS), control_handshakes=(reset,))
    assert state_of(given) is State.INCONCLUSIVE


def test_broken_ipv6_does_not_disprove_an_ipv6_address() -> None:
    given = evidence(
        query(),
        query(kind="AAAA", answer=("2001:db8::99",)),
        control=(*control((ADDRESS,), (ADDRESS,)), *control((ADDRESS6,), kind="AAAA")),
        handshakes=silent("2001:db8::99"),
    )
    assert state_of(given) is State.OK


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        (("2001:db8::99",), "dns.bogon"),
        (Failure.DNS_NO_ANSWER, "dns.bogon"),
        (("::1",), "dns.answers_everything"),
        (Failure.GENERIC_TIMEOUT, "dns.unexplained"),
    ],
)
def test_a_lie_about_ipv6_alone_needs_a_neutral_name_of_that_kind(answer: Answer, rule: str) -> None:
    honest = query(kind="AAAA", answer=answer, host=NEUTRAL[0])
    found = judge(evidence(query(), *twice(query(kind="AAAA", answer=("::1",))), decoy=(neutral(), honest)))
    assert found.rule_ids == (rule,)
    assert ("over IPv6 only" in found.reason) is (rule == "dns.bogon")


@pytest.mark.parametrize("failure", [Failure.DNS_NXDOMAIN, Failure.DNS_NO_ANSWER, Failure.DNS_SERVFAIL])
def test_a_missing_aaaa_is_normal(failure: Failure) -> None:
    given = evidence(
        query(),
        *twice(query(kind="AAAA", answer=failure)),
        control=(*control((ADDRESS,), (ADDRESS,)), *control((ADDRESS6,), (ADDRESS6,), kind="AAAA")),
    )
    assert state_of(given) is State.OK


def test_dns64_wraps_a_true_address() -> None:
    given = evidence(
        query(kind="AAAA", answer=("64:ff9b::c000:20a",)), query(Engine.GETADDRINFO, ("64:ff9b::c000:20a",))
    )
    assert judge(given).state is State.OK


def test_a_private_test_network_is_no_bogon() -> None:
    given = evidence(query(answer=("10.1.2.3",)), control=control(("10.1.2.4",), ("10.1.2.4",)))
    assert judge(given).rule_ids == ("dns.untested",)


@pytest.mark.parametrize(
    "rule", ["dns.nxdomain", "dns.refused", "dns.bogon", "dns.answered_where_no_resolver_is", "dns.leads_to_notice"]
)
def test_distinctive_findings_are_confirmed(rule: str) -> None:
    assert judge(CASES[rule][0]).strength is Strength.CONFIRMED


@pytest.mark.parametrize("rule", ["dns.timeout", "dns.servfail", "dns.no_answer", "dns.forged_below"])
def test_weaker_findings_are_likely(rule: str) -> None:
    assert judge(CASES[rule][0]).strength is Strength.LIKELY


def test_interception_is_named_beside_the_lie() -> None:
    found = judge(evidence(*twice(query(answer=("127.0.0.1",), source="203.0.113.99"))))
    assert found.mechanisms == (Mechanism.DNS_BOGON, Mechanism.DNS_INTERCEPTION)


def test_an_answer_from_elsewhere_that_is_true_accuses_nobody() -> None:
    assert state_of(evidence(query(source="203.0.113.99"))) is State.OK


def test_a_resolver_that_retries_after_one_error_is_no_race() -> None:
    first = query(answer=Failure.DNS_SERVFAIL, late=[(ADDRESS,)])
    assert state_of(evidence(first, query())) is State.OK
    assert judge(evidence(first, first)).rule_ids == ("dns.injection_race",)


def test_two_cdn_answers_to_one_question_are_no_race() -> None:
    assert state_of(evidence(query(answer=(SECOND_ADDRESS,), late=[(ADDRESS,)]))) is State.INCONCLUSIVE


def test_one_silent_server_beside_one_that_answers_is_ok_but_a_refusal_counts() -> None:
    refusing = twice(query(answer=Failure.DNS_REFUSED))
    other = query(server="203.0.113.54")
    found: Verdict = judge(evidence(*refusing, other))
    assert found.rule_ids == ("dns.refused",)
    assert "the resolver 203.0.113.54 gives true addresses" in found.reason


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1"])
def test_what_hosts_files_give_accuses_no_network(address: str) -> None:
    given = evidence(*twice(query(Engine.GETADDRINFO, (address,))), decoy=(LOCAL_NEUTRAL,))
    assert state_of(given) is State.INCONCLUSIVE


def test_one_control_resolver_alone_is_not_enough() -> None:
    given = evidence(*twice(query(answer=Failure.DNS_NXDOMAIN)), control=control((ADDRESS,)), control_handshakes=())
    assert state_of(given) is State.INCONCLUSIVE


@pytest.mark.parametrize(
    ("decoy", "proved", "rule"),
    [
        ((invented((FORGED,)),), (), "dns.dead_name"),
        ((neutral(),), (), "dns.control_knows_no_address"),
        ((invented(("198.51.100.7",)),), (), "dns.control_knows_no_address"),
        ((invented((FORGED,)),), (handshake(FORGED),), "dns.ok"),
    ],
    ids=["invented for every name", "no decoy", "another one invented", "proved all the same"],
)
def test_a_dead_name_behind_a_resolver_that_invents(
    decoy: tuple[DnsQuery, ...], proved: tuple[TlsHandshake, ...], rule: str
) -> None:
    """A resolver that sends every name that does not exist to an advertiser's page."""
    told = (query(Engine.UDP, (FORGED,)), query(Engine.GETADDRINFO, (FORGED,)))
    denied = control(Failure.DNS_NXDOMAIN, Failure.DNS_NXDOMAIN)
    found = judge(evidence(*told, control=denied, decoy=decoy, handshakes=proved, control_handshakes=()))
    assert found.rule_ids == (rule,)


@pytest.mark.parametrize(
    ("failure", "rule"),
    [
        (Failure.GENERIC_TIMEOUT, "dns.ok_in_part"),
        (Failure.DNS_TEMPORARY_FAILURE, "dns.ok_in_part"),
        (Failure.DNS_NXDOMAIN, "dns.local_disagreement"),
    ],
)
def test_getaddrinfo_alone_fails(failure: Failure, rule: str) -> None:
    """On a line that loses packets it falls silent now and then; an answer of its own is another matter."""
    found = judge(evidence(query(Engine.UDP, (ADDRESS,)), *twice(query(Engine.GETADDRINFO, failure))))
    assert found.rule_ids == (rule,)


@pytest.mark.parametrize("answer", [Failure.DNS_NXDOMAIN, Failure.DNS_REFUSED, ("10.10.34.35",)])
def test_what_a_chosen_filter_withholds_accuses_nobody(answer: Failure | tuple[str, ...]) -> None:
    asked = twice(query(answer=answer, server=CHOSEN_FILTER))
    given = evidence(*asked, GETADDRINFO_FAILS, GETADDRINFO_FAILS, decoy=(neutral(server=CHOSEN_FILTER), LOCAL_NEUTRAL))
    assert judge(given).state is State.INCONCLUSIVE


def test_a_race_for_a_chosen_filters_answer_still_accuses() -> None:
    raced = query(Engine.UDP, ("10.10.34.35",), late=[(ADDRESS,)], server=CHOSEN_FILTER)
    assert judge(evidence(raced, decoy=(neutral(server=CHOSEN_FILTER),))).state is State.BLOCKED


@pytest.mark.parametrize("answer", [Failure.DNS_NXDOMAIN, Failure.DNS_NO_ANSWER, ("0.0.0.0",), (FORGED,)])
def test_a_name_of_private_addresses_alone_accuses_nobody(answer: Failure | tuple[str, ...]) -> None:
    """Routers strip such addresses from what resolvers answer, against DNS rebinding."""
    inside = control(("192.168.7.7",), ("192.168.7.7",))
    assert judge(evidence(*twice(query(answer=answer)), control=inside)).state is not State.BLOCKED


def test_an_answer_from_nowhere_needs_a_neutral_name_that_is_not_answered_there() -> None:
    told = CASES["dns.answered_where_no_resolver_is"][0]
    proxied = nowhere(("198.51.100.99",), NEUTRAL[0])
    for asked in ((), SILENT_NOWHERE[:1], proxied * 2, (SILENT_NOWHERE[0], *proxied)):
        assert judge(replace(told, nowhere_neutral=asked)).rule_ids == ("dns.nobody_there",)


def test_a_true_answer_from_nowhere_accuses_nobody() -> None:
    told = CASES["dns.answered_where_no_resolver_is"][0]
    assert judge(replace(told, nowhere=nowhere((ADDRESS,)))).rule_ids == ("dns.nobody_there",)


def test_a_proxy_for_every_question_is_named_beside_the_lie() -> None:
    told = CASES["dns.leads_to_notice"][0]
    proxied = nowhere(("198.51.100.99",), NEUTRAL[0])
    found = judge(replace(told, nowhere=nowhere((FORGED,)), nowhere_neutral=proxied * 2))
    assert found.mechanisms == (Mechanism.DNS_INJECTION_BLOCKPAGE, Mechanism.DNS_INTERCEPTION)


@pytest.mark.parametrize(
    ("shown", "rule"),
    [
        (page("You have been blocked. Checking your browser."), "dns.nobody_there"),
        (page("This domain is for sale."), "dns.nobody_there"),
        (page("blocked by order" + " of news" * 1000), "dns.nobody_there"),
        (page("gone", status=451), "dns.leads_to_notice"),
        (page("Доступ ограничен. Роскомнадзор"), "dns.leads_to_notice"),
        (page("welcome", known=("notice",)), "dns.leads_to_notice"),
    ],
    ids=["firewall", "parked", "long page", "status 451", "authority", "supplied text"],
)
def test_only_a_ban_by_law_is_a_notice(shown: tuple[Page, ...], rule: str) -> None:
    given = evidence(query(answer=(FORGED,)), handshakes=silent(), pages=shown)
    assert judge(given).rule_ids == (rule,)


@pytest.mark.parametrize(
    "change",
    [
        {"below_control": ()},
        {"below_control": below((SECOND_ADDRESS,), Engine.DOH)},
        {"below": below(Failure.DNS_NXDOMAIN)},
        {"decoy": (neutral(),)},
        {"decoy": (neutral(), invented(("203.0.113.99",)))},
    ],
    ids=["control not asked", "any name exists there", "denied", "no decoy", "everything is invented"],
)
def test_a_name_that_cannot_exist_accuses_only_where_it_is_invented_for_the_target_alone(
    change: dict[str, tuple[DnsQuery, ...]],
) -> None:
    told = replace(CASES["dns.forged_below"][0], **change)  # type: ignore[arg-type]
    assert judge(told).rule_ids == ("dns.another_server",)


def test_an_internal_address_is_forged_where_names_that_cannot_exist_get_one() -> None:
    told = replace(CASES["dns.forged_below"][0], system=twice(query(answer=("10.0.0.7",))), handshakes=())
    assert judge(told).rule_ids == ("dns.forged_below",)
    assert judge(told).mechanisms == (Mechanism.DNS_BOGON,)


def test_a_notices_known_address_inside_the_network_accuses() -> None:
    assert judge(evidence(*twice(query(answer=("10.10.34.34",))))).rule_ids == ("dns.bogon",)


def test_null_addresses_from_a_resolver_at_home_accuse_nobody_even_if_others_give_them() -> None:
    asked = twice(query(answer=("0.0.0.0",), server=PRIVATE_SERVER))
    told = evidence(
        *asked,
        decoy=(neutral(server=PRIVATE_SERVER),),
        nowhere=nowhere(("0.0.0.0",)),
        nowhere_neutral=SILENT_NOWHERE,
    )
    assert judge(told).rule_ids == ("dns.null_address",)


def test_a_resolver_that_answers_everything_from_elsewhere_is_not_accused_of_it() -> None:
    told = evidence(*twice(BY_ANOTHER), decoy=(neutral(), query(host=NEUTRAL[0], source="203.0.113.99")))
    assert judge(told).rule_ids == ("dns.timeout",)


@pytest.mark.parametrize(
    ("lie", "beside", "rule"),
    [
        ((FORGED,), {}, "dns.untested"),
        ((FORGED,), {"handshakes": silent()}, "dns.unexplained"),
        ((FORGED,), {"handshakes": silent(), "pages": page("court order")}, "dns.system_resolver_lies"),
        (("127.0.0.9",), {}, "dns.system_resolver_lies"),
    ],
)
def test_the_systems_resolver_alone(lie: Answer, beside: dict[str, object], rule: str) -> None:
    told = evidence(*twice(query(Engine.GETADDRINFO, lie)), decoy=(LOCAL_NEUTRAL,))
    assert judge(replace(told, **beside)).rule_ids == (rule,)  # type: ignore[arg-type]
