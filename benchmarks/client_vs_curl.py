"""Is the goodput client fast enough not to be what a transfer measures?

Moves the same bytes with `probe.net.transfer` and with curl over TLS on the loopback, to and from one nginx (a
distribution's package), in alternating runs, and prints the median rates and ratios as a Markdown table row. Exits 1
when the client is below `LEAST_RATIO`. Says nothing about real lines, where either is far from its limit.

Run: python benchmarks/client_vs_curl.py [--runs N] [--mebibytes N]. Needs nginx, curl and 1 GiB of temporary space.
"""

import argparse
import asyncio
import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import trustme

from probe.model.observations import Direction
from probe.model.targets import Endpoint
from probe.net.base import TransferRequest
from probe.net.clock import MonotonicClock
from probe.net.limits import AddressGate
from probe.net.meter import Meter
from probe.net.ports import Ports
from probe.net.transfer import transfer
from probe.net.trust import Trust

LEAST_RATIO = {Direction.DOWNLOAD: 1.0, Direction.UPLOAD: 0.8}  # docs/benchmarks.md
NAME = "media.test"
TRANSFER_SECONDS = 60.0
START_SECONDS = 5.0
MEBIBYTE = 1024 * 1024

NGINX_CONFIGURATION = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; output_buffers 2 512k; client_max_body_size 0; keepalive_requests 100000; lingering_time 120s;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem;
  server {{
    listen 127.0.0.1:{port} ssl; server_name {name};
    location /media {{ root {folder}; }}
    # answers at once, then reads the whole body through TLS and throws it away; a proxied sink would stop decrypting
    location /sink {{ return 200; }}
  }}
}}
"""


@contextlib.contextmanager
def nginx(folder: Path, num_bytes: int) -> Iterator[int]:
    """A TLS server in `folder` that gives /media and takes /sink; yields its port."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    authority.issue_cert(NAME).private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    with (folder / "media").open("wb") as media:
        media.truncate(num_bytes)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX_CONFIGURATION.format(folder=folder, port=port, name=NAME))
    folder.chmod(0o755)
    server = subprocess.Popen(["nginx", "-p", folder, "-c", configuration], stderr=subprocess.DEVNULL)
    try:
        _await_port(port, server)
        yield port
    finally:
        server.terminate()
        server.wait()


def _await_port(port: int, server: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise SystemExit("nginx did not start; see its error.log")


class Client:
    """The probe's own client, as a check uses it."""

    def __init__(self) -> None:
        self._clock, self._ports = MonotonicClock(), Ports(Random())
        self._trust, self._gate = Trust(), AddressGate()

    def rate(self, direction: Direction, port: int, num_bytes: int) -> float:
        """Bytes per second from the request to the last byte."""
        request = TransferRequest(
            direction=direction,
            url=f"https://{NAME}:{port}/{'media' if direction is Direction.DOWNLOAD else 'sink'}",
            endpoint=Endpoint(address="127.0.0.1", port=port),
            server_name=NAME,
            host=NAME,
            num_bytes=num_bytes,
            verify=True,
            order=0,
        )
        done = asyncio.run(
            transfer(
                request,
                deadline=self._clock.now() + TRANSFER_SECONDS,
                clock=self._clock,
                ports=self._ports,
                trust=self._trust,
                meter=Meter(),
                gate=self._gate,
            )
        )
        if not done.complete or done.t_request is None:
            raise SystemExit(f"the client's {direction} did not complete: {done.failure}, status {done.status}")
        return num_bytes / (done.t - done.t_request)


def curl_rate(direction: Direction, port: int, num_bytes: int, folder: Path) -> float:
    """Bytes per second of curl, from the request to the last byte."""
    command = ["curl", "-sS", "-o", os.devnull, "--http1.1", "--cacert", str(folder / "ca.pem")]
    command += ["--resolve", f"{NAME}:{port}:127.0.0.1", "-w", "%{time_pretransfer} %{time_total} %{http_code}"]
    if direction is Direction.UPLOAD:
        command += ["-X", "POST", "-H", "Expect:", "-T", str(folder / "media"), f"https://{NAME}:{port}/sink"]
    else:
        command += [f"https://{NAME}:{port}/media"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TRANSFER_SECONDS)
    begin, end, status = answer.stdout.split()
    if status != "200":
        raise SystemExit(f"curl's {direction} got status {status}")
    return num_bytes / (float(end) - float(begin))


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Medians of the alternating runs, in bytes per second; `ratio` is that of the pairs, so that drift cancels."""

    ours: float
    curls: float
    ratio: float


def compare(ours: Callable[[], float], curls: Callable[[], float], runs: int) -> Result:
    """Run both in turn, either first every other time; one run of each is thrown away before."""
    ours(), curls()
    pairs = []
    for index in range(runs):
        first, second = (ours, curls) if index % 2 else (curls, ours)
        one, other = first(), second()
        pairs.append((one, other) if index % 2 else (other, one))
    return Result(
        ours=statistics.median(own for own, _ in pairs),
        curls=statistics.median(curl for _, curl in pairs),
        ratio=statistics.median(own / curl for own, curl in pairs),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=21)
    parser.add_argument("--mebibytes", type=int, default=256)
    arguments = parser.parse_args()
    if missing := [program for program in ("nginx", "curl") if shutil.which(program) is None]:
        raise SystemExit(f"not installed: {', '.join(missing)}")
    num_bytes = arguments.mebibytes * MEBIBYTE
    cells, good = [], True
    with tempfile.TemporaryDirectory() as name, nginx(folder := Path(name), num_bytes) as port:
        os.environ["SSL_CERT_FILE"] = str(folder / "ca.pem")
        client = Client()
        for direction, least in LEAST_RATIO.items():
            result = compare(
                partial(client.rate, direction, port, num_bytes),
                partial(curl_rate, direction, port, num_bytes, folder),
                arguments.runs,
            )
            good = good and result.ratio >= least
            cells += [f"{result.ours / 1e6:.0f}", f"{result.curls / 1e6:.0f}", f"**{result.ratio:.2f}** (≥ {least})"]
    print("| MiB | runs | down MB/s | curl | ratio | up MB/s | curl | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    print(f"| {arguments.mebibytes} | {arguments.runs} | {' | '.join(cells)} |")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
