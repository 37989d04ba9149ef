"""What does this site answer, as far as it may be kept?

Makes an `HttpExchange` of a request: decoded within bounds, scrubbed of every address that is not a server's or a
resolver's before anything else sees it, cut to what is kept. The exchange itself is `probe.net.http`'s.
"""

import codecs
import hashlib
import html
import re
import zlib
from urllib.parse import urljoin, urlsplit

from yarl import URL

from probe.failure import Failure
from probe.model.observations import Header, HttpExchange
from probe.net.agent import USER_AGENT
from probe.net.base import MAX_BODY_BYTES, MAX_KEPT_BODY_BYTES, HttpRequest
from probe.net.http import Call, Trip, exchange
from probe.net.instruments import Instruments, KnownAddresses
from probe.net.limits import require_time
from probe.wire.names import to_ascii
from probe.wire.scrub import is_address

MAX_DECODED_BYTES = MAX_BODY_BYTES  # a gzip bomb gives no more than this
MAX_SCRUBBED_CHARACTERS = MAX_KEPT_BODY_BYTES + 1024  # so that what straddles the cut is seen whole
MAX_KEPT_HEADERS = 64
MAX_KEPT_VALUE_CHARACTERS = 2048
MAX_TITLE_CHARACTERS = 256
MAX_URL_CHARACTERS = 4096
SCRUBBED_HOST = "scrubbed.invalid"  # RFC 6761 §6.4: never resolves

_TITLE = re.compile(r"<title[^<>]{0,256}>([^<]{0,4096})", re.IGNORECASE)
_CHARSET = re.compile(r"charset\s{0,4}=\s{0,4}[\"']?([A-Za-z0-9_.:-]{1,32})", re.IGNORECASE)
_WORD_ENDS = " \t\r\n<>\"'(){}"
MAX_CUT_WORD_CHARACTERS = 512
_COOKIE_LINE = re.compile(rb"(?im)^set-cookie:.*$")
# Python's other codecs are no character sets of pages, and some take quadratic time.
_CHARSETS = re.compile(
    r"us-ascii|utf-?8|utf-16(?:le|be)?|utf-32(?:le|be)?|iso-?8859-\d{1,2}|latin-?1|windows-125\d|cp125\d|cp866"
    r"|koi8-[rut]|gb2312|gbk|gb18030|big5|big5-hkscs|shift[-_]jis|euc-(?:jp|kr)|tis-620"
)
_VERBATIM = re.compile(r"[!-~]+")
_TEXTUAL = ("text/", "json", "xml", "javascript", "urlencoded")


async def fetch(request: HttpRequest, instruments: Instruments, *, deadline: float) -> HttpExchange:
    """GET, as `probe.net.base.Net.fetch` says. Raises CannotRun when the deadline or the gate left no time."""
    require_time(instruments.clock, deadline, stage="fetch")
    call = _call(request)
    if call is None:
        now = instruments.clock.now()
        return _record(request, Trip(t0=now, failure=Failure.HTTP_REQUEST_FAILED), instruments.known, now)
    trip = await exchange(call, instruments, deadline=deadline)
    return _record(request, trip, instruments.known, instruments.clock.now())


def _call(request: HttpRequest) -> Call | None:
    """None when the URL is none that can be asked for."""
    try:
        # As written, byte for byte, where that can go on a request line: servers sign their URLs.
        url = URL(request.url, encoded=_VERBATIM.fullmatch(request.url) is not None)
        secure = url.scheme == "https"
        if url.scheme not in ("http", "https") or not url.host:
            return None
    except ValueError:
        return None
    return Call(
        method="GET",
        # Credentials in a URL would become an Authorization header.
        url=url.with_user(None).with_fragment(None),
        endpoint=request.endpoint,
        secure=secure,
        server_name=request.server_name if secure else None,
        verified_name=(request.server_name or _without_port(request.host)) if secure and request.verified else None,
        headers={
            "Host": request.host,
            "User-Agent": USER_AGENT,
            "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
            "Accept-Language": "en",
            "Accept-Encoding": "gzip, deflate",
        },
        max_bytes=request.max_bytes,
    )


def _without_port(host: str) -> str:
    return (urlsplit(f"//{host}").hostname or host) if "]" in host or ":" in host else host


def _record(request: HttpRequest, trip: Trip, known: KnownAddresses, now: float) -> HttpExchange:
    headers = tuple((_text(name), _text(value)) for name, value in trip.headers)
    text = _body_text(headers, trip, known)
    raw_location = next((value for name, value in headers if name.lower() == "location"), None)
    location = _location(request.url, raw_location, known) if raw_location is not None else None
    title = _TITLE.search(text)
    return HttpExchange(
        url=request.url,
        endpoint=request.endpoint,
        source_port=trip.source_port,
        server_name=request.server_name,
        host=request.host,
        t0=trip.t0,
        t_connected=trip.t_connected,
        t_secured=trip.t_secured,
        t_request=trip.t_request,
        t_first_byte=trip.t_first_byte,
        t=now,
        stage=trip.stage,
        failure=trip.failure,
        status=trip.status,
        headers=_kept_headers(headers, known),
        location=location,
        title=known.scrub(_one_line(html.unescape(title[1])))[:MAX_TITLE_CHARACTERS] if title else "",
        body=text,
        body_bytes=len(trip.body),
        body_sha256=hashlib.sha256(text.encode()).hexdigest(),
        truncated=trip.truncated,
        verify_failure=trip.verify_failure,
        transaction_id=trip.transaction_id,
    )


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _kept_headers(headers: tuple[tuple[str, str], ...], known: KnownAddresses) -> tuple[Header, ...]:
    """Scrubbed first and cut then, so that no half of an address stays; what a cookie says is nobody's business."""
    return tuple(
        Header(
            name=known.scrub(name)[:MAX_KEPT_VALUE_CHARACTERS],
            value="" if name.lower() == "set-cookie" else known.scrub(value)[:MAX_KEPT_VALUE_CHARACTERS],
        )
        for name, value in headers[:MAX_KEPT_HEADERS]
    )


def _location(base: str, location: str, known: KnownAddresses) -> str | None:
    """The Location made absolute and scrubbed; None when it leads to no HTTP URL.

    A host that is, or contains, an address which must not be kept becomes `scrubbed.invalid`.
    """
    try:
        given = urlsplit(location.strip())
        if given.scheme and not given.netloc:  # "http:///x": urljoin would lend it our own host
            return None
        absolute = urljoin(base, location.strip())
        parts = urlsplit(absolute)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or len(absolute) > MAX_URL_CHARACTERS:
        return None
    name = host if is_address(host) else to_ascii(host)
    if not name:
        return None
    if known.scrub(host) != host or known.scrub(name) != name:
        name = SCRUBBED_HOST
    elif ":" in name:
        name = f"[{name}]"
    rest = parts._replace(netloc="", scheme="").geturl()
    return f"{parts.scheme}://{name}{port}{known.scrub(rest)}"


def _body_text(headers: tuple[tuple[str, str], ...], trip: Trip, known: KnownAddresses) -> str:
    """The decoded text, scrubbed and then cut; "" for what is no text: what cannot be read cannot be scrubbed."""
    content_type = _value(headers, "content-type").lower()
    if content_type and not any(kind in content_type for kind in _TEXTUAL):
        return ""
    if trip.status is None:
        decoded: bytes | None = _COOKIE_LINE.sub(b"", trip.sample)
    else:
        decoded = _decoded(bytes(trip.body), _value(headers, "content-encoding").strip().lower())
    if decoded is None:
        return ""
    text = decoded.decode(_charset(content_type) or _charset(decoded[:1024].decode("latin-1")) or "utf-8", "replace")
    is_whole = trip.failure is None and not trip.truncated and len(text) <= MAX_SCRUBBED_CHARACTERS
    if not is_whole:
        text = _without_cut_word(text[:MAX_SCRUBBED_CHARACTERS])
    return known.scrub(text).encode()[:MAX_KEPT_BODY_BYTES].decode(errors="ignore")


def _charset(text: str) -> str | None:
    """The character set that a Content-Type or the start of a page names, if it is one and Python has it."""
    found = _CHARSET.search(text)
    if found is None or not _CHARSETS.fullmatch(found[1].lower()):
        return None
    try:
        return codecs.lookup(found[1]).name
    except LookupError:
        return None


def _without_cut_word(text: str) -> str:
    """A cut text without its last word, which may be half an address."""
    tail = text[-MAX_CUT_WORD_CHARACTERS:]
    kept = 1 + max(tail.rfind(end) for end in _WORD_ENDS)
    return text[: len(text) - len(tail) + kept]


def _value(headers: tuple[tuple[str, str], ...], wanted: str) -> str:
    return next((value for name, value in headers if name.lower() == wanted), "")


def _decoded(body: bytes, coding: str) -> bytes | None:
    """Up to MAX_DECODED_BYTES behind one content coding; None for a coding that was not offered or does not fit."""
    if coding in ("", "identity"):
        return body[:MAX_DECODED_BYTES]
    if coding not in ("gzip", "x-gzip", "deflate"):
        return None
    # zlib's window bits: +32 recognises gzip and zlib; some servers send bare deflate.
    for window_bits in (32 + zlib.MAX_WBITS, -zlib.MAX_WBITS):
        try:
            return zlib.decompressobj(window_bits).decompress(body, MAX_DECODED_BYTES)
        except zlib.error:
            continue
    return None
