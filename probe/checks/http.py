"""What does the site answer over http:// and https://, along its redirects, and does the Host line change that?

Evidence only: `probe.verdict.http` decides what it means.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit, urlunsplit

from probe.checks.addresses import host_of
from probe.checks.context import Context, ControlSite
from probe.checks.pacing import FETCH_SECONDS, deadline, patience, pause, time_for
from probe.checks.redirects import Follower, Hop, Unfollowed, is_failed, is_fetchable
from probe.failure import Failure
from probe.model.observations import HttpExchange, HttpStage
from probe.model.results import CannotRun, ProblemReason
from probe.model.targets import Endpoint
from probe.net.base import MAX_KEPT_BODY_BYTES, HttpRequest

__all__ = ["Evidence", "Hop", "gather"]

NEUTRAL_HOSTS = 2
FOREIGN_TRIES = 2
DEFAULT_PORTS = (None, 80, 443)
MIN_CUTS = 2  # of the https page, before the same is tried at a control's address
INSIDE = (HttpStage.REQUEST, HttpStage.HEADERS, HttpStage.BODY)
CUTS = (Failure.GENERIC_TIMEOUT, Failure.CONNECTION_RESET, Failure.CONNECTION_ABORTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`plain` and `secure`: the chains from http:// and https:// of the site, at most ten redirects each; `secure` is
    empty for a site given as http://.

    Only where the plain answer is not a redirect within the site: `neutral`: neutral Hosts at the same address;
    `foreign_neutral`: Hosts that do not exist, at a control's address; `foreign`: the target's Host there, last, and
    over TLS, which shows whether that control serves the target as well.

    Only where the https chain is cut inside TLS: the same request for a control's page at the control's address, under
    server names that it does not serve (`inside_neutral`), then under the target's (`inside`), chains unchecked.
    """

    url: str
    plain: tuple[Hop, ...]
    secure: tuple[Hop, ...]
    neutral: tuple[HttpExchange, ...]
    foreign_neutral: tuple[HttpExchange, ...]
    foreign: tuple[HttpExchange, ...]
    inside_neutral: tuple[HttpExchange, ...] = ()
    inside: tuple[HttpExchange, ...] = ()


async def gather(ctx: Context[Evidence]) -> Evidence:
    """Follow both chains; where the plain one is odd, change the Host line, then the address."""
    url = ctx.input
    if not is_fetchable(url):
        raise CannotRun(ProblemReason.NOTHING_TO_MEASURE, stage="http", detail="not a URL of a site")
    follower = Follower(ctx)
    plain_url, secure_url = _urls(url)
    secure = await follower.follow(secure_url) if secure_url else ()
    plain = await follower.follow(plain_url) if plain_url else ()
    if not any(hop.exchanges for hop in (*secure, *plain)):
        _refuse_if_out_of_budget((*secure, *plain))
    evidence = Evidence(url=url, plain=plain, secure=secure, neutral=(), foreign_neutral=(), foreign=())
    if ctx.target is None:
        return evidence
    seconds = patience(follower.slowest_success_seconds, FETCH_SECONDS)
    if plain and _is_worth_comparing(plain[0], secure):
        evidence = await _compare(ctx, evidence, plain[0].exchanges[-1], seconds)
    return await _look_inside(ctx, evidence) if secure and is_cut_inside(secure[0]) else evidence


def _urls(url: str) -> tuple[str, str]:
    """The site's http:// and https:// forms; "" for one that it does not have."""
    split = urlsplit(url)
    if split.scheme == "http":
        return url, ""
    if split.port not in DEFAULT_PORTS:
        return "", url
    return urlunsplit(("http", split.hostname or "", split.path or "/", split.query, "")), url


def _refuse_if_out_of_budget(hops: Sequence[Hop]) -> None:
    if any(hop.problem == Unfollowed.BUDGET for hop in hops):
        raise CannotRun(ProblemReason.BUDGET, stage="http", detail="no bytes left for the page")
    raise CannotRun(
        ProblemReason.NO_ADDRESS, stage="http", detail=next((hop.problem for hop in hops), "nothing to fetch")
    )


def _is_worth_comparing(first: Hop, secure: Sequence[Hop]) -> bool:
    """Whether the plain answer is anything but the ordinary: a redirect within the site, or the page https shows."""
    if not first.exchanges or first.exchanges[-1].stage in (HttpStage.CONNECT, HttpStage.TLS):
        return False
    last = first.exchanges[-1]
    if is_failed(last) or first.known_blockpages:
        return True
    if last.location is not None:
        there, here = host_of(last.location), host_of(first.url)
        return not there or not (there == here or there.endswith("." + here) or here.endswith("." + there))
    shown = [e.body_sha256 for hop in secure for e in hop.exchanges if not is_failed(e)]
    return last.body_sha256 not in shown


async def _compare(ctx: Context[Evidence], evidence: Evidence, last: HttpExchange, seconds: float) -> Evidence:
    """Neutral Hosts at the same address, then at a control's; the target's Host there last."""
    host = host_of(evidence.url)
    names = _names(ctx, host)
    if not names or not await pause(ctx, seconds):
        return evidence
    neutral = [
        await _ask(ctx, last.endpoint, names[turn % len(names)], last.url, seconds)
        for turn in range(NEUTRAL_HOSTS)
        if time_for(ctx, seconds) and _is_affordable(ctx)
    ]
    evidence = replace(evidence, neutral=tuple(neutral))
    own = {e.endpoint.address for hop in (*evidence.plain, *evidence.secure) for e in hop.exchanges}
    sites = [s for s in ctx.control_sites if s.answers_plain_http and s.endpoint.address not in own]
    return await _look_elsewhere(ctx, evidence, ctx.net.random.choice(sites), last) if sites else evidence


async def _look_elsewhere(
    ctx: Context[Evidence], evidence: Evidence, site: ControlSite, last: HttpExchange
) -> Evidence:
    """Hosts that do not exist, at a control's address, then the target's, over plain HTTP and over TLS."""
    host = host_of(evidence.url)
    endpoint = Endpoint(address=site.endpoint.address, port=80)
    names = [name for name in _names(ctx, host) if name != site.name] or [site.name]
    seconds = _seconds(evidence.neutral)
    unserved = [
        await _ask(ctx, endpoint, f"{ctx.net.random.getrandbits(32):08x}.{name}", last.url, seconds)
        for name in (names[0], names[-1])
        if time_for(ctx, seconds) and _is_affordable(ctx)
    ]
    foreign: list[HttpExchange] = []
    while len(foreign) < FOREIGN_TRIES and time_for(ctx, seconds) and _is_affordable(ctx):
        foreign.append(await _ask(ctx, endpoint, host, last.url, seconds))
        if not is_failed(foreign[-1]) or not await pause(ctx, seconds):
            break
    answered = bool(foreign) and foreign[-1].status is not None
    if answered and time_for(ctx, seconds) and _is_affordable(ctx):
        request = HttpRequest(
            url=f"https://{host}/",
            endpoint=site.endpoint,
            server_name=host,
            host=host,
            max_bytes=MAX_KEPT_BODY_BYTES,
        )
        foreign.append(await ctx.net.fetch(request, deadline=deadline(ctx, seconds)))
    return replace(evidence, foreign_neutral=tuple(unserved), foreign=tuple(foreign))


def _names(ctx: Context[Evidence], host: str) -> list[str]:
    names = [name for name in dict.fromkeys(ctx.controls.names) if name != host]
    ctx.net.random.shuffle(names)
    return names


def _is_affordable(ctx: Context[Evidence]) -> bool:
    return ctx.budget.allows(MAX_KEPT_BODY_BYTES)


def _seconds(exchanges: Sequence[HttpExchange]) -> float:
    """How long the next exchange may take, by the slowest that was answered."""
    return patience(max((e.t - e.t0 for e in exchanges if not is_failed(e)), default=None), FETCH_SECONDS)


def is_cut_inside(hop: Hop) -> bool:
    """Whether every exchange of a hop, two at least, ended by silence or a reset after its TLS handshake."""
    inside = [e for e in hop.exchanges if e.stage in INSIDE and e.failure in CUTS]
    return hop.url.startswith("https:") and len(inside) == len(hop.exchanges) >= MIN_CUTS


async def _look_inside(ctx: Context[Evidence], evidence: Evidence) -> Evidence:
    """A control's page under names that the control does not serve, then, last, under the target's."""
    own = {e.endpoint.address for hop in (*evidence.plain, *evidence.secure) for e in hop.exchanges}
    sites = [s for s in ctx.control_sites if s.endpoint.address not in own]
    names = _names(ctx, host_of(evidence.url))
    if not sites or not names:
        return evidence
    site = ctx.net.random.choice(sites)
    unserved = [f"{ctx.net.random.getrandbits(32):08x}.{name}" for name in (names[0], names[-1])]
    neutral = [
        await _ask_inside(ctx, site, name, FETCH_SECONDS)
        for name in unserved
        if time_for(ctx, FETCH_SECONDS) and _is_affordable(ctx)
    ]
    seconds = _seconds(neutral)
    inside: list[HttpExchange] = []
    while len(inside) < FOREIGN_TRIES and time_for(ctx, seconds) and _is_affordable(ctx):
        inside.append(await _ask_inside(ctx, site, host_of(evidence.url), seconds))
        if not is_failed(inside[-1]) or not await pause(ctx, seconds):
            break
    return replace(evidence, inside_neutral=tuple(neutral), inside=tuple(inside))


async def _ask_inside(ctx: Context[Evidence], site: ControlSite, server_name: str, seconds: float) -> HttpExchange:
    """The control's page, over TLS under another server name."""
    request = HttpRequest(
        url=f"https://{site.name}/",
        endpoint=site.endpoint,
        server_name=server_name,
        host=site.name,
        max_bytes=MAX_KEPT_BODY_BYTES,
        verified=False,
    )
    return await ctx.net.fetch(request, deadline=deadline(ctx, seconds))


async def _ask(ctx: Context[Evidence], endpoint: Endpoint, host: str, like: str, seconds: float) -> HttpExchange:
    """The path and query of `like`, over plain HTTP, with another Host line."""
    split = urlsplit(like)
    request = HttpRequest(
        url=urlunsplit(("http", host, split.path or "/", split.query, "")),
        endpoint=endpoint,
        server_name=None,
        host=host,
        max_bytes=MAX_KEPT_BODY_BYTES,
    )
    return await ctx.net.fetch(request, deadline=deadline(ctx, seconds))
