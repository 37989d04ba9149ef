"""Makes one run after the other for a score, in a process of its own.

Told on standard input which run to make, a line each, it answers with that run's record on standard output. When its
input ends, for whatever reason, it ends at once with its lab. The score is `probe.lab.score.pool`'s.
"""

import contextlib
import functools
import os
import queue
import signal
import sys
import threading
from pathlib import Path

import msgspec

from probe.lab.scenarios.base import find
from probe.lab.score import kept
from probe.lab.score.record import Key, encode_line
from probe.lab.score.trial import Origin, try_out


def main(commit: str, evidence_directory: str) -> None:
    """Serve until the input ends. An unexpected error ends the worker, with its trace on standard error."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are started deaf to it
    keep = functools.partial(kept.keep, Path(evidence_directory)) if evidence_directory else None
    asked: queue.Queue[bytes] = queue.Queue()
    with contextlib.suppress(KeyboardInterrupt):
        threading.Thread(target=_listen, args=(asked,), daemon=True).start()
        while True:
            key = msgspec.json.decode(asked.get(), type=Key)
            record = try_out(find(key.scenario), key, Origin(commit=commit), keep=keep)
            sys.stdout.buffer.write(encode_line(record))
            sys.stdout.buffer.flush()


def _listen(asked: "queue.Queue[bytes]") -> None:
    """Hand on what is asked; interrupt whatever is going on when nobody can ask any more."""
    with os.fdopen(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as questions:  # a buffer's lock outlives us
        for line in questions:
            asked.put(line)
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    main(*sys.argv[1:])
