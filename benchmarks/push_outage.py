"""How large does the spool get while the receiver is away, and how long does delivery take when it is back?

    python -m benchmarks.push_outage [DAYS…]

Four runs a day of twenty targets, through the real metrics, to a real Prometheus on loopback; it must hold every
sample afterwards. A day and thirty days by default.
"""

import asyncio
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from probe.config.watch_file import RemoteWrite
from probe.metrics import Metrics
from probe.model.results import Measurement, Report
from probe.push.pusher import Pusher
from tests.loopback.real_servers import Server, prometheus
from tests.reports import twenty_targets

RUNS_A_DAY = 4


def run_at(report: Report, number: int, at: datetime) -> Report:
    """The same report as if it had been made at another time."""
    moment = at.isoformat().replace("+00:00", "Z")

    def moved(measurement: Measurement) -> Measurement:
        return replace(measurement, started_at=moment)

    targets = tuple(replace(t, measurements=tuple(map(moved, t.measurements))) for t in report.targets)
    return replace(report, id=f"run-{number}", started_at=moment, targets=targets)


def megabytes(directory: Path) -> float:
    return sum(file.stat().st_size for file in directory.iterdir()) / 1e6


async def outage(server: Server, directory: Path, days: int) -> int:
    """Tells the figures; returns how many samples there were."""
    moved_bytes = samples = 0

    def count(num_bytes: int) -> None:
        nonlocal moved_bytes
        moved_bytes += num_bytes

    pusher = Pusher(
        [RemoteWrite(name="lab", url=f"{server.url}/api/v1/write")],
        directory / "spool.sqlite3",
        instance="kiosk-7",
        now=lambda: datetime.now(UTC),
        random=Random(),
        tell=lambda event: print(event.text),
        count_bytes=count,
    )
    metrics, report, runs = Metrics(), twenty_targets(), days * RUNS_A_DAY
    metrics.set_targets([target.id for target in report.targets])
    end = datetime.now(UTC)
    for number in range(runs):
        metrics.observe(run_at(report, number, end - timedelta(days=1) / RUNS_A_DAY * (runs - number)))
        found = metrics.samples()
        samples += len(found)
        pusher.enqueue(f"run-{number}", found)
    print(f"{days} days: {runs} runs, {samples} samples, {megabytes(directory):.2f} MB on the disk", flush=True)
    stop, began, processor = asyncio.Event(), time.monotonic(), time.process_time()
    sending = asyncio.create_task(pusher.run(stop))
    assert await pusher.drained(600)
    seconds, busy = time.monotonic() - began, time.process_time() - processor
    print(f"  delivered in {seconds:.1f} s ({busy:.2f} s of processor), {moved_bytes / runs / 1e3:.1f} KB a run")
    stop.set()
    await sending
    pusher.close()
    print(f"  {megabytes(directory):.2f} MB on the disk afterwards", flush=True)
    return samples


def held(server: Server) -> int:
    """How many samples of ours the server counts."""
    total = 0
    for name in server.get_json("/api/v1/label/__name__/values")["data"]:
        query = f'sum(count_over_time({{__name__="{name}",job="throttleprobe"}}[60d]))'
        (result,) = server.get_json("/api/v1/query", query=query)["data"]["result"]
        total += int(result["value"][1])
    return total


def main() -> None:
    for days in [int(word) for word in sys.argv[1:]] or [1, 30]:
        with tempfile.TemporaryDirectory() as place, prometheus(Path(place) / "server") as server:
            directory = Path(place) / "state"
            directory.mkdir()
            samples = asyncio.run(outage(server, directory, days))
            found = held(server)
            print(f"  Prometheus holds {found} of {samples} samples", flush=True)
            assert found == samples


if __name__ == "__main__":
    main()
