"""How do the lab's processes talk to one another?

Pickled records over Unix sockets that keep message boundaries. Both ends are this program, and the sockets are handed
down from parent to child, so nothing that a stranger wrote is ever unpickled.
"""

import os
import pickle
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

from probe.lab.forwarder import LabStats
from probe.lab.path import PathProfile
from probe.lab.rules import CensorRule

MAX_MESSAGE_BYTES = 128 * 1024  # below the default send buffer of a Unix socket
MAX_DESCRIPTORS = 4
EMULATION_FILE = "emulation.pickle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The host's first word: packets flow and every server listens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The host's first word when the lab cannot start."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRules:
    """Ask the host for other rules; the censor forgets all flows. Answered by `Ready`."""

    rules: tuple[CensorRule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskStats:
    """Ask the host what happened so far. Answered by `LabStats`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulation:
    """What the host emulates; it reads this from a file at its start."""

    profile: PathProfile
    rules: tuple[CensorRule, ...]
    distances: dict[str, float] = field(default_factory=dict)
    seed: int = 0
    pcap: str | None = None  # where to write the vantage point's packets
    copies: bool = False  # whether the lab's processes are copies of the session's, or start anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Ask the launcher to start a program. Goes with four descriptors: stdin, stdout, stderr, and the socket that
    hears its end.

    `own_group`: it and its children can be killed together; a program on the user's terminal must share the
    terminal's group.
    """

    argv: tuple[str, ...]
    env: dict[str, str]
    directory: str
    own_group: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The program's end: its exit status (negative: the signal), or why it could not start."""

    returncode: int
    reason: str = ""


Message = Ready | Failed | SetRules | AskStats | LabStats | Launch | Ended


def send(channel: socket.socket, message: Message, descriptors: Sequence[int] = ()) -> None:
    """Send one message with open descriptors. Raises OSError when the other end is gone."""
    data = pickle.dumps(message)
    if len(data) > MAX_MESSAGE_BYTES:
        raise ValueError(f"a message of {len(data)} bytes does not fit")
    socket.send_fds(channel, [data], list(descriptors))


def receive(channel: socket.socket) -> tuple[Message | None, list[int]]:
    """The next message and its descriptors; None when the other end is gone."""
    try:
        data, descriptors, _, _ = socket.recv_fds(channel, MAX_MESSAGE_BYTES, MAX_DESCRIPTORS)
    except ConnectionResetError:
        return None, []
    if not data:
        for descriptor in descriptors:
            os.close(descriptor)
        return None, []
    message: Message = pickle.loads(data)
    return message, descriptors


def channel_pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
