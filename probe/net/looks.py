"""What does one quick look at a server show, with every figure that a prober for Prometheus exports?

A question to a resolver, a TLS handshake, a page: each once, without the repetitions, second answers and evidence that
a check gathers, but on the same sockets, trust store and meter. What is looked at, and what it is worth, is for the
caller; it also holds a slot of the address gate. Nothing here raises for what the network did.
"""

import asyncio
import socket
import ssl
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
from cryptography import x509
from cryptography.x509 import Certificate as X509Certificate

from probe.failure import Failure
from probe.model.observations import Certificate, TlsHandshake
from probe.model.targets import Endpoint
from probe.net.classify import NETWORK_ERRORS, classify
from probe.net.dns import DNS_PORT, UDP_TRIES
from probe.net.dns_messages import MAX_MESSAGE_BYTES
from probe.net.http import Call, Trip, exchange
from probe.net.icmp import ask_for_icmp
from probe.net.instruments import Instruments
from probe.net.meter import MeteredDatagramSocket
from probe.net.stream import attempt, scrubbed
from probe.net.trust import describe

HEADER_COUNTS = slice(4, 12)  # RFC 1035 §4.1.1: questions, answers, authority, additional
MAX_CHAIN = 16  # certificates; a longer chain than ten is refused by OpenSSL


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFacts:
    """A completed handshake; expiries in seconds of Unix time, None where they cannot be read.

    `earliest_expiry`: of the certificates that the server sent; `chain_expiry`: of the chain that was verified, None
    where none was. `cipher` is OpenSSL's name.
    """

    version: str
    cipher: str
    certificate: Certificate | None
    earliest_expiry: float | None
    chain_expiry: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsLook:
    handshake: TlsHandshake
    facts: TlsFacts | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NameLook:
    """One answer of a resolver. Times are on the instruments' clock; counts are of records by section."""

    t0: float
    t_connected: float
    t: float
    failure: Failure | None
    rcode: str = ""
    answers: int = 0
    authorities: int = 0
    additionals: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLook:
    trip: Trip
    t: float
    facts: TlsFacts | None


async def ask(
    server: str, name: str, query_type: str, instruments: Instruments, *, deadline: float, port: int = DNS_PORT
) -> NameLook:
    """Ask over UDP, once more if half the time brought nothing. Raises ValueError for what is no name or type."""
    query = dns.message.make_query(name, dns.rdatatype.from_text(query_type), use_edns=False)
    query.id = instruments.random.getrandbits(16)
    instruments.known.add(server)
    t0 = t_connected = instruments.clock.now()
    failure: Failure | None = None
    wire = b""
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    try:
        with MeteredDatagramSocket(family, instruments.meter) as sock:
            instruments.ports.bind(sock)
            ask_for_icmp(sock)
            t_connected = instruments.clock.now()
            wire = await _answer(sock, (server, port), query, instruments, deadline)
    except NETWORK_ERRORS as error:
        failure = classify(error)
    return _read(wire, NameLook(t0=t0, t_connected=t_connected, t=instruments.clock.now(), failure=failure))


async def _answer(
    sock: socket.socket,
    server: tuple[str, int],
    query: dns.message.Message,
    instruments: Instruments,
    deadline: float,
) -> bytes:
    """The first datagram that answers the question. Raises OSError, TimeoutError among them."""
    loop = asyncio.get_running_loop()
    question = query.to_wire()
    for tries_left in range(UDP_TRIES, 0, -1):
        try:
            async with asyncio.timeout(instruments.seconds_until(deadline) / tries_left):
                await loop.sock_sendto(sock, question, server)
                while True:
                    wire, sender = await loop.sock_recvfrom(sock, MAX_MESSAGE_BYTES)
                    if sender[:2] == server and _answers(query, wire):
                        return wire
        except TimeoutError:
            if tries_left == 1:
                raise
    raise TimeoutError


def _answers(query: dns.message.Message, wire: bytes) -> bool:
    """Whether this is an answer to that question, as far as its header and question say; forgeries are passed over."""
    try:
        answer = dns.message.from_wire(wire, question_only=True)
    except (dns.exception.DNSException, ValueError):
        return False
    echoed = not answer.question or answer.question == query.question
    return answer.id == query.id and bool(answer.flags & dns.flags.QR) and echoed


def _read(wire: bytes, look: NameLook) -> NameLook:
    if not wire:
        return look
    counts = wire[HEADER_COUNTS]
    rcode = dns.rcode.to_text(dns.rcode.from_flags(int.from_bytes(wire[2:4], "big"), 0))
    return NameLook(
        t0=look.t0,
        t_connected=look.t_connected,
        t=look.t,
        failure=None,
        rcode=rcode,
        answers=int.from_bytes(counts[2:4], "big"),
        authorities=int.from_bytes(counts[4:6], "big"),
        additionals=int.from_bytes(counts[6:8], "big"),
    )


async def shake(
    endpoint: Endpoint,
    instruments: Instruments,
    *,
    server_name: str | None,
    verified_name: str | None,
    deadline: float,
) -> TlsLook:
    """Connect and shake hands; unlike a check's, a chain that is not trusted is not looked at a second time."""
    seen: list[ssl.SSLObject | None] = []
    made = await attempt(
        endpoint,
        instruments,
        server_name=server_name,
        verified_name=verified_name,
        deadline=deadline,
        witness=seen.append,
    )
    tls = seen[0] if seen else None
    facts = tls_facts(tls, made.certificate, verified=verified_name is not None) if tls is not None else None
    return TlsLook(handshake=made, facts=facts)


async def fetch(call: Call, instruments: Instruments, *, deadline: float) -> PageLook:
    """One request and its answer; the chain is checked for `call.verified_name`."""
    trip = await exchange(call, instruments, deadline=deadline)
    t = instruments.clock.now()
    verified = call.verified_name is not None
    if trip.tls is None:
        return PageLook(trip=trip, t=t, facts=None)
    leaf = trip.tls.getpeercert(binary_form=True)
    certificate = scrubbed(describe(leaf), instruments.known) if leaf is not None else None
    return PageLook(trip=trip, t=t, facts=tls_facts(trip.tls, certificate, verified=verified))


def tls_facts(tls: ssl.SSLObject, certificate: Certificate | None, *, verified: bool) -> TlsFacts:
    """What a finished handshake tells; `certificate` is its leaf."""
    leaf = tls.getpeercert(binary_form=True)
    cipher = tls.cipher()
    return TlsFacts(
        version=tls.version() or "",
        cipher=cipher[0] if cipher else "",
        certificate=certificate,
        earliest_expiry=_earliest(_chain(tls, "get_unverified_chain") or ((leaf,) if leaf else ())),
        chain_expiry=_earliest(_chain(tls, "get_verified_chain")) if verified else None,
    )


def _chain(tls: ssl.SSLObject, which: str) -> tuple[bytes, ...]:
    """The certificates in DER; () where this Python does not tell.

    `SSLObject` has these methods from Python 3.13 on; before, only the object of the C module that it wraps does.
    """
    public = getattr(tls, which, None)
    if public is not None:
        return tuple(public())[:MAX_CHAIN]
    wrapped = getattr(getattr(tls, "_sslobj", None), which, None)
    found = wrapped() if wrapped is not None else None
    return tuple(ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in (found or ())[:MAX_CHAIN])


def _earliest(chain: tuple[bytes, ...]) -> float | None:
    expiries = [expiry for expiry in map(_expiry, chain) if expiry is not None]
    return min(expiries, default=None)


def _expiry(der: bytes) -> float | None:
    try:
        certificate: X509Certificate = x509.load_der_x509_certificate(der)
        return certificate.not_valid_after_utc.timestamp()
    except (ValueError, TypeError, OverflowError, x509.InvalidVersion):
        return None
