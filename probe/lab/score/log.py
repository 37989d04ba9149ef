"""Which runs are finished already?

An append-only file of JSON lines, one a run. A line counts once it ends with its newline: what a crash left of a last
line is cut off when the file is opened for writing. What a line holds is `probe.lab.score.record`'s.
"""

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from probe.lab.score.record import Key, LogError, RunRecord, decode_line, encode_line


def read(path: Path) -> tuple[RunRecord, ...]:
    """All whole lines, in the order written. Raises `LogError` with the line's number, and OSError."""
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    records = []
    for number, line in enumerate(whole.split(b"\n") if whole else (), start=1):
        try:
            records.append(decode_line(line))
        except LogError as error:
            raise LogError(f"{path}:{number}: {error}") from error
    return tuple(records)


def keys(records: Iterable[RunRecord]) -> frozenset[Key]:
    return frozenset(record.key for record in records)


class Log:
    """A log that is being written, by one process at a time.

    Entering it raises LogError where another process writes it, or where it has runs and `resume` is not asked for.
    """

    def __init__(self, path: Path, *, resume: bool) -> None:
        self._path = path
        self._resume = resume
        self._descriptor = -1
        self.earlier: tuple[RunRecord, ...] = ()

    def __enter__(self) -> "Log":
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            self._open()
        except BaseException:
            os.close(self._descriptor)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def append(self, record: RunRecord) -> None:
        """On the disk when this returns. Raises OSError."""
        data = encode_line(record)
        while data:
            data = data[os.write(self._descriptor, data) :]
        os.fsync(self._descriptor)

    def _open(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LogError(f"{self._path}: another score is writing to it") from None
        self.earlier = read(self._path)
        if self.earlier and not self._resume:
            raise LogError(f"{self._path}: has {len(self.earlier)} runs already; --resume goes on with it")
        os.ftruncate(self._descriptor, self._path.read_bytes().rfind(b"\n") + 1)
