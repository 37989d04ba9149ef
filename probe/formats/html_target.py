"""One target's part of the HTML report: what was found, the figures behind it, and what was contacted for it."""

from collections.abc import Iterator

from probe.formats import overview, past
from probe.formats.contacts import Contacted, contacted
from probe.formats.figures import amount, duration
from probe.formats.html_goodput import goodput_parts
from probe.formats.markup import Html, element, join
from probe.formats.overview import SYMBOLS
from probe.formats.plain import plain, sentence
from probe.formats.timings import Timing, timings
from probe.model.results import Measurement, State, TargetResult, Verdict


def badge(verdict: Verdict) -> Html:
    """The state as a word with its mark; colour only repeats it."""
    text = f"{SYMBOLS[verdict.state]} {overview.verdict_word(verdict)}"
    return element("span", text, class_=f"state {verdict.state}")


def state_word(state: State | None, word: str) -> Html:
    """A cell's word, coloured by its state."""
    if state is None:
        return element("span", word, class_="none")
    return element("span", f"{SYMBOLS[state]} {word}", class_=f"state word {state}")


def article(target: TargetResult, *, anchor: str) -> Html:
    """Everything about one target; the details of one that is ok are folded away."""
    verdict = target.verdict
    name = plain(target.name or target.id, limit=80)
    means = [element("code", mechanism) for mechanism in verdict.mechanisms]
    by = join("By ", *_separated(means), ". ") if means else ""
    rules = join("Decided by ", *_separated([element("code", rule) for rule in verdict.rule_ids]), ".")
    news, compared = past.headline(target), tuple(_past(target))
    details = element(
        "details",
        element("summary", "Measurements, timings and what was contacted"),
        *(() if news else compared),
        *_measurements(target),
        *_timings(timings(target.measurements)),
        *_contacts(contacted(target.measurements), target),
        open=None if verdict.state is State.OK else "open",
    )
    return element(
        "article",
        element("div", element("h2", name, id=f"{anchor}-title"), badge(verdict), class_="title"),
        element("p", sentence(verdict.reason), class_="reason"),
        element("p", by, rules if verdict.rule_ids else "", class_="meta"),
        *(compared if news else ()),
        *goodput_parts(target.measurements, anchor),
        details,
        id=anchor,
        aria_labelledby=f"{anchor}-title",
    )


def _past(target: TargetResult) -> Iterator[Html]:
    """Beside the verdict, which it is no part of: how this compares with earlier results, and since when it is so."""
    if told := past.sentences(target):
        yield element("h3", "Compared with earlier runs")
        yield element("ul", *(element("li", text) for text in told), class_="past")


def _separated(items: list[Html]) -> Iterator[str]:
    for place, item in enumerate(items):
        if place:
            yield ", "
        yield item


def _measurements(target: TargetResult) -> Iterator[Html]:
    if not target.measurements:
        return
    head = element("tr", *(element("th", title, scope="col") for title in ("Check", "Of", "Result", "Why")))
    rows = [_measurement(target, measurement) for measurement in target.measurements]
    yield element("h3", "Measurements")
    yield element("table", element("thead", head), element("tbody", *rows), class_="stack measured")


def _measurement(target: TargetResult, measurement: Measurement) -> Html:
    verdict = measurement.verdict
    result = badge(verdict) if overview.ran(measurement) else element("span", overview.NOT_RUN, class_="none")
    why: list[str] = [sentence(verdict.reason)]
    if overview.stood_in_for(target, measurement):
        why.append(" Another media host serves, so this does not count.")
    facts = "; ".join(_facts(verdict))
    rules = ", ".join(verdict.rule_ids)
    second = element("span", "; ".join(part for part in (facts, rules) if part), class_="second")
    return element(
        "tr",
        element("th", measurement.check, scope="row", class_="check"),
        element("td", element("span", measurement.input), data_label="Of", class_="of"),
        element("td", result, data_label="Result"),
        element("td", element("span", *why, second), data_label="Why"),
    )


def _facts(verdict: Verdict) -> Iterator[str]:
    facts = verdict.facts
    if facts.endpoint:
        yield f"at {facts.endpoint}"
    if facts.failure is not None:
        yield facts.failure
    if facts.http_status is not None:
        yield f"HTTP {facts.http_status}"
    if facts.certificate_issuer:
        yield f"certificate from {plain(facts.certificate_issuer, limit=120)}"
    if facts.addresses:
        yield f"addresses {', '.join(facts.addresses[:8])}"


def _timings(found: tuple[Timing, ...]) -> Iterator[Html]:
    if not found:
        return
    longest = max(max(timing.seconds for timing in found), 0.001)
    groups: dict[str, list[Html]] = {}
    for timing in found:
        groups.setdefault(timing.host, []).append(_timing(timing, longest))
    bodies = [
        element("tbody", element("tr", element("th", host, colspan="3", scope="rowgroup")), *rows)
        for host, rows in groups.items()
    ]
    yield element("h3", "How long each phase took")
    yield element("table", *bodies, class_="timings")


def _timing(timing: Timing, longest: float) -> Html:
    failed = bool(timing.failure)
    bar = element(
        "span", class_="bar failed" if failed else "bar", style=f"width: {timing.seconds / longest * 100:.1f}%"
    )
    text = duration(timing.seconds)
    seconds = join(text, element("span", timing.failure, class_="second")) if failed else text
    return element(
        "tr",
        element("td", timing.phase, class_="phase"),
        element("td", bar, class_="track"),
        element("td", seconds, class_="seconds"),
    )


def _contacts(found: tuple[Contacted, ...], target: TargetResult) -> Iterator[Html]:
    if not found:
        return
    head = element(
        "tr", *(element("th", title, scope="col") for title in ("Place", "Name sent, or resolver", "For", "Times"))
    )
    rows = [
        element(
            "tr",
            element("th", contact.place, scope="row"),
            element("td", element("span", ", ".join(contact.names) or overview.NOT_ASKED), data_label="Name"),
            element("td", element("span", ", ".join(contact.purposes)), data_label="For"),
            element("td", element("span", str(contact.times)), data_label="Times"),
        )
        for contact in found
    ]
    sent = sum(m.sent_bytes for m in target.measurements)
    received = sum(m.received_bytes for m in target.measurements)
    yield element("h3", "What was contacted")
    yield element(
        "p", f"{amount(sent + received)} used: {amount(received)} received, {amount(sent)} sent.", class_="meta"
    )
    yield element("table", element("thead", head), element("tbody", *rows), class_="stack contacts")
