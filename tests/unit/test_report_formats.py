"""Does every format say what the report says, and does foreign text do nothing in any of them?"""

import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from probe import records
from probe.formats.html import headline
from probe.formats.markdown import MAX_BYTES, escape, render_markdown
from probe.formats.plain import plain
from probe.model.results import Facts, Report, State, Strength, TargetResult
from probe.registry import EVIDENCE_TYPES
from probe.report import Format, render, write
from tests.factories import http_evidence, measurement, verdict
from tests.reports import clean, every_state, report, target, without_network

HOSTILE = (
    "<script>document.title='owned'</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "]]><!--",
    "</title></style></svg><script>1</script>",
    "\x1b[2J\x1b]0;owned\x07",
    "| **bold** | [link](http://evil.example) ![i](http://evil.example/i.png) @admin `x",
    "\u202egnp.exe\u0000\uffff\ud800",
    "\x1b]8;;http\x3a//evil.example\x1b\\click\x1b]8;;\x1b\\",
    "\u2066isolated\u2069 \u200fmarked \U000e0041tagged \ufeff\u2028\x85",
    "</table></details><details open>\n# heading\n- item\n```",
    "::error file=a::owned\r\n::add-mask::b\n##[group]c ##vso[task.setvariable variable=d]e ::stop-commands::f",
    "w" * 20_000,
)
CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def text_of(made: Report, output_format: Format, *, width: int = 80, color: bool = False) -> str:
    rendered = render(made, output_format, width=width, color=color)
    return rendered if isinstance(rendered, str) else rendered.decode()


def hostile_report() -> Report:
    """Every text that a server, a censor or a list could write is hostile."""
    made: list[TargetResult] = []
    for place, text in enumerate(HOSTILE):
        facts = Facts(host=text, endpoint=text, certificate_issuer=text, addresses=(text,))
        judged = replace(verdict(State.BLOCKED, text, rule=text, facts=facts), strength=Strength.LIKELY)
        evidence = http_evidence("evil.example", title=text)
        page = measurement("http", evidence, judged, target=f"t{place}", subject=text, number=place)
        made.append(target(f"t{place}", text, judged, page))
    whole = report(*made)
    network = replace(whole.network, reason=" ".join(HOSTILE), left_out=HOSTILE)
    return replace(whole, network=network, controls=(replace(page, target="", input=HOSTILE[0]),))


# The table


@pytest.mark.parametrize("width", [40, 60, 76, 80, 100, 112, 142, 200])
def test_no_line_of_the_table_is_wider_than_the_terminal(width: int) -> None:
    for made in (every_state(), without_network(), hostile_report()):
        assert max(len(line) for line in text_of(made, Format.TABLE, width=width).splitlines()) <= width


def test_the_table_needs_no_colour() -> None:
    text = text_of(every_state(), Format.TABLE)
    assert "\x1b" not in text
    assert "\x1b[" in text_of(every_state(), Format.TABLE, color=True)
    for word in ("throttled", "blocked", "withheld", "down", "inconclusive", "138 kbit/s", "of 17.9 Mbit/s"):
        assert word in text


def test_each_target_that_is_not_ok_gets_its_sentence() -> None:
    text = " ".join(text_of(every_state(), Format.TABLE).split())
    for result in every_state().targets:
        told = f"{result.name}: {result.verdict.state}" in text
        assert told is (result.verdict.state is not State.OK)


def test_the_table_says_the_line_the_budget_and_the_cost() -> None:
    text = " ".join(text_of(every_state(), Format.TABLE).split())
    for words in ("The line works", "www.example.net", "byte budget was used up", "5.69 MB used", "61 s"):
        assert words in text
    assert "There is no working network" in text_of(without_network(), Format.TABLE)


def test_inconclusive_is_never_green() -> None:
    green = re.compile(r"\x1b\[[\d;]*32m[^\x1b]*")
    shown = green.findall(text_of(without_network(), Format.TABLE, color=True))
    assert shown == []


def test_the_table_can_be_ascii() -> None:
    text = render(every_state(), Format.TABLE, width=120, ascii_only=True)
    assert isinstance(text, str)
    assert text.isascii()
    assert "throttled" in text


# JSON Lines


def test_json_lines_have_every_measurement_and_the_report_last() -> None:
    made = every_state()
    lines = [json.loads(line) for line in text_of(made, Format.JSONL).splitlines()]
    *measurements, last = lines
    assert [line["record"] for line in measurements] == ["measurement"] * len(measurements)
    assert len(measurements) == len(made.controls) + sum(len(t.measurements) for t in made.targets)
    assert {line["report_id"] for line in lines} == {made.id}
    assert last["record"] == "report"
    assert [t["verdict"]["state"] for t in last["targets"]] == [str(t.verdict.state) for t in made.targets]
    back = records.decode_measurement(json.dumps(measurements[1]), EVIDENCE_TYPES)
    assert back.id == made.targets[0].measurements[0].id


def test_json_is_the_whole_report() -> None:
    assert records.decode(render(every_state(), Format.JSON), EVIDENCE_TYPES).id == every_state().id


# JUnit


def test_junit_has_a_suite_a_target_and_a_case_a_measurement() -> None:
    made = every_state()
    root = ElementTree.fromstring(text_of(made, Format.JUNIT))
    suites = root.findall("testsuite")
    assert root.tag == "testsuites"
    assert [suite.get("name") for suite in suites] == ["network", *(t.id for t in made.targets)]
    for suite, result in zip(suites[1:], made.targets, strict=True):
        cases = suite.findall("testcase")
        assert len(cases) == len(result.measurements) + 1
        assert cases[-1].get("name") == "verdict"
        assert int(suite.get("tests", "")) == len(cases)
        for kind, outcome in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(kind, "")) == sum(case.find(outcome) is not None for case in cases)
    assert int(root.get("tests", "")) == sum(len(suite.findall("testcase")) for suite in suites)


def test_junit_outcomes_follow_the_states() -> None:
    made = every_state()
    root = ElementTree.fromstring(text_of(made, Format.JUNIT))
    for suite, result in zip(root.findall("testsuite")[1:], made.targets, strict=True):
        case = suite.findall("testcase")[-1]
        expected = {State.OK: None, State.INCONCLUSIVE: "skipped"}.get(result.verdict.state, "failure")
        found = [child.tag for child in case if child.tag != "system-out"]
        assert found == ([expected] if expected else [])
        failure = case.find("failure")
        if failure is not None:
            assert failure.get("type") == ", ".join(result.verdict.mechanisms)


def test_junit_says_when_the_line_could_not_be_judged() -> None:
    root = ElementTree.fromstring(text_of(without_network(), Format.JUNIT))
    case = root.find("testsuite[@name='network']/testcase[@name='line']")
    assert case is not None
    assert case.find("skipped") is not None
    assert root.get("failures") == "0"


# Markdown


def test_markdown_has_the_table_and_the_sentences() -> None:
    text = text_of(every_state(), Format.MARKDOWN)
    rows = [line for line in text.splitlines() if line.startswith("| Birdsite / B |")]
    assert "138 kbit/s of 17.9 Mbit/s" in rows[0]
    assert "**throttled**" in rows[0]
    assert "- **Jobs**: blocked by `tls.reset.sni`." in text
    columns = {line.count("|") for line in text.split("<details>")[0].splitlines() if line.startswith("|")}
    assert columns == {9}


def test_markdown_is_cut_before_it_is_too_long_and_says_so() -> None:
    one = clean()
    long_reason = replace(one.measurements[0], verdict=verdict(reason="x" * 500))
    many = replace(one, measurements=(long_reason,) * 2_500)
    text = render_markdown(report(many))
    assert len(text.encode()) <= MAX_BYTES
    assert "Cut here" in text
    assert text.startswith("## Throttleprobe: 1 ok")


def test_markdown_text_does_nothing() -> None:
    assert escape("[a](http://b) @c") == "\\[a\\](http\\://b) \\@c"
    assert escape("www.evil.example") == "www\\.evil.example"
    assert escape("<b>&") == "&lt;b&gt;&amp;"
    assert escape("a | b `c`") == "a \\| b \\`c\\`"


# HTML


class Page(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in {"meta", "br", "hr", "col"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def page(made: Report) -> Page:
    parsed = Page()
    parsed.feed(text_of(made, Format.HTML))
    parsed.close()
    assert parsed.open == []
    return parsed


def test_html_is_one_file_without_script_or_request() -> None:
    parsed = page(every_state())
    assert parsed.tags.isdisjoint({"script", "link", "iframe", "object", "embed", "form", "base", "img"})
    for name, value in parsed.attributes:
        assert not name.startswith("on")
        if name in {"href", "src", "xlink:href"}:
            assert value.startswith("#")
    assert ("http-equiv", "Content-Security-Policy") in parsed.attributes
    assert any(
        value.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
        for _, value in parsed.attributes
    )


def test_html_says_verdicts_in_words_and_shows_the_figures() -> None:
    parsed = page(every_state())
    text = " ".join(" ".join(parsed.text).split())
    for result in every_state().targets:
        assert result.name in text
        assert str(result.verdict.state) in text
    for words in (
        "138 kbit/s",
        "192.0.2.10:443",
        "media.target.example",
        "example.com",
        "5.69 MB used",
        "tls.reset.sni",
    ):
        assert words in text
    labels = [value for name, value in parsed.attributes if name == "aria-label"]
    assert any(label.startswith("Download: rate of each transfer. pair 1: target") for label in labels)
    assert sum("bytes over time" in label for label in labels) == 8  # four targets with media, two directions


def test_html_is_the_same_every_time() -> None:
    assert text_of(every_state(), Format.HTML) == text_of(every_state(), Format.HTML)


def test_links_of_the_page_lead_somewhere() -> None:
    parsed = page(every_state())
    fragments = {value[1:] for name, value in parsed.attributes if name == "href"}
    assert fragments <= set(parsed.ids)
    anchors = [identity for identity in parsed.ids if identity.startswith("target-")]
    assert len(anchors) == len(set(anchors))


def test_the_headline_does_not_say_more_than_is_known() -> None:
    assert headline(every_state()) == "This line interferes with 5 of 9 platforms."
    likely = replace(verdict(State.BLOCKED, "silence"), strength=Strength.LIKELY)
    assert headline(report(target("b", "B", likely))) == "This line likely interferes with 1 of 1 platform."
    assert headline(without_network()) == "Nothing can be said: there is no working network."
    assert headline(report(clean())) == "No interference was found with 1 platform."
    undecided = target("u", "U", verdict(State.INCONCLUSIVE, "could not tell"))
    assert headline(report(clean(), undecided)) == "No interference was found; 1 of 2 platforms could not be decided."
    assert headline(report(undecided)) == "Nothing could be decided."


# What foreign text does


def test_hostile_text_stays_text_in_html() -> None:
    parsed = page(hostile_report())
    assert parsed.tags.isdisjoint({"script", "img", "iframe"})
    assert not [name for name, _ in parsed.attributes if name.startswith("on")]
    assert HOSTILE[0] in " ".join(parsed.text)
    assert not CONTROL_CHARACTERS.search(text_of(hostile_report(), Format.HTML))


def test_hostile_text_stays_text_in_junit() -> None:
    text = text_of(hostile_report(), Format.JUNIT)
    root = ElementTree.fromstring(text)
    tags = {element.tag for element in root.iter()}
    assert tags <= {"testsuites", "testsuite", "testcase", "failure", "error", "skipped", "system-out"}
    assert not CONTROL_CHARACTERS.search(text)


def test_hostile_text_stays_text_in_markdown() -> None:
    text = text_of(hostile_report(), Format.MARKDOWN)
    assert not CONTROL_CHARACTERS.search(text)
    assert "<script" not in text
    assert "<img" not in text
    assert not re.search(r"(?<!\\)\]\(", text)
    assert not re.search(r"(?<!\\)@", text)
    assert "http:" not in text.replace("http\\:", "")
    for line in text.split("<details>")[0].splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 9


@pytest.mark.parametrize("color", [False, True])
def test_hostile_text_does_nothing_in_a_terminal(color: bool) -> None:
    text = text_of(hostile_report(), Format.TABLE, width=200, color=color)
    own = re.sub(r"\x1b\[[\d;]*m", "", text)
    assert not CONTROL_CHARACTERS.search(own)
    assert "owned\x07" not in text


@pytest.mark.parametrize("output_format", [Format.TABLE, Format.MARKDOWN, Format.JUNIT])
@pytest.mark.parametrize("width", [40, 80, 200])
def test_hostile_text_commands_no_ci_system(output_format: Format, width: int) -> None:
    """GitHub Actions and Azure Pipelines take lines of output that begin so, indented or not, for commands."""
    text = text_of(hostile_report(), output_format, width=width)
    assert not [line for line in text.splitlines() if re.match(r"\s*(::|##\w*\[)", line)]
    assert "::error" not in text
    assert "##vso[" not in text


def test_long_hostile_text_is_cut_in_what_people_read() -> None:
    for output_format in (Format.TABLE, Format.MARKDOWN, Format.JUNIT, Format.HTML):
        assert "w" * 1_000 not in text_of(hostile_report(), output_format)


def test_addresses_are_shown_as_they_are() -> None:
    for text in ("2001:db8::1", "[2001:db8::abcd]:443", "::1", "::ffff:192.0.2.1", "fe80::a and fe80::b"):
        assert plain(text) == text


def test_hostile_text_survives_as_evidence_in_json() -> None:
    written = render(hostile_report(), Format.JSON)
    assert records.encode(records.decode(written, EVIDENCE_TYPES)) + b"\n" == written


# Files


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    path.chmod(0o640)
    write(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "report.txt"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write(path, "\ud800")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["report.txt"]
    with pytest.raises(OSError, match="No such file"):
        write(tmp_path / "missing" / "report.txt", "new")


def test_a_link_is_followed_and_a_device_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write(tmp_path / "link", "through")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "through"
    write(Path("/dev/null"), "gone")


@pytest.mark.parametrize("output_format", list(Format))
def test_every_format_ends_with_a_newline(output_format: Format) -> None:
    for made in (every_state(), without_network(), report()):
        assert text_of(made, output_format).endswith("\n")


def test_only_html_loads_matplotlib_and_nothing_is_loaded_unasked() -> None:
    code = (
        "import sys, probe.report, probe.store, probe.records;"
        "assert not {'rich', 'matplotlib', 'numpy', 'platformdirs', 'aiohttp'} & set(sys.modules);"
        "from tests.reports import every_state;"
        "[probe.report.render(every_state(), f) for f in probe.report.Format if f != 'html'];"
        "assert not {'matplotlib', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
