"""What does a host of the lab say to an HTTP request or a DNS query?

One handler for each role of `probe.lab.world`. Sockets, TLS and the life of the process are `probe.lab.servers`'s.
"""

import base64
import binascii
import ipaddress
import random
from collections.abc import Awaitable, Callable

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from aiohttp import web

from probe.lab.manners import Manners
from probe.lab.oddities import send_body
from probe.lab.world import Host, Role, World

DNS_TTL_SECONDS = 60
DNS_MESSAGE_TYPE = "application/dns-message"
PAGE_BYTES = (5_000, 20_000)
DEFAULT_OBJECT_BYTES = 4_000_000
MAX_OBJECT_BYTES = 100_000_000
MAX_DNS_BODY_BYTES = 4096
NULL_ADDRESS = "0.0.0.0"
HOME_NETWORK = ipaddress.ip_network("192.168.0.0/16")

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def http_handler(host: Host, world: World, *, secure: bool) -> Handler:
    """The handler of one host on port 443 (`secure`) or 80."""
    if host.role is Role.NOTICE:
        return _notice
    if not secure and host.role is not Role.NEWS:
        return _redirect_home(host)
    if host.role in (Role.WEB, Role.NEWS):
        return _site(host)
    if host.role is Role.DOH:
        return _doh(host, world)
    return _media(host)


def dns_answer(query: bytes, world: World, resolver: Host) -> bytes | None:
    """What `resolver` answers: the addresses of a host of this world, for other names NXDOMAIN or what it invents; None
    for what is not a query.
    """
    try:
        message = dns.message.from_wire(query)
    except dns.exception.DNSException:
        return None
    if message.flags & dns.flags.QR or not message.question:
        return None
    question = message.question[0]
    response = dns.message.make_response(message, recursion_available=True)
    name = question.name.to_text(omit_final_dot=True).lower()
    addresses = _given(world.listed_addresses(name, resolver), name, resolver.manners)
    addresses = _forged(name, resolver) or addresses
    denied = resolver.manners.denies_ipv6 and question.rdtype == dns.rdatatype.AAAA
    if addresses is None or denied:
        response.set_rcode(dns.rcode.NXDOMAIN)
    elif question.rdtype == dns.rdatatype.A and addresses:
        record = dns.rrset.from_text(question.name, DNS_TTL_SECONDS, dns.rdataclass.IN, dns.rdatatype.A, *addresses)
        response.answer.append(record)
    elif question.rdtype == dns.rdatatype.AAAA:
        addresses6 = () if name in resolver.manners.filters else world.listed_addresses6(name, resolver)
        if addresses6:
            rdclass, rdtype = dns.rdataclass.IN, dns.rdatatype.AAAA
            response.answer.append(dns.rrset.from_text(question.name, DNS_TTL_SECONDS, rdclass, rdtype, *addresses6))
    return response.to_wire()


def _forged(name: str, resolver: Host) -> tuple[str, ...]:
    """What a resolver that lies says of the name, () where it says the truth; "*." stands for every name below."""
    return tuple(
        address
        for pattern, address in resolver.forged
        if name == pattern or (pattern.startswith("*.") and name.endswith(pattern[1:]))
    )


def _given(listed: tuple[str, ...], name: str, manners: Manners) -> tuple[str, ...] | None:
    """What a resolver of these manners makes of the addresses it knows; None for a name that does not exist."""
    if name in manners.filters:
        return (NULL_ADDRESS,)
    if not listed:
        return None if manners.invents is None else (manners.invents,)
    if manners.hides_private:
        return tuple(a for a in listed if ipaddress.ip_address(a) not in HOME_NETWORK)
    return listed


def _page(name: str) -> str:
    """A plausible page: title, navigation, paragraphs; always the same for one name."""
    rng = random.Random(name)
    words = ["network", "people", "picture", "story", "today", "river", "window", "garden", "report", "music", "light"]
    parts = [
        f"<!doctype html><html lang=en><head><title>{name}</title></head><body><nav><a href=/about>About</a></nav>"
    ]
    size = rng.randint(*PAGE_BYTES)
    while sum(map(len, parts)) < size:
        parts.append("<p>" + " ".join(rng.choices(words, k=60)) + "</p>\n")
    return "".join(parts) + "</body></html>"


def _asked_name(request: web.BaseRequest) -> str:
    return request.headers.get("Host", "").split(":")[0].lower()


def _site(host: Host) -> Handler:
    page = _page(host.name)

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if _asked_name(request) != host.name:
            return web.Response(status=404, text="no such site here\n")
        return web.Response(text=page, content_type="text/html")

    return answer


def _redirect_home(host: Host) -> Handler:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if _asked_name(request) != host.name:
            return web.Response(status=404, text="no such site here\n")
        return web.Response(status=301, headers={"Location": f"https://{host.name}{request.path_qs}"})

    return answer


async def _notice(request: web.BaseRequest) -> web.StreamResponse:
    text = "<html><head><title>Restricted</title></head><body><h1>This resource is blocked by order.</h1></body></html>"
    return web.Response(text=text, content_type="text/html")


def _doh(host: Host, world: World) -> Handler:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.path != "/dns-query":
            return web.Response(status=404)
        if request.method == "POST":
            query = await request.content.read(MAX_DNS_BODY_BYTES)
        else:
            text = request.query.get("dns", "")
            try:
                query = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            except binascii.Error:
                return web.Response(status=400)
        wire = dns_answer(query, world, host)
        if wire is None:
            return web.Response(status=400)
        return web.Response(body=wire, content_type=DNS_MESSAGE_TYPE)

    return answer


def _media(host: Host) -> Handler:
    """Downloads and uploads of platforms and controls; any Host will do, as on many real delivery networks."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.method in ("POST", "PUT"):
            return await _take(request, host)
        prefix = "/__down" if host.role is Role.CONTROL_MEDIA else "/media/"
        if host.role is Role.UPLOAD or not request.path.startswith(prefix):
            return web.Response(status=404, text="not found\n")
        return await _give(request, host.manners)

    return answer


async def _take(request: web.BaseRequest, host: Host) -> web.StreamResponse:
    if host.answers_early:
        return web.json_response({"error": "sign in first"}, status=host.upload_status, headers={"Connection": "close"})
    received_bytes = 0
    async for chunk in request.content.iter_any():
        received_bytes += len(chunk)
    if host.role is Role.CONTROL_MEDIA:
        return web.json_response({"received_bytes": received_bytes})
    return web.json_response({"error": "sign in first"}, status=host.upload_status)


async def _give(request: web.BaseRequest, manners: Manners) -> web.StreamResponse:
    """`bytes` bytes, but no more than the object has, or the part of them that Range asks for."""
    text = request.query.get("bytes", "")
    whole_bytes = min(int(text), MAX_OBJECT_BYTES) if text.isdecimal() else DEFAULT_OBJECT_BYTES
    whole_bytes = min(whole_bytes, manners.object_bytes) if manners.object_bytes is not None else whole_bytes
    span = request.http_range
    first = min(span.start or 0, whole_bytes) if (span.start or 0) >= 0 else max(0, whole_bytes + span.start)
    end = min(whole_bytes, span.stop) if span.stop is not None else whole_bytes
    headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
    partial = "Range" in request.headers
    if partial:
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{whole_bytes}"
    response = web.StreamResponse(status=206 if partial else 200, headers=headers)
    left_bytes = response.content_length = max(0, end - first)
    await response.prepare(request)
    if request.method != "HEAD":
        await send_body(response, left_bytes, manners)
    await response.write_eof()
    return response
