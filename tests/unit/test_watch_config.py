"""Does watch.yaml refuse every mistake, all at once and in its place, keep secrets out of sight, and work without?"""

import json
from datetime import time
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from probe import config, registry
from probe.config import quantities
from probe.config.countries import COUNTRIES
from probe.config.watch_file import (
    DEFAULT_MODULES,
    Answer,
    BudgetSettings,
    IpProtocol,
    LineSettings,
    NetworkKind,
    ProbeModule,
    Prober,
    QuietHours,
    RemoteWrite,
    Retention,
    ScheduleSettings,
    Secret,
    SecretError,
    VantageSettings,
    WatchConfig,
    Weekday,
    find_watch,
    load_watch,
    parse_watch,
    watch_schema_text,
)
from probe.config.watch_schema import CheckName

ROOT = Path(__file__).parents[2]
BAD = ROOT / "tests" / "config" / "bad_watch"
EXAMPLE = ROOT / "deploy" / "watch.yaml"
SCHEMA = ROOT / "docs" / "schema" / "watch.schema.json"
ENVIRONMENT = {"SECRET": "hunter2"}


def parsed(text: str, source: Path = Path("/etc/throttleprobe/watch.yaml")) -> WatchConfig:
    return parse_watch(text, source=source, environment=ENVIRONMENT)


def mistakes_of(text: str) -> tuple[str, ...]:
    with pytest.raises(config.ConfigError) as caught:
        parsed(text)
    return caught.value.lines


# --- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(BAD.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_bad_file_gives_exactly_its_mistakes(path: Path) -> None:
    text = path.with_suffix(".txt").read_text(encoding="utf-8").replace("{directory}", str(BAD))
    with pytest.raises(config.ConfigError) as caught:
        load_watch(path, ENVIRONMENT)
    assert list(caught.value.lines) == [f"{path}:{line}" for line in text.splitlines()]


def test_the_corpus_is_complete() -> None:
    names = {path.stem for path in BAD.glob("*.yaml")}
    assert len(names) >= 80
    assert names == {path.stem for path in BAD.glob("*.txt")}
    for path in BAD.glob("*.txt"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) == 1 or (path.stem == "many" and len(lines) > 10), f"{path.stem}: one mistake each"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["mean", "quiet", "run", "name", "url", "prober", "metered", "instance", "x"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
@settings(max_examples=200, deadline=None)
def test_every_mistake_of_any_shape_has_a_place(value: object) -> None:
    parts = ("vantage", "schedule", "budget", "line", "retention", "modules", "checks")
    text = json.dumps({"version": 1, **dict.fromkeys(parts, value), "remote_write": [value], "more": value})
    with pytest.raises(config.ConfigError) as caught:
        parsed(text)
    assert all(m.line == 1 and 1 <= m.column <= len(text) and m.path and m.message for m in caught.value.mistakes)
    assert any(m.path == "more" for m in caught.value.mistakes)


def test_this_machines_name_is_no_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.node", lambda: "Annas-Laptop.home.example")
    for name in ("annas-laptop", "Annas-Laptop.home.example"):
        (mistake,) = mistakes_of(f"version: 1\nvantage: {{instance: {name}}}\n")
        assert mistake.endswith("is this machine's name: choose an id that tells nothing about it")
    assert parsed("version: 1\nvantage: {instance: anna}\n").vantage.instance == "anna"


def test_an_instance_may_hold_numbers_that_are_no_address() -> None:
    for name in ("nl-amsterdam-3", "probe.2026-11-22", "v1.2.3", "AS64500-home-1"):
        assert parsed(f"version: 1\nvantage: {{instance: {name}}}\n").vantage.instance == name


# --- what it means ---------------------------------------------------------------------------------------------------


def test_a_whole_file_becomes_typed_data(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("-")
    text = """
version: 1
targets: lists/targets.yaml
checks: [dns, goodput, dns]
uploads: false
vantage: {instance: home-1, country: "no", asn: 64500, network: mobile}
schedule:
  mean: 1h30min
  min: 20min
  max: 4h
  time_zone: Europe/Amsterdam
  quiet: [{from: 23:00, to: 7:30, days: [fri, mon, fri]}, {from: "12:00", to: "24:00"}]
budget: {run: 10 MB, day: 40MiB, month: 1000000000}
line: {metered: no, vpn: yes, proxy: auto, busy_fraction: 1, busy_rate: 2.5 Mbit/s}
retention: {days: 30, size: 1 GB}
modules:
  http_2xx: {prober: http, timeout: 2.5, valid_status_codes: [200, 204, 200], follow_redirects: false, method: HEAD}
  tls6: {prober: tls, ip_protocol: ip6, ip_protocol_fallback: false, port: 8443}
remote_write:
  - {name: one, url: "HTTPS://R.example:443/write?x=1", username: me, password_env: SECRET, ca_file: ca.pem}
  - {name: two, url: "http://[::1]:8428/api/v1/write", timeout: 1min, spool: 1 MB}
  - {name: three, url: "http://prometheus:9090/api/v1/write", insecure: true}
"""
    read = parsed(text, tmp_path / "watch.yaml")
    assert (read.targets, read.checks, read.uploads) == (tmp_path / "lists/targets.yaml", ("dns", "goodput"), False)
    assert read.vantage == VantageSettings(instance="home-1", country="NO", asn=64500, network=NetworkKind.MOBILE)
    assert read.schedule == ScheduleSettings(
        mean_seconds=5400,
        min_seconds=1200,
        max_seconds=14_400,
        time_zone="Europe/Amsterdam",
        quiet=(
            QuietHours(start=time(23), end=time(7, 30), days=(Weekday.MON, Weekday.FRI)),
            QuietHours(start=time(12), end=time(0)),
        ),
    )
    assert read.budget == BudgetSettings(run_bytes=10_000_000, day_bytes=40 * 2**20, month_bytes=1_000_000_000)
    assert read.line == LineSettings(metered=Answer.NO, vpn=Answer.YES, busy_fraction=1.0, busy_bps=2_500_000)
    assert read.retention == Retention(days=30, max_bytes=1_000_000_000)
    modules = {module.name: module for module in read.modules}
    assert set(modules) == {*(module.name for module in DEFAULT_MODULES), "tls6"}
    assert modules["http_2xx"] == ProbeModule(
        name="http_2xx",
        prober=Prober.HTTP,
        timeout_seconds=2.5,
        valid_status_codes=(200, 204),
        follow_redirects=False,
        method="HEAD",
    )
    assert modules["tls6"].ip_protocol is IpProtocol.IP6 and not modules["tls6"].ip_protocol_fallback
    assert read.remote_write == (
        RemoteWrite(
            name="one",
            url="https://r.example/write?x=1",
            username="me",
            password=Secret(variable="SECRET"),
            ca_file=tmp_path / "ca.pem",
        ),
        RemoteWrite(name="two", url="http://[::1]:8428/api/v1/write", timeout_seconds=60, max_spool_bytes=1_000_000),
        RemoteWrite(name="three", url="http://prometheus:9090/api/v1/write", insecure=True),
    )
    assert read.source == tmp_path / "watch.yaml"


def test_no_file_and_an_empty_one_mean_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("platformdirs.user_config_dir", lambda _name: str(tmp_path / "none"))
    assert load_watch(None, {}) == WatchConfig()
    assert parsed("version: 1\n").schedule == WatchConfig().schedule
    parts = ("vantage", "schedule", "budget", "line", "retention", "modules", "remote_write", "checks", "targets")
    read = parsed("version: 1\n" + "".join(f"{part}:\n" for part in parts))
    assert (read.modules, read.remote_write, read.budget) == (DEFAULT_MODULES, (), BudgetSettings())


def test_the_example_says_the_defaults() -> None:
    read = load_watch(EXAMPLE, {})
    assert read.source == EXAMPLE
    assert parsed("version: 1\n", EXAMPLE) == read
    assert read.schedule == ScheduleSettings() and read.budget == BudgetSettings() and read.line == LineSettings()
    assert read.retention == Retention() and read.warnings == ()
    commented = "".join(
        line.replace("  # ", "    ", 1) if line.startswith("  # ") else line.removeprefix("# ")
        for line in EXAMPLE.read_text(encoding="utf-8").splitlines(keepends=True)
        if line.startswith(("  # ", "# modules", "#   https", "# remote_write", "#   - name", "#     "))
        or not line.startswith("#")
    )
    text = commented.replace("password_file: remote-write.password", "password_env: SECRET")
    full = parse_watch(text, source=EXAMPLE, environment=ENVIRONMENT)
    assert full.vantage.instance == "home-1" and full.remote_write and len(full.modules) == len(DEFAULT_MODULES) + 1


def test_what_is_left_out_follows_from_what_is_given() -> None:
    schedule = parsed("version: 1\nschedule: {mean: 20h}\n").schedule
    assert (schedule.min_seconds, schedule.max_seconds) == (2 * 3600, 50 * 3600)
    budget = parsed("version: 1\nbudget: {month: 200 MB}\n").budget
    assert (budget.run_bytes, budget.day_bytes, budget.month_bytes) == (100_000_000, 200_000_000, 200_000_000)
    assert parsed("version: 1\nbudget: {day: 20 MB}\n").budget.run_bytes == 20_000_000


def test_checks_are_those_of_the_registry() -> None:
    assert tuple(CheckName) == registry.CHOOSABLE


def test_countries_are_two_letters_and_all_there() -> None:
    assert len(COUNTRIES) == 250  # 249 of ISO 3166-1 and Kosovo's
    assert all(len(code) == 2 and code.isascii() and code.isupper() for code in COUNTRIES)


def test_settings_that_are_allowed_and_hardly_meant_are_told(tmp_path: Path) -> None:
    (tmp_path / "watch.yaml").write_text("")
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o644)
    text = """
version: 1
schedule: {mean: 60, min: 60, max: 60}
remote_write: [{name: a, url: "http://r.example/", insecure: true, bearer_token_file: secret}]
"""
    told = parsed(text, tmp_path / "watch.yaml").warnings
    assert [word in line for word, line in zip(("60 s", "equal gaps", "chmod 600", "http://"), told, strict=True)] == [
        True
    ] * 4
    secret.chmod(0o600)
    assert len(parsed(text, tmp_path / "watch.yaml").warnings) == 3
    assert (
        parsed("version: 1\nschedule: {mean: 6h, min: 5h, max: 7h}\n").warnings[0].startswith("schedule: min and max")
    )


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_a_secret_is_read_when_it_is_used_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first-value\n")
    secret = Secret(file=file)
    read = parsed(
        'version: 1\nremote_write: [{name: a, url: "https://r.example/", bearer_token_file: token}]\n',
        tmp_path / "watch.yaml",
    )
    assert read.remote_write[0].bearer_token == secret
    assert secret.read() == "first-value"
    file.write_text("second-value\r\n")
    assert secret.read() == "second-value"
    assert "value" not in f"{secret!r} {secret} {read!r}"
    assert Secret(variable="SECRET").read(ENVIRONMENT) == "hunter2"
    assert "hunter2" not in repr(Secret(variable="SECRET"))


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines\n", b"\xff\xfe", b"x" * 20_000, b"nul\0"])
def test_a_secret_that_is_none_is_told_without_its_value(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(SecretError) as caught:
        Secret(file=file).read()
    assert str(caught.value).startswith(f"{file}: ") and "lines" not in str(caught.value)


@pytest.mark.parametrize("value", ["\n", "two\nlines", "x: y\r\nX-Evil: 1", "half\udcff", "x" * 20_000])
def test_a_variable_that_holds_no_secret_is_told_without_its_value(value: str) -> None:
    with pytest.raises(SecretError, match="the environment variable A: must hold one line") as caught:
        Secret(variable="A").read({"A": value})
    assert "lines" not in str(caught.value) and "Evil" not in str(caught.value)
    assert Secret(variable="A").read({"A": "hunter2\r\n"}) == "hunter2"  # as a file of variables may have it


def test_a_missing_secret_is_told(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="no such file"):
        Secret(file=tmp_path / "none").read()
    for environment in ({}, {"A": ""}):
        with pytest.raises(SecretError, match="the environment variable A: is not set"):
            Secret(variable="A").read(environment)
    assert not Secret(file=tmp_path / "none").is_exposed


@pytest.mark.parametrize(
    "key", ["password_env", "password_file", "bearer_token_env", "bearer_token_file", "password", "bearer_token", "url"]
)
@pytest.mark.parametrize("value", ["hunter2_and_more", "https://me:hunter2/x@r.example/", "?hunter2", "~hunter2/x"])
def test_a_secret_in_the_wrong_place_is_not_repeated(key: str, value: str) -> None:
    keys = {"name": "a", "url": "https://r.example/", "username": "me", key: value}
    told = mistakes_of(json.dumps({"version": 1, "remote_write": [keys]}))
    assert told and not any("hunter2" in line for line in told)


# --- finding the file ------------------------------------------------------------------------------------------------


def test_the_nearest_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("platformdirs.user_config_dir", lambda _name: str(tmp_path / "person"))
    service = {"CONFIGURATION_DIRECTORY": f"{tmp_path / 'other'}:{tmp_path / 'service'}"}
    assert find_watch(None, service) is None
    for name, found in (("person", None), ("service", None), ("here", Path("watch.yaml"))):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "watch.yaml").write_text("version: 1\n")
        assert find_watch(None, service) == (found or tmp_path / name / "watch.yaml")
    named = tmp_path / "person" / "watch.yaml"
    assert find_watch(None, {"THROTTLEPROBE_CONFIG": str(named)}) == named
    assert find_watch(tmp_path / "service" / "watch.yaml", {"THROTTLEPROBE_CONFIG": str(named)}) != named


@pytest.mark.parametrize("environment", [{}, {"THROTTLEPROBE_CONFIG": "/nowhere/watch.yaml"}])
def test_a_named_file_is_never_replaced(environment: dict[str, str]) -> None:
    with pytest.raises(config.ConfigError, match="no such file"):
        load_watch(None if environment else Path("/nowhere/watch.yaml"), environment)


def test_a_place_that_may_not_be_looked_into_is_a_mistake_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told by the system as a directory of somebody else is: root, who runs tests, may look into every other one."""
    beyond = "/nowhere/" + "x" * 5_000
    assert find_watch(None, {"CONFIGURATION_DIRECTORY": beyond}) is None
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", beyond)
    assert config.find(None).name == "targets.yaml"
    with pytest.raises(config.ConfigError, match="file name too long"):
        find_watch(Path(beyond), {})
    with pytest.raises(config.ConfigError, match="file name too long"):
        config.find(Path(beyond))
    told = mistakes_of(f'version: 1\nremote_write: [{{name: a, url: "https://r.example/", ca_file: {beyond}}}]\n')
    assert len(told) == 1 and "remote_write[0].ca_file" in told[0]


def test_the_target_list_of_a_service_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    service = tmp_path / "service"
    service.mkdir()
    (service / "targets.yaml").write_text("version: 1\ncontrols: {}\n")
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(service))
    assert config.find(None) == service / "targets.yaml"


@pytest.mark.parametrize(
    ("name", "close"), [("CONFG", "CONFIG"), ("LISTENS", "LISTEN"), ("LOGLEVEL", "LOG_LEVEL"), ("CONFIGS", "CONFIG")]
)
def test_a_misspelt_setting_of_watch_is_a_mistake(name: str, close: str) -> None:
    with pytest.raises(config.ConfigError, match=f"did you mean THROTTLEPROBE_{close}"):
        config.read_settings({f"THROTTLEPROBE_{name}": "1"})


# --- the schema ------------------------------------------------------------------------------------------------------


def test_the_schema_is_the_documented_one_and_accepts_the_example() -> None:
    assert watch_schema_text() == SCHEMA.read_text(encoding="utf-8")
    schema = json.loads(watch_schema_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    example = YAML(typ="safe", pure=True).load(EXAMPLE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(example)


@pytest.mark.parametrize(
    "name",
    [
        "unknown_key_in_schedule",
        "check_unknown",
        "asn_zero",
        "network_unknown",
        "module_prober_unknown",
        "metered_true",
    ],
)
def test_the_schema_refuses_what_it_can_express(name: str) -> None:
    data = YAML(typ="safe", pure=True).load((BAD / f"{name}.yaml").read_text(encoding="utf-8"))
    assert not jsonschema.Draft202012Validator(json.loads(watch_schema_text())).is_valid(data)


# --- quantities ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("6h", 21_600), ("36min", 2160), ("1h30min", 5400), ("1 h 30 min", 5400), ("1.5d", 129_600), (90, 90), ("90", 90)],
)
def test_durations(text: object, seconds: float) -> None:
    assert quantities.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", " ", "h", "6x", "6h!", "-6h", True, None, [], "1e3s", "６h", float("nan")])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        quantities.seconds(text)


@pytest.mark.parametrize(
    ("text", "size"), [("300 MB", 300_000_000), ("1.5GB", 1_500_000_000), ("64 KiB", 65_536), (10, 10), ("0", 0)]
)
def test_sizes(text: object, size: int) -> None:
    assert quantities.size_bytes(text) == size


@given(st.text(max_size=12) | st.integers() | st.floats())
def test_any_value_is_a_quantity_or_refused(value: object) -> None:
    for read in (quantities.seconds, quantities.size_bytes, quantities.bits_per_second):
        try:
            assert read(value) >= 0
        except ValueError as error:
            assert "must be" in str(error)
