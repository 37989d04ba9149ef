"""Are the censor's own machines part of the world, and do they know whom they are there for?"""

import dns.message
import pytest

from probe.lab.answers import dns_answer
from probe.lab.interception import Interception
from probe.lab.rules import named
from probe.lab.world import NOTICE_ADDRESS, Host, Role, World, small_internet, targets_yaml

PROXY = Host(
    name="proxy.isp.test", address="198.18.0.54", role=Role.RESOLVER, forged=(("gazette.test", NOTICE_ADDRESS),)
)


def answered(world: World, resolver: Host, name: str) -> list[str]:
    wire = dns_answer(dns.message.make_query(name, "A").to_wire(), world, resolver)
    assert wire is not None
    return [record.to_text() for rrset in dns.message.from_wire(wire).answer for record in rrset]


@pytest.mark.parametrize(
    ("names", "name", "opened"),
    [
        ((), "anything.test", True),
        ((), None, False),
        (("birdnet.test",), "media.birdnet.test", True),
        (("birdnet.test",), "www.northnet.test", False),
    ],
)
def test_whom_an_interceptor_opens(names: tuple[str, ...], name: str | None, opened: bool) -> None:
    patterns = tuple(named(each) for each in names)
    assert Interception(upstream="198.18.10.1", names=patterns).opens(name) is opened


def test_the_censors_machines_survive_every_change_of_the_world() -> None:
    world = small_internet().with_others(PROXY).only("gazette").changed("gazette.test", pacing_bps=1e6).with_ipv6()
    assert world.address_of(PROXY.name) == PROXY.address
    moved = world.changed(PROXY.name, extra_rtt_seconds=0.1)
    assert [host.extra_rtt_seconds for host in moved.others] == [0.1]
    assert PROXY.name not in targets_yaml(world)


def test_a_lying_resolver_lies_about_its_list_alone() -> None:
    world = small_internet().with_others(PROXY)
    assert answered(world, PROXY, "gazette.test") == [NOTICE_ADDRESS]
    assert answered(world, PROXY, "mapfolk.test") == answered(world, world.resolver, "mapfolk.test") == ["198.18.23.1"]
    assert answered(world, world.resolver, "gazette.test") == ["198.18.20.1"]
