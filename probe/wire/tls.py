"""Which name and protocols does this ClientHello ask for?

Reads TLS records and the ClientHello inside them as far as anyone on the path can: server name, ALPN, whether it
offers Encrypted ClientHello, size. Sans-I/O. It verifies nothing and decrypts nothing.

Sources: RFC 8446 §4.1.2 and §5.1 (ClientHello, records), RFC 6066 §3 (server name), RFC 7301 §3.1 (ALPN),
RFC 9849 §5 (Encrypted ClientHello).
"""

from dataclasses import dataclass

RECORD_HEADER_BYTES = 5
HANDSHAKE_HEADER_BYTES = 4
MAX_CLIENT_HELLO_BYTES = 16_384
CONTENT_HANDSHAKE = 22
HANDSHAKE_CLIENT_HELLO = 1
EXTENSION_SERVER_NAME = 0
EXTENSION_ALPN = 16
EXTENSION_ECH = 0xFE0D


class IncompleteHelloError(ValueError):
    """So far the bytes are a ClientHello's, but not all of it."""


class NotClientHelloError(ValueError):
    """The bytes cannot become a ClientHello."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientHello:
    """`server_name` in lower case, None where the hello has none; `alpn` in the order offered; `size_bytes` with
    record headers. `has_ech`: with the encrypted_client_hello extension, real or GREASE; its name is the outer one.
    """

    server_name: str | None
    alpn: tuple[str, ...]
    size_bytes: int
    has_ech: bool = False


class _Reader:
    """Reads length-prefixed fields; running off the end is NotClientHelloError."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        if self._at + count > len(self._data):
            raise NotClientHelloError("a length points outside the ClientHello")
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def vector(self, width: int) -> bytes:
        return self.take(self.number(width))

    @property
    def left(self) -> int:
        return len(self._data) - self._at


def handshake_bytes(stream: bytes) -> tuple[bytes, int]:
    """The first handshake message of a record stream, and the stream bytes used. Raises IncompleteHelloError,
    NotClientHelloError.
    """
    message = b""
    at = 0
    while True:
        if stream[at : at + 1] not in (b"", bytes((CONTENT_HANDSHAKE,))) or stream[at + 1 : at + 2] not in (b"", b"\3"):
            raise NotClientHelloError("not a TLS handshake record")
        if len(stream) < at + RECORD_HEADER_BYTES:
            raise IncompleteHelloError("record header cut short")
        end = at + RECORD_HEADER_BYTES + int.from_bytes(stream[at + 3 : at + 5], "big")
        if end == at + RECORD_HEADER_BYTES:
            raise NotClientHelloError("an empty handshake record")
        message += stream[at + RECORD_HEADER_BYTES : end]
        if message[0:1] not in (b"", bytes((HANDSHAKE_CLIENT_HELLO,))):
            raise NotClientHelloError("not a ClientHello")
        if len(message) >= HANDSHAKE_HEADER_BYTES:
            wanted = HANDSHAKE_HEADER_BYTES + int.from_bytes(message[1:4], "big")
            if wanted > MAX_CLIENT_HELLO_BYTES:
                raise NotClientHelloError("a ClientHello of an impossible size")
            if len(message) >= wanted:
                return message[:wanted], end
        if end > len(stream):
            raise IncompleteHelloError("record cut short")
        at = end


def _server_name(data: bytes) -> str | None:
    names = _Reader(_Reader(data).vector(2))
    while names.left:
        kind = names.number(1)
        name = names.vector(2)
        if kind == 0:
            return name.decode("latin-1").lower()
    return None


def _alpn(data: bytes) -> tuple[str, ...]:
    protocols = _Reader(_Reader(data).vector(2))
    found = []
    while protocols.left:
        found.append(protocols.vector(1).decode("latin-1"))
    return tuple(found)


def parse_client_hello(stream: bytes) -> ClientHello:
    """Read the ClientHello at the start of a TCP byte stream.

    Raises IncompleteHelloError when more bytes may complete it, NotClientHelloError when none can.
    """
    message, used_bytes = handshake_bytes(stream)
    return _parse(message, used_bytes)


def parse_hello_message(data: bytes) -> ClientHello:
    """Read a ClientHello that stands in no records, as in QUIC's CRYPTO stream. Raises as `parse_client_hello`."""
    if data[:1] not in (b"", bytes((HANDSHAKE_CLIENT_HELLO,))):
        raise NotClientHelloError("not a ClientHello")
    if len(data) < HANDSHAKE_HEADER_BYTES:
        raise IncompleteHelloError("handshake header cut short")
    end = HANDSHAKE_HEADER_BYTES + int.from_bytes(data[1:4], "big")
    if end > MAX_CLIENT_HELLO_BYTES:
        raise NotClientHelloError("a ClientHello of an impossible size")
    if len(data) < end:
        raise IncompleteHelloError("ClientHello cut short")
    return _parse(data[:end], end)


def _parse(message: bytes, size_bytes: int) -> ClientHello:
    """A whole handshake message; `size_bytes` is what it took on the wire."""
    hello = _Reader(message[HANDSHAKE_HEADER_BYTES:])
    hello.take(2 + 32)  # legacy version, random
    hello.vector(1)  # legacy session id
    hello.vector(2)  # cipher suites
    hello.vector(1)  # compression methods
    extensions = _Reader(hello.vector(2)) if hello.left else _Reader(b"")
    server_name: str | None = None
    alpn: tuple[str, ...] = ()
    has_ech = False
    while extensions.left:
        kind = extensions.number(2)
        data = extensions.vector(2)
        if kind == EXTENSION_SERVER_NAME and data:
            server_name = _server_name(data)
        elif kind == EXTENSION_ALPN and data:
            alpn = _alpn(data)
        elif kind == EXTENSION_ECH:
            has_ech = True
    return ClientHello(server_name=server_name, alpn=alpn, size_bytes=size_bytes, has_ech=has_ech)
