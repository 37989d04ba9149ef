"""When does the lab say that its own path was too short of processor time to be believed?"""

from dataclasses import replace

import pytest

from probe.lab.forwarder import LabStats
from probe.lab.path import HOME
from probe.lab.session import Lab

QUIET = LabStats(
    carried_up=4_000,
    carried_down=6_000,
    lost=30,
    queue_dropped=20,
    censor_dropped=10,
    injected=1,
    expired=2,
    nowhere=3,
    late=5,
    very_late=0,
    overrun=0,
    unsent=0,
    too_big=0,
    forgotten=0,
    worst_lateness_seconds=0.004,
)


def test_a_punctual_path_is_undisturbed() -> None:
    assert QUIET.packets == 10_000
    assert not QUIET.disturbed


@pytest.mark.parametrize(
    "changes", [{"late": 121}, {"very_late": 1}, {"overrun": 1}, {"unsent": 1}, {"late": 61, "carried_down": 0}]
)
def test_a_starved_path_is_disturbed(changes: dict[str, int]) -> None:
    assert replace(QUIET, **changes).disturbed


def test_one_burst_late_disturbs_no_short_run() -> None:
    assert not replace(QUIET, carried_up=100, carried_down=100, late=20).disturbed


def test_what_happened_since() -> None:
    later = replace(QUIET, carried_down=9_000, very_late=2, overrun=1, worst_lateness_seconds=0.3)
    between = later.since(QUIET)
    assert (between.packets, between.late, between.very_late, between.overrun) == (3_000, 0, 2, 1)
    assert between.disturbed


def test_a_line_too_fast_to_emulate_is_refused() -> None:
    with pytest.raises(ValueError, match="200 Mbit/s"):
        Lab(profile=replace(HOME, down_bps=1e9))
