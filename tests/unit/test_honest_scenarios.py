"""Can every honest scenario be built, does its truth accuse nobody, and do difficult servers do what they are told?"""

import dns.message
import dns.rcode
import pytest

from probe.lab.answers import dns_answer
from probe.lab.doors import is_selective, reception
from probe.lab.manners import Manners, Unknown
from probe.lab.scenarios.base import Scenario, all_scenarios
from probe.lab.world import Host, Role, small_internet, targets_yaml
from probe.model.results import State

HONEST = [s for s in all_scenarios() if not s.family.interferes]
ACCUSATIONS = {State.BLOCKED, State.THROTTLED}


@pytest.mark.parametrize("scenario", HONEST, ids=lambda s: s.name)
def test_an_honest_scenario_accuses_nobody_and_covers_its_world(scenario: Scenario) -> None:
    for profile in scenario.profiles:
        made = scenario.build(profile)
        assert set(made.truths) == {p.id for p in made.world.platforms}
        assert made.truths
        assert not any(truth.interfered or ACCUSATIONS & set(truth.states) for truth in made.truths.values())
        places = [(h.name, h.address) for h in made.world.hosts]
        assert len(set(places)) == len(places)
        assert targets_yaml(made.world)


def test_there_are_enough_honest_scenarios_of_every_family() -> None:
    assert len(HONEST) >= 32
    assert len({s.family for s in HONEST}) == 5


def door(**manners: object) -> Host:
    return Host(name="a.test", address="198.18.1.1", role=Role.WEB, manners=Manners(**manners))  # type: ignore[arg-type]


def test_a_well_kept_server_reads_no_hello() -> None:
    assert not is_selective(door())
    for manners in ({"own_name": Unknown.RESET}, {"reset_share": 0.1}, {"patient_connections": 3}):
        assert is_selective(door(**manners))


@pytest.mark.parametrize(
    ("host", "is_own", "visit", "given"),
    [
        (door(own_name=Unknown.RESET), True, 1, Unknown.RESET),
        (door(own_name=Unknown.RESET), False, 1, Unknown.SERVE),
        (door(unknown_names=Unknown.IGNORE), False, 1, Unknown.IGNORE),
        (door(patient_connections=2), True, 2, Unknown.SERVE),
        (door(patient_connections=2), True, 3, Unknown.RESET),
        (door(reset_share=1.0), True, 1, Unknown.RESET),
    ],
)
def test_what_becomes_of_a_hello(host: Host, is_own: bool, visit: int, given: Unknown) -> None:
    assert reception(host, is_own=is_own, visit=visit) is given


def test_a_share_of_connections_is_reset() -> None:
    third = door(reset_share=0.33)
    reset = sum(reception(third, is_own=True, visit=visit) is Unknown.RESET for visit in range(300))
    assert 60 <= reset <= 140


def answer(manners: Manners, name: str, qtype: str) -> tuple[dns.rcode.Rcode, list[str]]:
    world = small_internet().changed("mapfolk.test", address="192.168.78.10")
    world = world.changed("resolver.isp.test", manners=manners)
    wire = dns_answer(dns.message.make_query(name, qtype).to_wire(), world, world.resolver)
    assert wire is not None
    response = dns.message.from_wire(wire)
    return response.rcode(), [record.to_text() for rrset in response.answer for record in rrset]


def test_resolvers_that_filter_hide_and_deny() -> None:
    gazette = "198.18.20.1"
    assert answer(Manners(filters=("gazette.test",)), "gazette.test", "A") == (dns.rcode.NOERROR, ["0.0.0.0"])
    assert answer(Manners(filters=("gazette.test",)), "mapfolk.test", "A")[1] == ["192.168.78.10"]
    assert answer(Manners(hides_private=True), "mapfolk.test", "A") == (dns.rcode.NOERROR, [])
    assert answer(Manners(hides_private=True), "gazette.test", "A") == (dns.rcode.NOERROR, [gazette])
    assert answer(Manners(denies_ipv6=True), "gazette.test", "AAAA")[0] == dns.rcode.NXDOMAIN
    assert answer(Manners(denies_ipv6=True), "gazette.test", "A") == (dns.rcode.NOERROR, [gazette])


def test_a_name_is_spelled_as_a_person_would() -> None:
    world = small_internet().only("gazette").changed("gazette.test", spelled="bücher.test")
    assert "https://bücher.test/" in targets_yaml(world)
    assert world.address_of("gazette.test") is not None
