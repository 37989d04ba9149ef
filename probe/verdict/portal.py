"""What one control's plain answer means by itself: nothing. All of them together are judged by
`probe.verdict.network`."""

from probe.checks.portal import Evidence
from probe.model.results import Facts, State, Verdict
from probe.verdict.rules import Rule, first_match

RULES: tuple[Rule[Evidence], ...] = (
    Rule(
        "portal.left_to_network",
        lambda _: True,
        State.INCONCLUSIVE,
        lambda e: f"what the line answers for {e.host} over plain HTTP is compared with its answers for other controls",
        "One plain answer says nothing by itself: the answers for all control sites are compared "
        "(network.captive_portal).",
    ),
)


def judge(evidence: Evidence) -> Verdict:
    """Always inconclusive: the comparison is the network's."""
    public = Facts(host=evidence.host, addresses=evidence.lookup.addresses)
    return first_match(RULES, evidence, public=public, otherwise="", prefix="portal")
