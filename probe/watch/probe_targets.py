"""What may `/probe` be pointed at? What the configuration names, and nothing else: it is no open proxy.

A target is named by its id, by one of its sites' URLs, by a host or host:port of these, or by one of its services. What
is done there is the probers' business; where a redirect may lead is asked here too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from probe.checks.addresses import is_literal
from probe.config.plan import HTTP_PORT, HTTPS_PORT
from probe.config.urls import host_and_port
from probe.model.targets import Controls, Endpoint, Resolver, Target
from probe.verdict.answers import registrable

SYSTEM = "system"  # the line's own resolver
DEFAULT_ENDS = {"http": f":{HTTP_PORT}", "https": f":{HTTPS_PORT}"}  # of an authority, left out in Host


class UnknownTarget(ValueError):
    """The configuration names nothing of this kind; the message is for whoever asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A host, by name or address literal, and a port."""

    host: str
    port: int

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Catalogue:
    """The hosts of all configured targets, and which resolvers there are."""

    def __init__(self, targets: Sequence[Target], controls: Controls) -> None:
        self._targets = {target.id: target for target in targets}
        self._urls = {site for target in targets for site in target.sites}
        self._places = {place for target in targets for place in _places(target)}
        self._hosts = frozenset(place.host for place in self._places)
        self._resolvers = {resolver.name: resolver for resolver in controls.resolvers}
        self.control_resolvers = controls.resolvers

    def url(self, text: str) -> str:
        """The URL that an HTTP probe asks for. Raises UnknownTarget."""
        if (target := self._targets.get(text)) is not None:
            if not target.sites:
                raise UnknownTarget(f"target {text} has no site to ask for")
            return target.sites[0]
        url = text if text.lower().startswith(("http://", "https://")) else f"http://{text}"
        if url in self._urls or f"{url}/" in self._urls:
            return url if url in self._urls else f"{url}/"
        place, path = _split(url, text)
        if place in self._places and path in ("", "/"):
            # Not as it was written: a root's dot in SNI or Host is one thing to some servers and another to others.
            scheme = urlsplit(url).scheme.lower()
            return f"{scheme}://{place.authority.removesuffix(DEFAULT_ENDS[scheme])}/"
        raise UnknownTarget(f"no configured target has {_shown(text)}")

    def place(self, text: str, *, port: int | None) -> Place:
        """Where a TCP or TLS probe connects; `port` instead of the target's own. Raises UnknownTarget."""
        if (target := self._targets.get(text)) is not None:
            own = _first_place(target)
            return own if port is None else Place(host=own.host, port=port)
        if text.startswith(("http://", "https://")):
            own = Place(host=host_and_port(self.url(text))[0], port=host_and_port(self.url(text))[1])
            return own if port is None else Place(host=own.host, port=port)
        asked, _ = _split(f"//{text.removeprefix('tcp://')}", text)
        if asked.port and asked in self._places:
            return asked if port is None else Place(host=asked.host, port=port)
        if not asked.port and asked.host in self._hosts:
            ports = [place.port for place in self._places if place.host == asked.host]
            return Place(host=asked.host, port=port or (HTTPS_PORT if HTTPS_PORT in ports else min(ports)))
        raise UnknownTarget(f"no configured target has {_shown(text)}")

    def name(self, text: str) -> str:
        """The host name that a DNS probe asks for. Raises UnknownTarget."""
        host = self.place(text, port=None).host
        if is_literal(host):
            raise UnknownTarget(f"{_shown(text)} is an address: it has no name to look up")
        return host

    def host(self, text: str) -> str:
        """A host of any target, for `hostname=`. Raises UnknownTarget."""
        if text.lower() in self._hosts:
            return text.lower()
        raise UnknownTarget(f"no configured target has the host name {_shown(text)}")

    def resolver(self, name: str) -> Resolver | None:
        """The control resolver of this name; None for one that is not there."""
        return self._resolvers.get(name)

    def server(self, text: str) -> str:
        """The address of a control resolver, by its name or address, or "system". Raises UnknownTarget."""
        if text == SYSTEM:
            return SYSTEM
        if (resolver := self._resolvers.get(text)) is not None:
            return resolver.address
        addresses = {resolver.address for resolver in self.control_resolvers}
        address = text.removesuffix(":53").strip("[]")
        if text in addresses or address in addresses:
            return text if text in addresses else address
        raise UnknownTarget(f"no resolver of the controls is {_shown(text)}")

    def may_follow(self, host: str, start: str) -> bool:
        """Whether a redirect from a site at `start` may lead to `host`: a configured host, or one that is registered
        under the same name (x.example to www.x.example). The first call blocks for 100 ms.
        """
        if host in self._hosts:
            return True
        if is_literal(host) or is_literal(start):
            return host == start
        return registrable(host) == registrable(start)


def _places(target: Target) -> Iterable[Place]:
    """Where a target's checks connect: a site over http and over https, and its services."""
    for site in target.sites:
        host, port = host_and_port(site)
        yield Place(host=host, port=port)
        if port in (HTTP_PORT, HTTPS_PORT):
            yield Place(host=host, port=HTTP_PORT)
            yield Place(host=host, port=HTTPS_PORT)
    for service in target.services:
        yield _of(service)


def _of(endpoint: Endpoint) -> Place:
    return Place(host=endpoint.address, port=endpoint.port)


def _first_place(target: Target) -> Place:
    for place in _places(target):
        return place
    raise UnknownTarget(f"target {target.id} has neither a site nor a service to connect to")


def _split(url: str, text: str) -> tuple[Place, str]:
    """Host, port (0: none given and no scheme to tell it) and path with query. Raises UnknownTarget for no URL."""
    try:
        parts = urlsplit(url)
        default = {"http": HTTP_PORT, "https": HTTPS_PORT}.get(parts.scheme, 0)
        host, port = (parts.hostname or "").rstrip("."), default if parts.port is None else parts.port
    except ValueError:
        raise UnknownTarget(f"{_shown(text)} is neither a target nor a place") from None
    if not host or "@" in parts.netloc or parts.fragment:
        raise UnknownTarget(f"{_shown(text)} is neither a target nor a place")
    return Place(host=host, port=port), parts.path + (f"?{parts.query}" if parts.query else "")


def _shown(text: str) -> str:
    return ascii(text[:100])
