"""A month of `watch` in a minute: the real loop, store, budgets, metrics and queue; the clock and the network are ours.

Shared by tests and by `benchmarks/watch_month.py`. What runs move is counted here apart, as the truth.
"""

import asyncio
import gzip
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from random import Random

from probe import measuring, records
from probe.assembly import Plan, Stamp
from probe.budget import Purse, RunBudget
from probe.config.watch_file import BudgetSettings, LineSettings, Retention, ScheduleSettings, WatchConfig
from probe.measuring import StoreSink
from probe.metrics import Metrics
from probe.model.results import Bytes, Measurement, Report, summarize
from probe.model.targets import Controls, Target, TargetList
from probe.net.line import LineState
from probe.net.meter import BudgetSpentError, Meter
from probe.push.pusher import Pusher
from probe.registry import EVIDENCE_TYPES
from probe.runner import Line
from probe.schedule import Moment
from probe.store import Store
from probe.store.line_lock import SharedLine, line_files
from probe.watch.configuration import Configuration
from probe.watch.log import Log, LogFormat, LogLevel, open_log
from probe.watch.notify import ServiceManager
from probe.watch.pushing import Pushing
from probe.watch.service import Service
from probe.watch.tools import Tools

GOLDEN = Path(__file__).parent / "golden" / "clean-line.json.gz"
FIRST_DAY = datetime(2026, 3, 1, tzinfo=UTC)
PATIENCE_SECONDS = 600.0
RUN_SECONDS = 300.0  # what a run of twenty targets takes
OVERHEAD_BYTES = 300_000  # what a target's cheap checks move


class SimulatedClock:
    """Time passes only while somebody waits; `jump` sets the wall clock, `at` does something at a time."""

    def __init__(self, start: datetime = FIRST_DAY) -> None:
        self.wall = start
        self.seconds = 0.0
        self.waits = 0
        self._plans: list[tuple[float, Callable[[], None]]] = []

    def now(self) -> Moment:
        return Moment(wall=self.wall, monotonic_seconds=self.seconds)

    def jump(self, change: timedelta) -> None:
        self.wall += change

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        """Do something when so much time has passed from the start."""
        self._plans.append((seconds, do))
        self._plans.sort(key=lambda plan: plan[0])

    async def wait(self, wake: asyncio.Event, seconds: float) -> bool:
        self.waits += 1
        end = self.seconds + seconds
        while self._plans and self._plans[0][0] <= end:
            at, do = self._plans.pop(0)
            self._pass(max(0.0, at - self.seconds))
            do()
            if wake.is_set():
                return True
        self._pass(end - self.seconds)
        await asyncio.sleep(0)
        return wake.is_set()

    def _pass(self, seconds: float) -> None:
        self.seconds += seconds
        self.wall += timedelta(seconds=seconds)


@dataclass(slots=True)
class Truth:
    """What really happened."""

    starts: list[Moment] = field(default_factory=list)
    moved_by_day: Counter[str] = field(default_factory=Counter)
    transfers_at_once: int = 0
    most_at_once: int = 0
    finished: list[str] = field(default_factory=list)  # ids of measurements
    plans: list[Plan] = field(default_factory=list)

    @property
    def moved_by_month(self) -> Counter[str]:
        months: Counter[str] = Counter()
        for day, num_bytes in self.moved_by_day.items():
            months[day[:7]] += num_bytes
        return months


@dataclass(slots=True, kw_only=True)
class SimulatedRuns:
    """Implements `probe.watch.tools.Measure`: golden evidence under new ids, and bytes through the real budget.

    Each target wants `wanted_bytes` of goodput, from a server that would send twice as much.
    """

    clock: SimulatedClock
    store: Store
    random: Random
    truth: Truth
    wanted_bytes: int = 3_000_000
    line: Line | None = None
    golden: Report = field(default_factory=lambda: records.decode(gzip.decompress(GOLDEN.read_bytes()), EVIDENCE_TYPES))

    async def __call__(self, plan: Plan, purse: Purse, stop: asyncio.Event, log: Log) -> Report:
        self.truth.starts.append(self.clock.now())
        self.truth.plans.append(plan)
        meter = Meter()
        budget = RunBudget(meter=meter, max_bytes=plan.max_bytes, purse=purse)
        sink = StoreSink(self.store, purse.run_id, lambda text: log.error("store", problem=text))
        header = self._report(plan, purse.run_id, (), meter, interrupted=True)
        sink.begin(header)
        results = []
        for position, target in enumerate(plan.targets):
            if stop.is_set():
                break
            await self._transfer(budget, meter, plan)
            await self.clock.wait(stop, RUN_SECONDS / len(plan.targets))
            pattern = self.golden.targets[position % len(self.golden.targets)]
            made = tuple(self._measurement(m, target.id) for m in pattern.measurements)
            for measurement in made:
                sink.measurement(measurement)
            results.append(replace(pattern, id=target.id, name=target.name, measurements=made))
        sink.close()
        self.truth.finished += [m.id for result in results for m in result.measurements]
        await asyncio.to_thread(purse.settle)
        return self._report(plan, purse.run_id, tuple(results), meter, interrupted=stop.is_set())

    async def _transfer(self, budget: RunBudget, meter: Meter, plan: Plan) -> None:
        """As the runner does it: hold, draw, move until the meter says no."""
        wanted = OVERHEAD_BYTES + (0 if plan.unfit else self.wanted_bytes)
        async with AsyncExitStack() as held:
            if self.line is not None:
                await held.enter_async_context(self.line.exclusive(PATIENCE_SECONDS))
            if not await held.enter_async_context(budget.held(wanted, least_bytes=wanted // 10)):
                return
            self.truth.transfers_at_once += 1
            self.truth.most_at_once = max(self.truth.most_at_once, self.truth.transfers_at_once)
            try:
                await self._move(meter, 2 * wanted)
            except BudgetSpentError:
                pass
            finally:
                self.truth.transfers_at_once -= 1

    async def _move(self, meter: Meter, num_bytes: int) -> None:
        left = num_bytes
        while left > 0:
            await asyncio.sleep(0)
            piece = min(left, self.random.randrange(1, 65_536), meter.require(1))
            meter.add(0, piece)
            self.truth.moved_by_day[str(self.clock.wall.date())] += piece
            left -= piece

    def _measurement(self, pattern: Measurement, target: str) -> Measurement:
        stamp = Stamp(wall=self.clock.wall, random=self.random)
        return replace(pattern, id=stamp.new_id(), target=target, started_at=str(stamp))

    def _report(
        self, plan: Plan, run_id: str, results: tuple[object, ...], meter: Meter, *, interrupted: bool
    ) -> Report:
        targets = tuple(results)
        return replace(
            self.golden,
            id=run_id,
            started_at=str(Stamp(wall=self.truth.starts[-1].wall, random=self.random)),
            duration_seconds=RUN_SECONDS,
            parameters=replace(
                self.golden.parameters, targets=tuple(t.id for t in plan.targets), interrupted=interrupted
            ),
            vantage=plan.vantage,
            bytes=Bytes(sent=meter.sent_bytes, received=meter.received_bytes),
            controls=(),
            targets=targets,  # type: ignore[arg-type]  # results of targets, or none yet
            summary=summarize(targets),  # type: ignore[arg-type]
        )


@dataclass(slots=True, kw_only=True)
class SimulatedLine:
    """Implements `probe.watch.tools.Look`: what it is like is set from outside."""

    state: LineState = field(default_factory=lambda: LineState(network=True))
    looks: int = 0

    async def __call__(self, settings: LineSettings, best_bps: float | None) -> LineState:
        self.looks += 1
        return self.state


def configuration(
    num_targets: int,
    *,
    schedule: ScheduleSettings | None = None,
    budget: BudgetSettings | None = None,
    retention: Retention | None = None,
) -> Configuration:
    """So many targets, the rest as it is by default."""
    targets = tuple(
        Target(id=f"target-{n:02}", name=f"Target {n}", sites=(f"https://target-{n:02}.test/",))
        for n in range(num_targets)
    )
    controls = Controls(resolvers=(), names=("neutral.test",), sites=("https://control.test/",), media=())
    watch = WatchConfig(
        schedule=schedule or ScheduleSettings(),
        budget=budget or BudgetSettings(),
        retention=retention or Retention(),
    )
    return Configuration(
        watch=watch,
        listed=TargetList(version=1, controls=controls, targets=targets),
        targets=targets,
        blockpages={},
        uploads=True,
        run_bytes=watch.budget.run_bytes,
    )


@dataclass(slots=True)
class Simulation:
    """One process's life: make it on a directory, `live` for some time; make the next one on the same directory."""

    directory: Path
    first: Configuration
    clock: SimulatedClock
    random: Random
    truth: Truth
    wanted_bytes: int = 3_000_000
    shares_line: bool = False
    quiet: bool = False
    said: StringIO = field(default_factory=StringIO)
    read: Callable[[], Configuration] | None = None
    line: SimulatedLine = field(default_factory=SimulatedLine)
    metrics: Metrics = field(default_factory=Metrics)
    service: Service = field(init=False)
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.directory.mkdir(exist_ok=True)
        self.store = Store.open(
            self.directory / measuring.STORE_FILE, evidence_types=EVIDENCE_TYPES, now=lambda: self.clock.wall
        )
        runs = SimulatedRuns(
            clock=self.clock,
            store=self.store,
            random=self.random,
            truth=self.truth,
            wanted_bytes=self.wanted_bytes,
            line=shared_line(self.store) if self.shares_line else None,
        )
        tools = Tools(
            clock=self.clock,
            random=self.random,
            store=self.store,
            metrics=self.metrics,
            pusher=Pushing(self._pusher, (), "simulated"),
            measure=runs,
            look=self.line,
            manager=ServiceManager({}),
            log=open_log(LogFormat.LOGFMT, LogLevel.ERROR if self.quiet else LogLevel.INFO, self.said),
        )
        self.service = Service(tools, self.first, self.read or (lambda: self.first))

    def _pusher(self, receivers: object, instance: str) -> Pusher:
        return Pusher(
            (),
            self.directory / "spool.sqlite3",
            instance=instance,
            now=lambda: self.clock.wall,
            random=self.random,
            tell=lambda event: None,
            count_bytes=lambda num_bytes: None,
        )

    async def live(self, length: timedelta) -> None:
        """Run for so long, then end in order."""
        self.clock.after(self.clock.seconds + length.total_seconds(), self.service.stop)
        await self.service.run()
        self.store.close()


def shared_line(store: Store) -> SharedLine:
    """The line of this store."""
    return SharedLine(line_files(store.path))
