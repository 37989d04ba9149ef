"""How is an HTTP/1.1 request for media written, and where does its response end?

Sans-I/O and bounded: at most `MAX_HEAD_BYTES` of a head are kept, nothing of a body. It neither decodes nor follows
anything; pages, with their headers and text, are `probe.net.http`'s. A chunked body is counted raw.

Source: RFC 9112 §2-§7 (messages), RFC 9110 §14.2 (Range) and §15.2 (interim responses).
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from probe.net.agent import USER_AGENT

MAX_HEAD_BYTES = 16 * 1024  # all heads of one response together, interim ones included
LAST_CHUNK = b"\r\n0\r\n\r\n"
DEFAULT_PORTS = {"http": 80, "https": 443}
BODYLESS = frozenset({204, 304})
SWITCHING_PROTOCOLS = 101
FINAL_STATUS = 200  # lower ones are interim
TARGET_SAFE = "/?:@!$&'()*+,;=-._~%[]"

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) (\d{3})(?: |$)")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(rb"\d{1,18}")


class BadResponseError(Exception):
    """What came is not an HTTP/1 response within the bounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseHead:
    """`content_length` is None where the head gives none that counts; `persistent` says that the server keeps the
    connection open after the response.
    """

    status: int
    content_length: int | None
    chunked: bool
    persistent: bool


def download_request(url: str, host: str, num_bytes: int) -> bytes:
    """A GET for the first `num_bytes` of `url`; servers may ignore the range."""
    return _request("GET", url, host, f"Accept-Encoding: identity\r\nRange: bytes=0-{num_bytes - 1}\r\n")


def upload_request(url: str, host: str, num_bytes: int) -> bytes:
    """The head of a POST of `num_bytes`, which follow."""
    return _request("POST", url, host, f"Content-Type: application/octet-stream\r\nContent-Length: {num_bytes}\r\n")


def _request(method: str, url: str, host: str, lines: str) -> bytes:
    parts = urlsplit(url)
    target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=TARGET_SAFE)
    authority = host.encode("ascii" if host.isascii() else "idna").decode()
    if parts.port not in (None, DEFAULT_PORTS.get(parts.scheme)) and not re.search(r":\d+$", authority):
        authority += f":{parts.port}"
    if re.search(r"[^\x21-\x7e]", authority):
        raise ValueError("a Host header cannot hold this name")
    head = (
        f"{method} {target} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {USER_AGENT}\r\nAccept: */*\r\n"
        f"Connection: keep-alive\r\n{lines}\r\n"
    )
    return head.encode("ascii")


class Response:
    """One response, fed as it arrives: its head when known, then how many bytes of its body came and whether it ended.

    `num_bytes` counts body bytes, at most the announced length.
    """

    def __init__(self) -> None:
        self.head: ResponseHead | None = None
        self.num_bytes = 0
        self.ended = False
        self._raw = bytearray()
        self._head_bytes = 0
        self._tail = b"\r\n"  # so that an empty chunked body ends like any other

    def feed(self, data: memoryview) -> None:
        """Take what arrived. Raises BadResponseError for anything but an HTTP/1 response with a bounded head."""
        if self.head is not None:
            self._count(data)
            return
        self._raw += data[: MAX_HEAD_BYTES + 1]
        self.head = self._parse_heads()
        if self.head is None:
            if self._head_bytes + len(self._raw) > MAX_HEAD_BYTES:
                raise BadResponseError("the response's head does not end")
            return
        self._count(memoryview(bytes(self._raw)))
        self._count(data[MAX_HEAD_BYTES + 1 :])
        self._raw.clear()

    def _parse_heads(self) -> ResponseHead | None:
        while True:
            end = _HEAD_END.search(self._raw)
            if end is None:
                _check_start(self._raw)
                return None
            head = _parse_head(bytes(self._raw[: end.start()]))
            self._head_bytes += end.end()
            del self._raw[: end.end()]
            if head.status == SWITCHING_PROTOCOLS:
                raise BadResponseError("the server switched protocols unasked")
            if self._head_bytes > MAX_HEAD_BYTES:
                raise BadResponseError("interim responses do not end")
            if head.status >= FINAL_STATUS:
                return head

    def _count(self, data: memoryview) -> None:
        head = self.head
        assert head is not None
        limit = 0 if head.status in BODYLESS else head.content_length
        self.num_bytes += len(data)
        if limit is not None:
            self.num_bytes = min(self.num_bytes, limit)
            self.ended = self.num_bytes == limit
        elif head.chunked and len(data):
            # a false end needs these seven bytes of a chunk just where a read ended: 2^-56 for media
            self._tail = (self._tail + bytes(data[-len(LAST_CHUNK) :]))[-len(LAST_CHUNK) :]
            self.ended = self._tail == LAST_CHUNK


def _check_start(raw: bytearray) -> None:
    start = bytes(raw[:5])
    if start and not b"HTTP/".startswith(start):
        raise BadResponseError("not an HTTP/1 response")


def _parse_head(raw: bytes) -> ResponseHead:
    lines = raw.replace(b"\r\n", b"\n").split(b"\n")
    status_line = _STATUS_LINE.match(lines[0])
    if status_line is None:
        raise BadResponseError("not an HTTP/1 status line")
    headers: dict[bytes, list[bytes]] = {}
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        headers.setdefault(name.strip().lower(), []).append(value.strip().lower())
    tokens = {token.strip() for value in headers.get(b"connection", ()) for token in value.split(b",")}
    chunked = any(b"chunked" in value for value in headers.get(b"transfer-encoding", ()))
    lengths = set(headers.get(b"content-length", ()))
    length = lengths.pop() if len(lengths) == 1 and not chunked else b""
    return ResponseHead(
        status=int(status_line[2]),
        content_length=int(length) if _LENGTH.fullmatch(length) else None,
        chunked=chunked,
        persistent=b"close" not in tokens and (status_line[1] == b"1" or b"keep-alive" in tokens),
    )
