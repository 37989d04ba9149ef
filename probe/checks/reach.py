"""Does every address of this host accept a TCP connection on the ports that it is used with?

Evidence only: `probe.verdict.reach` decides what it means. Handshakes above TCP are for `tls` and `http`.
"""

from dataclasses import dataclass
from enum import StrEnum

from probe.model.observations import TcpConnect


class Source(StrEnum):
    """Who gave an address."""

    SYSTEM = "system"
    CONTROL = "control"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An address of the host, who gave it, and whether it was dialled (reserved ones that only the system gave are
    not)."""

    address: str
    sources: tuple[Source, ...]
    dialled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`connects` in the order made, failed ones repeated once; `neutral`: the same port at control addresses, same
    run."""

    host: str
    ports: tuple[int, ...]
    candidates: tuple[Candidate, ...]
    connects: tuple[TcpConnect, ...]
    neutral: tuple[TcpConnect, ...]
