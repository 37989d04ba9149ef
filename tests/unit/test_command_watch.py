"""Is everything in order before `watch` sends a packet: both files, consent, directory, port?"""

import asyncio
import errno
import io
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from probe import cli
from probe.commands import consent, watch
from probe.commands.watch import Options
from probe.config.watch_file import ScheduleSettings, WatchConfig
from probe.measuring import STORE_FILE
from probe.registry import EVIDENCE_TYPES
from probe.store import Store
from probe.watch import live, places
from probe.watch.program import Program

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
WATCH = """
version: 1
schedule: {mean: 12h}
budget: {day: 50 MB}
remote_write: [{name: university, url: "https://receiver.test/write"}]
"""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Program]:
    """The services that would have begun."""
    programs: list[Program] = []

    async def instead(self: Program) -> int:
        programs.append(self)
        return 0

    monkeypatch.setattr(Program, "run", instead)
    return programs


@pytest.fixture(autouse=True)
def nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object, **__: object) -> None:
        raise AssertionError("a run began")

    monkeypatch.setattr(live.LiveMeasure, "__call__", never)


def options(directory: Path, **changes: object) -> Options:
    targets, config = directory / "targets.yaml", directory / "watch.yaml"
    targets.exists() or targets.write_text(TARGETS)
    config.exists() or config.write_text(WATCH)
    usual: dict[str, object] = {
        "targets": (), "file": targets, "config": config, "listen": "off", "state": directory / "state", "yes": True,
        "high_risk": False, "log_format": "logfmt", "log_level": "info", "once": False, "check_config": False,
    }  # fmt: skip
    return Options(**(usual | changes))  # type: ignore[arg-type]


def agree(directory: Path, *groups: str, version: int = consent.POLICY_VERSION) -> None:
    state = directory / "state"
    state.mkdir()
    with Store.open(state / STORE_FILE, evidence_types=EVIDENCE_TYPES, now=lambda: datetime.now(UTC)) as store:
        store.add_consent(str(version), groups)


# What is installed


def test_without_the_packages_of_its_extra_it_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "find_spec", lambda name: None if name == "structlog" else object())
    result = CliRunner().invoke(cli.app, ["watch", "--check-config"])
    assert result.exit_code == 2
    assert "throttleprobe[watch]" in result.output


# Consent


def test_very_many_times_a_day_are_a_plain_number() -> None:
    question = consent.watch_question((), WatchConfig(schedule=ScheduleSettings(mean_seconds=30.0)))
    assert "about 2,880 times a day" in question


@pytest.mark.parametrize("groups", [None, (), ("high",)])
def test_consent_to_run_is_not_consent_to_watch(
    tmp_path: Path, started: list[Program], capfd: pytest.CaptureFixture[str], groups: tuple[str, ...] | None
) -> None:
    if groups is not None:
        agree(tmp_path, *groups)
    assert watch.run(options(tmp_path, yes=False)) == 2
    assert not started
    assert "--yes" in capfd.readouterr().err


def test_stored_consent_to_watch_suffices_and_an_older_policy_is_void(tmp_path: Path, started: list[Program]) -> None:
    agree(tmp_path, "watch")
    assert watch.run(options(tmp_path, yes=False)) == 0
    assert [t.id for t in started[0].first.targets] == ["news"]
    old = tmp_path / "old"
    old.mkdir()
    agree(old, "watch", "high", version=consent.POLICY_VERSION - 1)
    assert watch.run(options(old, yes=False)) == 2


def test_risky_targets_only_where_that_was_agreed_to(tmp_path: Path, started: list[Program]) -> None:
    assert watch.run(options(tmp_path, targets=("party",))) == 2
    assert watch.run(options(tmp_path, high_risk=True)) == 0
    assert [t.id for t in started[0].first.targets] == ["news", "party"]


class Person(io.StringIO):
    """Somebody at a terminal."""

    def isatty(self) -> bool:
        return True


def test_the_question_says_how_often_how_much_and_to_whom(
    tmp_path: Path, started: list[Program], monkeypatch: pytest.MonkeyPatch
) -> None:
    person, shown = Person("y\nn\n"), Person()
    monkeypatch.setattr(sys, "stdin", person)
    monkeypatch.setattr(sys, "stderr", shown)
    assert watch.run(options(tmp_path, yes=False)) == 0
    asked = shown.getvalue()
    for words in ("2 times a day", "50 MB a day", "university", "400 days", "The News", "The Outlawed Party"):
        assert words in asked
    assert asked.index("Do you agree?") < asked.index("The Outlawed Party")
    assert len(started) == 1
    monkeypatch.setattr(sys, "stdin", Person(""))
    assert watch.run(options(tmp_path, yes=False)) == 0  # remembered


# Configuration


def test_the_configuration_is_checked_without_a_store(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert watch.run(options(tmp_path, yes=False, check_config=True)) == 0
    assert "in order" in capfd.readouterr().err
    assert not (tmp_path / "state").exists()


def test_every_mistake_of_both_files_is_told(
    tmp_path: Path, started: list[Program], capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "watch.yaml").write_text("version: 1\nschedulle: {}\nbudget: {day: none}\n")
    (tmp_path / "targets.yaml").write_text("version: 1\ntargets: [{id: A}]\n")
    assert watch.run(options(tmp_path)) == 2
    told = capfd.readouterr().err
    assert told.count("watch.yaml:") >= 2
    assert told.count("targets.yaml:") >= 2
    assert not started


def test_what_is_in_force_is_the_files_unless_the_environment_says_otherwise(
    tmp_path: Path, started: list[Program], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THROTTLEPROBE_UPLOADS", "off")
    monkeypatch.setenv("THROTTLEPROBE_MAX_BYTES", "5000000")
    assert watch.run(options(tmp_path)) == 0
    (program,) = started
    assert (program.first.uploads, program.first.run_bytes) == (False, 5_000_000)
    (tmp_path / "watch.yaml").write_text("version: 1\nschedule: {mean: 9h}\n")
    assert program.read().watch.schedule.mean_seconds == 9 * 3600


@pytest.mark.parametrize(
    "changes", [{"log_format": "xml"}, {"log_level": "loud"}, {"listen": "everywhere"}, {"listen": "host.test:80"},
                {"listen": "127.0.0.1:99999"}, {"targets": ("nobody",)}],
)  # fmt: skip
def test_a_word_that_is_none_is_refused(tmp_path: Path, started: list[Program], changes: dict[str, object]) -> None:
    assert watch.run(options(tmp_path, **changes)) == 2
    assert not started


@pytest.mark.parametrize(
    ("text", "host"), [("127.0.0.1:0", "127.0.0.1"), ("[::1]:9850", "::1"), ("localhost:1", "localhost")]
)
def test_addresses_to_listen_on(tmp_path: Path, started: list[Program], text: str, host: str) -> None:
    assert watch.run(options(tmp_path, listen=text)) == 0
    listen = started[0].listen
    assert listen is not None
    assert listen.host == host


# Directory and port


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_disk_that_may_be_better_later_is_no_mistake_of_the_persons(
    tmp_path: Path, started: list[Program], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """A service manager starts us again, as it does not after exit 2: otherwise a full disk ends measuring for ever."""

    def fails(*_: object, **__: object) -> int:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as broken:
        broken.setattr(places, "take", fails)
        assert watch.run(options(tmp_path)) == 3
    with monkeypatch.context() as broken:
        broken.setattr(os, "open", fails)  # of the store's own file
        assert watch.run(options(tmp_path)) == 3
    assert not started


def test_a_directory_that_is_none_and_one_that_is_taken(
    tmp_path: Path, started: list[Program], capfd: pytest.CaptureFixture[str]
) -> None:
    assert watch.run(options(tmp_path, state=tmp_path / "targets.yaml" / "state")) == 2
    with places.alone(tmp_path / "state"):
        assert watch.run(options(tmp_path)) == 2
    told = capfd.readouterr().err
    assert "no state can be kept" in told
    assert "another watch" in told
    assert not started


def test_a_port_that_is_taken_is_told_before_anything_is_sent(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert watch.run(options(tmp_path, listen=f"127.0.0.1:{port}")) == 2
    assert f"127.0.0.1:{port}" in capfd.readouterr().err
    assert asyncio.run(asyncio.sleep(0)) is None  # no loop was left behind


def test_a_trust_store_that_cannot_be_read_is_told_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    assert watch.run(options(tmp_path)) == 2
    assert "SSL_CERT_FILE" in capfd.readouterr().err


def test_the_service_does_not_load_what_it_does_not_use() -> None:
    code = "import sys, probe.commands.watch; print([m for m in ('matplotlib', 'numpy', 'scapy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
