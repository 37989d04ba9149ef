"""Does a TLS handshake with this name complete, and if not: is it the name, the address, or the server?

Evidence only: `probe.verdict.tls` decides what it means. Arms differ in one variable, the server name or the address;
neutral names go first, the target's name at a control's address last.
"""

from dataclasses import dataclass

from probe.model.observations import TlsHandshake


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`target`: the name at its own addresses, failures repeated. The other arms are filled only after a failure there.

    `neutral`: a neutral name at the same address. `nameless`: no SNI at the same address. `foreign_neutral`: a
    neutral name at a control's address. `foreign`: the target's name at that control's address.
    """

    hostname: str
    target: tuple[TlsHandshake, ...]
    neutral: tuple[TlsHandshake, ...]
    nameless: tuple[TlsHandshake, ...]
    foreign_neutral: tuple[TlsHandshake, ...]
    foreign: tuple[TlsHandshake, ...]
