"""Which samples does a run give to a receiver, each with the time of its measurement?

Gauges of a target carry the end of its last measurement, counters and what is said of the service the end of the run.
A series that the run before had and this one has not gets Prometheus's stale marker, so that a mechanism which is gone
does not linger beside the one that is new.
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import Metric

# What Prometheus writes for a series that ended (prometheus/model/value/value.go, StaleNaN); its bits must be kept.
STALE_NAN_BITS = 0x7FF0000000000002
STALE_NAN: float = struct.unpack("<d", struct.pack("<Q", STALE_NAN_BITS))[0]
MILLISECONDS = 1000

Labels = tuple[tuple[str, str], ...]
Series = tuple[str, Labels]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """`name` as exposed (`_total`, `_bucket`, …); `labels` sorted by name, none of them empty; time in ms since the
    epoch.
    """

    name: str
    labels: Labels
    value: float
    timestamp_ms: int

    @property
    def series(self) -> Series:
        return self.name, self.labels

    @property
    def is_stale(self) -> bool:
        return is_stale(self.value)


def is_stale(value: float) -> bool:
    """Whether this NaN is the stale marker: NaNs are not equal to themselves, so their bits are compared."""
    return bool(struct.unpack("<Q", struct.pack("<d", value))[0] == STALE_NAN_BITS)


def flatten(families: Iterable[Metric]) -> Iterator[Sample]:
    """Every sample that has a time. An empty label is the same as none to Prometheus, and is left out."""
    for family in families:
        for sample in family.samples:
            if sample.timestamp is not None:
                labels = tuple(sorted((name, str(value)) for name, value in sample.labels.items() if value))
                yield Sample(
                    name=sample.name,
                    labels=labels,
                    value=float(sample.value),
                    timestamp_ms=round(float(sample.timestamp) * MILLISECONDS),
                )


def stale_markers(before: Iterable[Sample], now: Iterable[Sample], at_ms: Callable[[str], int]) -> Iterator[Sample]:
    """One for every series of `before` that `now` lacks, at the time that `at_ms` gives for its target ("" for none).

    Never earlier than what it ends, be the clock set back: receivers refuse what is out of order.
    """
    present = {sample.series for sample in now}
    for sample in before:
        if sample.series not in present:
            timestamp_ms = max(at_ms(dict(sample.labels).get("target", "")), sample.timestamp_ms + 1)
            yield Sample(name=sample.name, labels=sample.labels, value=STALE_NAN, timestamp_ms=timestamp_ms)
