"""Would Grafana show these dashboards, and do they ask for what the program or the rules give, in its unit?

Whether the expressions find data is asked of a real Prometheus by tests/lab/test_watch_prometheus.py.
"""

import re
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.dashboards import GRAFANA, dashboards, expressions, panels, selectors, wrong_names

COLUMNS = 24  # of Grafana's grid
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
BOARDS = sorted(dashboards())
CHOSEN = {"instance": "home-1", "target": "birdnet"}
UNITS = {  # how a metric's name ends, and what a panel may call it
    "_bytes_per_second": {"Bps"},
    "_bytes_total": {"bytes"},
    "_ratio": {"percentunit"},
    "_budget_used_bytes:ratio": {"percentunit"},
    "_budget_limit_bytes": {"bytes"},
    "_goodput_ratio:median": {"percentunit"},
    "_duration_seconds_bucket": {"s"},
}


@pytest.fixture(params=BOARDS)
def board(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dashboards()[str(request.param)]


def test_there_is_one_of_a_vantage_point_and_one_of_a_target() -> None:
    assert BOARDS == ["target", "vantage-point"]


@pytest.mark.parametrize(("place", "expression"), sorted(expressions(CHOSEN)))
def test_every_expression_asks_for_what_exists(place: str, expression: str) -> None:
    assert list(selectors(expression)), place
    assert wrong_names(expression) == []


def test_panels_have_identities_and_places_of_their_own(board: dict[str, Any]) -> None:
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS
        columns, rows = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        cells = {(x, y) for x in columns for y in rows}
        assert not cells & taken, panel["title"]
        taken |= cells


def test_panels_say_what_they_show(board: dict[str, Any]) -> None:
    for panel in panels(board):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"]
        assert defaults["thresholds"]["steps"][0]["value"] is None


def test_units_are_those_of_the_metrics(board: dict[str, Any]) -> None:
    wrong = []
    for panel in panels(board):
        unit = panel["fieldConfig"]["defaults"]["unit"]
        if panel["type"] == "table":
            continue  # a unit for each column
        for query in panel["targets"]:
            for selector in selectors(query["expr"].replace("$", "")):
                endings = [ending for ending in UNITS if str(selector.name).endswith(ending)]
                wrong += [(panel["title"], selector.name) for ending in endings if unit not in UNITS[ending]]
    assert wrong == []


def test_the_data_source_is_a_variable_everywhere(board: dict[str, Any]) -> None:
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    asking = [query for panel in panels(board) for query in (panel, *panel["targets"])]
    asking += [*board["annotations"]["list"], *(v for v in variables.values() if v["type"] == "query")]
    assert all(part["datasource"] == SOURCE for part in asking)


def test_variables_are_defined_and_exist(board: dict[str, Any]) -> None:
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    used = {
        found
        for panel in panels(board)
        for query in panel["targets"]
        for found in re.findall(r"\$(\w+)", query["expr"])
    }
    assert used <= variables.keys()
    for variable in variables.values():
        if variable["type"] == "query":
            asked = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"])
            assert asked
            assert wrong_names(f'{asked[1]}{{{asked[2]}!=""}}') == []
            assert variable["query"]["query"] == variable["definition"]


def test_onsets_are_annotations_at_their_own_time(board: dict[str, Any]) -> None:
    (noted,) = board["annotations"]["list"]
    assert "throttleprobe_onset_timestamp_seconds" in noted["expr"]
    assert noted["expr"].endswith("* 1000")
    assert noted["useValueForTime"] == "on"


def test_links_lead_to_the_other_dashboard_and_its_variables() -> None:
    boards = {board["uid"]: {v["name"] for v in board["templating"]["list"]} for board in dashboards().values()}
    links = re.findall(
        r'"url": "/d/([\w-]+)\?([^"]+)"', "".join(p.read_text() for p in (GRAFANA / "dashboards").iterdir())
    )
    assert {uid for uid, _ in links} == boards.keys()
    for uid, query in links:
        assert set(re.findall(r"var-(\w+)=", query)) <= boards[uid]


def test_inconclusive_is_never_green(board: dict[str, Any]) -> None:
    states = [
        (option["text"], option["color"])
        for panel in panels(board)
        for mapping in panel["fieldConfig"]["defaults"]["mappings"]
        for option in mapping["options"].values()
    ]
    assert {text for text, color in states if color == "green"} == {"ok"}
    assert len(dict(states)) == 6


def test_provisioning_names_the_same_data_source_and_place() -> None:
    yaml = YAML(typ="safe")
    (source,) = yaml.load(GRAFANA / "provisioning/datasources/prometheus.yaml")["datasources"]
    (provider,) = yaml.load(GRAFANA / "provisioning/dashboards/throttleprobe.yaml")["providers"]
    assert (source["type"], source["url"]) == ("prometheus", "http://127.0.0.1:9090")
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"
