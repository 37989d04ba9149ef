"""How a test runs `watch` at a vantage point of the lab, and what it finds after killing it again and again."""

import json
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from probe.lab.session import Lab
from probe.measuring import STORE_FILE
from probe.registry import EVIDENCE_TYPES
from probe.store import Store, Window

DRIVER = Path(__file__).with_name("vantage_watch.py")
MIN_GAP_SECONDS = 2.0
CONFIGURATION = """\
version: 1
schedule: {mean: 6s, min: 2s, max: 20s}
vantage: {country: NL, asn: 64500, network: fixed, instance: attic}
"""
PLAY_SECONDS = 300.0


class Place:
    """Files of one test, and how it runs its commands."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.state = directory / "state"
        self.config = directory / "watch.yaml"
        self.log = directory / "log"
        self._commands = directory / "commands.json"
        self.config.write_text(CONFIGURATION)

    @property
    def arguments(self) -> list[str]:
        """Of `watch`, as one would write them into a unit."""
        return ["--config", str(self.config), "--targets", str(self.lab.targets_path), "--state", str(self.state)]

    def play(self, *commands: list[Any]) -> dict[str, Any]:
        self._commands.write_text(json.dumps(commands))
        done = self.lab.run([sys.executable, str(DRIVER), str(self._commands), str(self.log)], timeout=PLAY_SECONDS)
        assert done.returncode == 0, done.stderr + done.stdout
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def store(self) -> Store:
        return Store.open(self.state / STORE_FILE, evidence_types=EVIDENCE_TYPES, now=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kills:
    """What came of a service that was killed again and again.

    `reported` are the ids of measurements that its log says are finished, `kept` those in the store; `moved_bytes` is
    what the log says of them, `charged_bytes` what the budget was charged with; `least_gap_seconds` between two starts.
    """

    reported: frozenset[str]
    kept: frozenset[str]
    runs: int
    moved_bytes: int
    charged_bytes: int
    least_gap_seconds: float
    exit_code: int
    log: str


def kill_again_and_again(place: Place, kills: int, *, seed: int) -> Kills:
    """Start it, let it measure for a random time, kill it; at last let it finish a run, and interrupt it."""
    random = Random(seed)
    # each killed run is charged with what it had drawn: a hundred of them use up the usual day
    place.config.write_text(CONFIGURATION + "budget: {day: 10 GB, month: 100 GB}\n")
    start = ["start", "--yes", "--listen", "off", "birdnet", *place.arguments]
    for number in range(kills):
        began = place.log.read_text().count("event=phase") if place.log.exists() else 0
        place.play(
            start,
            ["until", "event=phase", 90, began + 1],
            ["sleep", random.uniform(0.0, 8.0)],
            ["end", f"kill {number}", "KILL"],
        )
    ended = place.log.read_text().count('event="run ended"')
    told = place.play(start, ["until", 'event="run ended"', 120, ended + 1], ["end", "end", "INT"])
    log = place.log.read_text()
    with place.store() as store:
        runs = store.history(None)
        reports = [store.report(run.run_id) for run in runs]
        charged = store.used_bytes(Window.DAY)
    starts = [datetime.fromisoformat(run.started_at) for run in runs]
    return Kills(
        reported=frozenset(re.findall(r"event=measured .*?measurement=([0-9a-f-]{36})", log)),
        kept=frozenset(
            m.id for report in reports for m in (*report.controls, *(m for t in report.targets for m in t.measurements))
        ),
        runs=len(runs),
        moved_bytes=sum(int(n) for n in re.findall(r"event=measured .*? bytes=([0-9]+)", log)),
        charged_bytes=charged,
        least_gap_seconds=min(((b - a).total_seconds() for a, b in pairwise(starts)), default=float("inf")),
        exit_code=told["end"][0],
        log=log,
    )
