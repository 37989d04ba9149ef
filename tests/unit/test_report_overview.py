"""Do figures, cells and notes say what the report says, and never more?"""

from dataclasses import replace

import pytest

from probe.formats import figures, overview
from probe.formats.plain import plain, sentence
from probe.model.results import (
    Attempt,
    AttemptStatus,
    Facts,
    Mechanism,
    Problem,
    ProblemReason,
    State,
    Strength,
    TargetResult,
    Vantage,
    Verdict,
)
from probe.report import Format, render
from tests.curves import Shape
from tests.factories import (
    dns_evidence,
    goodput_facts,
    goodput_measurement,
    measurement,
    not_run,
    verdict,
)
from tests.reports import clean, every_state, report, slowed, target, without_network


@pytest.mark.parametrize(
    ("bps", "text"),
    [
        (None, "unknown"),
        (0.0, "0 bit/s"),
        (138_400.0, "138 kbit/s"),
        (999_960.0, "1 Mbit/s"),
        (17_932_000.0, "17.9 Mbit/s"),
        (7_100_000.0, "7.1 Mbit/s"),
        (1_000_000_000.0, "1 Gbit/s"),
        (2_500_000_000_000.0, "2500 Gbit/s"),
    ],
)
def test_rates(bps: float | None, text: str) -> None:
    assert figures.rate(bps) == text


def test_a_rate_stands_with_its_controls() -> None:
    assert figures.compared(138e3, 17.9e6, slowed=True) == "138 kbit/s of 17.9 Mbit/s"
    assert figures.compared(17e6, 18e6, slowed=False) == "17 Mbit/s (control 18)"
    assert figures.compared(900e3, 1.2e6, slowed=False) == "900 kbit/s (control 1.2 Mbit/s)"
    assert figures.compared(None, 1.2e6, slowed=False) == "unknown of 1.2 Mbit/s"
    assert figures.compared(900e3, None, slowed=False) == "900 kbit/s"


def test_amounts_and_durations() -> None:
    assert [figures.amount(n) for n in (0, 1, 999, 1000, 262_144, 4_210_000)] == [
        "0 bytes",
        "1 byte",
        "999 bytes",
        "1 kB",
        "262 kB",
        "4.21 MB",
    ]
    assert [figures.duration(s) for s in (0.041, 0.9996, 4.12, 61.2, 185.0)] == [
        "41 ms",
        "1.0 s",
        "4.1 s",
        "61 s",
        "3 min 5 s",
    ]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://evil.example\x1b\\click", "click"),
        ("\x9b31mred", "red"),
        ("bell\x07 null\x00 del\x7f", "bell null del"),
        ("one\r\ntwo\tthree", "one two three"),
        ("abc\u202edcba\u200b", "abcdcba"),
        ("half \ud800 \uffff end", "half end"),
        ("наука 中文 é", "наука 中文 é"),
        ("\x1b", ""),
    ],
)
def test_plain_leaves_only_what_is_shown(given: str, shown: str) -> None:
    assert plain(given) == shown


def test_plain_is_bounded() -> None:
    assert len(plain("\x1b[31m" * 1_000_000 + "x" * 10_000)) <= 600
    assert plain("x" * 700).endswith("…")


def test_sentences() -> None:
    assert sentence("slow here") == "Slow here."
    assert sentence("x.com is slow!") == "x.com is slow!"
    assert sentence("") == ""


def _row(result: TargetResult) -> overview.Row:
    return overview.row(result)


def test_a_cell_shows_the_worst_of_what_counts() -> None:
    blocked = verdict(State.BLOCKED, "reset", Mechanism.TLS_RESET_SNI)
    fine = measurement("tls", None, target="t", subject="a.example")
    bad = measurement("tls", None, blocked, target="t", subject="b.example", number=1)
    row = _row(target("t", "T", blocked, fine, bad))
    assert row.access[2] == overview.Cell(state=State.BLOCKED, word="reset.sni")


def test_what_was_not_measured_is_never_shown_as_fine() -> None:
    row = _row(target("t", "T", verdict(), not_run("dns", ProblemReason.BUDGET, target="t", subject="a.example")))
    assert row.access[0] == overview.Cell(state=None, word=overview.NOT_RUN)
    assert row.access[1] == overview.Cell(state=None, word=overview.NOT_ASKED)
    assert row.download.state is None
    nothing = not_run("goodput", ProblemReason.NOTHING_TO_MEASURE, target="t", subject="t")
    assert _row(target("t", "T", verdict(), nothing)).download.text == overview.NOT_ASKED


def test_a_dead_media_candidate_is_left_out_where_another_serves() -> None:
    down = verdict(State.DOWN, "dead name", Mechanism.SERVER_DEAD_NAME)
    blocked = verdict(State.BLOCKED, "denied", Mechanism.DNS_NXDOMAIN)
    works = measurement("dns", None, target="t", subject="media1.example")
    dead = measurement("dns", None, down, target="t", subject="media2.example", number=1)
    result = replace(target("t", "T", verdict(), works, dead), media_hosts=("media1.example", "media2.example"))
    assert _row(result).access[0].state is State.OK
    accused = replace(result, measurements=(works, replace(dead, verdict=blocked)))
    assert _row(accused).access[0].state is State.BLOCKED
    alone = replace(result, measurements=(dead,))
    assert _row(alone).access[0].state is State.DOWN


def test_only_the_slowed_direction_is_shown_as_slowed() -> None:
    down = _row(slowed("t", "T", download=Shape.POLICED))
    assert (down.download.state, down.upload.state) == (State.THROTTLED, None)
    assert down.download.text == "138 kbit/s of 17.9 Mbit/s"
    assert down.upload.text == "7.1 Mbit/s (control 7.3)"
    both = _row(slowed("t", "T", download=Shape.POLICED, upload=Shape.SHAPED))
    assert (both.download.state, both.upload.state) == (State.THROTTLED, State.THROTTLED)


def test_a_direction_found_slow_by_an_unknown_method_is_the_slower_one() -> None:
    facts = Facts(download=goodput_facts(1e6, 18e6), upload=goodput_facts(7e6, 7.2e6))
    moved = goodput_measurement("t")
    moved = replace(moved, verdict=verdict(State.THROTTLED, "slow", Mechanism.THROTTLE_UNATTRIBUTED, facts=facts))
    row = _row(target("t", "T", moved.verdict, moved))
    assert (row.download.state, row.upload.state) == (State.THROTTLED, None)


def test_a_direction_without_a_figure_is_not_fine() -> None:
    facts = Facts(download=goodput_facts(17e6, 18e6), upload=goodput_facts(None, None))
    moved = goodput_measurement("t")
    moved = replace(moved, verdict=verdict(facts=facts))
    row = _row(target("t", "T", moved.verdict, moved))
    assert row.upload.state is State.INCONCLUSIVE
    assert row.upload.text == overview.NOT_TOLD


def test_likely_is_said() -> None:
    likely = replace(verdict(State.BLOCKED, "silence"), strength=Strength.LIKELY)
    assert overview.verdict_word(likely) == "blocked (likely)"


def test_notes_say_what_limits_the_report() -> None:
    assert overview.notes(report()) == ()
    noted = " ".join(overview.notes(report(interrupted=True, budget_hit=True)))
    assert "interrupted" in noted
    assert "20 MB" in noted
    unsaid = report()
    unsaid = replace(unsaid, network=replace(unsaid.network, left_out=("odd.example",)))
    assert "odd.example" in " ".join(overview.notes(unsaid))


def test_a_mistake_of_this_program_is_noted() -> None:
    problem = Problem(reason=ProblemReason.BUG, stage="gather", detail="KeyError")
    attempt: Attempt[object] = Attempt(status=AttemptStatus.ERROR, problem=problem)
    judged = verdict(State.INCONCLUSIVE, "a mistake in this program")
    broken = replace(measurement("dns", dns_evidence("a.example"), judged), attempt=attempt)
    made = report(target("t", "T", verdict(State.INCONCLUSIVE, "nothing measured"), broken))
    assert "ended 1 of the measurements" in " ".join(overview.notes(made))


def test_counts_name_the_worst_first() -> None:
    assert overview.counts(every_state()) == ("2 blocked, 3 throttled, 1 withheld, 1 down, 1 inconclusive, 1 ok")
    assert overview.counts(without_network()) == "2 inconclusive"
    assert overview.counts(report(clean())) == "1 ok"


def test_worst_follows_the_designs_order() -> None:
    assert overview.worst([State.OK, State.INCONCLUSIVE, State.DOWN]) is State.DOWN
    assert overview.worst([]) is None


def test_every_state_has_a_mark() -> None:
    assert set(overview.SYMBOLS) == set(State)
    assert isinstance(verdict(), Verdict)


def test_a_vpn_is_named_wherever_people_read() -> None:
    over_vpn = replace(report(clean()), vantage=Vantage(vpn=True))
    assert any("through a VPN or a proxy" in note for note in overview.notes(over_vpn))
    for words in (Format.TABLE, Format.MARKDOWN, Format.HTML):
        assert "through a VPN or a proxy" in " ".join(str(render(over_vpn, words)).split())
    assert not any("VPN" in note for note in overview.notes(report(clean())))
