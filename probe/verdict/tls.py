"""Does somebody on the path break TLS because of the server name, or put himself in the middle?

An alert comes from a server and accuses nobody; a reset or a silence accuses only where another name completes at the
same address, or where the target's name fails at a control's address that answers other names it does not serve.
"""

from collections.abc import Callable

from probe.checks.tls import Evidence
from probe.model.results import Facts, Mechanism, State, Strength, Verdict
from probe.verdict.rules import Rule, first_match
from probe.verdict.tls_facts import NETWORK_KINDS, SHUT_OUT_KINDS, Address, Kind, TlsFacts, derive

MIN_ATTEMPTS = 2  # of the target's name at one address: "an RST alone is weak: repeat it" (design §3, 6)
MIN_NEUTRAL = 2  # neutral names heard: a server that drops every second handshake passes one by chance
ABRUPT = frozenset({Kind.RESET, Kind.TIMEOUT})  # what censors do; a plain close is a server's habit as well


def judge(evidence: Evidence) -> Verdict:
    """One verdict on the name over all its addresses."""
    facts = derive(evidence)
    worst = _accused(facts) or (facts.bad[0] if facts.bad else None)
    last = worst.last if worst else None
    certificate = last.certificate if last else None
    public = Facts(
        host=evidence.hostname,
        endpoint=str(worst.endpoint) if worst else None,
        failure=(last.failure or last.verify_failure) if last else None,
        certificate_issuer=certificate.issuer if certificate and last and last.verify_failure else None,
        addresses=tuple(dict.fromkeys(a.endpoint.address for a in facts.addresses)),
    )
    otherwise = f"how handshakes for {evidence.hostname} failed fits no known pattern"
    return first_match(RULES, facts, public=public, otherwise=otherwise, prefix="tls")


def _family_has_good(facts: TlsFacts, address: Address) -> bool:
    """Whether the name completes at another address of the same family: then this one may be a broken server."""
    return any(a.endpoint.is_ipv6 is address.endpoint.is_ipv6 for a in facts.good)


def _is_cut(address: Address) -> bool:
    return address.attempts >= MIN_ATTEMPTS and all(k in NETWORK_KINDS for k in address.kinds)


def _by_name(facts: TlsFacts, *, abrupt: bool, alerts: bool) -> Address | None:
    """The first address where the target's name is cut every time and neutral names are not.

    `abrupt`: only resets and silence after the ClientHello; `alerts`: a neutral name refused with an alert counts.
    """
    for address in facts.bad:
        heard = address.completed + (address.alerted if alerts else 0)
        cut = all(k in ABRUPT for k in address.kinds) if abrupt else Kind.LATE_TIMEOUT not in address.kinds
        if _is_cut(address) and cut and heard >= MIN_NEUTRAL and not _family_has_good(facts, address):
            return address
    return None


def _cut_elsewhere(facts: TlsFacts) -> bool:
    """Whether the name is cut at a control's address, which answered another name that it does not serve: a control
    that resets or ignores every foreign name cuts the target's as well.
    """
    return facts.foreign_cut and facts.unserved_heard > 0


def _confirmed(facts: TlsFacts) -> Address | None:
    always = _cut_elsewhere(facts) and facts.foreign_first is not None
    return _by_name(facts, abrupt=True, alerts=False) if always else None


def _likely(facts: TlsFacts) -> Address | None:
    return _by_name(facts, abrupt=False, alerts=True) if _cut_elsewhere(facts) else None


def _here_alone(facts: TlsFacts) -> Address | None:
    """Where the name alone is cut, and nothing shows the same at a control's address: a proxy whose own server for it
    is gone does that. Such a proxy passes each name on by SNI, and answers other names itself.
    """
    return None if _cut_elsewhere(facts) else _by_name(facts, abrupt=False, alerts=True)


def _alike_at_control(facts: TlsFacts) -> tuple[Address, ...]:
    """The addresses where the name is cut as it is at a control's address that answers other unserved names."""
    if len(facts.foreign) < MIN_ATTEMPTS or facts.unserved_heard < MIN_NEUTRAL:
        return ()
    return tuple(a for a in facts.bad if _is_cut(a) and set(a.kinds) & set(facts.foreign))


def _at_control(facts: TlsFacts) -> Address | None:
    """Such an address where a server was heard between two cuts of the name as well."""
    return next((a for a in _alike_at_control(facts) if a.completed + a.alerted), None)


def _at_control_alone(facts: TlsFacts) -> Address | None:
    """Such an address where no name is answered, so that nothing there shows whose doing the cut is; at the control the
    name comes last, and a door that bans who knocks often would shut just then.
    """
    return next(iter(_alike_at_control(facts)), None)


def _shut_out(facts: TlsFacts) -> Address | None:
    """The first address where the name is cut at the first try and then not even TCP connects, where it was cut in
    the same way at a control's address that had answered other names it does not serve.

    Some censors punish the pair of addresses for minutes after a bad name, so that neither a repeat nor a neutral name
    can be had; the first tries, at two addresses, are all there is.
    """
    if facts.unserved_heard < MIN_NEUTRAL or not facts.own_valid or facts.foreign_first not in ABRUPT:
        return None
    if facts.foreign_tries < MIN_ATTEMPTS:
        return None  # an overloaded server falls silent like this, and a single loss elsewhere would accuse it
    for address in facts.bad:
        repeated = address.attempts >= MIN_ATTEMPTS and set(address.kinds) <= SHUT_OUT_KINDS
        same = address.kinds[0] is facts.foreign_first and Kind.CONNECT in address.kinds
        if repeated and same and not _family_has_good(facts, address):
            return address
    return None


def _impersonated(facts: TlsFacts) -> Address | None:
    """The first address that shows the name an untrusted chain every time, and all neutral names one certificate,
    valid for the target and of another authority."""
    for address in facts.bad:
        untrusted = address.attempts >= MIN_ATTEMPTS and address.untrusted == address.attempts
        if untrusted and address.vouched and facts.own_valid and not _family_has_good(facts, address):
            return address
    return None


def _accused(facts: TlsFacts) -> Address | None:
    sure = _confirmed(facts) or _at_control(facts)
    return sure or _likely(facts) or _at_control_alone(facts) or _impersonated(facts) or _shut_out(facts)


def _means(kinds: tuple[Kind, ...], *, sni: bool) -> tuple[Mechanism, ...]:
    """Reset or silence, each in its form with or without a name."""
    found: list[Mechanism] = []
    if Kind.RESET in kinds or Kind.CLOSED in kinds:
        found.append(Mechanism.TLS_RESET_SNI if sni else Mechanism.TLS_RESET)
    if Kind.TIMEOUT in kinds or Kind.LATE_TIMEOUT in kinds:
        found.append(Mechanism.TLS_TIMEOUT_SNI if sni else Mechanism.TLS_TIMEOUT)
    return tuple(found)


def _mechanisms(find: Callable[[TlsFacts], Address | None]) -> Callable[[TlsFacts], tuple[Mechanism, ...]]:
    def named(facts: TlsFacts) -> tuple[Mechanism, ...]:
        found = find(facts)
        return _means(found.kinds, sni=True) if found else ()

    return named


def _sentence(find: Callable[[TlsFacts], Address | None], beside: str) -> Callable[[TlsFacts], str]:
    """What happened to the name at the address found, and what its control did `beside` it."""

    def words(facts: TlsFacts) -> str:
        found = find(facts)
        if found is None:
            return beside
        only = ""
        if facts.good:
            only = f"; over {'IPv6' if facts.good[0].endpoint.is_ipv6 else 'IPv4'} it completes"
        return f"{_did(facts.hostname, found)}, {beside.format(neutral=found.completed + found.alerted)}{only}"

    return words


_WORDS = {
    Kind.RESET: "is reset",
    Kind.CLOSED: "is closed",
    Kind.TIMEOUT: "gets no answer",
    Kind.LATE_TIMEOUT: "falls silent after the server's first bytes",
    Kind.ALERT: "is refused with an alert",
    Kind.CERTIFICATE: "gets a certificate that is not valid for it",
    Kind.CONNECT: "gets no TCP connection",
    Kind.OTHER: "fails",
}


def _did(hostname: str, address: Address) -> str:
    how = " or ".join(dict.fromkeys(_WORDS[k] for k in address.kinds))
    return f"a handshake for {hostname} at {address.endpoint} {how}, {address.attempts} of {address.attempts} times"


def _worst(facts: TlsFacts, *kinds: Kind) -> Address | None:
    """The first failing address that failed in one of these ways."""
    return next((a for a in facts.bad if a.kinds and a.kinds[-1] in kinds), None)


def _reason(*kinds: Kind, then: str) -> Callable[[TlsFacts], str]:
    def words(facts: TlsFacts) -> str:
        found = _worst(facts, *kinds)
        return f"{_did(facts.hostname, found)}{then}" if found else then

    return words


RULES: tuple[Rule[TlsFacts], ...] = (
    Rule(
        "tls.no_handshake",
        lambda f: not f.addresses,
        State.INCONCLUSIVE,
        lambda f: f"no handshake for {f.hostname} was made",
        "No address could be tried.",
    ),
    Rule(
        "tls.ok",
        lambda f: not f.bad,
        State.OK,
        lambda f: (
            f"handshakes for {f.hostname} complete at {len(f.good)} of {len(f.good)} addresses, certificate valid"
        ),
        "At every address the handshake completed, at the latest when repeated, with a chain valid for the name.",
    ),
    Rule(
        "tls.mitm",
        lambda f: f.impostor is not None and f.own_valid > 0,
        State.BLOCKED,
        lambda f: (
            f"for {f.hostname} one untrusted issuer ({f.impostor.issuer if f.impostor else ''}) appears at its own "
            "address and at a control's, where other names are not given it"
        ),
        "An interceptor's certificate follows the name to a control's address; the control's own name is valid there.",
        Strength.CONFIRMED,
        lambda _: (Mechanism.TLS_MITM,),
    ),
    Rule(
        "tls.cut_by_name",
        lambda f: _confirmed(f) is not None,
        State.BLOCKED,
        _sentence(_confirmed, "while {neutral} neutral names complete there"),
        "Reset or silence after the ClientHello, every time, where at least two neutral names complete: only the name "
        "differs. At a control's address that answers foreign names it is cut as well, every time.",
        Strength.CONFIRMED,
        _mechanisms(_confirmed),
    ),
    Rule(
        "tls.cut_by_name_at_control",
        lambda f: _at_control(f) is not None,
        State.BLOCKED,
        _sentence(_at_control, "and the same at a control's address that answers other names it does not serve"),
        "The name is cut at its own address, where a server answers a neutral name, be it with an alert, and in the "
        "same way at a control's, which answers other foreign names.",
        Strength.CONFIRMED,
        _mechanisms(_at_control),
    ),
    Rule(
        "tls.cut_beside_refusals",
        lambda f: _likely(f) is not None,
        State.BLOCKED,
        _sentence(_likely, "while {neutral} neutral names are answered there, be it with an alert"),
        "The name is cut or closed every time, and at a control's address that answers foreign names; neutral names "
        "are answered, some only by an alert: a server was heard.",
        Strength.LIKELY,
        _mechanisms(_likely),
    ),
    Rule(
        "tls.cut_at_control_too",
        lambda f: _at_control_alone(f) is not None,
        State.BLOCKED,
        _sentence(_at_control_alone, "and the same at a control's address that answers other names it does not serve"),
        "The name is cut at its own address, where no name is answered, and in the same way at a control's, which "
        "answers other foreign names.",
        Strength.LIKELY,
        _mechanisms(_at_control_alone),
    ),
    Rule(
        "tls.impersonated",
        lambda f: _impersonated(f) is not None,
        State.BLOCKED,
        _sentence(_impersonated, "while the same address shows neutral names one that is valid for the target"),
        "The name is shown a chain of no trusted authority, every time, where every neutral name at the same address "
        "is shown one certificate, another authority's and valid for the target; the control's own is valid.",
        Strength.LIKELY,
        lambda _: (Mechanism.TLS_MITM,),
    ),
    Rule(
        "tls.shut_out",
        lambda f: _shut_out(f) is not None,
        State.BLOCKED,
        _sentence(
            _shut_out, "and so it is at a control's address, which answered other names it does not serve until then"
        ),
        "The name is cut at the first try and then nothing connects, at its own address and at a control's, which had "
        "answered other foreign names: what is left of a censor that punishes the pair of addresses.",
        Strength.LIKELY,
        lambda f: _means((f.foreign_first,) if f.foreign_first else (), sni=True),
    ),
    Rule(
        "tls.cut_here_alone",
        lambda f: _here_alone(f) is not None,
        State.INCONCLUSIVE,
        _sentence(
            _here_alone,
            "while {neutral} neutral names are answered there, and nothing shows it cut at a control's address: a dead "
            "server behind a shared door looks like this",
        ),
        "The name is cut at its own address, where others are answered, and was not cut at a control's: the server "
        "itself, or a rule for this name at this address.",
        mechanisms=lambda f: _means(f.bad[0].kinds, sni=False),
    ),
    Rule(
        "tls.some_addresses_fail",
        lambda f: bool(f.good),
        State.INCONCLUSIVE,
        lambda f: f"{_did(f.hostname, f.bad[0])}; at {len(f.good)} of {len(f.addresses)} addresses it completes",
        "The name completes at some addresses and not at others: a broken server looks like this too.",
    ),
    Rule(
        "tls.controls_fail_too",
        lambda f: _worst(f, Kind.CERTIFICATE) is not None and f.own_invalid > 0 and f.own_valid == 0,
        State.INCONCLUSIVE,
        _reason(Kind.CERTIFICATE, then="; so does the control's own: look at this machine's clock and trust store"),
        "The control's own certificate fails as well: the clock, the trust store, or something that intercepts all.",
    ),
    Rule(
        "tls.certificate",
        lambda f: _worst(f, Kind.CERTIFICATE) is not None,
        State.INCONCLUSIVE,
        _reason(Kind.CERTIFICATE, then="; the server's own mistake looks the same"),
        "The chain is not valid for the name, and nothing shows that anybody but the server made it so.",
        mechanisms=lambda _: (Mechanism.SERVER_CERTIFICATE,),
    ),
    Rule(
        "tls.server_alert",
        lambda f: _worst(f, Kind.ALERT) is not None,
        State.INCONCLUSIVE,
        _reason(Kind.ALERT, then=": a server's word, not the network's"),
        "A TLS alert comes from a server: it refuses the name.",
        mechanisms=lambda _: (Mechanism.SERVER_REFUSED,),
    ),
    Rule(
        "tls.connect_failed",
        lambda f: _worst(f, Kind.CONNECT) is not None,
        State.INCONCLUSIVE,
        _reason(Kind.CONNECT, then=": left to the check of reachability"),
        "Not even TCP connected: that is judged by `reach`.",
    ),
    Rule(
        "tls.not_repeated",
        lambda f: any(a.attempts < MIN_ATTEMPTS for a in f.bad),
        State.INCONCLUSIVE,
        lambda f: f"{_did(f.hostname, f.bad[0])}, and there was no time to repeat it",
        "One failure that could not be repeated is not evidence.",
    ),
    Rule(
        "tls.any_name_fails",
        lambda f: any(_is_cut(a) and a.failed and not a.completed + a.alerted for a in f.bad),
        State.INCONCLUSIVE,
        lambda f: f"{_did(f.hostname, f.bad[0])}, and neutral names fail there too: the server or its address",
        "Every name fails at this address: from one place a broken server and an interfered address look alike.",
        mechanisms=lambda f: _means(f.bad[0].kinds, sni=False),
    ),
    Rule(
        "tls.late_silence",
        lambda f: _worst(f, Kind.LATE_TIMEOUT) is not None,
        State.INCONCLUSIVE,
        _reason(Kind.LATE_TIMEOUT, then="; lost large packets look the same"),
        "Silence after the server's first bytes: a path that loses large packets does this to any name.",
        mechanisms=lambda f: _means(f.bad[0].kinds, sni=False),
    ),
    Rule(
        "tls.too_few_neutral",
        lambda f: any(_is_cut(a) for a in f.bad),
        State.INCONCLUSIVE,
        lambda f: f"{_did(f.hostname, f.bad[0])}, but too few neutral names could be heard at that address",
        "The name is cut every time, and fewer than two neutral names show that others are not.",
        mechanisms=lambda f: _means(f.bad[0].kinds, sni=False),
    ),
)
