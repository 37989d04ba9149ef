"""What is being measured right now, how many bytes so far, how much time is left: told on standard error.

A live display on a terminal, plain lines elsewhere. Says nothing about what anything means; that is the report's.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from probe.commands import terminal
from probe.model.results import AttemptStatus, Measurement
from probe.net.meter import Meter

SHOWN_AT_ONCE = 6  # lines of the live display: what is under way, the newest last

PHASES = {
    "controls": "looking at the line itself: control sites and resolvers",
    "targets": "DNS, TCP, TLS and HTTP of every target",
    "goodput": "download and upload, one transfer at a time",
}


@dataclass(slots=True)
class PlainProgress:
    """One line a phase and a line a finished measurement, for logs and pipes."""

    stream: TextIO
    meter: Meter

    def __enter__(self) -> "PlainProgress":
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.flush()

    def phase(self, words: str) -> None:
        self._say(PHASES.get(words, words))

    def started(self, target: str, check: str, subject: str) -> None:
        """Nothing: a line when it is finished is enough for a log."""

    def finished(self, measurement: Measurement) -> None:
        who = measurement.target or "control"
        self._say(
            f"{who}: {measurement.check} {measurement.input}: {outcome(measurement)} "
            f"({measurement.duration_seconds:.1f} s, {self.meter.total / 1e6:.2f} MB so far)"
        )

    def _say(self, text: str) -> None:
        print(text, file=self.stream, flush=True)


@dataclass(slots=True)
class LiveProgress:
    """A display that redraws itself: phase, what is under way, bytes and seconds."""

    console: Console
    meter: Meter
    max_bytes: int
    max_seconds: float
    now: Callable[[], float] = time.monotonic
    _phase: str = ""
    _running: dict[tuple[str, str, str], float] = field(default_factory=dict)
    _done: int = 0
    _began: float = 0.0
    _live: Live | None = None

    def __enter__(self) -> "LiveProgress":
        self._began = self.now()
        self._live = terminal.live(self.console, self._render)
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.__exit__(None, None, None)

    def phase(self, words: str) -> None:
        self._phase = PHASES.get(words, words)

    def started(self, target: str, check: str, subject: str) -> None:
        self._running[target, check, subject] = self.now()

    def finished(self, measurement: Measurement) -> None:
        self._running.pop((measurement.target, measurement.check, measurement.input), None)
        self._done += 1

    def _render(self) -> Table:
        spent = self.now() - self._began
        left = max(0.0, self.max_seconds - spent)
        table = Table.grid(padding=(0, 2))
        head = f"{self._phase}  ·  {self._done} done  ·  {self.meter.total / 1e6:.2f} MB of at most "
        head += f"{self.max_bytes / 1e6:.0f} MB  ·  {spent:.0f} s, at most {left:.0f} s more"
        table.add_row(Text(head, style="bold"))
        for (target, check, subject), since in list(self._running.items())[-SHOWN_AT_ONCE:]:
            table.add_row(Text(f"  {target or 'control'}: {check} {subject} ({self.now() - since:.0f} s)", style="dim"))
        return table


def outcome(measurement: Measurement) -> str:
    """A measurement in one word: its state, or why it did not run."""
    if measurement.attempt.status is AttemptStatus.COMPLETED:
        return measurement.verdict.state.value
    problem = measurement.attempt.problem
    return f"not measured ({problem.reason.value})" if problem else "not measured"
