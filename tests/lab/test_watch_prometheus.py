"""Does a stock Prometheus with the shipped rules fire when the censor is switched on, and not before; and resolve?

The shipped files of deploy/ are used as they are, with their times scaled by substitution: minutes become seconds.
"""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from probe.lab.actions import Police
from probe.lab.path import HOME
from probe.lab.rules import CensorRule, Direction, Sni, named
from probe.lab.session import Lab
from probe.lab.world import small_internet
from tests.dashboards import PROMETHEUS, expressions
from tests.lab.vantage_prometheus import INSTANCES, NETWORK_ALERT, RECEIVER

pytestmark = [pytest.mark.lab, pytest.mark.timeout(460)]

HARD_END_SECONDS = 420.0
POLL_SECONDS = 0.1
THROTTLE = CensorRule(
    when=Sni(pattern=named("birdnet.test")), do=Police(rate_bps=140_000, directions=(Direction.DOWN,))
)
# What the lab's one vantage point, without failures, has nothing to show for.
EMPTY_PANELS = {
    "vantage-point/Network failures behind results/A",
    "vantage-point/Runs left out or put off, in a day/A",
    "vantage-point/Next run/A",  # always now
    "vantage-point/Goodput by its own past/A",  # a past of weeks
    "target/Network failures behind results/A",
}
WATCH = """
version: 1
targets: {targets}
vantage: {{instance: pushed-1, country: RU, asn: 64500, network: fixed}}
schedule: {{mean: 1s, min: 1s, max: 1s}}
budget: {{run: 100 MB, day: 10 GB, month: 10 GB}}
line: {{metered: no, vpn: no, proxy: no}}
remote_write: [{{name: prometheus, url: "{receiver}"}}]
"""
SCALES = (
    ("interval: 2m", "interval: 1s"),
    ("scrape_interval: 4m", "scrape_interval: 5s"),
    ("scrape_timeout: 30s", "scrape_timeout: 5s"),
    ("[twitter, telegram]", "[birdnet]"),
    ("{instance: home-1}", "{instance: scraped-1}"),
    ("group_wait: 1m", "group_wait: 1s"),
    ("group_interval: 10m", "group_interval: 1s"),
)


def prepare(directory: Path, targets: Path) -> None:
    """Everything that the program at the vantage point reads."""
    for path in PROMETHEUS.glob("*.yml"):
        text = path.read_text()
        for shipped, scaled in SCALES:
            text = text.replace(shipped, scaled)
        (directory / path.name).write_text(text)
    (directory / "watch.yaml").write_text(WATCH.format(targets=targets, receiver=RECEIVER))
    asked = {
        f"{instance}/{place}": expression
        for instance in INSTANCES
        for place, expression in expressions({"instance": instance, "target": "birdnet"})
    }
    (directory / "panels.json").write_text(json.dumps(asked))


def switched_on_and_off(lab: Lab, directory: Path, ended: threading.Event) -> None:
    """Put the rules on when nothing was found, take them off when the alert has fired."""
    for sign, rules in (("clear", [THROTTLE]), ("fired", [])):
        while not (directory / sign).exists():
            if ended.is_set():
                return
            time.sleep(POLL_SECONDS)
        lab.set_rules(rules)


def observed(directory: Path) -> dict[str, Any]:
    """One clear line, then censored, then clear; what Prometheus and Alertmanager saw."""
    with Lab(profile=HOME, world=small_internet().only("birdnet")) as lab:
        prepare(directory, lab.targets_path)
        ended = threading.Event()
        censor = threading.Thread(target=switched_on_and_off, args=(lab, directory, ended))
        censor.start()
        try:
            done = lab.run(
                [sys.executable, "-m", "tests.lab.vantage_prometheus", directory],
                timeout=HARD_END_SECONDS,
                env={"STATE_DIRECTORY": str(directory / "state")},
            )
        finally:
            ended.set()
            censor.join()
    log = (directory / "watch.log").read_text()
    assert done.returncode == 0, done.stderr[-2000:] + log[-4000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return {**found, "log": log}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return observed(tmp_path_factory.mktemp("watched"))


@pytest.mark.parametrize("instance", INSTANCES)
def test_the_alert_waits_for_a_second_run(instance: str, seen: dict[str, Any]) -> None:
    assert seen["before"] == []
    assert seen["throttled_runs"][instance] >= 2
    runs: dict[str, float] = {}
    for series in seen["accused"]:
        for at, run in series["values"] if series["metric"]["instance"] == instance else ():
            runs.setdefault(run, at)
    second_run_seen = sorted(runs.values())[1]
    alerts = [series["values"] for series in seen["alerts"] if series["metric"]["instance"] == instance]
    assert min(at for values in alerts for at, _ in values) >= second_run_seen


@pytest.mark.parametrize("instance", INSTANCES)
def test_the_alert_says_what_where_and_how_sure(instance: str, seen: dict[str, Any]) -> None:
    (alert,) = [alert for alert in seen["held"] if alert["labels"].get("instance") == instance]
    labels = alert["labels"]
    expected = "throttleprobe birdnet throttled 64500 RU fixed"
    assert [labels[n] for n in ("job", "target", "state", "asn", "country", "network")] == expected.split()
    assert labels["strength"] in ("confirmed", "likely")
    assert alert["annotations"]["summary"] == f"birdnet is throttled at {instance}"


def test_two_that_agree_are_told_as_their_network_and_so_is_the_end(seen: dict[str, Any]) -> None:
    told = [(a["status"], a["labels"]["target"]) for a in seen["told"] if a["labels"]["alertname"] == NETWORK_ALERT]
    assert (told[0], told[-1]) == (("firing", "birdnet"), ("resolved", "birdnet"))


def test_nothing_else_alerts(seen: dict[str, Any]) -> None:
    assert [series["metric"] for series in seen["other_alerts"]] == []


def test_every_rule_evaluates_and_both_jobs_are_scraped(seen: dict[str, Any]) -> None:
    rules = [rule for group in seen["rules"] for rule in group["rules"]]
    assert len(rules) > 20
    assert [rule["name"] for rule in rules if rule["health"] != "ok"] == []
    scraped = {series["metric"]["job"]: series["value"][1] for series in seen["up"]}
    assert scraped == {"throttleprobe": "1", "throttleprobe-probe": "1"}, [s["lastError"] for s in seen["scrapes"]]


def test_probe_speaks_to_prometheus(seen: dict[str, Any]) -> None:
    assert [(series["metric"]["target"], series["value"][1]) for series in seen["probes"]] == [("birdnet", "1")]


@pytest.mark.parametrize("instance", INSTANCES)
def test_every_panel_evaluates_and_shows_data(instance: str, seen: dict[str, Any]) -> None:
    shown = {
        name.removeprefix(f"{instance}/"): told for name, told in seen["panels"].items() if name.startswith(instance)
    }
    assert {name: told for name, told in shown.items() if isinstance(told, str)} == {}
    assert {name for name, series in shown.items() if series == 0} <= EMPTY_PANELS


def test_promtool_finds_nothing_wrong_with_the_metrics(seen: dict[str, Any]) -> None:
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=seen["metrics"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_it_ends_in_order_confined_as_the_service_is(seen: dict[str, Any]) -> None:
    assert seen["ended"] == 0
    assert "Operation not permitted" not in seen["log"]
    told = seen["notified"]
    assert "READY=1" in told[:3]
    assert told.count("WATCHDOG=1") >= 2
    assert "STOPPING=1" in told[-3:]
