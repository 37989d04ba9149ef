"""What does one line about a target say, and what must be said about the run beside it?

The table, Markdown, JUnit and HTML all show these rows and notes, each in its own form. Nothing is judged here: a cell
shows the worst verdict among the measurements that count, and what was not measured is never shown as fine.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from probe.formats import past
from probe.formats.figures import amount, compared, duration
from probe.formats.plain import plain
from probe.model.results import (
    AttemptStatus,
    GoodputFacts,
    Measurement,
    Method,
    NetworkState,
    ProblemReason,
    Report,
    State,
    Strength,
    TargetResult,
    Verdict,
)
from probe.verdict.target import ORDER

ACCESS_CHECKS = (("dns", "DNS"), ("reach", "TCP"), ("tls", "TLS"), ("http", "HTTP"))  # check, column
NOT_ASKED = "–"  # the target has nothing of this kind, or the check was not asked for
NOT_RUN = "not run"
NOT_TOLD = "unclear"

SYMBOLS: dict[State, str] = {
    State.OK: "✓",
    State.THROTTLED: "▼",
    State.BLOCKED: "✗",
    State.WITHHELD: "⊘",
    State.DOWN: "∅",
    State.INCONCLUSIVE: "?",
}
NETWORK_WORDS: dict[NetworkState, str] = {
    NetworkState.OK: "The line works",
    NetworkState.NO_NETWORK: "There is no working network",
    NetworkState.CAPTIVE_PORTAL: "A captive portal answers for everybody",
    NetworkState.CONTROLS_FAILING: "The controls fail, so nothing can be compared",
    NetworkState.WHITE_LIST: "The line lets only listed names through",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """`state` None: not measured, so neither good nor bad."""

    state: State | None
    word: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RateCell:
    """One direction: the target's rate with its control's."""

    state: State | None
    target_bps: float | None
    control_bps: float | None
    word: str

    @property
    def slowed(self) -> bool:
        return self.state is State.THROTTLED

    @property
    def text(self) -> str:
        if self.target_bps is None and self.control_bps is None:
            return self.word
        return compared(self.target_bps, self.control_bps, slowed=self.slowed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One target; `access` in the order of `ACCESS_CHECKS`; `past` is what is new about it, or ""."""

    name: str
    access: tuple[Cell, ...]
    download: RateCell
    upload: RateCell
    verdict: Verdict
    past: str = ""

    @property
    def verdict_word(self) -> str:
        return verdict_word(self.verdict)


def rows(report: Report) -> tuple[Row, ...]:
    return tuple(row(target) for target in report.targets)


def row(target: TargetResult) -> Row:
    return Row(
        name=plain(target.name or target.id, limit=60),
        access=tuple(_access_cell(target, check) for check, _ in ACCESS_CHECKS),
        download=_rate_cell(target, upload=False),
        upload=_rate_cell(target, upload=True),
        verdict=target.verdict,
        past=past.headline(target),
    )


def verdict_word(verdict: Verdict) -> str:
    """The state, with "likely" where that is all that is known."""
    return f"{verdict.state} (likely)" if verdict.strength is Strength.LIKELY else str(verdict.state)


def ran(measurement: Measurement) -> bool:
    return measurement.attempt.status is AttemptStatus.COMPLETED


def stood_in_for(target: TargetResult, measurement: Measurement) -> bool:
    """Whether this is about a media candidate that says nothing because another one serves; accusations always count
    (`probe.verdict.target`)."""
    if measurement.input not in target.media_hosts or measurement.check == "goodput":
        return False
    if measurement.verdict.state in (State.BLOCKED, State.THROTTLED, State.OK):
        return False
    return any(m.check == measurement.check and ran(m) and m.verdict.state is State.OK for m in target.measurements)


def counts(report: Report) -> str:
    """2 throttled, 1 blocked, 4 ok: the states found, worst first."""
    found = {count.state: count.targets for count in report.summary if count.targets}
    return ", ".join(f"{found[state]} {state}" for state in ORDER if state in found) or "no targets"


def notes(report: Report) -> tuple[str, ...]:
    """What must be known to read the verdicts: a budget that was hit, an interruption, controls left out."""
    made: list[str] = []
    if report.parameters.interrupted:
        made.append("The run was interrupted, or has not ended yet: what was measured until then is shown.")
    if report.vantage.vpn:
        made.append(
            "Measured through a VPN or a proxy: the verdicts are about the network behind it, not about this line."
        )
    if report.parameters.budget_hit:
        limit = amount(report.parameters.max_bytes)
        made.append(f"A byte budget was used up (at most {limit} for this run), so not everything was measured.")
    unsaid = [name for name in report.network.left_out if name not in report.network.reason]
    if unsaid:
        names = ", ".join(plain(name, limit=80) for name in unsaid)
        made.append(f"Controls that disagree with the others were left out: {names}.")
    if bugs := sum(_is_bug(m) for t in report.targets for m in t.measurements):
        made.append(f"A mistake in this program ended {bugs} of the measurements; please report it.")
    return tuple(made)


def cost(report: Report) -> str:
    """Data and time used."""
    total = report.bytes.sent + report.bytes.received
    sent, received = amount(report.bytes.sent), amount(report.bytes.received)
    return f"{amount(total)} used ({received} received, {sent} sent) in {duration(report.duration_seconds)}"


def vantage(report: Report) -> str:
    """Where it was measured from, as far as that is known."""
    place = report.vantage
    parts = [
        plain(place.country, limit=40) if place.country else "country unknown",
        f"AS{place.asn}" if place.asn is not None else "",
        plain(place.network, limit=40) if place.network else "",
    ]
    return ", ".join(part for part in parts if part)


def worst(states: Iterable[State]) -> State | None:
    """The first of the design's order that occurs; None of none."""
    found = set(states)
    return next((state for state in ORDER if state in found), None)


def _access_cell(target: TargetResult, check: str) -> Cell:
    asked = [m for m in target.measurements if m.check == check]
    counted = [m for m in asked if ran(m) and not stood_in_for(target, m)]
    state = worst(m.verdict.state for m in counted)
    if state is not None:
        mechanism = next(
            (m.verdict.mechanisms[0] for m in counted if m.verdict.state is state and m.verdict.mechanisms), ""
        )
        tail = mechanism.partition(".")[2]
        return Cell(state=state, word=tail or (NOT_TOLD if state is State.INCONCLUSIVE else str(state)))
    return Cell(state=None, word=_absent(asked))


def _absent(asked: list[Measurement]) -> str:
    """Why a column has no verdict: nothing to ask, or it could not be asked."""
    problems = {m.attempt.problem.reason for m in asked if m.attempt.problem}
    return NOT_ASKED if problems <= {ProblemReason.NOTHING_TO_MEASURE} else NOT_RUN


def _rate_cell(target: TargetResult, *, upload: bool) -> RateCell:
    asked = [m for m in target.measurements if m.check == "goodput"]
    measured = next((m for m in asked if ran(m)), None)
    if measured is None:
        return RateCell(state=None, target_bps=None, control_bps=None, word=_absent(asked))
    found = measured.verdict.facts
    facts, other = (found.upload, found.download) if upload else (found.download, found.upload)
    if facts is None:
        return RateCell(state=None, target_bps=None, control_bps=None, word=NOT_ASKED)
    return RateCell(
        state=_direction_state(measured.verdict, facts, other),
        target_bps=facts.target_bps,
        control_bps=facts.control_bps,
        word=NOT_TOLD,
    )


def _direction_state(verdict: Verdict, facts: GoodputFacts, other: GoodputFacts | None) -> State | None:
    """Which of the two directions a goodput verdict speaks of: its facts say which one was found slow.

    A direction of a throttled target that was not found slow is shown by its figures alone.
    """
    if facts.target_bps is None:
        return State.INCONCLUSIVE
    if verdict.state not in (State.THROTTLED, State.BLOCKED):
        return verdict.state
    slower = other is None or (other.ratio or 1.0) >= (facts.ratio if facts.ratio is not None else 1.0)
    found = facts.confirmed_by_repeat or facts.method is not Method.UNKNOWN
    return verdict.state if found or (slower and not _found(other)) else None


def _found(facts: GoodputFacts | None) -> bool:
    return facts is not None and (facts.confirmed_by_repeat or facts.method is not Method.UNKNOWN)


def _is_bug(measurement: Measurement) -> bool:
    problem = measurement.attempt.problem
    return problem is not None and problem.reason is ProblemReason.BUG
