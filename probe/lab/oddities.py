"""How do the manners of an honest but difficult server change what it says over HTTP?

Wraps the ordinary handler of `probe.lab.answers`; which manners there are is `probe.lab.manners`'s.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import cast

from aiohttp import web

from probe.lab.doors import IGNORING_SECONDS, LINGER_NOT
from probe.lab.manners import Manners, Unknown
from probe.lab.world import Host, Role

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
CAPTCHA = "<html><head><title>Attention</title></head><body><h1>Are you a person? Solve this.</h1></body></html>"
STUCK_SECONDS = 60.0  # longer than any transfer
READ_AHEAD_BYTES = 4096
SHORT_BODY = b"x" * 2000


def mannered(host: Host, ordinary: Handler, *, secure: bool) -> Handler:
    """The handler with this host's manners; `ordinary` itself for a well-kept server."""
    manners = host.manners
    if manners == Manners():
        return ordinary
    asked = 0

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        await asyncio.sleep(manners.first_byte_seconds)
        unknown = request.headers.get("Host", "").split(":")[0].lower() != host.name
        if not secure and unknown and manners.unknown_hosts in (Unknown.RESET, Unknown.IGNORE):
            return await _turn_away(request, manners)
        if manners.patient_requests is not None and asked > manners.patient_requests:
            return web.Response(status=429, headers={"Retry-After": "60"}, text="slow down\n")
        shows_pages = secure or host.role is Role.NEWS
        return await _said(request, manners, secure=secure, shows_pages=shows_pages) or await ordinary(request)

    return answer


async def _said(
    request: web.BaseRequest, manners: Manners, *, secure: bool, shows_pages: bool
) -> web.StreamResponse | None:
    """What the manners alone decide; None where the ordinary answer holds."""
    where = manners.redirect if secure else manners.plain_redirect
    if where is not None:
        return web.Response(status=302, headers={"Location": where})
    if manners.status is not None and shows_pages:
        text = CAPTCHA if manners.status == 403 else f"error {manners.status}\n"
        return web.Response(status=manners.status, text=text, content_type="text/html")
    if manners.reads_bytes is not None and request.method in ("POST", "PUT"):
        transport = _transport(request)
        # typeshed does not know it of TLS transports; without it TLS reads on, 256 KB into its own buffers
        transport.set_read_buffer_limits(high=READ_AHEAD_BYTES)  # type: ignore[attr-defined]
        await request.content.readexactly(manners.reads_bytes)
        cast("asyncio.ReadTransport", transport).pause_reading()
        await asyncio.sleep(STUCK_SECONDS)
    if manners.overstated_bytes and secure:
        response = web.StreamResponse(headers={"Content-Type": "text/html"})
        response.content_length = len(SHORT_BODY) + manners.overstated_bytes
        await response.prepare(request)
        await response.write(SHORT_BODY)
        _transport(request).close()
        return response
    return None


async def _turn_away(request: web.BaseRequest, manners: Manners) -> web.StreamResponse:
    """Nothing at all, or RST, for a Host that is not served here."""
    if manners.unknown_hosts is Unknown.RESET:
        connection = cast("socket.socket", _transport(request).get_extra_info("socket"))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    else:
        await asyncio.sleep(IGNORING_SECONDS)
    _transport(request).abort()
    return web.Response(status=400)


def _transport(request: web.BaseRequest) -> asyncio.Transport:
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client is gone")
    return transport
