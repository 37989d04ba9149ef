"""Do the censor's less common actions work on real connections: diversion, interception, residue, QUIC?"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from probe.lab.actions import Divert, Drop, RacingReset, Reset, ResetAnswers
from probe.lab.interception import Interception
from probe.lab.path import HOME
from probe.lab.rules import (
    Action,
    Allowance,
    AnySni,
    AnyTls,
    CensorRule,
    Not,
    QuicSize,
    QuicSni,
    Residual,
    Sni,
    ToAddress,
    ToPort,
    named,
)
from probe.lab.session import Lab
from probe.lab.world import ISP_RESOLVER_ADDRESS, NOTICE_ADDRESS, Host, Role, small_internet
from probe.wire.packets import Protocol
from tests import quic_initials
from tests.unit.test_lab_tls_names import client_hello

pytestmark = [pytest.mark.lab, pytest.mark.timeout(100)]

CLIENT = Path(__file__).with_name("vantage_censor.py")
SITE, OTHER, THIRD = "198.18.23.1", "198.18.20.1", "198.18.22.1"  # mapfolk.test, gazette.test, talkline.test
PROXY, OPENING, REFUSING = "198.18.0.54", "198.18.0.90", "198.18.0.91"
WORLD = (
    small_internet()
    .only("mapfolk", "gazette", "talkline")
    .with_others(
        Host(name="proxy.isp.test", address=PROXY, role=Role.RESOLVER, forged=(("gazette.test", NOTICE_ADDRESS),)),
        Host(
            name="opening.isp.test",
            address=OPENING,
            role=Role.INTERCEPTOR,
            interception=Interception(upstream=SITE, names=(named("mapfolk.test"),)),
        ),
        Host(
            name="refusing.isp.test",
            address=REFUSING,
            role=Role.INTERCEPTOR,
            interception=Interception(upstream=SITE, notice=True),
        ),
    )
)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(profile=HOME, world=WORLD) as started:
        yield started


def client(lab: Lab, rules: list[CensorRule], *words: object) -> Any:
    """Kernels go on repeating a ClientHello that was dropped, under the next rules too: names and addresses that the
    tests' rules remember are each one test's own.
    """
    lab.set_rules(rules)
    done = lab.run([sys.executable, CLIENT, *map(str, words)], timeout=30)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("action", [Reset(), RacingReset(), RacingReset(to_server=False), ResetAnswers()], ids=str)
def test_every_kind_of_reset_is_heard(lab: Lab, action: Action) -> None:
    rules = [CensorRule(when=Sni(pattern=named("mapfolk.test")), do=action)]
    assert client(lab, rules, "handshakes", "mapfolk.test", 3, SITE)["seen"] == ["reset"]
    assert client(lab, rules, "handshakes", "gazette.test", 3, SITE)["seen"] == ["lab"]


def test_a_white_list_by_name(lab: Lab) -> None:
    rules = [CensorRule(when=Not(matcher=AnySni(patterns=(named("gazette.test"),))), do=Drop())]
    assert client(lab, rules, "handshakes", "gazette.test", 3, SITE, OTHER)["seen"] == ["lab", "lab"]
    assert client(lab, rules, "handshakes", "mapfolk.test", 2, OTHER)["seen"] == ["timeout"]


def test_residue_follows_the_pair_of_addresses(lab: Lab) -> None:
    rule = CensorRule(
        when=Sni(pattern=named("talkline.test")), do=Reset(), residual=Residual(seconds=60, do=Drop(), at_hello=True)
    )
    assert client(lab, [rule], "handshakes", "talkline.test", 2, SITE, SITE)["seen"] == ["reset", "timeout"]
    done = lab.run([sys.executable, CLIENT, "handshakes", "gazette.test", "2", SITE, OTHER], timeout=30)
    assert json.loads(done.stdout)["seen"] == ["timeout", "lab"]


def test_too_many_handshakes(lab: Lab) -> None:
    rule = CensorRule(when=AnyTls(), do=Drop(), allowance=Allowance(flows=3, seconds=60))
    seen = client(lab, [rule], "handshakes", "mapfolk.test", 2, THIRD, THIRD, THIRD, THIRD, OTHER)["seen"]
    assert seen == ["lab", "lab", "lab", "timeout", "lab"]


@pytest.mark.parametrize(("answers_as_asked", "sender"), [(True, ISP_RESOLVER_ADDRESS), (False, PROXY)])
def test_dns_interception(lab: Lab, answers_as_asked: bool, sender: str) -> None:
    rules = [
        CensorRule(when=ToPort(port=53, protocol=Protocol.UDP), do=Divert(to=PROXY, answers_as_asked=answers_as_asked))
    ]
    told = client(lab, rules, "ask", ISP_RESOLVER_ADDRESS, "mapfolk.test", 3)
    assert told == {"from": sender, "addresses": [SITE]}
    lied = client(lab, rules, "ask", ISP_RESOLVER_ADDRESS, "gazette.test", 3)
    assert lied == {"from": sender, "addresses": [NOTICE_ADDRESS]}


def test_a_transparent_proxy_answers_for_a_resolver_that_is_not_there(lab: Lab) -> None:
    rules = [CensorRule(when=ToPort(port=53, protocol=Protocol.UDP), do=Divert(to=PROXY))]
    told = client(lab, rules, "ask", "198.18.99.9", "mapfolk.test", 3)
    assert told == {"from": "198.18.99.9", "addresses": [SITE]}


def test_an_interceptor_opens_listed_names_and_carries_them_on(lab: Lab) -> None:
    rules = [CensorRule(when=ToAddress(addresses=(SITE,), port=443), do=Divert(to=OPENING))]
    assert client(lab, rules, "handshakes", "mapfolk.test", 3, SITE, OTHER)["seen"] == ["national", "lab"]
    assert client(lab, rules, "handshakes", "gazette.test", 3, SITE)["seen"] == ["lab"]
    seen = client(lab, rules, "page", SITE, "mapfolk.test", 5)
    plain = client(lab, [], "page", SITE, "mapfolk.test", 5)
    assert (seen["status"], plain["status"]) == (200, 200)
    assert seen["bytes"] == pytest.approx(plain["bytes"], abs=200)


def test_an_interceptor_answers_with_a_notice(lab: Lab) -> None:
    rules = [CensorRule(when=ToAddress(addresses=(SITE,), port=443), do=Divert(to=REFUSING))]
    assert client(lab, rules, "page", SITE, "mapfolk.test", 5)["restricted"]


def dropped(lab: Lab, rules: list[CensorRule], *datagrams: bytes) -> int:
    before = lab.stats().censor_dropped
    client(lab, rules, "send", SITE, *(datagram.hex() for datagram in datagrams))
    return lab.stats().censor_dropped - before


def test_quic_is_dropped_by_name_and_by_size(lab: Lab) -> None:
    listed, free = (quic_initials.hello_message(client_hello(name)) for name in ("mapfolk.test", "gazette.test"))
    by_name = [CensorRule(when=QuicSni(pattern=named("mapfolk.test")), do=Drop())]
    assert dropped(lab, by_name, quic_initials.initial(listed)) == 1
    assert dropped(lab, by_name, *quic_initials.in_two(listed, cut=90)) == 1
    assert dropped(lab, by_name, quic_initials.initial(free)) == 0
    by_size = [CensorRule(when=QuicSize(), do=Drop())]
    assert dropped(lab, by_size, quic_initials.initial(free)) == 1
    assert dropped(lab, by_size, quic_initials.initial(free, padded_bytes=1000)) == 0
