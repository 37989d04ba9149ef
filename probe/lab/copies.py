"""How does a process of the lab start without importing anything?

As a copy (fork) of one that has imported all of it already: a few milliseconds of processor time, where four new
interpreters a lab import for some two seconds. A score starts thousands of labs. The other way, new interpreters under
`unshare`, is `probe.lab.namespaces`'s; what the processes do is the same.

A copy keeps nothing of the process it came from but its memory: no descriptor that it is not given, no handler of an
interrupt, none of the clean-up that the other has still to do.
"""

import contextlib
import ctypes
import gc
import importlib
import os
import runpy
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NoReturn

from probe.lab.namespaces import (
    CLONE_NEWNET,
    CLONE_NEWNS,
    HOST_MODULE,
    LabError,
    give_up_capabilities,
    map_root,
    unshare,
)

CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
PR_SET_PDEATHSIG = 1
MOST_DESCRIPTORS = 1 << 20
APART = b"."  # a copy's word that it is in its namespaces
PROGRAM = "probe"  # the package whose command a copy can be
NEEDED = (
    HOST_MODULE,
    "probe.lab.servers",
    "probe.lab.launcher",
    "probe.cli",
    "probe.commands.measure",
    "probe.config.targets_check",
    "probe.formats.json_lines",
)

_libc = ctypes.CDLL(None, use_errno=True)


class Copy:
    """A process that is a copy of this one: what `subprocess.Popen` has that the lab asks of a process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status; negative: the signal that ended it. Raises subprocess.TimeoutExpired."""
        if self._returncode is None:
            descriptor = os.pidfd_open(self.pid)
            try:
                if not select.select([descriptor], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired(f"copy {self.pid}", timeout or 0.0)
            finally:
                os.close(descriptor)
            self._returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._returncode

    def kill(self) -> None:
        if self._returncode is None:
            os.kill(self.pid, signal.SIGKILL)


def import_all() -> None:
    """Import what the copies need, so that they need not."""
    for name in NEEDED:
        importlib.import_module(name)


def start_copy(
    main: Callable[[], None], *, standard: tuple[int, int, int] = (0, 1, 2), keep: Collection[int] = ()
) -> Copy:
    """A copy of this process that does `main` and ends; its exit status is 0, that of SystemExit, or 1 with a trace.

    Of this process's descriptors it has `standard`, as 0, 1 and 2, and `keep`, under their numbers. Raises
    RuntimeError in a process of several threads, whose locks a copy would find held by nobody.
    """
    if threading.active_count() > 1:
        raise RuntimeError("a process of several threads cannot be copied")
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return Copy(pid)
    try:
        gc.freeze()  # what was garbage here has descriptors of its own to close, by numbers that are others' now
        _settle(standard, keep)
        main()
    finally:
        _end(sys.exception())


def start_copy_apart(main: Callable[[], None], *, keep: Collection[int], own_files: bool) -> Copy:
    """A copy in a network namespace of its own (and, with `own_files`, a mount namespace); it is there on return.
    Raises LabError.
    """
    ours, theirs = os.pipe()

    def apart() -> None:
        unshare(CLONE_NEWNET | (CLONE_NEWNS if own_files else 0))
        os.write(theirs, APART)
        os.close(theirs)
        main()

    copy = start_copy(apart, keep=[*keep, theirs])
    os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as word:
        if word.read(1) != APART:
            raise LabError("a namespace could not be made")
    return copy


def start_host(arguments: Sequence[str], *, log: BinaryIO, keep: Collection[int], as_user: bool) -> Copy:
    """The lab's host, init of a PID namespace, in namespaces of its own, as `namespaces.start_host` starts it anew.
    What is returned is the process that waits for it; when that is killed, so is all of the lab.
    """
    host = importlib.import_module(HOST_MODULE)

    def wait_for_host() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        user, group = os.getuid(), os.getgid()
        unshare((CLONE_NEWUSER if as_user else 0) | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID)
        if as_user:
            map_root(user, group)
        sys.exit(start_copy(ended_with_parent, keep=keep).wait())

    def ended_with_parent() -> None:
        end_with_parent(signal.SIGKILL)
        host.main(*arguments)

    with Path(os.devnull).open("rb") as nothing:
        return start_copy(wait_for_host, standard=(nothing.fileno(), log.fileno(), log.fileno()), keep=keep)


def start_program(
    arguments: Sequence[str],
    *,
    standard: tuple[int, int, int],
    env: Mapping[str, str],
    directory: Path,
    own_group: bool,
) -> Copy:
    """A copy that becomes this package's command with these arguments, as an ordinary user would start it: no
    privileges, an environment, a directory and standard streams of its own. Raises what `start_copy` does.
    """

    def program() -> None:
        if own_group:
            os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        give_up_capabilities()
        os.environ.clear()
        os.environ.update(env)
        tempfile.tempdir = None  # the place that was found for the process copied
        os.chdir(directory)
        _renew_streams()
        sys.argv = [PROGRAM, *arguments]
        runpy.run_module(PROGRAM, run_name="__main__", alter_sys=True)

    copy = start_copy(program, standard=standard)
    if own_group:
        with contextlib.suppress(OSError):  # it has ended
            os.setpgid(copy.pid, copy.pid)  # here as well: who kills the group now must find it
    return copy


def end_with_parent(number: signal.Signals) -> None:
    """Have the kernel send this process that signal when the one that started it ends, however it ends."""
    _libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)


def _settle(standard: tuple[int, int, int], keep: Collection[int]) -> None:
    """Have these descriptors and no others."""
    spare = [os.dup(descriptor) for descriptor in standard]
    for number, descriptor in enumerate(spare):
        os.dup2(descriptor, number)
    first = 3
    for descriptor in sorted(keep):
        os.closerange(first, descriptor)
        first = descriptor + 1
    os.closerange(first, MOST_DESCRIPTORS)


def _renew_streams() -> None:
    """New objects for them: those of the process copied know what that one's were."""
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - as long as the process
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - likewise
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115 - likewise


def _end(error: BaseException | None) -> NoReturn:
    """End this process as the interpreter would, without the clean-up that is the other's."""
    status = 0
    if isinstance(error, SystemExit):
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            sys.stderr.write(f"{error.code}\n")
    elif error is not None:
        status = 1
        sys.excepthook(type(error), error, error.__traceback__)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
