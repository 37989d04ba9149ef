"""Does the table of metrics keep Prometheus's conventions, and is its page up to date?"""

import re
from pathlib import Path

import promql_parser
import pytest

from probe.config.fields import IDENTIFIER
from probe.metrics import labels, page
from probe.metrics.definitions import DEFINITIONS, Definition, Kind, exposed_names
from probe.metrics.labels import Label

DOCS = Path(__file__).parents[2] / "docs"
# https://prometheus.io/docs/practices/naming: base units; bits, milliseconds, percent and decimal prefixes are none.
BASE_UNITS = {"seconds", "bytes", "ratio", "bytes_per_second"}
FOREIGN_UNITS = re.compile(r"_(milliseconds|ms|minutes|hours|days|bits?|bps|kbps|mbps|percent|megabytes|mb|kb|gb)(_|$)")
# https://prometheus.io/docs/concepts/data_model and OpenMetrics 1.0: what the type adds, or reserves for itself
RESERVED = ("_created", "_bucket", "_sum", "_count", "_gsum", "_gcount")
RESERVED_LABELS = {"le", "quantile", "job", "instance", "__name__"}
# A closed list longer than this times the targets is no longer something to put into every vantage point's database.
MAX_VALUES = 64

each = pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda d: d.name)
LABELS = {label.name: label for definition in DEFINITIONS for label in definition.labels}.values()


@each
def test_the_name_is_well_formed(definition: Definition) -> None:
    assert re.fullmatch(r"throttleprobe(_[a-z]+)+", definition.name)
    assert not definition.name.endswith(RESERVED)
    assert not FOREIGN_UNITS.search(definition.name)
    assert len(definition.name) <= 64


@each
def test_the_type_and_the_unit_are_in_the_name(definition: Definition) -> None:
    assert (definition.kind is Kind.COUNTER) == definition.name.endswith("_total")
    assert (definition.kind is Kind.INFO) == definition.name.endswith("_info")
    ends_with = [u for u in BASE_UNITS if definition.family_name.endswith(f"_{u}")]
    longest = max(ends_with, key=len, default="")
    assert definition.unit == longest


@each
def test_the_help_is_a_sentence_of_its_own(definition: Definition) -> None:
    assert re.fullmatch(r"[A-Z][^\n]{15,120}\.", definition.help), "a sentence on one line that a tooltip can show"
    assert definition.source


def test_no_two_metrics_say_the_same() -> None:
    for said in ([d.name for d in DEFINITIONS], [d.help for d in DEFINITIONS], [d.family_name for d in DEFINITIONS]):
        assert len(said) == len(set(said))
    assert len(exposed_names()) == sum(len(d.exposed_names) for d in DEFINITIONS)


@each
def test_labels_are_few_and_bounded(definition: Definition) -> None:
    names = [label.name for label in definition.labels]
    assert len(names) == len(set(names)) <= 3
    assert not RESERVED_LABELS & set(names)
    assert definition.of_target == ("target" in names)


@pytest.mark.parametrize("label", LABELS, ids=lambda label: label.name)
def test_a_label_is_a_closed_list_or_a_pattern_that_no_address_fits(label: Label) -> None:
    assert bool(label.values) != bool(label.pattern)
    assert len(label.values) <= MAX_VALUES
    assert label.bound
    for garbage in ("192.0.2.1", "2001:db8::1", "https://x.example/", "www.x.example", "a b", 'a"b', "x\ny", "é"):
        # A version looks a little like an address; it comes from the program alone.
        assert not label.allows(garbage) or (label.name == "version" and garbage in ("192.0.2.1", "www.x.example"))


@each
def test_the_example_query_is_promql_about_this_metric(definition: Definition) -> None:
    promql_parser.parse(definition.query)
    asked = set(re.findall(r"\bthrottleprobe_[a-z_]+", definition.query))
    assert asked & set(definition.exposed_names)
    assert asked <= exposed_names()


def test_names_of_targets_and_receivers_are_those_that_the_configuration_allows() -> None:
    assert labels.TARGET.pattern == labels.ENDPOINT.pattern == IDENTIFIER


def test_histogram_bounds_rise() -> None:
    for definition in DEFINITIONS:
        assert (definition.kind is Kind.HISTOGRAM) == bool(definition.buckets)
        assert list(definition.buckets) == sorted(set(definition.buckets))


def test_the_page_is_up_to_date() -> None:
    assert (DOCS / "metrics.md").read_text() == page.page(), "run `make schemas`"


def test_the_page_has_every_metric_in_whole_table_rows() -> None:
    text = page.page()
    for definition in DEFINITIONS:
        assert text.count(f"\n| `{definition.name}` | {definition.kind} |") == 1
    for line in text.splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) in (4, 6, 3), line
