"""Do the small parts of `watch` keep their word: log, service manager, state directory, allowance, receivers?"""

import asyncio
import errno
import json
import logging
import os
import re
import socket
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from io import StringIO
from pathlib import Path
from random import Random

import pytest

from probe.config.watch_file import RemoteWrite
from probe.measuring import STORE_FILE
from probe.metrics import Sample, Skip
from probe.net.line import LineState
from probe.push.pusher import Pusher
from probe.registry import EVIDENCE_TYPES
from probe.store import Limits, Store, Window
from probe.watch import places
from probe.watch.allowance import PORTION_BYTES, ProbeAllowance, share_of_probes
from probe.watch.fitness import assess
from probe.watch.log import LogFormat, LogLevel, open_log
from probe.watch.notify import ServiceManager
from probe.watch.pushing import Pushing
from tests.simulated_watch import SimulatedClock

# The log


def test_a_line_is_one_event_in_logfmt() -> None:
    said = StringIO()
    log = open_log(LogFormat.LOGFMT, LogLevel.INFO, said).bind(run="r1")
    log.info("verdict", target="news", reason="two words\nand a line", seconds=1.23456, hop=None)
    (line,) = said.getvalue().splitlines()
    assert line.split(" ", 1)[1] == (
        'level=info event=verdict run=r1 target=news reason="two words\\nand a line" seconds=1.235 hop='
    )


def test_a_line_is_one_object_in_json() -> None:
    said = StringIO()
    open_log(LogFormat.JSON, LogLevel.INFO, said).warning("paused", reason="no_network")
    told = json.loads(said.getvalue())
    assert (told["event"], told["level"], told["reason"]) == ("paused", "warning", "no_network")
    assert told["timestamp"].endswith("Z")


def test_on_a_terminal_what_a_line_is_about_comes_before_its_figures() -> None:
    said = StringIO()
    log = open_log(LogFormat.CONSOLE, LogLevel.INFO, said).bind(run="r1")
    log.info("measured", target="news", check="dns", state="ok", bytes=200)
    assert said.getvalue().split()[-5:] == ["run=r1", "target=news", "check=dns", "state=ok", "bytes=200"]


def test_what_is_less_important_is_left_out() -> None:
    said = StringIO()
    log = open_log(LogFormat.CONSOLE, LogLevel.WARNING, said)
    log.info("no")
    log.error("yes")
    assert "no" not in said.getvalue()
    assert "yes" in said.getvalue()


@pytest.mark.parametrize("log_format", LogFormat)
def test_what_libraries_log_looks_the_same_and_credentials_are_taken_out(log_format: LogFormat) -> None:
    said = StringIO()
    open_log(log_format, LogLevel.INFO, said)
    logging.getLogger("asyncio").info("chatter")
    try:
        raise ValueError("https://me:hunter2@receiver.test/api failed, from 203.0.113.77")
    except ValueError:
        logging.getLogger("asyncio").exception("Task exception was never retrieved")
    text = said.getvalue()
    assert "chatter" not in text
    assert "hunter2" not in text
    assert "203.0.113.77" not in text
    assert "receiver.test" in text
    if log_format is not LogFormat.CONSOLE:
        assert len(text.splitlines()) == 1
        assert re.search(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z", text)
        assert "never retrieved" in text


# The service manager


def test_the_service_manager_is_told(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.setblocking(False)
        ours = ServiceManager({"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "30000000"})
        ours.ready()
        ours.status("waiting: until noon")
        ours.alive()
        ours.reloading()
        ours.stopping()
        told = [manager.recv(500).decode() for _ in range(5)]
    reloading = told.pop(3)
    assert told == ["READY=1", "STATUS=waiting: until noon", "WATCHDOG=1", "STOPPING=1"]
    assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=[0-9]+", reloading)
    assert ours.watchdog_seconds == 15.0


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NOTIFY_SOCKET": "/nowhere/at/all"},
        {"NOTIFY_SOCKET": "@nobody-listens-here"},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "x"},
        {"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "1"},
    ],
)
def test_without_a_manager_nothing_happens(environment: dict[str, str]) -> None:
    ours = ServiceManager(environment)
    ours.ready()
    assert ours.watchdog_seconds is None


# The state directory


def test_the_directory_that_was_asked_for_comes_first_then_the_managers(tmp_path: Path) -> None:
    assert places.state_directory(tmp_path, {"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}) == tmp_path
    assert places.state_directory(None, {"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}) == Path("/var/lib/a")
    assert places.state_directory(None, {}).name == "throttleprobe"


def test_a_second_watch_is_told_whom_the_directory_belongs_to(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from probe.watch.places import alone\n"
        "with alone(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    first = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    assert first.stdout.readline() == "held\n"
    with pytest.raises(places.AlreadyRunning, match=f"process {first.pid}"), places.alone(tmp_path):
        pass
    first.kill()
    first.communicate()
    with places.alone(tmp_path):  # a lock does not outlive its process
        assert (tmp_path / places.LOCK_FILE).read_text() == f"{os.getpid()}\n"


def test_no_room_for_the_number_of_the_process_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(os, "write", full)
        with places.alone(tmp_path), pytest.raises(places.AlreadyRunning, match="another watch uses"):
            places.alone(tmp_path).__enter__()


def test_a_link_in_the_place_of_the_lock_empties_nothing(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("a key")
    (tmp_path / places.LOCK_FILE).symlink_to(precious)
    with pytest.raises(OSError, match="symbolic links"), places.alone(tmp_path):
        pass
    assert precious.read_text() == "a key"


def test_an_id_is_drawn_once_and_kept(tmp_path: Path) -> None:
    drawn = places.instance_id(tmp_path, Random(3))
    assert drawn.startswith("vp-")
    assert places.instance_id(tmp_path, Random(4)) == drawn
    (tmp_path / places.INSTANCE_FILE).write_bytes(b"\xff garbage")
    assert places.instance_id(tmp_path, Random(4)) != drawn
    assert socket.gethostname() not in drawn


# Bytes for probes


def allowance(directory: Path, limits: Limits) -> tuple[Store, ProbeAllowance, list[str]]:
    clock, said = SimulatedClock(), list[str]()
    store = Store.open(directory / STORE_FILE, evidence_types=EVIDENCE_TYPES, now=lambda: clock.wall)
    made = ProbeAllowance(store, clock=clock, random=Random(1), limits=lambda: limits, say=said.append)
    return store, made, said


async def test_probes_are_counted_and_what_they_did_not_move_is_given_back(tmp_path: Path) -> None:
    store, made, said = allowance(tmp_path, Limits(run=10**8, day=10**8, month=10**8))
    for _ in range(30):
        taken = await made.take(100_000)
        assert taken is not None
        await made.give_back(taken, 60_000)
    await made.close()
    assert store.used_bytes(Window.DAY) == 30 * 40_000
    assert not said
    store.close()


async def test_no_probe_goes_beyond_the_budget(tmp_path: Path) -> None:
    limit = PORTION_BYTES * 2 + 250_000
    store, made, _ = allowance(tmp_path, Limits(run=10**8, day=limit, month=10**8))
    taken = 0
    for _ in range(40):
        taken += 100_000 if await made.take(100_000) else 0
    assert limit - 100_000 * 3 <= taken <= limit
    assert not await made.take(100_000)
    await made.close()
    assert store.used_bytes(Window.DAY) == taken
    store.close()


async def test_bytes_of_a_probe_over_midnight_count_for_both_days(tmp_path: Path) -> None:
    clock, said = SimulatedClock(), list[str]()
    store = Store.open(tmp_path / STORE_FILE, evidence_types=EVIDENCE_TYPES, now=lambda: clock.wall)
    limits = Limits(run=10**8, day=10**8, month=10**8)
    made = ProbeAllowance(store, clock=clock, random=Random(1), limits=lambda: limits, say=said.append)
    ended, going_on = await made.take(50_000), await made.take(100_000)
    assert ended is not None
    assert going_on is not None
    await made.give_back(ended, 30_000)
    clock.jump(timedelta(days=1))
    later = await made.take(10_000)
    assert later is not None
    await made.give_back(going_on, 90_000)  # its portion is settled: nothing is opened again
    await made.give_back(later, 4_000)
    await made.close()
    assert store.used_bytes(Window.DAY) == 100_000 + 6_000
    assert store.used_bytes(Window.MONTH) == 120_000 + 100_000 + 6_000
    assert not said
    store.close()


async def test_probes_leave_half_of_the_budget_to_runs(tmp_path: Path) -> None:
    limits = Limits(run=10**8, day=10_000_000, month=10**8)
    store, made, _ = allowance(tmp_path, share_of_probes(limits))
    taken = 0
    for _ in range(60):
        taken += 190_000 if await made.take(190_000) else 0
    await made.close()
    assert 4_000_000 < taken <= 5_000_000
    assert store.reserve("run", 10**8, limits) == 10_000_000 - taken
    store.close()


# Receivers


class RecordedPusher:
    """Stands for `Pusher`."""

    def __init__(self, receivers: Sequence[RemoteWrite], instance: str) -> None:
        self.instance = instance
        self.names = [receiver.name for receiver in receivers]
        self.enqueued: list[str] = []
        self.closed = False

    def enqueue(self, run_id: str, samples: Sequence[Sample]) -> None:
        assert not self.closed
        self.enqueued.append(run_id)

    def status(self) -> tuple[str, ...]:
        return tuple(self.names)

    async def run(self, stop: asyncio.Event) -> None:
        await stop.wait()

    def close(self) -> None:
        self.closed = True


async def test_receivers_change_without_a_restart() -> None:
    made: list[RecordedPusher] = []

    def make(receivers: Sequence[RemoteWrite], instance: str) -> Pusher:
        made.append(RecordedPusher(receivers, instance))
        return made[-1]  # type: ignore[return-value]

    one, two = (RemoteWrite(name=name, url=f"https://{name}.test/write") for name in ("one", "two"))
    pushing, stop = Pushing(make, [one], "attic"), asyncio.Event()
    running = asyncio.create_task(pushing.run(stop))
    await asyncio.sleep(0)
    pushing.enqueue("first", ())
    pushing.use([one], "attic")
    pushing.use([one, two], "cellar")
    while len(made) < 2:
        await asyncio.sleep(0.001)
    pushing.enqueue("second", ())
    assert [str(status) for status in pushing.status()] == ["one", "two"]
    stop.set()
    await running
    assert [(p.instance, p.enqueued, p.closed) for p in made] == [
        ("attic", ["first"], True), ("cellar", ["second"], True),
    ]  # fmt: skip


# The line


def test_what_a_line_allows() -> None:
    free = assess(LineState(network=True, metered=None))
    assert (free.left_out, free.unfit, free.only_busy) == ((), "", False)
    assert assess(LineState(network=True, busy=True)).only_busy
    both = assess(LineState(network=True, metered=True, proxy=True, busy=True))
    assert both.left_out == (Skip.METERED, Skip.VPN, Skip.BUSY_LINE)
    assert both.vpn
    assert not both.only_busy
    assert "metered" in both.unfit
