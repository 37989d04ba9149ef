"""Do emulated paths that run beside one another disturb one another?

The same scenarios one lab at a time and several at a time: what the transfers got, how the ratios spread, how late
packets left, how many runs were thrown away for it, and what a run costs in processor time. Prints a Markdown table;
the default of `throttleprobe lab score --parallel` is the largest number whose row agrees with the first.

Run: python -m benchmarks.parallel [--labs 1,2,4,6,8] [--runs N] [--only GLOB].
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from probe.lab.scenarios.base import all_scenarios
from probe.lab.score.plan import Wish, cells, order
from probe.lab.score.pool import Pool
from probe.lab.score.record import Key, RunRecord
from probe.lab.score.spread import spread_of
from probe.lab.score.tables import score
from probe.lab.score.trial import Origin

SCENARIOS = ("clean-line", "policed-download")
HEADS = (
    "labs",
    "runs",
    "invalid",
    "late of 100k",
    "worst ms",
    "right",
    "control Mbit/s down (5-95 %)",
    "ratio (5-95 %)",
    "s a run",
    "runs an hour",
    "CPU s a run",
)
NOT_SLOWED_RATIO = 0.5  # below it a target is slowed, and its ratio follows the limit rather than the path
CLOCK_TICKS = 100.0  # of /proc/stat a second, on every Linux that this runs on
BUSY_FIELDS = (0, 1, 2, 5, 6)  # user, nice, system, irq, softirq


class Silent:
    """A listener that says nothing."""

    def started(self, key: Key) -> None: ...

    def finished(self, record: RunRecord) -> None: ...


def busy_seconds() -> float:
    """Processor seconds that the whole machine worked since it started."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(int(fields[index]) for index in BUSY_FIELDS) / CLOCK_TICKS


def measure(labs: int, runs: int, only: Sequence[str], seconds: float) -> tuple[list[RunRecord], float, float]:
    """The records, and what they took: wall and processor seconds."""
    chosen = cells(all_scenarios(), Wish(patterns=tuple(only), profiles=("home",), runs=runs))
    records: list[RunRecord] = []
    wall, busy = time.monotonic(), busy_seconds()
    with Pool(size=labs, origin=Origin(commit=""), listener=Silent(), deadline=wall + seconds) as pool:
        pool.make(order(chosen), records.append)
    return records, time.monotonic() - wall, busy_seconds() - busy


def middle(values: Sequence[float], scale: float, digits: int) -> str:
    """Median, and between what nine of ten lie."""
    if not values:
        return "–"
    low = -spread_of([-value for value in values]).high
    spread = spread_of(values)
    shown = (f"{value / scale:.{digits}f}" for value in (spread.median, low, spread.high))
    return "{} ({}–{})".format(*shown)


def row(labs: int, records: Sequence[RunRecord], wall: float, busy: float) -> tuple[str, ...]:
    valid = [record for record in records if record.valid]
    facts = [target.download for record in valid for target in record.targets if target.download]
    carried = sum(record.carried_packets for record in records)
    figures = score(valid)
    return (
        str(labs),
        str(len(records)),
        str(len(records) - len(valid)),
        f"{1e5 * sum(r.late_packets for r in records) / max(1, carried):.1f}",
        f"{1e3 * max((r.worst_lateness_seconds for r in records), default=0.0):.1f}",
        f"{figures.trials - len(figures.wrong)} of {figures.trials}",
        middle([f.control_bps for f in facts if f.control_bps is not None], 1e6, 2),
        middle([f.ratio for f in facts if f.ratio is not None and f.ratio > NOT_SLOWED_RATIO], 1.0, 2),
        f"{statistics.median(r.seconds for r in records):.1f}" if records else "–",
        f"{3600 * len(records) / wall:.0f}",
        f"{busy / max(1, len(records)):.1f}",
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labs", default="1,2,4,6,8")
    parser.add_argument("--runs", type=int, default=12, help="of each scenario")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--max-seconds", type=float, default=600.0, help="for each number of labs")
    arguments = parser.parse_args()
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}", flush=True)
    for labs in map(int, arguments.labs.split(",")):
        measured = measure(labs, arguments.runs, arguments.only or SCENARIOS, arguments.max_seconds)
        print(f"| {' | '.join(row(labs, *measured))} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
