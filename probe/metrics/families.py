"""How does what is known become Prometheus's metric families, with or without the time of measurement?

A scrape has no times: Prometheus takes its own. What is pushed carries the measurement's: a target's gauges when its
last measurement ended, all else when the run ended; what was never measured has no time and is not pushed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import Metric
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.samples import Exemplar

from probe.metrics import target_metrics as metrics
from probe.metrics.definition import Definition
from probe.metrics.figures import TargetFigures
from probe.metrics.tallies import EXEMPLAR_LABEL, Count, Durations, Mark, Tally
from probe.model.words import State, Strength

Row = tuple[tuple[str, ...], float]  # the labels after the target, and the value
Bucket = tuple[str, float] | tuple[str, float, Exemplar]
INFINITY = "+Inf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What is known of every target; of those that are not in `ids` nothing is shown. `counted_at`: Unix time."""

    ids: tuple[str, ...] = ()
    figures: Mapping[str, TargetFigures] = field(default_factory=dict)
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    counted_at: float | None = None

    @property
    def shown(self) -> tuple[tuple[str, TargetFigures], ...]:
        """Those that were measured."""
        return tuple((id_, self.figures[id_]) for id_ in self.ids if id_ in self.figures)


def target_families(targets: Targets, *, timed: bool) -> tuple[Metric, ...]:
    """In the order of `definitions.OF_TARGETS`; families without a series are left out."""
    gauges = [_gauge(definition, rows, targets, timed=timed) for definition, rows in GAUGES]
    gauges.insert(MECHANISM_PLACE, _mechanisms(targets, timed=timed))
    at = targets.counted_at if timed else None
    tallies = [(id_, targets.tallies[id_]) for id_ in targets.ids if id_ in targets.tallies]
    counted = (
        _counts(metrics.OUTCOMES, ((id_, tally.outcomes) for id_, tally in tallies), at),
        _counts(metrics.PROBLEMS, ((id_, tally.problems) for id_, tally in tallies), at),
        _durations(tallies, at),
    )
    wanted = (*gauges, *counted) if not timed or at is not None else gauges
    return tuple(family for family in wanted if family.samples)


def gauge_family(definition: Definition, rows: Iterable[Row], at: float | None) -> Metric:
    """A gauge whose labels are all in the rows."""
    family = GaugeMetricFamily(definition.name, definition.help, labels=_names(definition), unit=definition.unit)
    for labels, value in rows:
        family.add_metric(labels, value, timestamp=at)
    return family


def counter_family(definition: Definition, rows: Iterable[Row], at: float | None) -> Metric:
    family = CounterMetricFamily(definition.name, definition.help, labels=_names(definition), unit=definition.unit)
    for labels, value in rows:
        family.add_metric(labels, value, timestamp=at)
    return family


def info_family(definition: Definition, rows: Iterable[Sequence[str]], at: float | None) -> Metric:
    family = InfoMetricFamily(definition.family_name, definition.help, labels=_names(definition))
    for labels in rows:
        family.add_metric(labels, {}, timestamp=at)
    return family


def _names(definition: Definition) -> tuple[str, ...]:
    return tuple(label.name for label in definition.labels)


def _gauge(
    definition: Definition, rows: Callable[[TargetFigures], Iterable[Row]], targets: Targets, *, timed: bool
) -> Metric:
    family = GaugeMetricFamily(definition.name, definition.help, labels=_names(definition), unit=definition.unit)
    for id_, figures in targets.shown:
        for labels, value in rows(figures):
            family.add_metric((id_, *labels), value, timestamp=figures.measured_at if timed else None)
    if definition is metrics.VERDICT and not timed:
        for id_ in targets.ids:
            if id_ not in targets.figures:
                for labels, value in _states(State.INCONCLUSIVE):
                    family.add_metric((id_, *labels), value)
    return family


def _mechanisms(targets: Targets, *, timed: bool) -> Metric:
    family = InfoMetricFamily(metrics.MECHANISM.family_name, metrics.MECHANISM.help, labels=_names(metrics.MECHANISM))
    for id_, figures in targets.shown:
        for mechanism in dict.fromkeys(figures.mechanisms):
            family.add_metric((id_, mechanism), {}, timestamp=figures.measured_at if timed else None)
    return family


def _states(current: State) -> Iterator[Row]:
    for state in State:
        yield (state,), float(state is current)


def _verdict(figures: TargetFigures) -> Iterator[Row]:
    yield from _states(figures.state)


def _confirmed(figures: TargetFigures) -> Iterator[Row]:
    if figures.strength is not None:
        yield (), float(figures.strength is Strength.CONFIRMED)


def _verdict_runs(figures: TargetFigures) -> Iterator[Row]:
    if figures.state is figures.told:
        yield (), float(figures.agreeing_runs)


def _goodput(figures: TargetFigures) -> Iterator[Row]:
    for goodput in figures.goodput:
        for arm, rate in goodput.rates:
            yield (goodput.direction, arm), rate


def _ratio(figures: TargetFigures) -> Iterator[Row]:
    yield from (((g.direction,), g.ratio) for g in figures.goodput if g.ratio is not None)


def _ratio_low(figures: TargetFigures) -> Iterator[Row]:
    yield from (((g.direction,), g.ratio_low) for g in figures.goodput if g.ratio_low is not None)


def _ratio_high(figures: TargetFigures) -> Iterator[Row]:
    yield from (((g.direction,), g.ratio_high) for g in figures.goodput if g.ratio_high is not None)


def _baseline(figures: TargetFigures) -> Iterator[Row]:
    yield from (((direction,), factor) for direction, factor in figures.baseline)


def _onsets(figures: TargetFigures) -> Iterator[Row]:
    yield from (((what,), since) for what, since in figures.onsets)


def _last_run(figures: TargetFigures) -> Iterator[Row]:
    # Whole seconds, which the store keeps as well: the time must not change because the service was started again.
    yield (), float(int(figures.measured_at))


GAUGES: tuple[tuple[Definition, Callable[[TargetFigures], Iterable[Row]]], ...] = (
    (metrics.VERDICT, _verdict),
    (metrics.CONFIRMED, _confirmed),
    (metrics.VERDICT_RUNS, _verdict_runs),
    (metrics.GOODPUT, _goodput),
    (metrics.RATIO, _ratio),
    (metrics.RATIO_LOW, _ratio_low),
    (metrics.RATIO_HIGH, _ratio_high),
    (metrics.BASELINE_RATIO, _baseline),
    (metrics.ONSET, _onsets),
    (metrics.LAST_RUN, _last_run),
)
MECHANISM_PLACE = 3


def _counts(
    definition: Definition, counts: Iterable[tuple[str, Mapping[tuple[str, str], Count]]], at: float | None
) -> Metric:
    family = CounterMetricFamily(definition.name, definition.help, labels=_names(definition))
    for id_, by_labels in counts:
        for labels, count in by_labels.items():
            family.add_metric((id_, *labels), float(count.times), timestamp=at, exemplar=_exemplar(count.mark))
    return family


def _durations(tallies: Iterable[tuple[str, Tally]], at: float | None) -> Metric:
    definition = metrics.PHASE_DURATION
    family = HistogramMetricFamily(definition.name, definition.help, labels=_names(definition), unit=definition.unit)
    for id_, tally in tallies:
        for labels, durations in tally.phases.items():
            family.add_metric((id_, *labels), _buckets(definition, durations), durations.total_seconds, timestamp=at)
    return family


def _buckets(definition: Definition, durations: Durations) -> list[Bucket]:
    """Cumulative, as classic histograms are."""
    bounds = [*(str(bound) for bound in definition.buckets), INFINITY]
    made: list[Bucket] = []
    total = 0
    for bound, count, mark in zip(bounds, durations.counts, durations.marks, strict=True):
        total += count
        exemplar = _exemplar(mark)
        made.append((bound, float(total)) if exemplar is None else (bound, float(total), exemplar))
    return made


def _exemplar(mark: Mark | None) -> Exemplar | None:
    return None if mark is None else Exemplar({EXEMPLAR_LABEL: mark.measurement_id}, mark.value, mark.at)
