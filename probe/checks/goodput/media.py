"""Where is a media object served: its host, and an address that a control vouches for?

Only addresses that a control resolver gives, that a verified TLS handshake proved, or that the URL itself names are
dialled (design §4). Whether the object is still there is found by asking for it.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from probe.checks import dns, reach
from probe.checks.context import Context
from probe.checks.goodput.evidence import Series
from probe.model.observations import DnsQuery
from probe.model.targets import Endpoint, Resolver

QUERY_SECONDS = 5.0  # one encrypted query: TCP, TLS and HTTP over a satellite are four round trips of 600 ms
CONNECT_SECONDS = 3.0  # two SYNs (0 and 1 s) and the second one's answer, over 1 s of bufferbloat
MAX_ADDRESSES = 2  # of each family: a third says nothing that the first two did not
DEFAULT_PORTS = {"https": 443, "http": 80}
NO_NAME = "does not resolve through a control resolver"
NO_TIME = "no time was left to find it"
NO_CONNECTION = "no address of it accepts a connection"
_IPV4 = re.compile(r"\d{1,3}(\.\d{1,3}){3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A media URL with the address where it is asked for; `{bytes}` in the URL is not yet filled in."""

    url: str
    host: str
    endpoint: Endpoint

    def filled(self, num_bytes: int) -> str:
        return self.url.replace("{bytes}", str(num_bytes))


async def locate(ctx: Context[Series], url: str, *, deadline: float) -> Place | str:
    """The place of `url`, or why there is none. IPv4 first, IPv6 where no IPv4 address accepts a connection.

    Where none accepts one it is the first address: what happens there belongs into the evidence.
    """
    parts = urlsplit(url.replace("{bytes}", "1"))
    host, port = parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    if not host or not port:
        return "not a URL of http or https"
    known = ctx.prior.get(f"reach {host}")
    if isinstance(known, reach.Evidence) and known.connects and all(c.failure for c in known.connects):
        return NO_CONNECTION  # the reach check judges that; trying again would cost a timeout for every transfer
    first: Place | None = None
    for query_type in ("A", "AAAA"):
        addresses = _literal(host, query_type) or await _vouched(ctx, host, query_type, deadline=deadline)
        for address in addresses[:MAX_ADDRESSES]:
            place = Place(url=url, host=host, endpoint=Endpoint(address=address, port=port))
            first = first or place
            until = min(deadline, ctx.net.clock.now() + CONNECT_SECONDS)
            if until <= ctx.net.clock.now():
                return NO_TIME
            if (await ctx.net.connect(place.endpoint, deadline=until)).failure is None:
                return place
    return first or NO_NAME


def _literal(host: str, query_type: str) -> tuple[str, ...]:
    family = "AAAA" if ":" in host else "A" if _IPV4.fullmatch(host) else None
    return (host,) if family == query_type else ()


async def _vouched(ctx: Context[Series], host: str, query_type: str, *, deadline: float) -> tuple[str, ...]:
    """What the dns check already knows of this host, else what the first control resolver that answers gives."""
    if ":" in host or _IPV4.fullmatch(host):
        return ()
    prior = ctx.prior.get(f"dns {host}")
    if isinstance(prior, dns.Evidence):
        proved = [h.endpoint.address for h in prior.handshakes if h.failure is None and h.verify_failure is None]
        known = [*(a for query in prior.control for a in query.addresses), *proved]
        found = tuple(dict.fromkeys(a for a in known if (":" in a) == (query_type == "AAAA")))
        if found or any(query.failure is None for query in prior.control):
            return found
    for resolver in _answering(ctx):
        until = min(deadline, ctx.net.clock.now() + QUERY_SECONDS)
        if until <= ctx.net.clock.now():
            break
        answer: DnsQuery = await ctx.net.query_encrypted(resolver, host, query_type, deadline=until)
        if answer.replies and (answer.failure is None or answer.replies[0].rcode in ("NXDOMAIN", "NOERROR")):
            return answer.addresses
    return ()


def _answering(ctx: Context[Series]) -> tuple[Resolver, ...]:
    """The control resolvers that answered anything in the checks before this one; all of them where none is known."""
    asked = [q for found in ctx.prior.values() if isinstance(found, dns.Evidence) for q in found.control]
    heard = {query.resolver for query in asked if query.replies}
    return tuple(r for r in ctx.controls.resolvers if r.name in heard or not asked)
