"""Which programs answer at the addresses of the lab's internet?

Real servers on real kernel sockets, in a network namespace where every address of the world is local: one listening
socket for each address and port, with its own congestion control and pacing, TLS under certificates from a root made
for this lab. What they say is `probe.lab.answers`'s, whom they let in `probe.lab.doors`'s; who there is,
`probe.lab.world`'s.
"""

import asyncio
import pickle
import socket
import ssl
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import trustme
from aiohttp import web

from probe.lab.answers import dns_answer, http_handler
from probe.lab.doors import (
    SMALL_BUFFER_BYTES,
    is_selective,
    listening_socket,
    local_socket,
    serve_strictly,
    tls_context,
)
from probe.lab.interceptor import Interceptor
from probe.lab.manners import Port
from probe.lab.namespaces import configure_servers
from probe.lab.oddities import mannered
from probe.lab.world import Host, Role, World

HTTP_PORT = 80
HTTPS_PORT = 443
DNS_PORT = 53
LINGERING_SECONDS = 10.0  # aiohttp's own: how long what a client still sends is read after the answer
BUFFER_BYTES = 65536  # aiohttp's own
ROOT_FILE = "root.pem"
WORLD_FILE = "world.pickle"
READY = b"ready"


class _Resolver(asyncio.DatagramProtocol):
    """DNS over UDP."""

    def __init__(self, host: Host, world: World) -> None:
        self._host = host
        self._world = world
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # the loop's own class does not derive from it

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        answer = dns_answer(data, self._world, self._host)
        if answer is not None and self._transport is not None:
            delay = self._host.manners.first_byte_seconds
            asyncio.get_running_loop().call_later(delay, self._transport.sendto, answer, addr)


async def start(world: World, root: trustme.CA) -> list[object]:
    """Start all servers; what is returned must be kept."""
    loop = asyncio.get_running_loop()
    kept: list[object] = []
    living = (host for host in world.hosts if not host.dead)
    placed = [replace(one, address=address) for one in living for address in one.addresses]
    for host in placed:
        if host.role is Role.RESOLVER:
            bound = local_socket(host.address, socket.SOCK_DGRAM)
            bound.bind((host.address, DNS_PORT))
            kept.append(await loop.create_datagram_endpoint(partial(_Resolver, host, world), sock=bound))
            continue
        if host.interception is not None:
            machine = Interceptor(host.interception)
            kept.append(loop.create_task(machine.serve(listening_socket(host, HTTPS_PORT))))
            continue
        kept += await _listen(host, world, HTTP_PORT, host.manners.http, None)
        kept += await _listen(host, world, HTTPS_PORT, host.manners.https, tls_context(host, root))
    return kept


async def _listen(host: Host, world: World, port: int, state: Port, context: ssl.SSLContext | None) -> list[object]:
    """One port of one host; nothing there when it is closed."""
    if state is Port.CLOSED:
        return []
    loop, secure = asyncio.get_running_loop(), context is not None
    handler = mannered(host, http_handler(host, world, secure=secure), secure=secure)
    lingering_seconds = 0.0 if host.manners.hangs_up else LINGERING_SECONDS
    idle_seconds = host.manners.idle_seconds
    buffer_bytes = SMALL_BUFFER_BYTES if host.manners.reads_bytes is not None else BUFFER_BYTES
    server = web.Server(
        handler,
        access_log=None,
        lingering_time=lingering_seconds,
        keepalive_timeout=idle_seconds,
        read_bufsize=buffer_bytes,
    )
    listener = listening_socket(host, port, state)
    if context is not None and is_selective(host):
        return [server, loop.create_task(serve_strictly(host, listener, server, context))]
    return [server, await loop.create_server(server, sock=listener, ssl=context)]


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
        world: World = pickle.loads((Path(directory) / WORLD_FILE).read_bytes())
        configure_servers(ipv6=any(host.address6 for host in world.hosts))
        asyncio.run(serve(Path(directory), status))


if __name__ == "__main__":
    main(*sys.argv[1:])
