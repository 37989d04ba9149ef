"""What does this DNS message answer to our question?

Builds questions and reads answers with dnspython, following the CNAME chain inside the answer as a stub resolver does.
Hostile bytes give an answer marked malformed, never an exception. Whether an answer is true is for `probe.verdict`.

Sources: RFC 1035 §4, RFC 6891 (EDNS), RFC 8484 §4.1 (an id of 0 over HTTPS).
"""

import ipaddress
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from probe.failure import Failure

MAX_MESSAGE_BYTES = 65_535
UDP_PAYLOAD_BYTES = 1232  # what fits every path unfragmented (DNS flag day 2020)
MAX_CNAMES = 16
MAX_ADDRESSES = 64

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


def read_answer(wire: bytes, hostname: str, query_type: str, message_id: int) -> Answer:
    """The answer in `wire`; one with another id or to another question keeps its content and is marked malformed."""
    if len(wire) > MAX_MESSAGE_BYTES:
        return _UNREADABLE
    try:
        message = dns.message.from_wire(wire, ignore_trailing=True, one_rr_per_rrset=False)
        wanted = dns.name.from_text(hostname)
        kind = dns.rdatatype.from_text(query_type)
        addresses, cnames = _follow(message, wanted, kind)
    except (dns.exception.DNSException, ValueError):
        return _UNREADABLE
    asked = [(q.name, q.rdtype) for q in message.question]
    # Servers may leave the question out of an error, never another one in.
    fits = asked == [(wanted, kind)] or (not asked and message.rcode() != dns.rcode.NOERROR)
    return Answer(
        rcode=dns.rcode.to_text(message.rcode()),
        addresses=addresses,
        cnames=cnames,
        authoritative=bool(message.flags & dns.flags.AA),
        truncated=bool(message.flags & dns.flags.TC),
        malformed=not (fits and message.id == message_id and message.flags & dns.flags.QR),
    )


def _follow(
    message: dns.message.Message, wanted: dns.name.Name, kind: dns.rdatatype.RdataType
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Addresses at the end of the CNAME chain from `wanted`, and the chain's names."""
    name = wanted
    cnames: list[str] = []
    while len(cnames) <= MAX_CNAMES:
        found = message.get_rrset(message.answer, name, dns.rdataclass.IN, kind)
        if found is not None:
            return _literals(found), tuple(cnames)
        alias = message.get_rrset(message.answer, name, dns.rdataclass.IN, dns.rdatatype.CNAME)
        if not alias:
            break
        name = alias[0].target
        cnames.append(name.to_text(omit_final_dot=True).lower())
    return (), tuple(cnames)


def _literals(found: dns.rrset.RRset) -> tuple[str, ...]:
    distinct = dict.fromkeys(str(ipaddress.ip_address(record.address)) for record in found)
    return tuple(distinct)[:MAX_ADDRESSES]
