"""Is the small internet consistent: names, addresses, variations, demo, and what its servers answer?"""

import ipaddress
from dataclasses import replace

import dns.message
import dns.rcode
import pytest
from ruamel.yaml import YAML

from probe.lab.answers import dns_answer
from probe.lab.demo_rules import CASES, demo_rules
from probe.lab.manners import Listed, Manners
from probe.lab.namespaces import SERVER_NET, SERVER_NET6
from probe.lab.world import Role, demo_world, small_internet, targets_yaml


def test_names_and_addresses_are_unique_and_in_their_ranges() -> None:
    hosts = small_internet().hosts
    assert len({host.name for host in hosts}) == len({host.address for host in hosts}) == len(hosts)
    assert all(host.name.endswith(".test") for host in hosts)
    assert all(ipaddress.ip_address(host.address) in ipaddress.ip_network(SERVER_NET) for host in hosts)


def test_ipv6_beside_ipv4_where_it_is_asked_for() -> None:
    assert all(host.addresses == (host.address,) for host in small_internet().hosts)
    hosts = small_internet(ipv6=True).hosts
    assert len({address for host in hosts for address in host.addresses}) == 2 * len(hosts)
    assert all(ipaddress.ip_address(h.address6 or "") in ipaddress.ip_network(SERVER_NET6) for h in hosts)
    assert next(h.address6 for h in hosts if h.name == "upload.vidtube.test") == "2001:2:0:8011::3"


@pytest.mark.parametrize(("listed", "count"), [(Listed.EVERYWHERE, 1), (Listed.BY_CONTROLS, 0)])
def test_ipv6_addresses_are_listed_as_ipv4_ones_are(listed: Listed, count: int) -> None:
    world = small_internet(ipv6=True).changed("birdnet.test", listed=listed)
    query = dns.message.make_query("birdnet.test", "AAAA").to_wire()
    answer = dns_answer(query, world, world.resolver)
    assert answer is not None
    texts = [record.to_text() for rrset in dns.message.from_wire(answer).answer for record in rrset]
    assert texts == ["2001:2:0:8010::1"] * count


def test_one_platform_is_near_one_far_one_strict() -> None:
    media = {h.name: h for h in small_internet().hosts if h.role is Role.MEDIA}
    assert media["media.birdnet.test"].extra_rtt_seconds == 0
    assert media["media.vidtube.test"].extra_rtt_seconds == pytest.approx(0.140)
    assert [name for name, host in media.items() if host.strict_names] == ["media.photogram.test"]


def test_variations() -> None:
    world = small_internet(media_pacing_bps=2e6, control_pacing_bps=1e6, controls_strict=True, congestion="bbr")
    for host in world.hosts:
        wanted = {Role.MEDIA: 2e6, Role.CONTROL_MEDIA: 1e6}.get(host.role)
        assert (host.pacing_bps, host.congestion) == (wanted, "bbr")
    assert all(o.media.strict_names and o.site.strict_names for o in world.operators)
    assert all(host.strict_names for host in small_internet(everyone_strict=True).hosts)
    assert small_internet().changed("birdnet.test", dead=True).hosts[0].dead
    with pytest.raises(ValueError, match="nobody"):
        small_internet().changed("nobody.test", dead=True)


def test_targets_yaml_names_every_platform_and_control() -> None:
    world = small_internet()
    document = YAML(typ="safe").load(targets_yaml(world))
    assert document["version"] == 1
    assert [target["id"] for target in document["targets"]] == [platform.id for platform in world.platforms]
    assert document["targets"][0]["media"] == {
        "download": ["https://media.birdnet.test/media/1.bin?bytes={bytes}"],
        "upload": ["https://upload.birdnet.test/upload"],
    }
    assert len(document["controls"]["media"]) == len(document["controls"]["resolvers"]) == 2


def test_the_demo_has_its_six_targets_and_rules() -> None:
    assert [platform.id for platform in demo_world().platforms] == [case.target for case in CASES]
    assert len(demo_rules()) == 5


@pytest.mark.parametrize(
    ("name", "qtype", "rcode", "addresses"),
    [
        ("media.birdnet.test", "A", dns.rcode.NOERROR, ["198.18.10.2"]),
        ("Media.BIRDNET.test", "A", dns.rcode.NOERROR, ["198.18.10.2"]),
        ("media.birdnet.test", "AAAA", dns.rcode.NOERROR, []),
        ("nobody.test", "A", dns.rcode.NXDOMAIN, []),
    ],
)
def test_the_resolvers_answers(name: str, qtype: str, rcode: dns.rcode.Rcode, addresses: list[str]) -> None:
    query = dns.message.make_query(name, qtype)
    wire = dns_answer(query.to_wire(), small_internet(), small_internet().resolver)
    assert wire is not None
    response = dns.message.from_wire(wire)
    assert query.is_response(response)
    assert response.rcode() == rcode
    assert [record.to_text() for rrset in response.answer for record in rrset] == addresses


def test_differing_answers_dead_names_and_invented_addresses() -> None:
    world = small_internet().changed("mapfolk.test", listed=Listed.BY_CONTROLS)
    world = world.changed("linkhub.test", listed=Listed.NOWHERE)
    encrypted = world.operators[0].resolver
    assert world.listed_addresses("mapfolk.test", encrypted) == ("198.18.23.1",)
    assert world.listed_addresses("mapfolk.test", world.resolver) == ()
    assert world.listed_addresses("linkhub.test", encrypted) == world.listed_addresses("linkhub.test", world.resolver)
    inventive = replace(world.resolver, manners=Manners(invents="198.18.0.80"))
    wire = dns_answer(dns.message.make_query("linkhub.test", "A").to_wire(), world, inventive)
    assert wire is not None
    assert "198.18.0.80" in dns.message.from_wire(wire).answer[0].to_text()


def test_garbage_gets_no_answer() -> None:
    assert dns_answer(b"\0" * 5, small_internet(), small_internet().resolver) is None
    response = dns.message.make_response(dns.message.make_query("birdnet.test", "A"))
    assert dns_answer(response.to_wire(), small_internet(), small_internet().resolver) is None
