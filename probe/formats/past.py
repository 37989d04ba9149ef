"""In what words does a report say how a target stands beside its own past, and since when it is as it is?

Facts only, from `TargetResult.past`: sentences for HTML, Markdown and JUnit, and a headline for the table, which has
room for news alone.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from probe.formats.figures import rate
from probe.formats.plain import plain
from probe.model.past import DirectionPast, Hours, Onset, OnsetOf, PastComparison, Standing
from probe.model.results import State, TargetResult

NEWS = timedelta(days=7)  # a change that was known earlier is no news for the table
HOURS_WORDS: dict[Hours, str] = {
    Hours.OF_WEEK: "at these hours of the week",
    Hours.OF_DAY: "at this time of day",
    Hours.ALL: "at any hour",
}
CONTROL_WORDS: dict[str, str] = {
    "past.lower": "what it is compared with has not fallen so",
    "past.higher": "what it is compared with has not risen so",
    "past.lower_with_control": "what it is compared with has fallen too, so it may be the line or the server",
    "past.higher_with_control": "what it is compared with has risen too",
}


def sentences(target: TargetResult) -> tuple[str, ...]:
    """Everything that the comparison says, each a sentence; nothing where there is no past."""
    past = target.past
    if past is None:
        return ()
    changes = [onset_sentence(onset, now=target.verdict.state) for onset in past.onsets]
    return (*changes, *_figures(past), *_access(past), _runs(past))


def headline(target: TargetResult) -> str:
    """What is worth a line in the table: since when it is not ok, what changed lately, and figures out of range."""
    past = target.past
    if past is None:
        return ""
    now = target.verdict.state
    news = [onset for onset in past.onsets if _is_news(onset, now, past)]
    # A change of level at a change of state is the same news.
    told = [onset_sentence(o, now=now) for o in news if o.what is OnsetOf.STATE or news[0].what is not OnsetOf.STATE]
    told += [_direction(what, found) for what, found in _directions(past) if found.rule_id in CONTROL_WORDS]
    return " ".join([*told, *_access(past)])


def onset_sentence(onset: Onset, *, now: State | None = None) -> str:
    """Throttled since 10 March 2026 07:00 UTC (it changed between 06:12 and 07:00; ok before).

    Where this run has another state than `now`, which one run alone does not change, it "was" that since.
    """
    between, since = _between(onset.earliest, onset.latest), _minute(onset.since)
    if onset.what is OnsetOf.STATE:
        before = f"; {onset.before} before" if onset.before is not None else ""
        state = f"Was {onset.after}" if now not in (None, onset.after) else str(onset.after).capitalize()
        return f"{state} since {since} (it changed {between}{before})."
    name, moved = onset.what.value.capitalize(), ""
    if onset.factor is not None:
        moved = (
            f" has {'fallen' if onset.factor < 1 else 'risen'} to {onset.factor:.2g} of its level beside its control"
        )
    return f"{name}{moved or ' has changed'} since {since} (it changed {between}): {rate(onset.after_bps)} since."


def _is_news(onset: Onset, now: State, past: PastComparison) -> bool:
    if onset.what is OnsetOf.STATE and onset.after is now and onset.after is not State.OK:
        return True
    known, last = _read(onset.known_at), _read(past.last_at)
    return known is not None and last is not None and last - known <= NEWS


def _directions(past: PastComparison) -> Iterator[tuple[str, DirectionPast]]:
    if past.download is not None:
        yield "download", past.download
    if past.upload is not None:
        yield "upload", past.upload


def _figures(past: PastComparison) -> Iterator[str]:
    for what, found in _directions(past):
        yield _direction(what, found)


def _direction(what: str, found: DirectionPast) -> str:
    target = found.target
    name, number = what.capitalize(), f"{target.runs} earlier run{'s' if target.runs != 1 else ''}"
    if target.median is None or target.factor is None:
        return f"{name}: too few earlier runs to say what is usual ({number})."
    usual = f"{rate(target.median)} {HOURS_WORDS[target.hours]} ({number}, {rate(target.low)} to {rate(target.high)})"
    if found.rule_id not in CONTROL_WORDS:
        return f"{name} is as usual: {rate(target.now)} of a usual {usual}."
    return f"{name} is {target.factor:.2g} of a usual {usual}; {CONTROL_WORDS[found.rule_id]}."


def _access(past: PastComparison) -> Iterator[str]:
    """Only where fewer checks than usual were ok: how many of them there are says little by itself."""
    if past.access is not None and past.access.standing is Standing.LOWER:
        yield f"{_percent(past.access.now)} of the access checks are ok now, usually {_percent(past.access.median)}."


def _runs(past: PastComparison) -> str:
    states = ", ".join(f"{count.state} {count.runs}" for count in past.states)
    last = f"; last ok {_minute(past.last_ok_at)}" if past.last_ok_at is not None else ""
    apart = f"; {past.left_out} made elsewhere or on a line that did not work are not counted" if past.left_out else ""
    return f"Earlier runs from here since {_minute(past.first_at)}: {states}{last}{apart}."


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.0%}"


def _between(earliest: str, latest: str) -> str:
    """The day is said once where it is one."""
    first, last = _read(earliest), _read(latest)
    if first is not None and last is not None and first.date() == last.date():
        return f"between {first:%H:%M} and {last:%H:%M}"
    return f"between {_minute(earliest)} and {_minute(latest)}"


def _minute(text: str) -> str:
    """10 March 2026 07:00 UTC; what is no time is shown as it stands."""
    time = _read(text)
    if time is None:
        return plain(text, limit=40)
    return f"{time.day} {_MONTHS[time.month - 1]} {time.year} {time:%H:%M} UTC"


def _read(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
        return None if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


_MONTHS = (  # whatever the locale
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
