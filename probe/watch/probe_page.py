"""What does a site answer, redirects followed? The http prober.

Redirects lead only to hosts of configured targets, or to hosts registered under the same name as the first; any other
is the final answer. No cookies are kept, at most 64 KB of a body are read, and HTTP is 1.1.
"""

import asyncio
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urldefrag, urljoin, urlsplit

from yarl import URL

from probe.checks.addresses import is_literal
from probe.checks.redirects import MAX_REDIRECTS, REDIRECTS, is_fetchable
from probe.config.urls import host_and_port
from probe.failure import Failure
from probe.metrics.blackbox import Refusal
from probe.model.targets import Endpoint
from probe.net import looks
from probe.net.agent import USER_AGENT
from probe.net.base import MAX_BODY_BYTES
from probe.net.http import Call
from probe.watch.probe_address import choose_address, next_address
from probe.watch.probe_ciphers import iana_name
from probe.watch.probe_setup import Setup
from probe.watch.probe_stream import tell_tls
from probe.wire.bogon import is_private

# A handshake of 20 KB and a body of 64 KB with its head, read to the end of a TLS record; beyond it nothing is read.
CONNECTION_BYTES = 192 * 1024
SUCCESSFUL = range(200, 300)
UNKNOWN_LENGTH = -1
LENGTH = re.compile(r"[0-9]{1,18}")


@dataclass(slots=True, kw_only=True)
class _Chain:
    """How far the redirects have led; `private`: the first hop was at a private address."""

    url: str
    redirects: int = 0
    private: bool = False
    followed: bool = True


async def probe_page(setup: Setup, url: str) -> bool:
    """Whether it succeeded; the reason, if not, is in the answer. Raises Unavailable, CannotRun."""
    chain = _Chain(url=url)
    start, _ = host_and_port(url)
    while True:
        look = await _hop(setup, chain)
        if look is None:
            return False
        following = _location(look, chain.url)
        if following is None:
            break
        setup.log.info("Received redirect", location=following)
        chain.redirects += 1
        if not await _may_follow(setup, chain, following, start):
            setup.log.info("Not following redirect")
            chain.followed = False
            break
        chain.url = following
    setup.answer.set("probe_http_redirects", chain.redirects)
    _tell(setup, look, followed=chain.followed)
    return _succeeded(setup, look, followed=chain.followed)


async def _may_follow(setup: Setup, chain: _Chain, following: str, start: str) -> bool:
    if not setup.module.follow_redirects or chain.redirects > MAX_REDIRECTS or not is_fetchable(following):
        return False
    return await asyncio.to_thread(setup.catalogue.may_follow, host_and_port(following)[0], start)


async def _hop(setup: Setup, chain: _Chain) -> looks.PageLook | None:
    """One exchange, its phases added to the answer; None where it had no address."""
    host, port = host_and_port(chain.url)
    clock, first = setup.instruments.clock, chain.redirects == 0
    began = clock.now()
    if not first and began >= setup.deadline:
        setup.answer.fail(Failure.GENERIC_TIMEOUT)
        return None
    if first:
        address = await choose_address(setup, host)
        chain.private = address is not None and is_private(address)
    else:
        address = await next_address(setup, host, private=chain.private)
    _phase(setup, "resolve", clock.now() - began)
    if address is None:
        return None
    setup.log.info("Making HTTP request", url=chain.url, host=host)
    call = _call(setup, chain.url, Endpoint(address=address, port=port), (setup.hostname if first else None) or host)
    async with setup.contact(address, max_bytes=CONNECTION_BYTES):
        look = await looks.fetch(call, setup.instruments, deadline=setup.deadline)
    _tell_phases(setup, look)
    return look


def _call(setup: Setup, url: str, endpoint: Endpoint, name: str) -> Call:
    secure = url.startswith("https:")
    parts = urlsplit(url)
    return Call(
        method=setup.module.method,
        url=URL(url, encoded=True),
        endpoint=endpoint,
        secure=secure,
        server_name=name if secure and not is_literal(name) else None,
        verified_name=name if secure else None,
        headers={
            "Host": parts.netloc if name == parts.hostname else name,
            "User-Agent": USER_AGENT,
            "Accept": "*/*",
            "Accept-Encoding": "identity",
        },
        max_bytes=MAX_BODY_BYTES,
    )


def _header(look: looks.PageLook, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in look.trip.headers if key.lower() == name), None)


def _location(look: looks.PageLook, url: str) -> str | None:
    """Where the answer redirects to, absolute; None where it does not."""
    location = _header(look, b"location") if look.trip.status in REDIRECTS else None
    if not location:
        return None
    try:
        return urldefrag(urljoin(url, location)).url
    except ValueError:
        return location


def _phase(setup: Setup, phase: str, seconds: float) -> None:
    setup.answer.add("probe_http_duration_seconds", seconds, {"phase": phase})


def _tell_phases(setup: Setup, look: looks.PageLook) -> None:
    trip = look.trip
    marks = {
        "connect": (trip.t0, trip.t_connected),
        "tls": (trip.t_connected, trip.t_secured),
        "processing": (trip.t_request, trip.t_first_byte),
        "transfer": (trip.t_first_byte, look.t),
    }
    for phase, (began, ended) in marks.items():
        if began is not None and ended is not None:
            _phase(setup, phase, ended - began)


def _tell(setup: Setup, look: looks.PageLook, *, followed: bool) -> None:
    """The final answer; what never came keeps its 0."""
    trip, answer = look.trip, setup.answer
    if trip.status is None:
        setup.log.error("Error for HTTP request", err=trip.verify_failure or trip.failure)
        return
    setup.log.info("Received HTTP response", status_code=trip.status)
    answer.set("probe_http_status_code", trip.status)
    length = _header(look, b"content-length") or ""
    answer.set("probe_http_content_length", int(length) if LENGTH.fullmatch(length) else UNKNOWN_LENGTH)
    answer.set("probe_http_uncompressed_body_length", len(trip.body) if followed else 0)
    if trip.version:
        answer.set("probe_http_version", float(trip.version))
    modified = _modified(_header(look, b"last-modified"))
    if modified is not None:
        answer.set("probe_http_last_modified_timestamp_seconds", modified)
    if look.facts is not None:
        answer.set("probe_http_ssl", 1)
        tell_tls(answer, look.facts)
        answer.set("probe_tls_cipher_info", 1, {"cipher": iana_name(look.facts.cipher)})


def _modified(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, OverflowError):
        return None


def _succeeded(setup: Setup, look: looks.PageLook, *, followed: bool) -> bool:
    trip = look.trip
    failure = trip.verify_failure or trip.failure
    if trip.status is None:
        setup.answer.fail(failure or Failure.UNKNOWN)
        return False
    if trip.status not in (setup.module.valid_status_codes or SUCCESSFUL):
        setup.log.error("Invalid HTTP response status code", status_code=trip.status)
        setup.answer.fail(Refusal.STATUS_CODE)
        return False
    if failure is not None and followed:
        setup.log.error("Failed to read HTTP response body", err=failure)
        setup.answer.fail(failure)
        return False
    if look.facts is not None and setup.module.fail_if_ssl:
        setup.log.error("Final request was over SSL")
        setup.answer.fail(Refusal.SECURED)
        return False
    if look.facts is None and setup.module.fail_if_not_ssl:
        setup.log.error("Final request was not over SSL")
        setup.answer.fail(Refusal.PLAIN)
        return False
    return True
