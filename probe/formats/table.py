"""The report as a table for a terminal: readable without colour, at 80 columns, and by a screen reader.

Words carry the meaning; colour only repeats it, and `inconclusive` is never green.
"""

import io
from collections.abc import Sequence

from rich.box import ASCII2, SIMPLE_HEAD
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from probe.formats import overview
from probe.formats.overview import ACCESS_CHECKS, SYMBOLS, Cell, RateCell, Row
from probe.formats.plain import plain, sentence
from probe.model.results import NetworkState, Report, State

STYLES: dict[State, str] = {
    State.OK: "green",
    State.THROTTLED: "bold yellow",
    State.BLOCKED: "bold red",
    State.WITHHELD: "bold magenta",
    State.DOWN: "bold",
    State.INCONCLUSIVE: "italic",
}
ASCII_SYMBOLS: dict[State, str] = {
    State.OK: "+",
    State.THROTTLED: "v",
    State.BLOCKED: "x",
    State.WITHHELD: "-",
    State.DOWN: "0",
    State.INCONCLUSIVE: "?",
}
SHORT_WORDS: dict[State, str] = {
    State.OK: "ok",
    State.THROTTLED: "slow",
    State.BLOCKED: "block",
    State.WITHHELD: "held",
    State.DOWN: "down",
    State.INCONCLUSIVE: "?",
}
NARROWEST = 40  # columns; below it even one word a line does not fit
TABLE_FROM = 76  # columns that the table takes with its shortest words; below, a list says the same
WORDS_FROM = 112  # columns from which the means fits beside each mark ("✗ nxdomain")
ONE_LINE_RATES_FROM = 142  # columns from which a rate and its control's stand on one line


def render_table(report: Report, console_width: int, color: bool, *, ascii_only: bool = False) -> str:
    """The table, a sentence for each target that is not ok, the line's state and the cost; ends with a newline."""
    width = max(console_width, NARROWEST)
    out = io.StringIO()
    console = Console(
        file=out,
        width=width,
        force_terminal=color,
        color_system="standard" if color else None,
        no_color=not color,
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
        _environ={},
    )
    look = _Look(width=width, ascii_only=ascii_only)
    shown = overview.rows(report)
    console.print(_table(shown, look) if width >= TABLE_FROM else _list(shown, look))
    console.print()
    console.print(_findings([row for row in shown if row.verdict.state is not State.OK or row.past], look))
    console.print(Group(*_footer(report)))
    text = "\n".join(line.rstrip() for line in out.getvalue().splitlines()).strip("\n") + "\n"
    return _ascii(text) if ascii_only else text


class _Look:
    """What fits on a line of this width."""

    def __init__(self, *, width: int, ascii_only: bool) -> None:
        self.words = width >= WORDS_FROM
        self.rate_separator = " " if width >= ONE_LINE_RATES_FROM else "\n"
        self.symbols = ASCII_SYMBOLS if ascii_only else SYMBOLS
        self.box = ASCII2 if ascii_only else SIMPLE_HEAD


def _table(rows: Sequence[Row], look: _Look) -> Table:
    table = Table(box=look.box, padding=(0, 1 if look.words else 0, 0, 0), show_edge=False, pad_edge=False)
    table.add_column("target", min_width=8, max_width=28, overflow="fold")
    for _, title in ACCESS_CHECKS:
        table.add_column(title, no_wrap=not look.words, overflow="fold")
    table.add_column("download" if look.words else "↓", no_wrap=True)
    table.add_column("upload" if look.words else "↑", no_wrap=True)
    table.add_column("verdict", no_wrap=not look.words, overflow="fold")
    for row in rows:
        table.add_row(
            Text(row.name),
            *(_cell(cell, look) for cell in row.access),
            _rate(row.download, look),
            _rate(row.upload, look),
            Text(row.verdict_word, style=STYLES[row.verdict.state]),
        )
    return table


def _cell(cell: Cell, look: _Look) -> Text:
    if cell.state is None:
        return Text(cell.word if look.words or cell.word == overview.NOT_ASKED else "n/r")
    style = STYLES[cell.state]
    if not look.words:
        return Text(SHORT_WORDS[cell.state], style=style)
    return Text(f"{look.symbols[cell.state]} {cell.word}", style=style)


def _rate(cell: RateCell, look: _Look) -> Text:
    text = cell.text
    for joint in (" of ", " (control "):
        if joint in text:
            text = text.replace(joint, look.rate_separator + joint.lstrip(), 1)
    return Text(text, style=STYLES[cell.state] if cell.state is not None else "")


def _list(rows: Sequence[Row], look: _Look) -> Group:
    """The same as the table where it does not fit: two or three lines a target."""
    lines: list[Text] = []
    for row in rows:
        lines.append(Text.assemble((f"{row.name}: ", "bold"), (row.verdict_word, STYLES[row.verdict.state])))
        access = [
            Text.assemble(f"{title} ", _cell(cell, look))
            for (_, title), cell in zip(ACCESS_CHECKS, row.access, strict=True)
        ]
        lines.append(Text("  ") + Text(" · ").join(access))
        lines.append(Text.assemble("  down ", (row.download.text), ", up ", (row.upload.text)))
    return Group(*lines)


def _findings(rows: Sequence[Row], look: _Look) -> Table:
    """For each target that is not ok, or not as it was: its state, by what means, why, and what is new about it."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for row in rows:
        text = Text.assemble((f"{row.name}: ", "bold"), (row.verdict_word, STYLES[row.verdict.state]))
        if row.verdict.mechanisms:
            text.append(f" by {', '.join(row.verdict.mechanisms)}")
        text.append(f". {sentence(row.verdict.reason)}")
        if row.past:
            text.append(f" {row.past}")
        grid.add_row(Text(look.symbols[row.verdict.state], style=STYLES[row.verdict.state]), text)
    return grid


def _footer(report: Report) -> list[Text]:
    network = report.network
    style = "" if network.state is NetworkState.OK else "bold"
    lines = [
        Text(""),
        Text(f"{overview.NETWORK_WORDS[network.state]}: {plain(network.reason)}.", style=style),
        *(Text(note) for note in overview.notes(report)),
        Text(f"{overview.counts(report)}. {overview.cost(report)}."),
    ]
    if any(cell.state is None and cell.word == overview.NOT_RUN for r in overview.rows(report) for cell in r.access):
        lines.append(Text("n/r: not run."))
    return lines


def _ascii(text: str) -> str:
    """The text for a terminal that knows no more than ASCII; what it has no letter for becomes "?"."""
    known = str.maketrans({"–": "-", "·": "/", "…": ".", "↓": "v", "↑": "^", "━": "-", "─": "-", "’": "'", "×": "x"})
    return text.translate(known).encode("ascii", "replace").decode("ascii")
