"""What did the person set in the environment or by flags?

Flags come before THROTTLEPROBE_*. What is not set stays None: the program's own value belongs to whoever uses it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from probe.config.mistakes import ConfigError, Mistake

PREFIX = "THROTTLEPROBE_"
# a misspelt THROTTLEPROBE_UPLOAD=off would upload against the person's will, so a near miss of a name is a mistake;
# difflib's ratio of one letter missing in seven is .92, of two names that differ in a word .7 at most
NEAR_MISS = 0.8

T = TypeVar("T")
D = TypeVar("D")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`max_bytes` and `max_seconds` are for one run; `state_dir` is where results and consent are kept."""

    uploads: bool = True
    max_bytes: int | None = None
    max_seconds: float | None = None
    blockpages: Path | None = None
    targets: Path | None = None
    state_dir: Path | None = None


def _switch(text: str) -> bool:
    words = {"on": True, "off": False}
    if text.lower() not in words:
        raise ValueError("must be on or off")
    return words[text.lower()]


def _bytes(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ValueError("must be a whole number of bytes")
    return int(text)


def _seconds(text: str) -> float:
    message = "must be a number of seconds, at least 1"
    try:
        seconds = float(text)
    except ValueError:
        raise ValueError(message) from None
    if not math.isfinite(seconds) or seconds < 1:
        raise ValueError(message)
    return seconds


READ: Mapping[str, Callable[[str], object]] = {
    "UPLOADS": _switch,
    "MAX_BYTES": _bytes,
    "MAX_SECONDS": _seconds,
    "BLOCKPAGES": Path,
    "TARGETS": Path,
    "STATE": Path,
}
# by the command line: near misses of these are told too
READ_ELSEWHERE = (
    "CHECKS",
    "CONFIG",
    "FAIL_ON",
    "FORMAT",
    "LISTEN",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "PUSH_BEARER_TOKEN",
    "PUSH_GATEWAY",
    "PUSH_JOB",
    "PUSH_PASSWORD",
    "PUSH_USERNAME",
    "RISK",
)


def read_settings(
    environment: Mapping[str, str],
    *,
    uploads: bool | None = None,
    max_bytes: int | None = None,
    max_seconds: float | None = None,
    blockpages: Path | None = None,
    targets: Path | None = None,
    state_dir: Path | None = None,
) -> Settings:
    """The flags given, else THROTTLEPROBE_UPLOADS (on, off), _MAX_BYTES, _MAX_SECONDS, _BLOCKPAGES, _TARGETS, _STATE.

    An empty variable counts as not set. Raises `ConfigError` with every mistake in the environment.
    """
    mistakes: list[Mistake] = list(_near_misses(environment))
    values: dict[str, object] = {}
    for name, read in READ.items():
        text = environment.get(PREFIX + name)
        if not text:
            continue
        try:
            values[name] = read(text)
        except ValueError as error:
            mistakes.append(Mistake(line=0, column=0, path=PREFIX + name, message=str(error)))
    if mistakes:
        raise ConfigError(tuple(mistakes), name="environment")
    return Settings(
        uploads=_first(uploads, values.get("UPLOADS"), bool, True),
        max_bytes=_first(max_bytes, values.get("MAX_BYTES"), int, None),
        max_seconds=_first(max_seconds, values.get("MAX_SECONDS"), float, None),
        blockpages=_first(blockpages, values.get("BLOCKPAGES"), Path, None),
        targets=_first(targets, values.get("TARGETS"), Path, None),
        state_dir=_first(state_dir, values.get("STATE"), Path, None),
    )


def _first(flag: T | None, value: object, kind: type[T], default: D) -> T | D:
    """The flag where it was given, else the environment's value, else the default."""
    if flag is not None:
        return flag
    return value if isinstance(value, kind) else default


def _near_misses(environment: Mapping[str, str]) -> list[Mistake]:
    """Variables whose names are almost those of a setting."""
    known = (*READ, *READ_ELSEWHERE)
    mistakes = []
    for variable in environment:
        name = variable.removeprefix(PREFIX)
        if name == variable or name in known:
            continue
        close = get_close_matches(name, known, n=1, cutoff=NEAR_MISS)
        if close:
            message = f"unknown (did you mean {PREFIX}{close[0]}?)"
            mistakes.append(Mistake(line=0, column=0, path=variable, message=message))
    return mistakes
