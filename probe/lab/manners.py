"""In which ways can an honest server of the lab be difficult, broken or badly kept?

Data only, and nothing in it is a censor's doing: what real servers and resolvers do that a careless measurement takes
for interference. `probe.lab.doors` and `probe.lab.oddities` carry it out.
"""

from dataclasses import dataclass
from enum import Enum


class CertificateKind(Enum):
    """What a server shows; all but `SELF_SIGNED` are signed by the root that everybody trusts."""

    VALID = "valid"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"  # for every host at once: what a wrong clock looks like
    OTHER_NAME = "other_name"
    SELF_SIGNED = "self_signed"


class Unknown(Enum):
    """What a server does with a name that is not its own."""

    SERVE = "serve"
    REFUSE = "refuse"  # an alert in TLS, an error page over plain HTTP
    RESET = "reset"
    IGNORE = "ignore"


class Port(Enum):
    """What a port does with a SYN."""

    OPEN = "open"
    CLOSED = "closed"
    FILTERED = "filtered"  # the server's own firewall: no answer


class Listed(Enum):
    """Whose resolvers give a host's address."""

    EVERYWHERE = "everywhere"
    BY_ISP = "by_isp"
    BY_CONTROLS = "by_controls"
    NOWHERE = "nowhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How one host behaves, to everybody alike. The defaults are a well-kept server.

    `unknown_names`: of TLS handshakes; `unknown_hosts`: of plain HTTP. `status` answers every request (with a page
    that asks for a CAPTCHA where it is 403), 429 all after the first `patient_requests`. `redirect` is where https
    leads, `plain_redirect` where http does. An answer begins after `first_byte_seconds`; a resolver's too.
    `object_bytes` is all that a media object has, `overstated_bytes` what Content-Length promises beyond what comes.
    An upload is read to its end, unless `reads_bytes` says after how many the server stops reading for ever;
    `hangs_up`: a connection is closed at once after an early answer, unread bytes and all, which sends RST.
    Idle connections are closed after `idle_seconds`. `invents`: the address that a resolver answers for
    names that do not exist.
    """

    certificate: CertificateKind = CertificateKind.VALID
    unknown_names: Unknown = Unknown.SERVE
    unknown_hosts: Unknown = Unknown.REFUSE
    resets_every_name: bool = False
    http: Port = Port.OPEN
    https: Port = Port.OPEN
    status: int | None = None
    patient_requests: int | None = None
    redirect: str | None = None
    plain_redirect: str | None = None
    first_byte_seconds: float = 0.0
    object_bytes: int | None = None
    overstated_bytes: int = 0
    reads_bytes: int | None = None
    hangs_up: bool = False
    idle_seconds: float = 75.0
    invents: str | None = None
