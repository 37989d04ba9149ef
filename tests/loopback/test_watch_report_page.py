"""A stored run's report over the web server of `watch`: rendered by another process, which nothing outlives."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from probe.measuring import STORE_FILE
from probe.registry import EVIDENCE_TYPES
from probe.store import Store
from probe.watch import report_page as module
from probe.watch.report_page import NoReport, report_page
from tests import reports

RUN = "0198c3a0-0000-7000-8000-000000000001"


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    with Store.open(tmp_path / STORE_FILE, evidence_types=EVIDENCE_TYPES, now=lambda: datetime.now(UTC)) as store:
        store.finish_run(replace(reports.report(reports.clean()), id=RUN))
        yield tmp_path


async def test_a_page(directory: Path) -> None:
    page = await report_page(RUN, state_directory=directory)
    assert page.startswith("<!doctype html>")
    assert RUN in page


async def test_no_such_run(directory: Path) -> None:
    with pytest.raises(NoReport, match="no stored run"):
        await report_page("0198ffff", state_directory=directory)


async def test_an_id_is_no_option(directory: Path) -> None:
    for hostile in ("--help", "--format=json", "-h"):
        with pytest.raises(NoReport):
            await report_page(hostile, state_directory=directory)


async def test_what_hangs_or_has_no_end_is_ended(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = directory / "pid"
    begin = f"import os, sys, time; open({str(told)!r}, 'w').write(str(os.getpid()));"
    for code, settings, message in (
        ("time.sleep(60)", {"RENDER_SECONDS": 3.0}, "too long"),
        ("\nwhile True: sys.stdout.write('x' * 65536)", {"MAX_REPORT_BYTES": 1_000_000}, "too big"),
        ("sys.exit(4)", {}, "exit code 4"),
    ):
        with monkeypatch.context() as patch:
            for name, value in settings.items():
                patch.setattr(module, name, value)
            patch.setattr(module, "command", lambda *_, code=code: [sys.executable, "-c", begin + code])
            with pytest.raises(NoReport, match=message):
                await report_page(RUN, state_directory=directory)
        assert not _lives(int(told.read_text()))


async def test_whoever_hangs_up_ends_the_rendering(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = directory / "pid"
    code = f"import os, time; open({str(told)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    monkeypatch.setattr(module, "command", lambda *_: [sys.executable, "-c", code])
    asked = asyncio.create_task(report_page(RUN, state_directory=directory))
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(lambda: told.exists() and told.read_text() != ""):
            await asyncio.sleep(0.05)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert not _lives(int(told.read_text()))


async def test_it_steps_back_and_a_service_that_did_so_more_keeps_its_place(directory: Path) -> None:
    """Lowering the niceness of a process is not allowed to everybody; in a user namespace not even to root."""
    code = (
        "import asyncio, os; from pathlib import Path; from probe.watch.report_page import report_page;"
        "os.nice(19 - os.nice(0));"
        f"print(len(asyncio.run(report_page({RUN!r}, state_directory=Path({str(directory)!r})))))"
    )
    command = ["unshare", "--user", sys.executable, "-c", code]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 1000


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
