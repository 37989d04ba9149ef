"""Everything that `make bench` measures, one program after the other; its figures belong into docs/benchmarks.md."""

import subprocess
import sys

PROGRAMS = (
    "benchmarks.client_vs_curl",
    "benchmarks.main_job",
    "benchmarks.simulation",
    "benchmarks.goodput_in_lab",
    "benchmarks.hops_in_lab",
    "benchmarks.forwarder",
)


def main() -> int:
    codes = {program: subprocess.run([sys.executable, "-m", program], check=False).returncode for program in PROGRAMS}
    for program, code in codes.items():
        print(f"{program}: exit {code}", file=sys.stderr)
    return max(codes.values())


if __name__ == "__main__":
    sys.exit(main())
