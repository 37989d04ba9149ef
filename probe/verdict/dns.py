"""Does somebody forge, refuse or withhold this name's DNS answers?

Differing answers accuse nobody: CDNs differ. What accuses is an address that cannot prove the name while another can,
or a refusal of this name by a server that resolves a neutral one. Whether addresses connect is for `reach`.
"""

from probe.checks.dns import Evidence
from probe.model.results import Facts, Mechanism, State, Strength, Verdict
from probe.verdict import dns_facts as find
from probe.verdict import dns_forgery as forged
from probe.verdict.dns_facts import FAILURES, DnsFacts
from probe.verdict.resolutions import LIES, Outcome, Resolution
from probe.verdict.rules import Rule, first_match

SILENT = (Outcome.TIMEOUT, Outcome.SERVFAIL)  # getaddrinfo calls a time-out of its own a temporary failure
MIN_DENYING_CONTROLS = 2  # resolvers that must say so before a name counts as dead: one may filter it itself


def judge(evidence: Evidence) -> Verdict:
    """One verdict on what the resolvers of this line do with the name."""
    facts = find.derive(evidence)
    accused = find.accused(facts)
    public = Facts(
        host=evidence.hostname,
        failure=accused.failure if accused else find.first_failure(facts),
        addresses=accused.addresses if accused and accused.addresses else facts.system or facts.control,
    )
    otherwise = f"the answers for {evidence.hostname} fit no known pattern"
    return first_match(RULES, facts, public=public, otherwise=otherwise, prefix="dns")


def _is_dead(facts: DnsFacts) -> bool:
    """Whether nobody gives an address, what resolvers invent for names that do not exist left aside."""
    denied = facts.answered_controls > 0 and not facts.control and set(facts.system) <= set(facts.invented)
    return denied and all(s.outcome in FAILURES or _invents(facts, s) for s in facts.servers)


def _invents(facts: DnsFacts, server: Resolution) -> bool:
    """Whether a server gave what is given for names that cannot exist, and no handshake there proves the name."""
    given = server.addresses
    return server.outcome is not Outcome.GENUINE and bool(given) and set(given) <= set(facts.invented)


def _local_disagrees(facts: DnsFacts) -> bool:
    """Whether the servers on the network give true addresses and only this machine's own resolver says otherwise.

    That it is merely silent says nothing: one lost packet keeps the C library waiting longer than we do.
    """
    local = any(s.is_local and s.outcome not in (Outcome.GENUINE, *SILENT) for s in facts.servers)
    others = [s.outcome for s in facts.servers if not s.is_local]
    return local and bool(others) and all(outcome is Outcome.GENUINE for outcome in others)


RULES: tuple[Rule[DnsFacts], ...] = (
    Rule(
        "dns.nothing_asked",
        lambda f: not f.servers,
        State.INCONCLUSIVE,
        lambda f: f"no resolver of this line could be asked for {f.hostname}",
        "No question was put to the system's resolvers.",
    ),
    Rule(
        "dns.dead_name",
        lambda f: _is_dead(f) and f.answered_controls >= MIN_DENYING_CONTROLS,
        State.DOWN,
        lambda f: f"{f.hostname} has no address, as {f.answered_controls} control resolvers say too",
        "Neither the system's resolvers nor at least two control resolvers know an address: the name is dead. What a "
        "resolver invents for every name that does not exist is none.",
        mechanisms=lambda _: (Mechanism.SERVER_DEAD_NAME,),
    ),
    Rule(
        "dns.dead_name_unconfirmed",
        _is_dead,
        State.INCONCLUSIVE,
        lambda f: f"nobody gives an address for {f.hostname}, but only one control resolver could be asked",
        "No address from anybody, and fewer than two control resolvers to say that there is none.",
    ),
    Rule(
        "dns.answered_like_nothing",
        lambda f: (found := find.lies(f, *LIES)) is not None and found.like_nothing,
        State.BLOCKED,
        lambda f: find.about(
            f,
            lambda g: find.lies(g, *LIES),
            "answers {addresses}, as it does for names that do not exist, while control resolvers give addresses",
        ),
        "The name gets the answer that the resolver invents for names that do not exist: to it, there is none.",
        Strength.LIKELY,
        lambda _: (Mechanism.DNS_NXDOMAIN,),
    ),
    Rule(
        "dns.injection_race",
        lambda f: find.raced(f) is not None,
        State.BLOCKED,
        lambda f: find.about(f, find.raced, "gives a false answer first and the true one after it, to one question"),
        "Two answers to one question, the false one first: somebody on the path answers faster than the resolver.",
        Strength.CONFIRMED,
        find.mechanisms(find.raced),
    ),
    Rule(
        "dns.answered_where_no_resolver_is",
        lambda f: forged.injected(f) is not None,
        State.BLOCKED,
        lambda f: find.about(
            f,
            forged.injected,
            "answers {addresses}, and a host that is no resolver seems to answer for this name alone: "
            "somebody on the path does",
        ),
        "A resolver's answer is false, and a host that is no resolver seems to answer for this name, not for a neutral "
        "one.",
        Strength.CONFIRMED,
        forged.mechanisms_of_injection,
    ),
    Rule(
        "dns.bogon",
        lambda f: find.bogon(f) is not None,
        State.BLOCKED,
        lambda f: find.about(f, find.bogon, "answers {addresses}, which no public server can have"),
        "Every address answered is loopback, reserved, or known to be a notice's inside the network; control gives "
        "public ones, and a neutral name resolves at this server.",
        Strength.CONFIRMED,
        find.mechanisms(find.bogon),
    ),
    Rule(
        "dns.leads_to_notice",
        lambda f: forged.to_notice(f) is not None,
        State.BLOCKED,
        lambda f: find.about(
            f, forged.to_notice, "answers {addresses}, where a notice of a ban stands instead of the site"
        ),
        "At every address answered TLS fails for the name, at control's it verifies; and the page there names a ban by "
        "law, has status 451, or holds a text supplied as a blockpage's.",
        Strength.CONFIRMED,
        forged.mechanisms_of_notice,
    ),
    Rule(
        "dns.forged_below",
        lambda f: forged.forging_below(f) is not None,
        State.BLOCKED,
        lambda f: find.about(
            f,
            forged.forging_below,
            "answers {addresses}, which does not prove the name, and gives addresses for a random name below it, "
            "which does not exist",
        ),
        "The addresses fail the name, or nobody may look at them; and the same resolver gives addresses for a random "
        "name below the target's, which no cache can hold and control denies, but none below a neutral name.",
        Strength.LIKELY,
        find.mechanisms(forged.forging_below),
    ),
    Rule(
        "dns.null_address_injected",
        lambda f: forged.injected_null(f) is not None,
        State.BLOCKED,
        lambda f: find.about(
            f, forged.injected_null, "answers {addresses}, and so does a host that is no resolver, for this name alone"
        ),
        "0.0.0.0 or :: from a resolver outside the home, and from where no resolver lives: somebody on the path does.",
        Strength.LIKELY,
        find.mechanisms(forged.injected_null),
    ),
    Rule(
        "dns.answered_by_another",
        lambda f: forged.intercepted(f) is not None,
        State.BLOCKED,
        lambda f: find.about(
            f,
            forged.intercepted,
            "does not answer, while a neutral name resolves as it should and control has addresses",
        ),
        "Questions for this name alone are answered from an address that was not asked, repeatedly, so that programs "
        "take no answer; a neutral name is answered by the resolver itself.",
        Strength.CONFIRMED,
        forged.mechanisms_of_interception,
    ),
    Rule(
        "dns.nxdomain",
        lambda f: find.nxdomain(f) is not None,
        State.BLOCKED,
        find.failure_words(find.nxdomain),
        "A resolver says repeatedly that the name does not exist, resolves a neutral name, and control has addresses.",
        Strength.CONFIRMED,
        find.mechanisms(find.nxdomain),
    ),
    Rule(
        "dns.refused",
        lambda f: find.refused(f) is not None,
        State.BLOCKED,
        find.failure_words(find.refused),
        "A resolver refuses this name, repeatedly, resolves a neutral name, and control has addresses.",
        Strength.CONFIRMED,
        find.mechanisms(find.refused),
    ),
    Rule(
        "dns.servfail",
        lambda f: (found := find.silent(f)) is not None and found.outcome is Outcome.SERVFAIL,
        State.BLOCKED,
        find.failure_words(find.silent),
        "A resolver fails for this name alone, repeatedly, no other does better, and control has addresses.",
        Strength.LIKELY,
        find.mechanisms(find.silent),
    ),
    Rule(
        "dns.no_answer",
        lambda f: (found := find.silent(f)) is not None and found.outcome is Outcome.NO_ANSWER,
        State.BLOCKED,
        find.failure_words(find.silent),
        "A resolver gives this name alone no address, repeatedly, none other does better, and control has addresses.",
        Strength.LIKELY,
        find.mechanisms(find.silent),
    ),
    Rule(
        "dns.timeout",
        lambda f: find.silent(f) is not None,
        State.BLOCKED,
        find.failure_words(find.silent),
        "A resolver is silent about this name alone, repeatedly, none other does better, and control has addresses.",
        Strength.LIKELY,
        find.mechanisms(find.silent),
    ),
    Rule(
        "dns.system_resolver_lies",
        lambda f: find.system_lies(f) is not None,
        State.BLOCKED,
        find.failure_words(find.system_lies),
        "getaddrinfo lies or fails for this name alone, and no server could be found over UDP that does better.",
        Strength.LIKELY,
        find.mechanisms(find.system_lies),
    ),
    Rule(
        "dns.filter_by_choice",
        lambda f: find.chosen_filter(f) is not None and not find.any_genuine(f),
        State.INCONCLUSIVE,
        lambda f: find.about(
            f, find.chosen_filter, "withholds it, and is a public resolver that filters for those who choose it"
        ),
        "The resolver is a public one that is known to filter for those who set it up: the household's choice.",
        mechanisms=find.mechanisms(find.chosen_filter),
    ),
    Rule(
        "dns.null_address",
        lambda f: find.null(f) is not None and not find.any_genuine(f),
        State.INCONCLUSIVE,
        lambda f: find.about(
            f, find.null, "answers {addresses}: a filter that the household set up or chose does this as a network does"
        ),
        "0.0.0.0 or :: from the resolver alone: a filter at home, or one that the household chose, does it too.",
        mechanisms=find.mechanisms(find.null),
    ),
    Rule(
        "dns.answers_everything",
        lambda f: not find.any_genuine(f) and any(s.like_everything for s in f.servers),
        State.INCONCLUSIVE,
        lambda f: f"{f.hostname} and a neutral name get one and the same address: a portal answers for everybody",
        "A neutral name gets the same addresses through the same server, as behind a captive portal.",
    ),
    Rule(
        "dns.verified_without_control",
        lambda f: f.answered_controls == 0 and find.any_genuine(f),
        State.OK,
        lambda f: f"no control resolver answers, but at the address given a handshake for {f.hostname} verifies",
        "No encrypted resolver answered; a verified TLS handshake proves the system's address instead.",
    ),
    Rule(
        "dns.no_control",
        lambda f: f.answered_controls == 0,
        State.INCONCLUSIVE,
        lambda f: f"no control resolver answers for {f.hostname}, so this line's answers cannot be judged",
        "No encrypted resolver answered and nothing else proves the addresses.",
    ),
    Rule(
        "dns.internal_address",
        lambda f: forged.unlike_own(f, Outcome.INTERNAL) is not None,
        State.INCONCLUSIVE,
        lambda f: find.about(
            f,
            lambda g: forged.unlike_own(g, Outcome.INTERNAL),
            "answers {addresses}, inside a network: a provider's own copy of the site is given like this as well",
        ),
        "Private addresses, and nothing else speaks of forging: a notice inside the network, or a copy of the site.",
    ),
    Rule(
        "dns.another_server",
        lambda f: forged.unlike_own(f, Outcome.FOREIGN_CERTIFICATE) is not None,
        State.INCONCLUSIVE,
        lambda f: find.about(
            f,
            lambda g: forged.unlike_own(g, Outcome.FOREIGN_CERTIFICATE),
            "answers {addresses}, where the certificate is not the target's: forged, or an address that it had before",
        ),
        "At every address answered the chain fails for the name, twice, at one from control it verifies; nothing else "
        "speaks of forging. A resolver that still gives an old address looks like it.",
    ),
    Rule(
        "dns.nobody_there",
        lambda f: forged.unlike_own(f, Outcome.UNUSABLE) is not None,
        State.INCONCLUSIVE,
        lambda f: find.about(
            f,
            lambda g: forged.unlike_own(g, Outcome.UNUSABLE),
            "answers {addresses}, where no TLS handshake completes: forged, or a server of the target's that is down",
        ),
        "At every address answered the handshake fails, twice, at control's it verifies; nothing else speaks of "
        "forging. An old address, or one server of many that is broken, looks like it.",
    ),
    Rule(
        "dns.local_disagreement",
        _local_disagrees,
        State.INCONCLUSIVE,
        lambda f: f"the network's resolvers give true addresses for {f.hostname}, this machine's own resolver does not",
        "Only getaddrinfo differs from the servers it uses: a hosts file or a local stub, not the network.",
    ),
    Rule(
        "dns.ok",
        lambda f: bool(f.servers) and all(s.outcome is Outcome.GENUINE for s in f.servers),
        State.OK,
        lambda f: f"{f.hostname} resolves to addresses that are its own",
        "Every resolver gave an address that control gives too, or that proved the name in a TLS handshake.",
    ),
    Rule(
        "dns.ok_in_part",
        lambda f: find.any_genuine(f) and not any(s.outcome in LIES for s in f.servers),
        State.OK,
        lambda f: f"{f.hostname} resolves to addresses that are its own{find.beside(f)}",
        "At least one resolver gave true addresses; another failed, which alone accuses nobody.",
    ),
    Rule(
        "dns.control_knows_no_address",
        lambda f: not f.control,
        State.INCONCLUSIVE,
        lambda f: f"this line's resolvers give addresses for {f.hostname}, control resolvers give none",
        "Only the system's resolvers know an address, and nothing proves it.",
    ),
    Rule(
        "dns.resolver_dead",
        lambda f: not any(s.neutral_resolves for s in f.servers) and any(s.outcome in FAILURES for s in f.servers),
        State.INCONCLUSIVE,
        lambda f: f"this line's resolvers fail for {f.hostname}, and do not resolve a neutral name either",
        "The resolver fails, and no neutral name showed that it works at all.",
    ),
    Rule(
        "dns.untested",
        lambda f: any(s.outcome is Outcome.UNTESTED for s in f.servers),
        State.INCONCLUSIVE,
        lambda f: f"for {f.hostname} this line gives addresses that control does not, and no handshake decided",
        "Other addresses than control's, neither proved nor disproved: CDNs differ, so this accuses nobody.",
    ),
    Rule(
        "dns.unexplained",
        lambda f: not find.any_genuine(f) or any(s.outcome in LIES for s in f.servers),
        State.INCONCLUSIVE,
        lambda f: f"the answers for {f.hostname} are wrong or missing, but the controls to say why are incomplete",
        "Something is wrong, and one of the controls that an accusation needs is missing or was not repeated.",
    ),
)
