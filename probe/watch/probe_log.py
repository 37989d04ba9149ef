"""What does `debug=true` show of one probe? Lines as blackbox_exporter writes them, kept for that answer alone.

Every value is scrubbed of addresses that are not the target's or a resolver's, and what a server wrote is cut to one
line of visible characters.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from probe.formats.plain import plain

MAX_LINES = 200
MAX_VALUE_CHARACTERS = 200
MAX_KEPT_CHARACTERS = 4 * MAX_VALUE_CHARACTERS  # so that no half of an address is left by the cut


class Scrubs(Protocol):
    def scrub(self, text: str) -> str: ...


class ProbeLog:
    """logfmt lines; `now` is the wall clock."""

    def __init__(self, now: Callable[[], datetime], known: Scrubs, *, module: str, target: str) -> None:
        self._now = now
        self._known = known
        self._fixed = (("module", module), ("target", target))
        self._lines: list[tuple[datetime, tuple[tuple[str, str], ...]]] = []

    def info(self, message: str, **values: object) -> None:
        self._add("info", message, values)

    def error(self, message: str, **values: object) -> None:
        self._add("error", message, values)

    @property
    def text(self) -> str:
        """Made when it is asked for: most probes are scrapes, which show nothing of it."""
        return "".join(f"{self._line(at, pairs)}\n" for at, pairs in self._lines)

    def _add(self, level: str, message: str, values: dict[str, object]) -> None:
        if len(self._lines) >= MAX_LINES:
            return
        told = ((name, str(of)[:MAX_KEPT_CHARACTERS]) for name, of in values.items())
        self._lines.append((self._now(), (*self._fixed, ("level", level), ("msg", message), *told)))

    def _line(self, at: datetime, pairs: tuple[tuple[str, str], ...]) -> str:
        stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return " ".join((f"ts={stamp}", *(f"{name}={self._value(text)}" for name, text in pairs)))

    def _value(self, text: str) -> str:
        shown = plain(self._known.scrub(text), limit=MAX_VALUE_CHARACTERS)
        if shown and not any(character in ' "=\\' for character in shown):
            return shown
        return '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'
