"""Is what we send what the protocol says, read back by a reader of its own?"""

import struct
from collections import defaultdict

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.push.remote_write import (
    HEADERS,
    MAX_BATCH_BYTES,
    MAX_BATCH_SAMPLES,
    Labels,
    batches,
    series_of,
    write_request,
)
from tests.push_receiver import START_MS, Heard, Told, bits_of, read_body

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0_0000_0000_0002))[0]
EXTERNAL = {"job": "throttleprobe", "instance": "kiosk-7"}

names = st.sampled_from(["throttleprobe_verdict", "throttleprobe_goodput_ratio", "up"])
words = st.text(max_size=8)
samples = st.builds(
    Told,
    name=names,
    value=st.floats(allow_nan=True) | st.just(STALE),
    timestamp_ms=st.integers(-(2**63), 2**63 - 1) | st.integers(START_MS, START_MS + 3),
    labels=st.dictionaries(st.sampled_from(["target", "state", "job", "Ünï"]), words, max_size=3).map(
        lambda labels: tuple(labels.items())
    ),
)


def heard(all_samples: list[Told]) -> list[Heard]:
    return [sample for batch in batches(all_samples, EXTERNAL) for sample in read_body(batch.body)]


def test_the_bytes_are_those_of_the_specification() -> None:
    """One series and one sample, put together by hand from remote.proto and types.proto."""
    by_hand = (
        b"\x0a\x2c"  # timeseries, 44 bytes
        b"\x0a\x0e" + b"\x0a\x08__name__" + b"\x12\x02up"  # a label: its name, its value
        b"\x0a\x08" + b"\x0a\x03job" + b"\x12\x01x"
        b"\x12\x10" + b"\x09" + bytes.fromhex("000000000000f03f") + b"\x10" + bytes.fromhex("80bbaeb4cd33")
    )
    labels: Labels = (("__name__", "up"), ("job", "x"))
    assert write_request({labels: [(1773126000000, 1.0)]}) == by_hand


def test_the_headers_are_those_of_the_specification() -> None:
    assert HEADERS == {
        "Content-Type": "application/x-protobuf",
        "Content-Encoding": "snappy",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    }


def test_compression_is_the_block_format() -> None:
    (batch,) = batches([Told(name="up", value=1.0)], {})
    assert batch.body[:4] != b"\xff\x06\x00\x00"  # the framed format's beginning
    assert bytes(cramjam.snappy.decompress_raw(batch.body))[:1] == b"\x0a"


def test_every_bit_of_a_stale_marker_is_kept() -> None:
    (sample,) = heard([Told(name="up", value=STALE)])
    assert sample.bits == 0x7FF0_0000_0000_0002


def test_labels_are_sorted_and_none_is_empty() -> None:
    told = Told(name="up", value=1.0, labels=(("zone", "a"), ("Alpha", "b"), ("empty", "")))
    (sample,) = heard([told])
    assert sample.labels == (
        ("Alpha", "b"),
        ("__name__", "up"),
        ("instance", "kiosk-7"),
        ("job", "throttleprobe"),
        ("zone", "a"),
    )


def test_a_sample_keeps_its_own_label_where_an_external_one_has_its_name() -> None:
    (sample,) = heard([Told(name="up", value=1.0, labels=(("job", "own"),))])
    assert dict(sample.labels)["job"] == "own"


def test_of_two_samples_of_one_series_and_time_the_later_counts() -> None:
    told = [Told(name="up", value=STALE), Told(name="up", value=3.0)]
    assert [sample.bits for sample in heard(told)] == [bits_of(3.0)]


def test_half_a_surrogate_pair_loses_nothing_else() -> None:
    told = [Told(name="up", value=1.0, labels=(("target", "x\ud800"),)), Told(name="up", value=2.0)]
    assert len(heard(told)) == 2


def test_requests_are_bounded() -> None:
    told = [
        Told(name="up", value=1.0, labels=(("target", str(number)), ("long", "é" * 700))) for number in range(1_500)
    ]
    found = list(batches(told, EXTERNAL))
    assert sum(batch.num_samples for batch in found) == 1_500
    assert all(batch.num_samples <= MAX_BATCH_SAMPLES for batch in found)
    assert all(len(bytes(cramjam.snappy.decompress_raw(batch.body))) <= MAX_BATCH_BYTES for batch in found)
    assert len(found) > 3, "the bound on bytes counts too"


@pytest.mark.parametrize("apart_ms", [0, 1])
def test_what_is_of_one_target_and_time_is_in_one_request(apart_ms: int) -> None:
    told = [
        Told(
            name=f"series_{number:02}",
            value=1.0,
            labels=(("target", str(target)),),
            timestamp_ms=START_MS + apart_ms * target,
        )
        for number in range(23)
        for target in range(60)
    ]
    requests = [
        {dict(sample.labels)["target"] for sample in read_body(batch.body)} for batch in batches(told, EXTERNAL)
    ]
    assert len(requests) == 3
    assert sum(len(targets) for targets in requests) == 60, "no target is in two requests"


def test_nothing_makes_no_request() -> None:
    assert list(batches([], EXTERNAL)) == []


@given(st.lists(samples, max_size=40))
def test_what_is_told_is_heard(told: list[Told]) -> None:
    wanted = {(series_of(sample, EXTERNAL), sample.timestamp_ms): sample.value for sample in told}
    found = {(sample.labels, sample.timestamp_ms): sample.bits for sample in heard(told)}
    assert found.keys() == wanted.keys()
    for place, value in wanted.items():
        assert found[place] == bits_of(value)


@given(st.lists(samples, max_size=40))
def test_every_series_is_in_order_of_time_over_all_requests(told: list[Told]) -> None:
    times: defaultdict[Labels, list[int]] = defaultdict(list)
    for sample in heard(told):
        times[sample.labels].append(sample.timestamp_ms)
    assert all(found == sorted(set(found)) for found in times.values())


@given(st.lists(samples, min_size=1, max_size=40))
def test_the_number_of_samples_is_known(told: list[Told]) -> None:
    for batch in batches(told, EXTERNAL):
        assert batch.num_samples == len(read_body(batch.body))
