"""Is any sample lost or doubled when the process that pushes is killed a hundred times, at random?

    python -m benchmarks.push_kills [KILLS]

Against a real Prometheus and a real VictoriaMetrics on loopback; afterwards every series of each is read back and
compared with what was measured, sample by sample. A suite's worth of it is in tests/loopback/test_push_real_servers.py.
"""

import random
import sys
import tempfile
from pathlib import Path

from tests.loopback.real_servers import Server, prometheus, victoria_metrics
from tests.loopback.test_push_real_servers import DEDUPLICATING, Probe, assert_all_there, now_ms, pushed

RUNS = 3_000  # more than are sent between a hundred kills
MOST_SECONDS = 0.4  # that a process lives after its first run


def killed(server: Server, spool: Path, kills: int) -> int:
    """Push `RUNS` runs with so many kills on the way; returns how many there were."""
    end_ms, chance, first, done = now_ms(), random.Random(), 0, 0
    while done < kills and first < RUNS - 1:
        lines = Probe(server, spool, RUNS, end_ms, first).kill_after(chance.uniform(0, MOST_SECONDS))
        first = max([first, *(int(line) for line in lines if line.isdigit())])
        done += 1
    print(f"{server.argv[0]}: killed {done} times, at run {first} of {RUNS}", flush=True)
    pushed(server, spool, RUNS, end_ms, first)
    assert_all_there(server, RUNS, end_ms)
    return done


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        with prometheus(place / "prometheus") as server:
            done = killed(server, place / "one.sqlite3", kills)
            print(f"Prometheus: {done} kills, nothing lost, nothing doubled", flush=True)
        with victoria_metrics(place / "victoria", flags=DEDUPLICATING) as server:
            done = killed(server, place / "two.sqlite3", kills)
            print(f"VictoriaMetrics: {done} kills, nothing lost, nothing doubled", flush=True)


if __name__ == "__main__":
    main()
