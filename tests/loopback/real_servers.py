"""The real programs a researcher runs, each on loopback, in its own directory, on a port of its own, ended by the test.

Debian's packages: prometheus, prometheus-alertmanager, prometheus-pushgateway, prometheus-blackbox-exporter and
victoria-metrics. Each function is a context manager that yields a running `Server`; `stop`, `kill` and `start` make an
outage of it, on the same port and with the same data. What a test asks of them is the test's own business.

Start them in the thread that lives as long as they shall: the kernel ends a server whose starting thread has ended, so
that none outlives a test run that was killed.
"""

import http.client
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

READY_SECONDS = 40.0  # each is ready within a second on an idle machine
END_SECONDS = 15.0
PORTS_TRIED = 5  # a port found free may be taken before the server binds it

OUT_OF_ORDER = "storage:\n  tsdb:\n    out_of_order_time_window: 30d\n"
NOTHING_SCRAPED = "global:\n  scrape_interval: 1h\n"
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # whatever proxy the environment names


class ServerError(Exception):
    """The server did not start; its output is in the text."""


@dataclass(slots=True, kw_only=True)
class Server:
    """One program; `argv` may hold `{port}` and `{directory}`. `prefix` runs it elsewhere, as `nsenter … --` does."""

    argv: tuple[str, ...]
    ready_path: str
    directory: Path
    prefix: tuple[str, ...] = ()
    port: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, without a slash at its end."""
        return f"http://{self.address}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def output(self) -> str:
        """What it has written to both its outputs."""
        return (self.directory / "output.log").read_text(errors="replace")

    def start(self) -> None:
        """Start and wait until it is ready; on the port it had before, if it had one. Raises ServerError."""
        if shutil.which(self.argv[0]) is None:
            raise ServerError(f"{self.argv[0]} is not installed: see APT_TEST in the Makefile")
        for _ in range(1 if self.port else PORTS_TRIED):
            port = self.port or free_port()
            if self._started(port):
                self.port = port
                return
        raise ServerError(f"{self.argv[0]} did not become ready:\n{self.output[-4000:]}")

    def stop(self) -> None:
        """End it in order, with what it has on the disk."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut does."""
        self._end(signal.SIGKILL)

    def reload(self) -> None:
        """SIGHUP: read the configuration again."""
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def get(self, path: str, **query: str) -> bytes:
        """The body of the answer to a GET, through this program's own network."""
        query_string = f"?{urllib.parse.urlencode(query)}" if query else ""
        with _DIRECT.open(f"{self.url}{path}{query_string}", timeout=30) as answer:
            body: bytes = answer.read()
        return body

    def get_json(self, path: str, **query: str) -> Any:
        return json.loads(self.get(path, **query))

    def _started(self, port: int) -> bool:
        argv = [part.format(port=port, directory=self.directory) for part in self.argv]
        with (self.directory / "output.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, "setpriv", "--pdeathsig", "KILL", *argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                start_new_session=True,
            )
        url = f"http://127.0.0.1:{port}{self.ready_path}"
        answers = (lambda: _answers_there(self.prefix, url)) if self.prefix else (lambda: _answers(url))
        if _wait_until(answers, self.process):
            return True
        self._end(signal.SIGKILL)
        return False

    def _end(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


def free_port() -> int:
    """A port of loopback that nobody has at this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _answers(url: str) -> bool:
    try:
        with _DIRECT.open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError, http.client.HTTPException):
        return False


def _answers_there(prefix: Sequence[str], url: str) -> bool:
    code = f"import urllib.request; urllib.request.urlopen({url!r}, timeout=5)"
    return subprocess.run([*prefix, sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def _wait_until(answers: Callable[[], bool], process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if answers():
            return process.poll() is None
        time.sleep(0.05)
    return False


@contextmanager
def _running(
    directory: Path, argv: Sequence[str], ready_path: str, files: Mapping[str, str], prefix: Sequence[str]
) -> Iterator[Server]:
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(text)
    server = Server(argv=tuple(argv), ready_path=ready_path, directory=directory, prefix=tuple(prefix))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextmanager
def prometheus(
    directory: Path,
    config_text: str = NOTHING_SCRAPED + OUT_OF_ORDER,
    *,
    flags: Sequence[str] = (),
    files: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
) -> Iterator[Server]:
    """Prometheus with the remote write receiver on; `files` are put beside its configuration (rules, targets).

    Without a configuration: nothing is scraped, and samples up to 30 days late are taken.
    """
    argv = (
        "prometheus",
        "--config.file={directory}/prometheus.yml",
        "--storage.tsdb.path={directory}/data",
        "--storage.tsdb.retention.time=10y",
        "--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
        "--web.enable-lifecycle",
        "--web.enable-admin-api",
        *flags,
    )
    with _running(directory, argv, "/-/ready", {"prometheus.yml": config_text, **(files or {})}, prefix) as server:
        yield server


@contextmanager
def alertmanager(
    directory: Path, config_text: str, *, flags: Sequence[str] = (), prefix: Sequence[str] = ()
) -> Iterator[Server]:
    """Alertmanager alone, without a cluster."""
    argv = (
        "prometheus-alertmanager",
        "--config.file={directory}/alertmanager.yml",
        "--storage.path={directory}/data",
        "--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        *flags,
    )
    with _running(directory, argv, "/-/ready", {"alertmanager.yml": config_text}, prefix) as server:
        yield server


@contextmanager
def victoria_metrics(directory: Path, *, flags: Sequence[str] = (), prefix: Sequence[str] = ()) -> Iterator[Server]:
    """VictoriaMetrics, single node; what was written is seen by queries at once."""
    argv = (
        "victoria-metrics",
        "-storageDataPath={directory}/data",
        "-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=10y",
        "-search.latencyOffset=0s",
        "-memory.allowedBytes=64MB",
        *flags,
    )
    with _running(directory, argv, "/health", {}, prefix) as server:
        yield server


@contextmanager
def pushgateway(directory: Path, *, flags: Sequence[str] = (), prefix: Sequence[str] = ()) -> Iterator[Server]:
    """Pushgateway, with what it was given kept in memory alone."""
    argv = (
        "prometheus-pushgateway",
        "--web.listen-address=127.0.0.1:{port}",
        "--persistence.file=",
        "--web.enable-admin-api",
        *flags,
    )
    with _running(directory, argv, "/-/ready", {}, prefix) as server:
        yield server


@contextmanager
def blackbox_exporter(
    directory: Path, config_text: str, *, flags: Sequence[str] = (), prefix: Sequence[str] = ()
) -> Iterator[Server]:
    """blackbox_exporter with the modules of its configuration."""
    argv = (
        "prometheus-blackbox-exporter",
        "--config.file={directory}/blackbox.yml",
        "--web.listen-address=127.0.0.1:{port}",
        *flags,
    )
    with _running(directory, argv, "/-/healthy", {"blackbox.yml": config_text}, prefix) as server:
        yield server
