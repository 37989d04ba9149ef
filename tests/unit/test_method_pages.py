"""Does the page of each access check explain every rule of its judge, with the verdict that the rule gives?"""

from pathlib import Path
from typing import Any

import pytest

from probe.verdict import dns, hops, http, past, reach, tls
from probe.verdict.rules import Rule

PAGES = Path(__file__).parents[2] / "docs" / "method"
RULES: list[tuple[str, Rule[Any]]] = [
    *(("dns", rule) for rule in dns.RULES),
    *(("reach", rule) for rule in reach.RULES),
    *(("tls", rule) for rule in tls.RULES),
    *(("http", rule) for rule in http.RULES),
    *(("hops", rule) for rule in hops.RULES),
]


@pytest.mark.parametrize(("check", "rule"), RULES, ids=[rule.id for _, rule in RULES])
def test_the_page_explains_the_rule_as_the_code_does(check: str, rule: Rule[Any]) -> None:
    rows = [line for line in (PAGES / f"{check}.md").read_text().splitlines() if line.startswith(f"| `{rule.id}` ")]
    assert len(rows) == 1
    assert f"`{rule.state.value}`" in rows[0]
    assert rule.strength is None or rule.strength.value in rows[0]
    assert rule.meaning in rows[0]


@pytest.mark.parametrize("check", ["dns", "reach", "tls", "http", "hops"])
def test_the_page_names_no_rule_that_is_not_there(check: str) -> None:
    known = {rule.id for name, rule in RULES if name == check} | {f"{check}.no_rule_matched"}
    page = (PAGES / f"{check}.md").read_text()
    rows = {line.split("`")[1] for line in page.splitlines() if line.startswith(f"| `{check}.")}
    assert rows == known


def test_the_page_of_the_past_explains_its_rules_as_the_code_does() -> None:
    lines = (PAGES / "past.md").read_text().splitlines()
    rows = {line.split("`")[1]: line.split("|")[2].strip() for line in lines if line.startswith("| `past.")}
    assert rows == past.MEANINGS
