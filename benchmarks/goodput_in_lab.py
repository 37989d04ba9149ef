"""What does the goodput check say on emulated lines, live: verdicts, bytes and seconds per target?

Run from the checkout: `python -m benchmarks.goodput_in_lab --line home --rule police:down:birdnet.test:140e3`.
Prints one row a measurement. With `--inside` it is the program that the lab starts at its vantage point.
"""

import argparse
import asyncio
import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import msgspec

from probe import config
from probe.checks import goodput
from probe.checks.context import Context
from probe.checks.goodput import Evidence, Series
from probe.lab.actions import Freeze, Police, Shape
from probe.lab.path import PROFILES
from probe.lab.rules import Action, CensorRule, Everything, Matcher, Sni, ToAddress, named
from probe.lab.rules import Direction as Way
from probe.lab.session import Lab
from probe.lab.world import small_internet
from probe.model.results import CannotRun, GoodputFacts
from probe.model.targets import Target, TargetList
from probe.net.live import Session
from probe.net.meter import Meter
from probe.verdict import goodput as judging

MAX_BYTES = 4_000_000  # design §5: of one target, both directions


@dataclass
class Allowance:
    """The byte budget of one measurement."""

    meter: Meter

    @property
    def used_bytes(self) -> int:
        return self.meter.sent_bytes + self.meter.received_bytes

    @property
    def remaining_bytes(self) -> int:
        return MAX_BYTES - self.used_bytes

    def allows(self, num_bytes: int) -> bool:
        return num_bytes <= self.remaining_bytes


def figures(facts: GoodputFacts | None) -> str:
    if facts is None or facts.ratio is None or facts.target_bps is None or facts.control_bps is None:
        return "-"
    limit = f" limit {facts.limit_bps / 1e3:.0f}k" if facts.limit_bps else ""
    return (
        f"{facts.target_bps / 1e6:.2f}/{facts.control_bps / 1e6:.2f} r {facts.ratio:.2f} "
        f"[{facts.ratio_low:.2f}-{facts.ratio_high:.2f}] n {facts.pairs} "
        f"{facts.comparison} {facts.method}{limit}"
        + (f" after {facts.stall_after_bytes}" if facts.stall_after_bytes else "")
    )


async def measure(session: Session, targets: TargetList, target: Target, seconds: float, keep: Path | None) -> None:
    meter = Meter(session.meter)
    budget = Allowance(meter)
    net = session.measurement(meter)
    ctx: Context[Series] = Context(
        target=target,
        input=target.id,
        net=net,
        controls=targets.controls,
        control_sites=(),
        budget=budget,
        deadline=seconds,
        enough=judging.enough,
        prior={},
        known_blockpages={},
    )
    try:
        evidence: Evidence = await goodput.gather(ctx)
    except CannotRun as refusal:
        print(f"{target.id} cannot run: {refusal}", flush=True)
        return
    verdict = judging.judge(evidence)
    spent = f"{budget.used_bytes / 1e6:.2f} MB {net.clock.now():.1f} s"
    print(f"{target.id} | {verdict.state} | {'+'.join(verdict.rule_ids)} | {spent} | {verdict.reason}", flush=True)
    for name, series, facts in (
        ("down", evidence.download, verdict.facts.download),
        ("up", evidence.upload, verdict.facts.upload),
    ):
        if series is not None:
            arms = Counter(f"{t.phase}:{t.arm}" for t in series.trials)
            lag = max((t.transfer.loop_lag_seconds for t in series.trials), default=0.0)
            counted = " ".join(f"{arm} {count}" for arm, count in arms.items())
            print(f"    {name} {series.num_bytes // 1024} KB: {figures(facts)}; lag {lag * 1e3:.0f} ms; {counted}")
    if keep is not None:
        store(evidence, target.id, keep)


def store(evidence: Evidence, target: str, keep: Path) -> None:
    keep.mkdir(exist_ok=True)
    (keep / f"{target}-{len(list(keep.iterdir()))}.json").write_bytes(msgspec.json.encode(evidence))


async def inside(arguments: argparse.Namespace) -> None:
    targets = config.load(Path(arguments.inside))
    wanted = [t for t in targets.targets if t.media.download and (not arguments.targets or t.id in arguments.targets)]
    async with Session(random=Random(arguments.seed)) as session:
        for _ in range(arguments.repeat):
            for target in wanted:
                media = target.media
                if arguments.only == "down":
                    media = replace(media, upload=())
                if arguments.only == "up":
                    media = replace(media, download=())
                keep = Path(arguments.keep) if arguments.keep else None
                await measure(session, targets, replace(target, media=media), arguments.seconds, keep)


def rule_of(word: str) -> CensorRule:
    """`police:down:birdnet.test:140e3`, `shape:both:198.18.10.2:1e6`, `freeze:down:birdnet.test:16000`,
    `police:both:*:400e3`; a policer's burst in bytes may follow, as in `police:down:birdnet.test:5e6:60000`."""
    kind, way, subject, value, *burst = word.split(":")
    ways = {"down": (Way.DOWN,), "up": (Way.UP,), "both": (Way.UP, Way.DOWN)}[way]
    amount = float(value)
    action: Action = Police(rate_bps=amount, directions=ways)
    if burst:
        action = Police(rate_bps=amount, burst_bytes=int(burst[0]), directions=ways)
    if kind == "shape":
        action = Shape(rate_bps=amount, directions=ways)
    elif kind == "freeze":
        action = Freeze(after_bytes=int(amount), direction=ways[0])
    when: Matcher = Sni(pattern=named(subject))
    if subject == "*":
        when = Everything()
    elif subject[0].isdigit():
        when = ToAddress(addresses=(subject,))
    return CensorRule(when=when, do=action)


def outside(arguments: argparse.Namespace) -> int:
    world = small_internet(
        media_pacing_bps=arguments.media_pacing,
        control_pacing_bps=arguments.control_pacing,
        everyone_strict=arguments.everyone_strict,
        controls_strict=arguments.controls_strict,
    )
    rules = [rule_of(word) for word in arguments.rule]
    with Lab(profile=PROFILES[arguments.line], world=world, rules=rules, seed=arguments.seed) as lab:
        passed = ["--repeat", str(arguments.repeat), "--seconds", str(arguments.seconds), "--seed", str(arguments.seed)]
        passed += ["--only", arguments.only, "--keep", arguments.keep, "--targets", *arguments.targets]
        argv = [sys.executable, "-m", "benchmarks.goodput_in_lab", "--inside", str(lab.targets_path), *passed]
        done = lab.run(argv, timeout=arguments.timeout)
        print(done.stdout, end="")
        print(done.stderr, end="", file=sys.stderr)
        return done.returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inside", default="")
    parser.add_argument("--line", default="home")
    parser.add_argument("--rule", action="append", default=[])
    parser.add_argument("--targets", nargs="*", default=[])
    parser.add_argument("--only", default="", choices=("", "down", "up"))
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=66.0)
    parser.add_argument("--timeout", type=float, default=170.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", default="")
    parser.add_argument("--media-pacing", type=float)
    parser.add_argument("--control-pacing", type=float)
    parser.add_argument("--everyone-strict", action="store_true")
    parser.add_argument("--controls-strict", action="store_true")
    arguments = parser.parse_args()
    if arguments.inside:
        asyncio.run(inside(arguments))
        return 0
    return outside(arguments)


if __name__ == "__main__":
    sys.exit(main())
