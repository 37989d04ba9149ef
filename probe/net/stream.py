"""Does this endpoint accept a connection, and does a TLS handshake on it complete?

Connects and shakes hands on plain non-blocking sockets, so that errno, ICMP and the stage of a handshake are known as
the kernel gave them. What is sent over the stream afterwards is `probe.net.http`'s and `probe.net.transfer`'s.

A handshake whose chain is to be checked is made with a verifying context. When the chain does not fit, a second
handshake without verification follows at once, for the leaf certificate: Python (before 3.13) gives no access to a
chain that OpenSSL refused.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from probe.failure import Failure
from probe.model.observations import Certificate, IcmpKind, TcpConnect, TlsHandshake, TlsStage
from probe.model.targets import Endpoint
from probe.net.alerts import AlertReader, alert_of_error
from probe.net.classify import NETWORK_ERRORS, classify
from probe.net.icmp import IcmpError, ask_for_icmp, read_icmp_error, stop_icmp
from probe.net.instruments import Instruments, KnownAddresses
from probe.net.limits import require_time
from probe.net.meter import MeteredSocket
from probe.net.trust import ALPN_PROTOCOLS, MAX_KEPT_NAME_CHARACTERS, describe, name_fits
from probe.wire.names import to_ascii

MAX_HANDSHAKE_BYTES = 256 * 1024  # a long chain has 20 KB; what sends more wastes our time
READ_BYTES = 16 * 1024

Witness = Callable[[ssl.SSLObject | None], None]


def unwatched(_: ssl.SSLObject | None) -> None:
    """A witness that keeps nothing."""


async def open_tcp(
    endpoint: Endpoint, instruments: Instruments, *, deadline: float
) -> tuple[TcpConnect, MeteredSocket | None]:
    """Connect; the socket is the caller's to close, None when the connection failed.

    Does not pass the address gate: callers hold a slot. Raises ValueError when the address is not a literal.
    """
    literal = ipaddress.ip_address(endpoint.address)
    instruments.known.add(endpoint.address)
    t0 = instruments.clock.now()
    transaction = next(instruments.transactions)
    source_port = 0
    sock: MeteredSocket | None = None
    failure: Failure | None = None
    error: IcmpError | None = None
    try:
        sock = MeteredSocket(socket.AF_INET6 if literal.version == 6 else socket.AF_INET, instruments.meter)
        source_port = instruments.ports.bind(sock)
        ask_for_icmp(sock)
        async with asyncio.timeout(instruments.seconds_until(deadline)):
            await asyncio.get_running_loop().sock_connect(sock, (endpoint.address, endpoint.port))
        stop_icmp(sock)
    except NETWORK_ERRORS as caught:
        failure = classify(caught)
        if sock is not None:
            error = read_icmp_error(sock)
            if error is not None and error.kind is IcmpKind.ADMIN_PROHIBITED:
                # over IPv6 the errno is that of a local firewall
                failure = Failure.HOST_UNREACHABLE
            sock.close()
            sock = None
    except BaseException:
        if sock is not None:
            sock.close()
        raise
    connect = TcpConnect(
        endpoint=endpoint,
        source_port=source_port,
        t0=t0,
        t=instruments.clock.now(),
        failure=failure,
        icmp=error.kind if error else None,
        icmp_from_target=error is not None and error.offender == literal.packed,
        transaction_id=transaction,
    )
    return connect, sock


async def connect(endpoint: Endpoint, instruments: Instruments, *, deadline: float) -> TcpConnect:
    """A TCP handshake, closed at once. Raises CannotRun when the deadline is past, or the gate stays shut."""
    require_time(instruments.clock, deadline, stage="connect")
    async with instruments.gate.turn(endpoint.address, clock=instruments.clock, deadline=deadline) as end:
        made, sock = await open_tcp(endpoint, instruments, deadline=end)
        if sock is not None:
            sock.close()
    return made


@dataclass(slots=True, kw_only=True)
class _Progress:
    """How far a handshake came; filled while it goes on, so that a deadline loses nothing."""

    stage: TlsStage = TlsStage.CONNECT
    failure: Failure | None = None
    verify_failure: Failure | None = None
    certificate: Certificate | None = None
    tls_version: str | None = None
    alpn: str | None = None
    client_hello_bytes: int = 0
    received_bytes: int = 0
    alerts: AlertReader = field(default_factory=AlertReader)
    openssl_alert: str | None = None

    @property
    def alert(self) -> str | None:
        """What the peer said when it broke off; a warning after which it went on is not one."""
        return self.openssl_alert or (self.alerts.alert if self.failure is not None else None)


async def handshake(
    endpoint: Endpoint,
    instruments: Instruments,
    *,
    server_name: str | None,
    verified_name: str | None,
    deadline: float,
) -> TlsHandshake:
    """Connect and shake hands, as `probe.net.base.Net.handshake` says. Raises CannotRun as `connect` does."""
    require_time(instruments.clock, deadline, stage="handshake")
    async with instruments.gate.turn(endpoint.address, clock=instruments.clock, deadline=deadline) as end:
        made = await attempt(endpoint, instruments, server_name=server_name, verified_name=verified_name, deadline=end)
        if made.stage is not TlsStage.CERTIFICATE:
            return made
        unverified = await attempt(
            endpoint, instruments, server_name=server_name, verified_name=None, deadline=deadline
        )
    if unverified.failure is not None:
        return made
    return replace(
        made,
        stage=TlsStage.FINISHED,
        failure=None,
        alert=None,
        certificate=unverified.certificate,
        tls_version=unverified.tls_version,
        alpn=unverified.alpn,
    )


async def attempt(
    endpoint: Endpoint,
    instruments: Instruments,
    *,
    server_name: str | None,
    verified_name: str | None,
    deadline: float,
    witness: Witness = unwatched,
) -> TlsHandshake:
    """One connection and one handshake on it, as `handshake` makes them; callers hold a slot of the address gate.

    `witness` is shown the TLS layer of a handshake that completed.
    """
    t0 = instruments.clock.now()
    progress = _Progress()
    made, sock = await open_tcp(endpoint, instruments, deadline=deadline)
    if sock is None:
        progress.failure = made.failure
    else:
        try:
            async with asyncio.timeout(instruments.seconds_until(deadline)):
                witness(await _shake(sock, instruments, server_name, verified_name, progress))
        except NETWORK_ERRORS as error:
            _record_error(error, progress)
        finally:
            sock.close()
    return TlsHandshake(
        endpoint=endpoint,
        source_port=made.source_port,
        server_name=server_name,
        verified_name=verified_name,
        connect=made,
        t0=t0,
        t=instruments.clock.now(),
        stage=progress.stage,
        failure=progress.failure,
        verify_failure=progress.verify_failure,
        alert=progress.alert,
        certificate=progress.certificate,
        tls_version=progress.tls_version,
        alpn=progress.alpn,
        client_hello_bytes=progress.client_hello_bytes,
        received_bytes=progress.received_bytes,
        transaction_id=made.transaction_id,
    )


async def _shake(
    sock: MeteredSocket,
    instruments: Instruments,
    server_name: str | None,
    verified_name: str | None,
    progress: _Progress,
) -> ssl.SSLObject | None:
    """Drive OpenSSL over memory buffers until it is content or raises; None where the peer ended it otherwise."""
    loop = asyncio.get_running_loop()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = instruments.trust.unverifying if verified_name is None else instruments.trust.chain_verifying
    tls = context.wrap_bio(incoming, outgoing, server_hostname=server_name and (to_ascii(server_name) or server_name))
    while True:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            wants_more = True
        else:
            wants_more = False
        flight = outgoing.read()
        if flight:
            await loop.sock_sendall(sock, flight)
        if progress.stage is TlsStage.CONNECT:
            progress.stage = TlsStage.CLIENT_HELLO
            progress.client_hello_bytes = len(flight)
        if not wants_more:
            _record_success(tls, instruments.known, verified_name, progress)
            return tls
        data = await loop.sock_recv(sock, READ_BYTES)
        if not data:
            progress.failure = Failure.EOF
            return None
        progress.stage = TlsStage.SERVER_HELLO
        progress.received_bytes += len(data)
        progress.alerts.feed(data)
        if progress.received_bytes > MAX_HANDSHAKE_BYTES:
            progress.failure = Failure.SSL_FAILED_HANDSHAKE
            return None
        incoming.write(data)


def _record_error(error: BaseException, progress: _Progress) -> None:
    progress.failure = classify(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        progress.stage = TlsStage.CERTIFICATE
        progress.verify_failure = progress.failure
    elif isinstance(error, ssl.SSLError):
        progress.openssl_alert = alert_of_error(error)


def _record_success(tls: ssl.SSLObject, known: KnownAddresses, verified_name: str | None, progress: _Progress) -> None:
    progress.stage = TlsStage.FINISHED
    progress.tls_version = tls.version()
    chosen = tls.selected_alpn_protocol()
    progress.alpn = chosen if chosen in ALPN_PROTOCOLS else None  # some libraries take whatever the server says
    leaf = tls.getpeercert(binary_form=True)
    if leaf is not None:
        progress.certificate = scrubbed(describe(leaf), known)
    if verified_name is not None and not name_fits(tls.getpeercert(), verified_name):
        progress.verify_failure = Failure.SSL_INVALID_HOSTNAME


def scrubbed(certificate: Certificate, known: KnownAddresses) -> Certificate:
    """A certificate may be made out to an address, the vantage point's own included (a router's, an interceptor's).

    Cut only then, so that no half of an address stays.
    """

    def kept(text: str) -> str:
        return known.scrub(text)[:MAX_KEPT_NAME_CHARACTERS]

    return replace(
        certificate,
        subject=kept(certificate.subject),
        issuer=kept(certificate.issuer),
        names=tuple(kept(name) for name in certificate.names),
    )
