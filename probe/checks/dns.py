"""Do the resolvers of this line give the addresses that trusted, encrypted resolvers give?

Evidence only: `probe.verdict.dns` decides what it means. Whether the addresses accept connections is for `reach`.
"""

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any

from probe.checks.addresses import (
    dialable,
    distinct,
    embedded_ipv4,
    given,
    host_of,
    is_literal,
    may_dial_unvouched,
    verifies,
)
from probe.checks.context import Context
from probe.checks.forgery import Page, ask_below, ask_like, ask_nowhere, read_pages
from probe.checks.pacing import HANDSHAKE_SECONDS, QUERY_SECONDS, deadline, pause, side_by_side, time_for, together
from probe.model.observations import DnsQuery, TlsHandshake
from probe.model.results import CannotRun, ProblemReason
from probe.model.targets import Endpoint

QUERY_TYPES = ("A", "AAAA")
MAX_SYSTEM_SERVERS = 2
MAX_HANDSHAKES = 4
MAX_CONTROL_HANDSHAKES = 2  # a family: one dead address must not take the control of the comparison away
HTTPS_PORT = 443
INVENTED_LABEL = "no-such-name-"  # then 12 random hex digits: no one has registered it


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`system`: getaddrinfo and the configured servers over UDP. `control`: encrypted resolvers.

    Only where the two do not agree: `decoy`: through the same servers a neutral name (is the server alive?) and a name
    that cannot exist (an answer to it is a resolver that invents). `handshakes`: for addresses that only the system
    gave: a TLS handshake verified for the name, repeated where it failed. `control_handshakes`: the same for addresses
    that control gave, so that a failing verification says something.

    Only where an answer has addresses and none of them is proved: `below`: the same servers asked for a name that
    cannot exist below the target's; `below_control`: what a control resolver says of it. `nowhere`: the target's name
    asked for at a control site's address, where no resolver lives; `nowhere_neutral`: a neutral name, before and after.
    `pages`: what the doubtful addresses answer for the target over plain HTTP.
    """

    hostname: str
    system: tuple[DnsQuery, ...]
    control: tuple[DnsQuery, ...]
    decoy: tuple[DnsQuery, ...]
    handshakes: tuple[TlsHandshake, ...]
    control_handshakes: tuple[TlsHandshake, ...]
    below: tuple[DnsQuery, ...] = ()
    below_control: tuple[DnsQuery, ...] = ()
    nowhere_neutral: tuple[DnsQuery, ...] = ()
    nowhere: tuple[DnsQuery, ...] = ()
    pages: tuple[Page, ...] = ()


def is_invented(hostname: str) -> bool:
    """Whether a decoy's name is the one that cannot exist, rather than the neutral one."""
    return hostname.startswith(INVENTED_LABEL)


def is_known(address: str, control: Sequence[str]) -> bool:
    """Whether control gave this address, or the IPv4 address that DNS64 wrapped in it."""
    return address in control or embedded_ipv4(address) in control


async def gather(ctx: Context[Evidence]) -> Evidence:
    """Ask everyone at once; where the system's answers are not control's, ask and look again."""
    hostname = host_of(ctx.input)
    if not hostname or is_literal(hostname):
        raise CannotRun(ProblemReason.NOTHING_TO_MEASURE, stage="dns", detail="an address needs no resolver")
    system, control = await side_by_side([_ask_system(ctx, hostname), _ask_control(ctx, hostname)])
    first = Evidence(hostname=hostname, system=system, control=control, decoy=(), handshakes=(), control_handshakes=())
    doubtful = tuple(query for query in system if _is_doubtful(query, dialable(control)))
    if not doubtful or not (given(system) or given(control)):
        return first
    return await _look_closer(ctx, first, doubtful)


async def _ask_system(ctx: Context[Evidence], hostname: str) -> tuple[DnsQuery, ...]:
    """Ask getaddrinfo, and the configured servers over UDP."""
    until = deadline(ctx, QUERY_SECONDS)
    servers = tuple(ctx.net.system_servers())[:MAX_SYSTEM_SERVERS]
    return await side_by_side(
        [
            ctx.net.resolve(hostname, deadline=until),
            *(ctx.net.query_udp(s, hostname, kind, deadline=until) for s in servers for kind in QUERY_TYPES),
        ]
    )


async def _ask_control(ctx: Context[Evidence], hostname: str) -> tuple[DnsQuery, ...]:
    until = deadline(ctx, QUERY_SECONDS)
    return await side_by_side(
        ctx.net.query_encrypted(resolver, hostname, kind, deadline=until)
        for resolver in ctx.controls.resolvers
        for kind in QUERY_TYPES
    )


def _is_doubtful(query: DnsQuery, control: Sequence[str]) -> bool:
    """Whether no address in it is one that control gave; an AAAA question without answer is normal."""
    if not query.addresses:
        return query.query_type != "AAAA" or not any(":" not in address for address in control)
    return not any(is_known(address, control) for address in query.addresses)


async def _look_closer(ctx: Context[Evidence], first: Evidence, doubtful: tuple[DnsQuery, ...]) -> Evidence:
    """Repeat what was doubtful, ask the decoys, and shake hands at addresses that only the system gave."""
    queries, tested = await together(_ask_again(ctx, doubtful), _try_addresses(ctx, first, doubtful))
    return replace(
        tested,
        system=(*first.system, *(q for q in queries if q.hostname == first.hostname)),
        decoy=tuple(q for q in queries if q.hostname != first.hostname),
    )


async def _ask_again(ctx: Context[Evidence], doubtful: tuple[DnsQuery, ...]) -> tuple[DnsQuery, ...]:
    """The decoys, the neutral one once more where it failed, then every doubtful question a second time."""
    names = [name for name in ctx.controls.names if name != doubtful[0].hostname]
    decoys: tuple[DnsQuery, ...] = ()
    if names:
        neutral = ctx.net.random.choice(names)
        asked = tuple({(q.engine, q.resolver_address, q.query_type == "AAAA"): q for q in doubtful}.values())
        plain = tuple({(q.engine, q.resolver_address): replace(q, query_type="A") for q in asked}.values())
        wanted = [replace(q, hostname=neutral) for q in (*plain, *(q for q in asked if q.query_type == "AAAA"))]
        invented = _invented(ctx, neutral)
        wanted += [replace(q, hostname=invented) for q in plain]
        decoys = await side_by_side(ask_like(ctx, query) for query in wanted)
    if not await pause(ctx, QUERY_SECONDS):
        return decoys
    unanswered = [q for q in decoys if q.failure is not None and not is_invented(q.hostname)]
    return (*decoys, *await side_by_side(ask_like(ctx, query) for query in (*unanswered, *doubtful)))


def _invented(ctx: Context[Evidence], parent: str) -> str:
    return f"{INVENTED_LABEL}{ctx.net.random.getrandbits(48):012x}.{parent}"


async def _try_addresses(ctx: Context[Evidence], first: Evidence, doubtful: tuple[DnsQuery, ...]) -> Evidence:
    """At each suspect address a handshake, and for each family at control's addresses until one verifies; where an
    answer is not proved by that, once more, while what else a forger would show is looked for."""
    hostname, control = first.hostname, dialable(first.control)
    suspects = tuple(
        address
        for address in distinct(a for query in doubtful for reply in query.replies for a in reply.addresses)
        if not is_known(address, control) and may_dial_unvouched(address)
    )[:MAX_HANDSHAKES]
    once, proving = await together(
        side_by_side(_shake_hand(ctx, hostname, address) for address in suspects),
        _at_control(ctx, hostname, suspects, control),
    )
    proved = [h.endpoint.address for h in once if verifies(h, hostname)]
    failed = tuple(address for address in suspects if address not in proved)
    found = replace(first, handshakes=once, control_handshakes=proving)
    again = _once_more(ctx, hostname, failed)
    if all(not q.addresses or any(a in proved for a in q.addresses) for q in doubtful):
        return replace(found, handshakes=(*once, *await again))
    second, found = await together(again, _look_for_a_forger(ctx, found, doubtful, failed))
    return replace(found, handshakes=(*once, *second))


async def _at_control(
    ctx: Context[Evidence], hostname: str, suspects: Sequence[str], control: Sequence[str]
) -> tuple[TlsHandshake, ...]:
    families = {":" in address for address in suspects} or {any(":" in a for a in control[:1])}
    by_family = [[a for a in control if (":" in a) is family][:MAX_CONTROL_HANDSHAKES] for family in families]
    found = await side_by_side(_until_verified(ctx, hostname, addresses) for addresses in by_family)
    return tuple(handshake for group in found for handshake in group)


async def _once_more(ctx: Context[Evidence], hostname: str, failed: Sequence[str]) -> tuple[TlsHandshake, ...]:
    if not failed or not await pause(ctx, HANDSHAKE_SECONDS):
        return ()
    return await side_by_side(_shake_hand(ctx, hostname, address) for address in failed)


async def _look_for_a_forger(
    ctx: Context[Evidence], found: Evidence, doubtful: tuple[DnsQuery, ...], failed: Sequence[str]
) -> Evidence:
    """A name that cannot exist, an address where no resolver lives, the pages: whatever the order, side by side."""
    name = _invented(ctx, found.hostname)
    looks: list[Coroutine[Any, Any, Any]] = [
        ask_nowhere(ctx, found.hostname, dialable(found.control)),
        ask_below(ctx, doubtful, found.control, name),
        read_pages(ctx, found.hostname, failed),
    ]
    (neutral, nowhere), (below, below_control), pages = await side_by_side(looks)
    return replace(
        found,
        below=below,
        below_control=below_control,
        nowhere_neutral=neutral,
        nowhere=nowhere,
        pages=pages,
    )


async def _until_verified(ctx: Context[Evidence], hostname: str, addresses: Sequence[str]) -> tuple[TlsHandshake, ...]:
    made: list[TlsHandshake] = []
    for address in addresses:
        if not time_for(ctx, HANDSHAKE_SECONDS):
            break
        made.append(await _shake_hand(ctx, hostname, address))
        if verifies(made[-1], hostname):
            break
    return tuple(made)


async def _shake_hand(ctx: Context[Evidence], hostname: str, address: str) -> TlsHandshake:
    return await ctx.net.handshake(
        Endpoint(address=address, port=HTTPS_PORT),
        server_name=hostname,
        verified_name=hostname,
        deadline=deadline(ctx, HANDSHAKE_SECONDS),
    )
