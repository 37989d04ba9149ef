"""Is goodput alone on the machine, over processes, however they end?"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from probe.store import line_lock
from probe.store.file_lock import FileLock, is_held
from probe.store.line_lock import LineBusyError, OwnLine, SharedLine, line_files

ROOT = Path(__file__).parents[2]
PATIENT_SECONDS = 50.0

HOLDER = """
import sys, time
from pathlib import Path
from probe.store import line_lock
from probe.store.file_lock import FileLock

lock = FileLock(Path(sys.argv[1]))
assert lock.try_take()
print("held", flush=True)
sys.stdin.read()
"""

# Writes when it has the line and when it gives it back; two of them at once would be seen in the order of the lines.
MEASURER = """
import asyncio, sys
from pathlib import Path
from probe.store.line_lock import SharedLine

async def main():
    line = SharedLine([Path(p) for p in sys.argv[3:]])
    with open(sys.argv[2], "a", buffering=1) as log:
        for _ in range(8):
            async with line.exclusive(50):
                log.write(f"{sys.argv[1]} begins\\n")
                await asyncio.sleep(0.02)
                log.write(f"{sys.argv[1]} ends\\n")

print("ready", flush=True)
sys.stdin.readline()
asyncio.run(main())
"""


def started(program: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_processes_never_have_the_line_at_once_and_take_turns(tmp_path: Path) -> None:
    log = tmp_path / "log"
    files = [str(tmp_path / "one"), str(tmp_path / "two")]
    processes = [started(MEASURER, name, str(log), *files) for name in ("run", "watch")]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        with process:
            process.communicate()
        assert process.returncode == 0
    lines = log.read_text().splitlines()
    assert len(lines) == 32
    for first, second in zip(lines[::2], lines[1::2], strict=True):
        assert (first.split()[1], second.split()[1]) == ("begins", "ends")
        assert first.split()[0] == second.split()[0]
    had = [line.split()[0] for line in lines[::2]]
    assert longest(had) < 8  # nobody had it all the time while the other one waited


def longest(turns: Sequence[str]) -> int:
    """How often one had its turn without a break."""
    most = count = 0
    for before, now in zip(("", *turns), turns, strict=False):
        count = count + 1 if now == before else 1
        most = max(most, count)
    return most


async def test_the_kernel_gives_it_back_when_its_holder_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "line"
    line = SharedLine([path])
    with started(HOLDER, str(path)) as process:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "held\n"
        assert is_held(path)
        with pytest.raises(LineBusyError):
            async with line.exclusive(0.2):
                pass
        process.kill()
        async with line.exclusive(PATIENT_SECONDS):
            assert is_held(path)
    assert not is_held(path)


async def test_waiting_ends_at_once_when_it_is_cancelled(tmp_path: Path) -> None:
    path = tmp_path / "line"
    holder = FileLock(path)
    assert holder.try_take()
    waiting = asyncio.create_task(_enter(SharedLine([path])))
    await asyncio.sleep(0.05)
    waiting.cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(waiting, return_exceptions=True)
    assert waiting.cancelled()
    holder.release()
    async with SharedLine([path]).exclusive(0.0):
        pass


async def _enter(line: SharedLine) -> None:
    async with line.exclusive(PATIENT_SECONDS):
        pass


async def test_the_loop_goes_on_while_one_waits(tmp_path: Path) -> None:
    holder = FileLock(tmp_path / "line")
    assert holder.try_take()
    waiting = asyncio.create_task(_enter(SharedLine([tmp_path / "line"])))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not waiting.done()
    holder.release()
    async with asyncio.timeout(5):
        await waiting


@pytest.mark.parametrize("shared", [False, True])
async def test_within_a_process_too(tmp_path: Path, shared: bool) -> None:
    line = SharedLine([tmp_path / "line"]) if shared else OwnLine()
    inside = most = 0

    async def measure() -> None:
        nonlocal inside, most
        async with line.exclusive(PATIENT_SECONDS):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.001)
            inside -= 1

    await asyncio.gather(*(measure() for _ in range(5)))
    assert most == 1


async def test_a_file_that_cannot_be_made_keeps_nobody_waiting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    async with SharedLine([tmp_path / "file" / "line"]).exclusive(1.0):
        pass


def test_a_run_without_a_store_shares_a_file_with_one_that_has_one(tmp_path: Path) -> None:
    without, beside = line_files(None), line_files(tmp_path / "results.sqlite3")
    assert set(without) < set(beside)
    assert [p.parent for p in beside if p not in without] == [tmp_path]


def test_every_network_namespace_is_a_line_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labs beside one another, each with an emulated line, must not wait for each other."""
    found = set()
    for name in ("one", "two"):
        (tmp_path / name).touch()
        monkeypatch.setattr(line_lock, "NETWORK_NAMESPACE", tmp_path / name)
        found |= set(line_files(None))
    assert len(found) == 2
    monkeypatch.setattr(line_lock, "NETWORK_NAMESPACE", tmp_path / "no such file")
    assert [p.name for p in line_files(None)] == ["line.lock"]
