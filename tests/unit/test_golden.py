"""Do today's rules still say of the stored evidence what they said, and what is true?

tests/golden/demo.json is `throttleprobe demo --format json`, the others are one report a scenario. When a rule is
changed, the difference that this shows is the change: look at it, and write the files anew (`throttleprobe rejudge` for
the demo, `python -m benchmarks.golden --rejudge` for the scenarios).
"""

from difflib import unified_diff
from pathlib import Path

import pytest

from probe import judgement, records
from probe.lab.demo_rules import CASES
from probe.lab.scenarios.base import Scenario, all_scenarios
from probe.registry import EVIDENCE_TYPES
from tests.golden_verdicts import VERDICTS, path_of, text

DEMO = Path(__file__).parents[1] / "golden" / "demo.json"
MAX_FILE_BYTES = 200_000


def test_the_demos_evidence_is_judged_as_before() -> None:
    written = DEMO.read_bytes().rstrip(b"\n")
    again = judgement.rejudge(records.decode(written, EVIDENCE_TYPES))
    assert records.encode(again) == written


def test_the_demos_verdicts_are_what_the_censor_did() -> None:
    report = records.decode(DEMO.read_bytes(), EVIDENCE_TYPES)
    found = {t.id: t.verdict for t in report.targets}
    for case in CASES:
        assert found[case.target].state is case.state
        assert not case.mechanisms or set(found[case.target].mechanisms) & set(case.mechanisms)


@pytest.mark.parametrize("scenario", all_scenarios(), ids=lambda s: s.name)
def test_every_scenario_has_its_evidence(scenario: Scenario) -> None:
    assert path_of(scenario).stat().st_size < MAX_FILE_BYTES


def test_every_scenario_is_judged_as_before() -> None:
    """The difference lists each verdict that the changed rules change."""
    before, now = VERDICTS.read_text().splitlines(), text().splitlines()
    assert before == now, "\n" + "\n".join(unified_diff(before, now, "verdicts.txt", "today's rules", lineterm=""))
