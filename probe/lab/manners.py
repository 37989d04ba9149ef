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
    """What a server does with a handshake, or a request, for a name; mostly for one that is not its own."""

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

    In TLS: `own_name` and `unknown_names` say what becomes of a handshake; `reset_share` is the share of connections
    that are reset after the ClientHello, as by a load balancer with some dead servers behind it; all beyond the first
    `patient_connections` (to one port) are, as by a door that bans a client that knocks too often. A connection under
    the host's own name is sent no faster than `own_name_pacing_bps`.

    In HTTP: `own_host` and `unknown_hosts` are for plain HTTP; with `misdirected` a Host that is not the name of the
    handshake gets 421 (RFC 9110 §15.5.20). `status` answers every request (with a page that asks for a CAPTCHA where it
    is 403), 429 all after the first `patient_requests`. `redirect` is where https leads, `plain_redirect` where http
    does. An answer begins after `first_byte_seconds`, a resolver's too; the very first one of a server `cold_seconds`
    later. With `expands_to_bytes` a page is that many zeros, compressed. `object_bytes` is all that a media object has,
    `overstated_bytes` what Content-Length promises beyond what comes. Of every body no more than `stalls_after_bytes`
    is ever sent; media come at `trickle_bps` after the first `burst_bytes`, as players are served. An upload is read to
    its end, unless `reads_bytes` says after how many the server stops reading for ever; `hangs_up`: a connection is
    closed at once after an early answer, unread bytes and all, which sends RST. Idle connections are closed after
    `idle_seconds`.

    A resolver: `invents` is the address that it answers for names that do not exist, `filters` lists the names for
    which it answers 0.0.0.0 because its customers ask for that, `hides_private`: no private address is passed on
    (protection against DNS rebinding), `denies_ipv6`: NXDOMAIN to every question for AAAA (RFC 4074 §4.2).
    """

    certificate: CertificateKind = CertificateKind.VALID
    unknown_names: Unknown = Unknown.SERVE
    own_host: Unknown = Unknown.SERVE
    unknown_hosts: Unknown = Unknown.REFUSE
    own_name: Unknown = Unknown.SERVE
    reset_share: float = 0.0
    patient_connections: int | None = None
    own_name_pacing_bps: float | None = None
    misdirected: bool = False
    http: Port = Port.OPEN
    https: Port = Port.OPEN
    status: int | None = None
    patient_requests: int | None = None
    redirect: str | None = None
    plain_redirect: str | None = None
    first_byte_seconds: float = 0.0
    cold_seconds: float = 0.0
    expands_to_bytes: int | None = None
    object_bytes: int | None = None
    stalls_after_bytes: int | None = None
    burst_bytes: int = 0
    trickle_bps: float | None = None
    overstated_bytes: int = 0
    reads_bytes: int | None = None
    hangs_up: bool = False
    idle_seconds: float = 75.0
    invents: str | None = None
    filters: tuple[str, ...] = ()
    hides_private: bool = False
    denies_ipv6: bool = False
