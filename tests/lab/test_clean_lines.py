"""What does a run on a line without interference cost, and how soon does it end where little or nothing answers?

That nobody is accused there is for the scenarios (`probe.lab.scenarios`: lines, servers, media, resolvers, controls,
vantage), which `test_scenarios` runs.
"""

import pytest

from probe.lab.path import HOME, NARROW
from probe.lab.session import Lab
from probe.lab.world import small_internet
from probe.model.results import NetworkState, State
from tests.lab.running import measure

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]

CLEAN_MAX_BYTES = 2_000_000  # a clean 20/8 line, both directions, everything that the target costs
CLEAN_MAX_SECONDS = 6.0


@pytest.mark.quiet
def test_clean_home_line_is_cheap_and_quick() -> None:
    with Lab(profile=HOME, world=small_internet().only("birdnet", "photogram")) as lab:
        ran = measure(lab)
    for identity in ("birdnet", "photogram"):
        assert ran.state(identity) is State.OK, ran.told()
        assert ran.bytes_of(identity) <= CLEAN_MAX_BYTES
        assert ran.seconds_of(identity, "goodput") <= CLEAN_MAX_SECONDS


def test_narrow_line_ends_in_time_and_accuses_nobody() -> None:
    with Lab(profile=NARROW, world=small_internet().only("birdnet")) as lab:
        ran = measure(lab)
    assert ran.state("birdnet") in (State.OK, State.INCONCLUSIVE), ran.told()
    assert ran.report.duration_seconds <= 90


def test_no_network_is_said_soon() -> None:
    world = small_internet().only("birdnet", "gazette")
    for host in world.hosts:
        world = world.changed(host.name, dead=True)
    with Lab(profile=HOME, world=world) as lab:
        ran = measure(lab)
    assert {t.verdict.state for t in ran.report.targets} == {State.INCONCLUSIVE}
    assert ran.report.network.state is NetworkState.NO_NETWORK
    assert ran.code == 3
    assert ran.report.duration_seconds <= 30


def test_a_dead_control_is_left_out_and_named() -> None:
    world = small_internet().only("birdnet")
    for name in ("www.southnet.test", "dns.southnet.test", "speed.southnet.test"):
        world = world.changed(name, dead=True)
    with Lab(profile=HOME, world=world) as lab:
        ran = measure(lab)
    assert ran.state("birdnet") is State.OK, ran.told()
    assert ran.report.network.left_out == ("www.southnet.test",)
