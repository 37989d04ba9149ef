"""Which parameters of the noise make simulated flows resemble the lab's?

Run from the checkout: `python -m benchmarks.simulation.fit evidence/wifi-*.json --line wifi:down`. What the profile
says (rate, round trip, buffer) is taken from it; a random search, its seed given, finds the rest. The distance is the
mean difference of the logarithms of quantiles of both estimators, over the sizes that were collected.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log
from pathlib import Path
from random import Random

import msgspec

from benchmarks.simulation.noise import Line, Weather
from benchmarks.simulation.trials import made
from probe.checks.goodput import Arm, Series
from probe.checks.goodput.fate import is_sample
from probe.lab.path import PROFILES
from probe.model.observations import Direction, Transfer
from probe.stats.curves import elapsed_seconds, mid_bps, whole_bps

QUANTILES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
FLOWS = 500  # simulated for each size and set of parameters: quantiles to a few per cent
ESTIMATORS = {"whole": whole_bps, "middle": mid_bps}
RANGES = {
    "late": (0.0, 0.15),
    "repeat_loss": (0.0, 0.3),
    "reply_seconds": (0.0, 0.06),
    "late_rounds": (0.0, 1.0),
    "slice_sd": (0.0, 0.25),
    "wander_sd": (0.0, 0.1),
    "growth_packets": (0.4, 4.0),
    "loss": (0.4, 1.2),  # times the profile's: what is lost of pure ACKs costs nothing
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Rates of flows that met no limit, in bit/s, of one size, by estimator; and their elapsed seconds."""

    num_bytes: int
    rates: dict[str, tuple[float, ...]]
    elapsed: tuple[float, ...]


def collected(paths: Sequence[Path], direction: Direction, arm: Arm | None = None) -> tuple[Sample, ...]:
    """What the lab's flows of this direction gave; `arm` leaves the others out."""
    flows: dict[int, list[Transfer]] = {}
    for path in paths:
        for series in msgspec.json.decode(path.read_bytes(), type=list[Series]):
            if series.direction is direction:
                kept = [t.transfer for t in series.trials if t.pair is not None and (arm is None or t.arm is arm)]
                flows.setdefault(series.num_bytes, []).extend(t for t in kept if is_sample(t) and whole_bps(t) > 0)
    return tuple(sample(found, num_bytes) for num_bytes, found in sorted(flows.items()))


def sample(flows: Sequence[Transfer], num_bytes: int) -> Sample:
    return Sample(
        num_bytes=num_bytes,
        rates={name: tuple(sorted(rate(t) for t in flows)) for name, rate in ESTIMATORS.items()},
        elapsed=tuple(sorted(elapsed_seconds(t) for t in flows)),
    )


def simulated(line: Line, num_bytes: int, seed: int, count: int = FLOWS) -> Sample:
    weather = Weather(line=line, random=Random(seed))
    flows = [made(Arm.NEUTRAL, weather.flow(num_bytes), num_bytes=num_bytes) for _ in range(count)]
    return sample(flows, num_bytes)


def quantile(values: Sequence[float], share: float) -> float:
    """Of ascending values, interpolated."""
    place = share * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (place - low) * (values[high] - values[low])


def distance(ours: Sample, theirs: Sample) -> float:
    """The mean difference of log quantiles, both estimators together; 0.1 is ten per cent."""
    found = [
        abs(log(quantile(ours.rates[name], share) / quantile(theirs.rates[name], share)))
        for name in ESTIMATORS
        for share in QUANTILES
    ]
    return sum(found) / len(found)


def started(word: str) -> Line:
    """The line as its profile has it, for `wifi:down`."""
    name, way = word.split(":")
    profile = PROFILES[name]
    return Line(
        name=word,
        rate_bps=profile.down_bps if way == "down" else profile.up_bps,
        rtt_seconds=profile.rtt_seconds,
        buffer_seconds=profile.buffer_seconds,
        loss=profile.loss,
    )


def fitted(start: Line, samples: Sequence[Sample], *, rounds: int, seed: int) -> tuple[Line, float]:
    """The best of `rounds` lines: half of them drawn anywhere, half near the best so far."""
    random = Random(seed)
    best, least = start, float("inf")
    for number in range(rounds):
        change: dict[str, float] = {}
        for name, (low, high) in RANGES.items():
            anywhere = number < rounds / 2
            now = getattr(best, name) if name != "loss" else best.loss / start.loss if start.loss else 1.0
            drawn = random.uniform(low, high) if anywhere else now + random.gauss(0.0, 0.15 * (high - low))
            change[name] = min(high, max(low, drawn)) if anywhere or random.random() < 0.4 else now
        change["loss"] *= start.loss
        line = replace(start, **change)  # type: ignore[arg-type]
        far = sum(distance(simulated(line, s.num_bytes, seed), s) for s in samples) / len(samples)
        if far < least:
            best, least = line, far
    return best, least


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("evidence", nargs="+", type=Path)
    parser.add_argument("--line", required=True, help="a profile of the lab and a direction, such as wifi:down")
    parser.add_argument("--rounds", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    direction = Direction.DOWNLOAD if arguments.line.endswith(":down") else Direction.UPLOAD
    samples = collected(arguments.evidence, direction)
    best, far = fitted(started(arguments.line), samples, rounds=arguments.rounds, seed=arguments.seed)
    print(f"# mean difference of quantiles {100 * far:.1f} %, flows {[len(s.elapsed) for s in samples]}")
    print(best)


if __name__ == "__main__":
    main()
