"""Does a real browser show the HTML report as it is meant: in words, within the screen, without a script or a request?

Chromium is started headless and asked over its DevTools protocol, on loopback; it is never given a way to a network.
It must be installed (`apt-get install chromium`, `make test` does it): without it these tests fail.
"""

import asyncio
import base64
import itertools
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from probe.model.results import Report
from probe.report import Format, render, write
from tests.reports import every_state, twenty_targets, without_network
from tests.unit.test_report_formats import hostile_report

PATIENCE_SECONDS = 30.0  # a browser that has not answered by then never will
POLL_SECONDS = 0.05
FLAGS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--remote-debugging-port=0",
)
PHONE, DESK = 390, 1280


@dataclass
class Tab:
    """One page of the browser: commands go out, events come in."""

    socket: aiohttp.ClientWebSocketResponse
    session: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command and wait for its answer; what comes in between is kept as events."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        await self.socket.send_json({**message, "sessionId": self.session} if self.session else message)
        while True:
            answer = await self.socket.receive_json(timeout=PATIENCE_SECONDS)
            if answer.get("id") == number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    async def until(self, event: str) -> None:
        while not any(seen.get("method") == event for seen in self.events):
            self.events.append(await self.socket.receive_json(timeout=PATIENCE_SECONDS))

    async def evaluate(self, expression: str) -> Any:
        answer = await self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def seen(self, *methods: str) -> list[dict[str, Any]]:
        return [event["params"] for event in self.events if event.get("method") in methods]


@pytest.fixture(scope="module")
def devtools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A browser with an empty profile, for all tests here; the address of its DevTools."""
    program = shutil.which("chromium")
    assert program, "chromium is not installed: apt-get install chromium"
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
    profile = tmp_path_factory.mktemp("profile")
    with subprocess.Popen(
        [program, *FLAGS, *sandbox, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield _address(profile / "DevToolsActivePort", process)
        finally:
            process.terminate()


def _address(file: Path, process: subprocess.Popen[bytes]) -> str:
    """The browser writes its port and path into a file once it listens."""
    for _ in range(round(PATIENCE_SECONDS / POLL_SECONDS)):
        assert process.poll() is None, f"chromium ended at once ({process.returncode})"
        port, newline, path = (file.read_text() if file.exists() else "").strip().partition("\n")
        if newline:
            return f"ws://127.0.0.1:{port}{path}"
        time.sleep(POLL_SECONDS)
    raise AssertionError("chromium did not open its DevTools")


@asynccontextmanager
async def shown(devtools: str, page: Path, *, width: int) -> AsyncIterator[Tab]:
    """The page, loaded in a window of this width."""
    async with aiohttp.ClientSession() as client, client.ws_connect(devtools, max_msg_size=0) as socket:
        tab = Tab(socket)
        context = await tab.ask("Target.createBrowserContext")
        target = await tab.ask("Target.createTarget", url="about:blank", **context)
        attached = await tab.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        tab.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            await tab.ask(f"{domain}.enable")
        await tab.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < DESK
        )
        await tab.ask("Page.navigate", url=page.as_uri())
        await tab.until("Page.loadEventFired")
        yield tab
        tab.session = ""
        await tab.ask("Target.disposeBrowserContext", **context)


@pytest.fixture
def page(tmp_path: Path) -> Callable[[Report], Path]:
    def save(report: Report) -> Path:
        path = tmp_path / "report.html"
        write(path, render(report, Format.HTML))
        return path

    return save


async def silent(tab: Tab) -> None:
    """Nothing ran, nothing was fetched, nothing was complained about."""
    assert tab.seen("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown") == []
    assert tab.seen("Page.javascriptDialogOpening") == []
    urls = [request["request"]["url"] for request in tab.seen("Network.requestWillBeSent")]
    assert [url for url in urls if not url.startswith("file:")] == []
    assert len(urls) == 1
    assert await tab.evaluate("document.scripts.length") == 0


OVERFLOWING = """
[...document.querySelectorAll('body *')].filter(e => {
  const box = e.getBoundingClientRect();
  return box.width > 1 && box.right > document.documentElement.clientWidth + 1;
}).map(e => e.tagName + ' ' + e.className).slice(0, 5)
"""


@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize("make", [every_state, without_network, hostile_report])
async def test_the_page_fits_the_screen_and_does_nothing(
    devtools: str, page: Callable[[Report], Path], make: Callable[[], Report], width: int
) -> None:
    path = await asyncio.to_thread(page, make())
    async with shown(devtools, path, width=width) as tab:
        assert await tab.evaluate("document.documentElement.clientWidth") == width
        assert await tab.evaluate("document.documentElement.scrollWidth") <= width
        assert await tab.evaluate(OVERFLOWING) == []
        assert (await tab.evaluate("document.title")).startswith("Throttleprobe: ")
        await silent(tab)


async def test_the_verdicts_and_figures_are_visible(devtools: str, page: Callable[[Report], Path]) -> None:
    report = every_state()
    path = await asyncio.to_thread(page, report)
    async with shown(devtools, path, width=DESK) as tab:
        text = await tab.evaluate("document.body.innerText")
        for result in report.targets:
            assert result.name in text
            assert str(result.verdict.state) in text
        for words in ("138 kbit/s", "of 17.9 Mbit/s", "tls.throttle.sni", "192.0.2.10:443", "5.69 MB used"):
            assert words in text
        plots = await tab.evaluate(
            "[...document.querySelectorAll('svg')].map(s => s.getBoundingClientRect()).map(b => [b.width, b.height])"
        )
        assert len(plots) == 16  # four targets with media, two directions, two plots
        assert all(width > 300 and height > 150 for width, height in plots)


async def test_labels_of_plots_do_not_leave_their_plot(devtools: str, page: Callable[[Report], Path]) -> None:
    path = await asyncio.to_thread(page, every_state())
    async with shown(devtools, path, width=PHONE) as tab:
        outside = await tab.evaluate(
            """[...document.querySelectorAll('svg text')].filter(t => {
                 const plot = t.ownerSVGElement.getBoundingClientRect(), box = t.getBoundingClientRect();
                 return box.left < plot.left - 2 || box.right > plot.right + 2 || box.bottom > plot.bottom + 2;
               }).map(t => t.textContent)"""
        )
        assert outside == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_contrasts_with_what_is_behind_it(
    devtools: str, page: Callable[[Report], Path], scheme: str
) -> None:
    path = await asyncio.to_thread(page, every_state())
    async with shown(devtools, path, width=DESK) as tab:
        await tab.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        faint = await tab.evaluate(CONTRAST)
        assert faint == []


CONTRAST = """
(() => {
  const light = c => c.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const parts = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const back = e => {
    for (; e; e = e.parentElement) {
      const c = parts(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] > 0) return c.slice(0, 3);
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll('body *')].filter(e => !e.ownerSVGElement && [...e.childNodes].some(
    n => n.nodeType === 3 && n.textContent.trim())).filter(e => {
    const [a, b] = [light(parts(getComputedStyle(e).color).slice(0, 3)), light(back(e))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5;
  }).map(e => e.tagName + ' ' + e.className + ' ' + e.textContent.slice(0, 30)).slice(0, 5);
})()
"""


async def test_it_can_be_pictured_and_printed(devtools: str, page: Callable[[Report], Path]) -> None:
    path = await asyncio.to_thread(page, every_state())
    async with shown(devtools, path, width=DESK) as tab:
        picture = await tab.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        assert base64.b64decode(picture["data"]).startswith(b"\x89PNG")
        assert len(picture["data"]) > 50_000
        await tab.ask("Emulation.setEmulatedMedia", media="print")
        # What is folded away on the screen is printed too.
        hidden = await tab.evaluate(
            "[...document.querySelectorAll('details h3')].filter(e => !e.checkVisibility({contentVisibilityAuto: true})"
            " && e.getBoundingClientRect().height === 0).length"
        )
        assert hidden == 0
        printed = await tab.ask("Page.printToPDF", printBackground=False)
        assert base64.b64decode(printed["data"]).startswith(b"%PDF")


async def test_twenty_targets_load(devtools: str, page: Callable[[Report], Path]) -> None:
    path = await asyncio.to_thread(page, twenty_targets())
    async with shown(devtools, path, width=PHONE) as tab:
        assert await tab.evaluate("document.querySelectorAll('article').length") == 20
        assert await tab.evaluate("document.documentElement.scrollWidth") <= PHONE
