"""Can every scenario with a censor be built, and is its truth about somebody whom the censor touches?"""

import pytest

from probe.lab.scenarios.base import Family, Scenario, all_scenarios, find
from probe.lab.world import targets_yaml
from probe.model.results import State

CENSORED = [s for s in all_scenarios() if s.family.interferes]
ACCUSATIONS = {State.BLOCKED, State.THROTTLED}


@pytest.mark.parametrize("scenario", CENSORED, ids=lambda s: s.name)
def test_a_censored_scenario_can_be_built_on_each_of_its_lines(scenario: Scenario) -> None:
    for profile in scenario.profiles:
        made = scenario.build(profile)
        assert made.rules or made.world.resolver.forged
        assert set(made.truths) == {p.id for p in made.world.platforms}
        assert targets_yaml(made.world)
        for truth in made.truths.values():
            assert truth.states
            assert truth.interfered or not ACCUSATIONS & set(truth.states)
            assert not truth.interfered or ACCUSATIONS & set(truth.states)


@pytest.mark.parametrize("family", [f for f in Family if f.interferes])
def test_every_family_has_a_scenario_of_the_suite(family: Family) -> None:
    assert any(s.in_suite for s in CENSORED if s.family is family)


def test_there_are_enough() -> None:
    assert len(CENSORED) >= 45


def test_an_unknown_name_is_told_close_ones() -> None:
    with pytest.raises(KeyError, match="sni-reset"):
        find("sni-rest")
