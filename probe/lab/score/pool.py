"""How are the runs of a score made, several at a time?

Worker processes with a lab each; an idle one gets the next run. A run that says nothing is made again with another
seed. It starts nothing that would not be over in time, and leaves no process behind. What a run's record means is not
looked at beyond whether it says anything.
"""

import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Protocol

import msgspec

from probe.lab.namespaces import python_environment
from probe.lab.score.plan import Job, again
from probe.lab.score.record import Key, RunRecord, decode_line
from probe.lab.score.trial import Origin, failed

END_SECONDS = 10.0  # a worker that was told to go takes a moment to end its lab
FIRST_GUESS_SECONDS = 15.0  # of a run whose like was not seen yet: most take less, and to be cut costs only that run
MARGIN = 1.2  # a run may take that much longer than the longest of its kind so far
BROKEN_AFTER = 5  # runs without a report and none with one: the lab does not work on this machine
ERROR_TAIL_BYTES = 2_000


class Listener(Protocol):
    """Hears of every run."""

    def started(self, key: Key) -> None: ...

    def finished(self, record: RunRecord) -> None: ...


class PoolError(Exception):
    """Run after run gives no report; the text is the last one's problem."""


class _Worker:
    """A worker process and what it is doing."""

    def __init__(self, origin: Origin, evidence_directory: Path | None) -> None:
        self.job: Job | None = None
        self.began = 0.0
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        words = ["-P", "-m", "probe.lab.score.worker", origin.commit, str(evidence_directory or "")]
        self._process = subprocess.Popen(
            [sys.executable, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=python_environment(),
            start_new_session=True,  # a Ctrl-C is for the score, which then decides
        )

    def fileno(self) -> int:
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def begin(self, job: Job) -> None:
        assert self._process.stdin is not None
        self.job, self.began = job, time.monotonic()
        try:
            self._process.stdin.write(msgspec.json.encode(job.key) + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:  # it died; `answer` will say so
            return

    def answer(self) -> RunRecord | None:
        """The record that waits to be read; None when the worker has died instead."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return decode_line(line) if line.endswith(b"\n") else None

    def last_words(self) -> str:
        size = self._errors.seek(0, 2)
        self._errors.seek(max(0, size - ERROR_TAIL_BYTES))
        return self._errors.read().decode(errors="replace").strip()

    def dismiss(self) -> None:
        """Tell it to go; `end` waits for that."""
        assert self._process.stdin is not None
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            return

    def end(self) -> None:
        assert self._process.stdout is not None
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its lab ends with it
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()


class Pool:
    """Context manager: `size` workers, `deadline` (of the monotonic clock) by which all is over."""

    def __init__(
        self, *, size: int, origin: Origin, listener: Listener, deadline: float, evidence_directory: Path | None = None
    ) -> None:
        self._size = size
        self._origin = origin
        self._listener = listener
        self._deadline = deadline
        self._evidence_directory = evidence_directory
        self._selector = selectors.DefaultSelector()
        self._workers: list[_Worker] = []
        self._longest_seconds: dict[str, float] = {}
        self._fruitless = 0
        self._fruitful = False

    def __enter__(self) -> "Pool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.dismiss()
        for worker in self._workers:
            worker.end()
        self._selector.close()

    def make(self, jobs: Iterable[Job], keep: Callable[[RunRecord], None]) -> bool:
        """Make the runs; each finished one's record is given to `keep` first. Whether all were made.

        Raises PoolError, what `keep` raises, and KeyboardInterrupt.
        """
        waiting = deque(jobs)
        while len(self._workers) < min(self._size, len(waiting)):
            self._hire()
        while True:
            self._dispatch(waiting)
            if not any(worker.job for worker in self._workers):
                return not waiting
            if time.monotonic() >= self._deadline:
                return False
            for ready, _ in self._selector.select(self._deadline - time.monotonic()):
                assert isinstance(ready.fileobj, _Worker)
                self._collect(ready.fileobj, waiting, keep)

    def _hire(self) -> None:
        worker = _Worker(self._origin, self._evidence_directory)
        self._workers.append(worker)
        self._selector.register(worker, selectors.EVENT_READ)

    def _dispatch(self, waiting: deque[Job]) -> None:
        """Give idle workers what can still be finished, in the order planned."""
        left = self._deadline - time.monotonic()
        for worker in self._workers:
            if worker.job is not None:
                continue
            job = next((job for job in waiting if self._expected_seconds(job) <= left), None)
            if job is None:
                return
            waiting.remove(job)
            worker.begin(job)
            self._listener.started(job.key)

    def _expected_seconds(self, job: Job) -> float:
        return MARGIN * self._longest_seconds.get(job.cell.name, FIRST_GUESS_SECONDS)

    def _collect(self, worker: _Worker, waiting: deque[Job], keep: Callable[[RunRecord], None]) -> None:
        job, worker_job_seconds = worker.job, time.monotonic() - worker.began
        record = worker.answer()
        if job is None:
            raise PoolError(f"a worker ended: {worker.last_words()}")
        if record is None:
            record = failed(
                job.cell.scenario, job.key, self._origin, problem=worker.last_words(), seconds=worker_job_seconds
            )
            self._replace(worker)
        worker.job = None
        keep(record)
        self._listener.finished(record)
        self._longest_seconds[job.cell.name] = max(worker_job_seconds, self._longest_seconds.get(job.cell.name, 0.0))
        self._mind_failures(record)
        if not record.valid and (repetition := again(job.key)) is not None:
            waiting.appendleft(Job(cell=job.cell, key=repetition))

    def _replace(self, worker: _Worker) -> None:
        self._selector.unregister(worker)
        self._workers.remove(worker)
        worker.dismiss()
        worker.end()
        self._hire()

    def _mind_failures(self, record: RunRecord) -> None:
        self._fruitful = self._fruitful or not record.problem
        self._fruitless += bool(record.problem)
        if not self._fruitful and self._fruitless >= BROKEN_AFTER:
            raise PoolError(record.problem)
