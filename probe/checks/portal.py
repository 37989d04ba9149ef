"""What does this line answer when a control site is asked for over plain HTTP, at the address that the line itself
gives?

Asked only when no control site shows a valid certificate: the same answer for different names is a captive portal's.
Evidence only: `probe.verdict.network` compares the control sites with each other.
"""

from dataclasses import dataclass

from probe.checks.addresses import given, host_of, may_dial_unvouched
from probe.checks.context import Context
from probe.checks.pacing import FETCH_SECONDS, QUERY_SECONDS, deadline
from probe.model.observations import DnsQuery, HttpExchange
from probe.model.targets import Endpoint
from probe.net.base import MAX_KEPT_BODY_BYTES, HttpRequest

HTTP_PORT = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`lookup`: what the system's resolver says; `exchanges`: the answer at the first address that may be dialled.

    A private address is recorded and not dialled: several names that all resolve to one are a portal's mark as well.
    """

    host: str
    lookup: DnsQuery
    exchanges: tuple[HttpExchange, ...]


async def gather(ctx: Context[Evidence]) -> Evidence:
    """Resolve `ctx.input`'s host as every program does, and ask for it once over plain HTTP."""
    host = host_of(ctx.input)
    lookup = await ctx.net.resolve(host, deadline=deadline(ctx, QUERY_SECONDS))
    addresses = [address for address in given((lookup,)) if may_dial_unvouched(address)]
    if not addresses:
        return Evidence(host=host, lookup=lookup, exchanges=())
    request = HttpRequest(
        url=f"http://{host}/",
        endpoint=Endpoint(address=addresses[0], port=HTTP_PORT),
        server_name=None,
        host=host,
        max_bytes=MAX_KEPT_BODY_BYTES,
    )
    exchange = await ctx.net.fetch(request, deadline=deadline(ctx, FETCH_SECONDS))
    return Evidence(host=host, lookup=lookup, exchanges=(exchange,))
