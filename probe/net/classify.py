"""Which `Failure` is this exception?

The one place where what the operating system, OpenSSL or the event loop raised becomes a word of the vocabulary.
Cancellation is none of these and passes. Failures that are read from a message rather than raised (DNS answer codes,
HTTP framing) are named where the message is read.
"""

import asyncio
import errno
import socket
import ssl

from probe.failure import Failure
from probe.net.meter import TooManyBytesError
from probe.net.trust import classify_verification

# What an operation on the network may raise because of the network; anything else is our bug and is let through.
NETWORK_ERRORS: tuple[type[Exception], ...] = (OSError, asyncio.IncompleteReadError)

_BY_ERRNO: dict[int, Failure] = {
    errno.EACCES: Failure.PERMISSION_DENIED,
    errno.EADDRINUSE: Failure.ADDRESS_NOT_AVAILABLE,
    errno.EADDRNOTAVAIL: Failure.ADDRESS_NOT_AVAILABLE,
    errno.EAFNOSUPPORT: Failure.ADDRESS_FAMILY_NOT_SUPPORTED,
    errno.ECONNABORTED: Failure.CONNECTION_ABORTED,
    errno.ECONNREFUSED: Failure.CONNECTION_REFUSED,
    errno.ECONNRESET: Failure.CONNECTION_RESET,
    errno.EHOSTUNREACH: Failure.HOST_UNREACHABLE,
    errno.EHOSTDOWN: Failure.HOST_UNREACHABLE,
    errno.ENETDOWN: Failure.NETWORK_DOWN,
    errno.ENETUNREACH: Failure.NETWORK_UNREACHABLE,
    errno.ENOBUFS: Failure.NO_BUFFER_SPACE,
    errno.ENOMEM: Failure.NO_BUFFER_SPACE,
    errno.EPERM: Failure.PERMISSION_DENIED,
    errno.EPIPE: Failure.CONNECTION_RESET,
    errno.EPROTONOSUPPORT: Failure.ADDRESS_FAMILY_NOT_SUPPORTED,
    errno.ETIMEDOUT: Failure.GENERIC_TIMEOUT,
    # Windows' own numbers (winsock2.h); Python gives them as errno where it knows no POSIX one.
    10013: Failure.PERMISSION_DENIED,
    10047: Failure.ADDRESS_FAMILY_NOT_SUPPORTED,
    10048: Failure.ADDRESS_NOT_AVAILABLE,
    10049: Failure.ADDRESS_NOT_AVAILABLE,
    10050: Failure.NETWORK_DOWN,
    10051: Failure.NETWORK_UNREACHABLE,
    10053: Failure.CONNECTION_ABORTED,
    10054: Failure.CONNECTION_RESET,
    10055: Failure.NO_BUFFER_SPACE,
    10060: Failure.GENERIC_TIMEOUT,
    10061: Failure.CONNECTION_REFUSED,
    10065: Failure.HOST_UNREACHABLE,
}
if hasattr(errno, "ENONET"):
    _BY_ERRNO[errno.ENONET] = Failure.NETWORK_UNREACHABLE

# getaddrinfo's answers. EAI_NONAME stands for NXDOMAIN and for a name without addresses alike; OONI says so too.
_BY_GAI: dict[int, Failure] = {
    socket.EAI_NONAME: Failure.DNS_NXDOMAIN,
    socket.EAI_AGAIN: Failure.DNS_TEMPORARY_FAILURE,
    socket.EAI_FAIL: Failure.DNS_SERVER_MISBEHAVING,
    socket.EAI_FAMILY: Failure.ADDRESS_FAMILY_NOT_SUPPORTED,
    socket.EAI_MEMORY: Failure.NO_BUFFER_SPACE,
}
if hasattr(socket, "EAI_NODATA"):
    _BY_GAI[socket.EAI_NODATA] = Failure.DNS_NO_ANSWER

_BY_TYPE: tuple[tuple[type[BaseException], Failure], ...] = (
    (TimeoutError, Failure.GENERIC_TIMEOUT),
    (ConnectionRefusedError, Failure.CONNECTION_REFUSED),
    (ConnectionResetError, Failure.CONNECTION_RESET),
    (BrokenPipeError, Failure.CONNECTION_RESET),
    (ConnectionAbortedError, Failure.CONNECTION_ABORTED),
    (PermissionError, Failure.PERMISSION_DENIED),
    (asyncio.IncompleteReadError, Failure.EOF),
    (TooManyBytesError, Failure.HTTP_REQUEST_FAILED),
)


def classify(error: BaseException) -> Failure:
    """The failure that `error` stands for; UNKNOWN_FAILURE for what the table does not know."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return classify_verification(error)
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return Failure.EOF
    if isinstance(error, ssl.SSLError):
        return Failure.SSL_FAILED_HANDSHAKE
    if isinstance(error, socket.gaierror):
        return _BY_GAI.get(error.errno or 0, Failure.UNKNOWN)
    if isinstance(error, OSError) and error.errno in _BY_ERRNO:
        return _BY_ERRNO[error.errno]
    return next((failure for kind, failure in _BY_TYPE if isinstance(error, kind)), Failure.UNKNOWN)
