"""Can this address be that of a public server?

Tables of special-purpose addresses, by purpose; what an answer with one of them means is for `probe.verdict`.

Sources: RFC 6890 and the IANA special-purpose address registries (IPv4, IPv6), RFC 1918, 4193, 4291, 6598, 5737,
3849, 9637, 2544, 6052, 7526.
"""

import ipaddress
from collections.abc import Iterable

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _networks(texts: Iterable[str]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


# Somebody's own machine or own network: recorded when an answer or a redirect names them, never dialled.
_PRIVATE = _networks(
    (
        "0.0.0.0/8",  # "this host": dialling it dials the machine itself
        "10.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::/128",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",  # site-local: deprecated (RFC 3879), still somebody's own
    )
)

# Where a provider or an office may run a server of its own that the rest of the world reaches elsewhere.
_INTERNAL = _networks(("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))

_BOGON = _PRIVATE + _networks(
    (
        "100.64.0.0/10",  # carrier-grade NAT
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # deprecated 6to4 relays
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "100::/64",  # discard
        "2001::/23",  # protocol assignments, Teredo
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "64:ff9b:1::/48",  # local translation
        "ff00::/8",
    )
)

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")  # NAT64: an IPv4 address in disguise (RFC 6052)


def is_private(address: str) -> bool:
    """Whether `address` is somebody's own: RFC 1918, unique-local, loopback, link-local, unspecified.

    Raises ValueError when `address` is not a literal.
    """
    return _is_in(_PRIVATE, _plain(address))


def is_internal(address: str) -> bool:
    """Whether a server of this network's own may have `address`: RFC 1918, RFC 6598 (carrier-grade NAT), unique-local.

    Raises ValueError when `address` is not a literal.
    """
    return _is_in(_INTERNAL, _plain(address))


def is_bogon(address: str) -> bool:
    """Whether no public server can have this address. Raises ValueError when `address` is not a literal."""
    plain = _plain(address)
    if isinstance(plain, ipaddress.IPv6Address) and plain not in _GLOBAL_UNICAST:
        return True
    return _is_in(_BOGON, plain)


def _plain(address: str) -> Address:
    """The address without a zone; an IPv4 address that an IPv6 one carries stands for itself."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return parsed.ipv4_mapped
        if parsed in _TRANSLATED:
            return ipaddress.IPv4Address(int(parsed) & 0xFFFF_FFFF)
    return parsed


def _is_in(networks: tuple[Network, ...], address: Address) -> bool:
    return any(address.version == network.version and address in network for network in networks)
