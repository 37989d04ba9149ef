"""Does somebody answer in the site's name, or cut the exchange, because of the Host line; or does the site refuse?

What came over verified TLS is the server's own word. What came over plain HTTP accuses only by comparison: a neutral
Host at the same address, or the target's Host at a control's address that does not serve it. Structure never does.
"""

from probe.checks.addresses import host_of
from probe.checks.http import Evidence
from probe.checks.redirects import SERVER_ERRORS, Unfollowed, is_failed
from probe.model.observations import HttpStage
from probe.model.results import Facts, Mechanism, State, Strength, Verdict
from probe.verdict.answers import UNAVAILABLE_FOR_LEGAL_REASONS, Unusual
from probe.verdict.http_facts import (
    MIN_ATTEMPTS,
    Cut,
    HttpFacts,
    answer_words,
    blocked_by,
    cut_words,
    derive,
    elsewhere,
    fails,
    is_left_to_others,
    is_stalled,
    last,
    plain_status,
    status,
    why,
)
from probe.verdict.rules import Rule, first_match

MIN_NEUTRAL = 2  # other Hosts heard at the same address, or answered differently: one may be chance as well
SERVICE_UNAVAILABLE = 503  # of overload or of suspicion: a server's word about us, not its death
REFUSALS = frozenset({401, 403, 421, 429, SERVICE_UNAVAILABLE})
ABRUPT = frozenset({Cut.RESET, Cut.TIMEOUT})  # a plain close is a server's habit as well
ENDS = frozenset({Unfollowed.LOOP, Unfollowed.TOO_MANY, Unfollowed.NOT_A_URL, Unfollowed.PRIVATE})
OURS = frozenset({Unfollowed.BUDGET, Unfollowed.DEADLINE})


def judge(evidence: Evidence) -> Verdict:
    """One verdict on both chains of the site."""
    facts = derive(evidence)
    accused = _accused(facts)
    shown = facts.first if accused else last(facts.secure) or last(facts.plain)
    public = Facts(
        host=facts.host if shown is None or accused else host_of(shown.url),
        endpoint=str(shown.endpoint) if shown else None,
        failure=(shown.failure or shown.verify_failure) if shown else None,
        http_status=shown.status if shown else None,
        addresses=(shown.endpoint.address,) if shown else (),
    )
    otherwise = f"what {facts.host} answered fits no known pattern"
    return first_match(RULES, facts, public=public, otherwise=otherwise, prefix="http")


def _is_cut(facts: HttpFacts) -> bool:
    return len(facts.cuts) >= MIN_ATTEMPTS


def _cut_by_host(facts: HttpFacts) -> bool:
    return _cut_alone(facts) and set(facts.cuts) <= ABRUPT


def _cut_alone(facts: HttpFacts) -> bool:
    """Whether the target's Host is cut, at a control's address too, and others are not at either; cut at its own alone
    it may be the server: the program behind one Host of many hangs. And a control may close for every foreign Host.
    """
    return _is_cut(facts) and facts.heard >= MIN_NEUTRAL and facts.foreign_cut and facts.unserved_heard > 0


def _cut_at_control(facts: HttpFacts) -> bool:
    same = set(facts.cuts) & set(facts.foreign_cuts)
    foreign = len(facts.foreign_cuts) >= MIN_ATTEMPTS and facts.unserved_heard >= MIN_NEUTRAL
    return _is_cut(facts) and foreign and bool(same)


def _answered_at_control(facts: HttpFacts) -> bool:
    """Whether one odd answer follows the target's Host to a control that does not serve it, and no other Host."""
    plain_only = not facts.secure_answers and facts.is_small and facts.first is not None
    odd = facts.unusual is not Unusual.NO or (plain_only and facts.first is not None and facts.first.location is None)
    followed = facts.foreign_same > 0 and facts.unserved_differ >= MIN_NEUTRAL
    return odd and followed and facts.not_hosted


def _known_text(facts: HttpFacts) -> bool:
    odd = facts.unusual is not Unusual.NO or not facts.secure_answers
    return bool(facts.known) and odd and facts.unlike_neutral >= MIN_NEUTRAL and not facts.known_secure


def _accused(facts: HttpFacts) -> bool:
    return _cut_alone(facts) or _cut_at_control(facts) or _answered_at_control(facts) or _known_text(facts)


def _cut_inside(facts: HttpFacts) -> bool:
    repeated = len(facts.secure_cuts) >= MIN_ATTEMPTS and len(facts.inside_cuts) >= MIN_ATTEMPTS
    same = set(facts.secure_cuts) & set(facts.inside_cuts)
    return repeated and facts.inside_heard >= MIN_NEUTRAL and bool(same) and set(facts.secure_cuts) <= ABRUPT


def _inside_mechanisms(facts: HttpFacts) -> tuple[Mechanism, ...]:
    means = {Cut.RESET: Mechanism.TLS_RESET_SNI, Cut.TIMEOUT: Mechanism.TLS_TIMEOUT_SNI}
    return tuple(means[c] for c in dict.fromkeys(facts.secure_cuts) if c in means)


def _cut_mechanisms(facts: HttpFacts) -> tuple[Mechanism, ...]:
    found: list[Mechanism] = []
    if Cut.RESET in facts.cuts or Cut.CLOSED in facts.cuts:
        found.append(Mechanism.HTTP_RESET_HOST)
    if Cut.TIMEOUT in facts.cuts:
        found.append(Mechanism.HTTP_TIMEOUT_HOST)
    return tuple(found)


def _answer_mechanisms(facts: HttpFacts) -> tuple[Mechanism, ...]:
    redirected = facts.first is not None and facts.first.location is not None
    return (Mechanism.HTTP_REDIRECT if redirected else Mechanism.HTTP_BLOCKPAGE,)


def _plain_is_unclear(facts: HttpFacts) -> bool:
    """Whether the first plain exchange failed after the request while nothing shows that other Hosts fail too."""
    first = facts.first
    failed = first is not None and is_failed(first) and first.stage not in (HttpStage.CONNECT, HttpStage.TLS)
    return failed and facts.neutral_cut == 0


RULES: tuple[Rule[HttpFacts], ...] = (
    Rule(
        "http.cut_by_host",
        _cut_by_host,
        State.BLOCKED,
        lambda f: f"{cut_words(f)}; {f.heard} neutral Hosts are answered at the same address",
        "Reset or silence after the Host line, every time, where at least two neutral Hosts are answered; and at a "
        "control's address that answers Hosts it does not serve as well.",
        Strength.CONFIRMED,
        _cut_mechanisms,
    ),
    Rule(
        "http.cut_by_host_at_control",
        _cut_at_control,
        State.BLOCKED,
        lambda f: f"{cut_words(f)}, and so it is at a control's address that answers Hosts it does not serve",
        "The target's Host is cut at its own address and in the same way at a control's, other foreign Hosts are not.",
        Strength.CONFIRMED,
        _cut_mechanisms,
    ),
    Rule(
        "http.closed_by_host",
        _cut_alone,
        State.BLOCKED,
        lambda f: f"{cut_words(f)}; {f.heard} neutral Hosts are answered at the same address",
        "The connection is closed without an answer for the target's Host alone; a server could do that itself.",
        Strength.LIKELY,
        _cut_mechanisms,
    ),
    Rule(
        "http.cut_inside_tls",
        _cut_inside,
        State.BLOCKED,
        lambda f: (
            f"after the handshake the https page of {f.host} is cut, {len(f.secure_cuts)} of {len(f.secure_cuts)} "
            f"times, and so is a control's page under this server name, which came under {f.inside_heard} other names"
        ),
        "Silence or a reset after the TLS handshake, every time; a control's own page comes under names that the "
        "control does not serve and is cut in the same way under the target's: only the server name differs.",
        Strength.CONFIRMED,
        _inside_mechanisms,
    ),
    Rule(
        "http.answer_follows_host",
        _answered_at_control,
        State.BLOCKED,
        lambda f: f"{answer_words(f)}, and the same comes for its Host from a control's address that does not serve it",
        "One odd plain answer follows the target's Host to a control that does not serve it, and no other Host there.",
        Strength.CONFIRMED,
        _answer_mechanisms,
    ),
    Rule(
        "http.known_blockpage",
        lambda f: _known_text(f) and bool(f.secure_answers),
        State.BLOCKED,
        lambda f: f"{answer_words(f)}; it carries the known text {f.known[0]}, which a neutral Host does not get",
        "A text supplied as a blockpage's stands in the plain answer, not over https, and neutral Hosts do not get it.",
        Strength.CONFIRMED,
        _answer_mechanisms,
    ),
    Rule(
        "http.known_blockpage_without_https",
        _known_text,
        State.BLOCKED,
        lambda f: f"http://{f.host} carries the known text {f.known[0]}, which a neutral Host does not get",
        "A text supplied as a blockpage's stands in the plain answer; there is no https page to compare with.",
        Strength.LIKELY,
        _answer_mechanisms,
    ),
    Rule(
        "http.withheld_451",
        lambda f: status(f) == UNAVAILABLE_FOR_LEGAL_REASONS and (last(f.secure) in f.secure_answers),
        State.WITHHELD,
        lambda f: f"{f.host} itself answers 451 over verified TLS{blocked_by(f)}",
        "Status 451, unavailable for legal reasons (RFC 7725), over verified TLS: the platform withholds it itself.",
        Strength.CONFIRMED,
        lambda _: (Mechanism.PLATFORM_HTTP_451,),
    ),
    Rule(
        "http.unusual_plain_answer",
        lambda f: f.unusual is not Unusual.NO and not (f.like_neutral and f.secure_answers),
        State.INCONCLUSIVE,
        lambda f: f"{answer_words(f)}; no comparison shows who says so",
        "The plain answer is odd by its structure, which alone accuses nobody.",
    ),
    Rule(
        "http.redirect_hop_failed",
        lambda f: elsewhere(f, f.secure) and fails(f.secure),
        State.INCONCLUSIVE,
        lambda f: f"{f.host} redirects to a host that fails: {why(f.secure)}",
        "A redirect leads to another host, which fails; that host was not compared with a control.",
    ),
    Rule(
        "http.left_to_others",
        lambda f: is_left_to_others(f.secure),
        State.INCONCLUSIVE,
        lambda f: f"no page over https: {why(f.secure)}, which the checks below HTTP judge",
        "The https chain failed by name, address or handshake: left to `dns`, `reach` and `tls`.",
    ),
    Rule(
        "http.stalled_body",
        lambda f: is_stalled(f.secure),
        State.INCONCLUSIVE,
        lambda f: f"the page of {why(f.secure)} begins and then falls silent, repeatedly",
        "The body stopped before its end, twice, within the time allowed: a stall or a slow line.",
        mechanisms=lambda _: (Mechanism.STALL_UNATTRIBUTED,),
    ),
    Rule(
        "http.no_answer_over_tls",
        lambda f: fails(f.secure),
        State.INCONCLUSIVE,
        lambda f: f"the handshake completes, but no whole answer comes: {why(f.secure)}",
        "Inside TLS no Host line can be read on the path: the server, its address, or a stall.",
    ),
    Rule(
        "http.not_finished",
        lambda f: any(h is not None and h.problem in OURS for h in (f.secure, None if f.secure else f.plain)),
        State.INCONCLUSIVE,
        lambda f: f"the pages of {f.host} were not fetched to their end: {why(f.secure or f.plain)}",
        "Time or the byte budget ended before the chain did.",
    ),
    Rule(
        "http.server_error",
        lambda f: status(f) in SERVER_ERRORS and status(f) != SERVICE_UNAVAILABLE,
        State.DOWN,
        lambda f: f"{host_of(f.secure.url) if f.secure else f.host} answers {status(f)} over verified TLS",
        "A 5xx other than 503 over verified TLS, twice: the server itself is broken.",
        mechanisms=lambda _: (Mechanism.SERVER_ERROR,),
    ),
    Rule(
        "http.plain_cut",
        _plain_is_unclear,
        State.INCONCLUSIVE,
        lambda f: f"over plain HTTP {why(f.plain)} fails after the request, and too few neutral Hosts were heard",
        "The plain exchange failed after the request; the controls neither clear nor accuse anybody.",
    ),
    Rule(
        "http.redirects_end_nowhere",
        lambda f: f.secure is not None and f.secure.problem in ENDS,
        State.OK,
        lambda f: (
            f"{f.host} answers over verified TLS; its redirects end nowhere: {f.secure.problem if f.secure else ''}"
        ),
        "Redirects over verified TLS loop or lead to what cannot be fetched: the server's word, the network is fine.",
    ),
    Rule(
        "http.refused_by_server",
        lambda f: status(f) in REFUSALS,
        State.OK,
        lambda f: f"the server of {f.host} answers {status(f)} over verified TLS: the network lets it through",
        "401, 403, 421, 429 or 503 over verified TLS: the server's word about us, not the network's.",
    ),
    Rule(
        "http.ok",
        lambda f: status(f) > 0,
        State.OK,
        lambda f: f"{f.host} answers {status(f)} over verified TLS",
        "An answer came over verified TLS, and nothing odd over plain HTTP.",
    ),
    Rule(
        "http.plain_failed",
        lambda f: fails(f.plain) or f.plain is None,
        State.INCONCLUSIVE,
        lambda f: f"{why(f.plain)} gives no page over plain HTTP, and there is no https to compare with",
        "A site without https, and its plain chain failed in a way that no control explains.",
    ),
    Rule(
        "http.plain_server_error",
        lambda f: plain_status(f) in SERVER_ERRORS,
        State.INCONCLUSIVE,
        lambda f: f"{f.host} answers {plain_status(f)} over plain HTTP: the server, or somebody in its name",
        "A 5xx over plain HTTP may come from the server or from the path.",
    ),
    Rule(
        "http.ok_plain",
        lambda f: plain_status(f) > 0,
        State.OK,
        lambda f: f"{f.host} answers {plain_status(f)} over plain HTTP, with nothing odd about it",
        "A site given as http:// answers in the ordinary way; what is not encrypted cannot be proved.",
    ),
)
