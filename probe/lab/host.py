"""Who holds the lab together while it runs?

The lab's host: init of the PID namespace, in the middle network namespace. It starts the servers and the launcher,
joins them, carries every packet, and ends with everything under it when the session that started it ends. Carrying is
`probe.lab.forwarder`'s.
"""

import contextlib
import gc
import os
import pickle
import random
import shutil
import signal
import socket
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

from probe.lab.capture import Capture, CapturingPort
from probe.lab.censor import Censor
from probe.lab.copies import start_copy_apart
from probe.lab.forwarder import Forwarder, Port
from probe.lab.line import Line
from probe.lab.messages import (
    EMULATION_FILE,
    AskStats,
    Emulation,
    Failed,
    Ready,
    SetRules,
    channel_pair,
    receive,
    send,
)
from probe.lab.namespaces import (
    INNER_MAC,
    LabError,
    connect_namespaces,
    mac_bytes,
    python_command,
    start_apart,
)
from probe.lab.path import PathProfile
from probe.lab.rules import CensorRule

REALTIME_PRIORITY = 1  # a packet that waits for a processor looks like jitter; only the real root may ask for this


def _start_child(
    module: str, arguments: list[str], *, fds: list[int], own_files: bool, copies: bool
) -> tuple[int, socket.socket]:
    """Start one of the two child processes; its process id and the socket on which it waits for our word."""
    ours, theirs = channel_pair()
    words, kept = [*arguments, str(theirs.fileno())], [*fds, theirs.fileno()]
    if copies:
        pid = start_copy_apart(partial(import_module(module).main, *words), keep=kept, own_files=own_files).pid
    else:
        pid = start_apart(python_command(module, words), pass_fds=kept, own_files=own_files).pid
    theirs.close()
    return pid, ours


def _start_children(directory: str, launch: socket.socket, *, copies: bool) -> tuple[socket.socket, socket.socket]:
    """Servers and launcher, joined to us and ready. Raises LabError. The sockets close when the child ends."""
    servers_pid, servers = _start_child("probe.lab.servers", [directory], fds=[], own_files=False, copies=copies)
    arguments, fds = [directory, str(launch.fileno())], [launch.fileno()]
    vantage_pid, launcher = _start_child("probe.lab.launcher", arguments, fds=fds, own_files=True, copies=copies)
    connect_namespaces(vantage_pid=vantage_pid, servers_pid=servers_pid)
    for channel in (servers, launcher):
        channel.send(b"go")
    for name, channel in (("the servers", servers), ("the vantage point", launcher)):
        if not channel.recv(16):
            raise LabError(f"{name} did not start")
    return servers, launcher


class _Control:
    """Answers the session."""

    def __init__(self, channel: socket.socket, forwarder: Forwarder, profile: PathProfile) -> None:
        self._channel = channel
        self._forwarder = forwarder
        self._profile = profile
        self.gone = False

    def handle(self) -> bool:
        """One message; False when the session is gone."""
        message, _ = receive(self._channel)
        if isinstance(message, SetRules):
            self._forwarder.line.censor = _censor(self._profile, message.rules)
            send(self._channel, Ready())
        elif isinstance(message, AskStats):
            send(self._channel, self._forwarder.stats())
        self.gone = message is None
        return not self.gone


def _censor(profile: PathProfile, rules: Sequence[CensorRule]) -> Censor:
    hop = profile.censor_hop
    return Censor(rules, router_address=profile.router_address(hop), router_address6=profile.router_address6(hop))


def _forwarder(emulation: Emulation, capture: Capture | None) -> Forwarder:
    profile = emulation.profile
    line = Line(
        profile,
        distances=emulation.distances,
        censor=_censor(profile, emulation.rules),
        rng=random.Random(emulation.seed),
    )
    mac = mac_bytes(INNER_MAC["vantage"])
    vantage = CapturingPort("vantage", peer_mac=mac, capture=capture) if capture else Port("vantage", peer_mac=mac)
    servers = Port("servers", peer_mac=mac_bytes(INNER_MAC["servers"]))
    return Forwarder(line, vantage=vantage, servers=servers)


def _run(directory: str, control: socket.socket, launch: socket.socket) -> None:
    emulation: Emulation = pickle.loads((Path(directory) / EMULATION_FILE).read_bytes())
    try:
        servers, launcher = _start_children(directory, launch, copies=emulation.copies)
    except LabError as error:
        send(control, Failed(reason=str(error)))
        return
    launch.close()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # as init: orphans of the programs run here are nobody else's to bury
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(REALTIME_PRIORITY))
    with contextlib.ExitStack() as open_files:
        capture = open_files.enter_context(Capture(Path(emulation.pcap))) if emulation.pcap else None
        forwarder = _forwarder(emulation, capture)
        send(control, Ready())
        gc.freeze()  # a collection in the middle of a burst is a pause on the line
        session = _Control(control, forwarder, emulation.profile)
        # the children's sockets are readable only when the child has ended
        forwarder.run({control: session.handle, servers: lambda: False, launcher: lambda: False})
    if session.gone:
        shutil.rmtree(directory, ignore_errors=True)  # its own clean-up does not happen when it was killed


def main(directory: str, control_fd: str, launch_fd: str) -> None:
    """Run until the session's end of the control socket is closed."""
    _run(directory, socket.socket(fileno=int(control_fd)), socket.socket(fileno=int(launch_fd)))


if __name__ == "__main__":
    main(*sys.argv[1:])
