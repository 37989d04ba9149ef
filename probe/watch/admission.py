"""Who may ask the web server of `watch`, and what do all its answers say to a browser?

A loopback port is no boundary against the browser of the same machine: any page can send requests to it. So a name in
`Host` that is not ours is refused (DNS rebinding makes a foreign name lead here), and whatever changes something,
makes us send packets, or work hard beside a measurement, is refused to other sites' pages (Fetch Metadata, Origin,
Referer). Programs such as Prometheus send none of these headers and pass.

Sources: Fetch Metadata Request Headers (W3C), RFC 6454 (Origin), RFC 9110 §7.2 (Host).
"""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from probe.formats.html import POLICY

SAFE_METHODS = frozenset({"GET", "HEAD"})
ACTING_PATHS = ("/probe", "/report/")  # a GET of what begins so sends packets, or takes seconds of processor
OWN_SITES = frozenset({"same-origin", "none"})  # "none": typed or bookmarked by the person
MAX_SHOWN_CHARACTERS = 100
EVERYWHERE = {
    "Server": "throttleprobe",  # without the versions of what it is made with
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY + "; frame-ancestors 'none'",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """What may stand in `Host`: loopback names, `listen_host` (the address listened on) and `names`.

    Where another address than loopback is listened on, every address literal may: rebinding needs a name.
    """

    listen_host: str = "127.0.0.1"
    names: tuple[str, ...] = ()

    def allow(self, field: str) -> bool:
        """Whether the value of a Host header names us, its port left aside."""
        host = host_of(field)
        if host is None:
            return False
        if host == "localhost" or host == self.listen_host.lower() or host in {name.lower() for name in self.names}:
            return True
        address = _literal(host)
        if address is None:
            return False
        return address.is_loopback or not _is_loopback(self.listen_host)


def host_of(field: str) -> str | None:
    """The host of a Host header in lower case, without brackets, root dot and port; None for what is no host."""
    try:
        split = urlsplit(f"//{field}")
        _ = split.port
    except ValueError:
        return None
    if not split.hostname or split.netloc != field or "@" in field:
        return None
    return split.hostname.rstrip(".") or None


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _literal(host)
    return host.lower() == "localhost" or (address is not None and address.is_loopback)


def refusal(request: web.BaseRequest, hosts: Hosts) -> str:
    """ "" for a request that may be answered, else why not."""
    named = request.headers.getall(hdrs.HOST, [])
    if len(named) != 1 or not hosts.allow(named[0]):
        shown = ascii(named[0][:MAX_SHOWN_CHARACTERS]) if named else "no host"
        return f"this server does not answer for {shown}"
    own = f"{request.scheme}://{named[0]}".lower()
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and origin.lower() != own:
        return "pages of other sites may not ask here"
    if request.method in SAFE_METHODS and not request.path.startswith(ACTING_PATHS):
        return ""
    if request.headers.get("Sec-Fetch-Site", "none") not in OWN_SITES:
        return "pages of other sites may not ask for this"
    referrer = request.headers.get(hdrs.REFERER)
    if referrer is not None and not f"{referrer.lower()}/".startswith(f"{own}/"):
        return "links from other sites may not ask for this"
    return ""


def admission(hosts: Hosts) -> Middleware:
    """A middleware that answers 403 to whoever may not ask."""

    @web.middleware
    async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
        if reason := refusal(request, hosts):
            return web.Response(status=403, text=f"Refused: {reason}.\n")
        return await handler(request)

    return admit


async def same_everywhere(request: web.Request, response: web.StreamResponse) -> None:
    """Headers that every answer has; for `on_response_prepare`."""
    response.headers.update(EVERYWHERE)
