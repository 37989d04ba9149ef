"""Does the check of reachability dial every address that it may, and repeat and compare what fails?"""

import pytest

from probe.checks import dns
from probe.checks.reach import MAX_ADDRESSES, Source, gather
from probe.failure import Failure
from probe.model.observations import Engine, TcpConnect
from probe.model.results import CannotRun, State
from probe.model.targets import Endpoint
from probe.verdict.reach import judge
from tests.fakes import (
    ADDRESS,
    ADDRESS6,
    CONTROL_ADDRESS,
    FORGED,
    HOST,
    SECOND_ADDRESS,
    ScriptedNet,
    connect,
    context,
    handshake,
    query,
)


def resolved(*control: str, system: tuple[str, ...] = (), proved: tuple[str, ...] = ()) -> dict[str, object]:
    return {
        "dns": dns.Evidence(
            hostname=HOST,
            system=(query(answer=system),) if system else (),
            control=(query(Engine.DOH, control, server="one"),),
            decoy=(),
            handshakes=tuple(handshake(address) for address in proved),
            control_handshakes=(),
        )
    }


def failing(*addresses: str, failure: Failure = Failure.GENERIC_TIMEOUT) -> ScriptedNet:
    def answer(endpoint: Endpoint) -> TcpConnect:
        return connect(endpoint.address, endpoint.port, failure if endpoint.address in addresses else None)

    return ScriptedNet(on_connect=answer)


async def test_everything_connects_once() -> None:
    net = failing()
    found = await gather(context(net, prior=resolved(ADDRESS, ADDRESS6)))
    assert judge(found).state is State.OK
    assert [call[1] for call in net.calls] == [f"{ADDRESS}:443", f"[{ADDRESS6}]:443"]
    assert found.neutral == ()


async def test_a_failure_is_repeated_with_a_control_beside_it() -> None:
    found = await gather(context(failing(ADDRESS), prior=resolved(ADDRESS)))
    assert len(found.connects) == 2
    assert [c.endpoint for c in found.neutral] == [Endpoint(address=CONTROL_ADDRESS, port=443)]
    assert judge(found).rule_ids == ("reach.timeout",)


async def test_ports_are_those_of_the_sites_on_this_host() -> None:
    sites = (f"http://{HOST}/", f"https://{HOST}:8443/", "https://other.example/")
    found = await gather(context(failing(ADDRESS), prior=resolved(ADDRESS), sites=sites))
    assert found.ports == (80, 8443)
    assert {c.endpoint.port for c in found.neutral} == {80, 443}


async def test_a_service_is_an_endpoint() -> None:
    found = await gather(context(failing(), "192.0.2.77:5222"))
    assert [(c.endpoint.address, c.endpoint.port) for c in found.connects] == [("192.0.2.77", 5222)]
    assert found.candidates[0].sources == (Source.FILE,)


async def test_an_ipv6_service_is_an_endpoint() -> None:
    found = await gather(context(failing(), f"[{ADDRESS6}]:5222"))
    assert str(found.connects[0].endpoint) == f"[{ADDRESS6}]:5222"


async def test_private_addresses_of_the_system_alone_are_recorded_not_dialled() -> None:
    net = failing()
    found = await gather(context(net, prior=resolved(ADDRESS, system=("10.0.0.1", FORGED))))
    assert {c.address: c.dialled for c in found.candidates} == {ADDRESS: True, "10.0.0.1": False, FORGED: True}
    assert not any("10.0.0.1" in call[1] for call in net.calls)


async def test_a_private_address_that_control_gives_is_dialled() -> None:
    found = await gather(context(failing(), prior=resolved("10.0.0.1")))
    assert [c.endpoint.address for c in found.connects] == ["10.0.0.1"]


async def test_a_proved_address_is_vouched_for() -> None:
    prior = resolved(ADDRESS, system=(SECOND_ADDRESS,), proved=(SECOND_ADDRESS,))
    found = await gather(context(failing(), prior=prior))
    assert found.candidates[1].sources == (Source.HANDSHAKE, Source.SYSTEM)
    assert judge(found).facts.addresses == (ADDRESS, SECOND_ADDRESS)


async def test_addresses_are_bounded_and_both_families_stay() -> None:
    many = [f"192.0.2.{i}" for i in range(1, 30)] + [f"2001:db8::{i}" for i in range(1, 30)]
    found = await gather(context(failing(), prior=resolved(*many)))
    assert len(found.connects) == MAX_ADDRESSES
    assert {c.endpoint.is_ipv6 for c in found.connects} == {True, False}


async def test_without_an_address_it_cannot_run() -> None:
    for prior in ({}, resolved()):
        with pytest.raises(CannotRun):
            await gather(context(failing(), prior=prior))
