"""Does a real browser show the status page of `watch` within the screen, legibly, without a script or a request?"""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from probe.model.results import State
from probe.watch.status import Status, TargetStatus
from probe.watch.status_page import render_status
from tests.loopback.test_html_in_chromium import CONTRAST, DESK, OVERFLOWING, PHONE, devtools, shown, silent
from tests.loopback.test_watch_web import full_status

assert devtools  # the fixture


def every_state() -> Status:
    """The fullest page: each state, long names, and what a hostile server wrote."""
    status = full_status()
    targets = [
        TargetStatus(
            id=state.value,
            name=f"{state.value.title()} of a platform with rather a long name",
            state=state,
            reason="x" * 300,
            since="2026-11-20T07:00:00Z",
            measured_at="2026-11-22T06:00:00Z",
            run_id="0198",
        )
        for state in State
    ]
    return replace(status, targets=(*status.targets, *targets), runs=status.runs * 20)


@pytest.mark.parametrize("width", [PHONE, DESK])
async def test_the_page_fits_the_screen_and_does_nothing(devtools: str, tmp_path: Path, width: int) -> None:
    path = tmp_path / "status.html"
    await asyncio.to_thread(path.write_text, render_status(every_state()), encoding="utf-8")
    async with shown(devtools, path, width=width) as tab:
        assert await tab.evaluate("document.documentElement.scrollWidth") <= width
        assert await tab.evaluate(OVERFLOWING) == []
        assert "Paused: no network" in await tab.evaluate("document.body.innerText")
        await silent(tab)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_contrasts_with_what_is_behind_it(devtools: str, tmp_path: Path, scheme: str) -> None:
    path = tmp_path / "status.html"
    await asyncio.to_thread(path.write_text, render_status(every_state()), encoding="utf-8")
    async with shown(devtools, path, width=DESK) as tab:
        await tab.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        assert await tab.evaluate(CONTRAST) == []
