"""The one table of checks: what each asks, how it gathers and judges, what it needs, and what it may cost.

Read from top to bottom: later rows need earlier ones. No decorators, no import side effects.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from probe.checks import dns, goodput, hops, http, portal, reach, tls
from probe.checks.context import Context, Step
from probe.model.results import Verdict
from probe.model.targets import Target
from probe.verdict import dns as dns_verdict
from probe.verdict import goodput as goodput_verdict
from probe.verdict import hops as hops_verdict
from probe.verdict import http as http_verdict
from probe.verdict import portal as portal_verdict
from probe.verdict import reach as reach_verdict
from probe.verdict import tls as tls_verdict

# The row erases the evidence type: which evidence goes with which check is this table's business alone.
Gather = Callable[[Context[Any]], Awaitable[Any]]
Judge = Callable[[Any], Verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One row. `inputs` lists what of a target it is run on; `seconds` is its own deadline; `exclusive`: alone on the
    line.

    `max_bytes` is what one input can cost at most, both directions together; None: what is left of the target's budget.
    `when`, of a follow-up, says whether what is known so far of the input's host (evidence by check) calls for it;
    where it does not, nothing is recorded.
    """

    name: str
    version: str
    question: str
    gather: Gather
    judge: Judge
    evidence: type
    enough: Callable[[Any], Step]
    inputs: Callable[[Target], tuple[str, ...]]
    needs: tuple[str, ...]
    seconds: float
    max_bytes: int | None
    exclusive: bool = False
    when: Callable[[Mapping[str, object]], bool] | None = None


def site_hosts(target: Target) -> tuple[str, ...]:
    return tuple(dict.fromkeys(host_of(url) for url in target.sites))


def media_hosts(target: Target) -> tuple[str, ...]:
    """Hosts of media candidates that are no sites' hosts: each may be dead while another candidate serves."""
    urls = [m.url for m in (*target.media.download, *target.media.upload)]
    return tuple(h for h in dict.fromkeys(host_of(url) for url in urls) if h not in site_hosts(target))


def hosts(target: Target) -> tuple[str, ...]:
    return (*site_hosts(target), *media_hosts(target))


def hosts_and_services(target: Target) -> tuple[str, ...]:
    return (*hosts(target), *(str(service) for service in target.services))


def sites(target: Target) -> tuple[str, ...]:
    return target.sites


def whole(target: Target) -> tuple[str, ...]:
    """The target's id, once, where it has media to move."""
    return (target.id,) if target.media.download or target.media.upload else ()


def host_of(url: str) -> str:
    return urlsplit(url.replace("{bytes}", "1")).hostname or ""


def _done(_evidence: object) -> Step:
    return Step.DONE


CHECKS: tuple[Check, ...] = (
    Check(
        name="dns",
        version="1",
        question="Do this line's resolvers give the addresses that trusted, encrypted resolvers give?",
        gather=dns.gather,
        judge=dns_verdict.judge,
        evidence=dns.Evidence,
        enough=_done,
        inputs=hosts,
        needs=(),
        seconds=18.0,  # an unanswered question, and two handshakes at an address that is silent
        max_bytes=120_000,
    ),
    Check(
        name="reach",
        version="1",
        question="Does every address accept a TCP connection?",
        gather=reach.gather,
        judge=reach_verdict.judge,
        evidence=reach.Evidence,
        enough=_done,
        inputs=hosts_and_services,
        needs=("dns",),
        seconds=14.0,
        max_bytes=8_000,
    ),
    Check(
        name="tls",
        version="1",
        question="Does a TLS handshake with this name complete, and if not: the name, the address or the server?",
        gather=tls.gather,
        judge=tls_verdict.judge,
        evidence=tls.Evidence,
        enough=_done,
        inputs=hosts,
        needs=("dns", "reach"),
        seconds=34.0,
        max_bytes=120_000,
    ),
    Check(
        name="http",
        version="1",
        question="What does the site answer, along its redirects, and does the Host line change that?",
        gather=http.gather,
        judge=http_verdict.judge,
        evidence=http.Evidence,
        enough=_done,
        inputs=sites,
        needs=("dns", "reach", "tls"),
        seconds=46.0,
        max_bytes=600_000,
    ),
    Check(
        name="hops",
        version="1",
        question="Behind which router do packets to a dead address, or handshakes with a cut name, end?",
        gather=hops.gather,
        judge=hops_verdict.judge,
        evidence=hops.Evidence,
        enough=_done,
        inputs=hosts_and_services,
        needs=("reach", "tls"),
        seconds=24.0,  # over a satellite a step takes 2.5 s, and eight routers six of them
        max_bytes=120_000,
        when=hops_verdict.wanted,
    ),
    Check(
        name="goodput",
        version="1",
        question="Is the same payload slower when the server name, or the address, is the target's?",
        gather=goodput.gather,
        judge=goodput_verdict.judge,
        evidence=goodput.Evidence,
        enough=goodput_verdict.enough,
        inputs=whole,
        needs=("dns",),
        seconds=120.0,  # over a satellite; the check itself takes less where round trips are short
        max_bytes=None,
        exclusive=True,
    ),
)

# Of the control sites alone, and only when none of them shows a valid certificate.
PORTAL = Check(
    name="portal",
    version="1",
    question="What does this line answer for a control site over plain HTTP?",
    gather=portal.gather,
    judge=portal_verdict.judge,
    evidence=portal.Evidence,
    enough=_done,
    inputs=sites,
    needs=(),
    seconds=10.0,
    max_bytes=80_000,
)

BY_NAME: dict[str, Check] = {check.name: check for check in (*CHECKS, PORTAL)}
CHOOSABLE: tuple[str, ...] = tuple(check.name for check in CHECKS)
EVIDENCE_TYPES: dict[str, type] = {check.name: check.evidence for check in BY_NAME.values()}
