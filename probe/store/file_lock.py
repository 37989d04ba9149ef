"""Does another process hold this file? A lock that the kernel gives back when its holder dies, however it dies.

`flock` on POSIX, a locked byte on Windows: neither outlives its process, so that no lock is ever left behind. What is
locked, and for how long, is the caller's business.
"""

import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    LOCKED_BYTE = 1 << 30  # beyond what is in the file: Windows keeps others from reading what is locked

    def take(descriptor: int) -> bool:
        """Lock the open file for this descriptor; False where another one has it."""
        os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def give(descriptor: int) -> None:
        """Unlock it again."""
        os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def take(descriptor: int) -> bool:
        """Lock the open file for this descriptor; False where another one has it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def give(descriptor: int) -> None:
        """Unlock it again."""
        fcntl.flock(descriptor, fcntl.LOCK_UN)


PRIVATE = 0o600
BINARY = getattr(os, "O_BINARY", 0)


class FileLock:
    """A lock on a file of its own, which is made where it is not there and stays."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def try_take(self) -> bool:
        """Take it if nobody has it; never waits. Raises OSError where the file cannot be opened."""
        if self._descriptor is not None:
            return True
        descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR | BINARY, PRIVATE)
        try:
            taken = take(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        if taken:
            self._descriptor = descriptor
        else:
            os.close(descriptor)
        return taken

    def release(self) -> None:
        """Give it back; harmless where it is not held."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock of this file; a file that is not there is held by nobody.

    Raises OSError where the file cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | BINARY)
    except FileNotFoundError:
        return False
    try:
        return not take(descriptor)
    finally:
        os.close(descriptor)
