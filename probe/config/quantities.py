"""How long, how much, how fast, at what time of day: what does a text such as `1h30min` or `300 MB` say?

A plain number is in the base unit (seconds, bytes, bit/s). Every function returns the value or raises `ValueError` with
a message for the person who wrote it. Whether a value makes sense where it stands is the schema's business.
"""

import math
import re
from datetime import time

SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}
# case matters: "Mb" is a megabit, and nobody can tell what was meant by "mb"
BYTES = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
BYTES |= {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
BITS_PER_SECOND = {"bit/s": 1, "kbit/s": 10**3, "Mbit/s": 10**6, "Gbit/s": 10**9}
_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,6})?"
_PART = re.compile(rf"({_NUMBER}) ?([a-z]+) ?")
_QUANTITY = re.compile(rf"({_NUMBER}) ?(\S+)")
_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_MIDNIGHT = "24:00"  # how people write the end of a day


def seconds(value: object) -> float:
    """`6h`, `36min`, `1h30min`, `1.5 d`, or a number of seconds; never negative, never infinite."""
    message = "must be a duration such as 36min, 6h or 1h30min, or a number of seconds"
    number = _plain(value)
    if number is not None:
        return number
    if not isinstance(value, str) or not value.strip():
        raise ValueError(message)
    total, place, text = 0.0, 0, value.strip()
    while place < len(text):
        part = _PART.match(text, place)
        if part is None or part[2] not in SECONDS:
            raise ValueError(message)
        total, place = total + float(part[1]) * SECONDS[part[2]], part.end()
    return total


def size_bytes(value: object) -> int:
    """`300 MB`, `64MiB`, or a whole number of bytes."""
    message = "must be a size such as 300 MB or 3 GB, or a whole number of bytes"
    return round(_quantity(value, BYTES, message))


def bits_per_second(value: object) -> float:
    """`1 Mbit/s`, `500kbit/s`, or a number of bit/s."""
    return _quantity(value, BITS_PER_SECOND, "must be a rate such as 1 Mbit/s, or a number of bit/s")


def time_of_day(value: object) -> time:
    """`23:00`; `24:00` is the midnight that ends the day."""
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if value == _MIDNIGHT:
        return time(0)
    if found is None:
        raise ValueError("must be a time of day such as 07:30")
    return time(int(found[1]), int(found[2]))


def _quantity(value: object, units: dict[str, int], message: str) -> float:
    number = _plain(value)
    if number is not None:
        if units is BYTES and number != int(number):
            raise ValueError(message)
        return number
    found = _QUANTITY.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or found[2] not in units:
        raise ValueError(f"{message} (units: {', '.join(units)})")
    return float(found[1]) * units[found[2]]


def _plain(value: object) -> float | None:
    """A number as it stands; text of digits alone counts as one."""
    if isinstance(value, str) and re.fullmatch(_NUMBER, value.strip()):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not math.isfinite(value) or value < 0:
        raise ValueError("must be neither negative nor infinite")
    return float(value)
