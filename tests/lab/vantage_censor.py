"""What does the censor's less common work look like from the lab's vantage point? Run there by the tests; prints JSON.

Plain sockets and ssl, on purpose none of `probe`.
"""

import json
import socket
import ssl
import sys
import time
from collections.abc import Callable

import dns.message


def handshakes(name: str, timeout: str, *addresses: str) -> dict[str, object]:
    """Unverified TLS handshakes under one name, one after another: the issuer's organisation, or the error."""
    return {"seen": [_handshake(address, name, float(timeout)) for address in addresses]}


def _handshake(address: str, name: str, timeout: float) -> str:
    try:
        with socket.create_connection((address, 443), timeout=timeout) as plain:
            pem = _certificate(plain, name)
    except TimeoutError:
        return "timeout"
    except ConnectionResetError:
        return "reset"
    except OSError as error:
        return type(error).__name__
    return "national" if b"National" in ssl.PEM_cert_to_DER_cert(pem) else "lab"


def _certificate(plain: socket.socket, name: str) -> str:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with context.wrap_socket(plain, server_hostname=name) as connection:
        return ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True) or b"")


def page(address: str, name: str, timeout: str) -> dict[str, object]:
    """Status and length of the page that a server gives under a name, whoever vouches for it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((address, 443), timeout=float(timeout)) as plain,
        context.wrap_socket(plain, server_hostname=name) as connection,
    ):
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return {"status": int(answer.split()[1]), "bytes": len(answer), "restricted": b"restricted" in answer}


def ask(resolver: str, name: str, seconds: str) -> dict[str, object]:
    """One query over UDP; who answered first, and with which addresses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(float(seconds))
        client.sendto(dns.message.make_query(name, "A").to_wire(), (resolver, 53))
        try:
            wire, (sender, _) = client.recvfrom(4096)
        except TimeoutError:
            return {"from": None, "addresses": []}
    answer = dns.message.from_wire(wire).answer
    return {"from": sender, "addresses": [record.to_text() for rrset in answer for record in rrset]}


def send(address: str, *datagrams: str) -> dict[str, object]:
    """Datagrams, in hexadecimal, to UDP port 443; nothing is waited for but that they have left."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((address, 443))
        for datagram in datagrams:
            client.send(bytes.fromhex(datagram))
    time.sleep(0.2)
    return {"sent": len(datagrams)}


COMMANDS: dict[str, Callable[..., dict[str, object]]] = {
    "handshakes": handshakes,
    "page": page,
    "ask": ask,
    "send": send,
}


if __name__ == "__main__":
    print(json.dumps(COMMANDS[sys.argv[1]](*sys.argv[2:])))
