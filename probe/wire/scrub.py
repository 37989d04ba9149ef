r"""Where does this text name an address, in whatever notation?

Pages tell their readers their own address: a censor's notice, a CDN's error page, a debugging header. It must not
get into evidence (design §5), so every address literal is replaced unless it is known to be a server's or a
resolver's. Replacing too much is fine, letting one through is not: what merely looks like an address (long numbers,
dates with dashes, MAC addresses, 32 hex digits) goes too.

The text is first read through its escapes (percent, HTML entities, `\u`, other scripts' digits, characters without
width), keeping for every character where it stood; addresses are then sought in that reading, and the original spans
replaced. Every pattern is bounded or starts where the previous character cannot belong to it, so the time is linear
in the length of the text.

What is compressed, encrypted or in base64 is not read.
"""

import functools
import ipaddress
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence

REPLACEMENT = "[scrubbed]"

_ESCAPES = (
    r"%(?:25){0,4}(?:u00)?(?P<percent>[0-7][0-9A-Fa-f])"
    r"|&(?:amp;){0,4}\#0{0,8}(?P<decimal>[0-9]{1,5});?"
    r"|&(?:amp;){0,4}\#[xX]0{0,8}(?P<hex>[0-9A-Fa-f]{1,4});?"
    r"|&(?:amp;){0,4}(?P<named>period|colon|hyphen|dash|lowbar|percnt|sol);"
    r"|\\{1,8}(?:u\{?0{0,4}|x)(?P<slash>[0-9A-Fa-f]{2})\}?"
    r"|(?P<dot>\\{1,8}\.|[\[(]\ ?(?:\.|dot)\ ?[\])])"
    r"|(?P<nothing><wbr\ ?/?>|&(?:amp;){0,4}(?:shy|zwj|zwnj|NoBreak|ZeroWidthSpace);)"
)
# A backslash and digits, as style sheets and C write it, may also be a folder's name that begins with an address.
_NUMBERED = r"|\\{1,8}0{0,4}(?P<css>[23][0-9A-Fa-f])\ ?|\\{1,8}0(?P<octal>[4-7][0-7])"
_ESCAPE = re.compile(_ESCAPES)
_ANY_ESCAPE = re.compile(_ESCAPES + _NUMBERED)
_SPECIAL = re.compile(r"[\[(]\ ?(?:\.|dot)|[%&\\\x00-\x08\x0b\x0e-\x1f\x7f-\U0010ffff]|<wbr")
_SPECIAL_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\U0010ffff]")
_NAMED = {"period": ".", "colon": ":", "hyphen": "-", "dash": "-", "lowbar": "_", "percnt": "%", "sol": "/"}
_DOTS = "。．｡․·∙⋅"  # what other scripts and typographers write for a full stop
_DASHES = "‐‑‒–—−－"
_COLONS = "：∶ː"

_NUMBER = r"(?:0[xX][0-9A-Fa-f]{1,16}|[0-9]+)"
_NUMBERS = re.compile(rf"(?<![0-9]){_NUMBER}(?:(?:\ ?\.\ ?|[-_/;:|+]|,\ ?){_NUMBER})+")
_LONG_NUMBER = re.compile(r"(?<![0-9])[0-9]{8,16}(?![0-9])")
_HEX_NUMBER = re.compile(r"0[xX][0-9A-Fa-f]{6,}")
_HEX_WORD = re.compile(r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{8}|[23fF][0-9A-Fa-f]{31})(?![0-9A-Fa-f])")
_HEX_BYTES = re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{2}(?:\ ?[.:-]\ ?[0-9A-Fa-f]{2}){3}(?![0-9A-Fa-f])")
_IPV6 = re.compile(r"[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,}(?:(?:\.[0-9]{1,3}){3})?(?:%[0-9A-Za-z_.-]{1,32})?")
_IPV6_DASHED = re.compile(r"[0-9A-Fa-f]{0,4}(?:-[0-9A-Fa-f]{0,4}){2,}")
_NIBBLES = re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f](?:\ ?[.-]\ ?[0-9A-Fa-f](?![0-9A-Fa-f])){7,}")

MIN_COLONS_WITHOUT_GAP = 5  # a clock time has two, a MAC address five, an IPv6 address without "::" seven
MIN_DASHES_WITHOUT_GAP = 7
MIN_DASHED_CHARACTERS = 6  # "a--b" is a word of style sheets
MAX_OCTET = 255
LEAST_NUMBER = 1 << 24  # 1.0.0.0
GREATEST_NUMBER = (1 << 32) - 1


def scrub(text: str, keep: Collection[str] = ()) -> str:
    """`text` with every address literal replaced that is not, in its ordinary notation, one of `keep`.

    `keep` holds IPv4 and IPv6 literals. An address of `keep` in an unusual notation is replaced as well.
    """
    kept = _canonical(frozenset(keep))
    spans = list(_addresses(text, kept))
    if _SPECIAL.search(text):  # sought in all readings: what looks like an escape may be none, as in "100%203.0.113.7"
        for pattern in (_ESCAPE, _ANY_ESCAPE) if "\\" in text else (_ESCAPE,):
            plain, origins = _read(text, pattern)
            spans += [(origins[start], origins[end]) for start, end in _addresses(plain, kept)]
    pieces: list[str] = []
    written = 0
    for start, end in _merged(sorted(spans)):
        pieces += (text[written:start], REPLACEMENT)
        written = end
    return "".join((*pieces, text[written:]))


def _merged(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Sorted spans, those that touch as one."""
    at = 0
    while at < len(spans):
        start, end = spans[at]
        while at < len(spans) and spans[at][0] <= end:
            end = max(end, spans[at][1])
            at += 1
        yield start, end


def is_address(text: str) -> bool:
    """Whether `text` as a whole is an address literal in ordinary notation, brackets and zone allowed."""
    return _parse(text.removeprefix("[").removesuffix("]")) is not None


@functools.lru_cache(maxsize=4)
def _canonical(keep: frozenset[str]) -> frozenset[str]:
    return frozenset(parsed for address in keep if (parsed := _parse(address)) is not None)


def _parse(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return None


def _read(text: str, escape: re.Pattern[str]) -> tuple[str, Sequence[int]]:
    """The text behind its escapes, and for each of its characters (and its end) the place in `text`."""
    characters: list[str] = []
    origins: list[int] = []
    at = 0
    for match in escape.finditer(text):
        _read_plain(text, at, match.start(), characters, origins)
        if not match["nothing"]:
            characters.append(_unescape(match))
            origins.append(match.start())
        at = match.end()
    _read_plain(text, at, len(text), characters, origins)
    origins.append(len(text))
    return "".join(characters), origins


def _read_plain(text: str, start: int, end: int, characters: list[str], origins: list[int]) -> None:
    part = text[start:end]
    if not _SPECIAL_CHARACTER.search(part):
        characters.extend(part)
        origins.extend(range(start, end))
        return
    for place, character in enumerate(part, start):
        plain = _plain_character(character)
        if plain:
            characters.append(plain)
            origins.append(place)


def _plain_character(character: str) -> str:
    """One character for one, or "" for what has no width."""
    if character.isascii():
        return character if character.isprintable() or character.isspace() else ""
    if character.isdigit():
        return str(unicodedata.digit(character))
    if character in _DOTS:
        return "."
    if character in _DASHES:
        return "-"
    if character in _COLONS:
        return ":"
    if unicodedata.category(character) in ("Cf", "Cc", "Mn", "Me"):
        return ""
    folded = unicodedata.normalize("NFKC", character)
    return folded if len(folded) == 1 else "\ufffd"


def _unescape(match: re.Match[str]) -> str:
    groups = match.groupdict()
    if groups["dot"]:
        return "."
    if groups["named"]:
        return _NAMED[groups["named"]]
    if groups["decimal"]:
        code = int(groups["decimal"])
    elif groups.get("octal"):
        code = int(groups["octal"], 8)
    else:
        code = int(groups["percent"] or groups["hex"] or groups["slash"] or groups.get("css", ""), 16)
    # One character, so that every escape keeps one place; a lone surrogate or an odd one is nobody's digit.
    return chr(code) if code < 0x80 else "\ufffd"


def _addresses(plain: str, keep: frozenset[str]) -> Iterator[tuple[int, int]]:
    """What looks like an address, but for what stands within an address of `keep` ("30.40" of "10.20.30.40")."""
    kept_ends: dict[int, int] = {}
    found: list[tuple[int, int]] = []
    for pattern, is_like in _SHAPES:
        for match in pattern.finditer(plain):
            if not is_like(match[0]):
                continue
            if _parse(match[0]) in keep:
                kept_ends.update(dict.fromkeys(range(*match.span()), match.end()))
            else:
                found.append(match.span())
    return (span for span in found if kept_ends.get(span[0], 0) < span[1])


def _is_ipv4_like(run: str) -> bool:
    """Four numbers or more; or fewer, as inet_aton reads them: the last one fills what the others leave."""
    numbers = re.split(r"[ ._,/;:|+-]+", run)
    if len(numbers) >= 4:
        return True
    if any(separator in run for separator in "-_,/;:|+"):
        return False
    values = [_value(number) for number in numbers]
    return values[-1] > MAX_OCTET and all(value <= MAX_OCTET for value in values[:-1]) and values[0] > 0


def _is_ipv4_number(digits: str) -> bool:
    """One number in decimal or octal, or four octets padded to three digits each."""
    if LEAST_NUMBER <= int(digits) <= GREATEST_NUMBER:
        return True
    if len(digits) == 12 and all(int(digits[at : at + 3]) <= MAX_OCTET for at in (0, 3, 6, 9)):
        return True
    is_octal = digits[0] == "0" and not set(digits) & {"8", "9"}
    return is_octal and LEAST_NUMBER <= int(digits, 8) <= GREATEST_NUMBER


def _value(number: str) -> int:
    if len(number) > 16:
        return 1 << 64
    return int(number, 16) if number[:2] in ("0x", "0X") else int(number)


def _is_ipv6_like(run: str) -> bool:
    if not any(c.isalnum() for c in run):
        return False
    return "::" in run or run.count(":") >= MIN_COLONS_WITHOUT_GAP


def _is_dashed_ipv6_like(run: str) -> bool:
    if run.count("-") >= MIN_DASHES_WITHOUT_GAP:
        return any(c.isalnum() for c in run)
    if "--" not in run or len(run) < MIN_DASHED_CHARACTERS or not any(c.isdigit() for c in run):
        return False
    trimmed = (run, run.removeprefix("-"), run.removesuffix("-"), run.removeprefix("-").removesuffix("-"))
    return any(_parse(candidate.replace("-", ":")) is not None for candidate in trimmed)


def _is_any(_run: str) -> bool:
    return True


_SHAPES: tuple[tuple[re.Pattern[str], Callable[[str], bool]], ...] = (
    (_NUMBERS, _is_ipv4_like),
    (_IPV6, _is_ipv6_like),
    (_IPV6_DASHED, _is_dashed_ipv6_like),
    (_LONG_NUMBER, _is_ipv4_number),
    (_NIBBLES, _is_any),
    (_HEX_NUMBER, _is_any),
    (_HEX_WORD, _is_any),
    (_HEX_BYTES, _is_any),
)
