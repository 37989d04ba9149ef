"""Do the page, the JSON and the picture of a score say what was counted?"""

import json
from xml.etree import ElementTree

from probe.lab.scenarios.holding import Aspect
from probe.lab.score.figure import as_svg
from probe.lab.score.rendering import Heading, as_json, as_markdown
from probe.lab.score.tables import score
from probe.model.results import State
from tests.score_records import POLICED, point, run, target

HEADING = Heading(
    date="2026-01-01",
    command="throttleprobe lab score",
    commits=("abc",),
    versions=("0.1.0",),
    complete=False,
    planned_runs=9,
    seconds=3600.0,
)
POINTS = (
    point(Aspect.MECHANISM, "tls.throttle.sni", "tls.throttle.sni", right=True),
    point(Aspect.LIMIT, "2000 kbit/s", "1960 kbit/s", right=True, error=-0.02),
)
RESULT = score(
    [
        run([target(State.THROTTLED), target(name="b")], seed=0),
        run([target(State.THROTTLED, POLICED, points=POINTS)], seed=1),
        run([], seed=2, problem="no lab"),
    ]
)


def test_the_page_names_its_origin_and_every_figure_its_basis() -> None:
    page = as_markdown(HEADING, RESULT, figure="accuracy.svg")
    assert "Measured on 2026-01-01 with `throttleprobe lab score`" in page
    assert "commit abc" in page
    assert "before all 9 planned runs" in page
    assert "(accuracy.svg)" in page
    assert "| lines | home | 50.0 % (" in page
    assert "1 of 2 in 1 (1)" in page
    assert "| home | 2000 kbit/s | 1 | 1 | -2.0 % | 2.0 % | 100.0% |" in page
    assert "| **false alarm** | clean-line | home, seed 0 | birdnet | ok | throttled | target.throttled |" in page
    assert "| home | 3 | 0 | 1 |" in page
    assert "| clean-line | home | 1 | `no lab` |" in page


def test_every_row_of_a_table_has_as_many_cells_as_its_head() -> None:
    width = 0
    for line in as_markdown(HEADING, RESULT).splitlines():
        cells = line.count("|")
        width = 0 if not cells else width or cells
        assert cells == width, line


def test_no_runs_make_a_page_too() -> None:
    page = as_markdown(HEADING, score([]))
    assert "0 verdicts in 0 valid runs" in page
    assert "##" not in page
    ElementTree.fromstring(as_svg(score([])))


def test_json_holds_the_same_figures() -> None:
    document = json.loads(as_json(HEADING, RESULT))
    assert document["heading"]["commits"] == ["abc"]
    assert document["score"]["rates"][-1]["false_alarms"]["hits"] == 1
    assert document["score"]["wrong"][0]["scenario"] == "clean-line"


def test_the_picture_is_svg_with_a_row_for_each_group_and_always_the_same() -> None:
    picture = as_svg(RESULT)
    texts = "".join(ElementTree.fromstring(picture).itertext())
    for words in ("False alarms", "Missed", "lines, home", "all together", "1/2"):
        assert words in texts
    assert picture == as_svg(RESULT)
