"""How do the manners of an honest but difficult server change what it says over HTTP?

Wraps the ordinary handler of `probe.lab.answers`; which manners there are is `probe.lab.manners`'s.
"""

import asyncio
import random
import socket
import zlib
from collections.abc import Awaitable, Callable
from typing import cast

from aiohttp import web

from probe.lab.doors import IGNORING_SECONDS, LINGER_NOT, name_shaken
from probe.lab.manners import Manners, Unknown
from probe.lab.world import Host, Role

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
CAPTCHA = "<html><head><title>Attention</title></head><body><h1>Are you a person? Solve this.</h1></body></html>"
CHUNK = random.Random(1).randbytes(256 * 1024)  # incompressible: nothing on the way can make it smaller
TRICKLE_SECONDS = 0.02  # between pieces: less than a round trip, so that nobody sees steps
BOMB_PIECE_BYTES = 1_000_000
GZIP_WBITS = 16  # zlib's mark for a gzip header
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
        await asyncio.sleep(manners.first_byte_seconds + (manners.cold_seconds if asked == 1 else 0.0))
        if _is_misdirected(request, manners):
            return web.Response(status=421, text="another server has that name\n")
        unknown = request.headers.get("Host", "").split(":")[0].lower() != host.name
        given = manners.unknown_hosts if unknown else manners.own_host
        if not secure and given in (Unknown.RESET, Unknown.IGNORE):
            return await _turn_away(request, given)
        if manners.patient_requests is not None and asked > manners.patient_requests:
            return web.Response(status=429, headers={"Retry-After": "60"}, text="slow down\n")
        return await _said(request, host, secure=secure) or await ordinary(request)

    return answer


async def _said(request: web.BaseRequest, host: Host, *, secure: bool) -> web.StreamResponse | None:
    """What the manners alone decide; None where the ordinary answer holds."""
    manners = host.manners
    shows_pages = secure or host.role is Role.NEWS
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
    if manners.expands_to_bytes is not None and shows_pages:
        return _bomb(manners.expands_to_bytes)
    if manners.stalls_after_bytes is not None and shows_pages and host.role in (Role.WEB, Role.NEWS):
        response = web.StreamResponse(headers={"Content-Type": "text/html"})
        response.content_length = manners.stalls_after_bytes * 10
        await response.prepare(request)
        await send_body(response, manners.stalls_after_bytes * 10, manners)
        return response
    if manners.overstated_bytes and secure:
        response = web.StreamResponse(headers={"Content-Type": "text/html"})
        response.content_length = len(SHORT_BODY) + manners.overstated_bytes
        await response.prepare(request)
        await response.write(SHORT_BODY)
        _transport(request).close()
        return response
    return None


async def send_body(response: web.StreamResponse, size_bytes: int, manners: Manners) -> None:
    """`size_bytes` of noise, as fast and as far as the manners allow."""
    sent_bytes = 0
    end_bytes = size_bytes if manners.stalls_after_bytes is None else min(size_bytes, manners.stalls_after_bytes)
    slow = manners.trickle_bps
    while sent_bytes < end_bytes:
        fast_bytes = len(CHUNK) if slow is None else manners.burst_bytes - sent_bytes
        piece_bytes = fast_bytes if slow is None or fast_bytes > 0 else int(slow * TRICKLE_SECONDS / 8)
        piece = CHUNK[: min(end_bytes - sent_bytes, piece_bytes)]
        await response.write(piece)
        sent_bytes += len(piece)
        if slow is not None and fast_bytes <= 0:
            await asyncio.sleep(TRICKLE_SECONDS)
    if sent_bytes < size_bytes:
        await asyncio.sleep(STUCK_SECONDS)


def _bomb(size_bytes: int) -> web.StreamResponse:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | GZIP_WBITS)
    zeros = bytes(BOMB_PIECE_BYTES)
    packed = b"".join(packer.compress(zeros) for _ in range(size_bytes // BOMB_PIECE_BYTES)) + packer.flush()
    return web.Response(body=packed, content_type="text/html", headers={"Content-Encoding": "gzip"})


def _is_misdirected(request: web.BaseRequest, manners: Manners) -> bool:
    secured = _transport(request).get_extra_info("ssl_object") if manners.misdirected else None
    shaken = name_shaken(secured) if secured is not None else None
    return shaken is not None and shaken != request.headers.get("Host", "").split(":")[0].lower()


async def _turn_away(request: web.BaseRequest, given: Unknown) -> web.StreamResponse:
    """Nothing at all, or RST, for a Host that is not served here, or by a program that hangs."""
    if given is Unknown.RESET:
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
