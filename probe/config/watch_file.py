"""What did the person ask of `watch`: how often, how much data, from where, and where do the results go?

The typed form of watch.yaml, in which everything has a default: no file at all is a complete configuration. What may
stand in the file is in `watch_schema`, what is wrong with one in `watch_check`. Nothing is contacted, and a secret is
not kept: only the place it is read from, each time it is needed.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import time
from enum import IntEnum, StrEnum
from pathlib import Path
from stat import S_IROTH

from probe.config.mistakes import ConfigError, lacking, unreadable

APPLICATION = "throttleprobe"
FILE_NAME = "watch.yaml"
CONFIG_VARIABLE = "THROTTLEPROBE_CONFIG"
HOUR_SECONDS = 3_600.0
MINUTES_PER_DAY, MINUTES_PER_WEEK = 24 * 60, 7 * 24 * 60
# M-Lab's published schedule for automated clients: four runs a day, none sooner than 36 min, none later than 15 h
DEFAULT_MEAN_SECONDS = 6 * HOUR_SECONDS
MIN_OF_MEAN, MAX_OF_MEAN = 0.1, 2.5  # the bounds that its library recommends, and that these make
DEFAULT_MIN_SECONDS = MIN_OF_MEAN * DEFAULT_MEAN_SECONDS
DEFAULT_MAX_SECONDS = MAX_OF_MEAN * DEFAULT_MEAN_SECONDS
DEFAULT_RUN_BYTES = 100_000_000  # 25 targets at their most; a run of healthy ones stays under half of it
DEFAULT_DAY_BYTES = 300_000_000
DEFAULT_MONTH_BYTES = 3_000_000_000
DEFAULT_RETENTION_DAYS = 400  # a year and what is needed to compare its last month with the year before
DEFAULT_RETENTION_BYTES = 200_000_000
DEFAULT_SPOOL_BYTES = 64_000_000  # a year of samples of 20 targets, compressed
MAX_SECRET_BYTES = 16_384  # a bearer token of several kilobytes is known; a larger file is not a secret


class Answer(StrEnum):
    """Whether the line is of a kind: found out, or said by the person."""

    AUTO = "auto"
    YES = "yes"
    NO = "no"


class NetworkKind(StrEnum):
    """The closed list of what `vantage.network` and the label of that name may say."""

    FIXED = "fixed"
    MOBILE = "mobile"
    SATELLITE = "satellite"
    WIRELESS = "wireless"  # fixed wireless access
    PUBLIC = "public"  # a café's, a school's, an office's
    DATACENTRE = "datacentre"
    VPN = "vpn"
    OTHER = "other"


class Weekday(IntEnum):
    """As `datetime.weekday()` counts."""

    MON = 0
    TUE = 1
    WED = 2
    THU = 3
    FRI = 4
    SAT = 5
    SUN = 6


class Prober(StrEnum):
    """What `/probe` does to a target."""

    DNS = "dns"
    TCP = "tcp"
    TLS = "tls"
    HTTP = "http"


class IpProtocol(StrEnum):
    """Which addresses `/probe` prefers; blackbox_exporter's words."""

    IP4 = "ip4"
    IP6 = "ip6"


class SecretError(Exception):
    """A secret cannot be had from where the configuration says: the message names the place and the `reason`."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """Where a secret is read from: exactly one of a file and an environment variable. It never holds the value."""

    file: Path | None = None
    variable: str | None = None

    def read(self, environment: Mapping[str, str] | None = None) -> str:
        """The value as it is now, without the line end of its file. Raises `SecretError`."""
        if self.file is not None:
            return self._read_file(self.file)
        place = f"the environment variable {self.variable}"
        value = (os.environ if environment is None else environment).get(self.variable or "", "")
        if not value:
            raise SecretError(place, "is not set")
        return _one_line(value, place)

    def _read_file(self, path: Path) -> str:
        try:
            with path.open("rb") as file:
                text = file.read(MAX_SECRET_BYTES + 1).decode("utf-8")
        except OSError as error:
            raise SecretError(str(path), (error.strerror or "cannot be read").lower()) from None
        except UnicodeDecodeError:
            raise SecretError(str(path), "not UTF-8") from None
        return _one_line(text, str(path))

    @property
    def is_exposed(self) -> bool:
        """Whether every user of this machine can read the file. (Group bits are not looked at: systemd sets them.)"""
        try:
            return self.file is not None and bool(self.file.stat().st_mode & S_IROTH)
        except OSError:
            return False


def _one_line(text: str, place: str) -> str:
    """A secret without its line end; what cannot stand in a header is refused here, where it is told in words."""
    kept = text.rstrip("\r\n")
    # `isprintable` is False for half a surrogate, which is how Python shows a byte of the environment that is no UTF-8
    if not kept or not kept.isprintable() or len(text.encode()) > MAX_SECRET_BYTES:
        raise SecretError(place, f"must hold one line of text, at most {MAX_SECRET_BYTES} bytes")
    return kept


@dataclass(frozen=True, slots=True, kw_only=True)
class VantageSettings:
    """What the person chose to say about where this is: labels of metrics and reports, never an address or a name."""

    instance: str | None = None  # a chosen id of this vantage point; None: an id drawn at random and kept
    country: str | None = None  # ISO 3166-1 alpha-2, upper case
    asn: int | None = None
    network: NetworkKind | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """From `start` until `end`, local time, on the days on which it starts; `end` <= `start` ends on the next day."""

    start: time
    end: time
    days: tuple[Weekday, ...] = tuple(Weekday)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSettings:
    """Gaps between the starts of runs, in seconds; what they are drawn from is in `probe.schedule`."""

    mean_seconds: float = DEFAULT_MEAN_SECONDS
    min_seconds: float = DEFAULT_MIN_SECONDS
    max_seconds: float = DEFAULT_MAX_SECONDS
    quiet: tuple[QuietHours, ...] = ()
    time_zone: str = "UTC"  # an IANA name: the zone that `quiet` is in

    @property
    def quiet_minutes_per_week(self) -> int:
        """How many minutes of a week the quiet hours cover together."""
        covered: set[int] = set()
        for hours in self.quiet:
            start, end = (at.hour * 60 + at.minute for at in (hours.start, hours.end))
            length = (end - start) % MINUTES_PER_DAY or MINUTES_PER_DAY
            for day in hours.days:
                first = day * MINUTES_PER_DAY + start
                covered.update(minute % MINUTES_PER_WEEK for minute in range(first, first + length))
        return len(covered)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSettings:
    """Bytes in both directions together; `run` and `watch` draw on the same day and month (UTC)."""

    run_bytes: int = DEFAULT_RUN_BYTES
    day_bytes: int = DEFAULT_DAY_BYTES
    month_bytes: int = DEFAULT_MONTH_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSettings:
    """When the line is not to be filled or not to be judged; what is found out is in `probe.net.line`.

    `busy_fraction` of the best rate ever seen here, or `busy_bps` (bit/s) where none is known, in other traffic:
    goodput is left out.
    """

    metered: Answer = Answer.AUTO
    vpn: Answer = Answer.AUTO
    proxy: Answer = Answer.AUTO
    busy_fraction: float = 0.2
    busy_bps: float = 1_000_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long results are kept; the older go first where the file would exceed `max_bytes`."""

    days: int = DEFAULT_RETENTION_DAYS
    max_bytes: int = DEFAULT_RETENTION_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeModule:
    """One `module=` of `/probe`; the settings of other probers keep their defaults."""

    name: str
    prober: Prober
    timeout_seconds: float = 10.0
    ip_protocol: IpProtocol = IpProtocol.IP4
    ip_protocol_fallback: bool = True
    port: int | None = None  # tcp, tls: None is the target's own
    method: str = "GET"  # http: GET or HEAD
    valid_status_codes: tuple[int, ...] = ()  # http: none is 200 to 299
    follow_redirects: bool = True  # http
    fail_if_ssl: bool = False  # http: the final answer came over TLS
    fail_if_not_ssl: bool = False  # http: it did not
    query_type: str = "A"  # dns: A or AAAA
    resolver: str = "system"  # dns: the line's own, or the name of a resolver among the controls
    query_name: str | None = None  # dns: then the target is the server, as with blackbox_exporter


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteWrite:
    """A receiver of Prometheus's remote-write protocol. Credentials go with every request: HTTPS, or loopback."""

    name: str
    url: str
    username: str | None = None
    password: Secret | None = None
    bearer_token: Secret | None = None
    ca_file: Path | None = None  # PEM; None: the system's trust store
    insecure: bool = False  # plain http:// to a host that is not this machine was asked for
    timeout_seconds: float = 30.0
    max_spool_bytes: int = DEFAULT_SPOOL_BYTES


# The four probers under their own names, and two under the names of blackbox_exporter's example configuration
DEFAULT_MODULES = (
    ProbeModule(name="dns", prober=Prober.DNS),
    ProbeModule(name="tcp", prober=Prober.TCP),
    ProbeModule(name="tls", prober=Prober.TLS),
    ProbeModule(name="http", prober=Prober.HTTP),
    ProbeModule(name="http_2xx", prober=Prober.HTTP),
    ProbeModule(name="tcp_connect", prober=Prober.TCP),
    ProbeModule(name="tls_connect", prober=Prober.TLS),
    ProbeModule(name="dns_udp", prober=Prober.DNS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchConfig:
    """All of watch.yaml. `targets`: None is looked for as `run` does; `checks`: none is all of them.

    `source` is the file it was read from. `warnings` are sentences about what is allowed and probably not meant.
    """

    targets: Path | None = None
    checks: tuple[str, ...] = ()
    vantage: VantageSettings = VantageSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    budget: BudgetSettings = BudgetSettings()
    line: LineSettings = LineSettings()
    retention: Retention = Retention()
    modules: tuple[ProbeModule, ...] = DEFAULT_MODULES
    remote_write: tuple[RemoteWrite, ...] = ()
    uploads: bool = True
    allowed_hosts: tuple[str, ...] = ()  # further names for `Host`, beside loopback's and the one listened on
    source: Path | None = None
    warnings: tuple[str, ...] = ()


def load_watch(path: Path | None, environment: Mapping[str, str] | None = None) -> WatchConfig:
    """The configuration: the file named, else the one that `find_watch` finds, else all defaults.

    Raises `ConfigError` with every mistake, among them a file or a variable of a secret that is not there.
    """
    known = os.environ if environment is None else environment
    found = find_watch(path, known)
    if found is None:
        return WatchConfig()
    from probe.config.yaml_source import read_text

    return parse_watch(read_text(found), source=found, environment=known)


def parse_watch(text: str, *, source: Path, environment: Mapping[str, str]) -> WatchConfig:
    """Read the text of a watch.yaml that lies at `source`. Raises `ConfigError` with every mistake."""
    from probe.config import watch_check, yaml_source
    from probe.config.findings import located

    document = yaml_source.read(text, name=str(source))
    config, findings = watch_check.check(document.root.plain(), directory=source.parent, environment=environment)
    mistakes = located(findings, document)
    if config is None or mistakes:
        raise ConfigError(mistakes, name=str(source))
    return replace(config, source=source, warnings=tuple(watch_check.warnings(config)))


def find_watch(explicit: Path | None, environment: Mapping[str, str]) -> Path | None:
    """The watch.yaml to use, None where there is none.

    The one named, else THROTTLEPROBE_CONFIG, ./watch.yaml, the service's directory ($CONFIGURATION_DIRECTORY, set by
    systemd), the person's. Raises `ConfigError` where a named one does not exist: it is never replaced by another.
    """
    named = explicit or (Path(environment[CONFIG_VARIABLE]) if environment.get(CONFIG_VARIABLE) else None)
    if named is not None:
        if reason := lacking(named):
            raise unreadable(named, reason)
        return named
    import platformdirs

    places = (Path(), *service_directories(environment), Path(platformdirs.user_config_dir(APPLICATION)))
    return next((place / FILE_NAME for place in places if not lacking(place / FILE_NAME)), None)


def service_directories(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Where systemd keeps this service's configuration (ConfigurationDirectory= in systemd.exec(5))."""
    return tuple(Path(place) for place in environment.get("CONFIGURATION_DIRECTORY", "").split(":") if place)


def watch_schema_text() -> str:
    """The JSON Schema of watch.yaml as the text of docs/schema/watch.schema.json."""
    from probe.config import watch_schema

    return json.dumps(watch_schema.json_schema(), indent=2, ensure_ascii=False) + "\n"
