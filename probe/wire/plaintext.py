"""Which names stand in plain text in the first bytes of a flow?

Reads the Host of an HTTP/1 request and the question of a DNS query, as anyone on the path can, and builds the short
DNS answers that a resolver or a forger gives. Sans-I/O. Judging DNS answers is left to others.

Sources: RFC 9112 §3 (HTTP/1.1 requests), RFC 1035 §4 (DNS messages).
"""

import ipaddress
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from probe.wire.packets import MalformedPacketError

MAX_DNS_LABEL_BYTES = 63
MAX_DNS_NAME_BYTES = 255
MAX_HTTP_HEAD_BYTES = 16_384


class Rcode(IntEnum):
    """The DNS answer codes that resolvers and forgers give (RFC 1035 §4.1.1)."""

    NOERROR = 0
    SERVFAIL = 2
    NXDOMAIN = 3
    REFUSED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsQuestion:
    """The first question of a query. `name` in lower case without the root's dot; `wire` the question's bytes as
    asked (0x20 case kept).
    """

    id: int
    name: str
    qtype: int
    wire: bytes
    recursion_desired: bool = True


def parse_http_host(head: bytes) -> str | None:
    """The Host of a plain HTTP/1 request, in lower case without its port; None while the head is not complete or
    names none.
    """
    end = head.find(b"\r\n\r\n")
    if end < 0 or end > MAX_HTTP_HEAD_BYTES:
        return None
    lines = head[:end].split(b"\r\n")
    if b" HTTP/1." not in lines[0]:
        return None
    for line in lines[1:]:
        field, _, value = line.partition(b":")
        if field.strip().lower() == b"host":
            return value.strip().split(b":")[0].decode("latin-1").lower()
    return None


def parse_dns_question(payload: bytes) -> DnsQuestion:
    """The question of a DNS query with exactly one. Raises MalformedPacketError for answers, compression and bad
    lengths.
    """
    if len(payload) < 12:
        raise MalformedPacketError("DNS header cut short")
    query_id, flags, questions = struct.unpack_from("!HHH", payload)
    if flags & 0x8000 or questions != 1:
        raise MalformedPacketError("not a DNS query with one question")
    labels: list[str] = []
    at = 12
    while at < len(payload) and payload[at]:
        length = payload[at]
        if length > MAX_DNS_LABEL_BYTES or at + 1 + length >= len(payload) or at - 12 > MAX_DNS_NAME_BYTES:
            raise MalformedPacketError("DNS label outside the message")
        labels.append(payload[at + 1 : at + 1 + length].decode("latin-1").lower())
        at += 1 + length
    if at + 5 > len(payload):
        raise MalformedPacketError("DNS question cut short")
    qtype = int.from_bytes(payload[at + 1 : at + 3], "big")
    wire = payload[12 : at + 5]
    return DnsQuestion(
        id=query_id, name=".".join(labels), qtype=qtype, wire=wire, recursion_desired=bool(flags & 0x100)
    )


def build_dns_answer(
    question: DnsQuestion, *, rcode: int, addresses: Sequence[str] = (), ttl_seconds: int = 60
) -> bytes:
    """An answer to `question` with `addresses` of its type (A or AAAA), as a recursive resolver gives it."""
    flags = 0x8080 | (0x100 if question.recursion_desired else 0) | rcode
    head = struct.pack("!HHHHHH", question.id, flags, 1, len(addresses), 0, 0)
    records = b""
    for address in addresses:
        data = ipaddress.ip_address(address).packed
        records += struct.pack("!HHHIH", 0xC00C, 1 if len(data) == 4 else 28, 1, ttl_seconds, len(data)) + data
    return head + question.wire + records
