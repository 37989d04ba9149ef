"""`run --push-gateway`: is what was asked for possible, and does the Pushgateway have the run's metrics afterwards?

A push that fails is told and changes nothing else: the result is on standard output, and the exit code speaks of it.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from probe.commands.selection import UsageError
from probe.commands.terminal import say
from probe.config import urls
from probe.config.watch_check import is_loopback
from probe.config.watch_file import RemoteWrite, Secret
from probe.model.results import Report
from probe.net.meter import Meter
from probe.store import Store, StoreError

USERNAME, PASSWORD, BEARER_TOKEN = (f"THROTTLEPROBE_PUSH_{word}" for word in ("USERNAME", "PASSWORD", "BEARER_TOKEN"))
DEFAULT_JOB = "throttleprobe"
TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """Where the metrics go, and under what group. `instance` None: the group is the job's alone."""

    gateway: RemoteWrite
    job: str
    instance: str | None


def push_of(url: str | None, job: str, instance: str | None, environment: Mapping[str, str]) -> Push | None:
    """What the command line and the environment ask for; None for no URL. Raises UsageError."""
    if not url:
        return None
    if find_spec("prometheus_client") is None:  # else this would be found out after measuring
        raise UsageError("--push-gateway needs more packages: install throttleprobe[watch]")
    try:
        normal = urls.url(url, schemes=("https", "http"), literal_host=True, local_host=True)
    except ValueError as error:
        raise UsageError(f"--push-gateway: {error}") from None
    if not job:
        raise UsageError("--push-job: a name is missing")
    secret = {word: Secret(variable=word) if environment.get(word) else None for word in (PASSWORD, BEARER_TOKEN)}
    username = environment.get(USERNAME) or None
    if (username is None) != (secret[PASSWORD] is None):
        raise UsageError(f"{USERNAME} and {PASSWORD} belong together")
    if username is not None and secret[BEARER_TOKEN] is not None:
        raise UsageError(f"give {USERNAME} or {BEARER_TOKEN}, not both")
    if (username or secret[BEARER_TOKEN]) and normal.startswith("http://") and not is_loopback(normal):
        raise UsageError("--push-gateway: credentials are sent over https:// only")
    gateway = RemoteWrite(
        name="push-gateway",
        url=normal,
        username=username,
        password=secret[PASSWORD],
        bearer_token=secret[BEARER_TOKEN],
        timeout_seconds=TIMEOUT_SECONDS,
    )
    return Push(gateway=gateway, job=job, instance=instance)


def push(report: Report, asked: Push, store: Store | None) -> bool:
    """Whether the Pushgateway took it; else that is told. What it moved counts towards the day's and month's bytes."""
    from probe.metrics import Metrics
    from probe.push.gateway import GatewayError, Group, put

    metrics, meter = Metrics(), Meter()
    metrics.set_targets([target.id for target in report.targets])
    metrics.observe(report)
    group = Group(job=asked.job, instance=asked.instance)
    try:
        asyncio.run(put(asked.gateway, group, metrics.exposition().body, meter))
    except GatewayError as error:
        say(f"the Pushgateway did not take the results: {error}")
        return False
    finally:
        _count(store, meter)
    return True


def _count(store: Store | None, meter: Meter) -> None:
    if store is None:
        return
    try:
        store.add_bytes(meter.total)
    except StoreError as error:
        say(str(error))
