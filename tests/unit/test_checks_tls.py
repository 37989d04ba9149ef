"""Does the check of TLS change one variable at a time, neutral names first, the target's at a control last?"""

from dataclasses import replace

import pytest

from probe.checks import dns, reach
from probe.checks.tls import gather
from probe.failure import Failure
from probe.model.observations import Engine, TlsHandshake, TlsStage
from probe.model.results import CannotRun, Strength
from probe.model.targets import Endpoint
from probe.verdict.tls import judge
from tests.fakes import (
    ADDRESS,
    ADDRESS6,
    CONTROL_ADDRESS,
    HOST,
    SECOND_ADDRESS,
    ScriptedNet,
    connect,
    context,
    handshake,
    query,
)


def prior(*addresses: str, dead: tuple[str, ...] = ()) -> dict[str, object]:
    """What the earlier checks found: `addresses` that control gave, `dead` ones that do not connect."""
    return {
        "dns": dns.Evidence(
            hostname=HOST,
            system=(),
            control=(query(Engine.DOH, addresses, server="one"),),
            decoy=(),
            handshakes=(),
            control_handshakes=(),
        ),
        "reach": reach.Evidence(
            host=HOST,
            ports=(443,),
            candidates=(),
            connects=tuple(connect(a, failure=Failure.GENERIC_TIMEOUT if a in dead else None) for a in addresses),
            neutral=(),
        ),
    }


def censored(failure: Failure = Failure.CONNECTION_RESET, *, strict: bool = False, all_at: str = "") -> ScriptedNet:
    """A path that cuts the target's name anywhere; servers `strict` about names refuse unknown ones with an alert."""

    def answer(endpoint: Endpoint, name: str | None, verified: str | None) -> TlsHandshake:
        if name == HOST or endpoint.address == all_at:
            return handshake(endpoint.address, name, unverified=verified is None, failure=failure)
        if strict and name != "example.com":
            alert = "unrecognized_name"
            return handshake(
                endpoint.address,
                name,
                unverified=True,
                failure=Failure.SSL_FAILED_HANDSHAKE,
                alert=alert,
                stage=TlsStage.CLIENT_HELLO,
            )
        return handshake(endpoint.address, name, unverified=verified is None)

    return ScriptedNet(on_handshake=answer)


async def test_a_good_handshake_is_enough() -> None:
    net = ScriptedNet()
    found = await gather(context(net, prior=prior(ADDRESS, ADDRESS6)))
    assert judge(found).rule_ids == ("tls.ok",)
    assert len(net.calls) == 2
    assert (found.neutral, found.foreign) == ((), ())


@pytest.mark.parametrize("failure", [Failure.CONNECTION_RESET, Failure.GENERIC_TIMEOUT])
async def test_a_cut_name_is_confirmed_in_the_order_of_least_harm(failure: Failure) -> None:
    net = censored(failure)
    found = await gather(context(net, prior=prior(ADDRESS), seconds=24.0))
    assert judge(found).rule_ids == ("tls.cut_by_name",)
    asked = [(call[1], call[2]) for call in net.calls]
    assert asked[0] == (ADDRESS, HOST)
    assert {name for address, name in asked[1:3] if address == ADDRESS} == {"example.com", "example.org"}
    assert asked[-2:] == [(CONTROL_ADDRESS, HOST), (CONTROL_ADDRESS, HOST)]
    assert net.clock.now() < 24


async def test_servers_that_refuse_neutral_names_leave_it_to_the_control() -> None:
    found = await gather(context(censored(strict=True), prior=prior(ADDRESS)))
    verdict = judge(found)
    assert (verdict.rule_ids, verdict.strength) == (("tls.cut_by_name_at_control",), Strength.CONFIRMED)


async def test_an_address_that_is_punished_for_every_name_leaves_it_to_the_control() -> None:
    found = await gather(context(censored(all_at=ADDRESS), prior=prior(ADDRESS)))
    verdict = judge(found)
    assert (verdict.rule_ids, verdict.strength) == (("tls.cut_at_control_too",), Strength.LIKELY)


def shaken_by_dns(*shaken: TlsHandshake, alive: tuple[str, ...] = ()) -> dict[str, object]:
    """What the earlier checks found where the dns check had shaken hands, and nothing has connected since."""
    found = prior(ADDRESS, *alive, dead=(ADDRESS,))
    assert isinstance(found["dns"], dns.Evidence)
    return {**found, "dns": replace(found["dns"], control_handshakes=shaken)}


@pytest.mark.parametrize("by_dns", [False, True])
async def test_a_pair_of_addresses_that_is_dropped_after_the_name_costs_no_handshake_without_one(by_dns: bool) -> None:
    """With 6 s for each connection that does not come, one more would leave none for the control's address. The dns
    check may have been the first to say the name there."""
    asked: list[str] = []
    punished = {ADDRESS} if by_dns else set()
    earlier = shaken_by_dns(handshake(ADDRESS, failure=Failure.CONNECTION_RESET)) if by_dns else prior(ADDRESS)

    def answer(endpoint: Endpoint, name: str | None, verified: str | None) -> TlsHandshake:
        asked.append(name or "")
        if endpoint.address in punished:
            return handshake(endpoint.address, name, failure=Failure.GENERIC_TIMEOUT, stage=TlsStage.CONNECT)
        if name == HOST:
            punished.add(endpoint.address)
            return handshake(endpoint.address, name, failure=Failure.CONNECTION_RESET)
        return handshake(endpoint.address, name, unverified=verified is None)

    found = await gather(context(ScriptedNet(on_handshake=answer), prior=earlier, seconds=34.0))
    assert "" not in asked
    assert len(found.foreign) == 2
    assert judge(found).rule_ids == ("tls.shut_out",)


async def test_one_lost_neutral_handshake_is_made_up_for() -> None:
    lost: list[str] = []

    def answer(endpoint: Endpoint, name: str | None, verified: str | None) -> TlsHandshake:
        failure = Failure.CONNECTION_RESET if name == HOST else None
        if name == "example.org" and not lost:
            lost.append(name)
            failure = Failure.GENERIC_TIMEOUT
        return handshake(endpoint.address, name, unverified=verified is None, failure=failure)

    found = await gather(context(ScriptedNet(on_handshake=answer), prior=prior(ADDRESS)))
    assert lost
    assert judge(found).rule_ids == ("tls.cut_by_name",)


async def test_without_a_control_site_a_cut_name_is_perhaps_its_servers_own_doing() -> None:
    found = await gather(context(censored(), prior=prior(ADDRESS), control_sites=()))
    assert judge(found).rule_ids == ("tls.cut_here_alone",)


async def test_addresses_that_tcp_did_not_reach_are_left_out() -> None:
    net = ScriptedNet()
    await gather(context(net, prior=prior(ADDRESS, SECOND_ADDRESS, dead=(ADDRESS,))))
    assert [call[1] for call in net.calls] == [SECOND_ADDRESS]


async def test_what_dns_saw_at_a_dead_address_is_left_out_where_another_lives() -> None:
    net, cut = ScriptedNet(), handshake(ADDRESS, failure=Failure.CONNECTION_RESET)
    found = await gather(context(net, prior=shaken_by_dns(cut, alive=(SECOND_ADDRESS,))))
    assert [h.endpoint.address for h in found.target] == [SECOND_ADDRESS]


async def test_a_control_at_the_targets_own_address_is_no_control() -> None:
    net = censored()
    found = await gather(context(net, prior=prior(ADDRESS, CONTROL_ADDRESS)))
    assert (found.foreign, found.foreign_neutral) == ((), ())


async def test_a_late_deadline_means_no_accusation() -> None:
    found = await gather(context(censored(), prior=prior(ADDRESS), seconds=6.0))
    assert judge(found).rule_ids == ("tls.not_repeated",)


async def test_without_a_trusted_address_it_cannot_run() -> None:
    good = shaken_by_dns(handshake(ADDRESS, failure=Failure.CONNECTION_RESET), handshake(ADDRESS))
    unconnected = shaken_by_dns(handshake(ADDRESS, failure=Failure.GENERIC_TIMEOUT, stage=TlsStage.CONNECT))
    for given in ({}, prior(), prior(ADDRESS, dead=(ADDRESS,)), good, unconnected):
        with pytest.raises(CannotRun):
            await gather(context(censored(), prior=given))
