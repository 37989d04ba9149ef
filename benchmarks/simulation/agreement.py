"""Do lab and simulation agree: the rates of single flows, and what is said of whole series?

Run from the checkout: `python -m benchmarks.simulation.agreement evidence/` with what `collect` kept, one file per line
and run, named `<profile>-<seed>.json`. The flows should not be those that were fitted. Prints Markdown.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from random import Random

from benchmarks.simulation.fit import Sample, collected, quantile, simulated
from benchmarks.simulation.lines import (
    DSL_DOWN,
    HOME_DOWN,
    HOME_UP,
    MOBILE_DOWN,
    MOBILE_UP,
    SATELLITE_DOWN,
    WIFI_DOWN,
    WIFI_UP,
)
from probe.checks.goodput import Arm
from probe.model.observations import Direction

SHOWN = (0.05, 0.25, 0.5, 0.75, 0.95)
SEED = 5
FLOWS = 2000
LINES = {
    ("home", Direction.DOWNLOAD): HOME_DOWN,
    ("home", Direction.UPLOAD): HOME_UP,
    ("wifi", Direction.DOWNLOAD): WIFI_DOWN,
    ("wifi", Direction.UPLOAD): WIFI_UP,
    ("mobile", Direction.DOWNLOAD): MOBILE_DOWN,
    ("mobile", Direction.UPLOAD): MOBILE_UP,
    ("dsl", Direction.DOWNLOAD): DSL_DOWN,
    ("satellite", Direction.DOWNLOAD): SATELLITE_DOWN,
}


def shown(name: str, kind: str, lab: Sample, ours: Sample) -> str:
    """One row: quantiles in Mbit/s, the lab's above the simulation's, and how often a pair's ratio is at most .33."""
    cells = []
    for share in SHOWN:
        pair = (quantile(sample.rates[kind], share) / 1e6 for sample in (lab, ours))
        cells.append(" / ".join(f"{rate:.2f}" for rate in pair))
    low = " / ".join(f"{100 * low_ratios(sample.rates[kind]):.0f}" for sample in (lab, ours))
    return f"| {name}, {lab.num_bytes // 1024} KB, {kind} | {len(lab.elapsed)} | {' | '.join(cells)} | {low} |"


def low_ratios(rates: Sequence[float], limit: float = 0.33, draws: int = 4000) -> float:
    """How often two flows, drawn at random, have a ratio of at most `limit`."""
    random = Random(SEED)
    return sum(random.choice(rates) <= limit * random.choice(rates) for _ in range(draws)) / draws


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("evidence", type=Path)
    arguments = parser.parse_args()
    shares = " | ".join(f"{100 * share:.0f} %" for share in SHOWN)
    print(f"| flows (lab / simulation, Mbit/s) | flows in the lab | {shares} | ratio ≤ .33, % |")
    print("|---" * (len(SHOWN) + 3) + "|")
    for (profile, direction), line in LINES.items():
        paths = sorted(arguments.evidence.glob(f"{profile}-*.json"))
        for lab in collected(paths, direction, Arm.NEUTRAL):
            ours = simulated(line, lab.num_bytes, SEED, FLOWS)
            for kind in ("whole", "middle"):
                print(shown(f"{profile} {direction.value}", kind, lab, ours), flush=True)


if __name__ == "__main__":
    main()
