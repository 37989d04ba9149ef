"""What would this program be refused, were it started by systemd from this unit?

`python -m tests.sandbox UNIT -- PROGRAM [ARGUMENT…]` puts the unit's SystemCallFilter, RestrictAddressFamilies,
MemoryDenyWriteExecute and NoNewPrivileges on itself as systemd would, by libseccomp, and becomes the program. Mounts,
users and capabilities are left to systemd: `systemd-analyze` judges those.
"""

import ctypes
import errno
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

# libseccomp's seccomp.h
ALLOW = 0x7FFF0000
REFUSE = 0x00050000 | errno.EPERM
EQUAL = 4
MASKED_EQUAL = 7
UNKNOWN_CALL = -1
PROT_WRITE, PROT_EXEC = 2, 4
PROTECTION_ARGUMENT = 2  # of mmap(2) and mprotect(2)
PR_SET_NO_NEW_PRIVS = 38


class Comparison(ctypes.Structure):
    """`struct scmp_arg_cmp`: a system call's argument beside a value."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operation", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


def directives(*paths: Path) -> dict[str, list[str]]:
    """Every setting of the units, in order; an empty value takes back what stood before, as in systemd.unit(5)."""
    found: dict[str, list[str]] = {}
    for path in paths:
        for line in path.read_text().splitlines():
            name, equals, value = line.partition("=")
            if not equals or line.startswith(("#", ";", "[")):
                continue
            if value:
                found.setdefault(name, []).append(value)
            else:
                found[name] = []
    return found


def groups(text: str) -> dict[str, set[str]]:
    """What `systemd-analyze syscall-filter` prints: the members of each group, themselves perhaps groups."""
    found: dict[str, set[str]] = {}
    members: set[str] = set()
    for line in text.splitlines():
        if re.match(r"@[a-z-]+$", line):
            members = found.setdefault(line, set())
        elif word := line.split("#")[0].strip():
            members.add(word)
    return found


def calls(words: Iterable[str], known: Mapping[str, set[str]]) -> set[str]:
    """System calls by name, with groups replaced by their members."""
    found: set[str] = set()
    for word in words:
        found |= calls(known[word], known) if word.startswith("@") else {word}
    return found


def allowed_calls(filters: Iterable[str], known: Mapping[str, set[str]]) -> set[str]:
    """An allow list and what is taken from it again (`~`); systemd.exec(5) adds @default to each allow list."""
    allowed = calls(["@default"], known)
    for line in filters:
        if line.startswith("~"):
            allowed -= calls(line[1:].split(), known)
        else:
            allowed |= calls(line.split(), known)
    return allowed


class Filter:
    """A seccomp filter that refuses with EPERM what was not allowed."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(REFUSE))

    def allow(self, call: str, *comparisons: Comparison) -> None:
        number = self._library.seccomp_syscall_resolve_name(call.encode())
        if number == UNKNOWN_CALL:
            return  # of another architecture
        array = (Comparison * len(comparisons))(*comparisons)
        self._check(self._library.seccomp_rule_add_array(self._context, ALLOW, number, len(comparisons), array), call)

    def load(self) -> None:
        self._check(self._library.seccomp_load(self._context), "load")

    @staticmethod
    def _check(code: int, what: str) -> None:
        if code < 0 and -code != errno.EDOM:  # EDOM: no such call on this architecture
            raise OSError(-code, f"{what}: {os.strerror(-code)}")


def confine(unit: Mapping[str, list[str]]) -> None:
    """Put the unit's filters on this process, for good."""
    printed = subprocess.run(["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True).stdout
    allowed = allowed_calls(unit["SystemCallFilter"], groups(printed))
    made = Filter()
    for word in " ".join(unit["RestrictAddressFamilies"]).split():
        made.allow("socket", Comparison(0, EQUAL, int(getattr(socket, word)), 0))
    if unit["MemoryDenyWriteExecute"] == ["yes"]:
        writable_or_executable = PROT_WRITE | PROT_EXEC
        for protection in (0, PROT_WRITE, PROT_EXEC):
            made.allow("mmap", Comparison(PROTECTION_ARGUMENT, MASKED_EQUAL, writable_or_executable, protection))
        made.allow("mprotect", Comparison(PROTECTION_ARGUMENT, MASKED_EQUAL, PROT_EXEC, 0))
        allowed -= {"mmap", "mprotect", "pkey_mprotect"}
    for call in sorted(allowed - {"socket"}):
        made.allow(call)
    if ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError("no new privileges: refused")
    made.load()


def main(unit: str, separator: str, *argv: str) -> None:
    """Become the program. Raises OSError where the kernel takes no filter."""
    if separator != "--":
        raise SystemExit("usage: python -m tests.sandbox UNIT -- PROGRAM [ARGUMENT…]")
    confine(directives(Path(unit)))
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    main(*sys.argv[1:])
