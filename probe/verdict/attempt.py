"""What can be said of a measurement whose check did not give evidence? Only that it is inconclusive, and why."""

from probe.model.results import Attempt, Problem, ProblemReason, State, Verdict
from probe.verdict.rules import RULES_VERSION

WORDS: dict[ProblemReason, str] = {
    ProblemReason.BUG: "a mistake in this program ended the check",
    ProblemReason.BUDGET: "the byte budget was used up before it",
    ProblemReason.DEADLINE: "there was no time left for it",
    ProblemReason.MISSING_CAPABILITY: "this machine cannot do it",
    ProblemReason.NOTHING_TO_MEASURE: "the target has nothing of this kind",
    ProblemReason.MEDIA_GONE: "none of the media objects in the list can be used any more",
    ProblemReason.NO_ADDRESS: "no address of the host is known that may be dialled",
    ProblemReason.LOCAL_NETWORK: "the local network failed",
    ProblemReason.LINE_UNFIT: "download and upload were left out because of the line",
    ProblemReason.INTERRUPTED: "the run was interrupted",
}

MEANINGS: dict[str, str] = {
    f"attempt.{reason.value}": f"The check gave no evidence: {words}. Never a state of the network."
    for reason, words in WORDS.items()
}


def judge(attempt: Attempt[object]) -> Verdict:
    """The verdict of an attempt without evidence."""
    problem = attempt.problem or Problem(reason=ProblemReason.INTERRUPTED, stage="", detail="")
    detail = f" ({problem.detail})" if problem.detail else ""
    return Verdict(
        state=State.INCONCLUSIVE,
        strength=None,
        mechanisms=(),
        rule_ids=(f"attempt.{problem.reason.value}",),
        rules_version=RULES_VERSION,
        reason=f"{WORDS[problem.reason]}{detail}",
    )
