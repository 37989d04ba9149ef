"""Which name does this QUIC client ask for?

Opens a client's Initial packets as anyone on the path can, since their keys follow from what stands in the clear, and
puts the ClientHello together from their CRYPTO frames. Sans-I/O. Only client Initials of versions 1 and 2: what comes
after the handshake's first flight is out of reach.

Sources: RFC 9000 §17.2 and §19 (packets, frames), RFC 9001 §5 (keys, header protection), RFC 9369 §3 (version 2).
"""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from probe.wire import tls

VERSION_1 = 0x00000001
VERSION_2 = 0x6B3343CF
SALTS = {
    VERSION_1: bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a"),
    VERSION_2: bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9"),
}
LABELS = {VERSION_1: b"quic ", VERSION_2: b"quicv2 "}
INITIAL_TYPE = {VERSION_1: 0, VERSION_2: 1}
LONG_HEADER = 0x80
FIXED_BIT = 0x40
MAX_CONNECTION_ID_BYTES = 20
SAMPLE_BYTES = 16
TAG_BYTES = 16
FRAME_PADDING, FRAME_PING, FRAME_ACK, FRAME_ACK_ECN, FRAME_CRYPTO, FRAME_CLOSE = 0, 1, 2, 3, 6, 0x1C


class NotInitialError(ValueError):
    """The bytes are no client Initial that can be opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialKeys:
    """What protects a client's Initial packets (RFC 9001 §5.2)."""

    key: bytes
    iv: bytes
    header_key: bytes


def expand_label(secret: bytes, label: bytes, length: int) -> bytes:
    """HKDF-Expand-Label of RFC 8446 §7.1 with SHA-256 and an empty context; at most 32 bytes."""
    info = length.to_bytes(2, "big") + bytes((6 + len(label),)) + b"tls13 " + label + b"\0"
    return hmac.digest(secret, info + b"\1", hashlib.sha256)[:length]


def client_keys(version: int, destination_id: bytes) -> InitialKeys:
    """The keys that follow from the destination connection id of the client's first Initial. Raises KeyError for an
    unknown version.
    """
    secret = expand_label(hmac.digest(SALTS[version], destination_id, hashlib.sha256), b"client in", 32)
    prefix = LABELS[version]
    return InitialKeys(
        key=expand_label(secret, prefix + b"key", 16),
        iv=expand_label(secret, prefix + b"iv", 12),
        header_key=expand_label(secret, prefix + b"hp", 16),
    )


def header_mask(header_key: bytes, sample: bytes) -> bytes:
    """The five bytes that hide a packet's first byte and its number (RFC 9001 §5.4.3)."""
    # one block of AES is what the RFC asks for, not a mode for messages
    encryptor = Cipher(algorithms.AES(header_key), modes.ECB()).encryptor()  # noqa: S305
    return encryptor.update(sample)[:5]


def long_header_version(datagram: bytes) -> int | None:
    """The QUIC version that a datagram names, None where it has no long header or is a version negotiation."""
    if len(datagram) < 7 or not datagram[0] & LONG_HEADER:
        return None
    return int.from_bytes(datagram[1:5], "big") or None


class _Reader:
    """Reads fields from the front; running off the end is NotInitialError."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        taken = self._data[self.at : self.at + count]
        if len(taken) < count:
            raise NotInitialError("a length points outside the packet")
        self.at += count
        return taken

    def number(self) -> int:
        """A variable-length integer (RFC 9000 §16)."""
        first = self.take(1)[0]
        value = first & 0x3F
        for byte in self.take((1 << (first >> 6)) - 1):
            value = value << 8 | byte
        return value

    @property
    def left(self) -> int:
        return len(self._data) - self.at


@dataclass(frozen=True, slots=True, kw_only=True)
class _Packet:
    """One Initial as it came: `number_at` is where its packet number begins in `data`."""

    version: int
    destination_id: bytes
    number_at: int
    data: bytes


def _initials(datagram: bytes) -> Iterator[_Packet]:
    """The Initial packets at the front of a datagram; what is coalesced behind them is left out. Raises
    NotInitialError where not even the first is one.
    """
    if not datagram:
        raise NotInitialError("nothing there")
    start = 0
    while start < len(datagram):
        packet = datagram[start:]
        version = long_header_version(packet)
        expected = None if version not in INITIAL_TYPE else LONG_HEADER | FIXED_BIT | INITIAL_TYPE[version] << 4
        if version is None or expected is None or packet[0] & 0xF0 != expected:
            if start == 0:
                raise NotInitialError("not an Initial of a known version")
            return
        reader = _Reader(packet)
        reader.take(5)
        destination_id = reader.take(reader.take(1)[0])
        source_id = reader.take(reader.take(1)[0])
        if max(len(destination_id), len(source_id)) > MAX_CONNECTION_ID_BYTES:
            raise NotInitialError("a connection id of an impossible length")
        reader.take(reader.number())  # token
        length = reader.number()
        number_at = reader.at
        reader.take(length)
        yield _Packet(
            version=version, destination_id=destination_id, number_at=number_at, data=packet[: number_at + length]
        )
        start += number_at + length


def _opened(packet: _Packet, keys: InitialKeys) -> bytes:
    """The packet's frames. Raises NotInitialError where the keys do not fit."""
    at, data = packet.number_at, packet.data
    sample = data[at + 4 : at + 4 + SAMPLE_BYTES]
    if len(sample) < SAMPLE_BYTES:
        raise NotInitialError("too short for a header sample")
    mask = header_mask(keys.header_key, sample)
    first = data[0] ^ (mask[0] & 0x0F)
    number_bytes = (first & 3) + 1
    number = bytes(a ^ b for a, b in zip(data[at : at + number_bytes], mask[1:], strict=False))
    header = bytes((first,)) + data[1:at] + number
    nonce = (int.from_bytes(keys.iv, "big") ^ int.from_bytes(number, "big")).to_bytes(len(keys.iv), "big")
    sealed = data[at + number_bytes :]
    if len(sealed) < TAG_BYTES:
        raise NotInitialError("too short for a tag")
    try:
        return AESGCM(keys.key).decrypt(nonce, sealed, header)
    except InvalidTag:
        raise NotInitialError("the keys do not fit") from None


def _crypto_frames(frames: bytes) -> Iterator[tuple[int, bytes]]:
    """Offset and bytes of each CRYPTO frame. Raises NotInitialError for frames that an Initial cannot hold."""
    reader = _Reader(frames)
    while reader.left:
        kind = reader.number()
        if kind in (FRAME_PADDING, FRAME_PING):
            continue
        if kind == FRAME_CRYPTO:
            offset = reader.number()
            yield offset, reader.take(reader.number())
        elif kind in (FRAME_ACK, FRAME_ACK_ECN):
            reader.number()  # largest acknowledged
            reader.number()  # delay
            ranges = reader.number()
            numbers = 1 + 2 * ranges + (3 if kind == FRAME_ACK_ECN else 0)
            for _ in range(min(numbers, reader.left + 1)):
                reader.number()
        elif kind == FRAME_CLOSE:
            return
        else:
            raise NotInitialError("a frame that an Initial cannot hold")


class InitialReader:
    """Puts a client's ClientHello together from its first datagrams, in whatever order its frames come."""

    def __init__(self) -> None:
        self._keys: InitialKeys | None = None
        self._pieces: dict[int, bytes] = {}

    def feed(self, datagram: bytes) -> tls.ClientHello | None:
        """One UDP payload; the ClientHello when it is whole. Raises NotInitialError for what can never be one.

        Its `size_bytes` is that of the handshake message.
        """
        for packet in _initials(datagram):
            for offset, piece in _crypto_frames(self._open(packet)):
                if offset + len(piece) > tls.MAX_CLIENT_HELLO_BYTES:
                    raise NotInitialError("a ClientHello of an impossible size")
                if len(piece) > len(self._pieces.get(offset, b"")):
                    self._pieces[offset] = piece
        try:
            return tls.parse_hello_message(self._stream())
        except tls.IncompleteHelloError:
            return None
        except tls.NotClientHelloError as error:
            raise NotInitialError(str(error)) from None

    def _open(self, packet: _Packet) -> bytes:
        """With the keys of the first Initial or, after a Retry, those of this one's own connection id."""
        if self._keys is not None:
            try:
                return _opened(packet, self._keys)
            except NotInitialError:
                pass
        keys = client_keys(packet.version, packet.destination_id)
        frames = _opened(packet, keys)
        self._keys = keys
        return frames

    def _stream(self) -> bytes:
        """The bytes from the start on, without gaps."""
        stream = b""
        for offset, piece in sorted(self._pieces.items()):
            if offset > len(stream):
                break
            stream += piece[len(stream) - offset :]
        return stream
