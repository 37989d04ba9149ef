"""What may each value of a watch.yaml be, and what is it once read?

One type a value, with its mistake in words and its JSON Schema; which keys hold them is `watch_schema`'s. Of this
machine only its name is asked for, which nobody may publish by mistake, and its database of time zones.
"""

import platform
import re
from datetime import time
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, Field, WithJsonSchema

from probe.config import quantities, urls
from probe.config.countries import COUNTRIES
from probe.config.fields import IDENTIFIER, normalised, parsed, text_schema, wrong
from probe.config.watch_file import Answer, NetworkKind, Weekday

VERSION = 1
MAX_ASN = 2**32 - 1  # RFC 6793
MIN_GAP_SECONDS = 1.0  # below it a schedule is a loop
MIN_PLAIN_GAP_SECONDS = 60.0  # nobody who writes `mean: 6` means six seconds: below it a unit is asked for
MAX_GAP_SECONDS = 31 * 86_400.0  # less often than once a month is no watch
MIN_RUN_BYTES = 1_000_000  # the pages of a few targets; with less, nothing at all could be judged
MAX_BUDGET_BYTES = 10**15
MIN_STORE_BYTES = 10_000_000  # a few runs of the packaged list
MIN_SPOOL_BYTES = 100_000  # a few runs' samples
MAX_RETENTION_DAYS = 36_500
MAX_TIMEOUT_SECONDS = 300.0
_DAYS = tuple(day.name.lower() for day in Weekday)
INSTANCE = r"[A-Za-z0-9_.-]{1,64}"
MODULE_NAME = r"[A-Za-z_][A-Za-z0-9_-]{0,62}"
# a name as it stands in a Host header: a container's has no dot, an address needs not be allowed
WEB_HOST = r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?"
VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
# an IPv4 address with any separator (`ip-192-0-2-1`), a MAC address, an IPv6 interface identifier in full
_ADDRESS_LIKE = re.compile(
    r"(?<![0-9])[0-9]{1,3}(?:[._-][0-9]{1,3}){3}(?![0-9])|(?:[0-9a-f]{2}[._-]){5}[0-9a-f]{2}|(?:[0-9a-f]{4}-){3}[0-9a-f]{4}",
    re.IGNORECASE,
)
_SECRET_KEY = re.compile(
    r"(?:.*[_-])?(?:token|password|passwd|pass|secret|key|apikey|auth|credentials?)", re.IGNORECASE
)


def _version(version: int) -> int:
    if version != VERSION:
        raise wrong(f"version {version} is unknown: this program reads version {VERSION}")
    return version


def _instance(text: str) -> str:
    if not re.fullmatch(INSTANCE, text):
        raise ValueError("must be 1 to 64 of A-Z, a-z, 0-9, _, . and -")
    if _ADDRESS_LIKE.search(text) or urls.address_or_none(text) is not None:
        raise ValueError(f"{text!r} looks like an address: choose an id that tells nothing about this line")
    own = platform.node().lower()
    if own and text.lower() in {own, own.split(".")[0]}:
        raise ValueError(f"{text!r} is this machine's name: choose an id that tells nothing about it")
    return text


def _country(text: str) -> str:
    if text.upper() not in COUNTRIES:
        raise ValueError(f"{text!r} is no country of ISO 3166-1: two letters such as NL")
    return text.upper()


def _asn(number: int) -> int:
    if not 1 <= number <= MAX_ASN:
        raise wrong(f"must be from 1 to {MAX_ASN}")
    return number


def _time_zone(text: str) -> str:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if text == "UTC":  # known without a database of zones
        return text
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{text!r} is no time zone of this machine's database: a name such as Europe/Berlin") from None
    return text


def _weekday(value: object) -> Weekday:
    if value not in _DAYS:
        raise ValueError(f"must be one of {', '.join(_DAYS)}")
    return Weekday(_DAYS.index(str(value)))


def _receiver_url(text: str) -> str:
    if "@" in text:  # before anything that would quote a part of it
        raise ValueError("must not hold credentials (the part before @): use password_file or bearer_token_file")
    normal = urls.url(text, schemes=("https", "http"), literal_host=True, local_host=True)
    for name, _ in parse_qsl(urlsplit(normal).query, keep_blank_values=True):
        if _SECRET_KEY.fullmatch(name):
            raise ValueError(f"must not hold credentials (?{name}=): use password_file or bearer_token_file")
    return normal


def _one_line(text: str) -> str:
    if not text or len(text) > 256 or not text.isprintable() or ":" in text:
        raise ValueError("must be 1 to 256 printable characters without a colon (RFC 7617)")
    return text


def _variable(text: str) -> str:
    if not re.fullmatch(VARIABLE, text):
        raise ValueError("is no name of an environment variable")  # not quoted: it may be the secret itself
    return text


def _file(text: str) -> str:
    message = "must be the path of a file"
    if not text.strip() or "\0" in text:
        raise ValueError(message)
    try:
        Path(text).expanduser()
    except RuntimeError:  # ~somebody who is not known here
        raise ValueError(message) from None
    return text


def _identifier(text: str) -> str:
    if not re.fullmatch(IDENTIFIER, text):
        raise ValueError(f"{text!r} is no name: 1 to 63 of a-z, 0-9, _ and -, the first a letter or a digit")
    return text


def _web_host(text: str) -> str:
    if not re.fullmatch(WEB_HOST, text):
        raise ValueError("must be a name as browsers and Prometheus send it in Host, without a port")
    return text.lower()


def _module_name(text: str) -> str:
    if not re.fullmatch(MODULE_NAME, text):
        raise ValueError(f"{text!r} is no name: 1 to 63 of A-Z, a-z, 0-9, _ and -, the first no digit")
    return text


def _fraction(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise ValueError("must be a number above 0, at most 1")
    return float(value)


def _between(least: float, most: float, unit: str = "") -> AfterValidator:
    def validate(value: float) -> float:
        if not least <= value <= most:
            raise wrong(f"must be from {least:,.16g} to {most:,.16g} {unit}".rstrip())
        return value

    return AfterValidator(validate)


def _one_of(*words: str) -> AfterValidator:
    def validate(text: str) -> str:
        if text not in words:
            raise wrong(f"must be {' or '.join(words)}, not {text!r}")
        return text

    return AfterValidator(validate)


_DURATION_SCHEMA = WithJsonSchema({"type": ["number", "string"], "examples": ["36min", "6h", "1h30min", 90]})
_SIZE_SCHEMA = WithJsonSchema({"type": ["integer", "string"], "examples": ["300 MB", "3 GB", 1000000]})


def _gap_seconds(value: object) -> float:
    """As `quantities.seconds`, but a small number without a unit is no answer."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < MIN_PLAIN_GAP_SECONDS:
        raise ValueError(f"say the unit: {value}h, {value}min or {value}s")
    return quantities.seconds(value)


Gap = Annotated[float, parsed(_gap_seconds), _between(MIN_GAP_SECONDS, MAX_GAP_SECONDS, "seconds"), _DURATION_SCHEMA]
Timeout = Annotated[float, parsed(quantities.seconds), _between(0.1, MAX_TIMEOUT_SECONDS, "seconds"), _DURATION_SCHEMA]
BudgetSize = Annotated[
    int, parsed(quantities.size_bytes), _between(MIN_RUN_BYTES, MAX_BUDGET_BYTES, "bytes"), _SIZE_SCHEMA
]
StoreSize = Annotated[
    int, parsed(quantities.size_bytes), _between(MIN_STORE_BYTES, MAX_BUDGET_BYTES, "bytes"), _SIZE_SCHEMA
]
SpoolSize = Annotated[
    int, parsed(quantities.size_bytes), _between(MIN_SPOOL_BYTES, MAX_BUDGET_BYTES, "bytes"), _SIZE_SCHEMA
]
Rate = Annotated[
    float,
    parsed(quantities.bits_per_second),
    _between(1_000, 1e12, "bit/s"),
    WithJsonSchema({"type": ["number", "string"], "examples": ["1 Mbit/s", 500000]}),
]
TimeOfDay = Annotated[time, parsed(quantities.time_of_day), text_schema(pattern="^([01]?[0-9]|2[0-4]):[0-5][0-9]$")]
Day = Annotated[Weekday, parsed(_weekday), WithJsonSchema({"type": "string", "enum": list(_DAYS)})]
Version = Annotated[int, AfterValidator(_version), WithJsonSchema({"const": VERSION})]
FileName = Annotated[str, normalised(_file), text_schema(minLength=1)]
VariableName = Annotated[str, normalised(_variable), text_schema(pattern=f"^{VARIABLE}$")]
YesOrNo = Annotated[Answer, Field(strict=False)]
Instance = Annotated[str, normalised(_instance), text_schema(pattern=f"^{INSTANCE}$")]
Country = Annotated[str, normalised(_country), text_schema(pattern="^[A-Za-z]{2}$")]
Asn = Annotated[int, AfterValidator(_asn), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_ASN})]
Network = Annotated[NetworkKind, Field(strict=False)]
TimeZone = Annotated[str, normalised(_time_zone), text_schema()]
Fraction = Annotated[float, parsed(_fraction), WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 1})]
Days = Annotated[int, _between(1, MAX_RETENTION_DAYS, "days")]
Port = Annotated[int, _between(1, 65_535)]
StatusCode = Annotated[int, _between(100, 599)]
Method = Annotated[str, _one_of("GET", "HEAD"), text_schema(enum=["GET", "HEAD"])]
QueryType = Annotated[str, _one_of("A", "AAAA"), text_schema(enum=["A", "AAAA"])]
Identifier = Annotated[str, normalised(_identifier), text_schema(pattern=f"^{IDENTIFIER}$")]
ModuleName = Annotated[str, normalised(_module_name)]
HostName = Annotated[str, normalised(urls.host_name), text_schema(minLength=1)]
WebHost = Annotated[str, normalised(_web_host), text_schema(pattern=f"^{WEB_HOST}$")]
ReceiverUrl = Annotated[str, normalised(_receiver_url), text_schema(pattern="^https?://")]
UserName = Annotated[str, normalised(_one_line), text_schema(minLength=1, maxLength=256)]
