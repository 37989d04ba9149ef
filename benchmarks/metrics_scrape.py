"""How long does Prometheus wait for /metrics of 200 targets, and how large is it?

Serves the real application on the loopback and asks as a Prometheus server does (OpenMetrics, gzip), in turn with the
library's own handler on the same registry, each time over a new connection; between rounds a run changes every target.
Prints the medians and the sizes as rows of a Markdown table. Exits 1 when the median is above `MAX_SECONDS` or the text
above `MAX_BYTES`.

Run: python -m benchmarks.metrics_scrape [--targets N] [--rounds N] [--scrapes N]. The client runs beside the server, in
a thread of the same process, and its time is in the figure.
"""

import argparse
import asyncio
import gzip
import http.client
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from aiohttp import web
from prometheus_client.aiohttp import make_aiohttp_handler

from probe.metrics import Metrics
from probe.model.results import Report
from probe.watch.web import make_app
from tests import reports
from tests.curves import Shape
from tests.loopback.probe_stage import StagedState

MAX_SECONDS = 0.020
MAX_BYTES = 1_048_576
# What Prometheus 2.42 sends.
HEADERS = {
    "Accept": "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "Accept-Encoding": "gzip",
}


def throttled(targets: int, number: int) -> Report:
    """A run that found goodput of both directions in every target, slowed in each: the longest a page can be."""
    one = reports.slowed("x", "X", download=Shape.POLICED, upload=Shape.POLICED)
    ids = [f"{number:08x}-0000-7000-8000-{n:012x}" for n in range(len(one.measurements))]
    measurements = tuple(replace(m, id=id_) for m, id_ in zip(one.measurements, ids, strict=True))
    same = replace(one, measurements=measurements)
    report = reports.report(*(replace(same, id=f"target{n:03}") for n in range(targets)))
    return replace(report, id=f"run-{number}")


@dataclass(frozen=True, slots=True)
class Scrape:
    seconds: float
    sent_bytes: int
    text_bytes: int


def scrape(port: int) -> Scrape:
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/metrics", headers=HEADERS)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    seconds = time.perf_counter() - began
    if answer.status != http.client.OK:
        raise RuntimeError(f"/metrics answered {answer.status}")
    text = gzip.decompress(body) if answer.headers["Content-Encoding"] == "gzip" else body
    return Scrape(seconds, len(body), len(text))


async def served(application: web.Application, stack: AsyncExitStack) -> int:
    """The port on the loopback on which it answers."""
    runner = web.AppRunner(application)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port: int = runner.addresses[0][1]
    return port


def plain(metrics: Metrics) -> web.Application:
    application = web.Application()
    application.router.add_get("/metrics", make_aiohttp_handler(metrics.registry))
    return application


async def measure(targets: int, rounds: int, scrapes: int) -> dict[str, list[Scrape]]:
    metrics = Metrics()
    metrics.observe(throttled(targets, 0))
    found: dict[str, list[Scrape]] = {"first after a run": [], "later": [], "library's handler": []}
    async with AsyncExitStack() as stack:
        ours = await served(make_app(StagedState(metrics=metrics)), stack)
        theirs = await served(plain(metrics), stack)
        for number in range(1, rounds + 1):
            await asyncio.to_thread(metrics.observe, throttled(targets, number))
            for name, port in order(ours, theirs, scrapes):
                found[name].append(await asyncio.to_thread(scrape, port))
    return found


def order(ours: int, theirs: int, scrapes: int) -> Iterator[tuple[str, int]]:
    for number in range(scrapes):
        yield ("later" if number else "first after a run"), ours
        yield "library's handler", theirs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scrapes", type=int, default=6)
    asked = parser.parse_args()
    found = asyncio.run(measure(asked.targets, asked.rounds, asked.scrapes))
    print(f"| scrape of {asked.targets} targets | median | slowest | text | sent |\n|---|---|---|---|---|")
    for name, scrapes in found.items():
        seconds = [s.seconds for s in scrapes]
        text, sent = max(s.text_bytes for s in scrapes), max(s.sent_bytes for s in scrapes)
        print(
            f"| {name} | {statistics.median(seconds) * 1e3:.1f} ms | {max(seconds) * 1e3:.1f} ms |"
            f" {text / 1e3:.0f} kB | {sent / 1e3:.0f} kB |"
        )
    mine = [*found["first after a run"], *found["later"]]
    ok = statistics.median(s.seconds for s in mine) <= MAX_SECONDS and mine[0].text_bytes <= MAX_BYTES
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
