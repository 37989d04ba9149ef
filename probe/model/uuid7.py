"""Identifiers that sort by time: UUID version 7 (RFC 9562, section 5.7), from a given time and random source."""

from random import Random
from uuid import UUID


def uuid7(unix_milliseconds: int, random: Random) -> str:
    """48 bits of time, then 74 random bits around version and variant, in the usual hyphenated form."""
    value = (unix_milliseconds & (2**48 - 1)) << 80 | random.getrandbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(UUID(int=value))
