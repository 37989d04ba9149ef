"""What do curl and blackbox_exporter, Debian's packages, say on the same paths?

Their verdicts as people use them: one download of the target beside one of a control (`single ratio`), and
`probe_success`.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rivals.rules import PLAIN_RATIO, Answer
from probe.lab.scenarios.base import Setup
from probe.lab.session import Lab
from probe.lab.world import Platform, Role

SAMPLE_BYTES = 256 * 1024
RUN_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Of one target, by one program."""

    program: str
    answer: Answer
    num_bytes: float
    seconds: float


def ask(setup: Setup, target: str, seed: int) -> tuple[Said, ...]:
    """Both programs' answers for one target of a scenario."""
    platform = next(p for p in setup.world.platforms if p.id == target)
    control = f"https://{setup.world.operators[0].media.name}/__down?bytes={SAMPLE_BYTES}"
    with Lab(profile=setup.profile, world=setup.world, rules=setup.rules, seed=seed) as lab:
        words: list[str | Path] = [sys.executable, Path(__file__).with_name("inside.py"), _url(platform), control]
        done = lab.run(words, timeout=RUN_SECONDS)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found = json.loads(done.stdout)
    return _curl(found["target"], found["control"]), _blackbox(found["blackbox"])


def _url(platform: Platform) -> str:
    media = [h.name for h in platform.hosts if h.role is Role.MEDIA]
    return f"https://{media[0]}/media/1.bin?bytes={SAMPLE_BYTES}" if media else f"https://{platform.hosts[0].name}/"


def _curl(target: dict[str, float], control: dict[str, float]) -> Said:
    answer = Answer.ABSTAINS
    if control["bps"] > 0:
        answer = Answer.ACCUSES if target["bps"] / control["bps"] <= PLAIN_RATIO else Answer.CLEARS
    return Said(
        program="curl, twice",
        answer=answer,
        num_bytes=target["bytes"] + control["bytes"],
        seconds=target["seconds"] + control["seconds"],
    )


def _blackbox(found: dict[str, float]) -> Said:
    return Said(
        program="blackbox_exporter, http_2xx",
        answer=Answer.CLEARS if found["success"] else Answer.ACCUSES,
        num_bytes=found["bytes"],
        seconds=found["seconds"],
    )
