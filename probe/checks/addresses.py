"""Which addresses of a host may be dialled, and who vouches for them?

A control resolver vouches for what it gives; so does a TLS handshake that verified for the name. What only the
system's resolver gave is vouched for by nobody (design §4): if it is private it is recorded and never dialled.
"""

from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from probe.model.observations import DnsQuery, TlsHandshake
from probe.wire.bogon import is_private


def host_of(text: str) -> str:
    """The host of a URL, a name, "name:port" or "[v6]:port", in lower case without a root dot; "" where none is."""
    if is_literal(text):
        return text.lower()
    try:
        host = urlsplit(text if "//" in text else f"//{text}").hostname
    except ValueError:  # what scrubbing left of an address literal, or worse
        return ""
    return (host or "").rstrip(".")


def is_literal(host: str) -> bool:
    """Whether this is an address rather than a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_nobody(address: str) -> bool:
    """Whether no host can have this address: unspecified ("connect to myself"), "this network", multicast."""
    ip = ip_address(address)
    return ip.is_unspecified or ip.is_multicast or (ip.version == 4 and (int(ip) >> 24 == 0 or int(ip) == 2**32 - 1))


def embedded_ipv4(address: str) -> str | None:
    """The IPv4 address in the last 32 bits of an IPv6 one, where DNS64 puts it (RFC 6052 §2.2, /96 prefixes)."""
    ip = ip_address(address)
    if not isinstance(ip, IPv6Address):
        return None
    value = int(ip) & 0xFFFF_FFFF
    return ".".join(str(value >> shift & 0xFF) for shift in (24, 16, 8, 0))


def may_dial_unvouched(address: str) -> bool:
    """Whether an address that only the system or a redirect gave may be contacted."""
    return is_literal(address) and not is_private(address) and not is_nobody(address)


def distinct(found: Iterable[str]) -> tuple[str, ...]:
    """Each valid address once, IPv4 before IPv6, else in the order found."""
    return tuple(sorted(dict.fromkeys(a for a in found if is_literal(a)), key=lambda address: ":" in address))


def given(queries: Iterable[DnsQuery]) -> tuple[str, ...]:
    """What these queries were answered first: what a program would have used."""
    return distinct(address for query in queries for address in query.addresses)


def verified(handshakes: Iterable[TlsHandshake], hostname: str) -> tuple[str, ...]:
    """Where a TLS handshake for the name completed and its chain verified."""
    return distinct(h.endpoint.address for h in handshakes if verifies(h, hostname))


def verifies(handshake: TlsHandshake, hostname: str) -> bool:
    """Whether this handshake proves that its address serves the name."""
    return handshake.failure is None and handshake.verify_failure is None and handshake.verified_name == hostname


def dialable(control: Iterable[DnsQuery]) -> tuple[str, ...]:
    """What control resolvers gave, reserved ranges included, those that no host can have left out."""
    return tuple(address for address in given(control) if not is_nobody(address))
