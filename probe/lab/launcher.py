"""How does a program come to run at the vantage point?

Waits inside the vantage point's namespaces, starts what the session asks for with the session's own descriptors, and
reports how it ended. A program whose session stops listening is killed. It looks at nothing that passes through those
descriptors.
"""

import contextlib
import os
import pickle
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from probe.lab.copies import Copy, start_program
from probe.lab.messages import EMULATION_FILE, Emulation, Ended, Launch, receive, send
from probe.lab.namespaces import OWN_COMMAND, LabError, configure_vantage, restore_interrupt

NOT_FOUND = 127  # the shell's status for a command that does not exist


class _Program:
    """A program that runs, and the socket of the session that waits for it."""

    def __init__(self, process: "subprocess.Popen[bytes] | Copy", waiter: socket.socket, *, own_group: bool) -> None:
        self.process = process
        self.waiter = waiter
        self._own_group = own_group

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self._own_group:
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()


class Launcher:
    """One loop over the session's requests, the programs' ends, and the sessions that stop waiting. `copies`: our own
    command is started as a copy of this process.
    """

    def __init__(self, requests: socket.socket, host: socket.socket, *, copies: bool = False) -> None:
        self._copies = copies
        self._selector = selectors.DefaultSelector()
        self._requests = requests
        self._host = host
        self._selector.register(requests, selectors.EVENT_READ)
        self._selector.register(host, selectors.EVENT_READ)

    def serve(self) -> None:
        """Until the host, or the session, closes its socket."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._host:
                    return
                if key.fileobj is self._requests:
                    if not self._accept():
                        return
                elif isinstance(key.data, _Program):
                    self._attend(key.data, ended=isinstance(key.fileobj, int))

    def _accept(self) -> bool:
        message, descriptors = receive(self._requests)
        if not isinstance(message, Launch):
            return False
        waiter = socket.socket(fileno=descriptors.pop())
        try:
            process = self._start(message, descriptors)
        except OSError as error:
            self._report(waiter, Ended(returncode=NOT_FOUND, reason=str(error)))
            return True
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        program = _Program(process, waiter, own_group=message.own_group)
        self._selector.register(os.pidfd_open(process.pid), selectors.EVENT_READ, program)
        self._selector.register(waiter, selectors.EVENT_READ, program)
        return True

    def _start(self, message: Launch, descriptors: Sequence[int]) -> "subprocess.Popen[bytes] | Copy":
        """Raises OSError."""
        given, output, errors = descriptors
        own = len(OWN_COMMAND)
        if self._copies and message.argv[:own] == OWN_COMMAND:
            return start_program(
                message.argv[own:],
                standard=(given, output, errors),
                env=message.env,
                directory=Path(message.directory),
                own_group=message.own_group,
            )
        return subprocess.Popen(
            message.argv,
            stdin=given,
            stdout=output,
            stderr=errors,
            env=message.env,
            cwd=message.directory,
            process_group=0 if message.own_group else None,
            preexec_fn=restore_interrupt,
        )

    def _attend(self, program: _Program, *, ended: bool) -> None:
        """The program's end, or that of its session's patience; the end of a killed program is then heard too."""
        if not ended:
            self._selector.unregister(program.waiter)
            program.kill()
            return
        for key in list(self._selector.get_map().values()):
            if key.data is program:
                self._selector.unregister(key.fileobj)
                if isinstance(key.fileobj, int):
                    os.close(key.fileobj)
        self._report(program.waiter, Ended(returncode=program.process.wait()))

    @staticmethod
    def _report(waiter: socket.socket, ended: Ended) -> None:
        with contextlib.suppress(OSError):  # nobody waits any more
            send(waiter, ended)
        waiter.close()


def main(directory: str, requests_fd: str, host_fd: str) -> None:
    """Wait until this namespace has its interface, set it up, serve."""
    host = socket.socket(fileno=int(host_fd))
    if not host.recv(1):
        return
    try:
        emulation: Emulation = pickle.loads((Path(directory) / EMULATION_FILE).read_bytes())
        configure_vantage(Path(directory), ipv6=emulation.profile.ipv6 != "none")
    except LabError as error:
        sys.stderr.write(f"{error}\n")
        return
    launcher = Launcher(socket.socket(fileno=int(requests_fd)), host, copies=emulation.copies)
    host.send(b"ready")
    launcher.serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
