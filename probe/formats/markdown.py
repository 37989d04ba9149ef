"""The report as Markdown, for the summary page of a CI job or a bug report.

GitHub-flavoured, and readable as plain text. Text from the network cannot make links, mentions, images or HTML here.
"""

import re
from collections.abc import Iterator

from probe.formats import overview, past
from probe.formats.overview import ACCESS_CHECKS, SYMBOLS, Cell, RateCell
from probe.formats.plain import plain, sentence
from probe.model.results import Report, State, TargetResult

MAX_BYTES = 900_000  # GitHub refuses a step summary above 1 MiB; what other jobs' steps add needs room as well
_SPECIAL = re.compile(r"[\\`*_\[\]|~@#!$]|:(?=//)|(?<=www)\.", re.IGNORECASE)
_TRUNCATED = "\n_Cut here: the report is longer than a summary may be. `--format html` has all of it._\n"


def render_markdown(report: Report) -> str:
    """At most `MAX_BYTES` in UTF-8; what is left out is said."""
    kept: list[str] = []
    room = MAX_BYTES - len(_TRUNCATED.encode())
    for block in _blocks(report):
        size = len(block.encode())
        if size > room:
            kept.append(_TRUNCATED)
            break
        kept.append(block)
        room -= size
    return "".join(kept)


def escape(text: str) -> str:
    """Foreign text as Markdown that shows it and does nothing else."""
    shown = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(lambda match: f"\\{match.group()}", shown)


def _blocks(report: Report) -> Iterator[str]:
    """Pieces that may be cut between: the summary first, the measurements last."""
    yield f"## Throttleprobe: {overview.counts(report)}\n\n"
    yield f"{overview.NETWORK_WORDS[report.network.state]}: {escape(report.network.reason)}.\n\n"
    titles = ["target", *(title for _, title in ACCESS_CHECKS), "↓", "↑", "verdict"]
    yield f"| {' | '.join(titles)} |\n|{' --- |' * len(titles)}\n"
    for row in overview.rows(report):
        cells = [escape(row.name), *map(_cell, row.access), _rate(row.download), _rate(row.upload)]
        yield f"| {' | '.join(cells)} | {SYMBOLS[row.verdict.state]} **{row.verdict_word}** |\n"
    yield "\n"
    for target in report.targets:
        if target.verdict.state is not State.OK or past.headline(target):
            yield _finding(target)
    yield "\n"
    for note in overview.notes(report):
        yield f"> {escape(note)}\n>\n"
    yield f"\n{overview.cost(report)}, from {escape(overview.vantage(report))}, {escape(report.started_at)}.\n\n"
    yield "<details><summary>Measurements</summary>\n\n| target | check | what | verdict | reason |\n"
    yield "| --- | --- | --- | --- | --- |\n"
    for target in report.targets:
        yield from _measurements(target)
    yield "\n</details>\n"


def _finding(target: TargetResult) -> str:
    means = ", ".join(f"`{mechanism}`" for mechanism in target.verdict.mechanisms)
    by = f" by {means}" if means else ""
    word = overview.verdict_word(target.verdict)
    told = "".join(f" {escape(text)}" for text in past.sentences(target))
    return f"- **{escape(target.name)}**: {word}{by}. {escape(sentence(target.verdict.reason))}{told}\n"


def _measurements(target: TargetResult) -> Iterator[str]:
    for measurement in target.measurements:
        cells = (
            escape(target.name),
            escape(measurement.check),
            escape(measurement.input),
            overview.verdict_word(measurement.verdict) if overview.ran(measurement) else overview.NOT_RUN,
            escape(sentence(measurement.verdict.reason)),
        )
        yield f"| {' | '.join(cells)} |\n"


def _cell(cell: Cell) -> str:
    return escape(cell.word) if cell.state is None else f"{SYMBOLS[cell.state]} {escape(cell.word)}"


def _rate(cell: RateCell) -> str:
    return f"{SYMBOLS[cell.state]} {cell.text}" if cell.state is not None else cell.text
