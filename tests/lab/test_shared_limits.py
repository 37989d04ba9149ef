"""Do runs with one store share its budget to the byte and the line one transfer at a time, killed ones included?"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from probe import records
from probe.lab.path import HOME
from probe.lab.session import Lab
from probe.lab.world import small_internet
from probe.model.results import Report
from probe.registry import EVIDENCE_TYPES
from probe.store import Store, Window

pytestmark = [pytest.mark.lab, pytest.mark.timeout(200)]
UNTIL_GOODPUT_SECONDS = 8


def measured(lab: Lab, state: Path, *before: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "probe", "run", "--yes", "--format", "json", "--checks", "dns,reach,tls,goodput"]
    return lab.run([*before, *command, "--targets", str(lab.targets_path), "--state", str(state)], timeout=150)


def used_bytes(state: Path) -> int:
    with Store.open(state / "results.sqlite3", evidence_types=EVIDENCE_TYPES, now=lambda: datetime.now(UTC)) as store:
        return store.used_bytes(Window.MONTH)


def transfers(report: Report) -> list[tuple[float, float]]:
    """When each goodput measurement began and ended."""
    found = [m for t in report.targets for m in t.measurements if m.check == "goodput"]
    begun = [datetime.fromisoformat(m.started_at).timestamp() for m in found]
    return [(t, t + m.duration_seconds) for t, m in zip(begun, found, strict=True)]


def test_two_runs_at_once_and_one_that_is_killed(tmp_path: Path) -> None:
    with Lab(profile=HOME, world=small_internet().only("birdnet", "photogram")) as lab:
        with ThreadPoolExecutor(2) as both:
            done = list(both.map(lambda _: measured(lab, tmp_path), range(2)))
        reports = [records.decode(ran.stdout, EVIDENCE_TYPES) for ran in done]
        before = used_bytes(tmp_path)
        measured(lab, tmp_path, "timeout", "-s", "KILL", str(UNTIL_GOODPUT_SECONDS))
        with Store.open(
            tmp_path / "results.sqlite3", evidence_types=EVIDENCE_TYPES, now=lambda: datetime.now(UTC)
        ) as store:
            killed = store.report()
    assert before == sum(report.bytes.sent + report.bytes.received for report in reports)
    assert killed.parameters.interrupted
    assert used_bytes(tmp_path) - before >= killed.bytes.sent + killed.bytes.received > 0
    spans = sorted(span for report in reports for span in transfers(report))
    assert len(spans) == 4
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))
