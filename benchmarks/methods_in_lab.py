"""By what means is a flow slowed: the evidence for it, as many slowed transfers as the lab makes in a few minutes.

Run from the checkout: `python -m benchmarks.methods_in_lab --line home --keep DIRECTORY --seed 1`. Every trial has a
server name of its own, so that one lab serves all of them; `benchmarks.methods_offline` reads what is kept and tries
the classifier on it. With `--inside` it is the program that the lab starts at its vantage point.
"""

import argparse
import asyncio
import contextlib
import gzip
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from statistics import median

import msgspec

from probe.checks.goodput.measure import MAX_BYTES, SIZES
from probe.lab.actions import Freeze, FreezeAfterPackets, Lose, Police, Shape
from probe.lab.path import PROFILES, PathProfile
from probe.lab.rules import Action, CensorRule, Sni, named
from probe.lab.rules import Direction as Way
from probe.lab.session import Lab
from probe.lab.world import small_internet
from probe.model.observations import Direction, Transfer
from probe.model.results import CannotRun, Method
from probe.model.targets import Endpoint
from probe.net.base import TransferRequest
from probe.net.live import Session
from probe.stats.curves import elapsed_seconds, mid_bps, min_rtt_seconds

Place = tuple[str, str, str]  # host, address, path
DOWN, UP = Direction.DOWNLOAD, Direction.UPLOAD
TARGET: dict[Direction, Place] = {
    DOWN: ("media.birdnet.test", "198.18.10.2", "media/1.bin"),
    UP: ("upload.birdnet.test", "198.18.10.3", "__up"),
}
CONTROL: dict[Direction, Place] = {
    DOWN: ("speed.northnet.test", "198.18.1.2", "__down"),
    UP: ("speed.northnet.test", "198.18.1.2", "__up"),
}
NEUTRAL = "www.northnet.test"
PILOT_BYTES = 64 * 1024
NEUTRAL_FLOWS = 8
CONTROL_FLOWS = 5  # only where the server is paced
FLOWS = 5  # of a finding: three pairs and two more
MAX_AT_ONCE = 4
MAX_TURNS = 5  # for a handshake, of which an address is spared more than two at a time
MAX_LOAD = 0.35  # of the line, by flows that share it
ALONE = 1.0
LONG_SECONDS = 6.0
MAX_SECONDS = 15.0
RATES_BPS = (64e3, 140e3, 300e3, 1e6, 2e6)
SHARES = (0.02, 0.04, 0.06, 0.08, 0.10)
HIGH_SHARES = (0.05, 0.07, 0.08, 0.09, 0.10, 0.12, 0.15)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is done to one name, in one direction; `method` UNKNOWN: nothing. `load`: the share of the line that a flow
    may take."""

    name: str
    direction: Direction
    method: Method
    rate_bps: float = 0.0
    burst_bytes: int = 0
    queue_seconds: float = 0.0
    share: float = 0.0
    after_bytes: int = 0
    after_packets: int = 0
    load: float = ALONE


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One trial with its transfers; `neutral`, and where the server is paced `control`, are of the whole lab."""

    line: str
    congestion: str
    pacing_bps: float
    seed: int
    trial: Trial
    num_bytes: int
    flows: tuple[Transfer, ...]
    neutral: tuple[Transfer, ...]
    control: tuple[Transfer, ...]


def drawn(line: PathProfile, direction: Direction, random: Random) -> list[Trial]:
    """Trials of every method, their figures drawn around the grid."""
    line_bps = line.down_bps if direction is DOWN else line.up_bps
    nothing = Trial(name="", direction=direction, method=Method.UNKNOWN)
    found = []
    for usual_bps in (*(rate for rate in RATES_BPS if rate < line_bps / 2), line_bps / 2):
        rate_bps = min(usual_bps * random.uniform(0.8, 1.25), line_bps / 2)
        share = rate_bps / line_bps
        policed = replace(nothing, method=Method.POLICED, rate_bps=rate_bps, load=1.2 * share)
        found.append(replace(policed, burst_bytes=int(8_000 * 2 ** random.uniform(0, 5))))
        found.append(replace(policed, burst_bytes=16_000))
        shaped = replace(nothing, method=Method.SHAPED, rate_bps=rate_bps, load=share)
        found.append(replace(shaped, queue_seconds=random.choice((0.3, 1.0))))
    stalled = replace(nothing, method=Method.STALLED, load=0.1)
    found.append(replace(stalled, after_bytes=int(8_000 * 2 ** random.uniform(0, 3))))
    found.append(replace(stalled, after_bytes=random.choice((16_000, 20_000, 64_000))))
    found.append(replace(stalled, after_packets=random.choice((12, 20, 40))))
    return found + lossy(direction, SHARES)


def lossy(direction: Direction, shares: tuple[float, ...]) -> list[Trial]:
    made = Trial(name="", direction=direction, method=Method.LOSSY, load=0.3)
    return [replace(made, share=share) for share in shares]


def trials_of(arguments: argparse.Namespace) -> list[Trial]:
    """The same trials outside and inside, each with its own name."""
    random, line = Random(arguments.seed), PROFILES[arguments.line]
    found: list[Trial] = []
    for direction in Direction:
        if arguments.only in ("", direction):
            if arguments.pacing:
                found.append(Trial(name="", direction=direction, method=Method.UNKNOWN))
            elif arguments.lossy:
                found += 2 * lossy(direction, HIGH_SHARES)
            else:
                found += drawn(line, direction, random)
    return [replace(t, name=f"t{index}.{t.direction}.test") for index, t in enumerate(found)]


def action(trial: Trial) -> Action:
    way = Way.DOWN if trial.direction is DOWN else Way.UP
    if trial.method is Method.POLICED:
        return Police(rate_bps=trial.rate_bps, burst_bytes=trial.burst_bytes, directions=(way,))
    if trial.method is Method.SHAPED:
        return Shape(rate_bps=trial.rate_bps, queue_seconds=trial.queue_seconds, directions=(way,))
    if trial.method is Method.LOSSY:
        return Lose(share=trial.share, directions=(way,))
    if trial.after_packets:
        return FreezeAfterPackets(packets=trial.after_packets, directions=(way,))
    return Freeze(after_bytes=trial.after_bytes, direction=way)


class Lane:
    """One direction: its transfers, so many at a time as do not disturb one another."""

    def __init__(self, session: Session, direction: Direction) -> None:
        self._net = session.measurement()
        self._direction = direction
        self._load, self._running, self._order = 0.0, 0, 0
        self._changed = asyncio.Condition()

    async def one(self, name: str, num_bytes: int, seconds: float, *, load: float, place: Place) -> Transfer:
        async with self._changed:
            await self._changed.wait_for(lambda: self._has_room(load))
            self._load, self._running = self._load + load, self._running + 1
        host, address, path = place
        self._order += 1
        request = TransferRequest(
            direction=self._direction,
            url=f"https://{host}/{path}" + (f"?bytes={num_bytes}" if self._direction is DOWN else ""),
            endpoint=Endpoint(address=address, port=443),
            server_name=name,
            host=host,
            num_bytes=num_bytes,
            verify=False,
            order=self._order,
        )
        try:
            return await self._begun(request, seconds)
        finally:
            async with self._changed:
                self._load, self._running = self._load - load, self._running - 1
                self._changed.notify_all()

    async def _begun(self, request: TransferRequest, seconds: float) -> Transfer:
        """A transfer that waited in vain for a turn to shake hands was not begun: ask for another turn.

        Raises CannotRun after a few of them.
        """
        for _ in range(MAX_TURNS - 1):
            with contextlib.suppress(CannotRun):
                return await self._net.transfer(request, deadline=self._net.clock.now() + seconds)
        return await self._net.transfer(request, deadline=self._net.clock.now() + seconds)

    def _has_room(self, load: float) -> bool:
        return not self._running or (self._running < MAX_AT_ONCE and self._load + load <= MAX_LOAD)


def size_for(pilot: Transfer, direction: Direction) -> int:
    """As the check chooses it."""
    rate_bps = mid_bps(pilot)
    by_rate = next(size for least_bps, size in SIZES if rate_bps >= least_bps)
    by_delay = int(2 * rate_bps / 8 * (min_rtt_seconds(pilot) or 0.0))
    return min(max(by_rate, by_delay), MAX_BYTES[direction])


async def measured(
    session: Session, direction: Direction, trials: list[Trial], arguments: argparse.Namespace
) -> list[Kept]:
    """All trials of one direction: the neutral name alone on the line first, then the others side by side."""
    lane, place = Lane(session, direction), TARGET[direction]
    pilot = await lane.one(NEUTRAL, PILOT_BYTES, MAX_SECONDS, load=ALONE, place=place)
    num_bytes = size_for(pilot, direction)

    async def alone(where: Place, times: int) -> tuple[Transfer, ...]:
        made = [await lane.one(NEUTRAL, num_bytes, MAX_SECONDS, load=ALONE, place=where) for _ in range(times)]
        return tuple(made)

    neutral = await alone(place, NEUTRAL_FLOWS)
    control = await alone(CONTROL[direction], CONTROL_FLOWS if arguments.pacing else 0)
    usual = min(MAX_SECONDS, max(2.0, 3 * median(elapsed_seconds(t) for t in neutral)))

    async def kept(trial: Trial) -> Kept:
        flows = []
        for index in range(FLOWS):
            long = arguments.pacing or (index == 0 and trial.method is not Method.STALLED)
            seconds = max(usual, LONG_SECONDS) if long else usual
            flows.append(await lane.one(trial.name, num_bytes, seconds, load=trial.load, place=place))
        return Kept(
            line=arguments.line,
            congestion=arguments.congestion,
            pacing_bps=arguments.pacing,
            seed=arguments.seed,
            trial=trial,
            num_bytes=num_bytes,
            flows=tuple(flows),
            neutral=neutral,
            control=control,
        )

    return list(await asyncio.gather(*map(kept, trials)))


async def inside(arguments: argparse.Namespace) -> None:
    trials = trials_of(arguments)
    async with Session(random=Random(arguments.seed)) as session:
        wanted = sorted({t.direction for t in trials})
        lanes = (measured(session, d, [t for t in trials if t.direction is d], arguments) for d in wanted)
        found = [kept for lane in await asyncio.gather(*lanes) for kept in lane]
    kind = "lossy" if arguments.lossy else f"{arguments.pacing:.0f}"
    name = f"{arguments.line}-{arguments.congestion}-{kind}-{arguments.seed}.json.gz"
    (Path(arguments.keep) / name).write_bytes(gzip.compress(msgspec.json.encode(found)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inside", action="store_true")
    parser.add_argument("--line", default="home", choices=sorted(PROFILES))
    parser.add_argument("--congestion", default="cubic", choices=("cubic", "bbr"))
    parser.add_argument("--only", default="", choices=("", *Direction))
    parser.add_argument("--lossy", action="store_true", help="random loss of 5-15 %% alone")
    parser.add_argument("--pacing", type=float, default=0.0, help="a slow server of so many bit/s, and no censor")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", required=True)
    parser.add_argument("--timeout", type=float, default=600.0)
    arguments = parser.parse_args()
    if arguments.inside:
        asyncio.run(inside(arguments))
        return 0
    slowed = [t for t in trials_of(arguments) if t.method is not Method.UNKNOWN]
    rules = [CensorRule(when=Sni(pattern=named(t.name)), do=action(t)) for t in slowed]
    world = small_internet(congestion=arguments.congestion, media_pacing_bps=arguments.pacing or None)
    Path(arguments.keep).mkdir(exist_ok=True)
    with Lab(profile=PROFILES[arguments.line], world=world, rules=rules, seed=arguments.seed) as lab:
        argv = [sys.executable, "-m", "benchmarks.methods_in_lab", "--inside", *sys.argv[1:]]
        done = lab.run(argv, timeout=arguments.timeout)
        print(done.stdout, done.stderr, lab.stats(), file=sys.stderr)
        return done.returncode


if __name__ == "__main__":
    sys.exit(main())
