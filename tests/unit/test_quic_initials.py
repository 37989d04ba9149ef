"""Is a QUIC client's Initial opened as the RFCs say, and is what is none left closed?"""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.wire import quic
from tests import quic_initials
from tests.unit.test_lab_tls_names import client_hello

A2_HELLO = bytes.fromhex(  # RFC 9001 appendix A.2
    "010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c000000010000e"
    "00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e0005000501000000000033002600"
    "24001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e040305030603"
    "0203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901"
    "100f088394c8f03e51570806048000ffff"
)
HELLO = quic_initials.hello_message(client_hello("media.birdnet.test", ("h3",)))


def test_the_keys_of_both_versions() -> None:
    assert quic.client_keys(quic.VERSION_1, quic_initials.CONNECTION_ID) == quic.InitialKeys(
        key=bytes.fromhex("1f369613dd76d5467730efcbe3b1a22d"),
        iv=bytes.fromhex("fa044b2f42a3fd3b46fb255c"),
        header_key=bytes.fromhex("9f50449e04a0e810283a1e9933adedd2"),
    )
    assert quic.client_keys(quic.VERSION_2, quic_initials.CONNECTION_ID) == quic.InitialKeys(  # RFC 9369 appendix A
        key=bytes.fromhex("8b1a0bc121284290a29e0971b5cd045d"),
        iv=bytes.fromhex("91f73e2351d8fa91660e909f"),
        header_key=bytes.fromhex("45b95e15235d6f45a6b19cbcb0294ba9"),
    )


def test_the_header_mask_of_the_rfc() -> None:
    keys = quic.client_keys(quic.VERSION_1, quic_initials.CONNECTION_ID)
    sample = bytes.fromhex("d1b1c98dd7689fb8ec11d242b123dc9b")
    assert quic.header_mask(keys.header_key, sample) == bytes.fromhex("437b9aec36")


def test_the_initial_of_the_rfc() -> None:
    """Built here, since AES-GCM gives the same bytes to everybody; its start, sample and tag are the RFC's."""
    frame = b"\x06\x00\x40\xf1" + A2_HELLO
    datagram = quic_initials.sealed(frame)
    assert datagram.startswith(bytes.fromhex("c000000001088394c8f03e5157080000449e7b9aec34"))
    assert datagram[22:38] == bytes.fromhex("d1b1c98dd7689fb8ec11d242b123dc9b")
    assert datagram[-16:] == bytes.fromhex("e221af44860018ab0856972e194cd934")
    hello = quic.InitialReader().feed(datagram)
    assert hello is not None
    assert (hello.server_name, hello.alpn, hello.has_ech) == ("example.com", ("alpn",), False)


@pytest.mark.parametrize("version", [quic.VERSION_1, quic.VERSION_2])
def test_the_name_in_either_version(version: int) -> None:
    datagram = quic_initials.initial(HELLO, version=version)
    hello = quic.InitialReader().feed(datagram)
    assert hello is not None
    assert (hello.server_name, hello.alpn) == ("media.birdnet.test", ("h3",))
    assert quic.long_header_version(datagram) == version


@pytest.mark.parametrize("swapped", [False, True])
def test_a_hello_over_two_datagrams(swapped: bool) -> None:
    reader = quic.InitialReader()
    first, second = quic_initials.in_two(HELLO, cut=100, swapped=swapped)
    assert reader.feed(first) is None
    hello = reader.feed(second)
    assert hello is not None
    assert hello.server_name == "media.birdnet.test"


def test_frames_out_of_order_overlapping_and_between_others() -> None:
    frames = b"".join(
        (
            b"\x01\x00\x00",  # PING, PADDING
            quic_initials.crypto_frame(150, HELLO[150:]),
            b"\x02\x00\x00\x00\x00",  # ACK
            b"\x03\x00\x00\x00\x00\x00\x00\x00",  # ACK with ECN counts
            quic_initials.crypto_frame(60, HELLO[60:200]),
            quic_initials.crypto_frame(0, HELLO[:70]),
        )
    )
    hello = quic.InitialReader().feed(quic_initials.sealed(frames))
    assert hello is not None
    assert hello.server_name == "media.birdnet.test"


def test_coalesced_packets() -> None:
    one = quic_initials.sealed(quic_initials.crypto_frame(0, HELLO[:100]), padded_bytes=300)
    two = quic_initials.sealed(quic_initials.crypto_frame(100, HELLO[100:]), packet_number=3, padded_bytes=700)
    handshake = bytes((0xE0,)) + one[1:]
    reader = quic.InitialReader()
    assert reader.feed(one + two + handshake) is not None


def test_after_a_retry_the_keys_follow_the_new_connection_id() -> None:
    reader = quic.InitialReader()
    assert reader.feed(quic_initials.sealed(quic_initials.crypto_frame(0, HELLO[:50]))) is None
    again = quic_initials.sealed(quic_initials.crypto_frame(0, HELLO), connection_id=b"12345678")
    assert reader.feed(again) is not None


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\x40short header",
        b"\xc0\x00\x00\x00\x00\x08negotiation",
        b"\xc0\xff\x00\x00\x1d\x08an old draft's",
        quic_initials.initial(HELLO)[:-1],
        quic_initials.initial(HELLO)[:200],
        b"\xd0" + quic_initials.initial(HELLO)[1:],
        quic_initials.sealed(b"\x08\x00"),
        quic_initials.sealed(quic_initials.crypto_frame(0, b"\x02\x00\x00\x00")),
        quic_initials.sealed(b"\x06\x00\x7f\xff"),
        quic_initials.sealed(b"\x06\xbf\xff\xff\xff\x40\x01x"),
    ],
)
def test_what_is_no_initial(datagram: bytes) -> None:
    with pytest.raises(quic.NotInitialError):
        quic.InitialReader().feed(datagram)


@given(data=st.binary(max_size=200))
def test_hostile_datagrams(data: bytes) -> None:
    with contextlib.suppress(quic.NotInitialError):
        quic.InitialReader().feed(b"\xc0\x00\x00\x00\x01" + data)


@given(frames=st.binary(max_size=60))
def test_hostile_frames(frames: bytes) -> None:
    with contextlib.suppress(quic.NotInitialError):
        quic.InitialReader().feed(quic_initials.sealed(frames))


@given(at=st.integers(0, 1199), value=st.integers(0, 255))
def test_damaged_initials(at: int, value: int) -> None:
    damaged = bytearray(quic_initials.initial(HELLO))
    damaged[at] = value
    with contextlib.suppress(quic.NotInitialError):
        quic.InitialReader().feed(bytes(damaged))
