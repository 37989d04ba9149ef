"""The report as one HTML file that can be mailed, printed and opened offline: no script, no request, no other file.

Verdicts in words first, then each target with its figures. A Content-Security-Policy in the page forbids scripts and
every fetch, so that even a mistake in escaping could do nothing.
"""

from probe.formats import overview
from probe.formats.contacts import contacted
from probe.formats.html_style import STYLE
from probe.formats.html_target import article, badge, state_word
from probe.formats.markup import Html, element, join, trusted
from probe.formats.overview import ACCESS_CHECKS, SYMBOLS, RateCell, Row
from probe.formats.plain import plain, sentence
from probe.model.results import NetworkState, Report, State, Strength
from probe.verdict.target import ORDER

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
ACCUSING = (State.BLOCKED, State.THROTTLED)  # the network does it
MEANINGS: dict[State, str] = {
    State.BLOCKED: "the network keeps this target from being reached",
    State.THROTTLED: "the network slows this target, and not what it was compared with",
    State.WITHHELD: "the platform itself refuses, the network does not",
    State.DOWN: "broken for everyone, as far as can be told",
    State.INCONCLUSIVE: "it could not be told; never to be read as fine",
    State.OK: "nothing unusual was found; the figures say how much slowing would have been seen",
}


def render_html(report: Report) -> str:
    """A whole page, ending with a newline."""
    title = f"Throttleprobe: {overview.counts(report)}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        trusted(f"<style>{STYLE}</style>"),
    )
    articles = [article(target, anchor=_anchor(place)) for place, target in enumerate(report.targets)]
    body = element(
        "body", _header(report), element("main", _overview(report), *articles, _controls(report)), _footer(report)
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def headline(report: Report) -> str:
    """The whole report in one sentence."""
    if report.network.state is not NetworkState.OK:
        return f"Nothing can be said: {_lower(overview.NETWORK_WORDS[report.network.state])}."
    found = {count.state: count.targets for count in report.summary}
    total = len(report.targets)
    accused = sum(found.get(state, 0) for state in ACCUSING)
    undecided = found.get(State.INCONCLUSIVE, 0)
    if accused:
        confirmed = any(
            t.verdict.strength is Strength.CONFIRMED and t.verdict.state in ACCUSING for t in report.targets
        )
        verb = "interferes" if confirmed else "likely interferes"
        return f"This line {verb} with {accused} of {_platforms(total)}."
    if undecided == total:
        return "Nothing could be decided."
    rest = f"; {undecided} of {_platforms(total)} could not be decided" if undecided else f" with {_platforms(total)}"
    return f"No interference was found{rest}."


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _platforms(number: int) -> str:
    return "1 platform" if number == 1 else f"{number} platforms"


def _anchor(place: int) -> str:
    return f"target-{place + 1}"


def _header(report: Report) -> Html:
    found = {count.state: count.targets for count in report.summary if count.targets}
    counts = [
        element("li", element("span", f"{SYMBOLS[state]} {found[state]} {state}", class_=f"state {state}"))
        for state in ORDER
        if state in found
    ]
    network = f"{overview.NETWORK_WORDS[report.network.state]}: {plain(report.network.reason)}"
    warning = report.network.state is not NetworkState.OK
    notes = [*([network] if warning else []), *overview.notes(report)]
    return element(
        "header",
        element("h1", "Throttleprobe report"),
        element("p", headline(report), class_="headline"),
        element("ul", *counts, class_="counts"),
        element(
            "p",
            f"{_moment(report.started_at)}, measured from {overview.vantage(report)}. {overview.cost(report)}.",
            class_="meta",
        ),
        "" if warning else element("p", sentence(network), class_="meta"),
        *(element("p", sentence(note), class_="note", role="note") for note in notes),
    )


def _moment(started_at: str) -> str:
    """2026-11-21 18:33 UTC."""
    text = plain(started_at, limit=40)
    day, _, time = text.partition("T")
    return f"{day} {time[:5]} UTC" if text.endswith("Z") and len(time) >= len("18:33Z") else text


def _overview(report: Report) -> Html:
    titles = ["Target", *(title for _, title in ACCESS_CHECKS), "Download", "Upload", "Verdict"]
    head = element("tr", *(element("th", title, scope="col") for title in titles))
    rows = [_row(row, place) for place, row in enumerate(overview.rows(report))]
    table = element("table", element("thead", head), element("tbody", *rows), class_="stack overview")
    return element("section", table, aria_label="Overview of all targets")


def _row(row: Row, place: int) -> Html:
    access = [
        element("td", state_word(cell.state, cell.word), data_label=title, class_="access")
        for (_, title), cell in zip(ACCESS_CHECKS, row.access, strict=True)
    ]
    return element(
        "tr",
        element("th", element("a", row.name, href=f"#{_anchor(place)}"), scope="row"),
        *access,
        element("td", _rate(row.download), data_label="Download", class_="rate"),
        element("td", _rate(row.upload), data_label="Upload", class_="rate"),
        element("td", badge(row.verdict), data_label="Verdict", class_="verdict"),
    )


def _rate(cell: RateCell) -> Html:
    """The target's rate first, its control's below it."""
    first, joint, rest = cell.text.partition(" of " if cell.slowed else " (control ")
    kind = "none" if cell.state is None and not joint else f"state word {cell.state or ''}".rstrip()
    shown = element("span", first, class_=kind)
    if not joint:
        return shown
    return element("span", shown, element("span", f"{joint.strip()} {rest}", class_="second"))


def _controls(report: Report) -> Html:
    """The controls of this run: what every target was compared with."""
    rows = [
        element(
            "tr",
            element("th", measurement.input, scope="row"),
            element("td", element("span", measurement.check), data_label="Check"),
            element("td", badge(measurement.verdict), data_label="Result"),
            element("td", element("span", sentence(measurement.verdict.reason)), data_label="Why"),
        )
        for measurement in report.controls
    ]
    if not rows:
        return join()
    head = element("tr", *(element("th", title, scope="col") for title in ("Control", "Check", "Result", "Why")))
    places = ", ".join(contact.place for contact in contacted(report.controls))
    return element(
        "section",
        element("h2", "Controls"),
        element("p", "What every target was compared with; controls are compared with each other first."),
        element("table", element("thead", head), element("tbody", *rows), class_="stack"),
        element("p", f"Contacted: {plain(places, limit=2000)}.", class_="meta") if places else "",
    )


def _footer(report: Report) -> Html:
    meanings = [
        join(element("dt", element("span", f"{SYMBOLS[state]} {state}", class_=f"state {state}")), element("dd", text))
        for state, text in MEANINGS.items()
    ]
    about = f"Run {plain(report.id, limit=60)}, made by throttleprobe {plain(report.probe_version, limit=40)}."
    return element(
        "footer",
        element("h2", "How to read this"),
        element("dl", *meanings),
        element(
            "p",
            "An accusation always rests on a comparison in the same run, in which one thing differed. “Likely” means"
            " that the comparison is weaker than that.",
        ),
        element("p", about, class_="muted"),
    )
