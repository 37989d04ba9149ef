"""How does the HTML report of a stored run come about beside a measurement that must not be disturbed?

Another process renders it, at low priority: plots take seconds of CPU and tens of megabytes, which in this process
would delay the event loop that measures and would never be given back. What the report says is `throttleprobe
report`'s business.
"""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

NICENESS = 10  # below everything that somebody waits for
RENDER_SECONDS = 60.0  # a big report takes five on a small machine
MAX_REPORT_BYTES = 32 * 1024 * 1024  # a run of 200 targets has a few megabytes
READ_BYTES = 64 * 1024
EXIT_NO_SUCH_RUN = 2


class NoReport(Exception):
    """There is no such run, or no page could be made of it; the message is for the person."""


def command(run_id: str, state_directory: Path | None) -> list[str]:
    """What renders the report of a run: the ordinary command."""
    state = ["--state", str(state_directory)] if state_directory is not None else []
    # The id comes last, after the end of options, because it comes from a URL.
    return [sys.executable, "-m", "probe", "report", "--format", "html", *state, "--", run_id]


async def report_page(run_id: str, *, state_directory: Path | None) -> str:
    """The page of the run whose id this is, or begins with this. Raises NoReport."""
    process = await asyncio.create_subprocess_exec(
        *command(run_id, state_directory),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C and SIGTERM are the service's
    )
    try:
        _step_back(process.pid)
        async with asyncio.timeout(RENDER_SECONDS):
            page = await _read(process)
            code = await process.wait()
    except TimeoutError:
        raise NoReport("rendering this report takes too long; `throttleprobe report` does it without a limit") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code == EXIT_NO_SUCH_RUN:
        raise NoReport("no stored run has this id")
    if code != 0:
        raise NoReport(f"the report could not be rendered (exit code {code})")
    return page


def _step_back(pid: int) -> None:
    if hasattr(os, "setpriority"):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # ended already, or further back than that
            os.setpriority(os.PRIO_PROCESS, pid, NICENESS)


async def _read(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    page = bytearray()
    while part := await process.stdout.read(READ_BYTES):
        page += part
        if len(page) > MAX_REPORT_BYTES:
            raise NoReport("the report is too big for a page")
    return page.decode("utf-8", "replace")
