"""One call of `watch`: configuration, consent, state directory and log put in order; then the service until it is told
to end; the exit code.

What the service does is `probe.watch`'s. Nothing is sent before everything here is in order.
"""

import asyncio
import errno
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import NoReturn

from probe import config, measuring
from probe.commands import agreement, consent
from probe.commands.selection import UsageError, select
from probe.commands.terminal import refuse, say
from probe.store import Store, StoreError
from probe.watch import places, program
from probe.watch.configuration import Configuration, Rejected
from probe.watch.log import LogFormat, LogLevel, open_log

DEFAULT_LISTEN = "127.0.0.1:9850"  # design §4
NOT_AT_ALL = "off"
MAX_PORT = 65_535
EXIT_DONE, EXIT_NO_STATE = 0, 3
# What a disk says that may be better later: full, out of quota, failing, set read-only because it failed.
LATER_PERHAPS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asked for."""

    targets: tuple[str, ...]
    file: Path | None
    config: Path | None
    listen: str
    state: Path | None
    yes: bool
    high_risk: bool
    log_format: str
    log_level: str
    once: bool
    check_config: bool


def run(options: Options) -> int:
    """Measure until told to end. Returns the exit code."""
    try:
        with ExitStack() as exits:
            return _run(options, exits)
    except config.ConfigError as error:
        return refuse(*error.lines)
    except Rejected as error:
        return refuse(*error.mistakes)
    except StoreError as error:  # a full disk: who starts us again later may find room, so this is no mistake of theirs
        say(str(error))
        return EXIT_NO_STATE
    except (UsageError, places.AlreadyRunning, program.CannotStart) as error:
        return refuse(str(error))


def _run(options: Options, exits: ExitStack) -> int:
    log_format, log_level = _log_words(options)
    listen = _listen(options.listen)
    settings = config.read_settings(os.environ, targets=options.file, state_dir=options.state)
    first = read(options, settings, high_risk=True)
    if options.check_config:
        say(_summary(first))
        return EXIT_DONE
    directory = places.state_directory(settings.state_dir)
    try:
        exits.enter_context(places.alone(directory))
    except OSError as error:
        problem = f"no state can be kept at {directory}: {error.strerror}"
        raise (StoreError if error.errno in LATER_PERHAPS else UsageError)(problem) from None
    store = exits.enter_context(measuring.open_store(directory, say))
    agreed = agreement.agreed(store, high_risk=options.high_risk)
    first = read(options, settings, high_risk=agreed.high_risk)
    if not options.yes and not (agreed.valid and agreed.unattended) and not _ask(first, store, agreed):
        return refuse("no consent: start it once on a terminal to be asked, or give it for this start with --yes")
    service = program.Program(
        directory=directory,
        store=store,
        first=first,
        read=lambda: read(options, config.read_settings(os.environ, targets=options.file), high_risk=agreed.high_risk),
        listen=None if options.once else listen,
        once=options.once,
        log=open_log(log_format, log_level),
    )
    return asyncio.run(service.run())


def leave(code: int) -> NoReturn:
    """End this process now: everything is closed, and taking the interpreter apart takes a slow machine seconds."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def read(options: Options, settings: config.Settings, *, high_risk: bool) -> Configuration:
    """Both files as they are now. Raises Rejected with every mistake of both."""
    mistakes: list[str] = []
    watch = listed = None
    blockpages: Mapping[str, str] = {}
    try:
        watch = config.load_watch(options.config)
    except config.ConfigError as error:
        mistakes += error.lines
    try:
        listed = config.load(config.find(settings.targets or (watch.targets if watch else None)))
        blockpages = config.load_blockpages(settings.blockpages) if settings.blockpages else {}
    except config.ConfigError as error:
        mistakes += error.lines
    if watch is None or listed is None or mistakes:
        raise Rejected(tuple(mistakes))
    try:
        targets = select(listed, options.targets, None, high_risk=high_risk)
    except UsageError as error:
        raise Rejected((str(error),)) from None
    return Configuration(
        watch=watch,
        listed=listed,
        targets=targets,
        blockpages=blockpages,
        uploads=settings.uploads and watch.uploads,
        run_bytes=watch.budget.run_bytes if settings.max_bytes is None else settings.max_bytes,
        max_seconds=settings.max_seconds,
    )


def _summary(configuration: Configuration) -> str:
    watch = configuration.watch
    source = str(watch.source) if watch.source else "no watch.yaml (every setting has its default)"
    lines = [f"{source}: in order; {len(configuration.targets)} targets", *watch.warnings]
    return "\n".join(lines)


def _log_words(options: Options) -> tuple[LogFormat, LogLevel]:
    try:
        return LogFormat(options.log_format), LogLevel(options.log_level)
    except ValueError as error:
        raise UsageError(f"{error}; formats: {', '.join(LogFormat)}; levels: {', '.join(LogLevel)}") from None


def _listen(text: str) -> program.Listen | None:
    """ADDRESS:PORT, or nothing at all."""
    if text == NOT_AT_ALL:
        return None
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        if not (port.isascii() and port.isdigit() and int(port) <= MAX_PORT):
            raise ValueError
        if host != "localhost":
            ip_address(host)
    except ValueError:
        raise UsageError(f"--listen {text}: must be ADDRESS:PORT, like {DEFAULT_LISTEN}, or {NOT_AT_ALL}") from None
    return program.Listen(host=host, port=int(port))


def _ask(configuration: Configuration, store: Store, agreed: consent.Consent) -> bool:
    low, risky = consent.split_by_risk(configuration.listed.targets)
    question = consent.watch_question(low, configuration.watch)
    return agreement.ask(question, risky, store, agreed, agreement.UNATTENDED)
