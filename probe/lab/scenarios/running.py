"""What does the ordinary command say on one scenario's internet?

Starts the lab, runs `throttleprobe run` in it as a user would, beside the programs that the scenario asks for, and
returns the report. Whether it is right is for `probe.lab.scenarios.holding`; running many for `probe.lab.score`.
"""

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from probe import records
from probe.lab.forwarder import LabStats
from probe.lab.namespaces import OWN_COMMAND
from probe.lab.scenarios.base import Setup, Truth
from probe.lab.scenarios.holding import Point, all_right, hold, hold_network
from probe.lab.session import Lab
from probe.model.results import Report, TargetResult
from probe.registry import EVIDENCE_TYPES

HARD_END_SECONDS = 400.0  # of one call of the command: its own deadlines end it long before
STOP_FILE = "stop"
ANSWERED_CODES = (0, 1, 3)  # the exit codes with which the command has given a report


class NoReportError(Exception):
    """The command in the lab gave no report; the text says how it ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One run. `seconds`: wall time of the command alone. `code`: its exit code. `errors`: its standard error.
    `stats`: what the path did, its lateness among it.
    """

    setup: Setup
    report: Report
    stats: LabStats
    seconds: float
    code: int
    errors: str

    @property
    def disturbed(self) -> bool:
        """Whether the machine starved the path, so that the run shows nothing about the verdicts."""
        return self.stats.disturbed

    def target(self, identity: str) -> TargetResult:
        return next(t for t in self.report.targets if t.id == identity)

    def points(self) -> dict[str, tuple[Point, ...]]:
        """By target id, in the order of the truths; the network's own point is under ""."""
        held = {identity: hold(truth, self.target(identity)) for identity, truth in self.truths()}
        return {"": (hold_network(self.setup.network, self.report.network.state),), **held}

    def truths(self) -> tuple[tuple[str, Truth], ...]:
        return tuple(self.setup.truths.items())

    @property
    def right(self) -> bool:
        return all(all_right(points) for points in self.points().values())


def run(
    setup: Setup, *, seed: int, pcap: Path | None = None, extra: Sequence[str] = (), copies: bool = False
) -> Outcome:
    """Make the lab, measure once, end the lab.

    `extra`: more flags of `throttleprobe run`. `pcap`: where to write what the vantage point sends and receives.
    `copies`: as for the lab.
    Raises LabError where the lab cannot start or ends early, NoReportError, and subprocess.TimeoutExpired.
    """
    with Lab(profile=setup.profile, world=setup.world, rules=setup.rules, seed=seed, pcap=pcap, copies=copies) as lab:
        return measure(lab, setup, extra=extra)


def measure(lab: Lab, setup: Setup, *, extra: Sequence[str] = ()) -> Outcome:
    """Measure once in a lab that has the setup's world and rules. Raises as `run`."""
    flags = ("--yes", "--no-store", "--targets", str(lab.targets_path), "--format", "json")
    command = [*OWN_COMMAND, "run", *flags, *setup.arguments, *extra]
    with _beside(lab, setup.beside):
        began = time.monotonic()
        done = lab.run(command, timeout=HARD_END_SECONDS)
        seconds = time.monotonic() - began
    if done.returncode not in ANSWERED_CODES or not done.stdout:
        raise NoReportError(f"exit code {done.returncode}: {done.stderr.strip()}")
    return Outcome(
        setup=setup,
        report=records.decode(done.stdout, EVIDENCE_TYPES),
        stats=lab.stats(),
        seconds=seconds,
        code=done.returncode,
        errors=done.stderr,
    )


@contextlib.contextmanager
def _beside(lab: Lab, programs: Sequence[str]) -> Iterator[None]:
    """Other programs of the vantage point, which run until the block ends."""
    stop = lab.directory / STOP_FILE
    stop.unlink(missing_ok=True)

    def one(program: str) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            lab.run([sys.executable, "-c", program, stop], timeout=HARD_END_SECONDS)

    threads = [threading.Thread(target=one, args=(program,)) for program in programs]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.touch()
        for thread in threads:
            thread.join()
