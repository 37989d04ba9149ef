"""From which source port does this flow leave?

A censor that keeps state by address pair and port takes a new flow on an old port for the old flow, and the kernel's
ephemeral ports for one destination come round. So every flow gets a random port that no flow of this run had before,
TCP or UDP.
"""

import errno
import ipaddress
import os
import socket
from random import Random

FIRST_PORT = 20_000
LAST_PORT = 60_999  # the end of Linux's own ephemeral range; above it some firewalls drop


class Ports:
    """Hands out source ports for one run; `random` is the run's own source of randomness."""

    __slots__ = ("_random", "_used")

    def __init__(self, random: Random) -> None:
        self._random = random
        self._used: set[int] = set()

    def bind(self, sock: socket.socket, address: str | None = None) -> int:
        """Bind an IPv4 or IPv6 socket to a fresh port of `address` (every local one if None) and return the port.

        A port that another program holds is passed over. Raises OSError: EADDRNOTAVAIL when the run has used all
        ports, and whatever else binding gives.
        """
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        unspecified = "::" if sock.family == socket.AF_INET6 else "0.0.0.0"  # noqa: S104 - a source, nothing listens
        local = unspecified if address is None else str(ipaddress.ip_address(address))
        while True:
            port = self._draw()
            try:
                sock.bind((local, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return port

    def _draw(self) -> int:
        if len(self._used) > LAST_PORT - FIRST_PORT:
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        while True:
            port = self._random.randint(FIRST_PORT, LAST_PORT)
            if port not in self._used:
                self._used.add(port)
                return port
