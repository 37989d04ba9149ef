"""What becomes of a packet that may pass only so many routers?

Connections and ClientHellos with a low hop limit, on ordinary unprivileged sockets: a router at which the limit ends
says so by ICMP, and Linux hands that to the socket whose packet it quotes (ip(7), IP_RECVERR). On a connecting socket
the error queue also names the router; on an established one the errno alone tells. Where on the path something
happens is for `probe.checks.hops` to find and for `probe.verdict.hops` to say.
"""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import struct
import sys

from probe.failure import Failure
from probe.model.observations import IcmpKind, LimitedConnect, LimitedHello
from probe.model.results import CannotRun, ProblemReason
from probe.model.targets import Endpoint
from probe.net.classify import NETWORK_ERRORS, classify
from probe.net.icmp import IcmpError, ask_for_icmp, read_icmp_error
from probe.net.instruments import Instruments
from probe.net.limits import require_time
from probe.net.meter import MeteredSocket
from probe.net.stream import open_tcp
from probe.wire.names import to_ascii

DEFAULT_HOP_LIMIT = -1  # ip(7), ipv6(7): back to what the system uses
ANSWER_BYTES = 4096  # enough to know that a server speaks
AT_ONCE = struct.pack("ii", 1, 0)  # struct linger: closing sends RST and forgets what was not acknowledged


def require_router_errors() -> None:
    """Raises CannotRun where the system does not tell a socket which ICMP error met its packet."""
    if sys.platform != "linux":
        raise CannotRun(
            ProblemReason.MISSING_CAPABILITY,
            stage="hops",
            detail="this system does not tell programs which router an ICMP error came from",
        )


async def connect_within(
    endpoint: Endpoint, instruments: Instruments, *, hop_limit: int, deadline: float
) -> LimitedConnect:
    """A TCP handshake, closed at once, as `probe.net.base.Net.connect_within` says.

    Raises CannotRun when the deadline is past, the gate stays shut, or this system cannot do it; ValueError when the
    address is not a literal.
    """
    require_router_errors()
    require_time(instruments.clock, deadline, stage="hops")
    async with instruments.gate.turn(endpoint.address, clock=instruments.clock, deadline=deadline) as end:
        return await _connect(endpoint, instruments, hop_limit, end)


async def _connect(endpoint: Endpoint, instruments: Instruments, hop_limit: int, deadline: float) -> LimitedConnect:
    literal = ipaddress.ip_address(endpoint.address)
    instruments.known.add(endpoint.address)
    t0 = instruments.clock.now()
    source_port = 0
    failure: Failure | None = None
    error: IcmpError | None = None
    try:
        with MeteredSocket(socket.AF_INET6 if literal.version == 6 else socket.AF_INET, instruments.meter) as sock:
            source_port = instruments.ports.bind(sock)
            ask_for_icmp(sock)
            _limit(sock, hop_limit)
            try:
                async with asyncio.timeout(instruments.seconds_until(deadline)):
                    await asyncio.get_running_loop().sock_connect(sock, (endpoint.address, endpoint.port))
                _limit(sock, DEFAULT_HOP_LIMIT)  # so that the server hears of the end
            finally:
                error = read_icmp_error(sock)
    except NETWORK_ERRORS as caught:
        failure = classify(caught)
    return LimitedConnect(
        endpoint=endpoint,
        hop_limit=hop_limit,
        source_port=source_port,
        t0=t0,
        t=instruments.clock.now(),
        failure=failure,
        icmp=error.kind if error else None,
        router=instruments.routers.number(error.offender) if error and _is_from_router(error, literal.packed) else None,
        transaction_id=next(instruments.transactions),
    )


def _is_from_router(error: IcmpError, target: bytes) -> bool:
    """Whether the sender has a place on the path: the server itself says so of its ports, and of what it filters."""
    return error.kind is not IcmpKind.PORT_UNREACHABLE and error.offender != target


async def greet_within(
    endpoint: Endpoint,
    instruments: Instruments,
    *,
    server_name: str,
    hop_limit: int,
    answer_seconds: float,
    deadline: float,
) -> LimitedHello:
    """A connection and a limited ClientHello on it, as `probe.net.base.Net.greet_within` says. Raises as
    `connect_within` does."""
    require_router_errors()
    require_time(instruments.clock, deadline, stage="hops")
    async with instruments.gate.turn(endpoint.address, clock=instruments.clock, deadline=deadline) as end:
        t0 = instruments.clock.now()
        made, sock = await open_tcp(endpoint, instruments, deadline=end)
        failure, received_bytes = made.failure, 0
        if sock is not None:
            with sock:
                failure, received_bytes = await _greet(sock, instruments, server_name, hop_limit, answer_seconds)
    return LimitedHello(
        endpoint=endpoint,
        server_name=server_name,
        hop_limit=hop_limit,
        connect=made,
        t0=t0,
        t=instruments.clock.now(),
        failure=failure,
        received_bytes=received_bytes,
    )


async def _greet(
    sock: MeteredSocket, instruments: Instruments, server_name: str, hop_limit: int, answer_seconds: float
) -> tuple[Failure | None, int]:
    """Send the hello and wait for the first thing that anybody says; how it failed, and how much was said.

    The connection ends with a reset that goes all the way: an ordinary end would send the hello again, without its
    limit, past the censor.
    """
    loop = asyncio.get_running_loop()
    hello = _client_hello(instruments.trust.unverifying, server_name)
    ask_for_icmp(sock)
    _limit(sock, hop_limit)
    try:
        async with asyncio.timeout(answer_seconds):
            await loop.sock_sendall(sock, hello)
            data = await loop.sock_recv(sock, ANSWER_BYTES)
    except NETWORK_ERRORS as error:
        return classify(error), 0
    finally:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        _limit(sock, DEFAULT_HOP_LIMIT)
    return (None, len(data)) if data else (Failure.EOF, 0)


def _client_hello(context: ssl.SSLContext, server_name: str) -> bytes:
    """The hello that the TLS check sends for this name."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=to_ascii(server_name) or server_name)
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def _limit(sock: socket.socket, hop_limit: int) -> None:
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, hop_limit)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, hop_limit)
