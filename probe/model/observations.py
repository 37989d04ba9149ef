"""What happened on the network: timestamped facts, without an opinion.

All times are seconds since the measurement began (monotonic); `t0` is when an operation started, `t` when it ended.
Nothing here names the vantage point: no local address, no host name; a body is kept up to 16 KB and scrubbed before
it gets here (design §5). Source ports are drawn at random by the probe itself and say nothing about the machine.
"""

from dataclasses import dataclass
from enum import StrEnum

from probe.failure import Failure
from probe.model.targets import Endpoint


class Engine(StrEnum):
    """Which resolver code asked."""

    GETADDRINFO = "getaddrinfo"
    UDP = "udp"
    DOH = "doh"


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsReply:
    """One datagram or message that claims to answer; `source` is the address that it came from."""

    t: float
    source: str
    rcode: str
    addresses: tuple[str, ...]
    cnames: tuple[str, ...] = ()
    authoritative: bool = False
    malformed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsQuery:
    """One question to one resolver and every reply to it, late and duplicate ones included.

    `query_type` is "A", "AAAA" or "ANY" (getaddrinfo asks for both). `failure` classifies the first reply.
    `resolver` is a name from the configuration, or "system"; `resolver_address` the literal asked, "" for getaddrinfo.
    """

    engine: Engine
    resolver: str
    resolver_address: str
    hostname: str
    query_type: str
    t0: float
    t: float
    replies: tuple[DnsReply, ...]
    failure: Failure | None
    transaction_id: int

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of the first reply, which is what a program would have used."""
        return self.replies[0].addresses if self.replies and self.failure is None else ()


class IcmpKind(StrEnum):
    """What an ICMP error that quotes our own packet said; from the socket's error, so unprivileged."""

    HOST_UNREACHABLE = "host_unreachable"
    NETWORK_UNREACHABLE = "network_unreachable"
    ADMIN_PROHIBITED = "admin_prohibited"
    PORT_UNREACHABLE = "port_unreachable"
    TIME_EXCEEDED = "time_exceeded"  # the hop limit of our packet ended at a router
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpConnect:
    """A TCP handshake to one endpoint. `icmp_from_target`: the ICMP error came from the very address that was dialled,
    as a server's own firewall sends it.
    """

    endpoint: Endpoint
    source_port: int
    t0: float
    t: float
    failure: Failure | None
    icmp: IcmpKind | None = None
    icmp_from_target: bool = False
    transaction_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitedConnect:
    """An attempt to connect whose packets may pass at most `hop_limit` - 1 routers.

    `icmp` is what a router said of it, `router` which one: a number that stands for one address throughout a
    measurement and tells nothing else (routers' addresses are never kept, design §5); None where the target itself
    said it. `failure` None: it connected.
    """

    endpoint: Endpoint
    hop_limit: int
    source_port: int
    t0: float
    t: float
    failure: Failure | None
    icmp: IcmpKind | None
    router: int | None
    transaction_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitedHello:
    """A ClientHello with the name `server_name` whose packets may pass at most `hop_limit` - 1 routers, on a connection
    that was made without that limit (`connect`).

    `failure` is None when the server's first bytes came, HOST_UNREACHABLE when a router said that the limit ended
    there, GENERIC_TIMEOUT when nobody said anything.
    """

    endpoint: Endpoint
    server_name: str
    hop_limit: int
    connect: TcpConnect
    t0: float
    t: float
    failure: Failure | None
    received_bytes: int


class TlsStage(StrEnum):
    """How far a handshake came: the last stage that was entered."""

    CONNECT = "connect"
    CLIENT_HELLO = "client_hello"  # the ClientHello was sent, nothing came back
    SERVER_HELLO = "server_hello"  # the server's first flight began to arrive
    CERTIFICATE = "certificate"  # the handshake failed because of the certificate
    FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A server's leaf certificate; `sha256` over its DER form, in hex; times in RFC 3339 UTC."""

    sha256: str
    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: str
    not_after: str
    self_signed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsHandshake:
    """A TCP connection and the TLS handshake on it.

    `server_name` is the SNI sent, None when none was. `verify_failure` is what checking the chain and the name
    `verified_name` against the trust store found (None: valid); it is judged apart, so a handshake whose certificate
    does not fit still completes (`failure` None). `alert` is the TLS alert that the peer sent, by its RFC 8446 name.
    """

    endpoint: Endpoint
    source_port: int
    server_name: str | None
    verified_name: str | None
    connect: TcpConnect
    t0: float
    t: float
    stage: TlsStage
    failure: Failure | None
    verify_failure: Failure | None
    alert: str | None
    certificate: Certificate | None
    tls_version: str | None
    alpn: str | None
    client_hello_bytes: int
    received_bytes: int
    transaction_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """One response header as received, scrubbed."""

    name: str
    value: str


class HttpStage(StrEnum):
    """How far an exchange came."""

    CONNECT = "connect"
    TLS = "tls"
    REQUEST = "request"  # the request was sent, no byte of an answer came
    HEADERS = "headers"  # the answer began, its headers did not end
    BODY = "body"  # the headers are complete, the body is not
    FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpExchange:
    """One request and its answer, without following redirects.

    `body` is at most 16 KB of decoded text, scrubbed; `body_bytes` counts what was received before decoding, up to
    the cap. `truncated` says that our cap ended the reading; `location` is the Location header made absolute,
    scrubbed.
    """

    url: str
    endpoint: Endpoint
    source_port: int
    server_name: str | None
    host: str
    t0: float
    t_connected: float | None
    t_secured: float | None
    t_request: float | None
    t_first_byte: float | None
    t: float
    stage: HttpStage
    failure: Failure | None
    status: int | None
    headers: tuple[Header, ...]
    location: str | None
    title: str
    body: str
    body_bytes: int
    body_sha256: str
    truncated: bool
    verify_failure: Failure | None
    transaction_id: int = 0

    def header(self, name: str) -> str | None:
        """The first value of a header, by case-insensitive name."""
        wanted = name.lower()
        return next((h.value for h in self.headers if h.name.lower() == wanted), None)


class Direction(StrEnum):
    DOWNLOAD = "download"
    UPLOAD = "upload"


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpInfo:
    """The kernel's view of a connection (Linux, struct tcp_info); a field that this kernel lacks is None.

    `heard_ago_seconds`: since the last packet that acknowledged anything, be it for the second time.
    """

    rtt_seconds: float | None
    min_rtt_seconds: float | None
    total_retransmits: int | None
    bytes_acked: int | None
    bytes_received: int | None
    segments_in: int | None
    segments_out: int | None
    delivered: int | None
    bytes_sent: int | None
    bytes_retransmitted: int | None
    out_of_order: int | None
    mss: int | None
    congestion_window: int | None
    delivery_rate_bps: float | None
    rwnd_limited_seconds: float | None
    sndbuf_limited_seconds: float | None
    heard_ago_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Bytes over time within one transfer: parallel arrays, one entry a sample, first entry when the request was sent.

    `num_bytes` counts since the request: acknowledged bytes for an upload, bytes that the kernel received for a
    download (application bytes where the platform has no TCP_INFO). `segments` are data segments received (down) or
    delivered (up).
    """

    t: tuple[float, ...] = ()
    num_bytes: tuple[int, ...] = ()
    segments: tuple[int, ...] = ()
    rtt_seconds: tuple[float, ...] = ()
    retransmits: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One download or upload of `requested_bytes` on a fresh connection from a source port never used before in the
    run.

    `num_bytes` counts as `Series.num_bytes` does at the end; `kernel_counted` says whether the kernel counted them.
    `cut` says that the transfer's own deadline ended it: it remains a sample. `complete` says that all that was asked
    came through. `status` is the HTTP status if one came. `verified` is None where the chain was not checked.
    """

    direction: Direction
    url: str
    endpoint: Endpoint
    server_name: str | None
    host: str
    source_port: int
    order: int
    requested_bytes: int
    t0: float
    t_connected: float | None
    t_secured: float | None
    t_request: float | None
    t_first_byte: float | None
    t: float
    status: int | None
    failure: Failure | None
    alert: str | None
    cut: bool
    complete: bool
    num_bytes: int
    application_bytes: int
    kernel_counted: bool
    verified: bool | None
    series: Series
    tcp_before: TcpInfo | None
    tcp_after: TcpInfo | None
    loop_lag_seconds: float
    sent_bytes: int
    received_bytes: int
