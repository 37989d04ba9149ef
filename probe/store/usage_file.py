"""Where is it kept how many bytes were moved, so that neither a crash nor a full disk loses it?

A file of fixed size beside the store with two places, written in turn: what was interrupted while it was written is
recognised by its checksum, and the other place still holds what was before. Nothing grows, so a full disk does not
matter; it is apart from the store, so a broken or a locked database does not either. What the figures mean is for
`probe.store.usage`.
"""

import os
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from probe.store.errors import BUSY_SECONDS, StoreError
from probe.store.file_lock import BINARY, PRIVATE, FileLock, give, is_held, take
from probe.store.usage import Usage

PLACE_BYTES = 32 * 1024  # two months take 4 KB, a run that has not ended 150 bytes
PLACES = 2
HEAD = struct.Struct("<8sQII")  # mark, number of the write, length of what follows, CRC-32 of both
MARK = b"thrpuse1"
POLL_SECONDS = 0.005


class UsageFile:
    """The open file: one transaction at a time over all threads and processes. Methods block for a write to disk."""

    def __init__(self, path: Path, *, first: Callable[[bool], Usage]) -> None:
        """Open or make the file. Raises StoreError.

        `first` tells what is known from elsewhere where the file holds nothing; True: because neither of its places
        can be read.
        """
        self._path = path
        self._first = first
        self._threads = threading.Lock()
        self._descriptor = -1
        self._owner: FileLock | None = None
        self._owner_name = ""
        with self.change():
            pass

    def close(self) -> None:
        """Close; the claims that this process did not settle are now those of a dead one."""
        with self._threads:
            if self._owner is not None:
                self._owner.release()
                self._owner_path(self._owner_name).unlink(missing_ok=True)
                self._owner = None
            self._shut()

    def own(self, random_name: str) -> str:
        """The name under which others see that this process lives; a lock is held for as long as it does."""
        with self._held():
            if self._owner is None:
                self._sweep()
                lock = FileLock(self._owner_path(random_name))
                if not lock.try_take():
                    raise StoreError(f"{self._path.name}: two processes chose the same name")
                self._owner, self._owner_name = lock, random_name
            return self._owner_name

    def lives(self, owner: str) -> bool:
        """Whether the process of this name is still there; asked inside of `change`: none is just being born."""
        try:
            return is_held(self._owner_path(owner))
        except OSError:  # not ours to open: somebody else's process, of which nothing is known
            return True

    def living_runs(self) -> frozenset[str]:
        """The runs that are being made now, in whatever process."""
        with self._held():
            claims = self._load()[1].claims
            return frozenset(run_id for run_id, claim in claims.items() if self.lives(claim.owner))

    def read(self) -> Usage:
        """What is known now."""
        with self._held():
            return self._load()[1]

    @contextmanager
    def change(self) -> Iterator[Usage]:
        """What is known, to be changed; on the disk when this is left without an exception. Raises StoreError."""
        with self._held():
            number, usage = self._load()
            before = msgspec.json.encode(usage)
            yield usage
            after = msgspec.json.encode(usage)
            if after != before or not number:
                self._save(number + 1, after)

    # The file

    def _sweep(self) -> None:
        """Remove the locks of processes that died with nothing claimed, or whose claims were settled."""
        claimed = {self._owner_path(claim.owner) for claim in self._load()[1].claims.values()}
        for path in self._path.parent.glob(f"{self._path.name}-*.lock"):
            with suppress(OSError):
                if path not in claimed and not is_held(path):
                    path.unlink()

    def _owner_path(self, owner: str) -> Path:
        return self._path.with_name(f"{self._path.name}-{owner}.lock")

    @contextmanager
    def _held(self) -> Iterator[None]:
        with self._threads:
            try:
                self._open()
                self._wait()
                try:
                    yield
                finally:
                    give(self._descriptor)
            except OSError as error:
                raise _refused(self._path, error) from error

    def _wait(self) -> None:
        until = time.perf_counter() + BUSY_SECONDS
        while not take(self._descriptor):
            if time.perf_counter() > until:
                raise StoreError(f"{self._path.name} is held by another process for more than {BUSY_SECONDS:.0f} s")
            time.sleep(POLL_SECONDS)

    def _open(self) -> None:
        """The file as it is now under its name: it may have been removed or moved away meanwhile."""
        if self._descriptor >= 0 and not self._is_current():
            self._shut()
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR | BINARY, PRIVATE)
            missing = PLACES * PLACE_BYTES - os.fstat(self._descriptor).st_size
            if missing > 0:  # zeros in full, so that their room on the disk is ours
                os.lseek(self._descriptor, 0, os.SEEK_END)
                os.write(self._descriptor, bytes(missing))
                os.fsync(self._descriptor)

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False

    def _shut(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _load(self) -> tuple[int, Usage]:
        """The later of the two places, and the number of its write; 0 where nothing was ever written."""
        places = [self._place(number) for number in range(PLACES)]
        found = [place for place in map(_parsed, places) if place is not None]
        if found:
            return max(found, key=lambda place: place[0])
        return 0, self._first(any(place.strip(b"\0") for place in places))

    def _place(self, number: int) -> bytes:
        os.lseek(self._descriptor, number * PLACE_BYTES, os.SEEK_SET)
        return os.read(self._descriptor, PLACE_BYTES)

    def _save(self, number: int, data: bytes) -> None:
        if HEAD.size + len(data) > PLACE_BYTES:
            raise StoreError(f"{self._path.name} has no room for more runs at once")
        os.lseek(self._descriptor, number % PLACES * PLACE_BYTES, os.SEEK_SET)
        os.write(self._descriptor, HEAD.pack(MARK, number, len(data), _checksum(number, data)) + data)
        os.fsync(self._descriptor)


def _parsed(place: bytes) -> tuple[int, Usage] | None:
    """None for what was never written, or not to its end."""
    if len(place) < HEAD.size:
        return None
    mark, number, length, checksum = HEAD.unpack_from(place)
    data = place[HEAD.size : HEAD.size + length]
    if mark != MARK or len(data) != length or _checksum(number, data) != checksum:
        return None
    try:
        return number, msgspec.json.decode(data, type=Usage)
    except msgspec.MsgspecError:
        return None


def _checksum(number: int, data: bytes) -> int:
    """Of the number too: half a head, with what was there before behind it, must not look newer than it is."""
    return zlib.crc32(data, zlib.crc32(number.to_bytes(8, "little")))


def _refused(path: Path, error: OSError) -> StoreError:
    return StoreError(f"{path} cannot be used: {error.strerror or error}")
