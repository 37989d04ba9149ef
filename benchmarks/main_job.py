"""What does the main job cost: ten demos, twenty healthy targets, memory, and the start of the command?

Run as `python -m benchmarks.main_job`; prints Markdown rows and exits 1 when a bound of docs/benchmarks.md is broken.
"""

import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass, replace

from probe import records
from probe.lab.path import HOME
from probe.lab.session import Lab
from probe.lab.world import Host, Platform, Role, World, small_internet
from probe.model.results import State
from probe.registry import EVIDENCE_TYPES

DEMOS = 10
DEMO_MAX_SECONDS = 90.0  # the measuring itself
HEALTHY_TARGETS = 20
HEALTHY_MAX_SECONDS = 15.0  # without goodput, 40 ms
MEMORY_MAX_MB = 120.0
HELP_MAX_CPU_SECONDS = 0.3
# Reports the peak memory of the command itself: the interpreter that runs it is its own child's measure.
PEAK = (
    "import resource, subprocess, sys;"
    "code = subprocess.run(sys.argv[1:]).returncode;"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr);"
    "sys.exit(code)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    what: str
    measured: str
    bound: str
    kept: bool


def many_sites(count: int) -> World:
    """The small internet with `count` platforms that have a site alone."""
    hosts = [Host(name=f"site{n}.test", address=f"198.18.{30 + n}.1", role=Role.WEB) for n in range(count)]
    platforms = tuple(
        Platform(id=f"site{n}", name=f"Site {n}", category="other", hosts=(host,)) for n, host in enumerate(hosts)
    )
    return replace(small_internet(), platforms=platforms)


def help_cpu_seconds() -> float:
    """The least of five starts, since noise only adds."""
    spent = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "probe", "--help"], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent)


def run_many(*arguments: str) -> tuple[float, float, bool]:
    """Seconds, peak memory in MB, and whether every target was ok, of one run over twenty sites."""
    with Lab(profile=HOME, world=many_sites(HEALTHY_TARGETS)) as lab:
        command = [sys.executable, "-c", PEAK, sys.executable, "-m", "probe", "run", "--yes", "--no-store"]
        done = lab.run([*command, "--targets", str(lab.targets_path), "--format", "json", *arguments], timeout=300)
    report = records.decode(done.stdout, EVIDENCE_TYPES)
    peak_mb = int(done.stderr.split()[-1]) / 1024
    return report.duration_seconds, peak_mb, all(t.verdict.state is State.OK for t in report.targets)


def demos() -> tuple[int, float]:
    """How many of ten demos were right in everything, and the longest one's seconds, the lab included."""
    right, longest = 0, 0.0
    for number in range(DEMOS):
        began = time.monotonic()
        done = subprocess.run([sys.executable, "-m", "probe", "demo"], capture_output=True, text=True, check=False)
        longest = max(longest, time.monotonic() - began)
        right += done.returncode == 0
        print(f"demo {number + 1}: exit {done.returncode}, {done.stdout.strip().splitlines()[-1:]}", file=sys.stderr)
    return right, longest


def main() -> int:
    cpu = help_cpu_seconds()
    seconds, peak_mb, all_ok = run_many("--checks", "dns,reach,tls,http")
    right, longest = demos()
    rows = (
        Row(
            what="`throttleprobe --help`, CPU",
            measured=f"{cpu:.2f} s",
            bound="≤ 0.3 s",
            kept=cpu <= HELP_MAX_CPU_SECONDS,
        ),
        Row(
            what="20 healthy targets without goodput, 40 ms",
            measured=f"{seconds:.1f} s, all ok: {all_ok}",
            bound="≤ 15 s",
            kept=seconds <= HEALTHY_MAX_SECONDS and all_ok,
        ),
        Row(what="… peak memory", measured=f"{peak_mb:.0f} MB", bound="≤ 120 MB", kept=peak_mb <= MEMORY_MAX_MB),
        Row(
            what="demos with all six verdicts right",
            measured=f"{right} of {DEMOS}",
            bound="10 of 10",
            kept=right == DEMOS,
        ),
        Row(
            what="… the longest one, lab included",
            measured=f"{longest:.0f} s",
            bound="≤ 90 s",
            kept=longest <= DEMO_MAX_SECONDS,
        ),
    )
    for row in rows:
        print(f"| {row.what} | {row.measured} | {row.bound} | {'kept' if row.kept else 'BROKEN'} |")
    return 0 if all(row.kept for row in rows) else 1


if __name__ == "__main__":
    os.environ.pop("THROTTLEPROBE_STATE", None)
    sys.exit(main())
