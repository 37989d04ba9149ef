"""Does `report --since` list the runs, and what changed between them?"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from probe.commands import stored
from probe.commands.measure import EXIT_DONE
from probe.measuring import STORE_FILE
from probe.model.results import State, Strength, summarize
from probe.registry import EVIDENCE_TYPES
from probe.store import Store
from tests.reports import clean, report

BEGIN = datetime(2026, 3, 9, 7, 0, tzinfo=UTC)


def kept(directory: Path, states: list[State]) -> None:
    """One finished run every six hours."""
    with Store.open(directory / STORE_FILE, evidence_types=EVIDENCE_TYPES, now=lambda: BEGIN) as store:
        for number, state in enumerate(states):
            target = clean()
            strength = Strength.LIKELY if state is State.THROTTLED else None
            targets = (replace(target, verdict=replace(target.verdict, state=state, strength=strength)),)
            started_at = (BEGIN + number * timedelta(hours=6)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            whole = replace(
                report(), id=f"run-{number}", started_at=started_at, targets=targets, summary=summarize(targets)
            )
            store.begin_run(replace(whole, targets=()))
            for measurement in targets[0].measurements:
                store.add_measurement(whole.id, measurement)
            store.finish_run(whole)


def told(directory: Path, since: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert stored.show(None, since, output_format="table", output=None, state=directory) == EXIT_DONE
    return capsys.readouterr().out


def test_runs_are_listed_with_what_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept(tmp_path, [State.OK] * 4 + [State.THROTTLED] * 3)
    lines = told(tmp_path, "2026-03-01", capsys).splitlines()
    assert len(lines) == 9
    assert lines[4].startswith("2026-03-10T07:00:00.000Z  run-4  encyclopedia throttled")
    assert lines[7:] == [
        "",
        "encyclopedia: Throttled since 10 March 2026 07:00 UTC (it changed between 01:00 and 07:00; ok before).",
    ]


def test_a_change_is_found_from_what_was_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept(tmp_path, [State.OK] * 4 + [State.THROTTLED] * 3)
    assert "Throttled since 10 March 2026 07:00 UTC" in told(tmp_path, "2026-03-10", capsys)
    assert "since" not in told(tmp_path, "2026-03-11", capsys)


def test_no_change_is_not_spoken_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept(tmp_path, [State.OK] * 5)
    assert len(told(tmp_path, "0001-01-01", capsys).splitlines()) == 5
    assert told(tmp_path, "2030-01-01", capsys) == "no run is stored for that time\n"
