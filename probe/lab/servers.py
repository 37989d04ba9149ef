"""Which programs answer at the addresses of the lab's internet?

Real servers on real kernel sockets, in a network namespace where every address of the world is local: one listening
socket for each address and port, with its own congestion control and pacing, TLS under certificates from a root made
for this lab. What they say is `probe.lab.answers`'s; who there is, `probe.lab.world`'s.
"""

import asyncio
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

HTTP_PORT = 80
HTTPS_PORT = 443
DNS_PORT = 53
BACKLOG = 512
SO_MAX_PACING_RATE = 47  # linux/socket.h; bytes per second
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
    """The host's certificate for every name, or an alert (RFC 6066: unrecognized_name) for names that a strict host
    does not have.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    root.issue_cert(host.name).configure_cert(context)

    def check(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        refused = host.strict_names and name is not None and name.lower() != host.name
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME if refused else None

    context.sni_callback = check
    return context


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
            kept.append(await loop.create_server(server, sock=listening_socket(host, port), ssl=context))
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
