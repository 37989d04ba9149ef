"""How does a program or a test use the lab?

`Lab`, a context manager: an emulated line with a censor, the small internet behind it, and `run` to start programs at
its vantage point. It leaves nothing behind: processes, interfaces and files end with it, or with the process that
made it.
"""

import contextlib
import os
import pickle
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from probe.lab import copies, namespaces, servers
from probe.lab.forwarder import LabStats
from probe.lab.messages import (
    EMULATION_FILE,
    AskStats,
    Emulation,
    Ended,
    Failed,
    Launch,
    Message,
    Ready,
    SetRules,
    channel_pair,
    receive,
    send,
)
from probe.lab.namespaces import LabError
from probe.lab.path import HOME, MOST_CARRIED_BPS, PathProfile
from probe.lab.rules import CensorRule
from probe.lab.world import World, small_internet, targets_yaml

__all__ = ["Lab", "LabError"]

START_SECONDS = 20.0  # a loaded machine takes a few; more means that it will not come
END_SECONDS = 5.0
INTERRUPT_SECONDS = 10.0
ANSWER_SECONDS = 10.0
LOG_FILE = "lab.log"
LOG_TAIL_CHARACTERS = 2000
OUTSIDE_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_dir")


class Lab:
    """An emulated internet with a vantage point.

    `profile` is the vantage point's line, `world` who lives behind it, `rules` what the censor does, `seed` what
    decides random loss and jitter, `pcap` where to write what the vantage point sends and receives (complete when the
    lab has ended). `copies`: its processes, and our own command in it, are copies of this process, which spares their
    imports; for a process of one thread that has called `copies.import_all`. A line faster than the forwarder
    honestly carries is refused with ValueError. Entering it raises LabError where the machine cannot make the
    namespaces. Inside, `directory` is a temporary directory that vanishes with the lab, `targets_path` a targets.yaml
    for its world, `root_path` the certificate that its servers are under.
    """

    def __init__(
        self,
        *,
        profile: PathProfile = HOME,
        world: World | None = None,
        rules: Sequence[CensorRule] = (),
        seed: int = 0,
        pcap: Path | None = None,
        copies: bool = False,
    ) -> None:
        if profile.down_bps + profile.up_bps > MOST_CARRIED_BPS:
            raise ValueError(f"the lab carries {MOST_CARRIED_BPS / 1e6:.0f} Mbit/s, both directions together")
        self.profile = profile
        self.world = world if world is not None else small_internet()
        self._rules = tuple(rules)
        self._seed = seed
        self._pcap = pcap.absolute() if pcap else None
        self._copies = copies
        self._control_lock = threading.Lock()
        self._exits = contextlib.ExitStack()

    def __enter__(self) -> "Lab":
        for command in ("ip", "unshare"):
            if shutil.which(command) is None:
                raise LabError(f"the lab needs the command `{command}` (packages iproute2 and util-linux)")
        with contextlib.ExitStack() as exits:
            made = tempfile.TemporaryDirectory(prefix="throttleprobe-lab-", ignore_cleanup_errors=True)
            self.directory = Path(exits.enter_context(made))
            self._write_files()
            self._check_pcap()
            self._start(exits)
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exits.close()

    @property
    def targets_path(self) -> Path:
        return self.directory / "targets.yaml"

    @property
    def root_path(self) -> Path:
        return self.directory / servers.ROOT_FILE

    def set_rules(self, rules: Sequence[CensorRule]) -> None:
        """Other rules from the next packet on; the censor forgets every flow it knew. Raises LabError when the lab is
        gone.
        """
        self._ask(SetRules(rules=tuple(rules)))

    def stats(self) -> LabStats:
        """What the path did so far. Raises LabError when the lab is gone."""
        answer = self._ask(AskStats())
        if not isinstance(answer, LabStats):
            raise LabError(f"the lab answered {answer} when asked for its counters")
        return answer

    def environment(self) -> dict[str, str]:
        """What programs in the lab see: the lab's certificates, an empty home, temporary files of its own, no proxy."""
        home = self.directory / "home"
        kept = {name: value for name, value in os.environ.items() if name.lower() not in OUTSIDE_VARIABLES}
        kept = {name: value for name, value in kept.items() if not name.startswith(("XDG_", "THROTTLEPROBE_"))}
        places = {f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CONFIG", "STATE", "DATA", "CACHE")}
        root = str(self.root_path)
        own = {"HOME": str(home), "TMPDIR": str(home)}  # a machine of its own: it waits for nobody else's transfers
        return {**kept, **places, **own, "SSL_CERT_FILE": root, "CURL_CA_BUNDLE": root}

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        timeout: float,
        env: Mapping[str, str] | None = None,
        capture: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program at the vantage point, in the caller's working directory, and wait for it at most `timeout`
        seconds.

        `env` is added to `environment()`. With `capture` its output is returned as text and its input is empty;
        without, it has the caller's terminal. Raises subprocess.TimeoutExpired (the program is killed) and LabError
        (it could not be started).
        """
        words = tuple(str(word) for word in argv)
        with contextlib.ExitStack() as open_files:
            captured = _Captured(open_files) if capture else None
            descriptors = captured.descriptors() if captured else (0, 1, 2)
            waiter = self._launch(words, {**self.environment(), **(env or {})}, descriptors, own_group=capture)
            open_files.enter_context(waiter)  # closing it before the program has ended kills the program
            try:
                ended = _await_end(waiter, timeout, patient=not capture)
            except TimeoutError:
                output, errors = captured.texts() if captured else ("", "")
                raise subprocess.TimeoutExpired(words, timeout, output, errors) from None
            output, errors = captured.texts() if captured else ("", "")
        if not isinstance(ended, Ended):
            raise LabError(f"the lab ended while {words[0]} ran: {self._log_tail()}")
        if ended.reason:
            raise LabError(f"{words[0]} could not be started in the lab: {ended.reason}")
        return subprocess.CompletedProcess(words, ended.returncode, output, errors)

    def _launch(
        self, words: tuple[str, ...], env: dict[str, str], descriptors: tuple[int, int, int], *, own_group: bool
    ) -> socket.socket:
        waiter, theirs = channel_pair()
        request = Launch(argv=words, env=env, directory=str(Path.cwd()), own_group=own_group)
        try:
            send(self._launches, request, [*descriptors, theirs.fileno()])
        except OSError:
            waiter.close()
            raise LabError(f"the lab is gone: {self._log_tail()}") from None
        finally:
            theirs.close()
        return waiter

    def _ask(self, question: Message) -> Message:
        with self._control_lock:
            try:
                send(self._control, question)
                answer, _ = receive(self._control)
            except OSError:
                answer = None
        if answer is None:
            raise LabError(f"the lab is gone: {self._log_tail()}")
        return answer

    def _write_files(self) -> None:
        """All that the lab's processes and the programs in it read."""
        living = [host for host in self.world.hosts if not host.dead]
        distances = {address: host.extra_rtt_seconds for host in living for address in host.addresses}
        pcap = str(self._pcap) if self._pcap else None
        emulation = Emulation(
            profile=self.profile,
            rules=self._rules,
            distances=distances,
            seed=self._seed,
            pcap=pcap,
            copies=self._copies,
        )
        (self.directory / EMULATION_FILE).write_bytes(pickle.dumps(emulation))
        (self.directory / servers.WORLD_FILE).write_bytes(pickle.dumps(self.world))
        (self.directory / "resolv.conf").write_text(f"nameserver {self.world.resolver.address}\n")
        (self.directory / "hosts").write_text("127.0.0.1 localhost\n")
        (self.directory / "nsswitch.conf").write_text("hosts: files dns\n")
        (self.directory / "empty").mkdir()
        (self.directory / "home").mkdir()
        self.targets_path.write_text(targets_yaml(self.world))

    def _check_pcap(self) -> None:
        """Raises LabError where the file cannot be written: the host, which writes it, has nobody to tell."""
        if self._pcap is not None:
            try:
                self._pcap.open("wb").close()
            except OSError as error:
                raise LabError(f"{self._pcap} cannot be written: {error.strerror}") from None

    def _start(self, exits: contextlib.ExitStack) -> None:
        """Start the host, as root without a user namespace first. Raises LabError."""
        variants = (False, True) if os.geteuid() == 0 else (True,)
        reason = ""
        for as_user in variants:
            with contextlib.ExitStack() as attempt:
                reason = self._start_host(attempt, as_user=as_user)
                if not reason:
                    exits.push(attempt.pop_all())
                    return
        raise LabError(
            f"the lab could not start: {reason} It needs root, or user namespaces open to ordinary users "
            "(user.max_user_namespaces above 0; on Ubuntu kernel.apparmor_restrict_unprivileged_userns=0; in a "
            "container, a seccomp profile that allows unshare)."
        )

    def _start_host(self, exits: contextlib.ExitStack, *, as_user: bool) -> str:
        """Start the host and wait until it is ready; why it is not, or nothing."""
        self._control, control = channel_pair()
        self._launches, launches = channel_pair()
        descriptors = (control.fileno(), launches.fileno())
        arguments = [str(self.directory), *map(str, descriptors)]
        with (self.directory / LOG_FILE).open("wb") as log, control, launches:
            start = copies.start_host if self._copies else namespaces.start_host
            host = start(arguments, log=log, keep=descriptors, as_user=as_user)
        exits.callback(_end, host)
        for ours in (self._launches, self._control):
            exits.enter_context(ours)  # closed before `_end` waits: that is what tells the host to go
        self._control.settimeout(START_SECONDS)
        try:
            first, _ = receive(self._control)
        except TimeoutError:
            return f"it was not ready after {START_SECONDS:.0f} s. {self._log_tail()}"
        self._control.settimeout(ANSWER_SECONDS)
        if isinstance(first, Ready):
            return ""
        return f"{first.reason if isinstance(first, Failed) else ''} {self._log_tail()}"

    def _log_tail(self) -> str:
        try:
            return (self.directory / LOG_FILE).read_text(errors="replace")[-LOG_TAIL_CHARACTERS:].strip()
        except OSError:
            return ""


def _await_end(waiter: socket.socket, timeout: float, *, patient: bool) -> Message | None:
    """The program's end. Raises TimeoutError.

    `patient`: a program on the terminal hears Ctrl-C as we do; it is given time to end by itself before the interrupt
    goes on.
    """
    waiter.settimeout(timeout)
    try:
        return receive(waiter)[0]
    except KeyboardInterrupt:
        if patient:
            waiter.settimeout(INTERRUPT_SECONDS)
            with contextlib.suppress(TimeoutError):
                receive(waiter)
        raise


class _Captured:
    """Files that a program's output goes to: unlike pipes they need nobody to read along."""

    def __init__(self, open_files: contextlib.ExitStack) -> None:
        made = (os.memfd_create(name) for name in ("input", "output", "errors"))
        self._files = [open_files.enter_context(os.fdopen(descriptor, "w+b")) for descriptor in made]

    def descriptors(self) -> tuple[int, int, int]:
        """An empty input, the output, the errors."""
        given, output, errors = self._files
        return given.fileno(), output.fileno(), errors.fileno()

    def texts(self) -> tuple[str, str]:
        """Standard output and standard error so far."""
        _, output, errors = self._files
        output.seek(0)
        errors.seek(0)
        return output.read().decode(errors="replace"), errors.read().decode(errors="replace")


def _end(host: "subprocess.Popen[bytes] | copies.Copy") -> None:
    """Wait for the host, whose control socket is closed; kill it if it does not hear that."""
    try:
        host.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        host.kill()  # `unshare --kill-child` takes everything with it
        host.wait()
