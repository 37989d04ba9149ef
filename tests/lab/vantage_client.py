"""What does an ordinary program see at the lab's vantage point? Run there by the tests; prints JSON.

Plain sockets and ssl, on purpose none of `probe`: the lab must be right for programs that know nothing of it. DNS is
`vantage_dns`'s.
"""

import contextlib
import errno
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.request
from collections.abc import Callable

IP_RECVERR = 11
IPV6_RECVERR = 25
MSG_ERRQUEUE = 0x2000


def error_name(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    return errno.errorcode.get(error.errno or 0, repr(error))


def connect(address: str, port: str, ttl: str, timeout: str) -> dict[str, object]:
    """A TCP handshake with a TTL; the time it took, or the errno and who sent the ICMP error."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as client:
        if family == socket.AF_INET:
            client.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
            client.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, int(ttl))
        else:
            client.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
            client.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, int(ttl))
        client.settimeout(float(timeout))
        began = time.monotonic()
        try:
            client.connect((address, int(port)))
        except OSError as error:
            return {"error": error_name(error), "seconds": time.monotonic() - began, "router": offender(client)}
        return {"error": None, "seconds": time.monotonic() - began}


def offender(client: socket.socket) -> str | None:
    """Who sent the ICMP error that ended a connect (ip(7), IP_RECVERR; ipv6(7))."""
    client.setblocking(False)
    try:
        _, ancillary, _, _ = client.recvmsg(512, 512, MSG_ERRQUEUE)
    except OSError:
        return None
    for _, kind, data in ancillary:
        if kind == IP_RECVERR and len(data) >= 24:
            return socket.inet_ntoa(struct.unpack_from("4s", data, 20)[0])
        if kind == IPV6_RECVERR and len(data) >= 40:
            return socket.inet_ntop(socket.AF_INET6, data[24:40])
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


def http(address: str, host: str, timeout: str, idle_seconds: str = "0") -> dict[str, object]:
    """A plain HTTP request, on a connection that was idle first; all that comes back until the end."""
    received = b""
    with socket.create_connection((address, 80), timeout=float(timeout)) as client:
        time.sleep(float(idle_seconds))
        client.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        try:
            while chunk := client.recv(65536):
                received += chunk
        except OSError as error:
            return {"error": error_name(error), "text": received.decode()}
    return {"error": None, "text": received.decode()}


def fetch(url: str, seconds: str) -> dict[str, object]:
    """Download for at most some seconds; bytes by time of arrival from the first byte on."""
    series: list[tuple[float, int]] = []
    deadline = time.monotonic() + float(seconds)
    with urllib.request.urlopen(url, timeout=float(seconds)) as response, contextlib.suppress(TimeoutError):
        while time.monotonic() < deadline and (chunk := response.read1(65536)):
            series.append((time.monotonic(), len(chunk) + (series[-1][1] if series else 0)))
    return {"series": [(at - series[0][0], count) for at, count in series]}


def send(host: str, path: str, num_bytes: str, timeout: str) -> dict[str, object]:
    """Upload; the bytes that the other end acknowledged (tcp_info.tcpi_bytes_acked) by time, and the status of the
    answer.
    """
    body = os.urandom(int(num_bytes))
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    context = ssl.create_default_context()
    plain = socket.create_connection((host, 443), timeout=float(timeout))
    with context.wrap_socket(plain, server_hostname=host) as secure:
        began, acked_before = time.monotonic(), acked_bytes(secure)
        sender = threading.Thread(target=secure.sendall, args=(head.encode() + body,), daemon=True)
        sender.start()
        series = [(0.0, 0)]
        while series[-1][1] < len(body) and series[-1][0] < float(timeout):
            time.sleep(0.01)
            series.append((time.monotonic() - began, acked_bytes(secure) - acked_before))
        sender.join()
        return {"series": series, "status": int(secure.recv(4096).split()[1])}


def refusal(host: str, path: str, timeout: str) -> dict[str, object]:
    """The status that comes before any byte of the promised body was sent."""
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100000\r\n\r\n"
    plain = socket.create_connection((host, 443), timeout=float(timeout))
    with ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secure:
        secure.sendall(head.encode())
        return {"status": int(secure.recv(4096).split()[1])}


def acked_bytes(connection: socket.socket) -> int:
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 512)
    return int(struct.unpack_from("Q", info, 120)[0])


if __name__ == "__main__":
    commands: dict[str, Callable[..., dict[str, object]]]
    commands = {
        "connect": connect,
        "tls": tls,
        "http": http,
        "fetch": fetch,
        "send": send,
        "refusal": refusal,
    }
    print(json.dumps(commands[sys.argv[1]](*sys.argv[2:])))
