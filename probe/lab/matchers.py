"""Which flows does a rule of the censor mean?

Small frozen records, each with one question: `matches(sighting)` is True, False, or None where it cannot be told (yet)
because the flow has shown nothing of that kind. `Not`, `AllOf` and `AnyOf` join them with the same three answers, so
that "every name but these" means TLS with other names and leaves what is no TLS alone. What is done to a flow that
matches is in `probe.lab.actions`.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from probe.lab.sightings import Request, RequestKind, Sighting
from probe.wire import packets
from probe.wire.quic import VERSION_1

TSPU_QUIC_BYTES = 1001  # UDP payload from which QUIC v1 was dropped in Russia (net4people/bbs #108)


class NameTest(Enum):
    """How a censor compares names. SUBSTRING is how `t.co` caught `microsoft.com` in 2021 (Xue et al., IMC 2021)."""

    EXACT = "exact"
    SUFFIX = "suffix"
    SUBSTRING = "substring"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamePattern:
    """One listed name; SUFFIX covers the name itself and all names below it."""

    text: str
    test: NameTest = NameTest.SUFFIX

    def covers(self, name: str) -> bool:
        if self.test is NameTest.EXACT:
            return name == self.text
        if self.test is NameTest.SUBSTRING:
            return self.text in name
        return name == self.text or name.endswith("." + self.text)


def named(text: str, test: NameTest = NameTest.SUFFIX) -> NamePattern:
    """A pattern in one word, for tables of rules."""
    return NamePattern(text=text, test=test)


class Matcher(Protocol):
    """`matches`: whether a flow is meant; None where what it has shown so far is not of the kind asked for."""

    def matches(self, sighting: Sighting) -> bool | None: ...


def _is_listed(request: Request | None, kind: RequestKind, *patterns: NamePattern) -> bool | None:
    if request is None or request.kind is not kind or not request.name_is_known:
        return None
    return request.name is not None and any(pattern.covers(request.name) for pattern in patterns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sni:
    """TLS connections whose ClientHello carries a listed name."""

    pattern: NamePattern

    def matches(self, sighting: Sighting) -> bool | None:
        return _is_listed(sighting.request, RequestKind.TLS, self.pattern)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnySni:
    """TLS connections whose ClientHello carries one of many listed names; under `Not`, a white list.

    Russia's mobile operators let nothing but listed names through during shutdowns, from 2025 on (net4people/bbs #516).
    """

    patterns: tuple[NamePattern, ...]

    def matches(self, sighting: Sighting) -> bool | None:
        return _is_listed(sighting.request, RequestKind.TLS, *self.patterns)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyTls:
    """Every TLS connection, from its ClientHello on."""

    def matches(self, sighting: Sighting) -> bool | None:
        return None if sighting.request is None else sighting.request.kind is RequestKind.TLS


@dataclass(frozen=True, slots=True, kw_only=True)
class EchWithSni:
    """ClientHellos, over TCP or QUIC, with both the encrypted_client_hello extension and a listed outer name; either
    alone passes.

    Russia, from 5 November 2024, with the outer name `cloudflare-ech.com` (net4people/bbs #417).
    """

    pattern: NamePattern

    def matches(self, sighting: Sighting) -> bool | None:
        answers = (_is_listed(sighting.request, kind, self.pattern) for kind in (RequestKind.TLS, RequestKind.QUIC))
        listed = next((answer for answer in answers if answer is not None), None)
        return listed and sighting.request is not None and sighting.request.has_ech


@dataclass(frozen=True, slots=True, kw_only=True)
class QuicSni:
    """QUIC v1 and v2 connections whose Initial, decrypted, carries a listed name.

    Russia, no later than July 2023, and for `googlevideo.com` from July 2024 (net4people/bbs #654, #382).
    """

    pattern: NamePattern

    def matches(self, sighting: Sighting) -> bool | None:
        return _is_listed(sighting.request, RequestKind.QUIC, self.pattern)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuicSize:
    """QUIC datagrams of listed versions to UDP port 443 with a payload of at least so many bytes, whatever the name.

    Russia, from March 2022: version 1 from 1001 bytes on, which every client's first Initial has (net4people/bbs
    #108).
    """

    at_least_bytes: int = TSPU_QUIC_BYTES
    versions: tuple[int, ...] = (VERSION_1,)

    def matches(self, sighting: Sighting) -> bool | None:
        request = sighting.request
        if request is None or request.kind is not RequestKind.QUIC:
            return None
        return request.quic_version in self.versions and request.size_bytes >= self.at_least_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpHost:
    """Plain HTTP connections whose first request carries a listed Host."""

    pattern: NamePattern

    def matches(self, sighting: Sighting) -> bool | None:
        return _is_listed(sighting.request, RequestKind.HTTP, self.pattern)


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsName:
    """DNS queries over UDP port 53 for a listed name, to whatever resolver. Each query is judged by itself, since one
    port may ask for several names.
    """

    pattern: NamePattern

    def matches(self, sighting: Sighting) -> bool | None:
        return _is_listed(sighting.request, RequestKind.DNS, self.pattern)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToAddress:
    """Every flow to a listed address (and, where given, port)."""

    addresses: tuple[str, ...]
    port: int | None = None

    def matches(self, sighting: Sighting) -> bool | None:
        return sighting.server in self.addresses and self.port in (None, sighting.server_port)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToPort:
    """Every flow to a server's port, over TCP or UDP alone where `protocol` says so.

    Port 853 blocks DNS over TLS, UDP port 53 is what a transparent DNS proxy takes: both are what ValdikSS's blockcheck
    looks for in Russia.
    """

    port: int
    protocol: packets.Protocol | None = None

    def matches(self, sighting: Sighting) -> bool | None:
        return sighting.server_port == self.port and self.protocol in (None, sighting.protocol)


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    """Every flow: the generalised slow-down of a whole line."""

    def matches(self, sighting: Sighting) -> bool | None:
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareOfFlows:
    """A share of all flows, drawn by a hash of the five-tuple: the same flow is always in or always out.

    Freezes in Russia do "not restrict every connection" (dpi-checkers #44, #20); half of the fixed lines were slowed
    in 2021 by the regulator's own word.
    """

    share: float
    seed: int = 0

    def matches(self, sighting: Sighting) -> bool | None:
        return sighting.draw(self.seed) < self.share * 2**64


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    """The flows of the kind asked for that the matcher does not mean: white lists."""

    matcher: Matcher

    def matches(self, sighting: Sighting) -> bool | None:
        answer = self.matcher.matches(sighting)
        return None if answer is None else not answer


@dataclass(frozen=True, slots=True, kw_only=True)
class AllOf:
    """What every one of the matchers means: a name at an address, a name on a share of flows."""

    matchers: tuple[Matcher, ...]

    def matches(self, sighting: Sighting) -> bool | None:
        answers = [matcher.matches(sighting) for matcher in self.matchers]
        if False in answers:
            return False
        return None if None in answers else True


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOf:
    """What at least one of the matchers means."""

    matchers: tuple[Matcher, ...]

    def matches(self, sighting: Sighting) -> bool | None:
        answers = [matcher.matches(sighting) for matcher in self.matchers]
        if True in answers:
            return True
        return None if None in answers else False
