"""Does the ClientHello reader see what OpenSSL put in, however the bytes are cut?"""

import contextlib
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.wire import tls


def client_hello(name: str | None, alpn: tuple[str, ...] = ()) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if alpn:
        context.set_alpn_protocols(list(alpn))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


def test_name_alpn_and_size() -> None:
    stream = client_hello("media.birdnet.test", ("h2", "http/1.1"))
    hello = tls.parse_client_hello(stream + b"more")
    assert hello == tls.ClientHello(server_name="media.birdnet.test", alpn=("h2", "http/1.1"), size_bytes=len(stream))


def test_no_name() -> None:
    assert tls.parse_client_hello(client_hello(None)).server_name is None


def test_every_prefix_is_incomplete() -> None:
    stream = client_hello("birdnet.test")
    for length in range(len(stream)):
        with pytest.raises(tls.IncompleteHelloError):
            tls.parse_client_hello(stream[:length])


def test_a_hello_without_records() -> None:
    message = client_hello("birdnet.test", ("h3",))[5:]
    hello = tls.parse_hello_message(message + b"more")
    assert hello == tls.ClientHello(server_name="birdnet.test", alpn=("h3",), size_bytes=len(message))
    for length in range(len(message)):
        with pytest.raises(tls.IncompleteHelloError):
            tls.parse_hello_message(message[:length])
    for wrong in (b"\x02\0\0\x01x", b"\x01\xff\xff\xff", b"\x01\0\0\x02\3\3"):
        with pytest.raises(tls.NotClientHelloError):
            tls.parse_hello_message(wrong)


def test_a_hello_over_two_records() -> None:
    stream = client_hello("birdnet.test")
    body = stream[5:]
    first, second = body[:50], body[50:]
    split = b"".join(stream[:3] + len(part).to_bytes(2, "big") + part for part in (first, second))
    assert tls.parse_client_hello(split).server_name == "birdnet.test"


@given(data=st.binary(max_size=200))
def test_hostile_bytes(data: bytes) -> None:
    with contextlib.suppress(tls.IncompleteHelloError, tls.NotClientHelloError):
        tls.parse_client_hello(data)


@given(at=st.integers(0, 511), value=st.integers(0, 255))
def test_damaged_hellos(at: int, value: int) -> None:
    stream = bytearray(HELLO)
    stream[at % len(stream)] = value
    with contextlib.suppress(tls.IncompleteHelloError, tls.NotClientHelloError):
        tls.parse_client_hello(bytes(stream))


HELLO = client_hello("birdnet.test")
