"""Where does this service keep its state, and is it the only one that does?

The service manager's directory comes before the person's usual one; a lock of the kernel's, which dies with the
process, keeps a second `watch` out.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

from probe.store import default_path
from probe.store.file_lock import take

LOCK_FILE = "watch.lock"
SPOOL_FILE = "spool.sqlite3"
INSTANCE_FILE = "instance"


class AlreadyRunning(Exception):
    """Another `watch` has this state directory; the message says which."""


def state_directory(given: Path | None, environment: Mapping[str, str] = os.environ) -> Path:
    """The directory that was asked for, else systemd's $STATE_DIRECTORY (its first), else the person's usual one."""
    if given is not None:
        return given
    if managed := environment.get("STATE_DIRECTORY", ""):
        return Path(managed.split(":")[0])
    return default_path().parent


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Hold the directory for this process. Raises AlreadyRunning, or OSError where it cannot be written to."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = directory / LOCK_FILE
    # A link that somebody laid there is not followed: what it leads to would be emptied.
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        if not take(descriptor):
            pid = os.read(descriptor, 20).decode("ascii", "replace").strip()
            raise AlreadyRunning(f"another watch{f' (process {pid})' if pid.isdecimal() else ''} uses {directory}")
        with suppress(OSError):  # the disk is full: it is the lock that counts
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))  # no buffer, which would be written at the end
        yield
    finally:
        os.close(descriptor)


def instance_id(directory: Path, random: Random) -> str:
    """The id of a vantage point that was given no name: drawn at random once and kept, so that it says nothing.

    Where the disk is full it is another one at the next start.
    """
    path = directory / INSTANCE_FILE
    try:
        kept = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        kept = ""
    if re.fullmatch(r"vp-[0-9a-f]{12}", kept):
        return kept
    drawn = f"vp-{random.getrandbits(48):012x}"
    with suppress(OSError):
        path.write_text(drawn + "\n", encoding="ascii")
    return drawn
