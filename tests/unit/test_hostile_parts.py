"""Single parts under attack: certificates that cannot be read or hide an address, resolvers that name our own line."""

import socket
from dataclasses import replace

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from probe.failure import Failure
from probe.model.observations import Certificate
from probe.net import dns, meter
from probe.net.classify import classify
from probe.net.instruments import KnownAddresses
from probe.net.stream import scrubbed
from probe.net.trust import MAX_KEPT_NAME_CHARACTERS, describe

PLAIN = Certificate(sha256="0" * 64, subject="", issuer="", names=(), not_before="", not_after="", self_signed=False)


@pytest.mark.parametrize("start", range(MAX_KEPT_NAME_CHARACTERS - 14, MAX_KEPT_NAME_CHARACTERS + 2))
@pytest.mark.parametrize("own", ["203.0.113.77", "2001:db8:77::1"])
def test_no_half_of_an_address_is_left_where_a_name_is_cut(start: int, own: str) -> None:
    text = "a" * (start - 1) + " " + own
    kept = scrubbed(replace(PLAIN, subject=text, issuer=text, names=(text,)), KnownAddresses())
    for name in (kept.subject, kept.issuer, *kept.names):
        assert len(name) <= MAX_KEPT_NAME_CHARACTERS
        assert own[:3] not in name


def test_a_name_too_long_to_be_read_is_not_kept() -> None:
    leaf = x509.load_pem_x509_certificate(trustme.CA().issue_cert("a.test").cert_chain_pems[0].bytes())
    long = trustme.CA().issue_cert("a.test", organization_name="x" * 64)
    assert describe(leaf.public_bytes(Encoding.DER)).names == ("a.test",)
    der = x509.load_pem_x509_certificate(long.cert_chain_pems[0].bytes()).public_bytes(Encoding.DER)
    assert "x" * 64 in describe(der).subject


def test_a_leaf_of_an_unheard_of_version_keeps_its_fingerprint() -> None:
    """OpenSSL completes a handshake with it where the chain is not checked; the parser refuses it."""
    leaf = trustme.CA().issue_cert("a.test").cert_chain_pems[0].bytes()
    der = x509.load_pem_x509_certificate(leaf).public_bytes(Encoding.DER)
    strange = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07", 1)
    assert strange != der
    found = describe(strange)
    assert (found.subject, found.names) == ("", ())
    assert len(found.sha256) == 64


class FromOurLine:
    """A socket that would speak from 2001:db8:77::2."""

    def __init__(self, *_: object) -> None:
        pass

    def __enter__(self) -> "FromOurLine":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def connect(self, _: object) -> None:
        pass

    def getsockname(self) -> tuple[str, int, int, int]:
        return ("2001:db8:77::2", 40_000, 0, 0)


@pytest.mark.parametrize(
    ("server", "ours"),
    [
        ("2001:db8:77::1", True),
        ("2001:db8:78::1", False),
        ("2001:4860:4860::8888", False),
        ("fd00::1", False),
        ("::1", False),
        ("192.0.2.1", False),
    ],
)
def test_a_resolver_within_our_own_prefix_is_not_named(
    monkeypatch: pytest.MonkeyPatch, server: str, ours: bool
) -> None:
    monkeypatch.setattr(socket, "socket", FromOurLine)
    assert dns.shares_our_prefix(server) is ours


def test_too_many_bytes_are_the_servers_fault() -> None:
    """Neither a reset nor a silence: nothing a censor would be accused of."""
    assert classify(meter.TooManyBytesError("more than an answer")) is Failure.HTTP_REQUEST_FAILED
