"""Where does a command's output go: the result to standard output or a file, everything else to standard error."""

import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console, RenderableType
from rich.live import Live

from probe.model.results import Report
from probe.report import Format, render, write

EXIT_USAGE = 2  # design §4: usage, configuration, consent
FILE_WIDTH = 100  # columns of a table that goes to a file or a pipe
REFRESH_PER_SECOND = 4  # of a live display


def tell(report: Report, output_format: Format, output: Path | None) -> None:
    """Print the result, or write it to a file whole."""
    console = Console()
    if output is not None:
        write(output, render(report, output_format, width=FILE_WIDTH))
        return
    width = console.width if console.is_terminal else FILE_WIDTH
    ascii_only = not (sys.stdout.encoding or "").lower().startswith("utf")
    color = console.is_terminal and not console.no_color
    shown = render(report, output_format, width=width, color=color, ascii_only=ascii_only)
    data = shown.encode(sys.stdout.encoding or "utf-8", "replace") if isinstance(shown, str) else shown
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def show(text: str) -> None:
    """A command's own text on standard output."""
    print(text)


def say(text: str) -> None:
    """A line for the person, on standard error."""
    print(text, file=sys.stderr)


def refuse(*lines: str) -> int:
    """Say what is wrong; the exit code for it."""
    for line in lines:
        say(line)
    return EXIT_USAGE


def live(console: Console, render: Callable[[], RenderableType]) -> Live:
    """A display that redraws itself and is gone when it ends; what is printed meanwhile is left alone."""
    return Live(
        get_renderable=render,
        console=console,
        refresh_per_second=REFRESH_PER_SECOND,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
