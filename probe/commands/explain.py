"""What does a word of a report mean, and on what evidence is it used?

Words come from docs/ontology.md (packaged with the program), rules from the tables that judge: nothing is said twice.
"""

import difflib
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from probe.verdict import attempt, network, past
from probe.verdict import every as rules

ONTOLOGY = "ontology.md"
LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")  # the pages are not installed with the program
ROW = re.compile(r"^\|\s*`(?P<word>[^`]+)`\s*\|(?P<cells>.*)\|\s*$")


def explain(word: str) -> str | None:
    """The explanation of a state, check, mechanism, method, failure or rule id; None for a word that is none of these.

    A rule may be asked for without its check, where no other has that name.
    """
    entries = list(_entries())
    found = [text for known, text in entries if known == word]
    if not found:
        found = [text for known, text in entries if known.partition(".")[2] == word]
        found = found if len(found) == 1 else []
    return "\n\n".join(LINK.sub(r"\1", text) for text in found) if found else None


def near(word: str) -> list[str]:
    """Known words that are spelt alike."""
    known = list(dict.fromkeys(w for w, _ in _entries()))
    if ends := [w for w in known if word in w.split(".")]:
        return ends[:3]
    return difflib.get_close_matches(word, known, n=3, cutoff=0.5) or [w for w in known if w.startswith(word)][:3]


def _entries() -> Iterator[tuple[str, str]]:
    yield from _words()
    for rule in rules.RULES:
        strength = f", {rule.strength.value}" if rule.strength else ""
        yield rule.id, f"{rule.id} (rule; gives {rule.state.value}{strength}): {rule.meaning}"
    for identity, meaning in {**attempt.MEANINGS, **network.MEANINGS, **past.MEANINGS}.items():
        yield identity, f"{identity} (rule): {meaning}"


def _words() -> Iterator[tuple[str, str]]:
    """Rows of the ontology's tables: the word in the first column, what it claims and needs in the others."""
    heading = ""
    columns: list[str] = []
    for line in _ontology().splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ").strip()
        elif row := ROW.match(line):
            cells = [cell.strip() for cell in row["cells"].split("|")]
            told = [f"{c}: {text}" for c, text in zip(columns[1:], cells, strict=False) if text]
            yield row["word"], f"{row['word']} ({heading})\n" + "\n".join(f"  {part}" for part in told)
        elif line.startswith("|") and not set(line) <= set("|-: "):
            columns = [cell.strip() for cell in line.strip("|").split("|")]


def _ontology() -> str:
    packaged = Path(str(resources.files("probe"))) / ONTOLOGY
    beside = Path(str(resources.files("probe"))).parent / "docs" / ONTOLOGY  # a checkout
    return (packaged if packaged.is_file() else beside).read_text(encoding="utf-8")
