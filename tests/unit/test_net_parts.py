"""The small parts of the network layer, one by one: ports, meters, the gate, alerts, classification, ICMP, names."""

import asyncio
import errno
import socket
import ssl
import struct
from random import Random

import pytest

from probe.failure import Failure
from probe.model.observations import IcmpKind
from probe.model.results import CannotRun
from probe.net import limits
from probe.net import ports as ports_module
from probe.net.alerts import AlertReader, alert_of_error
from probe.net.classify import classify
from probe.net.clock import MonotonicClock
from probe.net.icmp import read_icmp_error
from probe.net.limits import AddressGate
from probe.net.meter import Meter
from probe.net.ports import Ports
from probe.net.trust import Trust, describe, name_fits
from probe.wire.bogon import is_bogon, is_private
from probe.wire.names import to_ascii

# ports


def test_ports_are_random_and_never_repeat() -> None:
    ports = Ports(Random(1))
    seen = set()
    for _ in range(200):
        with socket.socket() as sock:
            port = ports.bind(sock, "127.0.0.1")
            assert sock.getsockname() == ("127.0.0.1", port)
            seen.add(port)
    assert len(seen) == 200
    assert min(seen) >= 20_000
    assert max(seen) <= 60_999
    assert max(seen) - min(seen) > 10_000


def test_ports_of_both_families() -> None:
    ports = Ports(Random(2))
    with socket.socket(socket.AF_INET6) as sock:
        assert sock.getsockname()[1] == 0
        assert ports.bind(sock) == sock.getsockname()[1]


def test_a_port_that_another_holds_is_passed_over() -> None:
    first = Ports(Random(3))
    with socket.socket() as holder, socket.socket() as sock:
        held = first.bind(holder, "127.0.0.1")
        assert Ports(Random(3)).bind(sock, "127.0.0.1") != held


def test_used_up_ports_are_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports_module, "LAST_PORT", ports_module.FIRST_PORT + 1)
    ports = Ports(Random(4))
    with socket.socket() as one, socket.socket() as two, socket.socket() as three:
        ports.bind(one)
        ports.bind(two)
        with pytest.raises(OSError, match="assign") as caught:
            ports.bind(three)
    assert classify(caught.value) is Failure.ADDRESS_NOT_AVAILABLE


# meter


def test_a_meter_adds_to_its_parent() -> None:
    run = Meter()
    target = Meter(run)
    target.add(3, 4)
    Meter(run).add(1, 0)
    assert (target.sent_bytes, target.received_bytes) == (3, 4)
    assert (run.sent_bytes, run.received_bytes) == (4, 4)


# gate


async def test_two_at_a_time_to_one_address() -> None:
    gate, clock = AddressGate(), MonotonicClock()
    inside = {"a": 0, "b": 0}
    most = {"a": 0, "b": 0}

    async def visit(address: str) -> None:
        async with gate.slot(address, clock=clock, deadline=30):
            inside[address] += 1
            most[address] = max(most[address], inside[address])
            await asyncio.sleep(0.01)
            inside[address] -= 1

    await asyncio.gather(*(visit(address) for address in "ab" * 8))
    assert most == {"a": 2, "b": 2}


async def test_a_long_wait_is_not_the_networks_silence() -> None:
    gate, clock = AddressGate(), MonotonicClock()
    async with gate.slot("a", clock=clock, deadline=9), gate.slot("a", clock=clock, deadline=9):
        with pytest.raises(CannotRun):
            async with gate.slot("a", clock=clock, deadline=clock.now() + 0.05):
                pass
    async with gate.slot("a", clock=clock, deadline=9):
        pass


async def test_a_turn_puts_the_deadline_off() -> None:
    gate, clock = AddressGate(), MonotonicClock()

    async def hold() -> None:
        async with gate.slot("a", clock=clock, deadline=9):
            await asyncio.sleep(0.2)

    async with gate.slot("a", clock=clock, deadline=9):
        task = asyncio.create_task(hold())
        await asyncio.sleep(0)
        async with gate.turn("b", clock=clock, deadline=1) as free:
            assert 1 <= free < 1.2
        async with gate.turn("a", clock=clock, deadline=1) as late:
            assert late >= 1.1
        await task


async def test_a_gate_that_stays_shut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LONGEST_WAIT_SECONDS", 0.05)
    gate, clock = AddressGate(), MonotonicClock()
    async with gate.slot("a", clock=clock, deadline=9), gate.slot("a", clock=clock, deadline=9):
        with pytest.raises(CannotRun):
            async with gate.turn("a", clock=clock, deadline=9):
                pass


# alerts


def test_alert_in_pieces_after_other_records() -> None:
    stream = b"\x16\x03\x03\x00\x03abc" + b"\x16\x03\x03\x00\x00" + b"\x15\x03\x03\x00\x02\x02\x70"
    for size in range(1, len(stream) + 1):
        reader = AlertReader()
        for at in range(0, len(stream), size):
            reader.feed(stream[at : at + size])
        assert (reader.alert, reader.fatal) == ("unrecognized_name", True)


def test_a_warning_is_not_fatal() -> None:
    reader = AlertReader()
    reader.feed(b"\x15\x03\x03\x00\x02\x01\x70")
    assert (reader.alert, reader.fatal) == ("unrecognized_name", False)


@pytest.mark.parametrize(
    "stream", [b"HTTP/1.1 403 Forbidden\r\n\r\n" * 9, b"\x15\x03\x03\x00\x30" + bytes(48), b"", bytes(99)]
)
def test_no_alert_in_what_is_none(stream: bytes) -> None:
    reader = AlertReader()
    reader.feed(stream)
    assert reader.alert is None


@pytest.mark.parametrize(
    ("reason", "name"),
    [
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "handshake_failure"),
        ("TLSV1_ALERT_PROTOCOL_VERSION", "protocol_version"),
        ("TLSV1_UNRECOGNIZED_NAME", "unrecognized_name"),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "certificate_required"),
        ("WRONG_VERSION_NUMBER", None),
        (None, None),
    ],
)
def test_alerts_that_openssl_names(reason: str | None, name: str | None) -> None:
    error = ssl.SSLError(1, "x")
    error.reason = reason  # type: ignore[assignment]
    assert alert_of_error(error) == name


# classification


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, ""), Failure.CONNECTION_REFUSED),
        (ConnectionResetError(errno.ECONNRESET, ""), Failure.CONNECTION_RESET),
        (ConnectionResetError("no errno"), Failure.CONNECTION_RESET),
        (BrokenPipeError(errno.EPIPE, ""), Failure.CONNECTION_RESET),
        (ConnectionAbortedError(errno.ECONNABORTED, ""), Failure.CONNECTION_ABORTED),
        (TimeoutError(), Failure.GENERIC_TIMEOUT),
        (OSError(errno.ETIMEDOUT, ""), Failure.GENERIC_TIMEOUT),
        (OSError(errno.EHOSTUNREACH, ""), Failure.HOST_UNREACHABLE),
        (OSError(errno.ENETUNREACH, ""), Failure.NETWORK_UNREACHABLE),
        (OSError(errno.ENETDOWN, ""), Failure.NETWORK_DOWN),
        (OSError(errno.EAFNOSUPPORT, ""), Failure.ADDRESS_FAMILY_NOT_SUPPORTED),
        (OSError(errno.EADDRNOTAVAIL, ""), Failure.ADDRESS_NOT_AVAILABLE),
        (OSError(errno.ENOBUFS, ""), Failure.NO_BUFFER_SPACE),
        (PermissionError(errno.EPERM, ""), Failure.PERMISSION_DENIED),
        (OSError(10054, "winsock"), Failure.CONNECTION_RESET),
        (ssl.SSLEOFError(8, ""), Failure.EOF),
        (ssl.SSLError(1, ""), Failure.SSL_FAILED_HANDSHAKE),
        (asyncio.IncompleteReadError(b"", 1), Failure.EOF),
        (socket.gaierror(socket.EAI_NONAME, ""), Failure.DNS_NXDOMAIN),
        (socket.gaierror(-999, ""), Failure.UNKNOWN),
        (OSError(errno.EXDEV, ""), Failure.UNKNOWN),
        (ValueError(), Failure.UNKNOWN),
    ],
)
def test_classify(error: BaseException, failure: Failure) -> None:
    assert classify(error) is failure


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        (10, Failure.SSL_INVALID_CERTIFICATE),
        (9, Failure.SSL_INVALID_CERTIFICATE),
        (18, Failure.SSL_UNKNOWN_AUTHORITY),
        (19, Failure.SSL_UNKNOWN_AUTHORITY),
        (20, Failure.SSL_UNKNOWN_AUTHORITY),
        (62, Failure.SSL_INVALID_HOSTNAME),
    ],
)
def test_classify_verification(code: int, failure: Failure) -> None:
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_code = code
    assert classify(error) is failure


# ICMP


class _Queued(socket.socket):
    """A socket with an error in its queue, as the kernel lays it out."""

    def __init__(self, origin: int, kind: int, code: int, offender: str, own: str) -> None:
        self._is_v6 = ":" in own
        super().__init__(socket.AF_INET6 if self._is_v6 else socket.AF_INET)
        head = struct.pack("=IBBBBII", errno.EHOSTUNREACH, origin, kind, code, 0, 0, 0)
        address = socket.inet_pton(self.family, offender)
        self._data = head + bytes(8 if self._is_v6 else 4) + address + bytes(8)
        self._own = own

    def recvmsg(self, *arguments: int) -> tuple[bytes, list[tuple[int, int, bytes]], int, None]:
        return b"", [(0, 11, b"short"), (0, 11, self._data)], 0, None

    def getsockname(self) -> tuple[str, int]:
        return self._own, 1


@pytest.mark.parametrize(
    ("origin", "kind", "code", "expected"),
    [
        (2, 3, 0, IcmpKind.NETWORK_UNREACHABLE),
        (2, 3, 1, IcmpKind.HOST_UNREACHABLE),
        (2, 3, 3, IcmpKind.PORT_UNREACHABLE),
        (2, 3, 9, IcmpKind.ADMIN_PROHIBITED),
        (2, 3, 10, IcmpKind.ADMIN_PROHIBITED),
        (2, 3, 13, IcmpKind.ADMIN_PROHIBITED),
        (2, 3, 2, IcmpKind.OTHER),
        (2, 11, 0, IcmpKind.TIME_EXCEEDED),
        (2, 12, 0, IcmpKind.OTHER),
        (3, 3, 0, IcmpKind.TIME_EXCEEDED),
        (1, 0, 0, None),
        (3, 1, 1, IcmpKind.ADMIN_PROHIBITED),
        (3, 1, 0, IcmpKind.NETWORK_UNREACHABLE),
        (3, 1, 3, IcmpKind.HOST_UNREACHABLE),
        (3, 1, 4, IcmpKind.PORT_UNREACHABLE),
    ],
)
def test_icmp_kinds(origin: int, kind: int, code: int, expected: IcmpKind | None) -> None:
    own, router = ("2001:db8::1", "2001:db8::2") if origin == 3 else ("192.0.2.1", "192.0.2.2")
    with _Queued(origin, kind, code, router, own) as sock:
        error = read_icmp_error(sock)
    assert (error.kind if error else None) is expected
    assert error is None or error.offender == socket.inet_pton(sock.family, router)


def test_our_own_kernels_icmp_is_not_the_paths() -> None:
    with _Queued(2, 3, 1, "192.0.2.1", "192.0.2.1") as sock:
        assert read_icmp_error(sock) is None


# names, certificates, ranges


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Platform.Test.", "platform.test"),
        ("bücher.test", "xn--bcher-kva.test"),
        ("_dmarc.platform.test", "_dmarc.platform.test"),
        ("a..b", None),
        ("", None),
        ("-a.test", None),
        ("a b.test", None),
        ("x" * 64 + ".test", None),
        ("a." * 127 + "test", None),
        ("ü" * 70 + ".test", None),
        ("a/b", None),
    ],
)
def test_names(name: str, expected: str | None) -> None:
    assert to_ascii(name) == expected


CERTIFICATE = {
    "subjectAltName": (
        ("DNS", "platform.test"),
        ("DNS", "*.Wild.test"),
        ("IP Address", "192.0.2.7"),
        ("IP Address", "2001:DB8:0:0:0:0:0:7"),
    )
}


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("platform.test", True),
        ("PLATFORM.test.", True),
        ("www.platform.test", False),
        ("a.wild.test", True),
        ("a.b.wild.test", False),
        ("wild.test", False),
        ("192.0.2.7", True),
        ("2001:db8::7", True),
        ("192.0.2.8", False),
        ("", False),
    ],
)
def test_names_of_a_certificate(name: str, fits: bool) -> None:
    assert name_fits(CERTIFICATE, name) is fits


def test_no_certificate_fits_nothing() -> None:
    assert not name_fits(None, "platform.test")
    assert not name_fits({}, "platform.test")


def test_a_leaf_that_cannot_be_read_keeps_its_fingerprint() -> None:
    assert len(describe(b"nonsense").sha256) == 64


def test_contexts_differ_in_verification_alone() -> None:
    trust = Trust()
    contexts = (trust.verifying, trust.chain_verifying, trust.unverifying)
    assert [c.verify_mode for c in contexts] == [ssl.CERT_REQUIRED, ssl.CERT_REQUIRED, ssl.CERT_NONE]
    assert [c.check_hostname for c in contexts] == [True, False, False]
    assert len({(c.options, c.minimum_version, tuple(x["name"] for x in c.get_ciphers())) for c in contexts}) == 1


def test_an_unreadable_trust_store_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/root.pem")
    with pytest.raises(FileNotFoundError):
        Trust()


@pytest.mark.parametrize(
    ("address", "private", "bogon"),
    [
        ("10.10.34.36", True, True),
        ("127.0.0.1", True, True),
        ("192.168.1.1", True, True),
        ("172.31.255.255", True, True),
        ("172.32.0.0", False, False),
        ("169.254.1.1", True, True),
        ("0.0.0.0", True, True),
        ("100.64.0.1", False, True),
        ("198.18.0.1", False, True),
        ("203.0.113.7", False, True),
        ("224.0.0.1", False, True),
        ("255.255.255.255", False, True),
        ("104.244.42.193", False, False),
        ("8.8.8.8", False, False),
        ("::", True, True),
        ("::1", True, True),
        ("fd00::1", True, True),
        ("fe80::1%eth0", True, True),
        ("::ffff:10.0.0.1", True, True),
        ("::ffff:8.8.8.8", False, False),
        ("64:ff9b::808:808", False, False),
        ("64:ff9b::a00:1", True, True),
        ("2001:db8::1", False, True),
        ("2002:a00:1::1", False, True),
        ("2606:4700::6810:84e5", False, False),
        ("2a00:1450:4001::1", False, False),
        ("4000::1", False, True),
    ],
)
def test_ranges(address: str, private: bool, bogon: bool) -> None:
    assert is_private(address) is private
    assert is_bogon(address) is bogon


def test_a_name_has_no_range() -> None:
    with pytest.raises(ValueError, match="platform"):
        is_bogon("platform.test")
