"""If somebody forges the answers for a name, what else of theirs can be seen?

Three looks, taken only where an answer is neither control's nor proved: at a name that cannot exist below the target's,
at an address where no resolver lives, at the page behind the address. Evidence only: `probe.verdict.dns` decides what
it means, `probe.checks.dns` when to look.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from probe.checks.context import Context, E
from probe.checks.pacing import QUERY_SECONDS, deadline, side_by_side, time_for, together
from probe.model.observations import DnsQuery, Engine, HttpExchange
from probe.model.targets import Endpoint
from probe.net.base import MAX_KEPT_BODY_BYTES, HttpRequest

NOWHERE_SECONDS = (
    2.0  # an injector answers within a round trip; asked again after half of it, silence is what is expected
)
PAGE_SECONDS = 6.0  # a notice is one small answer; it must end together with the second handshake
MAX_PAGES = 2
HTTP_PORT = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a doubtful address answers for the target over plain HTTP; `known_blockpages`: supplied texts in it."""

    exchange: HttpExchange
    known_blockpages: tuple[str, ...]


async def ask_like(ctx: Context[E], query: DnsQuery) -> DnsQuery:
    """Put the question of `query` to the same system resolver."""
    until = deadline(ctx, QUERY_SECONDS)
    if query.engine is Engine.GETADDRINFO:
        return await ctx.net.resolve(query.hostname, deadline=until)
    return await ctx.net.query_udp(query.resolver_address, query.hostname, query.query_type, deadline=until)


async def ask_below(
    ctx: Context[E], doubtful: Sequence[DnsQuery], control: Sequence[DnsQuery], name: str
) -> tuple[tuple[DnsQuery, ...], tuple[DnsQuery, ...]]:
    """Ask those who gave the doubtful answers for `name`, which nobody has registered, so that no cache can hold it;
    and one control resolver that knows the target, since domains exist that answer to any name. In this order."""
    asked = {(q.engine, q.resolver_address): q for q in doubtful if q.addresses and q.query_type != "AAAA"}
    return await together(
        side_by_side(ask_like(ctx, replace(query, hostname=name)) for query in asked.values()),
        _ask_control(ctx, control, name),
    )


async def _ask_control(ctx: Context[E], control: Sequence[DnsQuery], name: str) -> tuple[DnsQuery, ...]:
    knowing = {q.resolver for q in control if q.addresses}
    resolvers = [r for r in ctx.controls.resolvers if r.name in knowing]
    if not resolvers:
        return ()
    resolver = ctx.net.random.choice(resolvers)
    return (await ctx.net.query_encrypted(resolver, name, "A", deadline=deadline(ctx, QUERY_SECONDS)),)


async def ask_nowhere(
    ctx: Context[E], hostname: str, own: Sequence[str]
) -> tuple[tuple[DnsQuery, ...], tuple[DnsQuery, ...]]:
    """Ask a control site, which is no resolver, over UDP: a neutral name, the target's, and, if that was answered, the
    neutral one again.

    Gives the neutral questions and those for the target; both empty where there is no such site. One packet, or two, go
    to a server that drops them; the neutral name goes first, since some censors punish the pair of addresses.
    """
    names = [n for n in ctx.controls.names if n != hostname]
    taken = {*own, *(r.address for r in ctx.controls.resolvers), *ctx.net.system_servers()}
    sites = [s.endpoint.address for s in ctx.control_sites if s.endpoint.address not in taken]
    if not names or not sites or not time_for(ctx, 3 * NOWHERE_SECONDS):
        return (), ()
    address, name = ctx.net.random.choice(sites), ctx.net.random.choice(names)

    async def ask(asked: str) -> DnsQuery:
        return await ctx.net.query_udp(address, asked, "A", deadline=deadline(ctx, NOWHERE_SECONDS))

    before = await ask(name)
    target = await ask(hostname)
    if not target.replies:
        return (before,), (target,)
    return (before, await ask(name)), (target,)


async def read_pages(ctx: Context[E], hostname: str, addresses: Sequence[str]) -> tuple[Page, ...]:
    """What these addresses, which the caller has found fit to be dialled, answer for the target over plain HTTP."""
    affordable = [a for a in addresses[:MAX_PAGES] if time_for(ctx, PAGE_SECONDS)]
    return await side_by_side(
        _read(ctx, hostname, address) for address in affordable if ctx.budget.allows(MAX_KEPT_BODY_BYTES)
    )


async def _read(ctx: Context[E], hostname: str, address: str) -> Page:
    request = HttpRequest(
        url=f"http://{hostname}/",
        endpoint=Endpoint(address=address, port=HTTP_PORT),
        server_name=None,
        host=hostname,
        max_bytes=MAX_KEPT_BODY_BYTES,
    )
    exchange = await ctx.net.fetch(request, deadline=deadline(ctx, PAGE_SECONDS))
    known = [name for name, text in ctx.known_blockpages.items() if text in exchange.body or text in exchange.title]
    return Page(exchange=exchange, known_blockpages=tuple(known))
