"""Who gets into a lab server: which port answers a SYN, with which certificate, for which names in the ClientHello?

What is said inside is `probe.lab.answers`'s and `probe.lab.oddities`'s.
"""

import asyncio
import contextlib
import ctypes
import itertools
import random
import socket
import ssl
import struct
import weakref
from datetime import UTC, datetime

import trustme
from aiohttp import web

from probe.lab.manners import CertificateKind, Port, Unknown
from probe.lab.world import Host
from probe.wire import tls

BACKLOG = 512
SO_MAX_PACING_RATE = 47  # linux/socket.h; bytes per second
SO_ATTACH_FILTER = 26
IPV6_FREEBIND = 78  # linux/in6.h
DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)  # a BPF program of one instruction: keep 0 bytes
UNRECOGNIZED_NAME_ALERT = bytes((21, 3, 3, 0, 2, 2, 112))  # RFC 8446 §6: a fatal alert in a plain record
LINGER_NOT = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: close sends RST
HELLO_SECONDS = 10.0
PEEK_SECONDS = 0.002
IGNORING_SECONDS = 30.0  # longer than anybody waits for a handshake
SMALL_BUFFER_BYTES = 8192  # what is not read must soon close the window
_SHAKEN: weakref.WeakKeyDictionary[ssl.SSLObject, str] = weakref.WeakKeyDictionary()
YEARS = {CertificateKind.EXPIRED: (2000, 2001), CertificateKind.NOT_YET_VALID: (2990, 2999)}


def listening_socket(host: Host, port: int, state: Port = Port.OPEN) -> socket.socket:
    """A TCP socket that gives its manners to every connection it accepts; a filtered one never sees a SYN."""
    listener = local_socket(host.address, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, host.congestion.encode())
    if host.pacing_bps is not None:
        pace(listener, host.pacing_bps)
    if host.manners.reads_bytes is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
    if state is Port.FILTERED:
        program = ctypes.create_string_buffer(DROP_ALL)
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HxxxxxxP", 1, ctypes.addressof(program)))
    listener.bind((host.address, port))
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def local_socket(address: str, kind: socket.SocketKind) -> socket.socket:
    """A socket of the address's version that can be bound to it where a route alone makes it local."""
    if ":" not in address:
        return socket.socket(socket.AF_INET, kind)
    made = socket.socket(socket.AF_INET6, kind)
    made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    made.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
    return made


def pace(connection: socket.socket, limit_bps: float) -> None:
    """Have the kernel send no faster than this; a listener hands it on to what it accepts."""
    connection.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, int(limit_bps / 8))


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
    if host.manners.misdirected:
        context.sni_callback = _note_name
    return context


def name_shaken(connection: ssl.SSLObject) -> str | None:
    """The server name of a handshake with a `misdirected` host, None where it had none."""
    return _SHAKEN.get(connection)


def _note_name(connection: ssl.SSLObject, server_name: str | None, context: ssl.SSLContext) -> None:
    if server_name is not None:
        _SHAKEN[connection] = server_name


def is_selective(host: Host) -> bool:
    """Whether the ClientHello has to be read before TLS begins."""
    manners = host.manners
    ordinary = manners.own_name is manners.unknown_names is Unknown.SERVE and not host.strict_names
    limited = manners.reset_share > 0 or manners.patient_connections is not None
    return not ordinary or limited or manners.own_name_pacing_bps is not None


def reception(host: Host, *, is_own: bool, visit: int) -> Unknown:
    """What becomes of the ClientHello of the `visit`th connection (the first is 1)."""
    manners = host.manners
    if manners.patient_connections is not None and visit > manners.patient_connections:
        return Unknown.RESET
    if random.Random(f"{host.name} {visit}").random() < manners.reset_share:
        return Unknown.RESET
    if is_own:
        return manners.own_name
    if host.strict_names and manners.unknown_names is Unknown.SERVE:
        return Unknown.REFUSE
    return manners.unknown_names


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


async def admit(
    host: Host, connection: socket.socket, server: web.Server, context: ssl.SSLContext, *, visit: int
) -> None:
    """A strict host's door: its own name gets its certificate, another an alert (RFC 6066 §3), RST or nothing.

    An `sni_callback` would be the obvious way, but asyncio closes the connection without sending the alert it makes,
    and a connection that just ends looks like the network's doing.
    """
    hello, manners = await first_hello(connection), host.manners
    is_own = hello is not None and hello.server_name in (host.name, None)
    given = reception(host, is_own=is_own, visit=visit)
    if hello is not None and given is Unknown.SERVE:
        if is_own and manners.own_name_pacing_bps is not None:
            pace(connection, manners.own_name_pacing_bps)
        with contextlib.suppress(OSError):  # a handshake that fails is the client's affair
            await asyncio.get_running_loop().connect_accepted_socket(server, connection, ssl=context)
        return
    with connection, contextlib.suppress(OSError):
        if hello is None:
            return
        if given is Unknown.RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        elif given is Unknown.IGNORE:
            await asyncio.sleep(IGNORING_SECONDS)
        else:
            connection.recv(hello.size_bytes)  # unread bytes would turn the closing into a reset
            connection.sendall(UNRECOGNIZED_NAME_ALERT)


async def serve_strictly(host: Host, listener: socket.socket, server: web.Server, context: ssl.SSLContext) -> None:
    """Accept connections of a strict host for ever."""
    loop = asyncio.get_running_loop()
    visitors: set[asyncio.Task[None]] = set()
    for visit in itertools.count(1):
        connection, _ = await loop.sock_accept(listener)
        visitor = loop.create_task(admit(host, connection, server, context, visit=visit))
        visitors.add(visitor)
        visitor.add_done_callback(visitors.discard)
