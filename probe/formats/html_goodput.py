"""How fast the target was beside its control: the figures of each direction, and two plots.

The figures are the verdict's own facts; the plots show every transfer that they were drawn from.
"""

from collections.abc import Iterator, Sequence

from probe.checks import goodput
from probe.formats.figures import amount, rate
from probe.formats.markup import Html, element, join
from probe.formats.plain import sentence
from probe.formats.transfers import conditions, described
from probe.model.results import Comparison, GoodputFacts, Measurement, Method, Trigger

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


def goodput_parts(measurements: Sequence[Measurement], anchor: str) -> Iterator[Html]:
    """Both directions beside each other; nothing where no goodput was measured."""
    measurement = next((m for m in measurements if isinstance(m.attempt.evidence, goodput.Evidence)), None)
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
    from probe.formats.plots import plot_curves, plot_pairs  # 46 MB, which a page without plots must not take

    salt = f"{anchor}-{title}"
    pairs = plot_pairs(series, label=f"{title}: rate of each transfer. {described(series)}", salt=salt)
    curves = plot_curves(series, label=f"{title}: bytes over time, target against control", salt=salt)
    parts: list[Html] = [element("h3", title)]
    if facts is not None:
        parts.append(_figures(facts))
    if pairs is not None:
        keys = (_key("target", "target's name"), " ", _key("control", "control"))
        caption = join(
            "Mean rate of each transfer, its slow start included: ",
            *keys,
            ". ",
            sentence("; ".join(conditions(series))),
        )
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
        lines.append(("Where", str(facts.hop)))
    if facts.detectable_ratio is not None:
        lines.append(("Would have seen", f"a slowing to {facts.detectable_ratio:.2g} of the control or less"))
    if facts.caveat:
        lines.append(("Caveat", sentence(facts.caveat)))
    return element("dl", *(join(element("dt", term), element("dd", text)) for term, text in lines))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
