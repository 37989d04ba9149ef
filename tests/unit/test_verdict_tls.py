"""Does each rule on TLS handshakes hold where it should, and does none accuse without its control?"""

from dataclasses import replace

import pytest

from probe.checks.tls import Evidence
from probe.failure import Failure
from probe.model.observations import Certificate, TlsHandshake, TlsStage
from probe.model.results import Mechanism, State, Strength
from probe.verdict.tls import RULES, judge
from tests.fakes import ADDRESS, ADDRESS6, CONTROL_ADDRESS, HOST, NEUTRAL, SECOND_ADDRESS, certificate, handshake

Handshakes = tuple[TlsHandshake, ...]

RESET = (handshake(failure=Failure.CONNECTION_RESET),) * 2
CLOSED = (handshake(failure=Failure.EOF),) * 2
SILENT = (handshake(failure=Failure.GENERIC_TIMEOUT),) * 2
LATE = (handshake(failure=Failure.GENERIC_TIMEOUT, stage=TlsStage.SERVER_HELLO),) * 2
ALERT = (handshake(failure=Failure.SSL_FAILED_HANDSHAKE, alert="unrecognized_name"),) * 2
EXPIRED = (handshake(verify=Failure.SSL_INVALID_CERTIFICATE, stage=TlsStage.CERTIFICATE),) * 2
IMPOSTOR = certificate("Evil CA", "ee")
INTERCEPTED = (handshake(verify=Failure.SSL_UNKNOWN_AUTHORITY, shown=IMPOSTOR),) * 2


def neutral(address: str = ADDRESS, failure: Failure | None = None, alert: str | None = None) -> Handshakes:
    return tuple(handshake(address, name, unverified=True, failure=failure, alert=alert) for name in NEUTRAL)


OWN = (handshake(CONTROL_ADDRESS, NEUTRAL[0], shown=certificate(sha256="bb", name=NEUTRAL[0])),)
UNSERVED = tuple(
    handshake(CONTROL_ADDRESS, f"{i}.{NEUTRAL[1]}", unverified=True, shown=certificate(sha256="bb", name=NEUTRAL[0]))
    for i in range(2)
)
FOREIGN_RESET = (handshake(CONTROL_ADDRESS, failure=Failure.CONNECTION_RESET),) * 2
UNCONNECTED = handshake(failure=Failure.GENERIC_TIMEOUT, stage=TlsStage.CONNECT)
FOREIGN_UNCONNECTED = handshake(CONTROL_ADDRESS, failure=Failure.GENERIC_TIMEOUT, stage=TlsStage.CONNECT)
FOREIGN_FINE = (handshake(CONTROL_ADDRESS, verify=Failure.SSL_INVALID_HOSTNAME),)
FOREIGN_IMPOSTOR = (handshake(CONTROL_ADDRESS, verify=Failure.SSL_UNKNOWN_AUTHORITY, shown=IMPOSTOR),)


def evidence(
    target: Handshakes,
    *,
    neutral: Handshakes = (),
    nameless: Handshakes = (),
    foreign_neutral: Handshakes = (*OWN, *UNSERVED),
    foreign: Handshakes = (),
) -> Evidence:
    return Evidence(
        hostname=HOST,
        target=target,
        neutral=neutral,
        nameless=nameless,
        foreign_neutral=foreign_neutral,
        foreign=foreign,
    )


REFUSED = neutral(failure=Failure.SSL_FAILED_HANDSHAKE, alert="unrecognized_name")
BROKEN = neutral(failure=Failure.CONNECTION_RESET)

CASES: dict[str, tuple[Evidence, State, Mechanism | None]] = {
    "tls.no_handshake": (evidence(()), State.INCONCLUSIVE, None),
    "tls.ok": (evidence((handshake(), handshake(SECOND_ADDRESS))), State.OK, None),
    "tls.mitm": (evidence(INTERCEPTED, foreign=FOREIGN_IMPOSTOR), State.BLOCKED, Mechanism.TLS_MITM),
    "tls.cut_by_name": (
        evidence(RESET, neutral=neutral(), foreign=FOREIGN_RESET),
        State.BLOCKED,
        Mechanism.TLS_RESET_SNI,
    ),
    "tls.cut_by_name_at_control": (
        evidence(RESET, neutral=REFUSED, foreign=FOREIGN_RESET),
        State.BLOCKED,
        Mechanism.TLS_RESET_SNI,
    ),
    "tls.cut_at_control_too": (
        evidence(RESET, neutral=BROKEN, foreign=FOREIGN_RESET),
        State.BLOCKED,
        Mechanism.TLS_RESET_SNI,
    ),
    "tls.cut_beside_refusals": (
        evidence(SILENT, neutral=REFUSED, foreign=FOREIGN_RESET),
        State.BLOCKED,
        Mechanism.TLS_TIMEOUT_SNI,
    ),
    "tls.impersonated": (
        replace(evidence(INTERCEPTED, neutral=neutral()), vouching=(handshake(),)),
        State.BLOCKED,
        Mechanism.TLS_MITM,
    ),
    "tls.shut_out": (
        evidence((RESET[0], UNCONNECTED), foreign=(*FOREIGN_RESET[:1], FOREIGN_UNCONNECTED)),
        State.BLOCKED,
        Mechanism.TLS_RESET_SNI,
    ),
    "tls.cut_here_alone": (
        evidence(RESET, neutral=neutral(), foreign=FOREIGN_FINE),
        State.INCONCLUSIVE,
        Mechanism.TLS_RESET,
    ),
    "tls.some_addresses_fail": (
        evidence((*RESET, handshake(SECOND_ADDRESS)), neutral=neutral()),
        State.INCONCLUSIVE,
        None,
    ),
    "tls.controls_fail_too": (
        evidence(EXPIRED, foreign_neutral=(handshake(CONTROL_ADDRESS, verify=Failure.SSL_INVALID_CERTIFICATE),)),
        State.INCONCLUSIVE,
        None,
    ),
    "tls.certificate": (evidence(EXPIRED, neutral=neutral()), State.INCONCLUSIVE, Mechanism.SERVER_CERTIFICATE),
    "tls.server_alert": (evidence(ALERT, neutral=neutral()), State.INCONCLUSIVE, Mechanism.SERVER_REFUSED),
    "tls.connect_failed": (
        evidence((handshake(failure=Failure.CONNECTION_REFUSED, stage=TlsStage.CONNECT),) * 2),
        State.INCONCLUSIVE,
        None,
    ),
    "tls.not_repeated": (evidence(RESET[:1], neutral=neutral()), State.INCONCLUSIVE, None),
    "tls.any_name_fails": (evidence(RESET, neutral=BROKEN), State.INCONCLUSIVE, Mechanism.TLS_RESET),
    "tls.late_silence": (evidence(LATE, neutral=neutral()), State.INCONCLUSIVE, Mechanism.TLS_TIMEOUT),
    "tls.too_few_neutral": (evidence(RESET, neutral=neutral()[:1]), State.INCONCLUSIVE, Mechanism.TLS_RESET),
}


@pytest.mark.parametrize("rule", [rule.id for rule in RULES])
def test_each_rule(rule: str) -> None:
    given, state, mechanism = CASES[rule]
    found = judge(given)
    assert (found.rule_ids, found.state) == ((rule,), state)
    assert found.mechanisms == (() if mechanism is None else (mechanism,))
    assert (found.strength is not None) == (state is State.BLOCKED)
    assert found.reason


def test_an_ab_at_one_address_is_confirmed_and_refusals_are_not() -> None:
    assert judge(CASES["tls.cut_by_name"][0]).strength is Strength.CONFIRMED
    assert judge(CASES["tls.cut_beside_refusals"][0]).strength is Strength.LIKELY
    assert judge(evidence(CLOSED, neutral=neutral(), foreign=FOREIGN_RESET)).strength is Strength.LIKELY


@pytest.mark.parametrize("around", [neutral(), REFUSED], ids=["completed", "refused"])
@pytest.mark.parametrize("cut", [RESET, SILENT, CLOSED], ids=["reset", "silent", "closed"])
def test_a_name_that_a_control_answers_is_not_cut_by_the_network(cut: Handshakes, around: Handshakes) -> None:
    """A proxy that passes names on by SNI, with nobody behind this one."""
    assert judge(evidence(cut, neutral=around, foreign=FOREIGN_FINE)).rule_ids == ("tls.cut_here_alone",)
    assert judge(evidence(cut, neutral=around)).rule_ids == ("tls.cut_here_alone",), "an arm taken away accuses nobody"


STRICT = tuple(
    handshake(CONTROL_ADDRESS, f"{i}.{NEUTRAL[1]}", unverified=True, failure=Failure.CONNECTION_RESET) for i in range(2)
)


@pytest.mark.parametrize("around", [neutral(), REFUSED], ids=["completed", "refused"])
@pytest.mark.parametrize("cut", [RESET, SILENT, CLOSED], ids=["reset", "silent", "closed"])
def test_a_control_that_cuts_every_foreign_name_is_no_witness(cut: Handshakes, around: Handshakes) -> None:
    """A dead server behind a shared door, and a control that resets whatever it does not serve."""
    given = evidence(cut, neutral=around, foreign_neutral=(*OWN, *STRICT), foreign=FOREIGN_RESET)
    assert judge(given).rule_ids == ("tls.cut_here_alone",)


def test_an_overloaded_server_and_one_loss_at_a_control_accuse_nobody() -> None:
    silent = handshake(CONTROL_ADDRESS, failure=Failure.GENERIC_TIMEOUT)
    given = evidence((SILENT[0], UNCONNECTED), neutral=BROKEN, foreign=(silent,))
    assert judge(given).state is State.INCONCLUSIVE
    assert judge(replace(given, foreign=(silent, FOREIGN_UNCONNECTED))).rule_ids == ("tls.shut_out",)


@pytest.mark.parametrize(
    ("around", "vouching", "shown"),
    [
        (neutral(), handshake(), certificate("Good CA", "ee")),
        (neutral()[:1], handshake(), IMPOSTOR),
        ((neutral()[0], handshake(name=NEUTRAL[1], unverified=True, shown=IMPOSTOR)), handshake(), IMPOSTOR),
        ((), handshake(), IMPOSTOR),
    ],
    ids=["an intermediate is missing", "one neutral name", "one of many servers", "no neutral name"],
)
def test_a_badly_kept_server_is_not_an_impostor(around: Handshakes, vouching: TlsHandshake, shown: Certificate) -> None:
    tried = (handshake(verify=Failure.SSL_UNKNOWN_AUTHORITY, shown=shown),) * 2
    assert judge(replace(evidence(tried, neutral=around), vouching=(vouching,))).rule_ids == ("tls.certificate",)


def test_a_name_answered_only_now_and_then_at_a_control_stays_accused() -> None:
    found = judge(evidence(RESET, neutral=neutral(), foreign=(*FOREIGN_RESET[:1], *FOREIGN_FINE)))
    assert (found.state, found.strength) == (State.BLOCKED, Strength.LIKELY)


@pytest.mark.parametrize(
    "given",
    [
        evidence((RESET[0], UNCONNECTED)),
        evidence((RESET[0], UNCONNECTED), foreign=FOREIGN_FINE),
        evidence((RESET[0], UNCONNECTED), foreign=FOREIGN_RESET, foreign_neutral=(*OWN, UNSERVED[0])),
        evidence((RESET[0], UNCONNECTED), foreign=FOREIGN_RESET, foreign_neutral=UNSERVED),
        evidence((UNCONNECTED, UNCONNECTED), foreign=FOREIGN_RESET),
        evidence((RESET[0], UNCONNECTED), foreign=(FOREIGN_UNCONNECTED, *FOREIGN_RESET[:1])),
        evidence((RESET[0], UNCONNECTED, handshake(SECOND_ADDRESS)), foreign=FOREIGN_RESET),
    ],
    ids=["not tried", "answered", "one name", "control invalid", "never connected", "not at first", "other address"],
)
def test_one_cut_and_then_no_connection_needs_the_same_at_a_control(given: Evidence) -> None:
    assert judge(given).state is State.INCONCLUSIVE


@pytest.mark.parametrize(
    "given",
    [
        evidence(INTERCEPTED),
        replace(evidence(INTERCEPTED), vouching=INTERCEPTED[:1]),
        replace(evidence(INTERCEPTED, foreign_neutral=UNSERVED), vouching=(handshake(),)),
        replace(evidence(EXPIRED), vouching=(handshake(),)),
        replace(evidence(INTERCEPTED[:1]), vouching=(handshake(),)),
    ],
    ids=["nobody vouches", "same for all", "control invalid", "expired", "once"],
)
def test_a_foreign_certificate_alone_accuses_nobody(given: Evidence) -> None:
    assert judge(given).state is State.INCONCLUSIVE


def test_refusals_beside_a_cut_at_control_are_confirmed() -> None:
    found = judge(evidence(RESET, neutral=REFUSED, foreign=FOREIGN_RESET))
    assert (found.strength, found.mechanisms) == (Strength.CONFIRMED, (Mechanism.TLS_RESET_SNI,))


def test_a_handshake_that_completes_when_repeated_is_ok() -> None:
    assert judge(evidence((RESET[0], handshake()), neutral=neutral())).state is State.OK


def test_a_control_that_cuts_every_unserved_name_accuses_nobody() -> None:
    cut = tuple(
        handshake(CONTROL_ADDRESS, "x.example.org", unverified=True, failure=Failure.CONNECTION_RESET) for _ in "12"
    )
    given = evidence(RESET, neutral=BROKEN, foreign_neutral=(*OWN, *cut), foreign=FOREIGN_RESET)
    assert judge(given).state is State.INCONCLUSIVE


def test_blocked_over_ipv4_only_is_still_blocked() -> None:
    found = judge(evidence((*RESET, handshake(ADDRESS6)), neutral=neutral(), foreign=FOREIGN_RESET))
    assert found.rule_ids == ("tls.cut_by_name",)
    assert "over IPv6 it completes" in found.reason


def test_late_silence_is_blamed_only_where_it_follows_the_name_to_control() -> None:
    foreign = (handshake(CONTROL_ADDRESS, failure=Failure.GENERIC_TIMEOUT, stage=TlsStage.SERVER_HELLO),) * 2
    assert judge(evidence(LATE, neutral=neutral(), foreign=foreign)).state is State.BLOCKED


def test_the_interceptors_issuer_is_in_the_facts() -> None:
    assert judge(CASES["tls.mitm"][0]).facts.certificate_issuer == "Evil CA"


def test_a_shared_default_certificate_is_no_interceptor() -> None:
    unserved = tuple(handshake(CONTROL_ADDRESS, "x.example.org", unverified=True, shown=IMPOSTOR) for _ in "12")
    given = evidence(INTERCEPTED, foreign_neutral=(*OWN, *unserved), foreign=FOREIGN_IMPOSTOR)
    assert judge(given).state is State.INCONCLUSIVE


def test_one_authority_for_an_expired_target_and_a_control_is_no_interceptor() -> None:
    expired = (handshake(verify=Failure.SSL_INVALID_CERTIFICATE, shown=certificate("Busy CA", "cc")),) * 2
    foreign = (handshake(CONTROL_ADDRESS, verify=Failure.SSL_INVALID_HOSTNAME, shown=certificate("Busy CA", "bb")),)
    assert judge(evidence(expired, foreign=foreign)).rule_ids == ("tls.certificate",)


def test_an_interceptor_of_everything_is_the_machines_own() -> None:
    own = (handshake(CONTROL_ADDRESS, NEUTRAL[0], verify=Failure.SSL_UNKNOWN_AUTHORITY, shown=IMPOSTOR),)
    given = evidence(INTERCEPTED, foreign_neutral=(*own, *UNSERVED), foreign=FOREIGN_IMPOSTOR)
    assert judge(given).rule_ids == ("tls.controls_fail_too",)


def test_a_name_that_a_control_answers_is_not_blamed_there() -> None:
    assert judge(evidence(RESET, neutral=BROKEN, foreign=FOREIGN_FINE)).state is State.INCONCLUSIVE
