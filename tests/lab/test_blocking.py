"""Is each way to block found by its mechanism, and is what one vantage point cannot tell left undecided?"""

import pytest

from probe.lab.actions import (
    Drop,
    Reset,
    Unreachable,
    blockpage,
    empty_answer,
    forged_address,
    nxdomain,
    redirect,
    refused,
    servfail,
)
from probe.lab.path import HOME
from probe.lab.rules import Action, CensorRule, DnsName, HttpHost, Matcher, Sni, ToAddress, named
from probe.lab.session import Lab
from probe.lab.world import NOTICE_ADDRESS, NOTICE_NAME, small_internet
from probe.model.results import State
from tests.lab.running import Ran, measure

pytestmark = [pytest.mark.lab, pytest.mark.timeout(200)]

WORLD = small_internet().only("mapfolk", "gazette")
LINKED = small_internet().address_of("mapfolk.test") or ""


def censored(when: Matcher, do: Action) -> Ran:
    with Lab(profile=HOME, world=WORLD, rules=[CensorRule(when=when, do=do)]) as lab:
        ran = measure(lab)
    other = "gazette" if "mapfolk" in str(when) or LINKED in str(when) else "mapfolk"
    assert ran.state(other) is State.OK, ran.told()  # what is not censored is not accused
    return ran


@pytest.mark.parametrize(
    ("action", "mechanisms"),
    [
        (nxdomain(), {"dns.nxdomain"}),
        (refused(), {"dns.refused"}),
        (servfail(), {"dns.servfail"}),
        (empty_answer(), {"dns.no_answer"}),
        (Drop(), {"dns.timeout"}),
        (forged_address("127.0.0.1"), {"dns.bogon"}),
        (forged_address("10.10.34.35"), {"dns.bogon"}),
        (forged_address(NOTICE_ADDRESS), {"dns.injection", "dns.injection.blockpage"}),
        (forged_address(NOTICE_ADDRESS, truth_follows=True), {"dns.injection", "dns.injection.blockpage"}),
    ],
    ids=["nxdomain", "refused", "servfail", "empty", "timeout", "loopback", "private", "injected", "raced"],
)
def test_forged_dns(action: Action, mechanisms: set[str]) -> None:
    ran = censored(DnsName(pattern=named("mapfolk.test")), action)
    assert ran.state("mapfolk") is State.BLOCKED, ran.told()
    assert ran.mechanisms("mapfolk") & mechanisms, ran.told()


@pytest.mark.parametrize(
    ("action", "mechanism"), [(Reset(), "tls.reset.sni"), (Drop(), "tls.timeout.sni")], ids=["reset", "drop"]
)
def test_server_name(action: Action, mechanism: str) -> None:
    ran = censored(Sni(pattern=named("mapfolk.test")), action)
    assert ran.state("mapfolk") is State.BLOCKED, ran.told()
    assert mechanism in ran.mechanisms("mapfolk")


@pytest.mark.parametrize(
    ("action", "mechanisms"),
    [
        (blockpage(), {"http.blockpage"}),
        (redirect(f"http://{NOTICE_NAME}/"), {"http.redirect", "http.blockpage"}),
        (Reset(), {"http.reset.host"}),
        (Drop(), {"http.timeout.host"}),
    ],
    ids=["blockpage", "redirect", "reset", "drop"],
)
def test_host_header(action: Action, mechanisms: set[str]) -> None:
    ran = censored(HttpHost(pattern=named("gazette.test")), action)
    assert ran.state("gazette") is State.BLOCKED, ran.told()
    assert ran.mechanisms("gazette") & mechanisms, ran.told()


@pytest.mark.parametrize(
    ("action", "states"),
    [
        (Drop(), {State.INCONCLUSIVE}),
        (Reset(), {State.INCONCLUSIVE}),
        (Unreachable(), {State.BLOCKED, State.INCONCLUSIVE}),
    ],
    ids=["drop", "reset", "icmp"],
)
def test_an_address_alone_is_at_most_likely(action: Action, states: set[State]) -> None:
    """From one place a dead server and a dropped address look alike."""
    ran = censored(ToAddress(addresses=(LINKED,)), action)
    verdict = ran.verdict("mapfolk")
    assert verdict.state in states, ran.told()
    assert verdict.state is not State.BLOCKED or (verdict.strength and verdict.strength.value == "likely")
