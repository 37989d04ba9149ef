"""Which targets, in which state of mind? From what a person typed to what the runner is given, or a clear refusal."""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from probe.config.urls import url
from probe.model.results import State
from probe.model.targets import Risk, Target, TargetList
from probe.registry import host_of
from probe.report import Format

MAX_LISTED_SITES = 1_000  # of --list: more is a scan, not a measurement


class UsageError(Exception):
    """The command line asks for something that does not exist."""


def known_formats(word: str) -> Format:
    try:
        return Format(word)
    except ValueError:
        raise UsageError(f"no such format: {word}; there are {', '.join(Format)}") from None


def known_states(words: Sequence[str]) -> frozenset[State]:
    unknown = [word for word in words if word not in set(State)]
    if unknown:
        raise UsageError(f"no such state: {', '.join(unknown)}; there are {', '.join(State)}")
    return frozenset(State(word) for word in words)


def select(listed: TargetList, ids: Sequence[str], list_file: Path | None, *, high_risk: bool) -> tuple[Target, ...]:
    """The targets named, or those of the list file, or all that were agreed to; order as in the file."""
    by_id = {target.id: target for target in listed.targets}
    for wanted in ids:
        if wanted not in by_id:
            close = difflib.get_close_matches(wanted, by_id, n=3)
            hint = f"; did you mean {', '.join(close)}?" if close else "; see: throttleprobe targets list"
            raise UsageError(f"no such target: {wanted}{hint}")
    chosen = [by_id[i] for i in dict.fromkeys(ids)]
    if not ids and list_file is None:
        chosen = [t for t in listed.targets if high_risk or t.risk is Risk.LOW]
    if refused := [t.id for t in chosen if t.risk is Risk.HIGH and not high_risk]:
        raise UsageError(f"contacting {', '.join(refused)} may endanger you; agree to that group with --risk high")
    if list_file is not None:
        chosen += read_list(list_file)
    if not chosen:
        raise UsageError("no target to measure")
    return tuple(chosen)


def read_list(path: Path) -> tuple[Target, ...]:
    """A target for each URL or host name of a file, one a line; blank lines and # comments are passed over."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({type(error).__name__})") from None
    words = [line.split("#", 1)[0].strip() for line in lines]
    urls = list(dict.fromkeys(_site(path, w if "://" in w else f"https://{w}/") for w in words if w))
    if len(urls) > MAX_LISTED_SITES:
        raise UsageError(f"{path}: more than {MAX_LISTED_SITES} sites")
    targets: dict[str, Target] = {}
    for number, site in enumerate(urls, 1):
        host = host_of(site)
        identity = re.sub(r"[^a-z0-9]+", "-", host).strip("-")[:50] or "site"
        identity = identity if identity not in targets else f"{identity}-{number}"
        targets[identity] = Target(id=identity, name=host, sites=(site,))
    return tuple(targets.values())


def _site(path: Path, text: str) -> str:
    try:
        return url(text, schemes=("http", "https"))
    except ValueError as error:
        raise UsageError(f"{path}: {text}: {error}") from None
