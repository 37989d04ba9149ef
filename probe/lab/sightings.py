"""What does the censor know about a flow at one moment?

Records only: the flow's ends and, once it was read, what the client asked for first. Reading it from packets is
`probe.lab.reading`'s, comparing it with a list `probe.lab.matchers`'s.
"""

import hashlib
from dataclasses import dataclass
from enum import Enum


class RequestKind(Enum):
    """What the first bytes of a flow turned out to be."""

    TLS = "tls"  # a ClientHello over TCP
    HTTP = "http"
    DNS = "dns"  # one query over UDP port 53
    QUIC = "quic"  # a datagram with QUIC's long header
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client asked for. `name`: server name, Host or queried name, in lower case, None where there is none.

    `name_is_known` is False while, or because, the name cannot be read: a QUIC Initial whose ClientHello goes on in
    the next datagram, or of a version that nobody here decrypts. `size_bytes` and `quic_version`: of the first UDP
    datagram.
    """

    kind: RequestKind
    name: str | None = None
    name_is_known: bool = True
    has_ech: bool = False
    size_bytes: int = 0
    quic_version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A flow as the censor sees it at `at`: addresses as `ipaddress` writes them, ports, IP protocol number.

    `request` is None until it was read. `censor_since`: when the censor saw its first packet; both in seconds of the
    lab's clock.
    """

    client: str
    client_port: int
    server: str
    server_port: int
    protocol: int
    at: float
    censor_since: float
    request: Request | None = None

    def draw(self, seed: int) -> int:
        """A number of 64 bits that belongs to this five-tuple: the same for every packet and every run."""
        text = f"{seed} {self.protocol} {self.client} {self.client_port} {self.server} {self.server_port}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
