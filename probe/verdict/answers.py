"""Are two answers the same, and is an answer over plain HTTP unusual for a site?

Structure alone accuses nobody: it only says where the comparisons of `probe.verdict.http` have something to explain.
"""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from functools import cache

from publicsuffixlist import PublicSuffixList

from probe.checks.addresses import host_of, is_literal
from probe.model.observations import HttpExchange

TINY_BODY_BYTES = 4096  # a notice; a front page rarely fits (Jones et al. 2014 separate blockpages by length)
SAME_WORDS_SHARE = 0.9  # of the words of both: a notice may carry the time or the URL
DIFFERENT_WORDS_SHARE = 0.5  # below it, two pages have little to do with each other
MIN_COMMON_WORDS = 3  # an empty or one-word body is everybody's
MIN_NAME_CHARACTERS = 3  # a shorter name stands in any page by chance ("t" of t.co)
NOTICE_STATUSES = frozenset({200, 403})
UNAVAILABLE_FOR_LEGAL_REASONS = 451  # RFC 7725


class Unusual(StrEnum):
    """In what way an answer over plain HTTP is not what a site's own would be; structure only."""

    NO = "no"
    REDIRECT = "redirect"
    PAGE = "page"
    STATUS = "status"


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def registrable(host: str) -> str:
    """The domain that somebody registered ("bbc.co.uk" of "www.bbc.co.uk"), or the host itself where none is."""
    if not host or is_literal(host):
        return host
    found: str | None = _suffixes().privatesuffix(host)
    return found or host


def is_same(one: HttpExchange, other: HttpExchange) -> bool:
    """Whether both are one answer: the same status, and the same place to go to or, nearly, the same words."""
    if one.status is None or one.status != other.status:
        return False
    if one.location is not None or other.location is not None:
        return _place(one) == _place(other)
    if one.body_sha256 == other.body_sha256:
        return one.body_bytes > 0
    words = min(len(one.body.split()), len(other.body.split()))
    return words >= MIN_COMMON_WORDS and shared_words(one.body, other.body) >= SAME_WORDS_SHARE


def is_different(one: HttpExchange, other: HttpExchange) -> bool:
    """Whether both answered, and not the same; two empty bodies are neither the same nor different."""
    if one.status is None or other.status is None:
        return False
    if one.status != other.status or _place(one) != _place(other):
        return True
    if one.location is not None or one.body_sha256 == other.body_sha256:
        return False
    return shared_words(one.body, other.body) < SAME_WORDS_SHARE


def _place(exchange: HttpExchange) -> str | None:
    """Where a redirect goes, without path and query, which may carry the URL that was asked for."""
    if exchange.location is None:
        return None
    return host_of(exchange.location) or exchange.location.partition("?")[0]


def shared_words(one: str, other: str) -> float:
    """The share of words that two texts have in common, 0 to 1 (Sørensen-Dice over multisets)."""
    first, second = Counter(one.split()), Counter(other.split())
    total = first.total() + second.total()
    return 2 * (first & second).total() / total if total else 0.0


def unusual(plain: HttpExchange, host: str, secure: Sequence[HttpExchange]) -> Unusual:
    """How the plain answer differs from what a site would say; `secure` are its verified answers over https."""
    if plain.status is None:
        return Unusual.NO
    if plain.status == UNAVAILABLE_FOR_LEGAL_REASONS:
        return Unusual.STATUS
    if plain.location is not None:
        own = {registrable(host), *(registrable(host_of(e.url)) for e in secure)}
        own |= {registrable(host_of(e.location)) for e in secure if e.location is not None}
        return Unusual.NO if registrable(host_of(plain.location)) in own else Unusual.REDIRECT
    return Unusual.PAGE if _is_strange_page(plain, host, secure) else Unusual.NO


def _is_strange_page(plain: HttpExchange, host: str, secure: Sequence[HttpExchange]) -> bool:
    if plain.status not in NOTICE_STATUSES or f"https://{host}" in plain.body:
        return False
    if any(shared_words(plain.body, e.body) >= DIFFERENT_WORDS_SHARE for e in secure):
        return False
    tiny = plain.body_bytes < TINY_BODY_BYTES
    return (tiny and bool(secure)) or ((tiny or bool(secure)) and not is_about(plain, host))


def is_about(exchange: HttpExchange, host: str) -> bool:
    """Whether the site's own name stands in the page."""
    name = registrable(host).partition(".")[0]
    return len(name) >= MIN_NAME_CHARACTERS and name in f"{exchange.title} {exchange.body}".lower()
