"""Which metrics, labels and recorded series does an expression of deploy/ ask for, and are there such?

Reads PromQL through the parser alone; whether an expression finds data is for a real Prometheus to say.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser
from ruamel.yaml import YAML

from probe.metrics.definitions import DEFINITIONS, exposed_names

ROOT = Path(__file__).parents[1]
PROMETHEUS = ROOT / "deploy" / "prometheus"
GRAFANA = ROOT / "deploy" / "grafana"
OF_PROMETHEUS = {"up", "ALERTS"}  # made by Prometheus itself
OF_SCRAPES = {"job", "instance", "le", "alertname", "alertstate"}


def rules(path: Path) -> Iterator[dict[str, Any]]:
    """Every rule of a rule file, in order."""
    for group in YAML(typ="safe").load(path)["groups"]:
        yield from group["rules"]


@cache
def recorded() -> frozenset[str]:
    """The names that our recording rules make."""
    return frozenset(rule["record"] for rule in rules(PROMETHEUS / "throttleprobe.recording.yml"))


def selectors(expression: str) -> Iterator[promql_parser.VectorSelector]:
    """Every selector of an expression, wherever it stands in it. Raises ValueError where it does not parse."""
    yield from _selectors(promql_parser.parse(expression))


def _selectors(node: object) -> Iterator[promql_parser.VectorSelector]:
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    elif isinstance(node, promql_parser.MatrixSelector):
        yield from _selectors(node.vector_selector)
    elif node is not None:
        for name in ("lhs", "rhs", "expr", "param"):
            yield from _selectors(getattr(node, name, None))
        for argument in getattr(node, "args", None) or ():
            yield from _selectors(argument)


def wrong_names(expression: str) -> list[str]:
    """What the expression asks for that neither the program nor a rule makes: names, and labels a metric has not."""
    known = {name: {label.name for label in d.labels} for d in DEFINITIONS for name in d.exposed_names}
    wrong = []
    for selector in selectors(expression):
        name = str(selector.name)
        if name in recorded() | OF_PROMETHEUS:
            continue
        if name not in exposed_names():
            wrong.append(name)
            continue
        asked = {matcher.name for matcher in selector.matchers.matchers} - OF_SCRAPES
        wrong += [f"{name}{{{label}}}" for label in sorted(asked - known[name])]
    return wrong


def dashboards() -> dict[str, dict[str, Any]]:
    """The shipped dashboards by the names of their files."""
    return {path.stem: json.loads(path.read_text()) for path in sorted((GRAFANA / "dashboards").glob("*.json"))}


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every panel that shows something."""
    yield from (panel for panel in board["panels"] if panel["type"] != "row")


def expressions(variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """`dashboard/panel/query` and its expression, of panels and annotations, with the variables put in."""
    for name, board in dashboards().items():
        asked = [
            (f"{name}/{panel['title']}/{query['refId']}", query["expr"])
            for panel in panels(board)
            for query in panel["targets"]
        ]
        asked += [(f"{name}/annotation/{noted['name']}", noted["expr"]) for noted in board["annotations"]["list"]]
        for place, expression in asked:
            yield place, re.sub(r"\$(\w+)", lambda found: variables[found[1]], expression)
