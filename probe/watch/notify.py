"""Does the service manager know that this program is ready, that it lives, and what it is doing?

The protocol of sd_notify(3): datagrams to the socket that $NOTIFY_SOCKET names. Without one, nothing is sent.
"""

import contextlib
import os
import socket
import time
from collections.abc import Mapping


class ServiceManager:
    """Where to report to; `watchdog_seconds`: how often it wants to hear (None: it does not)."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.watchdog_seconds = _watchdog(environment)

    def ready(self) -> None:
        self._send("READY=1")

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def status(self, words: str) -> None:
        self._send(f"STATUS={words}")

    def reloading(self) -> None:
        """`ready` is to follow, also after a reload that failed."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        """A manager that does not listen must not stop us."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)
            channel.sendto(text.encode(), address)


def _watchdog(environment: Mapping[str, str]) -> float | None:
    """Half of what the manager allows between two signs of life (sd_watchdog_enabled(3))."""
    text, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not text.isdecimal() or int(text) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(text) / 2e6
