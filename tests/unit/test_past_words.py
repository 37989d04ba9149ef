"""Does a report say in words how a target stands beside its past, in every format, and never as a verdict?"""

from dataclasses import replace
from datetime import datetime

import pytest

from probe import judgement, records
from probe.formats import overview, past
from probe.model.past import Onset, OnsetOf
from probe.model.results import Report, State, TargetResult
from probe.registry import EVIDENCE_TYPES
from probe.report import Format, render
from probe.verdict.past import compare
from tests.histories import BEGIN, EVERY, HOME, LINE_BPS, goodput, history, outcome, result
from tests.reports import clean, report

SLOWED = Onset(
    what=OnsetOf.STATE,
    since="2026-03-10T07:00:12.000Z",
    earliest="2026-03-10T06:12:00.000Z",
    latest="2026-03-10T07:00:12.000Z",
    known_at="2026-03-10T13:00:00.000Z",
    rule_id="past.state_changed",
    before=State.OK,
    after=State.THROTTLED,
)
FELL = replace(
    SLOWED, what=OnsetOf.DOWNLOAD, rule_id="past.level_fell", before=None, after=None, factor=0.1, after_bps=1.9e6
)


def slowed(now: float = 0.1, control: float = 1.0, runs: int = 200) -> TargetResult:
    """A target that was throttled for the last ten of its runs, with its comparison."""
    earlier = history(
        runs,
        ratio=lambda n: 0.1 if n >= runs - 10 else 1.0,
        state=lambda n: State.THROTTLED if n >= runs - 10 else State.OK,
        noise=0.01,
    )
    at = BEGIN + runs * EVERY
    found = result(outcome(at, State.THROTTLED, goodput(now * control * LINE_BPS, control * LINE_BPS)))
    return replace(found, past=compare(found, earlier, now=at, vantage=HOME))


def rendered(output_format: Format, whole: Report, width: int = 100) -> str:
    made = render(whole, output_format, width=width)
    return made if isinstance(made, str) else made.decode()


def test_an_onset_is_a_sentence_with_its_interval() -> None:
    said = past.onset_sentence(SLOWED)
    assert said == "Throttled since 10 March 2026 07:00 UTC (it changed between 06:12 and 07:00; ok before)."
    assert past.onset_sentence(replace(SLOWED, earliest="2026-02-01T23:05:00.000Z")) == (
        "Throttled since 10 March 2026 07:00 UTC (it changed between 1 February 2026 23:05 UTC and "
        "10 March 2026 07:00 UTC; ok before)."
    )
    assert past.onset_sentence(FELL) == (
        "Download has fallen to 0.1 of its level beside its control since 10 March 2026 07:00 UTC "
        "(it changed between 06:12 and 07:00): 1.9 Mbit/s since."
    )
    assert "risen to 4" in past.onset_sentence(replace(FELL, factor=4.0, what=OnsetOf.UPLOAD))


def test_a_state_that_this_run_alone_does_not_show_was_so() -> None:
    assert past.onset_sentence(SLOWED, now=State.INCONCLUSIVE).startswith("Was throttled since 10 March")
    assert past.onset_sentence(SLOWED, now=State.THROTTLED).startswith("Throttled since 10 March")


def test_figures_are_said_with_the_hours_and_the_control() -> None:
    told = " ".join(past.sentences(slowed()))
    assert (
        "Download is 0.1 of a usual 20.1 Mbit/s at this time of day (50 earlier runs, 16.1 Mbit/s to 25.1 Mbit/s)"
        in told
    )
    assert "what it is compared with has not fallen so" in told
    assert "Earlier runs from here since 2 March 2026 00:00 UTC: ok 190, throttled 10; last ok" in told
    both = " ".join(past.sentences(slowed(control=0.05)))
    assert "so it may be the line or the server" in both


def test_a_usual_figure_is_said_to_be_one() -> None:
    earlier = history(100)
    found = result(outcome(BEGIN + 100 * EVERY, State.OK, goodput(LINE_BPS)))
    whole = replace(found, past=compare(found, earlier, now=BEGIN + 100 * EVERY, vantage=HOME))
    assert "Download is as usual: 20 Mbit/s of a usual" in " ".join(past.sentences(whole))
    assert past.headline(whole) == ""


def test_old_news_is_none_unless_it_lasts() -> None:
    old = slowed()
    assert old.past is not None
    later = replace(old, past=replace(old.past, last_at="2030-01-01T00:00:00.000Z"))
    assert "Throttled since" in past.headline(later)
    assert "Download has fallen" not in past.headline(later)
    recovered = replace(later, verdict=replace(later.verdict, state=State.OK))
    assert "throttled since" not in past.headline(recovered)


def test_the_headline_says_a_change_once() -> None:
    both = slowed()
    assert "Throttled since" in past.headline(both)
    assert "Download has fallen" not in past.headline(both)
    assert both.past is not None
    level = replace(both, past=replace(both.past, onsets=(FELL,), last_at=FELL.known_at))
    assert "Download has fallen" in past.headline(level)


def test_without_a_past_nothing_is_said() -> None:
    assert past.sentences(clean()) == ()
    assert past.headline(clean()) == ""
    assert overview.row(clean()).past == ""


@pytest.mark.parametrize("output_format", [Format.TABLE, Format.HTML, Format.MARKDOWN, Format.JUNIT])
def test_every_format_for_people_says_since_when(output_format: Format) -> None:
    text = " ".join(rendered(output_format, report(slowed())).split())
    assert "Throttled since 18 April 2026 12:00 UTC" in text
    assert "Throttled since" not in rendered(output_format, report(replace(slowed(), past=None)))


def test_json_has_the_comparison_and_rejudging_keeps_it() -> None:
    whole = report(replace(clean(), past=slowed().past))
    again = records.decode(records.encode(whole), EVIDENCE_TYPES)
    assert records.encode(again) == records.encode(whole)
    kept = judgement.rejudge(again).targets[0].past
    assert kept is not None
    assert [onset.what for onset in kept.onsets] == [OnsetOf.STATE, OnsetOf.DOWNLOAD]
    assert datetime.fromisoformat(kept.onsets[0].since) == BEGIN + 190 * EVERY


def test_a_report_of_an_older_version_has_no_past() -> None:
    whole = report(clean())
    older = records.encode(whole).replace(b',"past":null', b"").replace(b',"instance":null,"vpn":null', b"")
    assert older != records.encode(whole)
    assert records.decode(older, EVIDENCE_TYPES).targets[0].past is None


@pytest.mark.parametrize("text", ["", "yesterday", "<b>", "2026-03-10T07:00:00", "9999-12-31T23:59:59-14:00"])
def test_what_is_no_time_is_shown_as_it_stands(text: str) -> None:
    odd = replace(SLOWED, since=text, earliest=text, latest=text, known_at=text)
    assert past.onset_sentence(odd).startswith("Throttled since")
    old = slowed()
    assert old.past is not None
    strange = replace(old, past=replace(old.past, onsets=(odd,), first_at=text, last_at=text, last_ok_at=text))
    for output_format in (Format.TABLE, Format.HTML, Format.MARKDOWN, Format.JUNIT):
        assert "<b>" not in rendered(output_format, report(strange)) or output_format is Format.TABLE
