"""Is this certificate chain valid for this name, and what does the leaf say?

One trust store for HTTPS, DNS over HTTPS and the TLS check: `SSL_CERT_FILE` alone if set, else the system's. All
contexts send the same ClientHello, so arms of a comparison differ in the server name alone. Contexts are made once
per run: each costs about 30 ms of CPU.

The chain is checked by OpenSSL within the handshake; the name by `name_fits`, because the name to be verified and the
name sent (SNI) may differ.
"""

import ipaddress
import os
import ssl
from collections.abc import Mapping
from hashlib import sha256

from cryptography import x509

from probe.failure import Failure
from probe.model.observations import Certificate
from probe.wire.names import to_ascii

ALPN_PROTOCOLS = ("http/1.1",)
MAX_KEPT_NAMES = 100  # of a certificate; some CDNs list as many, more only serves to waste memory
MAX_KEPT_NAME_CHARACTERS = 256
MAX_READ_NAME_CHARACTERS = 4096  # a name is scrubbed whole before it is cut to what is kept; a longer one is none

# X509_verify_cert's error codes (openssl/x509_vfy.h) that speak of an authority this store does not know.
UNKNOWN_AUTHORITY_CODES = frozenset({2, 18, 19, 20, 21, 27})
HOSTNAME_CODES = frozenset({62, 63, 64})


class Trust:
    """The contexts of one run.

    `verifying` checks chain and name (the name sent is the name checked), `chain_verifying` the chain alone,
    `unverifying` nothing. Raises OSError (or ssl.SSLError) when `SSL_CERT_FILE` cannot be read.
    """

    __slots__ = ("chain_verifying", "unverifying", "verifying")

    def __init__(self) -> None:
        self.verifying = _context(ssl.CERT_REQUIRED, check_hostname=True)
        self.chain_verifying = _context(ssl.CERT_REQUIRED, check_hostname=False)
        self.unverifying = _context(ssl.CERT_NONE, check_hostname=False)


def _context(mode: ssl.VerifyMode, *, check_hostname: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = check_hostname
    context.verify_mode = mode
    context.set_alpn_protocols(list(ALPN_PROTOCOLS))
    if mode is not ssl.CERT_NONE:
        if own_store := os.environ.get("SSL_CERT_FILE"):
            context.load_verify_locations(cafile=own_store)
        else:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return context


def classify_verification(error: ssl.SSLCertVerificationError) -> Failure:
    """What is wrong with a chain: an unknown authority, the name, or anything else (dates, signatures, purposes)."""
    if error.verify_code in UNKNOWN_AUTHORITY_CODES:
        return Failure.SSL_UNKNOWN_AUTHORITY
    if error.verify_code in HOSTNAME_CODES:
        return Failure.SSL_INVALID_HOSTNAME
    return Failure.SSL_INVALID_CERTIFICATE


def name_fits(certificate: Mapping[str, object] | None, name: str) -> bool:
    """Whether a verified leaf is made out to `name`, by RFC 9525 §6: alternative names only, one leading wildcard.

    `certificate` is what `getpeercert()` gives after the chain was verified.
    """
    listed = (certificate or {}).get("subjectAltName", ())
    names = [entry for entry in listed if len(entry) == 2] if isinstance(listed, tuple) else []
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        wanted = to_ascii(name)
        return wanted is not None and any(_matches(text, wanted) for kind, text in names if kind == "DNS")
    return any(_is_address(text, address) for kind, text in names if kind == "IP Address")


def _is_address(text: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return ipaddress.ip_address(text.strip()) == address
    except ValueError:
        return False


def _matches(pattern: str, wanted: str) -> bool:
    pattern = pattern.lower().rstrip(".")
    if pattern == wanted:
        return True
    label, _, parent = wanted.partition(".")
    return bool(label) and "." in parent and pattern == f"*.{parent}"


def describe(leaf_der: bytes) -> Certificate:
    """The leaf's fields, as text still to be scrubbed, and then cut to `MAX_KEPT_NAME_CHARACTERS`.

    A leaf that cannot be parsed keeps its fingerprint alone.
    """
    fingerprint = sha256(leaf_der).hexdigest()
    try:
        leaf = x509.load_der_x509_certificate(leaf_der)
        return Certificate(
            sha256=fingerprint,
            subject=_readable(leaf.subject.rfc4514_string()),
            issuer=_readable(leaf.issuer.rfc4514_string()),
            names=_alternative_names(leaf),
            not_before=leaf.not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
            not_after=leaf.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
            self_signed=leaf.subject == leaf.issuer,
        )
    except (ValueError, TypeError, x509.InvalidVersion):
        return Certificate(
            sha256=fingerprint, subject="", issuer="", names=(), not_before="", not_after="", self_signed=False
        )


def _alternative_names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return ()
    dns = names.get_values_for_type(x509.DNSName)
    addresses = (str(a) for a in names.get_values_for_type(x509.IPAddress))
    return tuple(_readable(name) for name in (*dns, *addresses))[:MAX_KEPT_NAMES]


def _readable(name: str) -> str:
    return name if len(name) <= MAX_READ_NAME_CHARACTERS else ""
