"""What do the resolvers of this line, and the trusted ones, answer?

Three ways to ask: getaddrinfo, as programs do; one server over UDP, listening for a while after its first answer; a
control resolver over HTTPS. All replies are recorded, those that a program would have ignored included (from another
address, with another id, unreadable): after the ones that count, each with its time and source.
"""

import asyncio
import ipaddress
import socket
from dataclasses import dataclass, field
from pathlib import Path

from probe.failure import Failure
from probe.model.observations import DnsQuery, DnsReply, Engine
from probe.net.base import LATE_REPLY_SECONDS
from probe.net.classify import NETWORK_ERRORS, classify
from probe.net.dns_messages import MAX_MESSAGE_BYTES, Answer, build_question, read_answer
from probe.net.getaddrinfo import AddressLookups
from probe.net.icmp import ask_for_icmp
from probe.net.instruments import Instruments, KnownAddresses
from probe.net.limits import require_time
from probe.net.meter import MeteredDatagramSocket
from probe.wire.bogon import is_private
from probe.wire.names import to_ascii

DNS_PORT = 53
UDP_TRIES = 2  # one lost datagram must not look like a silent resolver
MAX_REPLIES = 8  # an injector sends two or three beside the true one; each costs up to 10 ms to read
MAX_SERVERS = 3  # resolv.conf(5): the C library uses no more

HOST_BITS = 64  # of an IPv6 address; the rest is the line's prefix (RFC 4291 §2.5.4)
RESOLV_CONF = Path("/etc/resolv.conf")
STUB_UPSTREAMS = Path("/run/systemd/resolve/resolv.conf")


def system_servers(resolv_conf: Path = RESOLV_CONF, upstreams: Path = STUB_UPSTREAMS) -> tuple[str, ...]:
    """Addresses of the configured resolvers; those behind a loopback stub where they are known, else the stub."""
    servers = _nameservers(resolv_conf)
    if servers and all(ipaddress.ip_address(server).is_loopback for server in servers):
        behind = [s for s in _nameservers(upstreams) if not ipaddress.ip_address(s).is_loopback]
        return tuple(behind or servers)[:MAX_SERVERS]
    return servers[:MAX_SERVERS]


def _nameservers(path: Path) -> tuple[str, ...]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    words = (line.split() for line in lines)
    named = (word[1] for word in words if len(word) > 1 and word[0] == "nameserver")
    # One with a zone is the link's own router: to dial it, and to name it, would take the interface's name.
    literals = dict.fromkeys(server for server in named if _is_literal(server) and "%" not in server)
    return tuple(server for server in literals if not shares_our_prefix(server))


def shares_our_prefix(server: str) -> bool:
    """Whether a public IPv6 address lies in the /64 that this machine would speak to it from.

    It is the home router's then, and its prefix names the line as our own address does (design §5): getaddrinfo asks
    it all the same, evidence does not name it. No packet is sent.
    """
    address = ipaddress.ip_address(server)
    if address.version == 4 or is_private(server):
        return False
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((server, DNS_PORT))
        except OSError:
            return False
        ours = ipaddress.ip_address(sock.getsockname()[0].partition("%")[0])
    return int(ours) >> HOST_BITS == int(address) >> HOST_BITS


def _is_literal(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


async def resolve(hostname: str, lookups: AddressLookups, instruments: Instruments, *, deadline: float) -> DnsQuery:
    """Ask getaddrinfo. Raises CannotRun when its threads all hang, or the deadline is past."""
    require_time(instruments.clock, deadline, stage="getaddrinfo")
    t0 = instruments.clock.now()
    replies: tuple[DnsReply, ...] = ()
    failure: Failure | None = None
    ascii_name = to_ascii(hostname)
    if ascii_name is None:
        failure = Failure.UNKNOWN  # not a host name: nothing was asked
    else:
        try:
            async with asyncio.timeout(instruments.seconds_until(deadline)):
                resolved = await lookups.lookup(ascii_name)
        except NETWORK_ERRORS as error:
            failure = classify(error)
        else:
            alias = resolved.canonical_name.lower().removesuffix(".")
            cnames = (instruments.known.scrub(alias),) if alias not in ("", ascii_name) else ()
            reply = DnsReply(
                t=instruments.clock.now(), source="", rcode="NOERROR", addresses=resolved.addresses, cnames=cnames
            )
            replies = (reply,)
            instruments.known.add(*resolved.addresses)
    return DnsQuery(
        engine=Engine.GETADDRINFO,
        resolver="system",
        resolver_address="",
        hostname=hostname,
        query_type="ANY",
        t0=t0,
        t=instruments.clock.now(),
        replies=replies,
        failure=failure,
        transaction_id=next(instruments.transactions),
    )


@dataclass(slots=True, kw_only=True)
class _Collected:
    """What came back: `counting` from the server asked and to our question, `ignored` everything else."""

    server: str
    port: int
    known: KnownAddresses
    counting: list[DnsReply] = field(default_factory=list)
    ignored: list[DnsReply] = field(default_factory=list)
    first: Failure | None = None  # what the first counting reply means to a program
    error: Failure | None = None

    def take(self, sender: tuple[str, int], answer: Answer, t: float) -> None:
        source = sender[0].partition("%")[0]
        reply = DnsReply(
            t=t,
            source=source,
            rcode=answer.rcode,
            addresses=answer.addresses,
            cnames=tuple(self.known.scrub(name) for name in answer.cnames),
            authoritative=answer.authoritative,
            malformed=answer.malformed,
        )
        if answer.malformed or (source, sender[1]) != (self.server, self.port):
            self.ignored.append(reply)
            return
        if not self.counting:
            self.first = answer.failure
        self.counting.append(reply)

    @property
    def is_full(self) -> bool:
        return len(self.counting) + len(self.ignored) >= MAX_REPLIES

    @property
    def failure(self) -> Failure | None:
        if self.counting:
            return self.first
        if self.error is not None:
            return self.error
        from_server = any(reply.source == self.server for reply in self.ignored)
        return Failure.DNS_SERVER_MISBEHAVING if from_server else Failure.GENERIC_TIMEOUT


async def query_udp(
    server: str, hostname: str, query_type: str, instruments: Instruments, *, deadline: float, port: int = DNS_PORT
) -> DnsQuery:
    """Ask `server`, twice if it is silent for half the time; each try has its own socket, source port and id, so that
    a late answer to the first is not taken for a second answer to the second. Raises CannotRun when the deadline is
    past.
    """
    require_time(instruments.clock, deadline, stage="dns")
    t0 = instruments.clock.now()
    instruments.known.add(server)
    collected = _Collected(server=str(ipaddress.ip_address(server)), port=port, known=instruments.known)
    ascii_name = to_ascii(hostname)
    if ascii_name is None:
        collected.error = Failure.UNKNOWN
    else:
        for attempt in range(UDP_TRIES):
            share = instruments.seconds_until(deadline) / (UDP_TRIES - attempt)
            until = instruments.clock.now() + share
            collected.error = None
            try:
                await _ask_udp(collected, ascii_name, query_type, instruments, until, deadline)
            except NETWORK_ERRORS as error:
                collected.error = classify(error)
            if collected.counting or collected.is_full:
                break
    for reply in collected.counting:
        instruments.known.add(*reply.addresses)
    return DnsQuery(
        engine=Engine.UDP,
        resolver="system",
        resolver_address=server,
        hostname=hostname,
        query_type=query_type,
        t0=t0,
        t=instruments.clock.now(),
        replies=(*collected.counting, *collected.ignored),
        failure=collected.failure,
        transaction_id=next(instruments.transactions),
    )


async def _ask_udp(
    collected: _Collected,
    hostname: str,
    query_type: str,
    instruments: Instruments,
    until: float,
    deadline: float,
) -> None:
    loop = asyncio.get_running_loop()
    message_id = instruments.random.getrandbits(16)
    question = build_question(hostname, query_type, message_id)
    family = socket.AF_INET6 if ":" in collected.server else socket.AF_INET
    with MeteredDatagramSocket(family, instruments.meter) as sock:
        instruments.ports.bind(sock)
        ask_for_icmp(sock)
        try:
            async with asyncio.timeout(instruments.seconds_until(until)) as limit:
                await loop.sock_sendto(sock, question, (collected.server, collected.port))
                while not collected.is_full:
                    wire, sender = await loop.sock_recvfrom(sock, MAX_MESSAGE_BYTES)
                    answer = read_answer(wire, hostname, query_type, message_id)
                    was_silent = not collected.counting
                    collected.take(sender[:2], answer, instruments.clock.now())
                    if was_silent and collected.counting:
                        late = min(LATE_REPLY_SECONDS, instruments.seconds_until(deadline))
                        limit.reschedule(loop.time() + late)
        except TimeoutError:
            return
