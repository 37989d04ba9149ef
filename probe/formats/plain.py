"""How does foreign text get into a report without doing anything there?

Titles, headers, issuers and names are written by servers, and by whoever forges them. `plain` leaves only visible
characters on one line: no terminal escapes (ECMA-48), no control, format or bidirectional override characters, nothing
that XML 1.0 forbids, and no commands to a CI system. Escaping for HTML, XML or Markdown is each format's own business,
after this.
"""

import re
import unicodedata

MAX_CHARACTERS = 600  # a reason is one sentence; a longer text is not for reading
ELLIPSIS = "…"

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|\x9c|$)"  # OSC, DCS, SOS, PM, APC: window titles, links
    r"|\x1b[ -/]*[0-~]?"  # any other escape
    r"|\x9b[0-?]*[ -/]*[@-~]",  # CSI as one character
    re.DOTALL,
)
# What CI systems take for a command to themselves wherever a line of output begins with it ("::error::", "##[group]",
# "##vso[…]"), and a wrapped line may begin with anything; no IPv6 address is written so.
_COMMAND = re.compile(r"::(?=[a-f]{0,4}[g-z-])|##(?=\w{0,16}\[)", re.IGNORECASE)
_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_LAST_OF_PLANE = 0xFFFE  # U+FFFE, U+FFFF and their like in other planes are no characters


def plain(text: str, *, limit: int = MAX_CHARACTERS) -> str:
    """The text on one line, with nothing in it that is not shown; cut with an ellipsis beyond `limit` characters."""
    if text.isascii() and text.isprintable():
        shown = text
    else:
        # Twice the limit bounds the work on a hostile text and leaves enough after escapes are gone.
        shown = "".join(_visible(c) for c in _ESCAPES.sub("", text[: limit * 2]))
    shown = " ".join(_COMMAND.sub(lambda command: " ".join(command[0]), shown).split())
    return shown if len(shown) <= limit else shown[: limit - 1] + ELLIPSIS


def sentence(text: str) -> str:
    """The text as a sentence: a capital first, a full stop last; "" stays ""."""
    shown = plain(text)
    if not shown:
        return ""
    first = shown.split(" ", 1)[0]
    # A host name or an identifier keeps its case.
    start = shown if any(c in first for c in "./_:") else shown[0].upper() + shown[1:]
    return start if start.endswith((".", "!", "?", ELLIPSIS)) else start + "."


def _visible(character: str) -> str:
    if unicodedata.category(character) in _INVISIBLE:
        return " " if character in "\t\n\r\v\f\x85\u2028\u2029" else ""
    return "" if ord(character) & _LAST_OF_PLANE == _LAST_OF_PLANE else character
