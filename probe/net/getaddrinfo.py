"""What does the system resolver say, as every program hears it?

getaddrinfo cannot be cancelled and may hang for half a minute, so it runs in threads that nobody joins: not a
deadline, and not the end of the process.
"""

import asyncio
import contextlib
import socket
import threading
from dataclasses import dataclass

from probe.model.results import CannotRun, ProblemReason

MAX_THREADS = 64  # as many names may hang at once; each costs a few tens of KB


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """`addresses` as literals without zone, in the system's order; `canonical_name` "" when none was given."""

    addresses: tuple[str, ...]
    canonical_name: str


class AddressLookups:
    """A bounded set of daemon threads for getaddrinfo; a thread ends when it has nothing to do."""

    __slots__ = ("_busy", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy = 0

    async def lookup(self, hostname: str) -> Resolved:
        """Ask for both address families. Raises socket.gaierror; CannotRun when all threads hang in earlier names."""
        future: asyncio.Future[Resolved] = asyncio.get_running_loop().create_future()
        with self._lock:
            if self._busy >= MAX_THREADS:
                raise CannotRun(
                    ProblemReason.DEADLINE, stage="getaddrinfo", detail="too many earlier look-ups are still hanging"
                )
            self._busy += 1
        threading.Thread(target=self._work, args=(hostname, future), daemon=True, name="getaddrinfo").start()
        return await future

    def _work(self, hostname: str, future: "asyncio.Future[Resolved]") -> None:
        outcome: Resolved | OSError
        try:
            outcome = ask(hostname)
        except OSError as error:
            outcome = error
        finally:
            with self._lock:
                self._busy -= 1
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            future.get_loop().call_soon_threadsafe(_settle, future, outcome)


def _settle(future: "asyncio.Future[Resolved]", outcome: Resolved | OSError) -> None:
    if future.done():
        return
    if isinstance(outcome, OSError):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def ask(hostname: str) -> Resolved:
    """The blocking call itself."""
    found = socket.getaddrinfo(hostname, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    addresses = dict.fromkeys(str(address[0]).partition("%")[0] for _, _, _, _, address in found)
    return Resolved(addresses=tuple(addresses), canonical_name=next((name for *_, name, _ in found if name), ""))
