"""What do single flows look like on the lab's lines: pairs of transfers, as many as time allows, kept as evidence?

Run from the checkout: `python -m benchmarks.simulation.collect --line wifi --keep evidence/wifi.json`. The judge is not
asked; every pair is made as `probe.checks.goodput` makes it. `fit` and `agreement` read what is kept.
"""

import argparse
import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random

import msgspec

from benchmarks.goodput_in_lab import rule_of
from probe import config
from probe.checks.context import Context, Step
from probe.checks.goodput import Arm, Phase, Series
from probe.checks.goodput.fate import PILOT_BYTES
from probe.checks.goodput.measure import Recorder
from probe.checks.goodput.media import Place, locate
from probe.lab.path import PROFILES
from probe.lab.session import Lab
from probe.lab.world import small_internet
from probe.model.observations import Direction
from probe.net.live import Session
from probe.net.meter import Meter

NO_DEADLINE_SECONDS = 1e6  # the check's own deadline, under which a pair's time is never short
DEFAULT_KIB = {Direction.DOWNLOAD: (256, 128), Direction.UPLOAD: (128, 64)}


@dataclass(frozen=True, slots=True)
class Unlimited:
    """A byte budget that allows everything: the lab's bytes cost nobody anything."""

    used_bytes: int = 0
    remaining_bytes: int = 1 << 40

    def allows(self, num_bytes: int) -> bool:
        return num_bytes <= self.remaining_bytes


def judge_nothing(_: Series) -> Step:
    """The pairs go on until the time ends."""
    return Step.PAIR


async def inside(arguments: argparse.Namespace) -> list[Series]:
    """At the vantage point: alternate between directions and sizes until the time is over."""
    targets = config.load(Path(arguments.inside))
    target = next(t for t in targets.targets if t.id == arguments.target)
    async with Session(random=Random(arguments.seed)) as session:
        net = session.measurement(Meter(session.meter))
        ctx: Context[Series] = Context(
            target=target,
            input=target.id,
            net=net,
            controls=targets.controls,
            control_sites=(),
            budget=Unlimited(),
            deadline=NO_DEADLINE_SECONDS,
            enough=judge_nothing,
            prior={},
            known_blockpages={},
        )
        kinds: list[tuple[int, Recorder]] = []
        for direction, media in ((Direction.DOWNLOAD, target.media.download), (Direction.UPLOAD, target.media.upload)):
            if arguments.only and not direction.startswith(arguments.only):
                continue
            for kib in arguments.kib or DEFAULT_KIB[direction]:
                recorder = Recorder(ctx, direction, deadline=NO_DEADLINE_SECONDS, reserve_bytes=0)
                place = await locate(ctx, media[0].url, deadline=60.0)
                assert isinstance(place, Place), place
                recorder.target, recorder.neutral_name = place, targets.controls.names[0]
                await recorder.pilot(Arm.NEUTRAL, PILOT_BYTES)
                recorder.num_bytes = kib * 1024
                kinds.append((kib, recorder))
        while net.clock.now() < arguments.seconds:
            for kib, recorder in kinds:
                recorder.num_bytes = kib * 1024
                await recorder.pair((Arm.TARGET, Arm.NEUTRAL), Phase.FIRST)
        return [recorder.series() for _, recorder in kinds]


def outside(arguments: argparse.Namespace) -> int:
    rules = [rule_of(word) for word in arguments.rule]
    with Lab(profile=PROFILES[arguments.line], world=small_internet(), rules=rules, seed=arguments.seed) as lab:
        argv = [sys.executable, "-m", "benchmarks.simulation.collect", "--inside", str(lab.targets_path)]
        argv += ["--keep", arguments.keep, "--seconds", str(arguments.seconds), "--seed", str(arguments.seed)]
        argv += ["--target", arguments.target, "--only", arguments.only, "--kib", *map(str, arguments.kib)]
        done = lab.run(argv, timeout=arguments.seconds + 60.0)
        print(done.stdout, end="")
        print(done.stderr, end="", file=sys.stderr)
        return done.returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inside", default="")
    parser.add_argument("--line", default="home", choices=sorted(PROFILES))
    parser.add_argument("--rule", action="append", default=[])
    parser.add_argument("--target", default="birdnet")
    parser.add_argument("--only", default="", choices=("", "down", "up"))
    parser.add_argument("--kib", type=int, nargs="*", default=[])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", required=True)
    arguments = parser.parse_args()
    if arguments.inside:
        kept = asyncio.run(inside(arguments))
        Path(arguments.keep).write_bytes(msgspec.json.encode(kept))
        return 0
    return outside(arguments)


if __name__ == "__main__":
    sys.exit(main())
