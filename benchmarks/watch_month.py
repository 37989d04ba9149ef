"""A month of `watch` in simulated time: are budgets, disk, memory and the page of metrics what is promised?

    python -m benchmarks.watch_month [--days 30] [--targets 20] [--goodput-bytes 3000000] [--directory DIR]

With 3 MB of goodput a target the budgets are used to the last byte; with 500 kB, as on a healthy line, no run is left
out, and the store is as large as it gets.

The real loop, store, budgets, line lock and metrics; evidence from a golden run of the lab; servers that would send
twice what they are asked for; a clock that jumps an hour, days without a network, a restart every third day, and a
person who measures beside it three times a day with a store of their own process's making. Exits 1 where a promise is
broken: budgets (to the byte), transfers (one at a time), store (200 MB), memory (120 MB, no growth).
"""

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random

from probe import measuring
from probe.config.watch_file import BudgetSettings, Retention
from probe.metrics import Metrics
from probe.net.line import LineState
from probe.registry import EVIDENCE_TYPES
from probe.store import Limits, Store
from probe.watch.configuration import Configuration
from probe.watch.log import LogFormat, LogLevel, open_log
from tests.simulated_watch import (
    SimulatedClock,
    SimulatedRuns,
    Simulation,
    Truth,
    configuration,
    shared_line,
)

MAX_STORE_BYTES = 200_000_000
MAX_RSS_BYTES = 120_000_000
MAX_GROWTH_BYTES = 12_000_000  # between the tenth day and the last: the allocator's own ups and downs
RUNS_BESIDE_HOURS = 8.0
PAGE_BYTES = 4096


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


async def measure_beside(directory: Path, first: Configuration, clock: SimulatedClock, truth: Truth) -> None:
    """What `throttleprobe run` does: another store object, the same files."""
    random = Random(int(clock.seconds))
    path = directory / measuring.STORE_FILE
    with Store.open(path, evidence_types=EVIDENCE_TYPES, now=lambda: clock.wall) as store:
        wishes = measuring.Wishes(
            targets=first.targets[:4],
            blockpages={},
            vantage=measuring.vantage_of(first.watch.vantage, vpn=False),
        )
        budget = first.watch.budget
        limits = Limits(run=budget.run_bytes, day=budget.day_bytes, month=budget.month_bytes)
        plan = measuring.planned(first.listed, wishes, max_bytes=limits.run)
        run_id = measuring.new_id(random, clock.wall)
        plan, purse = measuring.claim(plan, run_id, store, limits=limits, say=print, wall=lambda: clock.wall)
        line = shared_line(store)
        runs = SimulatedRuns(clock=clock, store=store, random=random, truth=truth, line=line)
        log = open_log(LogFormat.LOGFMT, LogLevel.ERROR)
        report = await runs(plan, purse, asyncio.Event(), log)
        measuring.keep(report, store, print)


async def month(directory: Path, days: int, targets: int, goodput_bytes: int) -> bool:
    clock, random, truth = SimulatedClock(), Random(7), Truth()
    first = configuration(targets, budget=BudgetSettings(), retention=Retention(days=400, max_bytes=150_000_000))
    beside: set[asyncio.Task[None]] = set()
    memory: list[int] = []
    clock_jumps = 0
    began = time.process_time()
    day = 0
    metrics = Metrics()
    while day < days:
        length = min(3, days - day)
        made = Simulation(
            directory=directory,
            first=first,
            clock=clock,
            random=random,
            truth=truth,
            wanted_bytes=goodput_bytes,
            shares_line=True,
            quiet=True,
        )
        metrics = made.metrics
        start = clock.seconds

        def begin_beside() -> None:
            beside.add(asyncio.create_task(measure_beside(directory, first, clock, truth)))

        def look_at_memory() -> None:
            memory.append(resident_bytes())

        def network(there: bool, made: Simulation = made) -> None:
            made.line.state = LineState(network=there)

        for number in range(int(length * 24 / RUNS_BESIDE_HOURS)):
            clock.after(start + (number + 0.4) * RUNS_BESIDE_HOURS * 3600, begin_beside)
        for number in range(length):
            clock.after(start + (number + 0.5) * 86_400, look_at_memory)
        if day % 9 == 3:
            clock.after(start + 20_000, lambda: network(False))
            clock.after(start + 120_000, lambda: network(True))
        if day % 6 == 0:
            clock_jumps += 1
            hours = 1 if clock_jumps % 2 else -1
            clock.after(start + 50_000, partial(clock.jump, timedelta(hours=hours)))
        await made.live(timedelta(days=length))
        await asyncio.gather(*beside)
        beside.clear()
        day += length
        print(
            f"day {day:3}: {len(truth.starts)} runs, {sum(truth.moved_by_day.values()) / 1e6:.0f} MB moved, "
            f"store {size(directory) / 1e6:.1f} MB, {resident_bytes() / 1e6:.0f} MB resident, "
            f"{time.process_time() - began:.0f} s of CPU",
            flush=True,
        )
    return verdict(directory, first, truth, memory, metrics, clock)


def size(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())


def verdict(
    directory: Path, first: Configuration, truth: Truth, memory: list[int], metrics: Metrics, clock: SimulatedClock
) -> bool:
    budget = first.watch.budget
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    early = max(memory[: max(1, len(memory) // 3)], default=0)
    late = max(memory[-max(1, len(memory) // 3) :], default=0)
    renders = []
    for _ in range(50):
        began = time.process_time()
        page = metrics.exposition("application/openmetrics-text; version=1.0.0")
        renders.append(time.process_time() - began)
    day_most, month_most = max(truth.moved_by_day.values()), max(truth.moved_by_month.values())
    rows = (
        ("most bytes in a day", day_most, budget.day_bytes),
        ("most bytes in a month", month_most, budget.month_bytes),
        ("transfers at once", truth.most_at_once, 1),
        ("bytes on the disk", size(directory), MAX_STORE_BYTES),
        ("peak resident bytes", peak, MAX_RSS_BYTES),
        ("growth of resident bytes, last third by first", late - early, MAX_GROWTH_BYTES),
    )
    for name, found, limit in rows:
        print(f"{name:48} {found:>14,} of {limit:,}{'' if found <= limit else '  BROKEN'}")
    print(f"runs {len(truth.starts)}, wake-ups {clock.waits} in {clock.seconds / 86_400:.1f} days")
    print(f"page of metrics: {len(page.body):,} bytes, median {sorted(renders)[25] * 1e3:.1f} ms of CPU")
    return all(found <= limit for _, found, limit in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--targets", type=int, default=20)
    parser.add_argument("--goodput-bytes", type=int, default=3_000_000, help="that a target wants in a run")
    parser.add_argument("--directory", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.directory or Path(temporary) / "state"
        return 0 if asyncio.run(month(directory, options.days, options.targets, options.goodput_bytes)) else 1


if __name__ == "__main__":
    sys.exit(main())
