"""Rules as data: an ordered tuple per question, the first that matches gives the verdict, and its id is public.

What each rule means in words is beside it (`meaning`), so that `throttleprobe explain` and the method pages cannot
drift from the code. Ids are stable: a changed meaning is a new id and a new RULES_VERSION.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from probe.model.results import Facts, Mechanism, State, Strength, Verdict

RULES_VERSION = "1"

F = TypeVar("F")


@dataclass(frozen=True, slots=True)
class Rule(Generic[F]):
    """A named branch. `reason` makes the one sentence from the facts; `mechanisms` may depend on them as well.

    `meaning` says in general what the rule claims and on what evidence (shown by `explain`).
    """

    id: str
    when: Callable[[F], bool]
    state: State
    reason: Callable[[F], str]
    meaning: str
    strength: Strength | None = None
    mechanisms: Callable[[F], tuple[Mechanism, ...]] = lambda _: ()


def first_match(rules: Sequence[Rule[F]], facts: F, *, public: Facts, otherwise: str, prefix: str) -> Verdict:
    """The verdict of the first rule that holds; `<prefix>.no_rule_matched`, inconclusive with `otherwise`, when none
    does."""
    for rule in rules:
        if rule.when(facts):
            return Verdict(
                state=rule.state,
                strength=rule.strength,
                mechanisms=rule.mechanisms(facts),
                rule_ids=(rule.id,),
                rules_version=RULES_VERSION,
                reason=rule.reason(facts),
                facts=public,
            )
    return Verdict(
        state=State.INCONCLUSIVE,
        strength=None,
        mechanisms=(),
        rule_ids=(f"{prefix}.no_rule_matched",),
        rules_version=RULES_VERSION,
        reason=otherwise,
        facts=public,
    )
