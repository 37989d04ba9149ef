"""What is said of a metric: its name, type and unit, its labels, and what it means.

The metrics themselves are in `target_metrics` and `service_metrics`, the whole table in `definitions`.
"""

from dataclasses import dataclass
from enum import StrEnum

from probe.metrics.labels import TARGET, Label

PREFIX = "throttleprobe_"


class Kind(StrEnum):
    """OpenMetrics types that are used here; to Prometheus `info` is a gauge that is always 1."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """`name` as it is asked for in a query (a histogram's without `_bucket`); `unit` is how the name ends, "" for none.

    `of_target`: one set of series for each target. `source` says what it is derived from, `query` is an example.
    """

    name: str
    kind: Kind
    help: str
    source: str
    query: str
    unit: str = ""
    labels: tuple[Label, ...] = ()
    of_target: bool = False
    buckets: tuple[float, ...] = ()

    @property
    def family_name(self) -> str:
        """Without what OpenMetrics adds to the name for the type."""
        return self.name.removesuffix("_total").removesuffix("_info")

    @property
    def exposed_names(self) -> tuple[str, ...]:
        """The names that its series have."""
        if self.kind is Kind.HISTOGRAM:
            return tuple(f"{self.name}_{suffix}" for suffix in ("bucket", "count", "sum"))
        return (self.name,)


def of_target(name: str, help_: str, *extra: Label, source: str, query: str, unit: str = "") -> Definition:
    return Definition(
        name=PREFIX + name,
        kind=Kind.GAUGE,
        help=help_,
        source=source,
        query=query,
        unit=unit,
        labels=(TARGET, *extra),
        of_target=True,
    )


def gauge(name: str, help_: str, *extra: Label, source: str, query: str, unit: str = "") -> Definition:
    return Definition(
        name=PREFIX + name, kind=Kind.GAUGE, help=help_, source=source, query=query, unit=unit, labels=extra
    )


def counter(name: str, help_: str, *extra: Label, source: str, query: str, unit: str = "") -> Definition:
    return Definition(
        name=PREFIX + name,
        kind=Kind.COUNTER,
        help=help_,
        source=source,
        query=query,
        unit=unit,
        labels=extra,
        of_target=TARGET in extra,
    )


def info(name: str, help_: str, *extra: Label, source: str, query: str) -> Definition:
    return Definition(
        name=PREFIX + name,
        kind=Kind.INFO,
        help=help_,
        source=source,
        query=query,
        labels=extra,
        of_target=TARGET in extra,
    )
