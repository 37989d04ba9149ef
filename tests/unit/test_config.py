"""Does configuration refuse every mistake, all at once and in its place, and read what is right into typed data?"""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from probe import config
from probe.config.urls import host_and_port
from probe.model.targets import Category, Endpoint, MediaUrl, Resolver, Risk, Target, Withheld, WithheldKind

ROOT = Path(__file__).parents[2]
BAD = ROOT / "tests" / "config" / "bad"
SCHEMA = ROOT / "docs" / "schema" / "targets.schema.json"
SMALL = "version: 1\ncontrols: {}\ntargets:\n  - id: a\n    sites: [https://a.example/]\n"


def mistakes_of(text: str) -> tuple[str, ...]:
    with pytest.raises(config.ConfigError) as caught:
        config.parse(text, name="t.yaml")
    return caught.value.lines


def target(extra: str) -> Target:
    return config.parse(f"version: 1\ncontrols: {{}}\ntargets:\n  - id: a\n    {extra}\n", name="t.yaml").targets[0]


@pytest.mark.parametrize("path", sorted(BAD.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_bad_file_gives_exactly_its_mistakes(path: Path) -> None:
    wanted = [f"{path}:{line}" for line in path.with_suffix(".txt").read_text(encoding="utf-8").splitlines()]
    with pytest.raises(config.ConfigError) as caught:
        config.load(path)
    assert list(caught.value.lines) == wanted


def test_the_corpus_is_complete() -> None:
    names = {path.stem for path in BAD.glob("*.yaml")}
    assert len(names) >= 30
    assert names == {path.stem for path in BAD.glob("*.txt")}
    assert len((BAD / "many.txt").read_text(encoding="utf-8").splitlines()) > 10
    for path in BAD.glob("*.txt"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert path.stem == "many" or len(lines) == 1, f"{path.stem}: one mistake each"


def test_a_whole_file_becomes_typed_data() -> None:
    text = """
version: 1
controls:
  resolvers: [{name: one, url: https://One.example/dns-query, address: 2001:DB8:0::1}]
  names: [Example.COM.]
  sites: [https://www.example.com]
  media: [{download: "https://m.example/?n={bytes}", upload: {url: https://m.example/up, verified: 2026-01-31}}]
  helpers: [{url: "https://192.0.2.7:8443", sha256: %s}]
targets:
  - id: twitter
    name: Twitter / X
    category: social
    risk: high
    sites: [https://x.com/, HTTPS://X.COM:443]
    media: {download: [https://pbs.example/1.jpg], upload: [https://up.example/]}
    services: ["tcp://192.0.2.1:443", "tcp://[2001:db8::1]:5222"]
    quic: true
    withheld: [{url: https://x.com/i/1, kind: x}]
""" % ("AB" * 32)
    read = config.parse(text, name="t.yaml")
    assert read.controls.resolvers == (
        Resolver(name="one", url="https://one.example/dns-query", address="2001:db8::1"),
    )
    assert read.controls.names == ("example.com",)
    assert read.controls.sites == ("https://www.example.com/",)
    assert read.controls.media[0].download == MediaUrl(url="https://m.example/?n={bytes}")
    assert read.controls.media[0].upload == MediaUrl(url="https://m.example/up", verified=date(2026, 1, 31))
    assert (read.controls.helpers[0].url, read.controls.helpers[0].sha256) == ("https://192.0.2.7:8443/", "ab" * 32)
    (twitter,) = read.targets
    assert (twitter.name, twitter.category, twitter.risk) == ("Twitter / X", Category.SOCIAL, Risk.HIGH)
    assert twitter.sites == ("https://x.com/",)  # the same site in two spellings is one
    assert twitter.services == (Endpoint(address="192.0.2.1", port=443), Endpoint(address="2001:db8::1", port=5222))
    assert twitter.quic
    assert twitter.withheld == (Withheld(url="https://x.com/i/1", kind=WithheldKind.X),)


def test_lists_may_be_empty_or_left_out() -> None:
    read = config.parse("version: 1\ncontrols: {resolvers: [], names: []}\n", name="t.yaml")
    assert read.targets == ()
    assert read.controls.sites == ()


def test_json_is_yaml() -> None:
    given_text = {"version": 1, "controls": {}, "targets": [{"id": "a", "name": "😀", "sites": ["https://a.example/"]}]}
    for indent in (None, "\t"):
        assert config.parse(json.dumps(given_text, indent=indent), name="t.json").targets[0].name == "😀"


def test_yaml_1_2_keeps_words_and_dates_as_text() -> None:
    assert target("sites: [https://a.example/]\n    name: no").name == "no"
    assert target("sites: [https://a.example/]\n    name: 2026-01-31").name == "2026-01-31"
    assert mistakes_of("%YAML 1.1\n---\n" + SMALL.replace("sites:", "quic: yes\n    sites:"))[0].endswith(
        "targets[0].quic: must be true or false, not text"
    )


def test_an_alias_may_repeat_a_value() -> None:
    text = SMALL.replace("[https", "&s [https") + "  - {id: b, sites: *s}\n"
    assert [t.sites for t in config.parse(text, name="t.yaml").targets] == [("https://a.example/",)] * 2


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("https://пример.испытание/путь", "https://xn--e1afmkfd.xn--80akhbyknj4f/%D0%BF%D1%83%D1%82%D1%8C"),
        ("https://Bücher.example", "https://xn--bcher-kva.example/"),
        ("https://r4---sn-abc.video.example/", "https://r4---sn-abc.video.example/"),
        ("http://a.example.:8080/x?y=%20", "http://a.example:8080/x?y=%20"),
        ("http://a.example:80", "http://a.example/"),
    ],
)
def test_urls_have_one_spelling(written: str, normal: str) -> None:
    assert target(f'sites: ["{written}"]').sites == (normal,)
    assert target(f'sites: ["{normal}"]').sites == (normal,)


def test_mistakes_are_safe_to_print() -> None:
    shown = mistakes_of('version: 1\ncontrols: {}\n"\\e[31m": 1\n' + f'"{"x" * 10_000}": 1\n')
    assert all(line.isprintable() and len(line) < 700 for line in shown)


def test_a_file_that_cannot_be_read_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match="no such file"):
        config.load(tmp_path / "none.yaml")
    with pytest.raises(config.ConfigError, match="is a directory"):
        config.load(tmp_path)
    big = tmp_path / "big.yaml"
    big.write_bytes(b"#" * 1_000_001)
    with pytest.raises(config.ConfigError, match="larger than 1000000 bytes"):
        config.load(big)


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"%@`#,?~ \n\t\\\x00é\U0001f600\ud800"), max_size=80))
@settings(max_examples=300, deadline=None)
def test_hostile_text_is_refused_and_nothing_else(text: str) -> None:
    assert mistakes_of(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["id", "sites", "media", "url", "download", "name", "x"]), inner, max_size=4
            )
        ),
        max_leaves=12,
    )
)
@settings(max_examples=200, deadline=None)
def test_every_mistake_of_any_shape_has_a_place(value: object) -> None:
    text = json.dumps({"version": 1, "controls": value, "targets": [value], "more": value})
    with pytest.raises(config.ConfigError) as caught:
        config.parse(text, name="t.json")
    assert all(m.line == 1 and 1 <= m.column <= len(text) and m.path and m.message for m in caught.value.mistakes)
    assert any(m.path == "more" for m in caught.value.mistakes)


# --- the packaged list -----------------------------------------------------------------------------------------------


def test_the_packaged_list_is_right_and_has_what_it_promises() -> None:
    packaged = config.load(ROOT / "targets.yaml")
    by_id = {t.id: t for t in packaged.targets}
    assert {"twitter", "facebook", "instagram", "youtube", "linkedin", "telegram", "whatsapp", "signal"} <= set(by_id)
    assert {"tiktok", "wikipedia", "moscow_times", "mbkh_media", "meduza", "navalny", "kasparov"} <= set(by_id)
    assert all(t.risk is Risk.HIGH for t in packaged.targets if t.category in (Category.NEWS, Category.POLITICS))
    assert len(by_id["telegram"].services) >= 5
    assert len(packaged.controls.resolvers) >= 3
    assert len(packaged.controls.names) >= 3
    assert len({host_and_port(url)[0] for url in packaged.controls.sites}) >= 3
    operators = {host_and_port(m.download.url)[0].split(".", 1)[1] for m in packaged.controls.media if m.download}
    assert len(operators) >= 3


def test_every_media_host_of_the_packaged_list_has_two_candidates() -> None:
    for t in config.load(ROOT / "targets.yaml").targets:
        for media in (t.media.download, t.media.upload):
            hosts = [host_and_port(candidate.url)[0] for candidate in media]
            assert all(hosts.count(host) >= 2 for host in hosts), t.id
            assert all(candidate.verified is None for candidate in media)


# --- the schema ------------------------------------------------------------------------------------------------------


def test_the_schema_is_the_documented_one_and_accepts_the_packaged_list() -> None:
    assert config.schema_text() == SCHEMA.read_text(encoding="utf-8")
    schema = config.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    packaged = YAML(typ="safe", pure=True).load((ROOT / "targets.yaml").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(packaged)


@pytest.mark.parametrize(
    "name", ["unknown_key_in_target", "id_upper_case", "url_other_scheme", "version_unknown", "nothing_to_measure"]
)
def test_the_schema_refuses_what_it_can_express(name: str) -> None:
    data = YAML(typ="safe", pure=True).load((BAD / f"{name}.yaml").read_text(encoding="utf-8"))
    if name == "nothing_to_measure":
        del data["targets"][0]["sites"]
    assert not jsonschema.Draft202012Validator(config.schema()).is_valid(data)


# --- finding files ---------------------------------------------------------------------------------------------------


def test_the_nearest_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    directory = tmp_path / "configuration"
    monkeypatch.setattr("platformdirs.user_config_dir", lambda _name: str(directory))
    assert config.find(None) == ROOT / "targets.yaml"
    directory.mkdir()
    (directory / "targets.yaml").write_text(SMALL, encoding="utf-8")
    assert config.find(None) == directory / "targets.yaml"
    (tmp_path / "targets.yaml").write_text(SMALL, encoding="utf-8")
    assert config.find(None) == Path("targets.yaml")
    assert config.find(directory / "targets.yaml") == directory / "targets.yaml"


def test_a_named_file_is_never_replaced(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match="no such file"):
        config.find(tmp_path / "targets.yaml")


def test_blockpages_are_read_and_short_ones_refused(tmp_path: Path) -> None:
    path = tmp_path / "pages.yaml"
    path.write_text("one: This site is blocked by order\ntwo: |\n  Access to the resource\n  is restricted\n")
    assert config.load_blockpages(path) == {
        "one": "This site is blocked by order",
        "two": "Access to the resource\nis restricted",
    }
    path.write_text("one: the\ntwo: [a]\none: again, this time longer\n")
    with pytest.raises(config.ConfigError) as caught:
        config.load_blockpages(path)
    assert [(m.line, m.path) for m in caught.value.mistakes] == [(1, "one"), (2, "two"), (3, "one")]
    path.write_text("- a list\n")
    with pytest.raises(config.ConfigError, match="must be a mapping of name to text"):
        config.load_blockpages(path)


# --- the plan --------------------------------------------------------------------------------------------------------


def test_the_plan_names_every_host_and_bounds_the_bytes() -> None:
    text = """
version: 1
controls:
  resolvers: [{name: one, url: https://one.example/dns-query, address: 192.0.2.53}]
  sites: [https://control.example/]
  media: [{download: https://media.example/a, upload: https://media.example/b}]
targets:
  - id: a
    sites: [https://a.example/, http://a.example:8080/]
    media: {download: [https://m.example/1], upload: [https://a.example/up]}
    services: ["tcp://192.0.2.1:5222"]
  - {id: b, sites: [https://b.example/], risk: high}
"""
    read = config.parse(text, name="t.yaml")
    plan = config.planned(read, read.targets[:1])
    assert [(c.host, c.port) for c in plan.controls] == [
        ("192.0.2.53", 443),
        ("control.example", 443),
        ("control.example", 80),
        ("media.example", 443),
    ]
    (a,) = plan.targets
    assert [(c.host, c.port, c.purposes) for c in a.contacts] == [
        ("a.example", 443, ("page", "upload")),
        ("a.example", 80, ("page",)),
        ("a.example", 8080, ("page",)),
        ("m.example", 443, ("download",)),
        ("192.0.2.1", 5222, ("TCP connection",)),
    ]
    assert a.expected_bytes < a.max_bytes == plan.max_bytes == 4_000_000
    quiet = config.planned(read, read.targets[:1], uploads=False)
    assert quiet.expected_bytes < plan.expected_bytes
    assert not any("upload" in why for c in (*quiet.controls, *quiet.targets[0].contacts) for why in c.purposes)


# --- settings --------------------------------------------------------------------------------------------------------


def test_flags_come_before_the_environment() -> None:
    environment = {
        "THROTTLEPROBE_UPLOADS": "off",
        "THROTTLEPROBE_MAX_BYTES": "1000",
        "THROTTLEPROBE_MAX_SECONDS": "30.5",
        "THROTTLEPROBE_BLOCKPAGES": "pages.yaml",
        "THROTTLEPROBE_STATE": "",
        "PATH": "/bin",
    }
    assert config.read_settings({}) == config.Settings()
    assert config.read_settings(environment) == config.Settings(
        uploads=False, max_bytes=1000, max_seconds=30.5, blockpages=Path("pages.yaml")
    )
    flags = config.read_settings(environment, uploads=True, max_bytes=0, max_seconds=2, state_dir=Path("s"))
    assert (flags.uploads, flags.max_bytes, flags.max_seconds, flags.state_dir) == (True, 0, 2, Path("s"))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("UPLOADS", "no", "must be on or off"),
        ("MAX_BYTES", "4MB", "must be a whole number of bytes"),
        ("MAX_BYTES", "-1", "must be a whole number of bytes"),
        ("MAX_SECONDS", "nan", "must be a number of seconds, at least 1"),
        ("MAX_SECONDS", "0", "must be a number of seconds, at least 1"),
        ("UPLOAD", "off", "unknown (did you mean THROTTLEPROBE_UPLOADS?)"),
        ("MAXBYTES", "1", "unknown (did you mean THROTTLEPROBE_MAX_BYTES?)"),
    ],
)
def test_a_wrong_setting_is_a_mistake(name: str, value: str, message: str) -> None:
    with pytest.raises(config.ConfigError) as caught:
        config.read_settings({f"THROTTLEPROBE_{name}": value})
    assert caught.value.lines == (f"environment: THROTTLEPROBE_{name}: {message}",)


def test_importing_configuration_loads_neither_pydantic_nor_yaml() -> None:
    heavy = ("pydantic", "ruamel.yaml", "ssl", "aiohttp")
    program = f"import sys, probe.config; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
