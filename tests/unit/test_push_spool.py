"""Does the queue on the disk keep everything, once, in order, within its bounds, whatever the disk does?"""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from probe.push import spool as spool_module
from probe.push.remote_write import Batch
from probe.push.spool import Spool
from probe.store.errors import StoreError, StoreFull

NOW = datetime(2026, 3, 10, 7, tzinfo=UTC)
LIMITS = {"lab": 1_000_000}
ROOT = Path(__file__).parents[2]


class Opened:
    """Opens spools on one path, and hears what they say."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.said: list[str] = []

    def __call__(self, limits: dict[str, int] | None = None) -> Spool:
        return Spool(self.path, limits or LIMITS, now=lambda: NOW, notice=self.said.append)


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    return Opened(tmp_path / "push.sqlite3")


def requests(*bodies: bytes) -> list[Batch]:
    return [Batch(body=body, num_samples=10) for body in bodies]


def drained(spool: Spool, receiver: str = "lab") -> list[bytes]:
    found = []
    while (waiting := spool.next(receiver)) is not None:
        found.append(waiting.body)
        spool.delivered(receiver, waiting)
    return found


def test_what_is_added_comes_out_in_order_and_once(opened: Opened) -> None:
    with closing(opened()) as spool:
        assert spool.append("run-1", requests(b"a", b"b"))
        assert spool.append("run-2", requests(b"c"))
        assert drained(spool) == [b"a", b"b", b"c"]
        assert spool.next("lab") is None


def test_the_same_request_comes_again_until_it_is_settled(opened: Opened) -> None:
    with closing(opened()) as spool:
        spool.append("run-1", requests(b"a", b"b"))
        first = spool.next("lab")
        assert first == spool.next("lab")
        assert first is not None
        spool.delivered("lab", first)
        second = spool.next("lab")
        assert second is not None and second.body == b"b"


def test_a_run_is_added_once_even_after_it_was_delivered(opened: Opened) -> None:
    with closing(opened()) as spool:
        spool.append("run-1", requests(b"a"))
        assert not spool.append("run-1", requests(b"a"))
        assert drained(spool) == [b"a"]
    with closing(opened()) as spool:
        assert spool.knows("run-1")
        assert not spool.knows("run-2")
        assert not spool.append("run-1", requests(b"a"))
        assert spool.next("lab") is None


def test_only_the_latest_runs_are_remembered(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "KEEP_RUNS", 3)
    with closing(opened()) as spool:
        for number in range(5):
            spool.append(f"run-{number}", [])
        assert [number for number in range(5) if spool.knows(f"run-{number}")] == [2, 3, 4]


def test_each_receiver_has_its_own_place(opened: Opened) -> None:
    with closing(opened({"one": 1_000, "two": 1_000})) as spool:
        spool.append("run-1", requests(b"a", b"b"))
        assert drained(spool, "one") == [b"a", b"b"]
        assert drained(spool, "two") == [b"a", b"b"]
        assert spool.counts("one").pending_samples == spool.counts("two").pending_samples == 0


def test_counts_last_over_restarts(opened: Opened) -> None:
    with closing(opened()) as spool:
        spool.append("run-1", requests(b"aaa", b"bb", b"c"))
        for settle in (spool.delivered, spool.refused):
            waiting = spool.next("lab")
            assert waiting is not None
            settle("lab", waiting)
    with closing(opened()) as spool:
        counts = spool.counts("lab")
    assert (counts.pending_samples, counts.pending_bytes) == (10, 1)
    assert (counts.delivered_samples, counts.refused_samples, counts.dropped_samples) == (10, 10, 0)
    assert counts.last_success_ms == int(NOW.timestamp() * 1000)


def test_a_new_receiver_gets_what_comes_from_now_on(opened: Opened) -> None:
    with closing(opened({"one": 1_000})) as spool:
        spool.append("run-1", requests(b"a"))
    with closing(opened({"one": 1_000, "two": 1_000})) as spool:
        spool.append("run-2", requests(b"b"))
        assert drained(spool, "two") == [b"b"]
        assert drained(spool, "one") == [b"a", b"b"]


def test_what_waits_for_a_receiver_that_was_taken_out_is_dropped(opened: Opened) -> None:
    with closing(opened({"one": 1_000, "two": 1_000})) as spool:
        spool.append("run-1", requests(b"a"))
        drained(spool, "one")
    assert not opened.said
    with closing(opened({"one": 1_000})) as spool:
        spool.append("run-2", requests(b"b"))
        assert drained(spool, "one") == [b"b"]
    assert opened.said == ["10 samples that waited for two are dropped: it is not configured any more"]
    with closing(opened({"one": 1_000, "two": 1_000})) as spool:
        assert spool.next("two") is None
    with closing(sqlite3.connect(opened.path)) as file:
        assert file.execute("SELECT count(*) FROM batches").fetchone() == (0,)


def test_beyond_its_bound_the_oldest_goes_and_is_counted_and_said(opened: Opened) -> None:
    with closing(opened({"small": 250, "large": 10_000})) as spool:
        for number in range(5):
            spool.append(f"run-{number}", requests(bytes([number]) * 100))
        counts = spool.counts("small")
        assert (counts.pending_bytes, counts.dropped_samples) == (200, 30)
        assert [body[0] for body in drained(spool, "small")] == [3, 4]
        assert [body[0] for body in drained(spool, "large")] == [0, 1, 2, 3, 4]
    assert len([text for text in opened.said if "small" in text and "10 samples" in text]) == 3


def test_a_run_that_exceeds_the_bound_alone_keeps_its_latest_part(opened: Opened) -> None:
    with closing(opened({"small": 250})) as spool:
        spool.append("run-1", requests(b"a" * 100, b"b" * 100, b"c" * 100))
        assert [body[:1] for body in drained(spool, "small")] == [b"b", b"c"]


def test_a_request_dropped_on_its_way_is_no_other_ones_end(opened: Opened) -> None:
    with closing(opened({"small": 250})) as spool:
        spool.append("run-1", requests(b"a" * 200))
        on_its_way = spool.next("small")
        assert on_its_way is not None
        spool.append("run-2", requests(b"b" * 200))
        spool.delivered("small", on_its_way)
        assert [body[:1] for body in drained(spool, "small")] == [b"b"]


def test_the_file_gives_room_back_and_is_the_owners_alone(opened: Opened) -> None:
    limits = {"lab": 100_000_000}
    with closing(opened(limits)) as spool:
        for number in range(40):
            spool.append(f"run-{number}", requests(os.urandom(100_000)))
        drained(spool)
    assert opened.path.stat().st_size < 4096 * (spool_module.SPARE_PAGES + 100), "of four megabytes"
    assert opened.path.stat().st_mode & 0o777 == 0o600


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A directory that soon has no room: a file system of 1 MB in memory."""
    directory = Path(tempfile.mkdtemp())
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(directory)], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", str(directory)], check=True)
        directory.rmdir()


def test_a_full_disk_adds_nothing_and_loses_nothing(small_disk: Path) -> None:
    opened = Opened(small_disk / "push.sqlite3")
    (small_disk / "filling").write_bytes(bytes(400_000))
    with closing(opened({"lab": 100_000_000})) as spool:
        added = 0
        with pytest.raises(StoreFull):
            for number in range(100):
                spool.append(f"run-{number}", requests(os.urandom(20_000), os.urandom(20_000)))
                added += 2
        assert 2 < added < 50
        assert not spool.knows(f"run-{added // 2}"), "it may be offered again"
        with pytest.raises(OSError), (small_disk / "more").open("wb") as filling:
            while True:
                filling.write(bytes(4096))
                filling.flush()
        assert len(drained(spool)) == added, "sending goes on"
        assert spool.counts("lab").delivered_samples == added * 10
        (small_disk / "filling").unlink()
        assert spool.append("run-again", requests(b"a"))
        assert drained(spool) == [b"a"]
    with closing(opened({"lab": 100_000_000})) as spool:
        assert spool.next("lab") is None
        assert spool.counts("lab").delivered_samples == (added + 1) * 10


def test_a_file_of_garbage_is_kept_aside_and_said(opened: Opened) -> None:
    opened.path.write_bytes(os.urandom(50_000))
    with closing(opened()) as spool:
        spool.append("run-1", requests(b"a"))
        assert drained(spool) == [b"a"]
    (aside,) = opened.path.parent.glob("push.sqlite3.broken-*")
    assert aside.stat().st_size == 50_000
    assert [text for text in opened.said if aside.name in text]


def test_a_file_that_breaks_while_it_is_open_is_kept_aside_and_said(opened: Opened) -> None:
    with closing(opened({"lab": 100_000_000})) as spool:
        for number in range(20):
            spool.append(f"run-{number}", requests(os.urandom(20_000)))
    size = opened.path.stat().st_size
    with closing(opened({"lab": 100_000_000})) as spool:
        with opened.path.open("r+b") as file:
            file.seek(4096)
            file.write(os.urandom(size - 8192))
        with pytest.raises(StoreError):
            for number in range(20, 40):
                spool.append(f"run-{number}", requests(os.urandom(20_000)))
                drained(spool)
        assert spool.append("run-new", requests(b"new"))
        assert drained(spool) == [b"new"]
    assert list(opened.path.parent.glob("push.sqlite3.broken-*"))
    assert opened.said


def test_an_answer_about_a_file_that_was_replaced_settles_nothing_in_the_new_one(opened: Opened) -> None:
    with closing(opened({"lab": 100_000_000})) as spool:
        for number in range(20):
            spool.append(f"run-{number}", requests(os.urandom(20_000)))
        for _ in range(3):
            waiting = spool.next("lab")
            assert waiting is not None
            spool.delivered("lab", waiting)
        on_its_way = spool.next("lab")
        assert on_its_way is not None
        spool._begin_anew(sqlite3.DatabaseError("broken"))
        spool.append("run-20", requests(b"1", b"2", b"3", b"4", b"5"))
        spool.delivered("lab", on_its_way)
        assert drained(spool) == [b"1", b"2", b"3", b"4", b"5"]


def test_a_broken_file_that_cannot_be_replaced_is_an_error_until_it_can(opened: Opened) -> None:
    """Never another kind of error: that would end the sender, and measuring with it."""
    with closing(opened()) as spool:
        spool.append("run-1", requests(b"a"))
        with pytest.MonkeyPatch.context() as full:
            full.setattr(spool, "_opened", lambda: (_ for _ in ()).throw(StoreFull("the disk is full")))
            with pytest.raises(StoreFull):
                spool._begin_anew(sqlite3.DatabaseError("broken"))
            for use in (lambda: spool.next("lab"), lambda: spool.counts("lab"), lambda: spool.knows("run-1")):
                with pytest.raises(StoreError):
                    use()
            with pytest.raises(StoreError):
                spool.append("run-2", requests(b"b"))
        assert spool.append("run-2", requests(b"b"))
        assert drained(spool) == [b"b"]


def test_a_file_that_was_removed_while_it_is_open_is_made_again(opened: Opened) -> None:
    with closing(opened()) as spool:
        spool.append("run-1", requests(b"a"))
        for file in opened.path.parent.glob("push.sqlite3*"):
            file.unlink()
        spool.append("run-2", requests(b"b"))
        assert drained(spool) == [b"b"]
    with closing(opened()) as spool:
        assert spool.knows("run-2")


def test_what_a_full_disk_kept_from_writing_is_written_with_the_next_run(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(opened({"small": 250})) as spool:
        spool.append("run-1", requests(b"a" * 200))
        with monkeypatch.context() as full:
            full.setattr(spool, "_save", lambda: None)
            assert len(drained(spool, "small")) == 1
            spool.append("run-2", requests(b"b" * 200))
        counts = spool.counts("small")
    assert (counts.delivered_samples, counts.dropped_samples, counts.pending_samples) == (10, 0, 10)


def test_a_request_that_the_disk_spoilt_is_dropped_and_counted(opened: Opened) -> None:
    with closing(opened()) as spool:
        spool.append("run-1", requests(b"a" * 3_000, b"b"))
        with closing(sqlite3.connect(opened.path)) as file:
            file.execute("UPDATE batches SET body = CAST(replace(body, 'a', 'A') AS BLOB) WHERE position = 1")
            file.commit()
        assert drained(spool) == [b"b"]
        assert spool.counts("lab").dropped_samples == 10
    assert [text for text in opened.said if "spoilt" in text]


def test_a_spool_of_another_version_is_left_as_it_is(opened: Opened) -> None:
    opened().close()
    with closing(sqlite3.connect(opened.path)) as file:
        file.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="version"):
        opened()
    assert not list(opened.path.parent.glob("*broken*"))


def test_a_directory_that_cannot_be_made_is_an_error_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        Opened(tmp_path / "file" / "push.sqlite3")()


ADDING = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from probe.push.remote_write import Batch
from probe.push.spool import Spool
spool = Spool(Path(sys.argv[1]), {"lab": 10**9}, now=lambda: datetime.now(UTC), notice=print)
for number in range(int(sys.argv[2]), 10**6):
    run = f"run-{number}"
    print("begun", run, flush=True)
    assert spool.append(run, [Batch(body=f"{run}/{part}".encode() * 50, num_samples=1) for part in range(4)])
    print("added", run, flush=True)
"""


def test_killed_at_any_point_every_run_is_there_whole_or_not_at_all(opened: Opened) -> None:
    """Runs that were said to be added are; the one that was being added is whole, or may be added again."""
    begun: list[str] = []
    added: list[str] = []
    for attempt in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", ADDING, str(opened.path), str(attempt * 100_000)], stdout=subprocess.PIPE, cwd=ROOT
        )
        assert process.stdout is not None
        assert process.stdout.readline()
        time.sleep(0.05 + 0.03 * attempt)
        process.send_signal(signal.SIGKILL)
        lines = [f"begun run-{attempt * 100_000}", *process.stdout.read().decode().splitlines()]
        process.stdout.close()
        process.wait()
        begun += [line.split()[1] for line in lines if line.startswith("begun run-")]
        added += [line.split()[1] for line in lines if line.startswith("added run-")]
    with closing(opened({"lab": 10**9})) as spool:
        found = [body.decode()[: len(body) // 50] for body in drained(spool)]
    runs = list(dict.fromkeys(name.split("/")[0] for name in found))
    assert found == [f"{run}/{part}" for run in runs for part in range(4)]
    assert set(added) <= set(runs) <= set(begun)
    assert len(added) > 5
    assert not opened.said


def test_a_copy_of_the_files_at_any_time_is_a_good_spool(opened: Opened, tmp_path: Path) -> None:
    """What is on the disk without anything being closed, as a power cut leaves it."""
    with closing(opened()) as spool:
        spool.append("run-1", requests(b"a", b"b"))
        waiting = spool.next("lab")
        assert waiting is not None
        spool.delivered("lab", waiting)
        copied = tmp_path / "copy"
        copied.mkdir()
        for file in opened.path.parent.glob("push.sqlite3*"):
            shutil.copy(file, copied / file.name)
    with closing(Opened(copied / "push.sqlite3")()) as copy:
        assert drained(copy) == [b"b"]
