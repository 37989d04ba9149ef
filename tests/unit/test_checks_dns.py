"""Does the check of DNS ask what its judge needs, in order, and dial nothing that it must not?"""

from dataclasses import replace

import pytest

from probe.checks.context import ControlSite
from probe.checks.dns import Evidence, gather, is_invented
from probe.failure import Failure
from probe.model.observations import DnsQuery, Engine, TlsHandshake, TlsStage
from probe.model.results import CannotRun, ProblemReason, State
from probe.model.targets import Endpoint
from probe.registry import BY_NAME
from probe.verdict.dns import judge
from tests.fakes import (
    ADDRESS,
    CONTROL_ADDRESS,
    FORGED,
    HOST,
    RESOLVERS,
    SECOND_ADDRESS,
    SERVER,
    Answer,
    ScriptedNet,
    context,
    exchange,
    handshake,
    query,
)


def truth(_who: str, host: str, kind: str) -> Answer:
    """What the internet says: the target at one IPv4 address, neutral names at another, invented names nowhere."""
    if kind == "AAAA":
        return Failure.DNS_NO_ANSWER
    if is_invented(host):
        return Failure.DNS_NXDOMAIN
    return (ADDRESS,) if host == HOST else ("198.51.100.99",)


def net(lie: Answer | None = None) -> ScriptedNet:
    """A line that tells the truth, but for a `lie` about the target."""

    def system(_server: str, host: str, kind: str) -> Answer | DnsQuery:
        if lie is not None and host == HOST and kind == "A":
            return lie
        return truth(_server, host, kind)

    def by_getaddrinfo(host: str) -> Answer:
        return lie if lie is not None and host == HOST else truth("", host, "A")

    return ScriptedNet(on_udp=system, on_resolve=by_getaddrinfo, on_encrypted=truth)


async def test_agreement_needs_no_second_look() -> None:
    clean = net()
    found = await gather(context(clean))
    assert judge(found).rule_ids == ("dns.ok",)
    assert (found.decoy, found.handshakes, found.control_handshakes) == ((), (), ())
    assert len(clean.calls) == 1 + 2 + 4


@pytest.mark.parametrize(
    ("lie", "rule"),
    [
        (Failure.DNS_NXDOMAIN, "dns.nxdomain"),
        (Failure.DNS_REFUSED, "dns.refused"),
        (Failure.DNS_SERVFAIL, "dns.servfail"),
        (Failure.DNS_NO_ANSWER, "dns.no_answer"),
        (("10.10.34.35",), "dns.bogon"),
    ],
)
async def test_each_lie_is_found(lie: Answer, rule: str) -> None:
    assert judge(await gather(context(net(lie)))).rule_ids == (rule,)


async def test_silence_about_the_name_alone_is_found() -> None:
    def udp(_server: str, host: str, kind: str) -> Answer:
        return Failure.GENERIC_TIMEOUT if host == HOST else truth(_server, host, kind)

    silent = net(Failure.GENERIC_TIMEOUT)
    silent.on_udp = udp
    assert judge(await gather(context(silent))).rule_ids == ("dns.timeout",)


async def test_a_forged_address_is_shaken_hands_with_twice() -> None:
    def hands(endpoint: Endpoint, name: str | None, _verified: str | None) -> TlsHandshake:
        wrong = Failure.SSL_INVALID_HOSTNAME if endpoint.address == FORGED else None
        return handshake(endpoint.address, name, verify=wrong)

    forged = net((FORGED,))
    forged.on_handshake = hands
    found = await gather(context(forged))
    assert judge(found).rule_ids == ("dns.another_server",)
    assert [h.endpoint.address for h in found.handshakes] == [FORGED, FORGED]
    assert [h.endpoint.address for h in found.control_handshakes] == [ADDRESS]


async def test_a_silent_address_is_tried_twice_though_the_c_library_kept_waiting() -> None:
    """A lost packet keeps getaddrinfo waiting as long as we let it; the check must have time for the rest."""

    def hands(endpoint: Endpoint, name: str | None, _verified: str | None) -> TlsHandshake:
        gone = endpoint.address == FORGED
        failure = Failure.GENERIC_TIMEOUT if gone else None
        return handshake(endpoint.address, name, failure=failure, stage=TlsStage.CONNECT if gone else None)

    silent = net((FORGED,))
    silent.on_handshake, silent.on_resolve = hands, lambda _: Failure.GENERIC_TIMEOUT
    found = await gather(context(silent, seconds=BY_NAME["dns"].seconds))
    assert [h.endpoint.address for h in found.handshakes] == [FORGED, FORGED]


async def test_a_cdns_other_address_proves_itself() -> None:
    found = await gather(context(net((SECOND_ADDRESS,))))
    assert judge(found).state is State.OK
    assert len(found.handshakes) == 1


async def test_private_addresses_are_recorded_and_never_dialled() -> None:
    forged = net(("10.0.0.7", "127.0.0.1", "0.0.0.0"))
    found = await gather(context(forged))
    assert "10.0.0.7" in found.system[0].addresses
    assert [call[1] for call in forged.calls if call[0] == "handshake"] == [ADDRESS]


async def test_a_race_is_found() -> None:
    raced = net()
    raced.on_udp = lambda server, host, kind: (
        query(Engine.UDP, ("10.0.0.7",), late=[(ADDRESS,)], host=host, kind=kind)
        if (host, kind) == (HOST, "A")
        else truth(server, host, kind)
    )
    assert judge(await gather(context(raced))).rule_ids == ("dns.injection_race",)


async def test_no_network_at_all_is_quick_and_accuses_nobody() -> None:
    dead = ScriptedNet()
    found = await gather(context(dead))
    assert judge(found).state is State.INCONCLUSIVE
    assert dead.clock.now() < 5


async def test_no_more_than_two_servers_are_asked() -> None:
    many = net()
    many.servers = (SERVER, "203.0.113.54", "203.0.113.55")
    await gather(context(many))
    assert {call[1] for call in many.calls if call[0] == "udp"} == set(many.servers[:2])


async def test_the_decoy_is_a_neutral_name_and_one_that_cannot_exist() -> None:
    found: Evidence = await gather(context(net(Failure.DNS_NXDOMAIN), names=(HOST, "example.org")))
    assert {q.hostname for q in found.decoy if not is_invented(q.hostname)} == {"example.org"}
    assert any(q.hostname.endswith(".example.org") for q in found.decoy)


async def test_what_would_be_cut_by_the_checks_own_end_is_not_begun() -> None:
    found = await gather(context(net(Failure.DNS_NXDOMAIN), seconds=4.5))
    assert all(q.query_type != "A" or q.failure for q in found.system if q.engine is Engine.UDP)
    assert judge(found).state is State.INCONCLUSIVE


async def test_an_address_needs_no_resolver() -> None:
    with pytest.raises(CannotRun) as refusal:
        await gather(context(net(), "192.0.2.1:443"))
    assert refusal.value.problem.reason is ProblemReason.NOTHING_TO_MEASURE


def stranger(endpoint: Endpoint, name: str | None, _verified: str | None) -> TlsHandshake:
    wrong = Failure.SSL_INVALID_HOSTNAME if endpoint.address == FORGED else None
    return handshake(endpoint.address, name, verify=wrong)


async def test_an_injector_answers_where_no_resolver_is() -> None:
    def udp(server: str, host: str, kind: str) -> Answer:
        if host.endswith(HOST):
            return (FORGED,) if kind == "A" else Failure.DNS_NO_ANSWER
        return Failure.GENERIC_TIMEOUT if server == CONTROL_ADDRESS else truth(server, host, kind)

    forged = net()
    forged.on_udp, forged.on_handshake = udp, stranger
    found = await gather(context(forged))
    assert judge(found).rule_ids == ("dns.answered_where_no_resolver_is",)
    there = [call[2] for call in forged.calls if call[:2] == ("udp", CONTROL_ADDRESS)]
    assert there[1] == HOST
    assert len(there) == 3
    assert HOST not in (there[0], there[2])
    assert [q.hostname.partition(".")[2] for q in found.below] == [HOST]


async def test_a_lying_resolver_is_told_by_names_that_cannot_exist() -> None:
    def udp(server: str, host: str, kind: str) -> Answer:
        if server == CONTROL_ADDRESS:
            return Failure.GENERIC_TIMEOUT
        return (FORGED,) if host.endswith(HOST) and kind == "A" else truth(server, host, kind)

    lying = net((FORGED,))
    lying.on_udp, lying.on_handshake = udp, stranger
    found = await gather(context(lying))
    assert judge(found).rule_ids == ("dns.forged_below",)
    assert [len(part) for part in (found.nowhere, found.nowhere_neutral, found.below_control)] == [1, 1, 1]


async def test_the_page_at_a_forged_address_is_read_and_private_ones_are_not() -> None:
    forged = net((FORGED, "10.0.0.7"))
    forged.on_handshake = stranger
    forged.on_fetch = lambda r: exchange(r.url, address=r.endpoint.address, host=r.host, body="our own words, in short")
    found = await gather(context(forged, known_blockpages={"ours": "our own words"}))
    assert judge(found).rule_ids == ("dns.leads_to_notice",)
    assert [call[1:] for call in forged.calls if call[0] == "fetch"] == [(f"{FORGED}:80", f"http://{HOST}/")]


async def test_nothing_is_looked_for_where_an_address_proves_itself() -> None:
    clean = net((SECOND_ADDRESS,))
    found = await gather(context(clean))
    assert (found.below, found.nowhere, found.pages) == ((), (), ())
    assert not [call for call in clean.calls if call[0] == "fetch" or call[1] == CONTROL_ADDRESS]


async def test_no_host_is_asked_that_is_the_targets_or_a_resolver() -> None:
    forged = net((FORGED,))
    forged.on_handshake = stranger
    own = ControlSite(name="www.example.com", endpoint=Endpoint(address=ADDRESS, port=443), answers_plain_http=True)
    resolver = replace(own, endpoint=Endpoint(address=RESOLVERS[0].address, port=443))
    found = await gather(context(forged, control_sites=(own, resolver)))
    assert (found.nowhere, found.nowhere_neutral) == ((), ())
