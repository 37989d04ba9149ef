"""By which comparison is a slowed platform found, how sure is that, and what does it cost?

Whether it is found at all, on every line and by every means, is for `test_scenarios`.
"""

import pytest

from probe.lab.path import HOME
from probe.lab.scenarios.base import find
from probe.lab.scenarios.running import Outcome, run
from probe.model.results import Comparison, State, Strength, Verdict
from tests.lab.running import bytes_of, seconds_of, told

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]

SLOWED_MAX_BYTES = 4_000_000
SLOWED_MAX_SECONDS = 25.0  # on a home line, both directions


def outcome_of(scenario: str) -> Outcome:
    outcome = run(find(scenario).build(HOME), seed=1)
    assert outcome.right, told(outcome)
    return outcome


def verdict_of(scenario: str, target: str) -> Verdict:
    return outcome_of(scenario).target(target).verdict


@pytest.mark.quiet
def test_policed_both_ways_stays_within_bytes_and_time() -> None:
    target = outcome_of("policed-both-ways").target("birdnet")
    for found in (target.verdict.facts.download, target.verdict.facts.upload):
        assert found is not None
        assert found.comparison is Comparison.NAME_AT_TARGET
        assert found.confirmed_by_repeat
    assert bytes_of(target) <= SLOWED_MAX_BYTES
    assert seconds_of(target, "goodput") <= SLOWED_MAX_SECONDS


def test_strict_target_is_found_by_its_name_at_a_control() -> None:
    facts = verdict_of("policed-strict-target", "photogram").facts.download
    assert facts is not None
    assert facts.comparison is Comparison.NAME_AT_CONTROL


@pytest.mark.parametrize(
    ("scenario", "target"), [("policed-strict-everywhere", "photogram"), ("policed-by-address", "birdnet")]
)
def test_without_a_comparison_of_names_it_is_at_most_likely(scenario: str, target: str) -> None:
    verdict = verdict_of(scenario, target)
    assert verdict.state is not State.THROTTLED or verdict.strength is Strength.LIKELY
