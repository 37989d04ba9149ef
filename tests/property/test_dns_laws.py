"""Whatever bytes a resolver sends: an answer comes out, and it holds only what belongs to the question."""

import ipaddress

import dns.message
import dns.rrset
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.net.dns_messages import MAX_ADDRESSES, build_question, read_answer
from probe.wire.names import to_ascii

NAME = "platform.test"


def addresses() -> st.SearchStrategy[list[str]]:
    return st.lists(st.integers(0, 2**32 - 1).map(lambda n: str(ipaddress.IPv4Address(n))), max_size=5, unique=True)


def built(found: list[str], message_id: int) -> bytes:
    response = dns.message.make_response(dns.message.from_wire(build_question(NAME, "A", message_id)))
    if found:
        response.answer.append(dns.rrset.from_text_list(f"{NAME}.", 60, "IN", "A", found))
    return response.to_wire()


@settings(deadline=None)
@given(addresses(), st.integers(0, 0xFFFF))
def test_what_is_built_is_read(found: list[str], message_id: int) -> None:
    answer = read_answer(built(found, message_id), NAME, "A", message_id)
    assert set(answer.addresses) == set(found)
    assert not answer.malformed
    assert (answer.failure is None) is bool(found)


@settings(deadline=None)
@given(addresses(), st.integers(0, 0xFFFF), st.integers(1, 0xFFFF))
def test_another_id_is_malformed(found: list[str], message_id: int, difference: int) -> None:
    assert read_answer(built(found, message_id), NAME, "A", message_id ^ difference).malformed


@settings(deadline=None)
@given(addresses())
def test_another_name_is_malformed(found: list[str]) -> None:
    answer = read_answer(built(found, 7), "other.test", "A", 7)
    assert answer.malformed
    assert answer.addresses == ()


@settings(deadline=None)
@given(st.binary(max_size=600))
def test_any_bytes_are_taken(wire: bytes) -> None:
    answer = read_answer(wire, NAME, "A", 7)
    assert len(answer.addresses) <= MAX_ADDRESSES


@settings(deadline=None)
@given(addresses(), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=8))
def test_damaged_answers_are_taken(found: list[str], damage: list[tuple[int, int]]) -> None:
    wire = bytearray(built(found, 7))
    for place, value in damage:
        wire[place % len(wire)] = value
    answer = read_answer(bytes(wire), NAME, "A", 7)
    for address in answer.addresses:
        ipaddress.ip_address(address)


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_a_name_or_none(text: str) -> None:
    name = to_ascii(text)
    if name is not None:
        assert name.isascii()
        build_question(name, "A", 0)
