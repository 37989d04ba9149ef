"""What does an ordinary program see at the lab's vantage point? Run there by the tests; prints JSON.

Plain sockets, ssl, aiohttp and dnspython, on purpose none of `probe`: the lab must be right for programs that know
nothing of it.
"""

import asyncio
import errno
import json
import os
import socket
import ssl
import struct
import sys
import time

import aiohttp
import dns.message
import dns.query
import dns.rcode

IP_RECVERR = 11
MSG_ERRQUEUE = 0x2000
RESOLVER = "198.18.0.53"


def error_name(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    return errno.errorcode.get(error.errno or 0, repr(error))


def connect(address: str, port: str, ttl: str, timeout: str) -> dict[str, object]:
    """A TCP handshake with a TTL; the time it took, or the errno and who sent the ICMP error."""
    with socket.socket() as client:
        client.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        client.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, int(ttl))
        client.settimeout(float(timeout))
        began = time.monotonic()
        try:
            client.connect((address, int(port)))
        except OSError as error:
            return {"error": error_name(error), "seconds": time.monotonic() - began, "router": offender(client)}
        return {"error": None, "seconds": time.monotonic() - began}


def offender(client: socket.socket) -> str | None:
    """Who sent the ICMP error that ended a connect (ip(7), IP_RECVERR)."""
    client.setblocking(False)
    try:
        _, ancillary, _, _ = client.recvmsg(512, 512, MSG_ERRQUEUE)
    except OSError:
        return None
    for _, kind, data in ancillary:
        if kind == IP_RECVERR and len(data) >= 24:
            return socket.inet_ntoa(struct.unpack_from("4s", data, 20)[0])
    return None


def tls(address: str, name: str, timeout: str) -> dict[str, object]:
    """A verified TLS handshake."""
    context = ssl.create_default_context()
    with socket.create_connection((address, 443), timeout=float(timeout)) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=name) as secure:
                return {"error": None, "version": secure.version()}
        except ssl.SSLError as error:
            return {"error": error.reason}
        except OSError as error:
            return {"error": error_name(error)}


def http(address: str, host: str, timeout: str) -> dict[str, object]:
    """A plain HTTP request; all that comes back until the end."""
    received = b""
    with socket.create_connection((address, 80), timeout=float(timeout)) as client:
        client.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        try:
            while chunk := client.recv(65536):
                received += chunk
        except OSError as error:
            return {"error": error_name(error), "text": received.decode()}
    return {"error": None, "text": received.decode()}


def resolve(name: str, seconds: str) -> dict[str, object]:
    """All answers to one UDP query within a time: [rcode, addresses] each."""
    query = dns.message.make_query(name, "A")
    answers = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((RESOLVER, 53))
        client.send(query.to_wire())
        deadline = time.monotonic() + float(seconds)
        while (left := deadline - time.monotonic()) > 0:
            client.settimeout(left)
            try:
                response = dns.message.from_wire(client.recv(4096))
            except TimeoutError:
                break
            texts = [record.to_text() for rrset in response.answer for record in rrset]
            answers.append([dns.rcode.to_text(response.rcode()), texts])
    return {"answers": answers}


async def _fetch(url: str, seconds: float) -> dict[str, object]:
    """Download for at most some seconds; bytes by time of arrival from the first byte on."""
    series: list[tuple[float, int]] = []
    total = 0
    timeout = aiohttp.ClientTimeout(total=seconds)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            async for chunk in response.content.iter_any():
                total += len(chunk)
                series.append((time.monotonic(), total))
    except TimeoutError:
        pass
    return {"series": [(at - series[0][0], count) for at, count in series]}


async def _send(url: str, num_bytes: int, seconds: float) -> dict[str, object]:
    """Upload; the seconds until the answer."""
    began = time.monotonic()
    timeout = aiohttp.ClientTimeout(total=seconds)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        async with session.post(url, data=os.urandom(num_bytes)) as response:
            await response.read()
            return {"seconds": time.monotonic() - began, "status": response.status}


def fetch(url: str, seconds: str) -> dict[str, object]:
    return asyncio.run(_fetch(url, float(seconds)))


def send(url: str, num_bytes: str, seconds: str) -> dict[str, object]:
    return asyncio.run(_send(url, int(num_bytes), float(seconds)))


if __name__ == "__main__":
    commands = {"connect": connect, "tls": tls, "http": http, "resolve": resolve, "fetch": fetch, "send": send}
    print(json.dumps(commands[sys.argv[1]](*sys.argv[2:])))
