"""Error rates of the comparison with the past, by simulation. Prints Markdown; docs/method/past.md has the figures.

Run from the checkout: `python -m benchmarks.past`. Some minutes on two cores.
"""

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from statistics import median

from benchmarks.past.histories import KINDS
from benchmarks.past.trials import FOLLOWED_RUNS, Found, change, quiet_states, quiet_year, state_change

BEFORE_RUNS = (40, 120)  # ten days, a month
RATIOS = (0.1, 0.3, 0.5)
FOUND = "| found | runs until said: median, 90 % | interval holds it | its runs |"
STATES = ((0.0, 0.0), (0.0, 0.3), (0.2, 0.1), (0.5, 0.1))  # throttled runs judged ok, inconclusive runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, default=60, help="quiet years for each kind of line")
    parser.add_argument("--changes", type=int, default=100, help="changes for each cell")
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", default="", help="lines whose name begins so")
    arguments = parser.parse_args()
    kinds = [kind for kind in KINDS if kind.name.startswith(arguments.only)]
    seeds = range(arguments.seed, arguments.seed + arguments.years)
    with ProcessPoolExecutor(arguments.processes) as pool:
        print("| line, a year without a change | false onsets a year | runs whose rate is called unusual |")
        print("|---|---|---|")
        for kind in kinds:
            years = list(pool.map(partial(quiet_year, kind.name), seeds, chunksize=4))
            said, looks = sum(y.unusual for y in years), sum(y.looks for y in years)
            print(f"| {kind.name} | {sum(y.onsets for y in years) / len(years):.2f} | {said / looks:.2%} |", flush=True)
        seeds = range(arguments.seed, arguments.seed + arguments.changes)
        print(f"\n| line | runs before | falls to {FOUND}")
        print("|---|---|---|---|---|---|---|")
        for kind in kinds:
            for before in BEFORE_RUNS:
                for ratio in RATIOS:
                    found = list(pool.map(partial(change, kind.name, before, ratio), seeds, chunksize=4))
                    print(f"| {kind.name} | {before} | {ratio} | {_cells(found)} |", flush=True)
        print(f"\n| state: throttled runs judged ok | inconclusive {FOUND}")
        print("|---|---|---|---|---|---|")
        for missed, unknown in STATES:
            found = list(pool.map(partial(state_change, missed, unknown), seeds, chunksize=4))
            print(f"| {missed:.0%} | {unknown:.0%} | {_cells(found)} |")
        print("\n| a year of ok: runs judged throttled | false onsets a year |\n|---|---|")
        for wrong in (0.001, 0.005, 0.02):
            said = sum(pool.map(partial(quiet_states, wrong, 0.1), seeds, chunksize=8))
            print(f"| {wrong:.1%} | {said / len(seeds):.2f} |")


def _cells(found: Sequence[Found]) -> str:
    """found, delay, coverage, width: of those that were found within two weeks."""
    delays = sorted(f.delay for f in found if f.delay is not None)
    share = f"{len(delays) / len(found):.0%} within {FOLLOWED_RUNS}"
    if not delays:
        return f"{share} | – | – | –"
    hit = [f for f in found if f.delay is not None]
    late = delays[min(len(delays) - 1, int(len(delays) * 0.9))]
    holds = sum(f.covered for f in hit) / len(hit)
    return f"{share} | {median(delays):.0f}, {late} | {holds:.0%} | {median(f.width_runs for f in hit):.0f} |"[:-2]


if __name__ == "__main__":
    main()
