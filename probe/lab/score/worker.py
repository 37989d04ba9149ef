"""Makes one run after the other for a score, in a process of its own.

Told on standard input which run to make, a line each, it answers with that run's record on standard output. When it is
interrupted, or the score ends for whatever reason, it ends at once with its lab. The score is `probe.lab.score.pool`'s.
"""

import contextlib
import functools
import signal
import sys
from pathlib import Path

import msgspec

from probe.lab import copies
from probe.lab.scenarios.base import find
from probe.lab.score import kept
from probe.lab.score.record import Key, encode_line
from probe.lab.score.trial import Origin, try_out


def main(commit: str, evidence_directory: str) -> None:
    """Serve until the input ends. An unexpected error ends the worker, with its trace on standard error."""
    keep = functools.partial(kept.keep, Path(evidence_directory)) if evidence_directory else None
    with contextlib.suppress(KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are started deaf to it
        copies.end_with_parent(signal.SIGINT)
        for line in sys.stdin.buffer:
            key = msgspec.json.decode(line, type=Key)
            scenario = find(key.scenario)
            copies.import_all()  # takes its time once
            record = try_out(scenario, key, Origin(commit=commit), keep=keep)
            sys.stdout.buffer.write(encode_line(record))
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
