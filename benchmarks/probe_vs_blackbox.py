"""Is a probe by `/probe` as quick as blackbox_exporter's of the same target at the same moment?

Starts both beside each other at the lab's vantage point, 40 ms from the targets, and asks them in turn, as a Prometheus
server would; prints the medians as a Markdown table. Exits 1 where a module of `BOUNDS` takes longer than it may. Needs
Debian's prometheus-blackbox-exporter.

Run from the checkout: `python -m benchmarks.probe_vs_blackbox [--requests N]`. With `--inside` and `--serve` it is the
program that runs in the lab.
"""

import argparse
import asyncio
import http.client
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from prometheus_client.parser import text_string_to_metric_families

from probe import config
from probe.lab.path import HOME
from probe.lab.session import Lab
from probe.lab.world import small_internet
from probe.watch.listening import listening
from probe.watch.probe_setup import Taken
from probe.watch.probing import Prober
from probe.watch.web import make_app
from tests.loopback.probe_stage import StagedState

TARGET = "birdnet"
BOUNDS = {"tls_connect": 1.2}  # of blackbox_exporter's duration
MODULES = {"tls_connect": "birdnet.test:443", "tcp_connect": "birdnet.test:443", "http_2xx": "https://birdnet.test/"}
PORTS = {"ours": 9850, "theirs": 9115}
START_SECONDS = 20.0
ANSWER_SECONDS = 10.0
HARD_END_SECONDS = 400.0
CONFIGURATION = """
modules:
  http_2xx: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4, enable_http2: false}}
  tcp_connect: {prober: tcp, timeout: 5s, tcp: {preferred_ip_protocol: ip4}}
  tls_connect: {prober: tcp, timeout: 5s, tcp: {preferred_ip_protocol: ip4, tls: true}}
"""


class Unlimited:
    """A budget without an end."""

    async def take(self, num_bytes: int) -> Taken:
        return Taken(num_bytes=num_bytes)

    async def give_back(self, taken: Taken, unused_bytes: int) -> None:
        pass


async def serve(targets: Path) -> None:
    listed = config.load(targets)
    prober = Prober(targets=listed.targets, controls=listed.controls, allowance=Unlimited())
    async with listening(make_app(StagedState(prober=prober)), "127.0.0.1", PORTS["ours"]):
        await asyncio.Event().wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One scrape: how long it took to whoever asked, and what the prober itself said."""

    scrape_seconds: float
    probe_seconds: float
    success: bool


def ask(port: int, module: str) -> Asked:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    began = time.perf_counter()
    connection.request("GET", "/probe?" + urlencode({"module": module, "target": MODULES[module]}))
    answer = connection.getresponse()
    text = answer.read().decode()
    seconds = time.perf_counter() - began
    connection.close()
    if answer.status != 200:
        raise SystemExit(f"port {port}: {answer.status} {text}")
    values = {s.name: s.value for family in text_string_to_metric_families(text) for s in family.samples}
    return Asked(
        scrape_seconds=seconds,
        probe_seconds=values["probe_duration_seconds"],
        success=values["probe_success"] == 1,
    )


@contextmanager
def started(*argv: str, port: int) -> Iterator[None]:
    program = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and program.poll() is None:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
                connection.request("GET", "/-/healthy")
                connection.getresponse()
                break
            except OSError:
                time.sleep(0.1)
        else:
            program.kill()
            raise SystemExit(f"{argv[0]} did not start: {program.communicate()[1]}")
        yield
    finally:
        program.terminate()
        program.communicate()


def inside(targets: Path, requests: int) -> None:
    """Both servers, asked in turn, either first every other time; prints what came of it."""
    found: dict[str, list[dict[str, float]]] = {module: [] for module in MODULES}
    ours = (sys.executable, "-m", "benchmarks.probe_vs_blackbox", "--serve", str(targets))
    with tempfile.TemporaryDirectory() as name:
        settings = Path(name) / "blackbox.yml"
        settings.write_text(CONFIGURATION)
        theirs = (
            "prometheus-blackbox-exporter",
            f"--config.file={settings}",
            f"--web.listen-address=127.0.0.1:{PORTS['theirs']}",
        )
        with started(*ours, port=PORTS["ours"]), started(*theirs, port=PORTS["theirs"]):
            for module in MODULES:
                for number in range(-1, requests):
                    order = ("ours", "theirs") if number % 2 else ("theirs", "ours")
                    asked = {who: ask(PORTS[who], module) for who in order}
                    if not all(one.success for one in asked.values()):
                        raise SystemExit(f"{module}: {asked}")
                    if number >= 0:
                        found[module].append(
                            {
                                **{f"{who} scrape": one.scrape_seconds for who, one in asked.items()},
                                **{f"{who} probe": one.probe_seconds for who, one in asked.items()},
                            }
                        )
    print(json.dumps(found))


def table(found: dict[str, list[dict[str, float]]]) -> int:
    """Medians of the pairs' ratios, so that drift cancels; the exit code."""
    print("| module | requests | `/probe`, ms | blackbox_exporter, ms | ratio | whole scrape: ratio |")
    print("|---|---|---|---|---|---|")
    good = True
    for module, pairs in found.items():
        ratio = statistics.median(pair["ours probe"] / pair["theirs probe"] for pair in pairs)
        scrape = statistics.median(pair["ours scrape"] / pair["theirs scrape"] for pair in pairs)
        ours, theirs = (statistics.median(pair[f"{who} probe"] for pair in pairs) * 1e3 for who in PORTS)
        bound = f" (≤ {BOUNDS[module]})" if module in BOUNDS else ""
        good = good and max(ratio, scrape) <= BOUNDS.get(module, float("inf"))
        print(f"| {module} | {len(pairs)} | {ours:.1f} | {theirs:.1f} | **{ratio:.2f}**{bound} | {scrape:.2f} |")
    return 0 if good else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=41)
    parser.add_argument("--inside", type=Path)
    parser.add_argument("--serve", type=Path)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        asyncio.run(serve(arguments.serve))
    elif arguments.inside is not None:
        inside(arguments.inside, arguments.requests)
    else:
        if shutil.which("prometheus-blackbox-exporter") is None:
            raise SystemExit("prometheus-blackbox-exporter is not installed")
        with Lab(profile=HOME, world=small_internet().only(TARGET)) as lab:
            argv = [sys.executable, "-m", "benchmarks.probe_vs_blackbox", "--requests", str(arguments.requests)]
            done = lab.run([*argv, "--inside", str(lab.targets_path)], timeout=HARD_END_SECONDS)
        if done.returncode:
            raise SystemExit(done.stderr or done.stdout)
        return table(json.loads(done.stdout))
    return 0


if __name__ == "__main__":
    sys.exit(main())
