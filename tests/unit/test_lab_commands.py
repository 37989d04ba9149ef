"""Does `throttleprobe lab` list what there is, and refuse what there is not before any lab is made?"""

import json
import struct
from pathlib import Path

import pytest
from typer.testing import CliRunner

from probe.cli import app
from probe.lab.capture import Capture
from probe.lab.scenarios.base import all_scenarios

PACKET = bytes.fromhex("450000140000000040110000c0a84d02c6120035")


def test_the_list_is_complete_and_machines_can_read_it() -> None:
    result = CliRunner().invoke(app, ["lab", "list", "--format", "json"])
    assert result.exit_code == 0
    listed = json.loads(result.stdout)
    assert [entry["name"] for entry in listed] == [s.name for s in all_scenarios()]
    assert set(listed[0]) == {"name", "family", "interferes", "summary", "profiles", "in_suite"}


def test_one_family_is_listed_as_a_table() -> None:
    result = CliRunner().invoke(app, ["lab", "list", "--family", "quic"])
    assert result.exit_code == 0
    assert "quic-port-dropped" in result.stdout
    assert "sni-reset" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "--family", "weather"], "vantage"),
        (["list", "--format", "yaml"], "table or json"),
        (["run", "sni-rest"], "sni-reset"),
        (["run", "sni-reset", "--profile", "pigeon"], "satellite"),
        (["run", "sni-reset", "--output", "/nowhere/report.json"], "/nowhere"),
        (["run", "sni-reset", "--pcap", "/nowhere/packets.pcap"], "/nowhere"),
    ],
)
def test_what_is_not_there_is_refused(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["lab", *arguments])
    assert result.exit_code == 2
    assert said in result.output
    assert not result.stdout


def test_a_capture_is_a_classic_pcap_file(tmp_path: Path) -> None:
    path = tmp_path / "packets.pcap"
    with Capture(path) as capture:
        capture.write(PACKET)
        capture.write(PACKET[:20])
    data = path.read_bytes()
    magic, major, minor, _, _, _, link_type = struct.unpack("=IHHiIII", data[:24])
    assert (magic, major, minor, link_type) == (0xA1B2C3D4, 2, 4, 101)
    _, microseconds, kept, original = struct.unpack("=IIII", data[24:40])
    assert microseconds < 1_000_000
    assert kept == original == len(PACKET)
    assert data[40 : 40 + kept] == PACKET
    assert len(data) == 24 + 2 * (16 + 20)
