"""One target's part of the HTML report: what was found, the figures behind it, and what was contacted for it."""

from collections.abc import Iterator

from probe.checks import goodput
from probe.formats import overview
from probe.formats.contacts import Contacted, contacted
from probe.formats.figures import amount, duration, rate
from probe.formats.markup import Html, element, join
from probe.formats.overview import SYMBOLS
from probe.formats.plain import plain, sentence
from probe.formats.plots import described, plot_curves, plot_pairs
from probe.formats.timings import Timing, timings
from probe.model.results import Comparison, GoodputFacts, Measurement, Method, State, TargetResult, Trigger, Verdict

COMPARISONS: dict[Comparison, str] = {
    Comparison.NAME_AT_TARGET: "the target's name against a neutral name, at the same address",
    Comparison.NAME_AT_CONTROL: "the target's name against a neutral name, both at a control's address",
    Comparison.SIGNATURE: "the flow's own signature, beside a control without one",
    Comparison.HELPER: "what a helper elsewhere sees",
    Comparison.BETWEEN_SERVERS: "two different servers, which can clear but never accuse",
}
METHODS: dict[Method, str] = {
    Method.POLICED: "policed: packets above a rate are dropped",
    Method.SHAPED: "shaped: packets above a rate wait in a queue",
    Method.LOSSY: "lossy: packets are dropped at random",
    Method.STALLED: "stalled: the connection freezes",
    Method.UNKNOWN: "unknown",
}
TRIGGERS: dict[Trigger, str] = {
    Trigger.SNI: "the server name (SNI)",
    Trigger.IP: "the address",
    Trigger.UNKNOWN: "unknown",
}


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
    details = element(
        "details",
        element("summary", "Measurements, timings and what was contacted"),
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
        *_goodput(target, anchor),
        details,
        id=anchor,
        aria_labelledby=f"{anchor}-title",
    )


def _separated(items: list[Html]) -> Iterator[str]:
    for place, item in enumerate(items):
        if place:
            yield ", "
        yield item


def _goodput(target: TargetResult, anchor: str) -> Iterator[Html]:
    measurement = next((m for m in target.measurements if isinstance(m.attempt.evidence, goodput.Evidence)), None)
    if measurement is None or not isinstance(measurement.attempt.evidence, goodput.Evidence):
        return
    evidence, facts = measurement.attempt.evidence, measurement.verdict.facts
    parts = [
        _direction(title, series, found, anchor)
        for title, series, found in (
            ("Download", evidence.download, facts.download),
            ("Upload", evidence.upload, facts.upload),
        )
        if series is not None
    ]
    if parts:
        yield element("div", *parts, class_="directions")


def _direction(title: str, series: goodput.Series, facts: GoodputFacts | None, anchor: str) -> Html:
    salt = f"{anchor}-{title}"
    pairs = plot_pairs(series, label=f"{title}: rate of each transfer. {described(series)}", salt=salt)
    curves = plot_curves(series, label=f"{title}: bytes over time, target against control", salt=salt)
    parts: list[Html] = [element("h3", title)]
    if facts is not None:
        parts.append(_figures(facts))
    if pairs is not None:
        caption = join("Mean rate of each transfer: ", _key("target", "target's name"), " ", _key("control", "control"))
        parts.append(element("figure", element("figcaption", caption), pairs))
    if curves is not None:
        lines = (_key("target line", "target's name"), " ", _key("control line", "control"))
        caption = join(f"Bytes over time, {amount(series.num_bytes)} asked for: ", *lines)
        parts.append(element("figure", element("figcaption", caption), curves))
    unused = [candidate for candidate in series.candidates if candidate.problem]
    remarks = [f"Not used: {c.url} ({c.problem})." for c in unused]
    if not series.trials:
        remarks.append("Nothing was transferred.")
    if remarks:
        parts.append(element("div", *(element("p", remark, class_="meta") for remark in remarks)))
    return element("div", *parts, class_="direction")


def _key(kind: str, text: str) -> Html:
    return element("span", text, class_=f"key {kind}")


def _figures(facts: GoodputFacts) -> Html:
    """The numbers of one direction that are known, as a list of terms."""
    lines: list[tuple[str, str]] = []
    if facts.target_bps is not None or facts.control_bps is not None:
        lines.append(("Rate", f"{rate(facts.target_bps)}, control {rate(facts.control_bps)}"))
    if facts.ratio is not None:
        text = f"{facts.ratio:.2g} of the control"
        if facts.ratio_low is not None and facts.ratio_high is not None:
            text += f" ({facts.ratio_low:.2g} to {facts.ratio_high:.2g}, {_counted(facts.pairs, 'pair')})"
        lines.append(("Ratio", text))
    if facts.comparison is not None:
        lines.append(("Compared", COMPARISONS[facts.comparison]))
    if facts.method is not Method.UNKNOWN:
        lines.append(("Method", METHODS[facts.method]))
    if facts.limit_bps is not None:
        lines.append(("Limit", f"about {rate(facts.limit_bps)}"))
    if facts.stall_after_bytes is not None:
        lines.append(("Freezes after", amount(facts.stall_after_bytes)))
    if facts.trigger is not Trigger.UNKNOWN:
        lines.append(("Follows", TRIGGERS[facts.trigger]))
    if facts.hop is not None:
        lines.append(("Where", f"between hops {facts.hop.after} and {facts.hop.before}"))
    if facts.detectable_ratio is not None:
        lines.append(("Would have seen", f"a slowing to {facts.detectable_ratio:.2g} of the control or less"))
    if facts.caveat:
        lines.append(("Caveat", sentence(facts.caveat)))
    return element("dl", *(join(element("dt", term), element("dd", text)) for term, text in lines))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _measurements(target: TargetResult) -> Iterator[Html]:
    if not target.measurements:
        return
    head = element("tr", *(element("th", title, scope="col") for title in ("Check", "Of", "Result", "Why")))
    rows = [_measurement(target, measurement) for measurement in target.measurements]
    yield element("h3", "Measurements")
    yield element("table", element("thead", head), element("tbody", *rows), class_="stack")


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
        element("th", measurement.check, scope="row"),
        element("td", element("span", measurement.input), data_label="Of"),
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
        yield f"answered {', '.join(facts.addresses[:8])}"


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
        "tr", *(element("th", title, scope="col") for title in ("Place", "Names seen on the way", "For", "Times"))
    )
    rows = [
        element(
            "tr",
            element("th", contact.place, scope="row"),
            element("td", element("span", ", ".join(contact.names) or overview.NOT_ASKED), data_label="Names seen"),
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
    yield element("table", element("thead", head), element("tbody", *rows), class_="stack")
