"""Does the command keep its word: consent, exit codes, budgets, deadlines, interruption, formats, old evidence?"""

import json
import signal
import sys
from pathlib import Path

import pytest

from probe import records
from probe.lab.actions import Police, Reset, redirect
from probe.lab.path import HOME
from probe.lab.rules import CensorRule, HttpHost, NameTest, Sni, named
from probe.lab.session import Lab
from probe.lab.world import NOTICE_NAME, small_internet
from probe.model.results import NetworkState, State
from probe.registry import EVIDENCE_TYPES
from tests.lab.running import command, measure

pytestmark = [pytest.mark.lab, pytest.mark.timeout(200)]

ANYBODY = named(".test", NameTest.SUBSTRING)
QUICK = ("--checks", "dns,reach,tls")


def test_no_consent_and_no_terminal_sends_nothing() -> None:
    with Lab(world=small_internet().only("gazette")) as lab:
        done = command(lab, "run", "--no-store", "--targets", str(lab.targets_path))
        assert lab.stats().carried_up == 0
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert done.stdout == ""


def test_every_mistake_of_a_broken_file_is_told() -> None:
    with Lab(world=small_internet().only("gazette")) as lab:
        text = (
            lab.targets_path.read_text()
            .replace("category: news", "category: newspaper")
            .replace("version: 1", "version: 7")
        )
        broken = lab.directory / "broken.yaml"
        broken.write_text(text)
        done = command(lab, "run", "--yes", "--no-store", "--targets", str(broken))
        assert lab.stats().carried_up == 0
    assert done.returncode == 2
    assert "category" in done.stderr
    assert "version" in done.stderr


def test_output_formats_fail_on_and_rejudge(tmp_path: Path) -> None:
    rule = CensorRule(when=Sni(pattern=named("gazette.test")), do=Reset())
    with Lab(profile=HOME, world=small_internet().only("gazette", "mapfolk"), rules=[rule]) as lab:
        state = ("--state", str(lab.directory / "state"))
        done = command(
            lab, "run", "--yes", *state, "--targets", str(lab.targets_path), *QUICK, "--fail-on", "blocked,throttled",
            "--format", "json", "--output", str(tmp_path / "report.json"),
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (1, "")
        for kind, beginning in {
            "json": "{",
            "jsonl": "{",
            "junit": "<?xml",
            "markdown": "#",
            "html": "<!doctype html>",
            "table": "",
        }.items():
            shown = command(lab, "report", *state, "--format", kind)
            assert shown.returncode == 0, shown.stderr
            assert shown.stdout.lower().lstrip().startswith(beginning), shown.stdout[:200]
            assert "gazette" in shown.stdout.lower()
        again = command(lab, "rejudge", str(tmp_path / "report.json"))
        history = command(lab, "report", *state, "--since", "2020-01-01")
    written = (tmp_path / "report.json").read_text()
    assert again.stdout == written
    report = records.decode(written, EVIDENCE_TYPES)
    assert {t.id: t.verdict.state for t in report.targets} == {"gazette": State.BLOCKED, "mapfolk": State.OK}
    assert "gazette blocked" in history.stdout


def test_what_was_finished_survives_kill_9() -> None:
    with Lab(profile=HOME, world=small_internet().only("birdnet")) as lab:
        state = ("--state", str(lab.directory / "state"))
        run = [sys.executable, "-m", "probe", "run", "--yes", *state, "--targets", str(lab.targets_path)]
        killed = lab.run(["timeout", "-s", "KILL", "4", *run], timeout=60)
        shown = command(lab, "report", *state, "--format", "json")
    assert killed.returncode == -signal.SIGKILL  # timeout kills itself as well
    report = records.decode(shown.stdout, EVIDENCE_TYPES)
    assert report.parameters.interrupted
    assert {m.check for m in report.controls} == {"dns", "reach", "tls", "http"}


def test_interrupted_it_keeps_what_was_measured() -> None:
    with Lab(profile=HOME, world=small_internet().only("birdnet")) as lab:
        run = ["run", "--yes", "--no-store", "--targets", str(lab.targets_path), "--format", "json"]
        done = lab.run(
            ["timeout", "-s", "INT", "--preserve-status", "5", sys.executable, "-m", "probe", *run], timeout=60
        )
    report = records.decode(done.stdout, EVIDENCE_TYPES)
    assert done.returncode == 130
    assert report.parameters.interrupted
    assert report.controls


def test_a_byte_limit_is_kept_and_told() -> None:
    with Lab(profile=HOME, world=small_internet().only("birdnet", "photogram")) as lab:
        ran = measure(lab, "--max-bytes", "900000")
    assert ran.report.parameters.budget_hit
    assert ran.report.bytes.sent + ran.report.bytes.received <= 900_000
    assert all(t.verdict.state in (State.OK, State.INCONCLUSIVE) for t in ran.report.targets)


def test_a_time_limit_is_kept() -> None:
    rule = CensorRule(when=Sni(pattern=named("birdnet.test")), do=Police(rate_bps=140e3))
    with Lab(profile=HOME, world=small_internet().only("birdnet"), rules=[rule]) as lab:
        ran = measure(lab, "--max-seconds", "8")
    assert ran.report.duration_seconds <= 11
    assert ran.state("birdnet") is State.INCONCLUSIVE


def test_captive_portal_accuses_nobody() -> None:
    portal = (
        CensorRule(when=HttpHost(pattern=ANYBODY), do=redirect(f"http://{NOTICE_NAME}/login")),
        CensorRule(when=Sni(pattern=ANYBODY), do=Reset()),
    )
    with Lab(profile=HOME, world=small_internet().only("gazette"), rules=portal) as lab:
        ran = measure(lab)
    assert ran.report.network.state is NetworkState.CAPTIVE_PORTAL, ran.told()
    assert ran.state("gazette") is State.INCONCLUSIVE
    assert ran.code == 3


def test_targets_list_and_schema_need_no_network() -> None:
    with Lab(world=small_internet().only("gazette")) as lab:
        listed = command(lab, "targets", "list", "--targets", str(lab.targets_path))
        schema = command(lab, "targets", "schema")
        assert lab.stats().carried_up == 0
    assert "gazette.test:443" in listed.stdout
    assert json.loads(schema.stdout)["type"] == "object"
