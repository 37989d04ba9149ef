"""Which programs answer at the addresses of the lab's internet?

Real servers on real kernel sockets, in a network namespace where every address of the world is local: one listening
socket for each address and port, with its own congestion control and pacing, TLS under certificates from a root made
for this lab. What they say is `probe.lab.answers`'s; who there is, `probe.lab.world`'s.
"""

import asyncio
import contextlib
import pickle
import socket
import ssl
import sys
from pathlib import Path
from typing import cast

import trustme
from aiohttp import web

from probe.lab.answers import dns_answer, http_handler
from probe.lab.namespaces import configure_servers
from probe.lab.world import Host, Role, World
from probe.wire import tls

HTTP_PORT = 80
HTTPS_PORT = 443
DNS_PORT = 53
BACKLOG = 512
SO_MAX_PACING_RATE = 47  # linux/socket.h; bytes per second
UNRECOGNIZED_NAME_ALERT = bytes((21, 3, 3, 0, 2, 2, 112))  # RFC 8446 §6: a fatal alert in a plain record
HELLO_SECONDS = 10.0
PEEK_SECONDS = 0.002
ROOT_FILE = "root.pem"
WORLD_FILE = "world.pickle"
READY = b"ready"


def listening_socket(host: Host, port: int) -> socket.socket:
    """A TCP socket that gives its manners to every connection it accepts."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, host.congestion.encode())
    if host.pacing_bps is not None:
        listener.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, int(host.pacing_bps / 8))
    listener.bind((host.address, port))
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def tls_context(host: Host, root: trustme.CA) -> ssl.SSLContext:
    """The host's own certificate, for whatever name the client asks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    root.issue_cert(host.name).configure_cert(context)
    return context


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
    """A strict host's door: its own name gets its certificate, another an alert (RFC 6066 §3).

    An `sni_callback` would be the obvious way, but asyncio closes the connection without sending the alert it makes,
    and a connection that just ends looks like the network's doing.
    """
    loop = asyncio.get_running_loop()
    hello = await first_hello(connection)
    if hello is not None and hello.server_name in (host.name, None):
        with contextlib.suppress(OSError):  # a handshake that fails is the client's affair
            await loop.connect_accepted_socket(server, connection, ssl=context)
        return
    with connection, contextlib.suppress(OSError):
        if hello is not None:
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


class _Resolver(asyncio.DatagramProtocol):
    """DNS over UDP."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # the loop's own class does not derive from it

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        answer = dns_answer(data, self._world)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)


async def start(world: World, root: trustme.CA) -> list[object]:
    """Start all servers; what is returned must be kept."""
    loop = asyncio.get_running_loop()
    kept: list[object] = []
    for host in world.hosts:
        if host.dead:
            continue
        if host.role is Role.RESOLVER:
            kept.append(
                await loop.create_datagram_endpoint(lambda: _Resolver(world), local_addr=(host.address, DNS_PORT))
            )
            continue
        for port, context in ((HTTP_PORT, None), (HTTPS_PORT, tls_context(host, root))):
            server = web.Server(http_handler(host, world, secure=context is not None), access_log=None)
            listener = listening_socket(host, port)
            if context is not None and host.strict_names:
                kept.append(loop.create_task(serve_strictly(host, listener, server, context)))
            else:
                kept.append(await loop.create_server(server, sock=listener, ssl=context))
    return kept


async def serve(directory: Path, status: socket.socket) -> None:
    """Start, say so on `status`, and serve until the host closes it."""
    world = pickle.loads((directory / WORLD_FILE).read_bytes())
    root = trustme.CA(organization_name="Throttleprobe lab")
    kept = await start(world, root)
    root.cert_pem.write_to_path(str(directory / ROOT_FILE))
    loop = asyncio.get_running_loop()
    status.setblocking(False)
    await loop.sock_sendall(status, READY)
    await loop.sock_recv(status, 1)
    del kept


def main(directory: str, status_fd: str) -> None:
    """Wait until this namespace has its interface, set it up, serve."""
    status = socket.socket(fileno=int(status_fd))
    if status.recv(1):
        configure_servers()
        asyncio.run(serve(Path(directory), status))


if __name__ == "__main__":
    main(*sys.argv[1:])
