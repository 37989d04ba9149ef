"""What can go wrong on the network, in one closed vocabulary.

The names are OONI's (ooni/spec, data-formats/df-007-errors.md). A failure says what happened, never what it means:
that is for `probe.verdict`. How an exception becomes one of these is `probe.net.classify`'s business.
"""

from enum import StrEnum


class Failure(StrEnum):
    """A classified network outcome; success is `None`, never a member."""

    ADDRESS_FAMILY_NOT_SUPPORTED = "address_family_not_supported"
    ADDRESS_NOT_AVAILABLE = "address_not_available"
    CONNECTION_ABORTED = "connection_aborted"
    CONNECTION_REFUSED = "connection_refused"
    CONNECTION_RESET = "connection_reset"
    DNS_NO_ANSWER = "dns_no_answer"
    DNS_NXDOMAIN = "dns_nxdomain_error"
    DNS_REFUSED = "dns_refused_error"
    DNS_SERVFAIL = "dns_servfail_error"
    DNS_SERVER_MISBEHAVING = "dns_server_misbehaving"
    DNS_TEMPORARY_FAILURE = "dns_temporary_failure"
    EOF = "eof_error"
    GENERIC_TIMEOUT = "generic_timeout_error"
    HOST_UNREACHABLE = "host_unreachable"
    HTTP_INVALID_REDIRECT = "http_invalid_redirect_location_host"
    HTTP_REQUEST_FAILED = "http_request_failed"
    NETWORK_DOWN = "network_down"
    NETWORK_UNREACHABLE = "network_unreachable"
    NO_BUFFER_SPACE = "no_buffer_space"
    PERMISSION_DENIED = "permission_denied"
    SSL_FAILED_HANDSHAKE = "ssl_failed_handshake"
    SSL_INVALID_CERTIFICATE = "ssl_invalid_certificate"
    SSL_INVALID_HOSTNAME = "ssl_invalid_hostname"
    SSL_UNKNOWN_AUTHORITY = "ssl_unknown_authority"
    UNKNOWN = "unknown_failure"
