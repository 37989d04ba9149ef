"""Are the controls compared with each other first, and is a portal, a dead line or a wrong clock recognised?"""

from dataclasses import replace

from probe.checks import http, portal
from probe.failure import Failure
from probe.model.observations import HttpExchange, TlsHandshake, TlsStage
from probe.model.results import Measurement, NetworkState
from probe.verdict import network
from tests.factories import (
    connect,
    dns_evidence,
    dns_query,
    exchange,
    handshake,
    measurement,
    reach_evidence,
    tls_evidence,
)

ONE, TWO = "one.example", "two.example"
PORTAL = "http://login.portal.example/"


def of_control(check: str, host: str, evidence: object) -> Measurement:
    subject = f"https://{host}/" if check == "http" else host
    return measurement(check, evidence, target="", subject=subject)


def working(host: str) -> list[Measurement]:
    return [of_control("reach", host, reach_evidence(host)), of_control("tls", host, tls_evidence(host))]


def bad_certificate(host: str, failure: Failure) -> list[Measurement]:
    shown = replace(handshake(host), verify_failure=failure, stage=TlsStage.CERTIFICATE)
    evidence = replace(tls_evidence(host), target=(shown,))
    return [of_control("reach", host, reach_evidence(host)), of_control("tls", host, evidence)]


def dead(host: str) -> list[Measurement]:
    failed: TlsHandshake = replace(
        handshake(host, failure=Failure.GENERIC_TIMEOUT),
        stage=TlsStage.CONNECT,
        connect=connect(failure=Failure.GENERIC_TIMEOUT),
    )
    return [
        of_control("reach", host, reach_evidence(host, failure=Failure.GENERIC_TIMEOUT)),
        of_control("tls", host, replace(tls_evidence(host), target=(failed,))),
    ]


def plain(host: str, answer: HttpExchange) -> Measurement:
    hop = http.Hop(url=f"http://{host}/", lookups=(), exchanges=(answer,), known_blockpages=())
    evidence = http.Evidence(
        url=f"https://{host}/", plain=(hop,), secure=(), neutral=(), foreign_neutral=(), foreign=()
    )
    return of_control("http", host, evidence)


def test_all_controls_work() -> None:
    found = network.judge([*working(ONE), *working(TWO)])
    assert (found.state, found.left_out, found.rule_id) == (NetworkState.OK, (), "network.ok")


def test_one_failing_control_is_named_and_silences_nobody() -> None:
    found = network.judge([*working(ONE), *dead(TWO)])
    assert (found.state, found.left_out) == (NetworkState.OK, (TWO,))
    assert TWO in found.reason


def test_no_network() -> None:
    assert network.judge([*dead(ONE), *dead(TWO)]).rule_id == "network.no_network"
    assert network.judge([]).rule_id == "network.no_network"


def test_captive_portal_by_one_redirect_for_everybody() -> None:
    answers = [plain(host, replace(exchange(f"http://{host}/", status=302), location=PORTAL)) for host in (ONE, TWO)]
    found = network.judge([*dead(ONE), *dead(TWO), *answers])
    assert found.state is NetworkState.CAPTIVE_PORTAL


def test_captive_portal_by_one_page_for_everybody() -> None:
    answers = [plain(host, exchange(f"http://{host}/", title="Log in")) for host in (ONE, TWO)]
    assert network.judge([*dead(ONE), *dead(TWO), *answers]).state is NetworkState.CAPTIVE_PORTAL


def test_captive_portal_by_one_certificate_for_everybody() -> None:
    certificates = [m for host in (ONE, TWO) for m in bad_certificate(host, Failure.SSL_UNKNOWN_AUTHORITY)]
    assert network.judge(certificates).state is NetworkState.CAPTIVE_PORTAL


def test_a_sites_own_redirect_to_https_is_no_portal() -> None:
    answers = [
        plain(host, replace(exchange(f"http://{host}/", status=301), location=f"https://www.{host}/"))
        for host in (ONE, TWO)
    ]
    assert network.judge([*dead(ONE), *dead(TWO), *answers]).rule_id == "network.controls_failing"


def test_a_wrong_clock() -> None:
    first, second = bad_certificate(ONE, Failure.SSL_INVALID_CERTIFICATE), dead(TWO)[:1]
    assert network.judge([*first, *second]).rule_id == "network.clock_wrong"


def test_a_wrong_clock_that_silences_the_encrypted_resolvers_too() -> None:
    """Then nobody vouches for an address, and only the check of DNS shakes hands, where the line's resolver says."""
    shown = replace(handshake(ONE), verify_failure=Failure.SSL_INVALID_CERTIFICATE, stage=TlsStage.CERTIFICATE)
    found = [of_control("dns", host, replace(dns_evidence(host), handshakes=(shown,))) for host in (ONE, TWO)]
    reached = [of_control("reach", host, reach_evidence(host)) for host in (ONE, TWO)]
    assert network.judge([*found, *reached]).rule_id == "network.clock_wrong"
    verified = of_control("dns", TWO, replace(dns_evidence(TWO), handshakes=(handshake(TWO),)))
    assert network.judge([found[0], verified, *reached]).rule_id == "network.controls_failing"


def test_one_foreign_certificate_is_controls_failing() -> None:
    found = network.judge([*bad_certificate(ONE, Failure.SSL_UNKNOWN_AUTHORITY), *dead(TWO)])
    assert found.rule_id == "network.controls_failing"


def asked_in_doubt(host: str, address: str) -> Measurement:
    lookup = dns_query(host, (address,))
    return of_control("portal", host, portal.Evidence(host=host, lookup=lookup, exchanges=()))


def test_captive_portal_by_one_local_address_for_everybody() -> None:
    found = network.judge([*dead(ONE), *dead(TWO), asked_in_doubt(ONE, "10.0.0.1"), asked_in_doubt(TWO, "10.0.0.1")])
    assert found.rule_id == "network.captive_portal"


def test_a_dead_line_with_a_working_resolver_is_no_portal() -> None:
    found = network.judge([*dead(ONE), *dead(TWO), asked_in_doubt(ONE, "192.0.2.1"), asked_in_doubt(TWO, "192.0.2.2")])
    assert found.rule_id == "network.no_network"


def test_no_handshake_at_all_says_nothing_about_the_clock() -> None:
    found = network.judge([of_control("reach", host, reach_evidence(host)) for host in (ONE, TWO)])
    assert found.rule_id == "network.controls_failing"


def cut(host: str, failure: Failure = Failure.GENERIC_TIMEOUT) -> list[Measurement]:
    evidence = replace(tls_evidence(host), target=(handshake(host, failure=failure),) * 2)
    return [of_control("reach", host, reach_evidence(host)), of_control("tls", host, evidence)]


def of_target(host: str, *, failure: Failure | None = None) -> Measurement:
    return measurement("tls", tls_evidence(host, failure=failure), target="news", subject=host)


def test_only_listed_names_pass() -> None:
    controls = [*cut(ONE), *cut(TWO, failure=Failure.CONNECTION_RESET)]
    found = network.judge(controls, [of_target("listed.example")])
    assert (found.state, found.rule_id) == (NetworkState.WHITE_LIST, "network.white_list")
    assert "listed.example" in found.reason


def test_a_white_list_is_seen_where_no_encrypted_resolver_vouches_for_a_control() -> None:
    controls = []
    for host in (ONE, TWO):
        silent = (handshake(host, failure=Failure.GENERIC_TIMEOUT),)
        controls += [
            of_control("dns", host, replace(dns_evidence(host), handshakes=silent)),
            plain(host, replace(exchange(f"http://{host}/", status=301), location=f"https://www.{host}/")),
        ]
    assert network.judge(controls, [of_target("listed.example")]).rule_id == "network.white_list"


def test_a_line_that_loses_large_packets_is_no_white_list() -> None:
    controls = []
    for host in (ONE, TWO):
        late = (replace(handshake(host, failure=Failure.GENERIC_TIMEOUT), stage=TlsStage.SERVER_HELLO),)
        controls.append(of_control("dns", host, replace(dns_evidence(host), handshakes=late)))
        controls.append(plain(host, replace(exchange(f"http://{host}/", status=301), location=f"https://www.{host}/")))
    found = network.judge(controls, [of_target("listed.example")])
    assert found.rule_id == "network.controls_failing"


def test_a_white_list_needs_a_target_that_works_and_every_control_cut() -> None:
    works = [of_target("listed.example")]
    fails = [of_target("listed.example", failure=Failure.CONNECTION_RESET)]
    both = [*cut(ONE), *cut(TWO)]
    expired = bad_certificate(TWO, Failure.SSL_UNKNOWN_AUTHORITY)
    for controls, targets in (
        (both, []),
        (both, fails),
        (cut(ONE), works),
        ([*cut(ONE), *dead(TWO)], works),
        ([*cut(ONE), *expired], works),
    ):
        assert network.judge(controls, targets).state is not NetworkState.WHITE_LIST
    assert network.judge([*working(ONE), *cut(TWO)], works).state is NetworkState.OK
