"""Did the person agree, now or before, to what this command is about to do?

Asked on a terminal and remembered in the store; by a flag, it is for that call alone. What is asked is `consent`'s.
"""

import sys

from probe.commands import consent
from probe.commands.terminal import say
from probe.model.targets import Target
from probe.store import Store

HIGH_RISK, UNATTENDED = "high", "watch"  # groups of a stored consent


def agreed(store: Store | None, *, high_risk: bool) -> consent.Consent:
    """What was agreed to before, on this machine and in this call; what was agreed to under another policy is void."""
    stored = store.consent() if store is not None else None
    version = int(stored.policy_version) if stored is not None and stored.policy_version.isdigit() else 0
    groups = stored.risk_groups if stored is not None and version == consent.POLICY_VERSION else ()
    return consent.Consent(
        policy_version=version, high_risk=high_risk or HIGH_RISK in groups, unattended=UNATTENDED in groups
    )


def ask(question: str, risky: tuple[Target, ...], store: Store | None, before: consent.Consent, *groups: str) -> bool:
    """Ask on the terminal and remember the answer; without a terminal the answer is no. `groups`: what a yes adds.

    A flag that includes the high-risk group is for its call alone: only an answer about that group is remembered.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    say(question)
    if not _yes("Do you agree? [y/N]"):
        return False
    high = False
    if risky and not before.high_risk:
        say(consent.risk_question(risky))
        high = _yes("Contact them as well, from the next run on? [y/N]")
    if store is not None:
        kept = agreed(store, high_risk=high)
        unattended = (UNATTENDED,) if kept.unattended else ()
        remembered = {*groups, *unattended, *((HIGH_RISK,) if kept.high_risk else ())}
        store.add_consent(str(consent.POLICY_VERSION), tuple(sorted(remembered)))
    return True


def _yes(question: str) -> bool:
    say(question)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
