"""Does `watch` lose, repeat or overspend anything when it is killed at any moment?

    python -m benchmarks.watch_kills [--kills 100]

`kill -9` at random moments of runs in the lab, each followed by a new start on the same state directory. Exits 1 where
a measurement that was told as finished is gone, where the budget was charged with less than was moved, or where two
runs began closer together than the schedule allows.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from probe.lab.path import HOME
from probe.lab.session import Lab
from probe.lab.world import demo_world
from tests.lab.watch_place import MIN_GAP_SECONDS, Place, kill_again_and_again


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, Lab(profile=HOME, world=demo_world()) as lab:
        found = kill_again_and_again(Place(lab, Path(directory)), options.kills, seed=1)
    rows = (
        ("measurements told as finished", len(found.reported), bool(found.reported)),
        ("of these missing in the store", len(found.reported - found.kept), found.reported <= found.kept),
        ("runs in the store", found.runs, True),
        ("bytes told as moved", found.moved_bytes, True),
        ("bytes charged to the budget", found.charged_bytes, found.charged_bytes >= found.moved_bytes),
        (
            "least gap between starts, ms",
            round(found.least_gap_seconds * 1e3),
            found.least_gap_seconds >= MIN_GAP_SECONDS,
        ),
        ("traces in the log", found.log.count("Traceback"), "Traceback" not in found.log),
    )
    for name, figure, right in rows:
        print(f"{name:36} {figure:>12,}{'' if right else '  BROKEN'}")
    return 0 if all(right for _, _, right in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
