"""Do today's rules still say of the demo's stored evidence what they said, and what is true?

tests/golden/demo.json is `throttleprobe demo --format json`. When a rule is changed, the difference that this shows is
the change: look at it, and write the file anew (`throttleprobe rejudge`).
"""

from pathlib import Path

from probe import judgement, records
from probe.lab.demo_rules import CASES
from probe.registry import EVIDENCE_TYPES

GOLDEN = Path(__file__).parents[1] / "golden" / "demo.json"


def test_old_evidence_is_judged_as_before() -> None:
    written = GOLDEN.read_bytes().rstrip(b"\n")
    again = judgement.rejudge(records.decode(written, EVIDENCE_TYPES))
    assert records.encode(again) == written


def test_the_verdicts_are_what_the_censor_did() -> None:
    report = records.decode(GOLDEN.read_bytes(), EVIDENCE_TYPES)
    found = {t.id: t.verdict for t in report.targets}
    for case in CASES:
        assert found[case.target].state is case.state
        assert not case.mechanisms or set(found[case.target].mechanisms) & set(case.mechanisms)
