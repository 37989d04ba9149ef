"""Does a TLS handshake with this name complete, and if not: is it the name, the address, or the server?

Evidence only: `probe.verdict.tls` decides what it means. Arms differ in one variable, the server name or the address;
neutral names go first, the target's name at a control's address last.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from probe.checks import dns, reach
from probe.checks.addresses import dialable, distinct, host_of, is_literal, verified
from probe.checks.context import Context, ControlSite
from probe.checks.pacing import HANDSHAKE_SECONDS, deadline, patience, pause, side_by_side, time_for
from probe.model.observations import TlsHandshake, TlsStage
from probe.model.results import CannotRun, ProblemReason
from probe.model.targets import Endpoint

MAX_ADDRESSES = 4
MAX_EXAMINED = 2  # failing addresses that are looked at closer: more would only say the same again
NEUTRAL_PASSES = 2  # neutral handshakes that complete before the address is called fine
MAX_NEUTRAL_TRIES = 3  # one of them may be lost
FOREIGN_TRIES = 2
HTTPS_PORT = 443


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`target`: the name at its own addresses, failures repeated; first what the dns check saw at one that has accepted
    nothing since. The other arms are filled only after a failure there.

    `neutral`: a neutral name at the same address. `nameless`: no SNI at the same address. `foreign_neutral`: at a
    control's address its own name, verified, and then names that it does not serve, unverified (`verified_name` None).
    `foreign`: the target's name at that control's address, verified. `vouching`: only where the certificate was not
    the name's: a neutral name at the same address, verified for the target's.
    """

    hostname: str
    target: tuple[TlsHandshake, ...]
    neutral: tuple[TlsHandshake, ...]
    nameless: tuple[TlsHandshake, ...]
    foreign_neutral: tuple[TlsHandshake, ...]
    foreign: tuple[TlsHandshake, ...]
    vouching: tuple[TlsHandshake, ...] = ()


async def gather(ctx: Context[Evidence]) -> Evidence:
    """Shake hands at every address; where that fails, change one variable at a time."""
    hostname = host_of(ctx.input)
    if not hostname or is_literal(hostname):
        raise CannotRun(ProblemReason.NOTHING_TO_MEASURE, stage="tls", detail="an address has no name to send")
    endpoints, cut = _endpoints(ctx, hostname)
    made = await side_by_side(_shake_hand(ctx, e, hostname, hostname, HANDSHAKE_SECONDS) for e in endpoints)
    target = (*cut, *made)
    evidence = Evidence(hostname=hostname, target=target, neutral=(), nameless=(), foreign_neutral=(), foreign=())
    failed = [h for h in target if not is_good(h) and h.stage is not TlsStage.CONNECT]
    if not failed:
        return await _repeat_connects(ctx, evidence)
    closer = await side_by_side(_examine(ctx, evidence, h.endpoint) for h in failed[:MAX_EXAMINED])
    for found in closer:
        evidence = replace(
            evidence,
            target=(*evidence.target, *found.target),
            neutral=(*evidence.neutral, *found.neutral),
            nameless=(*evidence.nameless, *found.nameless),
            vouching=(*evidence.vouching, *found.vouching),
        )
    if all(is_good(h) for found in closer for h in found.target[-1:]):
        return evidence
    return await _look_elsewhere(ctx, evidence, {h.endpoint.address for h in target})


def is_good(handshake: TlsHandshake) -> bool:
    """Whether it completed and, where a name was verified, the chain is valid for it."""
    return handshake.failure is None and handshake.verify_failure is None


def _endpoints(ctx: Context[Evidence], hostname: str) -> tuple[tuple[Endpoint, ...], tuple[TlsHandshake, ...]]:
    """Up to `MAX_ADDRESSES` that somebody vouches for and that TCP reaches, both families where there are both. Where
    none is left, the handshakes of the dns check that were cut at them: who drops a pair of addresses for a while after
    a bad name makes it look dead to whoever comes next."""
    known = ctx.prior.get("dns")
    if not isinstance(known, dns.Evidence):
        raise CannotRun(ProblemReason.NO_ADDRESS, stage="tls", detail=f"{hostname} was not resolved")
    proved = verified((*known.handshakes, *known.control_handshakes), known.hostname)
    vouched = distinct([*dialable(known.control), *proved])
    if not vouched:
        raise CannotRun(ProblemReason.NO_ADDRESS, stage="tls", detail=f"no address of {hostname} is vouched for")
    dead = _dead(ctx.prior.get("reach"))
    alive = [address for address in vouched if address not in dead]
    done = (*known.handshakes, *known.control_handshakes)
    good = {h.endpoint.address for h in done if is_good(h)}
    mute = [] if alive else [address for address in vouched if address not in good]
    cut = tuple(h for h in done if h.endpoint.address in mute and _was_cut(h))
    if not alive and not cut:
        raise CannotRun(ProblemReason.NO_ADDRESS, stage="tls", detail=f"no address of {hostname} accepts a connection")
    six = [address for address in alive if ":" in address]
    four = [address for address in alive if ":" not in address]
    six = six[: max(MAX_ADDRESSES - len(four), 1)]
    chosen = [*four[: MAX_ADDRESSES - len(six)], *six]
    return tuple(Endpoint(address=a, port=HTTPS_PORT) for a in chosen), cut


def _was_cut(handshake: TlsHandshake) -> bool:
    """Whether it had a connection, and no more."""
    return handshake.connect.failure is None and handshake.failure is not None and handshake.alert is None


def _dead(prior: object) -> set[str]:
    """Addresses whose every connection to the HTTPS port failed, as far as it was tried."""
    if not isinstance(prior, reach.Evidence):
        return set()
    tried = {c.endpoint.address for c in prior.connects if c.endpoint.port == HTTPS_PORT}
    return tried - {c.endpoint.address for c in prior.connects if c.endpoint.port == HTTPS_PORT and c.failure is None}


async def _repeat_connects(ctx: Context[Evidence], evidence: Evidence) -> Evidence:
    """Once more where not even TCP connected; there is nothing in it to compare."""
    failed = [h.endpoint for h in evidence.target if not is_good(h)]
    if not failed or not await pause(ctx, HANDSHAKE_SECONDS):
        return evidence
    again = await side_by_side(
        _shake_hand(ctx, e, evidence.hostname, evidence.hostname, HANDSHAKE_SECONDS) for e in failed
    )
    return replace(evidence, target=(*evidence.target, *again))


async def _examine(ctx: Context[Evidence], first: Evidence, endpoint: Endpoint) -> Evidence:
    """Neutral names and no name at this address, then the target's name there once more."""
    empty = replace(first, target=())
    if not await pause(ctx, HANDSHAKE_SECONDS):
        return empty
    neutral: list[TlsHandshake] = []
    names = _neutral_names(ctx, first.hostname)
    for turn in range(MAX_NEUTRAL_TRIES if names else 0):
        if sum(answers(h) for h in neutral) >= NEUTRAL_PASSES or not time_for(ctx, HANDSHAKE_SECONDS):
            break
        neutral.append(await _shake_hand(ctx, endpoint, names[turn % len(names)], None, HANDSHAKE_SECONDS))
        if turn + 1 == NEUTRAL_PASSES and not any(answers(h) for h in neutral):
            break
    nameless: tuple[TlsHandshake, ...] = ()
    seconds = _seconds(neutral)
    heard = not neutral or any(h.connect.failure is None for h in neutral)  # without TCP a name more tells nothing
    if heard and time_for(ctx, 2 * seconds):
        nameless = (await _shake_hand(ctx, endpoint, None, None, seconds),)
    vouching: tuple[TlsHandshake, ...] = ()
    if names and _shows_another_certificate(first, endpoint) and time_for(ctx, 2 * seconds):
        vouching = (await _shake_hand(ctx, endpoint, names[0], first.hostname, seconds),)
    again: tuple[TlsHandshake, ...] = ()
    if time_for(ctx, seconds):
        again = (await _shake_hand(ctx, endpoint, first.hostname, first.hostname, seconds),)
    return replace(empty, target=again, neutral=tuple(neutral), nameless=nameless, vouching=vouching)


def _shows_another_certificate(evidence: Evidence, endpoint: Endpoint) -> bool:
    return any(h.endpoint == endpoint and h.verify_failure is not None for h in evidence.target)


def answers(handshake: TlsHandshake) -> bool:
    """Whether a server was heard: the handshake completed, or it was refused with an alert."""
    return handshake.failure is None or handshake.alert is not None


def _seconds(handshakes: Sequence[TlsHandshake]) -> float:
    """How long the next handshake may take, by the slowest that completed."""
    return patience(max((h.t - h.t0 for h in handshakes if h.failure is None), default=None), HANDSHAKE_SECONDS)


def _neutral_names(ctx: Context[Evidence], hostname: str) -> list[str]:
    """The neutral names in random order, the target's own left out."""
    names = [name for name in dict.fromkeys(ctx.controls.names) if name != hostname]
    names += [s.name for s in ctx.control_sites if s.name not in (*names, hostname)]
    ctx.net.random.shuffle(names)
    return names


async def _look_elsewhere(ctx: Context[Evidence], evidence: Evidence, own: set[str]) -> Evidence:
    """At a control's address that is not the target's: names that it does not serve, then, last, the target's."""
    sites = [s for s in ctx.control_sites if s.endpoint.address not in own]
    if not sites:
        return evidence
    site = ctx.net.random.choice(sites)
    neutral: list[TlsHandshake] = []
    for name, verified_name in ((site.name, site.name), *((n, None) for n in _unserved_names(ctx, site, evidence))):
        seconds = _seconds(neutral)
        if not time_for(ctx, seconds):
            break
        neutral.append(await _shake_hand(ctx, site.endpoint, name, verified_name, seconds))
    foreign: list[TlsHandshake] = []
    seconds = _seconds(neutral)
    while len(foreign) < FOREIGN_TRIES and any(answers(h) for h in neutral) and time_for(ctx, seconds):
        foreign.append(await _shake_hand(ctx, site.endpoint, evidence.hostname, evidence.hostname, seconds))
        if answers(foreign[-1]) or not await pause(ctx, seconds):
            break
    return replace(evidence, foreign_neutral=tuple(neutral), foreign=tuple(foreign))


def _unserved_names(ctx: Context[Evidence], site: ControlSite, evidence: Evidence) -> tuple[str, str]:
    """Two names that the control does not serve, as it does not serve the target's: that is the one variable."""
    others = [name for name in _neutral_names(ctx, evidence.hostname) if name != site.name] or [site.name]
    labels = [f"{ctx.net.random.getrandbits(32):08x}" for _ in range(2)]
    return (f"{labels[0]}.{others[0]}", f"{labels[1]}.{others[-1]}")


async def _shake_hand(
    ctx: Context[Evidence], endpoint: Endpoint, server_name: str | None, verified_name: str | None, seconds: float
) -> TlsHandshake:
    return await ctx.net.handshake(
        endpoint, server_name=server_name, verified_name=verified_name, deadline=deadline(ctx, seconds)
    )
