"""Do the shipped rules ask for what exists, say what they must, and pass Prometheus's own tools and unit tests?"""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.dashboards import PROMETHEUS, rules, selectors, wrong_names

RECORDING = PROMETHEUS / "throttleprobe.recording.yml"
ALERTS = PROMETHEUS / "throttleprobe.alerts.yml"
UNIT_TESTS = sorted((PROMETHEUS / "tests").glob("*.test.yml"))
PATIENCE = pytest.mark.timeout(300)  # promtool evaluates every step of a simulated day, on whatever processor is left
SEVERITIES = {"info", "warning", "critical"}


def tool(*argv: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False)


def test_promtool_finds_nothing_wrong() -> None:
    done = tool("promtool", "check", "rules", "--lint-fatal", RECORDING, ALERTS)
    assert done.returncode == 0, done.stdout + done.stderr
    done = tool("promtool", "check", "config", "--lint-fatal", PROMETHEUS / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_amtool_finds_nothing_wrong() -> None:
    done = tool("amtool", "check-config", PROMETHEUS / "alertmanager.yml")
    assert done.returncode == 0, done.stdout + done.stderr


@PATIENCE
@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.name)
def test_unit_tests_of_the_rules_pass(path: Path) -> None:
    done = tool("promtool", "test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """A mistake somebody could make in the rules, and the unit test that must see it."""

    file: str
    case: str
    right: str
    wrong: str


FIRST_RUN = "instance_target:throttleprobe_interference:first_run_timestamp_seconds\n          )"
MISTAKES = {
    "one run is enough": Slip(
        file="targets", case="one run is one run, however", right=f"{FIRST_RUN} > 0", wrong=f"{FIRST_RUN} >= 0"
    ),
    "inconclusive clears": Slip(
        file="targets", case="a run that could not tell", right='"ok|withheld|down"', wrong='"ok|down|inconclusive"'
    ),
    "nothing clears": Slip(file="targets", case="a run that finds nothing", right='"ok|withheld|down"', wrong='"down"'),
    "a platform's refusal accuses": Slip(
        file="targets", case="what the platform refuses", right="blocked|throttled", wrong="blocked|throttled|withheld"
    ),
    "pushed results are forgotten": Slip(
        file="targets",
        case="pushed results",
        right="last_over_time(throttleprobe_verdict[1d])",
        wrong="throttleprobe_verdict",
    ),
    "networks are mixed": Slip(
        file="networks",
        case="two networks are not mixed",
        right="count by (country, asn, network, target)",
        wrong="count by (country, target)",
    ),
    "unknown networks are one": Slip(file="networks", case="unknown networks", right='{asn!=""}', wrong=""),
    "a VPN's network is the line's": Slip(
        file="networks", case="what is seen through a VPN", right="throttleprobe_vpn[1d]) == 1", wrong="up[1d]) == 7"
    ),
    "a VPN that is off again is forgotten": Slip(
        file="targets",
        case="a run through a VPN counts",
        right="last_over_time(instance_target:throttleprobe_last_run_timestamp_seconds:vpn[1d])",
        wrong="instance_target:throttleprobe_last_run_timestamp_seconds:vpn",
    ),
    "an old result moves with the machine": Slip(
        file="targets",
        case="an old result does not move",
        right="== on (job, instance, target) group_left ()",
        wrong="< on (job, instance, target) group_left ()",
    ),
    "one vantage point is a quorum": Slip(
        file="networks", case="nor is one that is alone", right=":instances >= 2", wrong=":instances >= 1"
    ),
    "a minority is a quorum": Slip(file="networks", case="two of five", right=":ratio > 0.5", wrong=":ratio > 0.1"),
}


@PATIENCE
@pytest.mark.parametrize("mistake", MISTAKES)
def test_unit_tests_of_the_rules_see(mistake: str, tmp_path: Path) -> None:
    """Each of these mistakes in the rules makes its unit test fail."""
    slip = MISTAKES[mistake]
    changed = 0
    for path in (RECORDING, ALERTS):
        text = path.read_text()
        changed += text.count(slip.right)
        (tmp_path / path.name).write_text(text.replace(slip.right, slip.wrong))
    assert changed
    unit_tests = YAML(typ="safe").load(PROMETHEUS / "tests" / f"{slip.file}.test.yml")
    unit_tests["rule_files"] = [RECORDING.name, ALERTS.name]
    unit_tests["tests"] = [case for case in unit_tests["tests"] if case["name"].startswith(slip.case)]
    assert len(unit_tests["tests"]) == 1
    (tmp_path / "unit.json").write_text(json.dumps(unit_tests))
    done = tool("promtool", "test", "rules", tmp_path / "unit.json")
    assert done.returncode == 1
    assert "FAILED" in done.stdout + done.stderr


@pytest.mark.parametrize(
    "rule", [*rules(RECORDING), *rules(ALERTS)], ids=lambda rule: rule.get("record", rule.get("alert"))
)
def test_every_expression_asks_for_what_exists(rule: dict[str, str]) -> None:
    assert list(selectors(rule["expr"]))
    assert wrong_names(rule["expr"]) == []


def test_a_misspelt_name_or_label_would_be_seen() -> None:
    assert wrong_names("throttleprobe_verdicts == 1") == ["throttleprobe_verdicts"]
    assert wrong_names('max(rate(throttleprobe_verdict{status="ok"}[1m]))') == ["throttleprobe_verdict{status}"]


def test_recorded_names_are_level_metric_operation() -> None:
    names = [rule["record"] for rule in rules(RECORDING)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z_]+:throttleprobe_[a-z_]+:[a-z_]+", name) for name in names)


def test_every_alert_says_what_it_means() -> None:
    for rule in rules(ALERTS):
        severity = rule["labels"]["severity"]
        assert severity in SEVERITIES or "$labels.strength" in severity
        assert rule["annotations"].keys() == {"summary", "description"}


def test_every_alert_is_seen_firing_and_silent_by_a_unit_test() -> None:
    seen: dict[str, set[bool]] = {}
    for path in UNIT_TESTS:
        for case in YAML(typ="safe").load(path)["tests"]:
            for expected in case.get("alert_rule_test", ()):
                seen.setdefault(expected["alertname"], set()).add(bool(expected["exp_alerts"]))
    assert seen == {rule["alert"]: {True, False} for rule in rules(ALERTS)}


def test_every_alert_has_its_route() -> None:
    routes = YAML(typ="safe").load(PROMETHEUS / "alertmanager.yml")["route"]["routes"]
    routed = set(re.findall(r"Throttleprobe\w+", " ".join(m for route in routes for m in route["matchers"])))
    about_targets = {"ThrottleprobeThrottled", "ThrottleprobeBlocked", "ThrottleprobeInterferenceInNetwork"}
    assert routed | about_targets == {rule["alert"] for rule in rules(ALERTS)}
