"""Does somebody pay for every byte of this line?

NetworkManager knows what the person said of a connection, and guesses at a telephone's. It is asked over D-Bus by a
program that is there where it is (busctl, gdbus, nmcli), for a bounded time. Nothing else is guessed.
"""

import asyncio
import os
import re
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

ASK_SECONDS = 3.0  # a bus answers in milliseconds, or its service is stuck
_MAX_ANSWER_BYTES = 4_096
_NAME, _PATH = "org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager"
QUESTIONS: tuple[tuple[str, ...], ...] = (
    ("busctl", "--system", "--auto-start=no", "get-property", _NAME, _PATH, _NAME, "Metered"),
    (
        *("gdbus", "call", "--system", "--timeout", f"{ASK_SECONDS:.0f}", "--dest", _NAME, "--object-path", _PATH),
        *("--method", "org.freedesktop.DBus.Properties.Get", _NAME, "Metered"),
    ),
)
# NMMetered: unknown 0, yes 1, no 2, guess-yes 3, guess-no 4
_MEANING = {"1": True, "2": False, "3": True, "4": False}
_BUSCTL = re.compile(r"u ([0-4])")
_GDBUS = re.compile(r"\(<(?:uint32 )?([0-4])>,\)")

Ask = Callable[[Sequence[str]], Awaitable[str]]  # a program's standard output; "" where it cannot be had


async def is_metered(ask: Ask | None = None) -> bool | None:
    """What NetworkManager says of the connection that is in use; None: it is not here, or does not know."""
    for question in QUESTIONS:
        answer = (await (ask or output_of)(question)).strip()
        found = _BUSCTL.fullmatch(answer) or _GDBUS.fullmatch(answer)
        if found is not None:
            return _MEANING.get(found[1])
    return None


async def output_of(arguments: Sequence[str]) -> str:
    """Run a program for at most `ASK_SECONDS`; it is ended and waited for, whatever happens."""
    if os.name != "posix":
        return ""
    try:
        program = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # so that it is ended with whatever it started
        )
    except (OSError, NotImplementedError):  # not installed; an event loop that starts no programs
        return ""
    try:
        output, _ = await asyncio.wait_for(program.communicate(), ASK_SECONDS)
    except TimeoutError:
        return ""
    finally:
        if program.returncode is None:
            with suppress(ProcessLookupError):  # it ended this very moment
                os.killpg(program.pid, signal.SIGKILL)
            await program.wait()
    return output[:_MAX_ANSWER_BYTES].decode("utf-8", "replace") if program.returncode == 0 else ""
