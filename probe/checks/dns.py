"""Do the resolvers of this line give the addresses that trusted, encrypted resolvers give?

Evidence only: `probe.verdict.dns` decides what it means.
"""

from dataclasses import dataclass

from probe.model.observations import DnsQuery, TlsHandshake


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`system`: getaddrinfo and the configured servers over UDP. `control`: encrypted resolvers.

    `decoy`: a name that cannot exist, asked of the system's servers (an answer to it is a resolver that invents).
    `handshakes`: for addresses that only the system gave: a TLS handshake verified for the name.
    `control_handshakes`: the same for one address that control gave, so that a failing verification says something.
    """

    hostname: str
    system: tuple[DnsQuery, ...]
    control: tuple[DnsQuery, ...]
    decoy: tuple[DnsQuery, ...]
    handshakes: tuple[TlsHandshake, ...]
    control_handshakes: tuple[TlsHandshake, ...]
