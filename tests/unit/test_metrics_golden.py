"""What do the metrics say of the lab's own evidence, of every scenario in turn?"""

from collections.abc import Iterator

import pytest

from probe.lab.scenarios.base import all_scenarios
from probe.metrics import Metrics
from probe.metrics.definitions import DEFINITIONS
from probe.model.results import Report
from tests.golden_verdicts import path_of, read

RTT_SECONDS = 0.04  # the lab's usual distance
BY_NAME = {name: definition for definition in DEFINITIONS for name in definition.exposed_names}


def stored() -> Iterator[Report]:
    for scenario in all_scenarios():
        if path_of(scenario).exists():
            yield read(scenario)


def test_every_scenario_gives_one_state_each_and_no_label_beyond_the_table() -> None:
    for report in stored():
        metrics = Metrics()
        metrics.observe(report)
        samples = [sample for family in metrics.registry.collect() for sample in family.samples]
        states = {
            s.labels["target"]: s.labels["state"] for s in samples if s.name == "throttleprobe_verdict" and s.value
        }
        assert states == {t.id: t.verdict.state.value for t in report.targets}
        for sample in samples:
            allowed = {label.name: label for label in BY_NAME[sample.name].labels}
            wrong = [k for k, v in sample.labels.items() if k != "le" and not allowed[k].allows(v)]
            assert not wrong, sample


@pytest.mark.parametrize("phase", ["lookup", "connect", "handshake", "first_byte"])
def test_on_an_honest_line_each_phase_takes_a_few_round_trips(phase: str) -> None:
    honest = next(s for s in all_scenarios() if s.name == "clean-line")
    metrics = Metrics()
    metrics.observe(read(honest))
    labels = [s.labels for f in metrics.registry.collect() for s in f.samples if s.name.endswith("seconds_count")]
    (check,) = {label["check"] for label in labels if label["phase"] == phase}
    totals = {
        part: sum(
            s.value
            for f in metrics.registry.collect()
            for s in f.samples
            if s.name == f"throttleprobe_phase_duration_seconds_{part}" and s.labels["phase"] == phase
        )
        for part in ("sum", "count")
    }
    assert check == {"lookup": "dns", "connect": "reach", "handshake": "tls", "first_byte": "http"}[phase]
    assert 0 < totals["sum"] / totals["count"] < 5 * RTT_SECONDS
