"""How often is the goodput judge wrong, over many simulated series? Prints Markdown.

Run from the checkout: `python -m benchmarks.simulation`. A cell of 20,000 takes about half a minute on one core.
"""

import argparse

from benchmarks.simulation.lines import FITTED, WORSE
from benchmarks.simulation.tables import HEAD, RUNS_HEAD, cells, promised, rows, whole_runs, why


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20_000, help="series without a limit, per line")
    parser.add_argument("--found", type=int, default=1_000, help="series with a limit, per line and limit")
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", default="", help="lines whose name begins so")
    parser.add_argument("--runs", type=int, default=1_000, help="runs of 20 healthy targets, per line")
    parser.add_argument("--only-runs", action="store_true", help="that table alone")
    parser.add_argument("--why", action="store_true", help="name the rules that gave the verdicts")
    arguments = parser.parse_args()
    print(RUNS_HEAD)
    for text in whole_runs(arguments.runs, arguments.seed, arguments.only, arguments.processes):
        print(text, flush=True)
    if arguments.only_runs:
        return
    wanted = [c for c in cells(arguments.trials, arguments.found, arguments.seed) if c.name.startswith(arguments.only)]
    print("\n" + HEAD)
    for row in rows(wanted, arguments.processes):
        print(row.text + (f" {why(row)}" if arguments.why else ""), flush=True)
    print("\n| line | Mbit/s that ok would have seen | a limit to it: throttled, % | ok, % | ok that claims it, % |")
    print("|---|---|---|---|---|")
    for line in (*FITTED, *WORSE):
        if line.name.startswith(arguments.only):
            print(promised(line, arguments.found, arguments.seed, arguments.processes), flush=True)


if __name__ == "__main__":
    main()
