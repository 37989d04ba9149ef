"""In which words is a finding given? The closed lists that reports, rules and metrics share.

What each word claims and needs is in docs/ontology.md; the records that carry them are in `probe.model.results`.
"""

from enum import StrEnum


class State(StrEnum):
    """What became of a target, as seen from here."""

    OK = "ok"
    THROTTLED = "throttled"
    BLOCKED = "blocked"
    WITHHELD = "withheld"
    DOWN = "down"
    INCONCLUSIVE = "inconclusive"


class Strength(StrEnum):
    """How well an accusation is supported."""

    CONFIRMED = "confirmed"
    LIKELY = "likely"


class Mechanism(StrEnum):
    """By what means: the closed list of docs/ontology.md, in OONI's path style."""

    DNS_NXDOMAIN = "dns.nxdomain"
    DNS_REFUSED = "dns.refused"
    DNS_SERVFAIL = "dns.servfail"
    DNS_NO_ANSWER = "dns.no_answer"
    DNS_TIMEOUT = "dns.timeout"
    DNS_BOGON = "dns.bogon"
    DNS_INJECTION = "dns.injection"
    DNS_INJECTION_BLOCKPAGE = "dns.injection.blockpage"
    DNS_INTERCEPTION = "dns.interception"
    IP_UNREACHABLE = "ip.unreachable"
    IP_THROTTLE = "ip.throttle"
    IP_STALL = "ip.stall"
    TCP_TIMEOUT = "tcp.timeout"
    TCP_RESET = "tcp.reset"
    TCP_REFUSED = "tcp.refused"
    TLS_RESET = "tls.reset"
    TLS_RESET_SNI = "tls.reset.sni"
    TLS_TIMEOUT = "tls.timeout"
    TLS_TIMEOUT_SNI = "tls.timeout.sni"
    TLS_THROTTLE = "tls.throttle"
    TLS_THROTTLE_SNI = "tls.throttle.sni"
    TLS_STALL = "tls.stall"
    TLS_STALL_SNI = "tls.stall.sni"
    TLS_MITM = "tls.mitm"
    HTTP_BLOCKPAGE = "http.blockpage"
    HTTP_REDIRECT = "http.redirect"
    HTTP_RESET_HOST = "http.reset.host"
    HTTP_TIMEOUT_HOST = "http.timeout.host"
    HTTP_THROTTLE_HOST = "http.throttle.host"
    THROTTLE_UNATTRIBUTED = "throttle.unattributed"
    STALL_UNATTRIBUTED = "stall.unattributed"
    PLATFORM_WITHHELD = "platform.withheld"
    PLATFORM_GEOBLOCK = "platform.geoblock"
    PLATFORM_HTTP_451 = "platform.http_451"
    SERVER_DEAD_NAME = "server.dead_name"
    SERVER_REFUSED = "server.refused"
    SERVER_UNRESPONSIVE = "server.unresponsive"
    SERVER_ERROR = "server.error"
    SERVER_CERTIFICATE = "server.certificate"
    SERVER_SLOW = "server.slow"


class Comparison(StrEnum):
    """Which two arms a goodput verdict compares (design §3, "What judgement must never do", 2)."""

    NAME_AT_TARGET = "name_at_target"
    NAME_AT_CONTROL = "name_at_control"
    SIGNATURE = "signature"
    HELPER = "helper"
    BETWEEN_SERVERS = "between_servers"  # target against control: may clear, never accuses


class Method(StrEnum):
    """How traffic is slowed."""

    POLICED = "policed"
    SHAPED = "shaped"
    LOSSY = "lossy"
    STALLED = "stalled"
    UNKNOWN = "unknown"


class Trigger(StrEnum):
    """What the slowing follows."""

    SNI = "sni"
    IP = "ip"
    UNKNOWN = "unknown"


class NetworkState(StrEnum):
    OK = "ok"
    NO_NETWORK = "no_network"
    CAPTIVE_PORTAL = "captive_portal"
    CONTROLS_FAILING = "controls_failing"
    WHITE_LIST = "white_list"
