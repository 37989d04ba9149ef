"""Does a log keep what was finished, whatever happens to the process that writes it?"""

import subprocess
import sys
from pathlib import Path

import pytest

from probe.lab.score.log import Log, keys, read
from probe.lab.score.record import LogError, decode_line, encode_line
from tests.score_records import POLICED, run, target

KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from probe.lab.score.log import Log
from probe.lab.score.record import encode_line
from tests.score_records import run, target
with Log(Path(sys.argv[1]), resume=False) as log:
    for seed in range(3):
        log.append(run([target()], seed=seed))
    os.write(log._descriptor, encode_line(run([target()], seed=3))[:-40])
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_record_is_read_as_it_was_written() -> None:
    record = run([target(truth=POLICED), target(name="b", upload=None)])
    assert decode_line(encode_line(record)) == record


def test_a_kill_in_the_middle_of_a_line_loses_that_line_alone(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    killed = subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, str(path)], cwd=Path(__file__).parents[2])
    assert killed.returncode == -9
    with Log(path, resume=True) as log:
        assert [record.key.seed for record in log.earlier] == [0, 1, 2]
        log.append(run([target()], seed=3))
    assert [record.key.seed for record in read(path)] == [0, 1, 2, 3]


def test_a_log_with_runs_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with Log(path, resume=False) as log:
        log.append(run([target()]))
    with pytest.raises(LogError, match="--resume"), Log(path, resume=False):
        pytest.fail("it was opened")
    assert keys(read(path)) == {run().key}


def test_two_scores_do_not_write_the_same_log(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with Log(path, resume=True), pytest.raises(LogError, match="another score"), Log(path, resume=True):
        pytest.fail("it was opened twice")


@pytest.mark.parametrize(
    "line", [b"{}", b"\xff", b"[1]", encode_line(run()).replace(b'"record_version":1', b'"record_version":99')]
)
def test_what_is_no_record_is_named_with_its_line(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(encode_line(run()) + line.strip() + b"\n")
    with pytest.raises(LogError, match=r"log\.jsonl:2: "):
        read(path)
