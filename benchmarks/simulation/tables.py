"""How often is the goodput judge wrong: false alarms and misses, over many simulated series?

`python -m benchmarks.simulation` prints the tables of docs/method/goodput.md, "How often it is wrong". Thresholds were
chosen on seed 1; what is reported comes from another.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from random import Random
from statistics import median

from benchmarks.simulation.lines import (
    HOME_DOWN,
    LIMITS,
    LINES,
    LOSSES,
    RUNS,
    RUNS_EACH,
    SATELLITE_DOWN,
    SHARES,
    TARGETS,
    TENTH_LOST,
    TO_140K,
)
from benchmarks.simulation.noise import Limit, Line
from benchmarks.simulation.trials import Measurement, Result, judged
from probe.lab.score.intervals import clopper_pearson
from probe.model.observations import Direction
from probe.model.results import State

CHUNK = 1000  # trials that one process makes at a time
TARGETS_A_RUN = 20  # design §3.8: error rates are stated per run of so many targets; a chunk is a number of whole runs
BURST_BYTES = 64 * 1024  # what `detectable_ratio` is told for


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """So many trials of one line and limit. A `target` has both directions, measured one after the other."""

    lines: tuple[Line, ...]
    limit: Limit | None
    count: int
    seed: int
    figures: bool = False

    @property
    def name(self) -> str:
        return self.lines[0].name if len(self.lines) == 1 else self.lines[0].name.split(",")[0] + ", target"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a cell came to."""

    cell: Cell
    results: tuple[Result, ...]

    def share(self, state: State) -> str:
        hits = sum(r.state is state for r in self.results)
        low, high = clopper_pearson(hits, len(self.results))
        return f"{100 * hits / len(self.results):.2f} ({100 * low:.2f}-{100 * high:.2f})"

    @property
    def text(self) -> str:
        megabytes = sorted(r.spent_bytes / 1e6 for r in self.results)
        seconds = sorted(r.seconds for r in self.results)
        late = int(0.95 * len(megabytes))
        limit = self.cell.limit.name if self.cell.limit else "none"
        shares = " | ".join(self.share(state) for state in (State.THROTTLED, State.OK, State.INCONCLUSIVE))
        costs = f"{median(megabytes):.1f} / {megabytes[late]:.1f} | {median(seconds):.0f} / {seconds[late]:.0f}"
        return f"| {self.cell.name} | {limit} | {len(self.results)} | {shares} | {costs} |"


HEAD = (
    "| line | limit | series | throttled, % (95 %) | ok, % (95 %) | inconclusive, % (95 %) | MB, median / 95 % | s |\n"
    "|---|---|---|---|---|---|---|---|"
)


def chunk(arguments: tuple[Cell, int]) -> list[Result]:
    """A part of a cell's trials."""
    cell, number = arguments
    random = Random(f"{cell.seed} {cell.name} {cell.limit.name if cell.limit else ''} {number}")
    return [trial(cell, random) for _ in range(min(CHUNK, cell.count - number * CHUNK))]


def trial(cell: Cell, random: Random) -> Result:
    """One direction, or a target: download, then upload with what is left, the worse of them deciding."""
    spent, clock, results = 0, 0.0, []
    for number, line in enumerate(cell.lines):
        up = number == 1 or line.name.endswith(" up")
        direction = Direction.UPLOAD if up else Direction.DOWNLOAD
        going = Measurement(
            line=line, limit=cell.limit, direction=direction, random=random, spent_bytes=spent, clock=clock
        )
        results.append(judged(going, figures=cell.figures))
        spent, clock = going.spent_bytes, going.clock
    order = (State.THROTTLED, State.INCONCLUSIVE, State.OK)
    worst = min(results, key=lambda r: order.index(r.state))
    return replace(worst, spent_bytes=spent, seconds=clock)


def rows(cells: Sequence[Cell], processes: int) -> Iterator[Row]:
    """Each cell's row as soon as it is complete."""
    jobs = [(cell, number) for cell in cells for number in range(-(-cell.count // CHUNK))]
    with ProcessPoolExecutor(processes) as pool:
        parts = zip(jobs, pool.map(chunk, jobs), strict=True)
        found: list[Result] = []
        for (cell, _), part in parts:
            found += part
            if len(found) == cell.count:
                yield Row(cell=cell, results=tuple(found))
                found = []


def cells(trials: int, found: int, seed: int) -> list[Cell]:
    """What is reported."""
    made = []
    for line in LINES:
        made.append(Cell(lines=(line,), limit=None, count=trials, seed=seed))
        limits = (TO_140K,) if line is SATELLITE_DOWN else LIMITS  # its flows never reach a share of 20 Mbit/s
        made += [Cell(lines=(line,), limit=limit, count=found, seed=seed) for limit in limits]
    made += [Cell(lines=(HOME_DOWN,), limit=limit, count=found, seed=seed) for limit in SHARES]
    made += [Cell(lines=(line,), limit=TENTH_LOST, count=found, seed=seed) for line in LOSSES]
    for lines in TARGETS.values():
        made += [Cell(lines=lines, limit=None, count=trials, seed=seed)]
        made += [Cell(lines=lines, limit=limit, count=found, seed=seed) for limit in (LIMITS[0], LIMITS[2])]
    return made


RUNS_HEAD = (
    "| line | runs of 20 targets | with an accusation, % (95 %) | targets inconclusive, % (95 %) | s a target |\n"
    "|---|---|---|---|---|"
)


def whole_runs(runs: int, seed: int, only: str, processes: int) -> Iterator[str]:
    """Of each line, how many runs of 20 healthy targets hold an accusation, repetition included: one row a line."""
    for name, lines in RUNS.items():
        if not name.startswith(only):
            continue
        count = RUNS_EACH.get(name, runs)
        row = next(rows([Cell(lines=lines, limit=None, count=count * TARGETS_A_RUN, seed=seed)], processes))
        parts = [row.results[at : at + TARGETS_A_RUN] for at in range(0, len(row.results), TARGETS_A_RUN)]
        wrong = sum(any(r.state is State.THROTTLED for r in part) for part in parts)
        low, high = clopper_pearson(wrong, count)
        seconds = median(r.seconds for r in row.results)
        accused = f"{100 * wrong / count:.2f} ({100 * low:.2f}-{100 * high:.2f})"
        yield f"| {name} | {count} | {accused} | {row.share(State.INCONCLUSIVE)} | {seconds:.0f} |"


def promised(line: Line, trials: int, seed: int, processes: int) -> str:
    """A limit to what `ok` says at the median that it would have seen, behind a burst of 64 KB: how often is `ok` said
    all the same, and how often does it claim that it would have seen this very limit?"""
    clean = next(rows([Cell(lines=(line,), limit=None, count=500, seed=seed, figures=True)], 1))
    seen_bps = median(r.detectable_bps for r in clean.results if r.state is State.OK)
    limit = Limit(name="as promised", ratio=seen_bps / line.rate_bps, burst_bytes=BURST_BYTES)
    row = next(rows([Cell(lines=(line,), limit=limit, count=trials, seed=seed, figures=True)], processes))
    claims = sum(r.state is State.OK and r.detectable_bps >= seen_bps for r in row.results)
    low, high = clopper_pearson(claims, trials)
    claimed = f"{100 * claims / trials:.2f} ({100 * low:.2f}-{100 * high:.2f})"
    return f"| {line.name} | {seen_bps / 1e6:.2f} | {row.share(State.THROTTLED)} | {row.share(State.OK)} | {claimed} |"


def why(row: Row) -> str:
    """Which rules gave a cell's verdicts."""
    return ", ".join(f"{rule} {count}" for rule, count in Counter(r.rule_id for r in row.results).most_common())
