"""QUIC Initials as a client makes them, from a ClientHello, for tests of what reads them.

Checked against RFC 9001 appendix A.2 by the tests that use it.
"""

from collections.abc import Sequence

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from probe.wire import quic

CONNECTION_ID = bytes.fromhex("8394c8f03e515708")  # RFC 9001 appendix A's
DATAGRAM_BYTES = 1200
HEADER_BYTES = 22  # of a packet with that connection id, no token, a 4-byte number
LABELS = {quic.VERSION_1: 0xC3, quic.VERSION_2: 0xD3}


def number(value: int) -> bytes:
    """A variable-length integer of two bytes (RFC 9000 §16)."""
    return (0x4000 | value).to_bytes(2, "big")


def crypto_frame(offset: int, data: bytes) -> bytes:
    return b"\x06" + number(offset) + number(len(data)) + data


def sealed(
    frames: bytes,
    *,
    packet_number: int = 2,
    version: int = quic.VERSION_1,
    connection_id: bytes = CONNECTION_ID,
    padded_bytes: int = DATAGRAM_BYTES,
) -> bytes:
    """One protected Initial around these frames, padded until the datagram has so many bytes."""
    keys = quic.client_keys(version, connection_id)
    frames = frames.ljust(padded_bytes - 14 - len(connection_id) - quic.TAG_BYTES, b"\0")
    start = bytes((LABELS[version],)) + version.to_bytes(4, "big") + bytes((len(connection_id),)) + connection_id
    plain_number = packet_number.to_bytes(4, "big")
    header = start + b"\0\0" + number(4 + len(frames) + quic.TAG_BYTES) + plain_number
    nonce = (int.from_bytes(keys.iv, "big") ^ packet_number).to_bytes(12, "big")
    body = AESGCM(keys.key).encrypt(nonce, frames, header)
    mask = quic.header_mask(keys.header_key, body[: quic.SAMPLE_BYTES])
    hidden = bytes(a ^ b for a, b in zip(plain_number, mask[1:], strict=True))
    return bytes((header[0] ^ mask[0] & 0x0F,)) + header[1:-4] + hidden + body


def hello_message(stream: bytes) -> bytes:
    """The handshake message in a TLS record stream of one record."""
    return stream[5:]


def initial(message: bytes, **parameters: int) -> bytes:
    """A datagram with the whole ClientHello in one CRYPTO frame."""
    return sealed(crypto_frame(0, message), **parameters)  # type: ignore[arg-type]


def in_two(message: bytes, *, cut: int, swapped: bool = False) -> Sequence[bytes]:
    """The ClientHello over two datagrams; `swapped`: its end first."""
    parts = [sealed(crypto_frame(0, message[:cut])), sealed(crypto_frame(cut, message[cut:]), packet_number=3)]
    return parts[::-1] if swapped else parts
