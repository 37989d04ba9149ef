"""What does the site answer over http:// and https://, along its redirects, and does the Host line change that?

Evidence only: `probe.verdict.http` decides what it means.
"""

from dataclasses import dataclass

from probe.model.observations import DnsQuery, HttpExchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One URL of a redirect chain: how its host was resolved, and the exchange, repeated where it failed.

    `known_blockpages`: names of the supplied texts that stand in the answer. `problem` is "" or says why it was not
    followed.
    """

    url: str
    lookups: tuple[DnsQuery, ...]
    exchanges: tuple[HttpExchange, ...]
    known_blockpages: tuple[str, ...]
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`plain` and `secure`: the chains from http:// and https:// of the site, at most ten redirects each.

    Only after something unusual over plain HTTP: `neutral`: a neutral Host at the same address; `foreign_neutral`: a
    neutral Host at a control's address; `foreign`: the target's Host there, last.
    """

    url: str
    plain: tuple[Hop, ...]
    secure: tuple[Hop, ...]
    neutral: tuple[HttpExchange, ...]
    foreign_neutral: tuple[HttpExchange, ...]
    foreign: tuple[HttpExchange, ...]
