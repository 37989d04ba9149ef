"""Is every rule named once, explained on its method page, and known to `explain`?"""

from pathlib import Path

import pytest

from probe.commands.explain import explain, near
from probe.failure import Failure
from probe.model.results import Comparison, Mechanism, Method, NetworkState, State, Strength, Trigger
from probe.verdict import attempt, network, past
from probe.verdict.every import RULES

METHOD = Path(__file__).parents[2] / "docs" / "method"
IDS = [rule.id for rule in RULES]
OTHERS = [*attempt.MEANINGS, *network.MEANINGS, *past.MEANINGS]
PAGES = {"target": "network", "attempt": "network", "network": "network", "portal": "network"}
WORDS = [
    word.value
    for kind in (State, Strength, Mechanism, Method, Trigger, Comparison, NetworkState, Failure)
    for word in kind
]


def test_ids_are_unique() -> None:
    assert len(IDS) == len(set(IDS))


@pytest.mark.parametrize("rule_id", [*IDS, *OTHERS])
def test_every_rule_is_explained_on_its_checks_page(rule_id: str) -> None:
    check = rule_id.split(".")[0]
    page = (METHOD / f"{PAGES.get(check, check)}.md").read_text()
    assert f"`{rule_id}`" in page


@pytest.mark.parametrize("word", [*IDS, *OTHERS, *WORDS])
def test_explain_knows_every_word(word: str) -> None:
    text = explain(word)
    assert text is not None
    assert len(text) > len(word) + 20


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_an_accusing_rule_says_how_strong_and_by_what_means(rule: object) -> None:
    found = next(r for r in RULES if r is rule)
    accuses = found.state in (State.BLOCKED, State.THROTTLED)
    combined = found.id.startswith("target.")
    assert (found.strength is not None) == (accuses and not combined) or found.state in (State.WITHHELD, State.DOWN)


def test_a_misspelt_word_finds_close_ones() -> None:
    assert explain("tls.throttel.sni") is None
    assert "tls.throttle.sni" in near("tls.throttel.sni")


def test_a_rule_is_found_without_its_check_where_only_one_has_that_name() -> None:
    assert explain("flows_differ") == explain("goodput.flows_differ")
    assert explain("timeout") is None
    assert "tcp.timeout" in near("timeout")
