"""Who gets into a lab server: which port answers a SYN, with which certificate, for which names in the ClientHello?

What is said inside is `probe.lab.answers`'s and `probe.lab.oddities`'s.
"""

import asyncio
import contextlib
import ctypes
import socket
import ssl
import struct
from datetime import UTC, datetime

import trustme
from aiohttp import web

from probe.lab.manners import CertificateKind, Port, Unknown
from probe.lab.world import Host
from probe.wire import tls

BACKLOG = 512
SO_MAX_PACING_RATE = 47  # linux/socket.h; bytes per second
SO_ATTACH_FILTER = 26
DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)  # a BPF program of one instruction: keep 0 bytes
UNRECOGNIZED_NAME_ALERT = bytes((21, 3, 3, 0, 2, 2, 112))  # RFC 8446 §6: a fatal alert in a plain record
LINGER_NOT = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: close sends RST
HELLO_SECONDS = 10.0
PEEK_SECONDS = 0.002
IGNORING_SECONDS = 30.0  # longer than anybody waits for a handshake
SMALL_BUFFER_BYTES = 8192  # what is not read must soon close the window
YEARS = {CertificateKind.EXPIRED: (2000, 2001), CertificateKind.NOT_YET_VALID: (2990, 2999)}


def listening_socket(host: Host, port: int, state: Port = Port.OPEN) -> socket.socket:
    """A TCP socket that gives its manners to every connection it accepts; a filtered one never sees a SYN."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, host.congestion.encode())
    if host.pacing_bps is not None:
        listener.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, int(host.pacing_bps / 8))
    if host.manners.reads_bytes is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
    if state is Port.FILTERED:
        program = ctypes.create_string_buffer(DROP_ALL)
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HxxxxxxP", 1, ctypes.addressof(program)))
    listener.bind((host.address, port))
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def tls_context(host: Host, root: trustme.CA) -> ssl.SSLContext:
    """The host's certificate, for whatever name the client asks."""
    kind = host.manners.certificate
    name = f"other.{host.name}" if kind is CertificateKind.OTHER_NAME else host.name
    signer = trustme.CA(organization_name="Nobody") if kind is CertificateKind.SELF_SIGNED else root
    begins, ends = YEARS.get(kind, (2000, 2999))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    signer.issue_cert(
        name, not_before=datetime(begins, 1, 1, tzinfo=UTC), not_after=datetime(ends, 1, 1, tzinfo=UTC)
    ).configure_cert(context)
    return context


def is_selective(host: Host) -> bool:
    """Whether the ClientHello has to be read before TLS begins."""
    return host.strict_names or host.manners.resets_every_name or host.manners.unknown_names is not Unknown.SERVE


async def first_hello(connection: socket.socket) -> tls.ClientHello | None:
    """The ClientHello that waits on a connection, left unread; None when there is none in time."""
    for _ in range(int(HELLO_SECONDS / PEEK_SECONDS)):
        await asyncio.sleep(PEEK_SECONDS)
        try:
            return tls.parse_client_hello(connection.recv(tls.MAX_CLIENT_HELLO_BYTES, socket.MSG_PEEK))
        except (BlockingIOError, tls.IncompleteHelloError):
            continue
        except (OSError, tls.NotClientHelloError):
            return None
    return None


async def admit(host: Host, connection: socket.socket, server: web.Server, context: ssl.SSLContext) -> None:
    """A strict host's door: its own name gets its certificate, another an alert (RFC 6066 §3), RST or nothing.

    An `sni_callback` would be the obvious way, but asyncio closes the connection without sending the alert it makes,
    and a connection that just ends looks like the network's doing.
    """
    hello, manners = await first_hello(connection), host.manners
    is_own = hello is not None and hello.server_name in (host.name, None)
    if is_own and not manners.resets_every_name:
        with contextlib.suppress(OSError):  # a handshake that fails is the client's affair
            await asyncio.get_running_loop().connect_accepted_socket(server, connection, ssl=context)
        return
    with connection, contextlib.suppress(OSError):
        if hello is None:
            return
        if manners.resets_every_name or manners.unknown_names is Unknown.RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        elif manners.unknown_names is Unknown.IGNORE:
            await asyncio.sleep(IGNORING_SECONDS)
        else:
            connection.recv(hello.size_bytes)  # unread bytes would turn the closing into a reset
            connection.sendall(UNRECOGNIZED_NAME_ALERT)


async def serve_strictly(host: Host, listener: socket.socket, server: web.Server, context: ssl.SSLContext) -> None:
    """Accept connections of a strict host for ever."""
    loop = asyncio.get_running_loop()
    visitors: set[asyncio.Task[None]] = set()
    while True:
        connection, _ = await loop.sock_accept(listener)
        visitor = loop.create_task(admit(host, connection, server, context))
        visitors.add(visitor)
        visitor.add_done_callback(visitors.discard)
