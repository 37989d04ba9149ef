"""Is this text a URL, a host name or an endpoint that may be contacted, and what is its one spelling?

Syntax only: whether a name exists, and who answers for it, is what the checks are there to find out. Every function
returns the normal form or raises `ValueError` with a message for the person who wrote the text.
"""

import ipaddress
import re
from urllib.parse import quote, urlsplit, urlunsplit

import idna

from probe.model.targets import Endpoint

PLACEHOLDER = "{bytes}"  # in a media URL: how many bytes are wanted
MAX_URL_CHARACTERS = 2_000  # what servers and proxies are known to accept
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")  # RFC 1034 section 3.5, and "_" as in real CDN names
_KEPT = "%/:@!$&'()*+,;=~-._?"  # RFC 3986: what a path or a query may hold unquoted
_DEFAULT_PORTS = {"http": 80, "https": 443}


def host_name(text: str, *, local: bool = False) -> str:
    """A host name in its ASCII form, lower case, without the root's dot. An address is no name.

    `local`: whether a name without a dot will do (`localhost`, a container's name).
    """
    if not text:
        raise ValueError("a host name is missing")
    if address_or_none(text.strip("[]")) is not None:
        raise ValueError(f"{text} is an address, not a host name")
    name = text.rstrip(".").lower() if text.count("..") == 0 else text
    if not name.isascii():
        name = _ascii_form(name)
    labels = name.split(".")
    if len(labels) < 2 and not local:
        raise ValueError(f"{text} is not a full host name (it has no dot)")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise ValueError(f"{text} is not a valid host name")
    return name


def _ascii_form(name: str) -> str:
    """The IDNA 2008 form of an international name, with UTS 46 mapping as browsers do it."""
    try:
        return idna.encode(name, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError) as error:
        raise ValueError(f"{name} is not a valid international host name: {error}") from None


def address_or_none(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a literal stands for; None where the text is no literal."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def address(text: str) -> str:
    """An IPv4 or IPv6 literal in its canonical spelling, without brackets; a name or a zone is refused."""
    found = address_or_none(text)
    if found is None:
        raise ValueError(f"{text!r} is not an IPv4 or IPv6 address")
    if isinstance(found, ipaddress.IPv6Address) and found.scope_id:
        raise ValueError(f"{text} names an interface of one machine (%{found.scope_id})")
    if found.is_unspecified or found.is_multicast or found == ipaddress.IPv4Address("255.255.255.255"):
        raise ValueError(f"{text} is not the address of a host")
    return str(found)


def url(
    text: str,
    *,
    schemes: tuple[str, ...],
    literal_host: bool = False,
    local_host: bool = False,
    placeholder: bool = False,
) -> str:
    """An absolute URL, normalised: scheme and host in lower case and ASCII, path at least "/", default port left out.

    `literal_host`: whether the host may be an address. `local_host`: whether it may be a name without a dot.
    `placeholder`: whether `{bytes}` may stand in path or query.
    """
    if len(text) > MAX_URL_CHARACTERS:
        raise ValueError(f"longer than {MAX_URL_CHARACTERS} characters")
    if any(character.isspace() or ord(character) < 0x20 or character == "\\" for character in text):
        raise ValueError("a URL holds no spaces, control characters or backslashes")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"not a URL: {str(error)[:1].lower()}{str(error)[1:]}") from None
    scheme = parts.scheme.lower()
    if scheme not in schemes:
        wanted = " or ".join(f"{known}://" for known in schemes)
        raise ValueError(f"must begin with {wanted}")
    if "@" in parts.netloc:
        raise ValueError("must not hold credentials (the part before @)")
    if parts.fragment or text.endswith("#"):
        raise ValueError("must not have a fragment (the part after #)")
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError("has no valid port")
    host = _host_of_url(parts.hostname or "", literal=literal_host, local=local_host)
    _check_placeholders(parts.path + "?" + parts.query, allowed=placeholder)
    netloc = host if port in (None, _DEFAULT_PORTS[scheme]) else f"{host}:{port}"
    kept = _KEPT + ("{}" if placeholder else "")
    return urlunsplit((scheme, netloc, quote(parts.path or "/", safe=kept), quote(parts.query, safe=kept), ""))


def _host_of_url(host: str, *, literal: bool, local: bool) -> str:
    if not host:
        raise ValueError("has no host")
    if address_or_none(host) is None:
        return host_name(host, local=local)
    if not literal:
        raise ValueError(f"{host} is an address: it has no name to look up or to send (list it under services)")
    normal = address(host)
    return f"[{normal}]" if ":" in normal else normal


def _check_placeholders(text: str, *, allowed: bool) -> None:
    """Refuse a brace that is not part of an allowed `{bytes}`."""
    rest = text.replace(PLACEHOLDER, "") if allowed else text
    if "{" not in rest and "}" not in rest:
        return
    if not allowed and PLACEHOLDER in text:
        raise ValueError(f"{PLACEHOLDER} is for media URLs only")
    if allowed:
        raise ValueError(f"the only placeholder is {PLACEHOLDER}")
    raise ValueError("a URL holds no braces")


def endpoint(text: str) -> Endpoint:
    """`tcp://192.0.2.1:443` or `tcp://[2001:db8::1]:443`: an address literal and a port, nothing else."""
    if not text.startswith("tcp://"):
        raise ValueError("must begin with tcp://")
    if text.count(":") > 2 and "[" not in text:
        raise ValueError("an IPv6 address stands in brackets: tcp://[2001:db8::1]:443")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"not an endpoint: {str(error)[:1].lower()}{str(error)[1:]}") from None
    if parts.path or parts.query or parts.fragment or "@" in parts.netloc or text.endswith(("?", "#")):
        raise ValueError("must be tcp://address:port and nothing more")
    if not port:
        raise ValueError("has no port from 1 to 65535")
    if address_or_none(parts.hostname or "") is None:
        raise ValueError(
            f"{parts.hostname or 'nothing'} is not an address (a service is given by address, never by name)"
        )
    return Endpoint(address=address(parts.hostname or ""), port=port)


def host_and_port(text: str) -> tuple[str, int]:
    """Host and port that a valid http or https URL leads to; an IPv6 literal without brackets."""
    parts = urlsplit(text)
    return parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]
