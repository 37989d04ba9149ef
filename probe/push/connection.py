"""What does a receiver answer to one request?

One kept connection to one receiver, made when it is needed: certificate checked against the trust store or the file
that the configuration names, no redirect followed, no proxy, cookie or credential of the environment used, nothing
read beyond the beginning of an answer, every byte counted. When to ask, and what an answer means for the samples, is
for `probe.push.sender`.
"""

import asyncio
import base64
import contextlib
import html
import json
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, quote_plus

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from probe import __version__
from probe.config.watch_file import RemoteWrite, SecretError
from probe.model.results import CannotRun
from probe.net.classify import NETWORK_ERRORS, classify
from probe.net.getaddrinfo import AddressLookups
from probe.net.http import AIOHTTP_ERRORS
from probe.net.meter import Meter, MeteredSocket
from probe.wire.scrub import scrub

MAX_BODY_BYTES = 16 * 1024  # of an answer: read whole where it is short, so that no echoed secret is cut in two
MAX_TEXT_CHARACTERS = 200  # a receiver's reason takes one line
MAX_HEADER_BYTES = 8 * 1024
KEEP_ALIVE_SECONDS = 15.0  # between two requests of one burst; receivers keep theirs for longer
USER_AGENT = f"throttleprobe/{__version__}"


class PostError(Exception):
    """No answer that counts came; the text says why in a few words, without any address or secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`text` is the beginning of the body, in one line, with addresses and credentials taken out."""

    status: int
    retry_after_seconds: float | None
    is_page: bool  # HTML: a portal or a front says this, a receiver never
    text: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _Credentials:
    """`words` are what must not be told, in every form in which it was sent."""

    headers: Mapping[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()


class Connection:
    """To one receiver. `meter` counts every byte, TLS included. Not for two requests at a time."""

    def __init__(self, receiver: RemoteWrite, meter: Meter) -> None:
        self._receiver = receiver
        self._meter = meter
        self._lookups = AddressLookups()
        self._session: aiohttp.ClientSession | None = None

    async def send(self, body: bytes, headers: Mapping[str, str], *, method: str = "POST") -> Answer:
        """Send one request and read the answer within the receiver's time limit. Raises PostError."""
        credentials = await asyncio.to_thread(self._credentials)
        sent = {**headers, "User-Agent": USER_AGENT, "Accept-Encoding": "identity", **credentials.headers}
        url = URL(self._receiver.url, encoded=True)  # as it is: a path may hold what yarl would write otherwise
        try:
            session = await self._opened()
            async with session.request(method, url, data=body, headers=sent, allow_redirects=False) as response:
                return _read(response, await _reason(response), credentials.words)
        except CannotRun:
            raise PostError("name look-ups hang") from None
        except AIOHTTP_ERRORS as error:
            await self.close()
            raise PostError(_in_words(error)) from None  # the cause may hold headers, and with them credentials

    async def close(self) -> None:
        """End the connection; the next request makes another, reading the trust store again."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()
            await asyncio.sleep(0)  # lets the event loop close the socket

    async def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            context = await asyncio.to_thread(self._trust) if self._receiver.url.startswith("https:") else None
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    ssl=context or True,
                    resolver=_Resolver(self._lookups),
                    socket_factory=self._socket,
                    keepalive_timeout=KEEP_ALIVE_SECONDS,
                    limit=1,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=self._receiver.timeout_seconds),
                trust_env=False,
                auto_decompress=False,
                max_line_size=MAX_HEADER_BYTES,
                max_field_size=MAX_HEADER_BYTES,
            )
        return self._session

    def _socket(self, address: tuple[Any, ...]) -> socket.socket:
        return MeteredSocket(address[0], self._meter)

    def _trust(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._receiver.ca_file)
        except OSError as error:  # SSLError is one
            raise PostError(f"{self._receiver.ca_file} cannot be read as certificates") from error

    def _credentials(self) -> _Credentials:
        receiver = self._receiver
        try:
            if receiver.bearer_token is not None:
                token = receiver.bearer_token.read()
                return _Credentials(headers={"Authorization": f"Bearer {token}"}, words=(token,))
            if receiver.username is not None:
                password = receiver.password.read() if receiver.password is not None else ""
                pair = base64.b64encode(f"{receiver.username}:{password}".encode()).decode()
                return _Credentials(headers={"Authorization": f"Basic {pair}"}, words=(pair, password))
        except SecretError as error:
            raise PostError(str(error)) from None
        return _Credentials()


class _Resolver(AbstractResolver):
    """The system's, in threads that nobody joins: one that hangs does not hold up our end."""

    def __init__(self, lookups: AddressLookups) -> None:
        self._lookups = lookups

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._lookups.lookup(host)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in found.addresses
        ]

    async def close(self) -> None:
        """Nothing is kept."""


async def _reason(response: aiohttp.ClientResponse) -> bytes:
    """The beginning of what a receiver says against a request; what breaks off there does not change its answer."""
    body = bytearray()
    if response.status >= 400:
        with contextlib.suppress(*AIOHTTP_ERRORS):
            while len(body) < MAX_BODY_BYTES and (part := await response.content.read(MAX_BODY_BYTES - len(body))):
                body += part
    return bytes(body)


def _read(response: aiohttp.ClientResponse, body: bytes, secrets: tuple[str, ...]) -> Answer:
    text = " ".join(body.decode(errors="replace").split())
    for form in _forms(secrets):  # a server may echo what it was sent, and a page its reader's address
        text = text.replace(form, "[secret]")
    return Answer(
        status=response.status,
        retry_after_seconds=_retry_after(response.headers.get("Retry-After"), response.headers.get("Date")),
        is_page="html" in response.headers.get("Content-Type", "").lower(),
        text="".join(c for c in scrub(text, frozenset()) if c.isprintable())[:MAX_TEXT_CHARACTERS],
    )


def _forms(secrets: tuple[str, ...]) -> list[str]:
    """How an answer, its white space folded, may spell what must not be told: as it is, in JSON, a page, a URL."""
    ways: tuple[Callable[[str], str], ...] = (
        str,
        lambda text: json.dumps(text)[1:-1],
        lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
        html.escape,
        quote,
        quote_plus,
        lambda text: quote(text, safe=""),
    )
    folded = {" ".join(way(secret).split()) for secret in secrets for way in ways}
    spelt = {text.rstrip("=") for text in folded}  # "=" only fills base64 up, and is left out by some
    return sorted(spelt - {""}, key=len, reverse=True)


def _retry_after(header: str | None, server_time: str | None) -> float | None:
    """Seconds from now (RFC 9110 §10.2.3). A date is taken against the server's own clock: ours may be wrong."""
    if header is None:
        return None
    if header.strip().isascii() and header.strip().isdigit():
        return float(header.strip()[:9])
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, (parsedate_to_datetime(header) - parsedate_to_datetime(server_time or "")).total_seconds())
    return None


def _in_words(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not valid ({classify(error.certificate_error)})"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection ({classify(error.os_error)})"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the connection was closed without an answer"
    if isinstance(error, aiohttp.InvalidURL):
        return "its URL cannot be used"
    if isinstance(error, NETWORK_ERRORS):
        return f"the request failed ({classify(error)})"
    return "the answer is not HTTP"
