"""What may stand in a watch.yaml, and how does JSON Schema say it?

Which keys there are, and which may be left out; what each value may be is in `watch_values`, what lies between values
in `watch_check`, what the file then means in `watch_model`.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from probe.config.fields import JSON_SCHEMA_DIALECT, JsonSchema, Strict
from probe.config.watch_file import Answer, IpProtocol, Prober
from probe.config.watch_values import (
    Asn,
    BudgetSize,
    Country,
    Day,
    Days,
    FileName,
    Fraction,
    Gap,
    HostName,
    Identifier,
    Instance,
    Method,
    ModuleName,
    Network,
    Port,
    QueryType,
    Rate,
    ReceiverUrl,
    SpoolSize,
    StatusCode,
    StoreSize,
    TimeOfDay,
    Timeout,
    TimeZone,
    UserName,
    VariableName,
    Version,
    WebHost,
    YesOrNo,
)


class CheckName(StrEnum):
    """The checks that can be chosen: those of the registry."""

    DNS = "dns"
    REACH = "reach"
    TLS = "tls"
    HTTP = "http"
    HOPS = "hops"
    GOODPUT = "goodput"


class Vantage(Strict):
    """Where this is, as far as the person wants to say it: labels of reports and metrics."""

    instance: Instance | None = Field(
        default=None, description="A chosen id of this vantage point; never a host name or an address."
    )
    country: Country | None = None
    asn: Asn | None = None
    network: Network | None = None


class Quiet(Strict):
    """Local hours in which no run starts; an end that is not later than the start is on the next day."""

    start: TimeOfDay = Field(alias="from")
    end: TimeOfDay = Field(alias="to")
    days: list[Day] | None = Field(default=None, min_length=1, description="On which days it starts; else on all.")


class Schedule(Strict):
    """Gaps between the starts of runs; what is left out follows from the mean: a tenth of it, and two and a half."""

    mean: Gap | None = None
    min: Gap | None = None
    max: Gap | None = None
    time_zone: TimeZone = "UTC"
    quiet: list[Quiet] | None = None


class Budget(Strict):
    """Bytes, both directions together; day and month are UTC's."""

    run: BudgetSize | None = None
    day: BudgetSize | None = None
    month: BudgetSize | None = None


class Line(Strict):
    """When the line is not to be filled, and when it is not the provider's that would be judged."""

    metered: YesOrNo = Answer.AUTO
    vpn: YesOrNo = Answer.AUTO
    proxy: YesOrNo = Answer.AUTO
    busy_fraction: Fraction = 0.2
    busy_rate: Rate = 1_000_000.0


class Retention(Strict):
    """How long results are kept."""

    days: Days | None = None
    size: StoreSize | None = None


class Module(Strict):
    """One `module=` of `/probe`."""

    prober: Annotated[Prober, Field(strict=False)]
    timeout: Timeout = 10.0
    ip_protocol: Annotated[IpProtocol, Field(strict=False)] = IpProtocol.IP4
    ip_protocol_fallback: bool = True
    port: Port | None = Field(default=None, description="tcp, tls")
    method: Method = Field(default="GET", description="http")
    valid_status_codes: list[StatusCode] | None = Field(default=None, description="http; else 200 to 299")
    follow_redirects: bool = Field(default=True, description="http")
    fail_if_ssl: bool = Field(default=False, description="http: the final answer came over TLS")
    fail_if_not_ssl: bool = Field(default=False, description="http: it did not")
    query_type: QueryType = Field(default="A", description="dns")
    resolver: Identifier = Field(
        default="system", description="dns: the line's own, or the name of a resolver of targets.yaml"
    )
    query_name: HostName | None = Field(
        default=None, description="dns: the name asked for; the target is then the server, as with blackbox_exporter"
    )


class Receiver(Strict):
    """A receiver of Prometheus's remote-write protocol. Secrets stand in files or in the environment, never here."""

    name: Identifier
    url: ReceiverUrl
    username: UserName | None = None
    password_file: FileName | None = None
    password_env: VariableName | None = None
    bearer_token_file: FileName | None = None
    bearer_token_env: VariableName | None = None
    ca_file: FileName | None = None
    insecure: bool = Field(default=False, description="Plain http:// to a host that is not this machine.")
    timeout: Timeout = 30.0
    spool: SpoolSize | None = None


class WatchFile(Strict):
    """A whole watch.yaml. A part of which everything is commented out counts as left out."""

    version: Version
    targets: FileName | None = Field(default=None, description="A targets.yaml; relative to this file.")
    checks: list[Annotated[CheckName, Field(strict=False)]] | None = Field(
        default=None, description="Else all of them."
    )
    uploads: bool = True
    vantage: Vantage | None = None
    schedule: Schedule | None = None
    budget: Budget | None = None
    line: Line | None = None
    retention: Retention | None = None
    modules: dict[ModuleName, Module] | None = Field(
        default=None,
        description="Beside the built-in ones: dns, tcp, tls, http, http_2xx, tcp_connect, tls_connect, dns_udp.",
    )
    remote_write: list[Receiver] | None = None
    allowed_hosts: list[WebHost] | None = Field(
        default=None, description="Names under which the web server may be asked, beside loopback's: a container's."
    )


def json_schema() -> JsonSchema:
    """The JSON Schema (2020-12) of watch.yaml."""
    schema = WatchFile.model_json_schema(by_alias=True)
    return {"$schema": JSON_SCHEMA_DIALECT, **schema, "title": "Throttleprobe watch"}
