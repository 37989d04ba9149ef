"""How far is the score?

Told on standard error: a line that redraws itself on a terminal, plain lines elsewhere. What is wrong is told at once.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from probe.commands import terminal
from probe.lab.score.record import Key, RunRecord, TargetRecord

PLAIN_EVERY_SECONDS = 30.0


@dataclass(slots=True)
class Progress:
    """A listener of the pool. `planned`: runs that are to be made; `earlier`: that a resumed log had already."""

    console: Console
    planned: int
    earlier: int
    max_seconds: float
    now: Callable[[], float] = time.monotonic
    _began: float = 0.0
    _told: float = 0.0
    _done: int = 0
    _valid: int = 0
    _invalid: int = 0
    _false_alarms: int = 0
    _missed: int = 0
    _running: dict[Key, float] = field(default_factory=dict)
    _live: Live | None = None

    def __enter__(self) -> "Progress":
        self._began = self._told = self.now()
        if self.console.is_terminal:
            self._live = terminal.live(self.console, self._render)
            self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)
        self.console.print(self._status(), soft_wrap=True, highlight=False)

    def started(self, key: Key) -> None:
        self._running[key] = self.now()

    def finished(self, record: RunRecord) -> None:
        self._running.pop(record.key, None)
        self._done += 1
        self._valid += record.valid
        self._invalid += not record.valid
        if record.problem:
            self._say(f"{_where(record)}: no report: {record.problem.strip().splitlines()[-1]}")
        for target in record.targets if record.valid else ():
            self._false_alarms += target.false_alarm
            self._missed += target.missed
            if target.false_alarm or not target.acceptable:
                self._say(f"{_where(record)}: {wrong_words(target)}")
        if self._live is None and self.now() - self._told >= PLAIN_EVERY_SECONDS:
            self._told = self.now()
            self._say(self._status())

    def _say(self, text: str) -> None:
        self.console.print(Text(text), soft_wrap=True, highlight=False)

    def _render(self) -> Text:
        shown = sorted(self._running.items(), key=lambda item: item[1])
        lines = [f"  {key.scenario} on {key.profile} ({self.now() - since:.0f} s)" for key, since in shown]
        return Text("\n".join([self._status(), *lines]))

    def _status(self) -> str:
        spent = self.now() - self._began
        total = self.planned + self.earlier
        words = [f"{self.earlier + self._valid} of {total} runs"]
        if self._done:
            left = (self.planned - self._valid) * spent / self._done
            words.append(f"{3600 * self._done / spent:.0f} an hour" if spent > 0 else "")
            words.append(f"{_minutes(min(left, max(0.0, self.max_seconds - spent)))} to go")
        words += [f"{self._false_alarms} false alarms", f"{self._missed} missed", f"{self._invalid} invalid"]
        return ", ".join(word for word in words if word)


def wrong_words(target: TargetRecord) -> str:
    """A wrong verdict in a line."""
    kind = "FALSE ALARM" if target.false_alarm else "wrong"
    wanted = " or ".join(target.truth.states)
    return f"{kind}: {target.target} is {wanted}, found {target.state} ({', '.join(target.rule_ids)})"


def _where(record: RunRecord) -> str:
    return f"{record.key.scenario} on {record.key.profile}, seed {record.key.seed}"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"
