"""Does a real Prometheus take what is exposed and what is pushed, and answer the queries of the table?"""

import asyncio
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from probe.metrics import Endpoint, Metrics
from probe.metrics.definitions import DEFINITIONS, Kind
from probe.model.results import Report, State, TargetResult
from probe.push.remote_write import HEADERS, batches
from probe.watch.web import make_app
from tests import reports
from tests.factories import verdict
from tests.loopback.probe_stage import StagedState
from tests.loopback.real_servers import OUT_OF_ORDER, Server, prometheus

SCRAPED = """
global:
  scrape_interval: 1s
scrape_configs:
  - job_name: throttleprobe
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
PATIENCE_SECONDS = 30.0  # for a scrape that is made every second
HOUR = 3600


@contextmanager
def served(metrics: Metrics) -> Iterator[int]:
    """The port of the service's own web application, in a thread with a loop of its own."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(make_app(StagedState(metrics=metrics)))

    async def start() -> int:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port: int = runner.addresses[0][1]
        return port

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(start(), loop).result(PATIENCE_SECONDS)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(PATIENCE_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def run(number: int, at: float, *targets: TargetResult) -> Report:
    """A run that began at this Unix time."""
    started = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    named = tuple(
        replace(t, measurements=tuple(replace(m, started_at=started) for m in t.measurements)) for t in targets
    )
    return replace(reports.report(*named), id=f"0193-run-{number}", started_at=started)


def everything(at: float) -> Metrics:
    moment = datetime.fromtimestamp(at, UTC)
    metrics = Metrics()
    metrics.observe(run(0, at, *reports.every_state().targets))
    metrics.set_budget({"run": 1, "day": 2, "month": 3}, {"day": 1, "month": 2})
    metrics.set_reload(True, moment)
    metrics.set_next_run(moment)
    metrics.set_line(metered=False, vpn=False)
    metrics.set_store_bytes(4096)
    metrics.set_endpoints([Endpoint(name="home", pending_samples=3, sent_samples=9, last_success_at=moment)])
    return metrics


def asked(server: Server, query: str, at: float | None = None) -> list[dict[str, Any]]:
    times = {} if at is None else {"time": f"{at:.3f}"}
    answer = server.get_json("/api/v1/query", query=query, **times)
    assert answer["status"] == "success", answer
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found


def wait_for(server: Server, query: str) -> list[dict[str, Any]]:
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := asked(server, query)) and time.monotonic() < end:
        time.sleep(0.2)
    assert found, f"{query}: nothing after {PATIENCE_SECONDS:.0f} s: {server.get_json('/api/v1/targets')}"
    return found


def test_what_is_scraped(tmp_path: Path) -> None:
    metrics = everything(time.time() - 60)
    exposed = [sample for family in metrics.registry.collect() for sample in family.samples]
    with (
        served(metrics) as port,
        prometheus(tmp_path / "p", SCRAPED.format(port=port), flags=["--enable-feature=exemplar-storage"]) as server,
    ):
        wait_for(server, "up == 1")
        (scraped,) = wait_for(server, "scrape_samples_scraped > 0")
        assert int(scraped["value"][1]) == len(exposed), "every line was read"
        states = {r["metric"]["target"]: r["metric"]["state"] for r in wait_for(server, "throttleprobe_verdict == 1")}
        assert states == {t.id: t.verdict.state.value for t in reports.every_state().targets}
        for definition in DEFINITIONS:
            asked(server, definition.query)
        kinds = {entry["metric"]: entry["type"] for entry in server.get_json("/api/v1/targets/metadata")["data"]}
        for definition in DEFINITIONS:
            # Prometheus keeps a family's name as OpenMetrics has it: without what the type adds.
            if definition.family_name in kinds:
                assert kinds[definition.family_name] == definition.kind.value
        assert {d.kind for d in DEFINITIONS if d.family_name in kinds} == set(Kind)
        exemplars = server.get_json(
            "/api/v1/query_exemplars",
            query="throttleprobe_phase_duration_seconds_bucket",
            start=f"{time.time() - HOUR:.0f}",
            end=f"{time.time() + HOUR:.0f}",
        )
        ids = {e["labels"]["measurement_id"] for series in exemplars["data"] for e in series["exemplars"]}
        assert "0193-news-tls-2" in ids


def test_what_is_pushed_stands_at_its_own_time_and_ends(tmp_path: Path) -> None:
    now = float(int(time.time()))  # a report tells milliseconds, cut and not rounded
    first, second = now - 2 * HOUR, now - HOUR
    blocked = reports.target("news", "News", reports.NXDOMAIN, *reports.access("news", "news.example"))
    fine = replace(blocked, verdict=verdict(State.OK))
    metrics = Metrics()
    with prometheus(tmp_path / "p", "global:\n  scrape_interval: 1h\n" + OUT_OF_ORDER) as server:
        for number, (at, result) in enumerate(((first, blocked), (second, fine))):
            metrics.observe(run(number, at, result))
            for batch in batches(metrics.samples(), {"instance": "home-1", "job": "throttleprobe"}):
                request = urllib.request.Request(f"{server.url}/api/v1/write", batch.body, HEADERS)
                with urllib.request.urlopen(request, timeout=30) as answer:
                    assert answer.status == 204
        soon = 120.0  # after the run has ended, before an instant query looks back in vain
        (mechanism,) = asked(server, "throttleprobe_mechanism_info", first + soon)
        assert mechanism["metric"] == {
            "__name__": "throttleprobe_mechanism_info",
            "instance": "home-1",
            "job": "throttleprobe",
            "mechanism": "dns.nxdomain",
            "target": "news",
        }
        assert asked(server, "throttleprobe_mechanism_info", second + soon) == []
        assert asked(server, "throttleprobe_verdict_confirmed", second + soon) == []
        for at, state in ((first, "blocked"), (second, "ok")):
            (one,) = asked(server, "throttleprobe_verdict == 1", at + soon)
            assert one["metric"]["state"] == state
        # A range selector gives the samples themselves, with the times that they were sent with.
        (raw,) = asked(server, 'throttleprobe_verdict{state="blocked"}[1d]', time.time())
        ended = [round(at * 1000) + 3_500 for at in (first, second)]
        assert [(round(float(t) * 1000), float(v)) for t, v in raw["values"]] == list(
            zip(ended, (1.0, 0.0), strict=True)
        )
