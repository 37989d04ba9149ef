"""Is every verdict on every emulated internet what is known to be true there?

The scenarios of `make test` run on their usual line, all of them on all of their lines by `-m bench` (`make bench`).
"""

import subprocess
import sys
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet
from scapy.utils import RawPcapReader

from probe import records
from probe.lab.path import PathProfile
from probe.lab.scenarios.base import Family, Scenario, all_scenarios
from probe.lab.scenarios.holding import ACCUSATIONS
from probe.lab.scenarios.running import run
from probe.model.results import State, Strength
from probe.registry import EVIDENCE_TYPES
from tests.lab.running import bytes_of, told

pytestmark = [pytest.mark.lab, pytest.mark.timeout(500)]

TARGET_MAX_BYTES = 4_000_000  # design §5: a target's whole run, both directions and all arms together
SEED = 1
LINKTYPE_RAW = 101
IPV4 = 4


def case(scenario: Scenario, profile: PathProfile) -> ParameterSet:
    of_suite = scenario.in_suite and profile is scenario.profiles[0]
    marks = () if of_suite else (pytest.mark.bench,)
    return pytest.param(scenario, profile, marks=marks, id=f"{scenario.name}-{profile.name}")


CASES = [case(scenario, profile) for scenario in all_scenarios() for profile in scenario.profiles]


@pytest.mark.parametrize(("scenario", "profile"), CASES)
def test_scenario(scenario: Scenario, profile: PathProfile) -> None:
    outcome = run(scenario.build(profile), seed=SEED)
    assert outcome.right, told(outcome)
    for target in outcome.report.targets:
        assert bytes_of(target) <= TARGET_MAX_BYTES
        if scenario.family is Family.ADDRESS and target.verdict.state in ACCUSATIONS:
            # a dead server and a dropped address look alike from one place
            assert target.verdict.strength is Strength.LIKELY, told(outcome)


def test_the_command_runs_a_scenario_and_keeps_report_and_packets(tmp_path: Path) -> None:
    report_path, packets_path = tmp_path / "report.json", tmp_path / "packets.pcap"
    words = ["lab", "run", "http-blockpage", "--output", str(report_path), "--pcap", str(packets_path)]
    done = subprocess.run([sys.executable, "-m", "probe", *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "http.blockpage" in done.stderr
    report = records.decode(report_path.read_bytes(), EVIDENCE_TYPES)
    assert [t.verdict.state for t in report.targets] == [State.BLOCKED, State.OK]
    with RawPcapReader(str(packets_path)) as packets:
        assert packets.linktype == LINKTYPE_RAW
        versions = [data[0] >> 4 for data, _ in packets]
    assert len(versions) > 100  # two targets and two controls
    assert set(versions) == {IPV4}
