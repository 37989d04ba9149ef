"""What does a watch.yaml whose every value is well formed mean, once what was left out is filled in?

The only place that knows both the file's form (`watch_schema`) and the form that everything else reads (`watch_file`).
Paths in the file are relative to the file.
"""

from pathlib import Path

from probe.config import watch_schema as schema
from probe.config.watch_file import (
    DEFAULT_DAY_BYTES,
    DEFAULT_MEAN_SECONDS,
    DEFAULT_MODULES,
    DEFAULT_MONTH_BYTES,
    DEFAULT_RETENTION_BYTES,
    DEFAULT_RETENTION_DAYS,
    DEFAULT_RUN_BYTES,
    DEFAULT_SPOOL_BYTES,
    MAX_OF_MEAN,
    MIN_OF_MEAN,
    BudgetSettings,
    LineSettings,
    ProbeModule,
    QuietHours,
    RemoteWrite,
    Retention,
    ScheduleSettings,
    Secret,
    VantageSettings,
    WatchConfig,
    Weekday,
)


def to_model(file: schema.WatchFile, directory: Path) -> WatchConfig:
    """The typed form; `directory` is the file's."""
    vantage, line = file.vantage or schema.Vantage(), file.line or schema.Line()
    retention = file.retention or schema.Retention()
    return WatchConfig(
        targets=_path(file.targets, directory),
        checks=tuple(dict.fromkeys(str(check) for check in file.checks or ())),
        uploads=file.uploads,
        vantage=VantageSettings(
            instance=vantage.instance, country=vantage.country, asn=vantage.asn, network=vantage.network
        ),
        schedule=schedule(file.schedule or schema.Schedule()),
        budget=budget(file.budget or schema.Budget()),
        line=LineSettings(
            metered=line.metered,
            vpn=line.vpn,
            proxy=line.proxy,
            busy_fraction=line.busy_fraction,
            busy_bps=line.busy_rate,
        ),
        retention=Retention(
            days=DEFAULT_RETENTION_DAYS if retention.days is None else retention.days,
            max_bytes=DEFAULT_RETENTION_BYTES if retention.size is None else retention.size,
        ),
        modules=_modules(file),
        allowed_hosts=tuple(dict.fromkeys(file.allowed_hosts or ())),
        remote_write=tuple(receiver(given, directory) for given in file.remote_write or ()),
    )


def schedule(given: schema.Schedule) -> ScheduleSettings:
    """Least and greatest follow from the mean where they are left out."""
    mean = DEFAULT_MEAN_SECONDS if given.mean is None else given.mean
    return ScheduleSettings(
        mean_seconds=mean,
        min_seconds=MIN_OF_MEAN * mean if given.min is None else given.min,
        max_seconds=MAX_OF_MEAN * mean if given.max is None else given.max,
        quiet=tuple(_quiet(hours) for hours in given.quiet or ()),
        time_zone=given.time_zone,
    )


def _quiet(given: schema.Quiet) -> QuietHours:
    days = tuple(sorted(set(given.days))) if given.days else tuple(Weekday)
    return QuietHours(start=given.start, end=given.end, days=days)


def budget(given: schema.Budget) -> BudgetSettings:
    """What is left out is the usual limit, or a smaller one that was given for a longer time."""
    month = DEFAULT_MONTH_BYTES if given.month is None else given.month
    day = min(DEFAULT_DAY_BYTES, month) if given.day is None else given.day
    return BudgetSettings(
        run_bytes=min(DEFAULT_RUN_BYTES, day) if given.run is None else given.run, day_bytes=day, month_bytes=month
    )


def receiver(given: schema.Receiver, directory: Path) -> RemoteWrite:
    return RemoteWrite(
        name=given.name,
        url=given.url,
        username=given.username,
        password=_secret(given.password_file, given.password_env, directory),
        bearer_token=_secret(given.bearer_token_file, given.bearer_token_env, directory),
        ca_file=_path(given.ca_file, directory),
        insecure=given.insecure,
        timeout_seconds=given.timeout,
        max_spool_bytes=DEFAULT_SPOOL_BYTES if given.spool is None else given.spool,
    )


def _modules(file: schema.WatchFile) -> tuple[ProbeModule, ...]:
    """The built-in ones, and those of the file beside them or in their place."""
    modules = {module.name: module for module in DEFAULT_MODULES}
    for name, given in (file.modules or {}).items():
        modules[name] = ProbeModule(
            name=name,
            prober=given.prober,
            timeout_seconds=given.timeout,
            ip_protocol=given.ip_protocol,
            ip_protocol_fallback=given.ip_protocol_fallback,
            port=given.port,
            method=given.method,
            valid_status_codes=tuple(dict.fromkeys(given.valid_status_codes or ())),
            follow_redirects=given.follow_redirects,
            fail_if_ssl=given.fail_if_ssl,
            fail_if_not_ssl=given.fail_if_not_ssl,
            query_type=given.query_type,
            resolver=given.resolver,
            query_name=given.query_name,
        )
    return tuple(modules.values())


def _secret(file: str | None, variable: str | None, directory: Path) -> Secret | None:
    return None if file is None and variable is None else Secret(file=_path(file, directory), variable=variable)


def _path(given: str | None, directory: Path) -> Path | None:
    return None if given is None else directory / Path(given).expanduser()
