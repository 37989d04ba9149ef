"""Does a receiver hold what `watch` measured, at the times of its measurements, whether it was there then or not?"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from probe.lab.path import HOME
from probe.lab.session import Lab
from probe.lab.world import demo_world
from probe.measuring import STORE_FILE
from probe.model.results import Report
from probe.registry import EVIDENCE_TYPES
from probe.store import Store

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]

DRIVER = Path(__file__).with_name("vantage_push.py")
ROOT = Path(__file__).parents[2]
CONFIGURATION = """\
version: 1
checks: [dns, reach, tls]
schedule: {mean: 2s, min: 1s, max: 3s}
vantage: {instance: attic}
remote_write: [{name: receiver, url: "{url}", bearer_token_file: token}]
"""
TOKEN = "s3cr3t-of-the-attic"


def ends(report: Report) -> dict[tuple[str, str], tuple[float, float]]:
    """For each target and state, when it was measured last (Unix seconds) and whether that is its state."""
    found = {}
    for target in report.targets:
        at = max(
            datetime.fromisoformat(m.started_at).timestamp() + m.duration_seconds for m in target.measurements
        )  # fmt: skip
        for state in ("ok", "throttled", "blocked", "withheld", "down", "inconclusive"):
            found[target.id, state] = (at, float(target.verdict.state == state))
    return found


def test_what_was_measured_while_the_receiver_was_away_is_there_when_it_is_back(tmp_path: Path) -> None:
    (tmp_path / "watch.yaml").write_text(CONFIGURATION)
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    with Lab(profile=HOME, world=demo_world()) as lab:
        argv = [sys.executable, str(DRIVER), str(tmp_path), "--config", str(tmp_path / "watch.yaml")]
        argv += ["--targets", str(lab.targets_path), "--state", str(tmp_path / "state")]
        done = lab.run(["env", f"PYTHONPATH={ROOT}", *argv], timeout=300)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["codes"] == [0, 0], told["log"]
    assert told["before"] == []
    with Store.open(tmp_path / "state" / STORE_FILE, evidence_types=EVIDENCE_TYPES, now=lambda: datetime.now(UTC)) as s:
        reports = [ends(s.report(past.run_id)) for past in s.history()]
    assert len(reports) == 2
    for series in told["after"]:
        labels = series["metric"]
        assert (labels["job"], labels["instance"]) == ("throttleprobe", "attic")
        found = [(at, float(value)) for at, value in series["values"]]
        wanted = [report[labels["target"], labels["state"]] for report in reports]
        assert [value for _, value in found] == [value for _, value in wanted]
        assert [at for at, _ in found] == pytest.approx([at for at, _ in wanted], abs=0.01)
    assert {s["metric"]["target"] for s in told["after"]} == {target for target, _ in reports[0]}
    assert "no connection (connection_refused)" in told["log"]
    assert TOKEN not in told["log"]
