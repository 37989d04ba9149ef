"""Which evidence and verdict does each scenario give? Writes the golden evidence that tests judge again.

Run from the checkout: `python -m benchmarks.golden` runs every scenario once on its first line and stores what it
gave, `python -m benchmarks.golden NAME…` these alone; with `--rejudge` nothing is run, and tests/golden/verdicts.txt is
written anew from the stored evidence, so that its difference shows each verdict that a changed rule changes.
"""

import argparse
from concurrent.futures import ThreadPoolExecutor

from probe.lab.scenarios.base import Scenario, all_scenarios, find
from probe.lab.scenarios.holding import all_right
from probe.lab.scenarios.running import run
from tests.golden_verdicts import VERDICTS, text, write

SEED = 1
TRIES = 3  # of a run on a path that was starved of processor time


def measure(scenario: Scenario) -> str:
    """Run and store one scenario; a line for the terminal."""
    for attempt in range(TRIES):
        outcome = run(scenario.build(scenario.profiles[0]), seed=SEED + attempt)
        if not outcome.disturbed:
            write(scenario, outcome.report)
            wrong = [p for points in outcome.points().values() for p in points if not p.right]
            said = "; ".join(f"{p.aspect.value}: {p.found} instead of {p.true}" for p in wrong)
            assert bool(wrong) is not all_right([p for points in outcome.points().values() for p in points])
            return f"{scenario.name}: {said or 'right'} ({outcome.seconds:.0f} s)"
    return f"{scenario.name}: the path was starved {TRIES} times; nothing stored"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="scenarios; all of them where none is named")
    parser.add_argument("--rejudge", action="store_true")
    parser.add_argument("--parallel", type=int, default=3)
    arguments = parser.parse_args()
    if not arguments.rejudge:
        wanted = [find(name) for name in arguments.names] or all_scenarios()
        with ThreadPoolExecutor(arguments.parallel) as pool:
            for line in pool.map(measure, wanted):
                print(line, flush=True)
    VERDICTS.write_text(text())


if __name__ == "__main__":
    main()
