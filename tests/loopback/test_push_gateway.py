"""Does a one-shot's result get to a real Pushgateway, and does a push that fails change nothing else?"""

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from probe.assembly import Plan
from probe.commands import measure
from probe.commands.measure import Options
from probe.commands.pushing import push_of
from probe.commands.selection import UsageError
from probe.model.results import Report
from probe.push.gateway import Group, group_url
from probe.store import Store
from tests.loopback.real_servers import Server, free_port, pushgateway
from tests.reports import clean, every_state, report

TARGETS = """
version: 1
controls:
  resolvers: [{name: one, url: "https://dns.test/dns-query", address: 192.0.2.1}]
  names: [neutral.test]
  sites: ["https://control.test/"]
  media: []
targets:
  - {id: news, name: The News, sites: ["https://news.test/"]}
"""
Found = dict[tuple[str, ...], float]


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Server]:
    with pushgateway(tmp_path / "gateway") as server:
        yield server


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Report]:
    """What the next runs find, the last one again and again; nothing is sent to measure."""
    reports = [every_state()]

    async def instead(plan: Plan, store: Store | None, *_: object) -> Report:
        return reports.pop(0) if len(reports) > 1 else reports[0]

    monkeypatch.setattr(measure, "_measure", instead)
    monkeypatch.chdir("/")
    return reports


def run(tmp_path: Path, **changes: object) -> int:
    listed = tmp_path / "targets.yaml"
    listed.write_text(TARGETS)
    usual: dict[str, object] = {
        "targets": (), "file": listed, "checks": (), "list_file": None, "output_format": "json", "output": None,
        "fail_on": (), "max_bytes": None, "max_seconds": None, "store": False, "yes": True, "high_risk": False,
        "state": None,
    }  # fmt: skip
    return measure.run(Options(**(usual | changes)))  # type: ignore[arg-type]


def held(gateway: Server, name: str) -> Found:
    """Every value of a metric that the Pushgateway shows, by its labels without the group's."""
    samples: Found = {}
    for family in text_string_to_metric_families(gateway.get("/metrics").decode()):
        for sample in family.samples:
            if sample.name == name:
                samples[tuple(f"{k}={v}" for k, v in sorted(sample.labels.items()) if k != "instance")] = sample.value
    return samples


def test_the_verdicts_of_a_run_are_held_by_the_gateway(tmp_path: Path, gateway: Server, found: list[Report]) -> None:
    assert run(tmp_path, push_gateway=gateway.url, push_job="nightly") == 0
    states = {target.id: target.verdict.state for target in every_state().targets}
    verdicts = held(gateway, "throttleprobe_verdict")
    one = {place: value for place, value in verdicts.items() if value == 1}
    assert one == {("job=nightly", f"state={state}", f"target={id_}"): 1.0 for id_, state in states.items()}
    assert held(gateway, "push_failure_time_seconds") == {("job=nightly",): 0.0}


def test_the_next_run_replaces_what_the_group_had(tmp_path: Path, gateway: Server, found: list[Report]) -> None:
    found[:] = [every_state(), report(clean("only"))]
    run(tmp_path, push_gateway=gateway.url)
    run(tmp_path, push_gateway=gateway.url)
    targets = {label for place in held(gateway, "throttleprobe_verdict") for label in place if "target=" in label}
    assert targets == {"target=only"}


def test_a_group_can_be_deleted_where_it_was_put(tmp_path: Path, gateway: Server, found: list[Report]) -> None:
    run(tmp_path, push_gateway=gateway.url + "/", push_job="a/b c")
    assert held(gateway, "throttleprobe_verdict")
    request = urllib.request.Request(group_url(gateway.url, Group(job="a/b c")), method="DELETE")
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 202
    assert not held(gateway, "throttleprobe_verdict")


@pytest.mark.parametrize("fail_on, code", [((), 0), (("blocked",), 1)])
def test_a_gateway_that_is_away_is_told_and_changes_nothing_else(
    tmp_path: Path, found: list[Report], capfd: pytest.CaptureFixture[str], fail_on: tuple[str, ...], code: int
) -> None:
    assert run(tmp_path, push_gateway=f"http://127.0.0.1:{free_port()}", fail_on=fail_on) == code
    output = capfd.readouterr()
    assert output.out.startswith("{")
    assert "the Pushgateway did not take the results: no connection (connection_refused)" in output.err


def test_what_the_gateway_refuses_is_told(
    tmp_path: Path, gateway: Server, found: list[Report], capfd: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, push_gateway=f"{gateway.url}/elsewhere")
    assert "HTTP 404" in capfd.readouterr().err


def test_an_interrupted_run_replaces_nothing(tmp_path: Path, gateway: Server, found: list[Report]) -> None:
    found[:] = [report(clean("only"), interrupted=True)]
    assert run(tmp_path, push_gateway=gateway.url) == 130
    assert not held(gateway, "throttleprobe_verdict")


def test_what_a_push_moves_counts_towards_the_budget(tmp_path: Path, gateway: Server, found: list[Report]) -> None:
    from datetime import UTC, datetime

    from probe.measuring import STORE_FILE
    from probe.registry import EVIDENCE_TYPES
    from probe.store import Window

    used = []
    for url in (None, gateway.url):
        run(tmp_path, push_gateway=url, store=True, state=tmp_path / str(url is None))
        path = tmp_path / str(url is None) / STORE_FILE
        with Store.open(path, evidence_types=EVIDENCE_TYPES, now=lambda: datetime.now(UTC)) as store:
            used.append(store.used_bytes(Window.DAY))
    assert used[1] > used[0] + 1_000


@pytest.mark.parametrize(
    "url, environment, complaint",
    [
        ("ftp://push.test/", {}, "push-gateway"),
        ("https://user:s3cr3t@push.test/", {}, "push-gateway"),
        ("http://push.test/", {"USERNAME": "u", "PASSWORD": "s3cr3t"}, "https:// only"),
        ("https://push.test/", {"USERNAME": "u"}, "belong together"),
        ("https://push.test/", {"PASSWORD": "s3cr3t"}, "belong together"),
        ("https://push.test/", {"USERNAME": "u", "PASSWORD": "s3cr3t", "BEARER_TOKEN": "s3cr3t"}, "not both"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(
    url: str, environment: dict[str, str], complaint: str
) -> None:
    variables = {f"THROTTLEPROBE_PUSH_{name}": text for name, text in environment.items()}
    with pytest.raises(UsageError) as refused:
        push_of(url, "job", None, variables)
    assert complaint in str(refused.value)
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize(
    "group, path",
    [
        (Group(job="nightly"), "metrics/job/nightly"),
        (Group(job="nightly", instance="kiosk-7"), "metrics/job/nightly/instance/kiosk-7"),
        (Group(job="a/b"), "metrics/job@base64/YS9i"),
        (Group(job="ünï c?#%"), "metrics/job/%C3%BCn%C3%AF%20c%3F%23%25"),
        (Group(job="x", instance=""), "metrics/job/x/instance@base64/="),
    ],
)
def test_a_group_is_a_path(group: Group, path: str) -> None:
    assert group.path == path
