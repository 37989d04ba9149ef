"""Does docs/ontology.md define exactly the words that reports use?"""

import re
from enum import StrEnum
from pathlib import Path

import pytest

from probe.failure import Failure
from probe.model.past import Hours, OnsetOf, Standing
from probe.model.results import Comparison, Mechanism, Method, NetworkState, ProblemReason, State, Strength, Trigger
from probe.registry import BY_NAME

ONTOLOGY = (Path(__file__).parents[2] / "docs" / "ontology.md").read_text(encoding="utf-8")
ROW = re.compile(r"\| `([^`]+)` \| [^|]+ \| [^|]+ \|")


def words(heading: str) -> list[str]:
    """The first column of every table below headings that begin so."""
    found = []
    for section in ONTOLOGY.split("\n## ")[1:]:
        if section.startswith(heading):
            rows = [line for line in section.splitlines() if line.startswith("| `")]
            matches = [ROW.fullmatch(line) for line in rows]
            assert all(matches), f"{heading}: every row has three cells, none empty"
            found += [match[1] for match in matches if match]
    return found


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("State", State),
        ("Strength", Strength),
        ("Mechanism", Mechanism),
        ("Comparison", Comparison),
        ("Method", Method),
        ("Trigger", Trigger),
        ("Network", NetworkState),
        ("Failure", Failure),
        ("Problem", ProblemReason),
        ("Past: standing", Standing),
        ("Past: hours", Hours),
        ("Past: onset", OnsetOf),
    ],
)
def test_every_word_is_defined_and_no_other(heading: str, kind: type[StrEnum]) -> None:
    assert words(heading) == [member.value for member in kind]


def test_every_check_is_defined_and_no_other() -> None:
    assert words("Check") == list(BY_NAME)
