"""Does this control operator's medium serve what comparisons need?

Says nothing about any target: a control that is slow can only clear, one that does not serve is passed over.
"""

from dataclasses import dataclass

from probe.checks.goodput.evidence import Evidence, Series
from probe.checks.goodput.fate import Fate, fate
from probe.model.results import Facts, State, Verdict
from probe.stats.curves import mid_bps
from probe.verdict.goodput_words import rate
from probe.verdict.rules import Rule, first_match


@dataclass(frozen=True, slots=True, kw_only=True)
class MediumFacts:
    """The directions that the medium has, and of each the rate at which it delivered (None: it did not)."""

    rates_bps: tuple[tuple[str, float | None], ...]

    @property
    def words(self) -> str:
        told = [f"{name} {rate(bps) if bps is not None else 'does not serve'}" for name, bps in self.rates_bps]
        return ", ".join(told)


CONTROL_RULES: tuple[Rule[MediumFacts], ...] = (
    Rule(
        "goodput.control_serves",
        lambda f: bool(f.rates_bps) and all(bps is not None for _, bps in f.rates_bps),
        State.OK,
        lambda f: f"this control's media serve: {f.words}",
        "A control's media delivered what was asked, each way that they are meant for.",
    ),
    Rule(
        "goodput.control_unusable",
        lambda _: True,
        State.INCONCLUSIVE,
        lambda f: f"this control's media cannot be compared with: {f.words or 'nothing was transferred'}",
        "A control's media did not deliver: comparisons pass it over and take the next operator's.",
    ),
)


def judge_control(evidence: Evidence) -> Verdict:
    """One medium, both directions."""
    given = [s for s in (evidence.download, evidence.upload) if s is not None]
    facts = MediumFacts(rates_bps=tuple((s.direction.value, _rate(s)) for s in given))
    made = [t.transfer for s in given for t in s.trials]
    public = Facts(host=made[0].host, endpoint=str(made[0].endpoint)) if made else Facts()
    return first_match(CONTROL_RULES, facts, public=public, otherwise="no rule matched", prefix="goodput")


def _rate(series: Series) -> float | None:
    made = [t.transfer for t in series.trials if fate(t.transfer) is Fate.DELIVERED]
    return mid_bps(made[-1]) if made else None
