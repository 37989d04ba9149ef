"""What does this DNS message answer to our question?

Builds questions and reads answers with dnspython, following the CNAME chain inside the answer as a stub resolver does.
Hostile bytes give an answer marked malformed, never an exception. Whether an answer is true is for `probe.verdict`.

Sources: RFC 1035 §4, RFC 6891 (EDNS), RFC 8484 §4.1 (an id of 0 over HTTPS).
"""

import ipaddress
from dataclasses import dataclass, field

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.wire

from probe.failure import Failure

MAX_MESSAGE_BYTES = 4096  # 64 addresses of IPv6 and a chain of aliases fit twice; a DNS library took 8 s for 64 KB
UDP_PAYLOAD_BYTES = 1232  # what fits every path unfragmented (DNS flag day 2020)
MAX_CNAMES = 16
MAX_ADDRESSES = 64
MAX_QUESTIONS = 4  # one was asked
MAX_RECORDS = MAX_CNAMES + 2 * MAX_ADDRESSES  # of the answer section; the sections after it are not read

_FAILURES = {
    "NXDOMAIN": Failure.DNS_NXDOMAIN,
    "REFUSED": Failure.DNS_REFUSED,
    "SERVFAIL": Failure.DNS_SERVFAIL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`rcode` by name, "" when the message could not be read; `malformed`: not an answer to our question at all."""

    rcode: str
    addresses: tuple[str, ...]
    cnames: tuple[str, ...]
    authoritative: bool
    truncated: bool
    malformed: bool

    @property
    def failure(self) -> Failure | None:
        """What a program that asked would have met with."""
        if self.malformed:
            return Failure.DNS_SERVER_MISBEHAVING
        if self.rcode != "NOERROR":
            return _FAILURES.get(self.rcode, Failure.DNS_SERVER_MISBEHAVING)
        if self.addresses:
            return None
        return Failure.DNS_TEMPORARY_FAILURE if self.truncated else Failure.DNS_NO_ANSWER


_UNREADABLE = Answer(rcode="", addresses=(), cnames=(), authoritative=False, truncated=False, malformed=True)


def build_question(hostname: str, query_type: str, message_id: int) -> bytes:
    """The question for an ASCII `hostname`, recursion desired. Raises dns.exception.DNSException for a bad name."""
    query = dns.message.make_query(
        hostname, dns.rdatatype.from_text(query_type), use_edns=0, payload=UDP_PAYLOAD_BYTES, id=message_id
    )
    return query.to_wire()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    """What was asked, and what the answer section says of addresses and aliases; names compare without their case."""

    message_id: int
    flags: int
    asked: list[tuple[dns.name.Name, int]]
    addresses: dict[dns.name.Name, list[str]] = field(default_factory=dict)
    aliases: dict[dns.name.Name, dns.name.Name] = field(default_factory=dict)


def read_answer(wire: bytes, hostname: str, query_type: str, message_id: int) -> Answer:
    """The answer in `wire`; one with another id or to another question keeps its content and is marked malformed.

    Reads the questions and the answer section alone, each up to a number of records: whoever can send us a datagram
    must not be able to keep the event loop busy, because other measurements would take that for a slow network.
    """
    if len(wire) > MAX_MESSAGE_BYTES:
        return _UNREADABLE
    try:
        wanted = dns.name.from_text(hostname)
        kind = dns.rdatatype.from_text(query_type)
        message = _parse(wire, kind)
        addresses, cnames = _follow(message, wanted)
    except (dns.exception.DNSException, ValueError):
        return _UNREADABLE
    rcode = dns.rcode.from_flags(message.flags, 0)
    # Servers may leave the question out of an error, never another one in.
    fits = message.asked == [(wanted, kind)] or (not message.asked and rcode != dns.rcode.NOERROR)
    return Answer(
        rcode=dns.rcode.to_text(rcode),
        addresses=addresses,
        cnames=cnames,
        authoritative=bool(message.flags & dns.flags.AA),
        truncated=bool(message.flags & dns.flags.TC),
        malformed=not (fits and message.message_id == message_id and message.flags & dns.flags.QR),
    )


def _parse(wire: bytes, kind: dns.rdatatype.RdataType) -> _Message:
    """Raises dns.exception.DNSException or ValueError."""
    parser = dns.wire.Parser(wire)
    message_id, flags, questions, answers, _, _ = parser.get_struct("!HHHHHH")
    asked: list[tuple[dns.name.Name, int]] = []
    if questions > MAX_QUESTIONS:
        raise dns.exception.FormError
    for _ in range(questions):
        name = dns.name.from_wire_parser(parser)
        asked.append((name, parser.get_uint16()))
        parser.get_uint16()
    message = _Message(message_id=message_id, flags=flags, asked=asked)
    for _ in range(min(answers, MAX_RECORDS)):
        name = dns.name.from_wire_parser(parser)
        record_type, record_class, _, length = parser.get_struct("!HHIH")
        with parser.restrict_to(length):
            if record_class == dns.rdataclass.IN and record_type == dns.rdatatype.CNAME:
                message.aliases.setdefault(name, dns.name.from_wire_parser(parser))
            elif record_class == dns.rdataclass.IN and record_type == kind:
                message.addresses.setdefault(name, []).append(_literal(parser.get_remaining(), kind))
            else:
                parser.get_remaining()
    return message


def _literal(packed: bytes, kind: dns.rdatatype.RdataType) -> str:
    """Raises ValueError where the length is another family's, or none's."""
    return str(ipaddress.IPv6Address(packed) if kind == dns.rdatatype.AAAA else ipaddress.IPv4Address(packed))


def _follow(message: _Message, wanted: dns.name.Name) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Addresses at the end of the CNAME chain from `wanted`, and the chain's names."""
    name = wanted
    cnames: list[str] = []
    while len(cnames) <= MAX_CNAMES:
        if name in message.addresses:
            return tuple(dict.fromkeys(message.addresses[name]))[:MAX_ADDRESSES], tuple(cnames)
        if name not in message.aliases:
            break
        name = message.aliases[name]
        cnames.append(name.to_text(omit_final_dot=True).lower())
    return (), tuple(cnames)
