"""Does nobody get accused where nobody interferes: bad lines, far and paced servers, strict names, no network?"""

import pytest

from probe.lab.path import BUFFERBLOAT, DSL, HOME, MOBILE, NARROW, SATELLITE, WIFI, PathProfile
from probe.lab.rate_actions import Police
from probe.lab.rules import CensorRule, Everything
from probe.lab.session import Lab
from probe.lab.world import small_internet
from probe.model.results import NetworkState, State
from tests.lab.running import measure

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]

CLEAN_MAX_BYTES = 2_000_000  # a clean 20/8 line, both directions, everything that the target costs
CLEAN_MAX_SECONDS = 6.0


@pytest.mark.parametrize("line", [HOME, DSL, SATELLITE, BUFFERBLOAT], ids=lambda line: line.name)
def test_clean_line(line: PathProfile) -> None:
    with Lab(profile=line, world=small_internet().only("birdnet", "gazette")) as lab:
        ran = measure(lab)
    assert {t.verdict.state for t in ran.report.targets} == {State.OK}, ran.told()
    assert ran.code == 0


@pytest.mark.parametrize("line", [WIFI, MOBILE], ids=lambda line: line.name)
def test_clean_line_that_loses_packets(line: PathProfile) -> None:
    """Random loss leaves 1.5-2.3 % of series undecided (docs/benchmarks.md): that is allowed, an accusation is not."""
    with Lab(profile=line, world=small_internet().only("birdnet", "gazette")) as lab:
        ran = measure(lab)
    assert ran.state("gazette") is State.OK, ran.told()
    assert ran.state("birdnet") in (State.OK, State.INCONCLUSIVE), ran.told()
    undecided = {m.check for m in ran.target("birdnet").measurements if m.verdict.state is not State.OK}
    assert undecided <= {"goodput"}, ran.told()


@pytest.mark.quiet
def test_clean_home_line_is_cheap_and_quick() -> None:
    with Lab(profile=HOME, world=small_internet().only("birdnet", "photogram")) as lab:
        ran = measure(lab)
    for identity in ("birdnet", "photogram"):
        assert ran.state(identity) is State.OK, ran.told()
        assert ran.bytes_of(identity) <= CLEAN_MAX_BYTES
        assert ran.seconds_of(identity, "goodput") <= CLEAN_MAX_SECONDS


@pytest.mark.parametrize("line", [DSL, WIFI], ids=lambda line: line.name)
def test_clean_line_with_strict_names(line: PathProfile) -> None:
    with Lab(profile=line, world=small_internet(everyone_strict=True).only("birdnet")) as lab:
        ran = measure(lab)
    assert ran.state("birdnet") in (State.OK, State.INCONCLUSIVE), ran.told()


def test_narrow_line_ends_in_time_and_accuses_nobody() -> None:
    with Lab(profile=NARROW, world=small_internet().only("birdnet")) as lab:
        ran = measure(lab)
    assert ran.state("birdnet") in (State.OK, State.INCONCLUSIVE), ran.told()
    assert ran.report.duration_seconds <= 90


def test_whole_line_policed() -> None:
    everyone = CensorRule(when=Everything(), do=Police(rate_bps=400e3))
    with Lab(profile=HOME, world=small_internet().only("birdnet", "photogram"), rules=[everyone]) as lab:
        ran = measure(lab)
    for identity in ("birdnet", "photogram"):
        assert ran.state(identity) in (State.OK, State.INCONCLUSIVE), ran.told()


def test_far_target_and_paced_media() -> None:
    with Lab(profile=HOME, world=small_internet(media_pacing_bps=2e6).only("vidtube", "photogram")) as lab:
        ran = measure(lab)
    for identity in ("vidtube", "photogram"):
        assert ran.state(identity) in (State.OK, State.INCONCLUSIVE), ran.told()


def test_slow_controls() -> None:
    with Lab(profile=HOME, world=small_internet(control_pacing_bps=1e6).only("birdnet", "photogram")) as lab:
        ran = measure(lab)
    for identity in ("birdnet", "photogram"):
        assert ran.state(identity) in (State.OK, State.INCONCLUSIVE), ran.told()


def test_no_network() -> None:
    world = small_internet().only("birdnet", "gazette")
    for host in world.hosts:
        world = world.changed(host.name, dead=True)
    with Lab(profile=HOME, world=world) as lab:
        ran = measure(lab)
    assert {t.verdict.state for t in ran.report.targets} == {State.INCONCLUSIVE}
    assert ran.report.network.state is NetworkState.NO_NETWORK
    assert ran.code == 3
    assert ran.report.duration_seconds <= 30


def test_dead_site_is_nobodys_fault() -> None:
    world = small_internet().only("mapfolk", "gazette").changed("mapfolk.test", dead=True)
    with Lab(profile=HOME, world=world) as lab:
        ran = measure(lab)
    assert ran.state("mapfolk") in (State.DOWN, State.INCONCLUSIVE), ran.told()
    assert ran.state("gazette") is State.OK, ran.told()


def test_a_dead_control_is_left_out_and_named() -> None:
    world = small_internet().only("birdnet")
    for name in ("www.southnet.test", "dns.southnet.test", "speed.southnet.test"):
        world = world.changed(name, dead=True)
    with Lab(profile=HOME, world=world) as lab:
        ran = measure(lab)
    assert ran.state("birdnet") is State.OK, ran.told()
    assert ran.report.network.left_out == ("www.southnet.test",)
