"""Does the pool get over workers that die, keep to its end, and leave nobody behind?"""

import time
from pathlib import Path

import pytest

from probe.lab.path import HOME
from probe.lab.scenarios.base import CLEAN, Family, Scenario, Setup
from probe.lab.score.plan import RETRIES, Cell, Job
from probe.lab.score.pool import BROKEN_AFTER, Pool, PoolError
from probe.lab.score.record import Key, RunRecord
from probe.lab.score.trial import Origin
from probe.lab.world import small_internet


class Heard:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.begun: list[Key] = []
        self.records: list[RunRecord] = []

    def started(self, key: Key) -> None:
        self.begun.append(key)

    def finished(self, record: RunRecord) -> None:
        self.records.append(record)


def unknown_scenario_job(seed: int) -> Job:
    """A run that no worker can make: the scenario is in no table."""
    scenario = Scenario(
        name="in-no-table",
        family=Family.LINES,
        summary="Nothing.",
        build=lambda profile: Setup(
            profile=profile, world=small_internet().only("birdnet"), rules=(), truths={"birdnet": CLEAN}
        ),
    )
    cell = Cell(scenario=scenario, profile=HOME.name, runs=1, trials_per_run=1)
    return Job(cell=cell, key=Key(scenario=scenario.name, profile=HOME.name, seed=seed))


def pool(heard: Heard, *, size: int, seconds: float = 60.0) -> Pool:
    return Pool(size=size, origin=Origin(commit=""), listener=heard, deadline=time.monotonic() + seconds)


def workers_left() -> list[int]:
    """Worker processes that this one has started and that are still there."""
    lists = [path.read_text().split() for path in Path("/proc/self/task").glob("*/children")]
    children = [int(word) for words in lists for word in words]
    return [child for child in children if b"score.worker" in Path(f"/proc/{child}/cmdline").read_bytes()]


def test_a_worker_that_dies_is_replaced_and_its_run_made_again() -> None:
    heard, kept = Heard(), list[RunRecord]()
    with pool(heard, size=1) as made:
        assert made.make([unknown_scenario_job(0)], kept.append)
    assert len(kept) == 1 + RETRIES
    assert workers_left() == []
    assert kept == heard.records
    assert len({record.key for record in kept}) == len(kept)
    assert all("in-no-table" in record.problem and not record.valid for record in kept)


def test_when_no_run_gives_a_report_it_says_so_instead_of_trying_for_ever() -> None:
    kept: list[RunRecord] = []
    with pytest.raises(PoolError, match="in-no-table"), pool(Heard(), size=2) as made:
        made.make([unknown_scenario_job(seed) for seed in range(20)], kept.append)
    assert len(kept) == BROKEN_AFTER


def test_nothing_is_begun_that_would_not_be_over_in_time() -> None:
    heard = Heard()
    with pool(heard, size=2, seconds=1.0) as made:
        assert not made.make([unknown_scenario_job(0)], heard.records.append)
    assert heard.begun == []
