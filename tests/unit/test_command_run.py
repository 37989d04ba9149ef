"""Is consent asked for and the result's place sure before a packet is sent, and the result told whatever happens?"""

import json
import os
import pty
import select
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from probe.assembly import Plan
from probe.commands import consent, measure, stored
from probe.commands.measure import Options
from probe.commands.terminal import say
from probe.measuring import STORE_FILE, StoreSink
from probe.model.results import Report
from probe.registry import EVIDENCE_TYPES
from probe.store import Store
from tests.reports import every_state

ROOT = Path(__file__).parents[2]
TARGETS = """
version: 1
controls:
  resolvers: [{name: one, url: "https://dns.test/dns-query", address: 192.0.2.1}]
  names: [neutral.test]
  sites: ["https://control.test/"]
  media: []
targets:
  - {id: news, name: The News, sites: ["https://news.test/"]}
  - {id: party, name: The Outlawed Party, sites: ["https://party.test/"], risk: high}
"""


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "targets.yaml"
    path.write_text(TARGETS)
    return path


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """The plans of the runs that began; each ends at once with a canned report."""
    return watch(monkeypatch, lambda _: None)


def watch(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[Store | None], None]) -> list[Plan]:
    plans: list[Plan] = []

    async def instead(plan: Plan, store: Store | None, *_: object) -> Report:
        plans.append(plan)
        meanwhile(store)
        return every_state()

    monkeypatch.setattr(measure, "_measure", instead)
    return plans


def options(file: Path | None, **changes: object) -> Options:
    usual: dict[str, object] = {
        "targets": (), "file": file, "checks": (), "list_file": None, "output_format": "json", "output": None,
        "fail_on": (), "max_bytes": None, "max_seconds": None, "store": False, "yes": True, "high_risk": False,
        "state": None,
    }  # fmt: skip
    return Options(**(usual | changes))  # type: ignore[arg-type]


# Where the result goes


@pytest.mark.parametrize("place", ["missing/report.json", ".", "targets.yaml/report.json", "/proc/report.json"])
def test_a_place_that_cannot_be_written_is_refused_before_measuring(
    listed: Path, measured: list[Plan], capfd: pytest.CaptureFixture[str], place: str
) -> None:
    assert measure.run(options(listed, output=listed.parent / place)) == 2
    assert measured == []
    assert "cannot be written" in capfd.readouterr().err


def test_asking_whether_it_can_be_written_changes_nothing(listed: Path, measured: list[Plan]) -> None:
    old = listed.parent / "old.json"
    old.write_text("old")
    before = sorted(listed.parent.iterdir())
    measure._require_output(old)
    measure._require_output(listed.parent / "new.json")
    measure._require_output(Path("/dev/null"))
    assert sorted(listed.parent.iterdir()) == before
    assert old.read_text() == "old"


def test_a_result_whose_file_cannot_be_written_after_all_goes_to_standard_output(
    listed: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    folder = listed.parent / "results"
    folder.mkdir()
    watch(monkeypatch, lambda _: shutil.rmtree(folder))
    assert measure.run(options(listed, output=folder / "report.json")) == 2
    shown = capfdbinary.readouterr()
    assert json.loads(shown.out)["id"] == every_state().id
    assert b"standard output" in shown.err


def test_standard_output_may_be_named_as_a_file() -> None:
    code = "from pathlib import Path; from probe.report import write; write(Path('/dev/stdout'), 'told')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "told"


def test_a_stored_run_told_to_a_place_that_cannot_be_written(
    listed: Path, measured: list[Plan], capfd: pytest.CaptureFixture[str]
) -> None:
    state, nowhere = listed.parent / "state", listed.parent / "missing" / "report.json"
    assert measure.run(options(listed, store=True, state=state, output=listed.parent / "r.json")) == 0
    assert stored.show(None, None, output_format="json", output=nowhere, state=state) == 2
    assert stored.rejudge(listed.parent / "r.json", output_format="json", output=nowhere) == 2
    assert stored.rejudge(listed, output_format="json", output=None) == 2
    assert stored.rejudge(nowhere, output_format="json", output=None) == 2
    assert stored.rejudge(listed, output_format="jason", output=None) == 2
    told = capfd.readouterr().err
    assert told.count("cannot be written") == 2
    assert "Traceback" not in told


# The store


def full(store: Store | None) -> None:
    assert store is not None
    pages = store._file.connection.execute("PRAGMA page_count").fetchone()[0]
    store._file.connection.execute(f"PRAGMA max_page_count = {pages}")


def gone(store: Store | None) -> None:
    assert store is not None
    store._file.connection.close()


def locked(store: Store | None) -> None:
    """Another process of ours has the store and does not give it up."""
    assert store is not None
    store._file.connection.execute("PRAGMA busy_timeout = 50")
    path = store._file.connection.execute("PRAGMA database_list").fetchone()[2]
    LOCKS.append(subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE))
    stdout = LOCKS[-1].stdout
    assert stdout is not None
    stdout.readline()


LOCKS: list[subprocess.Popen[bytes]] = []
HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("trouble", [full, gone, locked])
def test_a_store_that_fails_meanwhile_does_not_lose_the_result(
    listed: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    trouble: Callable[[Store | None], None],
) -> None:
    watch(monkeypatch, trouble)
    try:
        code = measure.run(options(listed, store=True, state=listed.parent / "state", fail_on=("blocked",)))
    finally:
        for process in LOCKS:
            process.communicate()
        LOCKS.clear()
    shown = capfdbinary.readouterr()
    assert code == 1
    assert json.loads(shown.out)["id"] == every_state().id
    assert b"store" in shown.err or b"disk is full" in shown.err


def test_a_store_that_cannot_begin_a_run_does_not_prevent_it(listed: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with measure.open_store(listed.parent / "state") as store:
        gone(store)
        sink = StoreSink(store, "run", say)
        sink.begin(every_state())
        sink.measurement(every_state().targets[0].measurements[0])
        sink.close()
    assert capfd.readouterr().err.count("the store cannot be used") == 1


@pytest.mark.parametrize("state", ["targets.yaml", "targets.yaml/state", "/proc/state"])
def test_a_state_directory_that_is_none_is_told_before_measuring(
    listed: Path, measured: list[Plan], capfd: pytest.CaptureFixture[str], state: str
) -> None:
    assert measure.run(options(listed, store=True, state=listed.parent / state)) == 2
    assert measured == []
    assert "no store can be kept" in capfd.readouterr().err


def test_a_state_directory_may_be_a_link(listed: Path, measured: list[Plan]) -> None:
    real, link = listed.parent / "real", listed.parent / "link"
    real.mkdir()
    link.symlink_to(real)
    assert measure.run(options(listed, store=True, state=link, fail_on=("blocked",))) == 1
    with measure.open_store(real) as store:
        assert store.report().id == every_state().id


def test_two_runs_share_a_store(listed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = listed.parent / "state"
    inner: list[int] = []

    def another(store: Store | None) -> None:
        if not inner:
            inner.append(0)
            process = subprocess.run(
                [sys.executable, "-c", PATCHED, "run", "--yes", "--targets", str(listed), "--state", str(state)],
                cwd=ROOT,
                env={**os.environ, "PLANS": str(listed.parent / "plans")},
                capture_output=True,
                check=False,
            )
            inner[0] = process.returncode

    watch(monkeypatch, another)
    assert measure.run(options(listed, store=True, state=state)) == 0
    assert inner == [0]


# What the environment says


def test_flags_come_before_the_environment(listed: Path, tmp_path: Path) -> None:
    environment = {
        "THROTTLEPROBE_TARGETS": str(listed),
        "THROTTLEPROBE_MAX_BYTES": "1000",
        "THROTTLEPROBE_MAX_SECONDS": "7",
        "THROTTLEPROBE_CHECKS": "dns",
        "THROTTLEPROBE_RISK": "high",
        "THROTTLEPROBE_FAIL_ON": "blocked",
        "THROTTLEPROBE_STATE": str(tmp_path / "state"),
    }

    def call(*arguments: str) -> tuple[int, list[object]]:
        place = tmp_path / "plans"
        place.unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, "-c", PATCHED, "run", "--yes", *arguments],
            cwd=ROOT, env={**os.environ, **environment, "PLANS": str(place)}, capture_output=True, check=False,
        )  # fmt: skip
        return done.returncode, json.loads(place.read_text())

    assert call() == (1, [["news", "party"], ["dns"], 1000, 7.0])
    given = ("--max-bytes", "2000", "--max-seconds", "9", "--checks", "dns,tls", "--risk", "low", "--fail-on", "down")
    assert call("news", *given) == (1, [["news"], ["dns", "tls"], 2000, 9.0])
    assert (tmp_path / "state" / "results.sqlite3").is_file()


# Consent

PATCHED = """
import json, os, sys
from pathlib import Path
from probe.commands import measure
from tests.reports import every_state

async def instead(plan, *_):
    told = [[t.id for t in plan.targets], list(plan.checks), plan.max_bytes, plan.max_seconds]
    Path(os.environ["PLANS"]).write_text(json.dumps(told))
    return every_state()

measure._measure = instead
from probe.cli import main
main()
"""


class Terminal:
    """A person at a terminal: answers each question as it comes; what the program said is in `said`."""

    def __init__(self, listed: Path) -> None:
        self._listed = listed
        self.plans = listed.parent / "plans"
        self.said = ""

    def run(self, *answers: str, flags: tuple[str, ...] = ()) -> int:
        """The exit code of one call."""
        self.said = ""
        self.plans.unlink(missing_ok=True)
        ours, theirs = pty.openpty()
        state = self._listed.parent / "state"
        process = subprocess.Popen(
            [sys.executable, "-c", PATCHED, "run", "--targets", str(self._listed), "--state", str(state), *flags],
            cwd=ROOT,
            env={**os.environ, "PLANS": str(self.plans)},
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        waiting = list(answers)
        try:
            while select.select([ours], [], [], 30.0)[0]:
                try:
                    self.said += os.read(ours, 4096).decode()
                except OSError:  # the program has ended: Linux says so by EIO
                    break
                if waiting and self.said.count("[y/N]") > len(answers) - len(waiting):
                    os.write(ours, waiting.pop(0).encode() + b"\n")
            return process.wait(timeout=30)
        finally:
            process.kill()
            process.wait()
            os.close(ours)


@pytest.fixture
def terminal(listed: Path) -> Terminal:
    return Terminal(listed)


@pytest.mark.parametrize("word", ["n", "", "nope", "yesterday"])
def test_anything_but_yes_sends_nothing(terminal: Terminal, word: str) -> None:
    assert terminal.run(word) == 2
    assert "The News" in terminal.said
    assert "The Outlawed Party" not in terminal.said
    assert not terminal.plans.exists()


def test_yes_is_remembered_and_the_risky_group_is_asked_for_apart(terminal: Terminal) -> None:
    assert terminal.run("y", "n") == 0
    assert terminal.said.index("Do you agree?") < terminal.said.index("The Outlawed Party")
    assert json.loads(terminal.plans.read_text())[0] == ["news"]
    assert terminal.run() == 0
    assert "[y/N]" not in terminal.said
    assert json.loads(terminal.plans.read_text())[0] == ["news"]


def test_the_risky_group_is_contacted_only_after_a_yes_to_it(terminal: Terminal) -> None:
    assert terminal.run("yes", "Y") == 0
    assert json.loads(terminal.plans.read_text())[0] == ["news"]  # this run's question did not name it
    assert terminal.run() == 0
    assert json.loads(terminal.plans.read_text())[0] == ["news", "party"]


def test_a_flag_is_for_its_call_alone(terminal: Terminal) -> None:
    assert terminal.run("y", flags=("--risk", "high")) == 0
    assert json.loads(terminal.plans.read_text())[0] == ["news", "party"]
    assert terminal.run() == 0
    assert json.loads(terminal.plans.read_text())[0] == ["news"]


def test_yes_by_flag_is_not_remembered(terminal: Terminal) -> None:
    assert terminal.run(flags=("--yes",)) == 0
    assert terminal.plans.exists()
    assert terminal.run("n") == 2
    assert not terminal.plans.exists()


def test_consent_to_an_older_policy_is_void_for_the_risky_group_too(terminal: Terminal, listed: Path) -> None:
    path = listed.parent / "state" / STORE_FILE
    with Store.open(path, evidence_types=EVIDENCE_TYPES, now=lambda: datetime.now(UTC)) as store:
        store.add_consent(str(consent.POLICY_VERSION - 1), ("high",))
    assert terminal.run("y", "n") == 0
    assert json.loads(terminal.plans.read_text())[0] == ["news"]
    assert terminal.run() == 0
    assert json.loads(terminal.plans.read_text())[0] == ["news"]
