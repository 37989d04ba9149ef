"""What does a service that nobody looks at say, so that a person or a program can find out later what happened?

One line an event on standard error: logfmt, JSON, or plain text for a terminal. Lines of a run carry `run=<id>`, lines
of a measurement `measurement=<id>` as well: the ids of the report. What the standard library and others log goes the
same way, without addresses. What may stand in a line is the caller's care, but for credentials in URLs, which are taken
out of whatever comes by.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from enum import StrEnum
from typing import Any, TextIO

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from probe.wire.scrub import scrub

FIRST_KEYS = ("timestamp", "level", "event", "run", "measurement", "target", "check")
CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")  # RFC 3986 §3.2.1: user and password of a URL
MAX_VALUE_CHARACTERS = 2_000  # a mistake's trace fits; a page that somebody put into an exception does not

Log = FilteringBoundLogger


class LogFormat(StrEnum):
    """How a line looks."""

    LOGFMT = "logfmt"
    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """The least important lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def open_log(log_format: LogFormat, level: LogLevel, stream: TextIO | None = None) -> Log:
    """A log on `stream` (standard error), which the standard library's loggers are led to as well."""
    stream = stream or sys.stderr
    number = logging.getLevelNamesMapping()[level.value.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _presentable,
    ]
    structlog.configure(
        processors=[*shared, _renderer(log_format, stream)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    _lead_standard_library(shared, _renderer(log_format, stream), stream, number)
    log: Log = structlog.get_logger()
    return log


def _renderer(log_format: LogFormat, stream: TextIO) -> Processor:
    if log_format is LogFormat.JSON:
        return structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    if log_format is LogFormat.CONSOLE:
        return structlog.dev.ConsoleRenderer(
            colors=stream.isatty(),
            sort_keys=False,  # as they were said: what it is about first, its figures last
            exception_formatter=structlog.dev.plain_traceback,
        )
    return structlog.processors.LogfmtRenderer(key_order=FIRST_KEYS, drop_missing=True, bool_as_flag=False)


def _lead_standard_library(shared: list[Processor], renderer: Processor, stream: TextIO, number: int) -> None:
    """Write what asyncio, aiohttp and others log in the same form; of theirs only warnings and worse."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _without_addresses],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.WARNING))


def _without_addresses(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What others log may name this machine's own address, or a client's."""
    said = {key: scrub(str(event[key])) for key in ("event", "exception") if key in event}
    return {**event, **said}


def _presentable(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Values short and on one line, without the credentials of a URL."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = CREDENTIALS.sub("", value)[:MAX_VALUE_CHARACTERS]
        elif isinstance(value, float):
            event[key] = round(value, 3)
        elif value is None:
            event[key] = ""
    return event
