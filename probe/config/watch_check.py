"""Which mistakes does a watch.yaml hold, and what in it is allowed but probably not meant?

All mistakes at once: pydantic judges each value by `watch_schema`, and what lies between values is looked for here in
every part that is well formed, even where other parts are wrong. Of the machine, only this is asked: whether the files
and variables exist that the file refers to. Places in the text are `findings`' business.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from probe.config import watch_schema as schema
from probe.config.findings import Finding, finding
from probe.config.mistakes import lacking
from probe.config.urls import address_or_none
from probe.config.watch_file import (
    MAX_OF_MEAN,
    MIN_OF_MEAN,
    MINUTES_PER_WEEK,
    Prober,
    RemoteWrite,
    Secret,
    SecretError,
    WatchConfig,
)
from probe.config.watch_model import budget, receiver, schedule, to_model
from probe.config.yaml_source import Path as KeyPath
from probe.config.yaml_source import Plain

MIN_OPEN_MINUTES = 60  # a week: with less, a month may pass without a run
OFTEN_SECONDS = 3_600.0  # a mean below it is not what anybody should ask of other people's servers
M = TypeVar("M", bound=BaseModel)
_KEY = "[key]"  # pydantic's word for a mapping's key

# which keys are known below a key, to suggest the one that was meant
_MODELS: dict[str, type[BaseModel]] = {
    "": schema.WatchFile,
    "vantage": schema.Vantage,
    "schedule": schema.Schedule,
    "quiet": schema.Quiet,
    "budget": schema.Budget,
    "line": schema.Line,
    "retention": schema.Retention,
    "remote_write": schema.Receiver,
}
# which probers a module's setting is for
_PROBERS: dict[str, tuple[str, ...]] = {
    "port": ("tcp", "tls"),
    "method": ("http",),
    "valid_status_codes": ("http",),
    "follow_redirects": ("http",),
    "fail_if_ssl": ("http",),
    "fail_if_not_ssl": ("http",),
    "query_type": ("dns",),
    "resolver": ("dns",),
    "query_name": ("dns",),
}


def check(
    data: Plain, *, directory: Path, environment: Mapping[str, str]
) -> tuple[WatchConfig | None, tuple[Finding, ...]]:
    """The configuration, or None and every mistake; `directory` is what paths in it are relative to."""
    findings = list(_between_values(data, directory, environment))
    try:
        file = schema.WatchFile.model_validate(data)
    except ValidationError as error:
        findings += [_finding(details) for details in error.errors(include_url=False)]
        return None, tuple(findings)
    return (None, tuple(findings)) if findings else (to_model(file, directory), ())


def _finding(details: ErrorDetails) -> Finding:
    loc = details["loc"]
    if loc and loc[-1] == _KEY:
        return Finding(path=loc[:-1], message=details["msg"], at_key=True)
    models = dict(_MODELS)
    if len(loc) > 2 and loc[0] == "modules":  # the key above a module's settings is the name that it was given
        models[str(loc[1])] = schema.Module
    return finding(details, models)


def _between_values(data: Plain, directory: Path, environment: Mapping[str, str]) -> Iterator[Finding]:
    if not isinstance(data, dict):
        return
    if (gaps := _valid(schema.Schedule, data.get("schedule"))) is not None:
        yield from _schedule(gaps)
    if (limits := _valid(schema.Budget, data.get("budget"))) is not None:
        yield from _budget(limits)
    modules = data.get("modules")
    for name, given in modules.items() if isinstance(modules, dict) else ():
        yield from _module(("modules", name), given)
    receivers = data.get("remote_write")
    names: set[str] = set()
    for index, item in enumerate(receivers if isinstance(receivers, list) else ()):
        path: KeyPath = ("remote_write", index)
        if (one := _valid(schema.Receiver, item)) is not None:
            if one.name in names:
                yield Finding(path=(*path, "name"), message=f"{one.name!r} is given twice")
            names.add(one.name)
            meant = receiver(one, directory)
            yield from _receiver(path, one, meant)
            yield from _secrets(path, meant, directory, environment)


def _valid(model: type[M], given: Plain) -> M | None:
    """A part of the file by itself; None where it is missing or wrong in itself."""
    try:
        return model.model_validate(given)
    except ValidationError:
        return None


def _schedule(given: schema.Schedule) -> Iterator[Finding]:
    gaps = schedule(given)
    if gaps.min_seconds > gaps.mean_seconds:
        yield _order("schedule", "min", given.min, f"is longer than the mean of {gaps.mean_seconds:,.0f} s")
    if gaps.max_seconds < gaps.mean_seconds:
        yield _order("schedule", "max", given.max, f"is shorter than the mean of {gaps.mean_seconds:,.0f} s")
    if (gaps.mean_seconds in (gaps.min_seconds, gaps.max_seconds)) and gaps.min_seconds < gaps.max_seconds:
        yield Finding(path=("schedule", "mean"), message="must lie between min and max, or all three be equal")
    if MINUTES_PER_WEEK - gaps.quiet_minutes_per_week < MIN_OPEN_MINUTES:
        message = f"leaves less than {MIN_OPEN_MINUTES} minutes a week in which a run may start"
        yield Finding(path=("schedule", "quiet"), message=message)


def _budget(given: schema.Budget) -> Iterator[Finding]:
    limits = budget(given)
    if limits.run_bytes > limits.day_bytes:
        yield _order("budget", "run", given.run, f"is more than the day's {limits.day_bytes:,} bytes")
    if limits.day_bytes > limits.month_bytes:
        yield _order("budget", "day", given.day, f"is more than the month's {limits.month_bytes:,} bytes")


def _order(part: str, key: str, given: float | None, message: str) -> Finding:
    """A mistake of a value that stands there, or of what was filled in for it: then its part is the place."""
    if given is None:
        return Finding(path=(part,), message=f"{key}, which follows from the others, {message}")
    return Finding(path=(part, key), message=message)


def _module(path: KeyPath, given: Plain) -> Iterator[Finding]:
    """Settings that the module's prober does not have: ignored, they would look as if they worked."""
    prober = given.get("prober") if isinstance(given, dict) else None
    if not isinstance(given, dict) or prober not in list(Prober):
        return
    for key, probers in _PROBERS.items():
        if key in given and prober not in probers:
            yield Finding(path=(*path, key), message=f"is for {' and '.join(probers)}, not for {prober}", at_key=True)


def _receiver(path: KeyPath, given: schema.Receiver, receiver: RemoteWrite) -> Iterator[Finding]:
    for one, other in (
        ("password_file", "password_env"),
        ("bearer_token_file", "bearer_token_env"),
        ("username", "bearer_token_file"),
        ("username", "bearer_token_env"),
    ):
        if getattr(given, one) is not None and getattr(given, other) is not None:
            yield Finding(path=(*path, other), message=f"given beside {one}: one of them", at_key=True)
    if (given.username is None) != (receiver.password is None):
        missing = "username" if given.username is None else "password_file or password_env"
        yield Finding(path=path, message=f"{missing} is missing: the two belong together")
    encrypted = receiver.url.startswith("https://")
    if not encrypted and not given.insecure and not is_loopback(receiver.url):
        message = "must begin with https:// (or say insecure: true, and everyone on the way can read and change it)"
        yield Finding(path=(*path, "url"), message=message)
    if encrypted and given.insecure:
        message = "is for http:// only: a certificate is always verified (see ca_file)"
        yield Finding(path=(*path, "insecure"), message=message)
    if given.ca_file is not None and not encrypted:
        yield Finding(path=(*path, "ca_file"), message="is for https:// only")
    elif receiver.ca_file is not None and (reason := lacking(receiver.ca_file)):
        yield Finding(path=(*path, "ca_file"), message=f"{receiver.ca_file}: {reason}")


def _secrets(
    path: KeyPath, receiver: RemoteWrite, directory: Path, environment: Mapping[str, str]
) -> Iterator[Finding]:
    """Secrets that cannot be had now: a receiver would refuse every sample, and nobody would look for a week."""
    for name, secret in (("password", receiver.password), ("bearer_token", receiver.bearer_token)):
        if secret is None:
            continue
        try:
            secret.read(environment)
        except SecretError as error:  # what was written is not quoted: it may be the secret itself
            key = f"{name}_file" if secret.file is not None else f"{name}_env"
            relative = f" (relative to {directory})" if secret.file is not None else ""
            yield Finding(path=(*path, key), message=f"{error.reason}{relative}")


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this machine by its very spelling."""
    host = urlsplit(url).hostname or ""
    address = address_or_none(host)
    return address.is_loopback if address is not None else host == "localhost" or host.endswith(".localhost")


def warnings(config: WatchConfig) -> Iterator[str]:
    """What is allowed and probably not meant, a sentence each, for the log."""
    gaps = config.schedule
    if gaps.mean_seconds < OFTEN_SECONDS:
        yield f"schedule.mean is {gaps.mean_seconds:,.0f} s: every run asks servers of others, so take an hour or more"
    if gaps.min_seconds == gaps.max_seconds:
        yield "schedule: equal gaps meet whatever else comes at equal times; let min and max differ"
    elif gaps.min_seconds > MIN_OF_MEAN * 2 * gaps.mean_seconds or gaps.max_seconds < 2 * gaps.mean_seconds:
        yield (
            "schedule: min and max are close to the mean, so runs come almost at equal times; "
            f"{MIN_OF_MEAN:g} and {MAX_OF_MEAN:g} times the mean are usual"
        )
    for each in config.remote_write:
        for secret in (each.password, each.bearer_token):
            yield from _exposed(each, secret)


def _exposed(receiver: RemoteWrite, secret: Secret | None) -> Iterator[str]:
    if secret is None:
        return
    if secret.is_exposed:
        yield f"remote_write {receiver.name}: every user of this machine can read {secret.file} (chmod 600)"
    if receiver.url.startswith("http://") and not is_loopback(receiver.url):
        yield f"remote_write {receiver.name}: a secret is sent over http://, readable by everyone on the way"
