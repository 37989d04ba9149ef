"""How is this host name written on the wire?

Names in DNS questions, server name indications and Host lines are ASCII (RFC 5890); people and redirects write others.
"""

import re

import idna

_PLAIN = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.(?!-)[a-z0-9_-]{1,63})*")
MAX_NAME_CHARACTERS = 253


def to_ascii(name: str) -> str | None:
    """`name` in lower case and punycode, without a trailing dot; None for what cannot be a host name."""
    lowered = name.lower().removesuffix(".")
    if len(lowered) > MAX_NAME_CHARACTERS:
        return None
    if lowered.isascii():
        return lowered if _PLAIN.fullmatch(lowered) else None
    try:
        return idna.encode(lowered, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        return None
