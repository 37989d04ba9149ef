"""Everything that `make bench` measures, one program after the other; its figures belong into docs/benchmarks.md."""

import subprocess
import sys

PROGRAMS = (
    "benchmarks.client_vs_curl",
    "benchmarks.main_job",
    "benchmarks.simulation",
    "benchmarks.past",
    "benchmarks.goodput_in_lab",
    "benchmarks.hops_in_lab",
    "benchmarks.forwarder",
    "benchmarks.metrics_scrape",
    "benchmarks.probe_vs_blackbox",
    "benchmarks.store_kills",
    "benchmarks.push_kills",
    "benchmarks.watch_month",
    "benchmarks.watch_kills",
    "benchmarks.push_outage",
)


def main() -> int:
    codes = {program: subprocess.run([sys.executable, "-m", program], check=False).returncode for program in PROGRAMS}
    for program, code in codes.items():
        print(f"{program}: exit {code}", file=sys.stderr)
    return max(codes.values())


if __name__ == "__main__":
    sys.exit(main())
