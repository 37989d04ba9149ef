"""What is in force: both files as they were read last, and what follows from them for a run.

Reading them is the command's business; the service keeps one of these at a time, and a run keeps the one that it began
with.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from probe.config.watch_file import WatchConfig
from probe.model.targets import Target, TargetList


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """`targets` are those to measure: named on the command line, or all that were agreed to.

    `run_bytes` and `uploads`: the file's, unless the environment says otherwise. `max_seconds` of a run, None: as long
    as runs usually take.
    """

    watch: WatchConfig
    listed: TargetList
    targets: tuple[Target, ...]
    blockpages: Mapping[str, str]
    uploads: bool
    run_bytes: int
    max_seconds: float | None = None


class Rejected(Exception):
    """The new configuration cannot be used; every mistake is a line."""

    def __init__(self, mistakes: tuple[str, ...]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


Read = Callable[[], Configuration]  # raises Rejected; blocks while it reads files
