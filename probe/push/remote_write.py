"""What goes over the wire when samples are pushed: Prometheus's remote write protocol, version 1.0.

Pure: samples in, request bodies out. When they are sent, and what an answer means, is for `probe.push.sender`.
Source: https://prometheus.io/docs/specs/prw/remote_write_spec/ and prometheus/prompb/{remote,types}.proto: a
WriteRequest is `repeated TimeSeries timeseries = 1`, a TimeSeries `repeated Label labels = 1; repeated Sample samples
= 2`, a Label `string name = 1; string value = 2`, a Sample `double value = 1; int64 timestamp = 2` (milliseconds).
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import cramjam

MAX_BATCH_SAMPLES = 500  # Prometheus's own default (max_samples_per_send, 2.42): every receiver takes as many
MAX_BATCH_BYTES = 256 * 1024  # before compression; a front's usual limit is 1 MB, and what is lost with a 400 is less
SAMPLE_BYTES = 32  # at most, without labels: field headers and lengths, a double, ten bytes of time
LENGTH_BYTES = 4  # at most, of a label's name or value: a field header and a length, and its share of the label's
NAME_LABEL = "__name__"
TARGET_LABEL = "target"

HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}

Labels = tuple[tuple[str, str], ...]


class Sample(Protocol):
    """One value of one series at one time; `probe.metrics` makes them. A stale marker is a NaN with bits of its own."""

    @property
    def name(self) -> str: ...

    @property
    def labels(self) -> Mapping[str, str] | Labels: ...

    @property
    def value(self) -> float: ...

    @property
    def timestamp_ms(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One request: its compressed body, and how many samples that holds."""

    body: bytes
    num_samples: int


def batches(samples: Iterable[Sample], external: Mapping[str, str]) -> Iterator[Batch]:
    """Requests of bounded size, to be sent one after the other: each series in order of time within and across them.

    What is of one target and time is in one request, as far as it fits: a receiver shows a request at once or not at
    all, and a target's verdict must not be seen with the time of another run.

    `external` labels are added where a sample has none of that name (as Prometheus does). Of two samples of one
    series and time, the later in `samples` counts: a receiver refuses a whole request for such a pair.
    """
    latest: dict[tuple[int, Labels], float] = {}
    for sample in samples:
        latest[sample.timestamp_ms, series_of(sample, external)] = sample.value
    chosen: list[tuple[int, Labels, float]] = []
    size = 0
    for _, group in groupby(sorted(latest, key=lambda key: (_together(key), key)), key=_together):
        whole = [(timestamp_ms, series, _cost(series)) for timestamp_ms, series in group]
        num_samples, num_bytes = len(whole), sum(cost for _, _, cost in whole)
        if chosen and not _fits(len(chosen) + num_samples, size + num_bytes) and _fits(num_samples, num_bytes):
            yield _batch(chosen)
            chosen, size = [], 0
        for timestamp_ms, series, cost in whole:
            if chosen and not _fits(len(chosen) + 1, size + cost):
                yield _batch(chosen)
                chosen, size = [], 0
            chosen.append((timestamp_ms, series, latest[timestamp_ms, series]))
            size += cost
    if chosen:
        yield _batch(chosen)


def _together(key: tuple[int, Labels]) -> tuple[int, str]:
    """The time and the target, "" for what is of none."""
    timestamp_ms, series = key
    return timestamp_ms, next((text for name, text in series if name == TARGET_LABEL), "")


def _fits(num_samples: int, num_bytes: int) -> bool:
    return num_samples <= MAX_BATCH_SAMPLES and num_bytes <= MAX_BATCH_BYTES


def _cost(series: Labels) -> int:
    """The most bytes that a sample of this series takes."""
    return SAMPLE_BYTES + sum(2 * LENGTH_BYTES + len(_utf8(name)) + len(_utf8(text)) for name, text in series)


def series_of(sample: Sample, external: Mapping[str, str]) -> Labels:
    """All labels of a sample, sorted by name; an empty value is the absence of the label."""
    labels = {**external, **dict(sample.labels), NAME_LABEL: sample.name}
    return tuple(sorted((name, text) for name, text in labels.items() if text))


def write_request(series: Mapping[Labels, Iterable[tuple[int, float]]]) -> bytes:
    """A WriteRequest, not compressed; each series with its (time in ms, value) pairs in order of time."""
    return b"".join(
        _field(1, b"".join((*map(_label, labels), *(_sample(time_ms, value) for time_ms, value in points))))
        for labels, points in series.items()
    )


def compress(request: bytes) -> bytes:
    """Snappy's block format, not its framed one."""
    return bytes(cramjam.snappy.compress_raw(request))


def _batch(points: list[tuple[int, Labels, float]]) -> Batch:
    series: dict[Labels, list[tuple[int, float]]] = {}
    for timestamp_ms, labels, value in points:
        series.setdefault(labels, []).append((timestamp_ms, value))
    return Batch(body=compress(write_request(series)), num_samples=len(points))


def _label(label: tuple[str, str]) -> bytes:
    name, text = label
    return _field(1, _field(1, _utf8(name)) + _field(2, _utf8(text)))


def _sample(timestamp_ms: int, value: float) -> bytes:
    # packed from the float itself: a detour over arithmetic would make a stale marker an ordinary NaN
    return _field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(timestamp_ms & 0xFFFF_FFFF_FFFF_FFFF))


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field (wire type 2)."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _utf8(text: str) -> bytes:
    """As the protocol wants it, whatever the text: half of a surrogate pair is no reason to lose a run's samples."""
    return text.encode(errors="replace")
