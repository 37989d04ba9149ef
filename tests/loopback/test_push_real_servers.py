"""Do Prometheus and VictoriaMetrics hold afterwards what was measured: every sample, once, at its own time?"""

import asyncio
import math
import random
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.loopback.real_servers import NOTHING_SCRAPED, Server, prometheus, victoria_metrics
from tests.push_receiver import Told

ROOT = Path(__file__).parents[2]
RUN_GAP_MS = 6 * 3_600_000  # as the schedule has it
MAX_AGE_MS = 25 * 24 * 3_600_000  # within the window for late samples of the Prometheus that is started here
TARGETS = 20
STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0_0000_0000_0002))[0]
DEDUPLICATING = ("-dedup.minScrapeInterval=1ms",)  # as docs/push.md asks for

Places = Mapping[tuple[str, ...], Sequence[tuple[int, float]]]


@pytest.fixture(params=["prometheus", "victoria-metrics"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    if request.param == "prometheus":
        with prometheus(tmp_path / "server") as running:
            yield running
    else:
        with victoria_metrics(tmp_path / "server", flags=DEDUPLICATING) as running:
            yield running


def now_ms() -> int:
    return int(time.time() * 1000)


def last_run_ms() -> int:
    """A minute ago: VictoriaMetrics' functions leave out what came within its last second or two."""
    return now_ms() - 60_000


def run_of(number: int, newest: int, end_ms: int) -> list[Told]:
    """What a run of twenty targets gives: the last of `newest` + 1 runs ended at `end_ms`, the others before it."""
    at = end_ms - (newest - number) * min(RUN_GAP_MS, MAX_AGE_MS // max(1, newest))
    samples = [
        Told(
            name="throttleprobe_verdict",
            value=float(state == number % 3),
            timestamp_ms=at - target * 20_000,
            labels=(("target", f"target-{target}"), ("state", ("ok", "throttled", "blocked")[state])),
        )
        for target in range(TARGETS)
        for state in range(3)
    ]
    samples += [
        Told(
            name="throttleprobe_goodput_bytes_per_second",
            value=100_000.0 * target + number,
            timestamp_ms=at - target * 20_000,
            labels=(("target", f"target-{target}"), ("direction", "download")),
        )
        for target in range(TARGETS)
    ]
    return [*samples, Told(name="throttleprobe_runs_total", value=float(number), timestamp_ms=at)]


def wanted(runs: Sequence[Sequence[Told]]) -> dict[tuple[str, ...], list[tuple[int, float]]]:
    found: dict[tuple[str, ...], list[tuple[int, float]]] = {}
    for sample in sorted((s for run in runs for s in run), key=lambda s: s.timestamp_ms):
        key = (sample.name, *(f"{k}={v}" for k, v in sorted(sample.labels)))
        found.setdefault(key, []).append((sample.timestamp_ms, sample.value))
    return found


NAMES = ("throttleprobe_verdict", "throttleprobe_goodput_bytes_per_second", "throttleprobe_runs_total")


def show_all(server: Server) -> None:
    """VictoriaMetrics shows what it took a second later, and remembers for ten that there was nothing before."""
    if server.argv[0] == "victoria-metrics":
        server.get("/internal/force_flush")


def stored(server: Server, at_ms: int) -> dict[tuple[str, ...], list[tuple[int, float]]]:
    """Every sample the server has of ours, as its query interface gives raw samples."""
    found: dict[tuple[str, ...], list[tuple[int, float]]] = {}
    for name in NAMES:
        answer = server.get_json("/api/v1/query", query=f"{name}[60d]", time=str(at_ms / 1000 + 1))
        for series in answer["data"]["result"]:
            labels = dict(series["metric"])
            assert labels.pop("job") == "throttleprobe"
            assert labels.pop("instance") == "kiosk-7"
            key = (labels.pop("__name__"), *(f"{k}={v}" for k, v in sorted(labels.items())))
            found[key] = [(round(at * 1000), float(value)) for at, value in series["values"]]
    return found


def counted(server: Server, at_ms: int) -> int:
    """How many samples the server itself counts. Name by name: a search by pattern shows new series only later."""
    total = 0
    for name in NAMES:
        query = f"sum(count_over_time({name}[60d]))"
        (result,) = server.get_json("/api/v1/query", query=query, time=str(at_ms / 1000 + 1))["data"]["result"]
        total += int(result["value"][1])
    return total


SENDING = """
import asyncio, json, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from probe.config.watch_file import RemoteWrite
from probe.push.pusher import Pusher
from probe.push.sender import Pace
from tests.loopback.test_push_real_servers import run_of

async def main(url, spool, first, runs, end_ms):
    pusher = Pusher(
        [RemoteWrite(name="lab", url=url)], Path(spool), instance="kiosk-7", now=lambda: datetime.now(UTC),
        random=Random(), tell=lambda event: print(event.text, file=sys.stderr, flush=True),
        count_bytes=lambda n: None, pace=Pace(first_seconds=0.01, most_seconds=0.05, put_right_seconds=0.05),
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    task = asyncio.create_task(pusher.run(stop))
    for number in range(first, runs):
        await asyncio.to_thread(pusher.enqueue, f"run-{number}", run_of(number, runs - 1, end_ms))
        print(number, flush=True)
        await asyncio.sleep(0.005)
    while (await asyncio.to_thread(pusher.status))[0].pending_samples:
        await asyncio.sleep(0.01)
    stop.set()
    await task
    pusher.close()
    print("done", flush=True)

url, spool, first, runs, end_ms = sys.argv[1:]
asyncio.run(main(url, spool, int(first), int(runs), int(end_ms)))
"""


class Probe:
    """A process of its own that pushes run after run, going on where the one before it was."""

    def __init__(self, server: Server, spool: Path, runs: int, end_ms: int, first: int) -> None:
        argv = [f"{server.url}/api/v1/write", str(spool), str(first), str(runs), str(end_ms)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", SENDING, *argv], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT
        )

    def lines(self) -> list[str]:
        assert self.process.stdout is not None
        with self.process.stdout:
            found = self.process.stdout.read().decode().split()
        self.process.wait()
        return found

    def kill_after(self, seconds: float) -> list[str]:
        """Once it has begun."""
        assert self.process.stdout is not None
        begun = self.process.stdout.readline().decode().split()
        time.sleep(seconds)
        self.process.send_signal(signal.SIGKILL)
        return [*begun, *self.lines()]


def pushed(server: Server, spool: Path, runs: int, end_ms: int, first: int = 0) -> None:
    probe = Probe(server, spool, runs, end_ms, first)
    assert probe.lines()[-1] == "done"
    assert probe.process.returncode == 0


def assert_all_there(server: Server, runs: int, end_ms: int) -> None:
    sent = wanted([run_of(number, runs - 1, end_ms) for number in range(runs)])
    show_all(server)
    assert stored(server, end_ms) == sent
    assert counted(server, end_ms) == sum(map(len, sent.values()))


def test_every_sample_is_there_once_at_its_own_time(server: Server, tmp_path: Path) -> None:
    end_ms = last_run_ms()
    pushed(server, tmp_path / "push.sqlite3", 12, end_ms)
    assert_all_there(server, 12, end_ms)


def test_a_receiver_that_is_down_for_a_while_gets_everything(server: Server, tmp_path: Path) -> None:
    """Three days of runs, of which the receiver is away for the last two. Prometheus does not even end in order;
    VictoriaMetrics does, since it keeps the last seconds of what it took in memory alone."""
    end_ms = last_run_ms()
    pushed(server, tmp_path / "push.sqlite3", 4, end_ms - 8 * RUN_GAP_MS)
    if server.argv[0] == "prometheus":
        server.kill()
    else:
        server.stop()
    probe = Probe(server, tmp_path / "push.sqlite3", 12, end_ms, 4)
    assert probe.process.stdout is not None
    while probe.process.stdout.readline() != b"11\n":
        pass
    server.start()
    assert probe.lines() == ["done"]
    assert_all_there(server, 12, end_ms)


@pytest.mark.timeout(120)
def test_killed_at_random_times_nothing_is_lost_or_doubled(server: Server, tmp_path: Path) -> None:
    end_ms, runs, chance = last_run_ms(), 40, random.Random(7)
    first = kills = 0
    while kills < 5:
        lines = Probe(server, tmp_path / "push.sqlite3", runs, end_ms, first).kill_after(chance.uniform(0, 0.25))
        kills += 1
        if "done" in lines:
            break
        # the run that was being added when it was killed is offered again, as after a restart
        first = max([first, *(int(line) for line in lines if line.isdigit())])
    pushed(server, tmp_path / "push.sqlite3", runs, end_ms, first)
    assert_all_there(server, runs, end_ms)


def test_a_stale_marker_ends_a_series(server: Server, tmp_path: Path) -> None:
    from datetime import UTC, datetime
    from random import Random

    from probe.config.watch_file import RemoteWrite
    from probe.push.pusher import Pusher

    async def push(runs: Sequence[Sequence[Told]]) -> None:
        pusher = Pusher(
            [RemoteWrite(name="lab", url=f"{server.url}/api/v1/write")],
            tmp_path / "push.sqlite3",
            instance="kiosk-7",
            now=lambda: datetime.now(UTC),
            random=Random(),
            tell=lambda event: pytest.fail(event.text),
            count_bytes=lambda num_bytes: None,
        )
        stop = asyncio.Event()
        task = asyncio.create_task(pusher.run(stop))
        for number, run in enumerate(runs):
            await asyncio.to_thread(pusher.enqueue, str(number), run)
        while (await asyncio.to_thread(pusher.status))[0].pending_samples:
            await asyncio.sleep(0.01)
        stop.set()
        await task
        pusher.close()

    at = now_ms() - 60_000
    labels = (("target", "x"), ("mechanism", "tls.reset"))
    name = "throttleprobe_mechanism_info"
    there = Told(name=name, value=1.0, timestamp_ms=at, labels=labels)
    gone = Told(name=name, value=STALE, timestamp_ms=at + 30_000, labels=labels)
    assert math.isnan(gone.value)
    asyncio.run(push([[there], [gone]]))

    def instant(at_ms: int) -> list[object]:
        result = server.get_json("/api/v1/query", query=name, time=str(at_ms / 1000))["data"]["result"]
        return list(result)

    show_all(server)
    assert len(instant(at + 20_000)) == 1
    assert instant(at + 40_000) == []


def test_a_stock_prometheus_refuses_late_samples_and_goes_on(tmp_path: Path) -> None:
    """Why docs/push.md asks for `out_of_order_time_window`: what is late is refused without it."""
    end_ms = last_run_ms()
    with prometheus(tmp_path / "server", NOTHING_SCRAPED) as server:
        pushed(server, tmp_path / "now.sqlite3", 1, end_ms)
        pushed(server, tmp_path / "late.sqlite3", 3, end_ms - 2 * RUN_GAP_MS)
        assert stored(server, end_ms) == wanted([run_of(0, 0, end_ms)])
