"""Does `throttleprobe lab score` count, stop, and go on where it stopped?"""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from probe.lab.score.log import read

pytestmark = [pytest.mark.lab, pytest.mark.timeout(200)]

SCENARIOS = ("dns-nxdomain", "dns-race")
START_SECONDS = 60.0


def score(folder: Path, *words: str) -> list[str]:
    only = [word for name in SCENARIOS for word in ("--only", name)]
    fixed = ["--profile", "home", "--parallel", "2", "--log", str(folder / "log.jsonl")]
    return [sys.executable, "-m", "probe", "lab", "score", *only, *fixed, *words]


def test_a_score_counts_and_a_resumed_one_makes_only_what_is_missing(tmp_path: Path) -> None:
    output = ("--output", str(tmp_path / "out"), "--keep-evidence", str(tmp_path / "evidence"))
    first = subprocess.run(score(tmp_path, "--trials", "1", *output), capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    assert first.stdout == ""
    earlier = read(tmp_path / "log.jsonl")
    assert {record.key.scenario for record in earlier if record.valid} == set(SCENARIOS)

    refused = subprocess.run(score(tmp_path, "--trials", "2", *output), capture_output=True, text=True)
    assert refused.returncode == 2
    assert "--resume" in refused.stderr

    second = subprocess.run(score(tmp_path, "--trials", "2", "--resume", *output), capture_output=True, text=True)
    assert second.returncode == 0, second.stderr
    records = read(tmp_path / "log.jsonl")
    assert records[: len(earlier)] == earlier
    assert sum(record.valid for record in records) == 2 * len(SCENARIOS)
    figures = json.loads((tmp_path / "out" / "accuracy.json").read_text())["score"]
    assert figures["runs"] == 4
    assert figures["rates"][-1]["found"]["hits"] == 4, second.stderr
    assert figures["rates"][-1]["false_alarms"]["hits"] == 0
    assert "## False alarms and misses" in (tmp_path / "out" / "accuracy.md").read_text()
    assert (tmp_path / "out" / "accuracy.svg").read_text().startswith("<?xml")

    before = (tmp_path / "log.jsonl").read_bytes()
    again = subprocess.run(score(tmp_path, "--rejudge", *output), capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "log.jsonl").read_bytes() == before
    assert ": ok (" not in again.stderr, "the rules that judged them are the same"
    assert json.loads((tmp_path / "out" / "accuracy.json").read_text())["score"]["rates"] == figures["rates"]


def test_ctrl_c_keeps_what_is_finished_and_leaves_no_process(tmp_path: Path) -> None:
    running = subprocess.Popen(
        score(tmp_path, "--trials", "50"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_interrupts,
    )
    log, until = tmp_path / "log.jsonl", time.monotonic() + START_SECONDS
    while not (log.exists() and log.read_bytes()) and time.monotonic() < until:
        time.sleep(0.2)
    running.send_signal(signal.SIGINT)
    output, errors = running.communicate(timeout=60)
    assert running.returncode == 130, errors
    finished = read(log)
    assert finished
    assert f"{sum(record.valid for record in finished)} valid runs" in output
    assert "was stopped before all 100 planned runs" in output
    workers = [path for path in Path("/proc").glob("[0-9]*") if _is_worker_of(path, running.pid)]
    assert workers == []


def _hear_interrupts() -> None:
    """As a program on a terminal does; shells let those in the background ignore them, and all that these start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _is_worker_of(path: Path, parent: int) -> bool:
    """Whether the process is a worker that was started by `parent` (whose session id is then its own pid's)."""
    try:
        status = (path / "status").read_text()
        return f"PPid:\t{parent}\n" in status and b"score.worker" in (path / "cmdline").read_bytes()
    except OSError:
        return False
