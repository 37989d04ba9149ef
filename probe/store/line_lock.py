"""Is this goodput transfer alone on the machine?

Two transfers at once would each measure the other. The locks are files, held by one process at a time and given back by
the kernel when it dies, so that `run` and `watch` of one person wait for each other, with a store and without. Who
waits stands in a queue of one: whoever had the line last cannot take it again before. Where no file can be locked the
transfers of this process alone exclude each other.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from probe.net.base import Clock
from probe.net.clock import MonotonicClock
from probe.store.file_lock import FileLock

POLL_SECONDS = 0.1  # between two tries; a check lasts seconds
LINE_FILE = "line.lock"
NETWORK_NAMESPACE = Path("/proc/self/ns/net")


class LineBusyError(Exception):
    """Others had the line for all of the time that was given."""


class OwnLine:
    """The line among the transfers of this process."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def exclusive(self, patience_seconds: float) -> AsyncIterator[None]:
        """Have the line alone. Raises LineBusyError where others have it for longer than that."""
        try:
            async with asyncio.timeout(max(0.0, patience_seconds)):
                await self._lock.acquire()
        except TimeoutError:
            raise LineBusyError from None
        try:
            yield
        finally:
            self._lock.release()


class SharedLine:
    """The line among all processes that know one of these files; they lock them in the same order."""

    def __init__(self, files: Sequence[Path], *, clock: Clock | None = None) -> None:
        self._files = tuple(files)
        self._clock = clock or MonotonicClock()
        self._own = OwnLine()

    @asynccontextmanager
    async def exclusive(self, patience_seconds: float) -> AsyncIterator[None]:
        """Have the line alone; waiting never blocks the loop. Raises LineBusyError as `OwnLine` does."""
        until = self._clock.now() + patience_seconds
        async with AsyncExitStack() as held:
            await held.enter_async_context(self._own.exclusive(patience_seconds))
            async with AsyncExitStack() as queued:
                for file in self._files:
                    await queued.enter_async_context(self._taken(file.with_name(file.name + ".next"), until))
                for file in self._files:
                    await held.enter_async_context(self._taken(file, until))
            yield

    @asynccontextmanager
    async def _taken(self, path: Path, until: float) -> AsyncIterator[None]:
        lock = FileLock(path)
        try:
            while not _try(lock):
                if self._clock.now() >= until:
                    raise LineBusyError
                await self._clock.sleep(POLL_SECONDS)
            yield
        finally:
            lock.release()


def line_files(store: Path | None) -> tuple[Path, ...]:
    """The files to lock: one of this user in this network, and the one beside the store.

    Both, because neither is enough: a run may keep no store, and a service may have a temporary directory of its own.
    """
    own = _users_directory()
    beside = () if store is None else (store.with_name(f"{store.name}.{LINE_FILE}"),)
    return (*(() if own is None else (own / f"{_network()}{LINE_FILE}",)), *beside)


def _network() -> str:
    """A network namespace has a line of its own (an emulated one, in a lab): Linux names it, elsewhere there is one."""
    try:
        return f"{NETWORK_NAMESPACE.stat().st_ino}."
    except OSError:
        return ""


def _try(lock: FileLock) -> bool:
    """A file that cannot be opened (no room for it, no permission) keeps nobody out, and nobody waiting."""
    try:
        return lock.try_take()
    except OSError:
        return True


def _users_directory() -> Path | None:
    """A directory that belongs to this user alone; None where there is none to be had."""
    name = "throttleprobe" if sys.platform == "win32" else f"throttleprobe-{os.getuid()}"
    path = Path(tempfile.gettempdir()) / name
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError:
        return None
    if sys.platform != "win32" and (found.st_uid != os.getuid() or path.is_symlink()):
        return None
    return path
