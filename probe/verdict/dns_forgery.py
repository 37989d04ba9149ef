"""What shows that a false answer is forged, and not an old address, a copy of the site, or a household's filter?

Each finder wants more than an address that fails the name: somebody answers where no resolver lives, a notice stands
there, or names that cannot exist get addresses. What a resolver did is `probe.verdict.resolutions`'s.
"""

from probe.model.results import Mechanism
from probe.verdict.dns_facts import (
    UNLIKE_OWN,
    DnsFacts,
    any_genuine,
    exists,
    fails,
    lies,
    may_be_accused,
    may_be_genuine,
    mechanisms,
    null,
)
from probe.verdict.resolutions import NULL_ADDRESSES, Outcome, Resolution
from probe.wire.bogon import is_private

FORGEABLE = (Outcome.RACED, Outcome.BOGON, Outcome.INTERNAL, Outcome.FOREIGN_CERTIFICATE, Outcome.UNUSABLE)


def injected(facts: DnsFacts) -> Resolution | None:
    """Whose questions for this name somebody on the path answers, as he does those to a host that is no resolver."""
    if not facts.nowhere or set(facts.nowhere) <= NULL_ADDRESSES:
        return None
    return lies(facts, *FORGEABLE)


def injected_null(facts: DnsFacts) -> Resolution | None:
    """As `null`, of a resolver outside the home, where the same comes from where no resolver lives."""
    found = null(facts)
    same = bool(facts.nowhere) and set(facts.nowhere) <= NULL_ADDRESSES
    return found if found is not None and same and not is_private(found.server) else None


def to_notice(facts: DnsFacts) -> Resolution | None:
    """Who gives addresses that all fail the name, and one of which shows a notice."""
    found = lies(facts, Outcome.FOREIGN_CERTIFICATE, Outcome.UNUSABLE)
    return found if found is not None and set(found.addresses) & set(facts.notices) else None


def forging_below(facts: DnsFacts) -> Resolution | None:
    """Who gives addresses that all fail the name, and addresses for a name below it that cannot exist."""
    if not exists(facts):
        return None
    return next((s for s in facts.servers if s.outcome in UNLIKE_OWN and s.forges_below and may_be_accused(s)), None)


def intercepted(facts: DnsFacts) -> Resolution | None:
    """Whose questions for this name alone are answered by another address, so that programs wait for nothing."""
    found = None if may_be_genuine(facts) else fails(facts, Outcome.TIMEOUT)
    return found if found is not None and found.other_source and not found.other_source_for_all else None


def unlike_own(facts: DnsFacts, outcome: Outcome) -> Resolution | None:
    """Who gives such addresses and nothing else to accuse by, where no other resolver gives a true one."""
    return None if any_genuine(facts) else lies(facts, outcome)


def mechanisms_of_injection(facts: DnsFacts) -> tuple[Mechanism, ...]:
    if to_notice(facts) is not None:
        return mechanisms_of_notice(facts)
    return tuple(dict.fromkeys((*mechanisms(injected)(facts), Mechanism.DNS_INJECTION)))


def mechanisms_of_notice(facts: DnsFacts) -> tuple[Mechanism, ...]:
    extra = [m for m in mechanisms(to_notice)(facts) if m is not Mechanism.DNS_INJECTION]
    return (Mechanism.DNS_INJECTION_BLOCKPAGE, *extra)


def mechanisms_of_interception(facts: DnsFacts) -> tuple[Mechanism, ...]:
    return tuple(reversed(mechanisms(intercepted)(facts)))
