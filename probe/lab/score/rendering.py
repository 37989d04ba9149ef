"""How does a score look as Markdown and as JSON?

Figures are `probe.lab.score.tables`', the picture `probe.lab.score.figure`'s; every rate stands with what it rests on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from probe.lab.scenarios.holding import Aspect
from probe.lab.score.claims import Claim
from probe.lab.score.intervals import Rate
from probe.lab.score.spread import Errors, Spread
from probe.lab.score.tables import Score, Wrong
from probe.model.results import State

NOTES = {
    Aspect.HOP: "`3-4`: behind the third router on the way and before the fourth; a wider place is wrong. "
    "`-`: no place was found.",
}
MAX_WRONG_SHOWN = 200
MAX_PROBLEMS_SHOWN = 20
HEADINGS = {
    Aspect.MECHANISM: "Mechanism",
    Aspect.METHOD: "Method",
    Aspect.DIRECTION: "Direction",
    Aspect.HOP: "Hop",
    Aspect.NETWORK: "State of the network",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """Where a score comes from."""

    date: str
    command: str
    commits: tuple[str, ...]
    versions: tuple[str, ...]
    complete: bool
    planned_runs: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    heading: Heading
    score: Score


def as_json(heading: Heading, score: Score) -> bytes:
    """One object, `heading` and `score`, with the names of the dataclasses."""
    return msgspec.json.format(msgspec.json.encode(_Document(heading=heading, score=score)), indent=1) + b"\n"


def as_markdown(heading: Heading, score: Score, *, figure: str = "") -> str:
    """The whole page; `figure` is the address of the picture, relative to the page."""
    parts = [_head(heading, score)]
    if figure:
        parts.append(f"![False alarms and misses by family and line, with 95 % intervals]({figure})")
    parts += [
        _claims(score),
        _rates(score),
        _shares(score),
        _promises(score),
        _states(score),
        *(_confusion(score, aspect) for aspect in HEADINGS),
        _errors(
            "Estimated limits", "Error of the rate that a policer or shaper lets through.", score.limit_errors, _percent
        ),
        _errors("Stall offsets", "Error of the offset after which a connection freezes.", score.stall_errors, _bytes),
        _spending(score),
        _invalid(score),
        _problems(score),
        _scenarios(score),
        _wrong(score.wrong),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(heading: Heading, score: Score) -> str:
    ended = "" if heading.complete else f" It was stopped before all {heading.planned_runs} planned runs were made."
    minutes = heading.seconds / 60
    took = f"{minutes / 60:.1f} h" if minutes >= 60 else f"{minutes:.0f} min" if minutes >= 1 else "less than a minute"
    return "\n".join(
        [
            "# Accuracy",
            "",
            f"Measured on {heading.date} with `{heading.command}`,",
            f"commit {', '.join(heading.commits) or 'unknown'}, version {', '.join(heading.versions)}:",
            f"{score.trials} verdicts in {score.runs} valid runs. The last call took {took}.{ended}",
            "",
            "A trial is one target's verdict in one run on the emulated internet of the lab. Intervals are exact 95 %",
            "ones (Clopper and Pearson) on the effective number of trials (Korn and Graubard 1998), since trials of",
            "one run are not independent; where nothing or everything hits, each run counts once.",
        ]
    )


def _claims(score: Score) -> str:
    rows = [
        (
            claim.words,
            f"{'≥' if claim.at_least else '≤'} {_share(claim.bound)} %",
            _rate(claim.measured),
            _basis(claim.measured),
            str(claim.wanted_trials),
            _kept(claim),
        )
        for claim in score.claims
        if score.trials
    ]
    note = (
        "What is promised of the verdicts, and what these runs say of it. Found: `blocked` or `throttled`, or what the "
        "scenario allows instead. Kept: the measured rate is within the bound; the interval says how sure that is."
    )
    return _section("What is promised", note, ("promise", "bound", "measured", "basis", "trials wanted", ""), rows)


def _kept(claim: Claim) -> str:
    if claim.kept is None:
        return "not tried"
    words = "kept" if claim.kept else "**broken**"
    return words if claim.enough else f"{words}, of too few"


def _rates(score: Score) -> str:
    rows = [
        (
            row.family,
            row.profile,
            _rate(row.false_alarms),
            _basis(row.false_alarms),
            _rate(row.inconclusive),
            _rate(row.found),
            _rate(row.missed),
            _basis(row.found),
            _rate(row.right),
        )
        for row in score.rates
    ]
    note = (
        "False alarms: `blocked` or `throttled` without interference. Inconclusive: of trials without interference "
        "where `ok` is the only right state. Found: `blocked` or `throttled` where there is interference that one run "
        "should find; missed: not found, and not excused by the scenario. Right: an acceptable state, of all trials. "
        "Basis: hits of trials in runs; in brackets the effective number of trials."
    )
    heads = ("family", "line", "false alarms", "basis", "inconclusive", "found", "missed", "basis of found", "right")
    return _section("False alarms and misses", note, heads, rows)


def _shares(score: Score) -> str:
    rows = [(row.profile, f"≤ {row.share:.0%}", _rate(row.found), _basis(row.found)) for row in score.shares]
    note = "Interference with a rate limit, by what it leaves of the line in the direction that is limited most."
    return _section("Rate limits by share of the line", note, ("line", "limit", "found", "basis"), rows)


def _promises(score: Score) -> str:
    rows = [(row.profile, _rate(row.broken), _basis(row.broken)) for row in score.promises]
    note = (
        "Limited directions of targets that were not accused, whose figures give a `detectable_ratio`: how many "
        "of them are limited to less than that, and should have been seen. The ratio supposes a burst of 64 KB."
    )
    return _section("Promises of what would have been seen", note, ("line", "broken", "basis"), rows)


def _states(score: Score) -> str:
    states = list(State)
    rows = [
        ("yes" if row.interfered else "no", row.wanted.value, *(str(n) if n else "" for n in row.found))
        for row in score.states
    ]
    return _section("States", "Rows: what is true; columns: what was found.", ("interference", "wanted", *states), rows)


def _confusion(score: Score, aspect: Aspect) -> str:
    rows = [
        (row.true, row.found, str(row.count), "" if row.right else "wrong")
        for row in score.confusions
        if row.aspect is aspect
    ]
    rates = [row for row in score.aspects if row.aspect is aspect]
    right = "; ".join(f"{row.profile} {_rate(row.right)} of {row.right.trials}" for row in rates)
    asked = "Asked of accusations that are right. " if aspect is not Aspect.NETWORK else ""
    words = NOTES.get(aspect, "Any of the words of `true` is right.")
    note = f"{asked}{words}" + (f" Right: {right}." if right else "")
    return _section(HEADINGS[aspect], note, ("true", "found", "count", ""), rows)


def _errors(title: str, note: str, errors: Sequence[Errors], shown: "Shown") -> str:
    rows = [
        (
            row.profile,
            row.true,
            str(row.asked),
            str(row.given),
            shown(row.median, signed=True),
            shown(row.median_size, signed=False),
            f"{row.within / row.asked:.1%}",
        )
        for row in errors
    ]
    heads = ("line", "true", "asked", "given", "median error", "median size", "within tolerance")
    return _section(title, note + " Tolerances are those of `lab run`.", heads, rows)


def _spending(score: Score) -> str:
    rows = [
        (
            row.family,
            row.profile,
            row.state,
            str(row.trials),
            _spread(row.num_bytes, 1e6, 2),
            _spread(row.goodput_seconds, 1.0, 1),
            _spread(row.run_seconds, 1.0, 1),
        )
        for row in score.spending
    ]
    note = "Median / not exceeded by 95 % / greatest. Megabytes of one target in both directions, all checks together."
    heads = ("family", "line", "state", "trials", "MB", "s of goodput", "s of the run")
    return _section("Bytes and seconds per verdict", note, heads, rows)


def _invalid(score: Score) -> str:
    rows = [(row.profile, str(row.runs), str(row.disturbed), str(row.without_report)) for row in score.invalid]
    note = (
        "Of all runs made, those that say nothing about the verdicts; each is made again with another seed, and "
        "counted nowhere else."
    )
    return _section("Invalid runs", note, ("line", "runs made", "lab too busy", "without a report"), rows)


def _problems(score: Score) -> str:
    rows = [(row.scenario, row.profile, str(row.runs), f"`{row.words}`") for row in score.problems[:MAX_PROBLEMS_SHOWN]]
    return _section("Runs without a report", "", ("scenario", "line", "runs", "last words"), rows)


def _scenarios(score: Score) -> str:
    rows = [
        (
            row.family.value,
            row.scenario,
            row.profile,
            str(row.runs),
            f"{row.right} of {row.trials}",
            ", ".join(f"{state.value} {count}" for state, count in row.states),
        )
        for row in score.scenarios
    ]
    return _section("Scenarios", "", ("family", "scenario", "line", "runs", "right", "found"), rows)


def _wrong(wrong: Sequence[Wrong]) -> str:
    rows = [
        (
            "**false alarm**" if row.false_alarm else "wrong",
            row.scenario,
            f"{row.profile}, seed {row.seed}",
            row.target,
            " or ".join(row.wanted),
            row.state.value,
            ", ".join(row.rule_ids),
        )
        for row in wrong[:MAX_WRONG_SHOWN]
    ]
    note = "" if len(wrong) <= MAX_WRONG_SHOWN else f"The first {MAX_WRONG_SHOWN} of {len(wrong)}."
    return _section("Wrong verdicts", note, ("kind", "scenario", "run", "target", "true", "found", "rules"), rows)


def _section(title: str, note: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A heading, a note and a table; nothing where there are no rows."""
    body = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    if not body:
        return ""
    table = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads), *body]
    return "\n\n".join(part for part in (f"## {title}", note, "\n".join(table)) if part)


def _rate(rate: Rate) -> str:
    """`0.5 % (0.1–1.2)`, the interval in brackets."""
    if rate.value is None:
        return "–"
    return f"{_share(rate.value)} % ({_share(rate.low)}–{_share(rate.high)})"


def _basis(rate: Rate) -> str:
    if not rate.trials:
        return "–"
    effective = f"{rate.effective:.0f}"
    return f"{rate.hits} of {rate.trials} in {rate.runs} ({effective})"


def _share(value: float) -> str:
    """In per cent, with two digits below one and one above."""
    percent = 100 * value
    if percent in (0.0, 100.0):
        return f"{percent:.0f}"
    return f"{percent:.2f}" if percent < 1 or percent > 99 else f"{percent:.1f}"


def _spread(spread: Spread | None, unit: float, digits: int) -> str:
    if spread is None:
        return "–"
    return " / ".join(f"{value / unit:.{digits}f}" for value in (spread.median, spread.high, spread.greatest))


class Shown:
    """How an error is written; called with the value and whether its sign is wanted."""

    def __init__(self, scale: float, digits: int, unit: str) -> None:
        self._scale, self._digits, self._unit = scale, digits, unit

    def __call__(self, value: float | None, *, signed: bool) -> str:
        if value is None:
            return "–"
        return f"{value * self._scale:{'+' if signed else ''}.{self._digits}f} {self._unit}"


_percent = Shown(100.0, 1, "%")
_bytes = Shown(1.0, 0, "B")
