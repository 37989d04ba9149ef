"""Does each rule on pages hold where it should, and does the structure of an answer alone accuse nobody?"""

from dataclasses import replace

import pytest

from probe.checks.http import Evidence, Hop
from probe.checks.redirects import Unfollowed
from probe.failure import Failure
from probe.model.observations import HttpExchange, HttpStage
from probe.model.results import Mechanism, State, Strength
from probe.verdict.answers import Unusual, is_different, is_same, registrable, unusual
from probe.verdict.http import RULES, judge
from tests.fakes import CONTROL_ADDRESS, HOST, exchange

Exchanges = tuple[HttpExchange, ...]

PLAIN = f"http://{HOST}/"
SECURE = f"https://{HOST}/"
PAGE = f"Welcome to {HOST} " + "where things happen every day " * 300
NOTICE = "Access to this resource is restricted by order number 12 of the authority"


def hop(*exchanges: HttpExchange, url: str = "", problem: str = "", known: tuple[str, ...] = ()) -> Hop:
    return Hop(
        url=url or (exchanges[0].url if exchanges else SECURE),
        lookups=(),
        exchanges=exchanges,
        known_blockpages=known,
        problem=problem,
    )


TO_HTTPS = hop(exchange(PLAIN, status=301, location=SECURE))
PAGE_HOP = hop(exchange(SECURE, body=PAGE))
CUT = hop(*(exchange(PLAIN, failure=Failure.CONNECTION_RESET),) * 2)
SILENT = hop(*(exchange(PLAIN, failure=Failure.GENERIC_TIMEOUT),) * 2)
CLOSED = hop(*(exchange(PLAIN, failure=Failure.EOF),) * 2)
NOTICE_HOP = hop(exchange(PLAIN, status=403, body=NOTICE))
ELSEWHERE = hop(exchange(PLAIN, status=302, location="http://blocked.test/?u=1"))


def neutral(body: str = "no such host here", status: int = 404, failure: Failure | None = None) -> Exchanges:
    return tuple(
        exchange(f"http://{n}/", status=status, body=body, failure=failure) for n in ("example.com", "example.org")
    )


def unserved(body: str = "the default page of this control server") -> Exchanges:
    return tuple(
        exchange(f"http://{n}.example.org/", address=CONTROL_ADDRESS, status=404, body=body) for n in ("a1", "b2")
    )


NOT_HOSTED = exchange(SECURE, address=CONTROL_ADDRESS, verify=Failure.SSL_INVALID_HOSTNAME, stage=HttpStage.TLS)
HOSTED = exchange(SECURE, address=CONTROL_ADDRESS, body=PAGE)


def at_control(like: Hop, over_tls: HttpExchange = NOT_HOSTED) -> Exchanges:
    """The same answer for the target's Host at a control's address, and what TLS says of that control."""
    endpoint = replace(like.exchanges[-1].endpoint, address=CONTROL_ADDRESS)
    return (replace(like.exchanges[-1], endpoint=endpoint), over_tls)


def evidence(
    plain: tuple[Hop, ...] = (TO_HTTPS, PAGE_HOP),
    secure: tuple[Hop, ...] = (PAGE_HOP,),
    *,
    neutral: Exchanges = (),
    foreign_neutral: Exchanges = (),
    foreign: Exchanges = (),
    inside_neutral: Exchanges = (),
    inside: Exchanges = (),
) -> Evidence:
    return Evidence(
        url=SECURE if secure else PLAIN,
        plain=plain,
        secure=secure,
        neutral=neutral,
        foreign_neutral=foreign_neutral,
        foreign=foreign,
        inside_neutral=inside_neutral,
        inside=inside,
    )


def secure_only(last: Hop) -> Evidence:
    return evidence(secure=(last,))


FOREIGN_CUT = (exchange(PLAIN, address=CONTROL_ADDRESS, failure=Failure.CONNECTION_RESET),) * 2
KNOWN = hop(exchange(PLAIN, status=200, body=NOTICE), known=("isp",))
LEGAL = hop(
    exchange(SECURE, status=451, body="withheld", headers={"Link": '<https://authority.example>; rel="blocked-by"'})
)

CUT_INSIDE = hop(*(exchange(SECURE, failure=Failure.GENERIC_TIMEOUT),) * 2)
CONTROL_PAGE = exchange("https://example.org/", address=CONTROL_ADDRESS, body="the control's own page")
CONTROL_SILENT = exchange("https://example.org/", address=CONTROL_ADDRESS, failure=Failure.GENERIC_TIMEOUT)

CASES: dict[str, tuple[Evidence, State, Mechanism | None]] = {
    "http.cut_by_host": (
        evidence((CUT,), neutral=neutral(), foreign_neutral=unserved(), foreign=FOREIGN_CUT),
        State.BLOCKED,
        Mechanism.HTTP_RESET_HOST,
    ),
    "http.cut_by_host_at_control": (
        evidence(
            (CUT,),
            neutral=neutral(failure=Failure.CONNECTION_RESET),
            foreign_neutral=unserved(),
            foreign=FOREIGN_CUT,
        ),
        State.BLOCKED,
        Mechanism.HTTP_RESET_HOST,
    ),
    "http.closed_by_host": (
        evidence((CLOSED,), neutral=neutral(), foreign_neutral=unserved(), foreign=FOREIGN_CUT),
        State.BLOCKED,
        Mechanism.HTTP_RESET_HOST,
    ),
    "http.cut_inside_tls": (
        evidence(secure=(CUT_INSIDE,), inside_neutral=(CONTROL_PAGE,) * 2, inside=(CONTROL_SILENT,) * 2),
        State.BLOCKED,
        Mechanism.TLS_TIMEOUT_SNI,
    ),
    "http.answer_follows_host": (
        evidence((NOTICE_HOP,), neutral=neutral(), foreign_neutral=unserved(), foreign=at_control(NOTICE_HOP)),
        State.BLOCKED,
        Mechanism.HTTP_BLOCKPAGE,
    ),
    "http.known_blockpage": (evidence((KNOWN,), neutral=neutral()), State.BLOCKED, Mechanism.HTTP_BLOCKPAGE),
    "http.known_blockpage_without_https": (
        evidence((KNOWN,), (), neutral=neutral()),
        State.BLOCKED,
        Mechanism.HTTP_BLOCKPAGE,
    ),
    "http.withheld_451": (secure_only(LEGAL), State.WITHHELD, Mechanism.PLATFORM_HTTP_451),
    "http.unusual_plain_answer": (evidence((ELSEWHERE,)), State.INCONCLUSIVE, None),
    "http.redirect_hop_failed": (
        evidence(
            secure=(
                hop(exchange(SECURE, status=302, location="https://login.example/")),
                hop(exchange("https://login.example/", failure=Failure.CONNECTION_RESET, stage=HttpStage.TLS)),
            )
        ),
        State.INCONCLUSIVE,
        None,
    ),
    "http.left_to_others": (
        secure_only(hop(url=SECURE, problem=Unfollowed.NO_HANDSHAKE)),
        State.INCONCLUSIVE,
        None,
    ),
    "http.stalled_body": (
        secure_only(hop(*(exchange(SECURE, failure=Failure.GENERIC_TIMEOUT, stage=HttpStage.BODY),) * 2)),
        State.INCONCLUSIVE,
        Mechanism.STALL_UNATTRIBUTED,
    ),
    "http.no_answer_over_tls": (
        secure_only(hop(*(exchange(SECURE, failure=Failure.GENERIC_TIMEOUT),) * 2)),
        State.INCONCLUSIVE,
        None,
    ),
    "http.not_finished": (
        secure_only(hop(exchange(SECURE, status=301, location=SECURE + "x"), problem=Unfollowed.DEADLINE)),
        State.INCONCLUSIVE,
        None,
    ),
    "http.server_error": (
        secure_only(hop(*(exchange(SECURE, status=500, body="oops"),) * 2)),
        State.DOWN,
        Mechanism.SERVER_ERROR,
    ),
    "http.plain_cut": (evidence((CUT,)), State.INCONCLUSIVE, None),
    "http.redirects_end_nowhere": (
        secure_only(hop(exchange(SECURE, status=302, location=SECURE), problem=Unfollowed.LOOP)),
        State.OK,
        None,
    ),
    "http.refused_by_server": (secure_only(hop(exchange(SECURE, status=403, body="captcha"))), State.OK, None),
    "http.ok": (evidence(), State.OK, None),
    "http.plain_failed": (
        evidence((hop(exchange(PLAIN, failure=Failure.CONNECTION_REFUSED, stage=HttpStage.CONNECT)),), ()),
        State.INCONCLUSIVE,
        None,
    ),
    "http.plain_server_error": (
        evidence((hop(exchange(PLAIN, status=502, body=PAGE)),), ()),
        State.INCONCLUSIVE,
        None,
    ),
    "http.ok_plain": (evidence((hop(exchange(PLAIN, body=PAGE)),), ()), State.OK, None),
}


@pytest.mark.parametrize(
    "given",
    [
        evidence(secure=(CUT_INSIDE,)),
        evidence(secure=(CUT_INSIDE,), inside_neutral=(CONTROL_PAGE,), inside=(CONTROL_SILENT,) * 2),
        evidence(secure=(CUT_INSIDE,), inside_neutral=(CONTROL_PAGE, CONTROL_SILENT), inside=(CONTROL_SILENT,) * 2),
        evidence(secure=(CUT_INSIDE,), inside_neutral=(CONTROL_PAGE,) * 2, inside=(CONTROL_SILENT,)),
        evidence(secure=(CUT_INSIDE,), inside_neutral=(CONTROL_PAGE,) * 2, inside=(CONTROL_SILENT, CONTROL_PAGE)),
    ],
    ids=["not compared", "one name", "a name failed", "not repeated", "answered"],
)
def test_silence_inside_tls_needs_the_same_at_a_control(given: Evidence) -> None:
    assert judge(given).state is State.INCONCLUSIVE


@pytest.mark.parametrize("rule", [rule.id for rule in RULES])
def test_each_rule(rule: str) -> None:
    given, state, mechanism = CASES[rule]
    found = judge(given)
    assert (found.rule_ids, found.state) == ((rule,), state)
    assert found.mechanisms == (() if mechanism is None else (mechanism,))
    assert (found.strength is not None) == (state in (State.BLOCKED, State.WITHHELD))
    assert found.reason


def test_silence_after_the_host_line_is_named_so() -> None:
    given = evidence((SILENT,), neutral=neutral(), foreign_neutral=unserved(), foreign=FOREIGN_CUT)
    assert judge(given).mechanisms == (Mechanism.HTTP_TIMEOUT_HOST,)


@pytest.mark.parametrize("cut", [CUT, SILENT, CLOSED], ids=["reset", "silent", "closed"])
def test_a_host_cut_at_its_own_address_alone_is_perhaps_a_program_that_hangs(cut: Hop) -> None:
    answered = (exchange(PLAIN, address=CONTROL_ADDRESS, status=404, body="no such host here"), NOT_HOSTED)
    for foreign in ((), answered):
        assert judge(evidence((cut,), neutral=neutral(), foreign=foreign)).state is State.INCONCLUSIVE


@pytest.mark.parametrize("cut", [CUT, SILENT, CLOSED], ids=["reset", "silent", "closed"])
def test_a_control_that_closes_for_every_foreign_host_is_no_witness(cut: Hop) -> None:
    """A program that hangs behind one Host of many, and a control that closes for whatever it does not serve."""
    shut = tuple(replace(e, status=None, failure=Failure.EOF, stage=HttpStage.HEADERS) for e in unserved())
    for controls in (shut, ()):
        given = evidence((cut,), neutral=neutral(), foreign_neutral=controls, foreign=FOREIGN_CUT)
        assert judge(given).state is State.INCONCLUSIVE


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_proxy_that_goes_by_the_host_alone_is_no_censor(status: int) -> None:
    """It asks the target's own server at whatever address, and fails for Hosts that do not exist."""
    gateway = tuple(replace(e, status=status) for e in unserved())
    small = hop(exchange(PLAIN, status=200, body="our new pages will be here soon"))
    followed = evidence((small,), (), neutral=neutral(), foreign_neutral=gateway, foreign=at_control(small))
    hangs = evidence((SILENT,), neutral=neutral(), foreign_neutral=gateway, foreign=FOREIGN_CUT)
    assert judge(replace(followed, foreign_neutral=unserved())).state is State.BLOCKED
    for given in (followed, hangs):
        assert judge(given).state is State.INCONCLUSIVE


def test_a_redirect_that_follows_the_host_is_confirmed() -> None:
    found = judge(evidence((ELSEWHERE,), foreign_neutral=unserved(), foreign=at_control(ELSEWHERE)))
    assert (found.strength, found.mechanisms) == (Strength.CONFIRMED, (Mechanism.HTTP_REDIRECT,))


def test_a_notice_without_https_to_compare_is_found_by_comparison_alone() -> None:
    about = hop(exchange(PLAIN, status=200, body=f"{HOST} is blocked by decision of the court"))
    given = evidence((about,), (), foreign_neutral=unserved(), foreign=at_control(about))
    assert judge(given).rule_ids == ("http.answer_follows_host",)


def test_a_control_that_serves_the_target_accuses_nobody() -> None:
    given = evidence((ELSEWHERE,), foreign_neutral=unserved(), foreign=at_control(ELSEWHERE, HOSTED))
    assert judge(given).state is State.INCONCLUSIVE


def test_a_control_that_answers_every_host_alike_accuses_nobody() -> None:
    given = evidence((NOTICE_HOP,), foreign_neutral=unserved(NOTICE), foreign=at_control(NOTICE_HOP))
    same = tuple(replace(e, status=403) for e in given.foreign_neutral)
    assert judge(replace(given, foreign_neutral=same)).state is State.INCONCLUSIVE


def test_a_server_that_answers_every_host_so_is_its_own_master() -> None:
    given = evidence((NOTICE_HOP,), neutral=neutral(NOTICE, status=403))
    assert judge(given).state is State.OK


def test_a_neutral_host_that_is_cut_as_well_clears_the_line() -> None:
    assert judge(evidence((CUT,), neutral=neutral(failure=Failure.CONNECTION_RESET))).state is State.OK


def test_port_80_that_is_closed_is_no_finding_for_a_site_with_https() -> None:
    refused = hop(exchange(PLAIN, failure=Failure.CONNECTION_REFUSED, stage=HttpStage.CONNECT))
    assert judge(evidence((refused,))).state is State.OK


def test_the_authority_that_blocks_is_named() -> None:
    assert "authority.example" in judge(evidence(secure=(LEGAL,))).reason


def test_451_over_plain_http_is_nobodys_word() -> None:
    assert judge(evidence((hop(exchange(PLAIN, status=451, body="no")),), ())).state is State.INCONCLUSIVE


@pytest.mark.parametrize("status", [401, 403, 404, 421, 429, 503])
def test_a_servers_word_is_not_the_networks(status: int) -> None:
    assert judge(secure_only(hop(exchange(SECURE, status=status, body="x")))).state is State.OK


def test_a_redirect_within_the_registered_domain_or_where_https_goes_too_is_usual() -> None:
    own = exchange(PLAIN, status=301, location=f"https://www.{HOST}/")
    assert unusual(own, HOST, ()) is Unusual.NO
    away = exchange(PLAIN, status=301, location="https://other.example/")
    assert unusual(away, HOST, ()) is Unusual.REDIRECT
    too = exchange(SECURE, status=301, location="https://www.other.example/")
    assert unusual(away, HOST, (too,)) is Unusual.NO


def test_a_redirect_to_an_address_is_unusual() -> None:
    assert unusual(exchange(PLAIN, status=302, location="http://[scrubbed]/x"), HOST, ()) is Unusual.REDIRECT


@pytest.mark.parametrize(
    ("host", "domain"),
    [("www.bbc.co.uk", "bbc.co.uk"), ("a.b.test", "b.test"), ("localhost", "localhost"), ("192.0.2.1", "192.0.2.1")],
)
def test_registrable_domain(host: str, domain: str) -> None:
    assert registrable(host) == domain


def test_empty_answers_are_neither_the_same_nor_different() -> None:
    empty = exchange(PLAIN, body="")
    assert not is_same(empty, empty)
    assert not is_different(empty, empty)


def test_a_notice_that_carries_the_time_is_still_the_same() -> None:
    one, other = (exchange(PLAIN, body=f"{NOTICE} at {when}") for when in ("10:01", "10:02"))
    assert is_same(one, other)
    assert not is_different(one, other)


def test_a_short_page_without_https_beside_it_is_not_compared_with_one() -> None:
    alone, beside = judge(evidence((NOTICE_HOP,), ())), judge(evidence((NOTICE_HOP,)))
    assert alone.rule_ids == beside.rule_ids == ("http.unusual_plain_answer",)
    assert "https" not in alone.reason and "over https" in beside.reason
