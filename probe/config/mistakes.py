"""What is wrong with something that a person wrote, and where?

Every reader of files and settings collects all mistakes and raises them at once; how they are shown is for the caller.
"""

from dataclasses import dataclass, replace
from pathlib import Path

WHOLE_FILE = "(whole file)"  # the path of a mistake that belongs to no single value
MAX_SHOWN_CHARACTERS = 300  # of a path or a message: they quote what may be a megabyte long


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One thing that is wrong; `line` and `column` count from 1, and are 0 where there is no file (a setting)."""

    line: int
    column: int
    path: str
    message: str


class ConfigError(Exception):
    """Nothing was changed, because of these mistakes; `name` is the file (or "environment") that they stand in."""

    def __init__(self, mistakes: tuple[Mistake, ...], *, name: str) -> None:
        self.name = name
        shown = (replace(m, path=_visible(m.path), message=_visible(m.message)) for m in mistakes)
        self.mistakes = tuple(sorted(shown, key=lambda m: (m.line, m.column, m.path, m.message)))
        super().__init__("\n".join(self.lines))

    @property
    def lines(self) -> tuple[str, ...]:
        """One `file:line:column: path: message` a mistake, in the order of the file."""
        return tuple(
            f"{self.name}:{m.line}:{m.column}: {m.path}: {m.message}"
            if m.line
            else f"{self.name}: {m.path}: {m.message}"
            for m in self.mistakes
        )


def unreadable(path: Path, reason: str) -> ConfigError:
    """The one mistake of a file that cannot be read; `reason` as the operating system words it."""
    message = reason[:1].lower() + reason[1:]
    return ConfigError((Mistake(line=1, column=1, path=WHOLE_FILE, message=message),), name=str(path))


def lacking(path: Path) -> str:
    """Why no file can be read here, "" where there is one: its directory may not be ours to look into."""
    try:
        return "" if path.is_file() else "no such file"
    except OSError as error:
        return (error.strerror or "cannot be looked for").lower()


def _visible(text: str) -> str:
    """Text that is safe to print: a file may hold endless words, and control characters that a terminal obeys."""
    text = text if len(text) <= MAX_SHOWN_CHARACTERS else text[:MAX_SHOWN_CHARACTERS] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
