"""Is a platform that the network slows found, on every line, in either direction, near or far, strict or not?"""

import pytest

from probe.lab.path import BUFFERBLOAT, DSL, HOME, MOBILE, SATELLITE, WIFI, PathProfile
from probe.lab.rate_actions import Freeze, Police, Shape
from probe.lab.rules import CensorRule, Direction, Sni, ToAddress, named
from probe.lab.session import Lab
from probe.lab.world import World, small_internet
from probe.model.results import Comparison, Method, State
from tests.lab.running import Ran, measure

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]

SLOWED_MAX_BYTES = 4_000_000
SLOWED_MAX_SECONDS = 25.0  # on a home line, both directions
POLICED_BPS = 140e3


def policed(target: str, *directions: Direction) -> CensorRule:
    return CensorRule(
        when=Sni(pattern=named(f"{target}.test")),
        do=Police(rate_bps=POLICED_BPS, directions=directions or (Direction.DOWN, Direction.UP)),
    )


def run(line: PathProfile, world: World, target: str, rule: CensorRule) -> Ran:
    with Lab(profile=line, world=world.only(target), rules=[rule]) as lab:
        return measure(lab)


@pytest.mark.parametrize("direction", [Direction.DOWN, Direction.UP])
@pytest.mark.parametrize("line", [HOME, WIFI, MOBILE, BUFFERBLOAT, SATELLITE], ids=lambda line: line.name)
def test_policed_by_name(line: PathProfile, direction: Direction) -> None:
    ran = run(line, small_internet(), "birdnet", policed("birdnet", direction))
    assert ran.state("birdnet") is State.THROTTLED, ran.told()
    assert ran.mechanisms("birdnet") == {"tls.throttle.sni"}
    assert ran.bytes_of("birdnet") <= SLOWED_MAX_BYTES
    assert ran.report.duration_seconds <= 90


def test_policed_download_on_dsl() -> None:
    """The least that is promised: a line ten times as fast as the limit."""
    ran = run(DSL, small_internet(), "birdnet", policed("birdnet", Direction.DOWN))
    assert ran.state("birdnet") is State.THROTTLED, ran.told()
    assert ran.mechanisms("birdnet") == {"tls.throttle.sni"}


@pytest.mark.quiet
def test_policed_both_ways_stays_within_bytes_and_time() -> None:
    ran = run(HOME, small_internet(), "birdnet", policed("birdnet"))
    facts = ran.verdict("birdnet").facts
    assert ran.state("birdnet") is State.THROTTLED, ran.told()
    for found in (facts.download, facts.upload):
        assert found is not None
        assert found.method is Method.POLICED
        assert found.comparison is Comparison.NAME_AT_TARGET
        assert found.confirmed_by_repeat
    assert ran.bytes_of("birdnet") <= SLOWED_MAX_BYTES
    assert ran.seconds_of("birdnet", "goodput") <= SLOWED_MAX_SECONDS


def test_far_target_policed() -> None:
    ran = run(HOME, small_internet(), "vidtube", policed("vidtube", Direction.DOWN))
    assert ran.state("vidtube") is State.THROTTLED, ran.told()


def test_strict_target_is_found_by_its_name_at_a_control() -> None:
    ran = run(HOME, small_internet(), "photogram", policed("photogram", Direction.DOWN))
    assert ran.state("photogram") is State.THROTTLED, ran.told()
    facts = ran.verdict("photogram").facts.download
    assert facts is not None
    assert facts.comparison is Comparison.NAME_AT_CONTROL


def test_strict_target_with_strict_controls_is_at_most_likely() -> None:
    ran = run(HOME, small_internet(everyone_strict=True), "photogram", policed("photogram", Direction.DOWN))
    verdict = ran.verdict("photogram")
    assert verdict.state is State.THROTTLED, ran.told()
    assert verdict.strength is not None
    assert verdict.strength.value == "likely"


def test_shaped_by_name() -> None:
    rule = CensorRule(when=Sni(pattern=named("birdnet.test")), do=Shape(rate_bps=300e3, directions=(Direction.DOWN,)))
    ran = run(HOME, small_internet(), "birdnet", rule)
    assert ran.state("birdnet") is State.THROTTLED, ran.told()
    facts = ran.verdict("birdnet").facts.download
    assert facts is not None
    assert facts.method is Method.SHAPED


def test_address_policed_is_likely_at_most() -> None:
    address = small_internet().address_of("media.birdnet.test")
    assert address is not None
    rule = CensorRule(when=ToAddress(addresses=(address,)), do=Police(rate_bps=300e3, directions=(Direction.DOWN,)))
    ran = run(HOME, small_internet(), "birdnet", rule)
    verdict = ran.verdict("birdnet")
    assert verdict.state in (State.THROTTLED, State.INCONCLUSIVE), ran.told()
    if verdict.state is State.THROTTLED:
        assert ran.mechanisms("birdnet") == {"ip.throttle"}
        assert verdict.strength is not None
        assert verdict.strength.value == "likely"


def test_frozen_after_a_few_segments() -> None:
    rule = CensorRule(when=Sni(pattern=named("media.birdnet.test")), do=Freeze(after_bytes=40_000))
    ran = run(HOME, small_internet(), "birdnet", rule)
    assert ran.state("birdnet") in (State.THROTTLED, State.BLOCKED), ran.told()
    facts = ran.verdict("birdnet").facts.download
    assert facts is not None
    assert facts.method is Method.STALLED
