"""Under which names does `/probe` answer, so that what was made for blackbox_exporter works with it?

Names, labels, phases and HELP texts are those of blackbox_exporter 0.23 to 0.28, one registry a request; one metric is
our own and has our prefix: why a probe failed. What is measured is `probe.watch.probing`'s.

Source: prometheus/blackbox_exporter, prober/*.go. (A gauge named `_info` is as it is there.)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from probe.failure import Failure


class Refusal(StrEnum):
    """Why a probe failed although the network did what it should: what the module asks of an answer was not met."""

    STATUS_CODE = "status_code_not_valid"
    RCODE = "rcode_not_valid"
    PLAIN = "not_over_tls"
    SECURED = "over_tls"
    PRIVATE_ADDRESS = "private_address"


REASONS = frozenset({*(failure.value for failure in Failure), *(refusal.value for refusal in Refusal)})

HTTP_PHASES = ("resolve", "connect", "tls", "processing", "transfer")
DNS_PHASES = ("resolve", "connect", "request")
CERTIFICATE_LABELS = ("fingerprint_sha256", "subject", "issuer", "subjectalternative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """`families`: of which probers' answers it is a part from the beginning, with the value 0 in each phase; those of
    none appear once they are known.
    """

    name: str
    help: str
    label_names: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()


EVERY = ("dns", "tcp", "tls", "http")
STREAM = ("tcp", "tls", "http")

DEFINITIONS: dict[str, Definition] = {
    definition.name: definition
    for definition in (
        Definition(name="probe_success", help="Displays whether or not the probe was a success", families=EVERY),
        Definition(
            name="probe_duration_seconds",
            help="Returns how long the probe took to complete in seconds",
            families=EVERY,
        ),
        Definition(
            name="probe_dns_lookup_time_seconds",
            help="Returns the time taken for probe dns lookup in seconds",
            families=EVERY,
        ),
        Definition(name="probe_ip_protocol", help="Specifies whether probe ip protocol is IP4 or IP6", families=EVERY),
        Definition(
            name="probe_ip_addr_hash",
            help="Specifies the hash of IP address. It's useful to detect if the IP address changes.",
            families=EVERY,
        ),
        Definition(name="probe_failed_due_to_regex", help="Indicates if probe failed due to regex", families=STREAM),
        Definition(
            name="probe_dns_duration_seconds",
            help="Duration of DNS request by phase",
            label_names=("phase",),
            families=("dns",),
            phases=DNS_PHASES,
        ),
        Definition(
            name="probe_dns_answer_rrs",
            help="Returns number of entries in the answer resource record list",
            families=("dns",),
        ),
        Definition(
            name="probe_dns_authority_rrs",
            help="Returns number of entries in the authority resource record list",
            families=("dns",),
        ),
        Definition(
            name="probe_dns_additional_rrs",
            help="Returns number of entries in the additional resource record list",
            families=("dns",),
        ),
        Definition(
            name="probe_dns_query_succeeded",
            help="Displays whether or not the query was executed successfully",
            families=("dns",),
        ),
        Definition(
            name="probe_http_duration_seconds",
            help="Duration of http request by phase, summed over all redirects",
            label_names=("phase",),
            families=("http",),
            phases=HTTP_PHASES,
        ),
        Definition(name="probe_http_content_length", help="Length of http content response", families=("http",)),
        Definition(
            name="probe_http_uncompressed_body_length",
            help="Length of uncompressed response body",
            families=("http",),
        ),
        Definition(name="probe_http_redirects", help="The number of redirects", families=("http",)),
        Definition(name="probe_http_ssl", help="Indicates if SSL was used for the final redirect", families=("http",)),
        Definition(name="probe_http_status_code", help="Response HTTP status code", families=("http",)),
        Definition(
            name="probe_http_version",
            help="Returns the version of HTTP of the probe response",
            families=("http",),
        ),
        Definition(
            name="probe_http_last_modified_timestamp_seconds",
            help="Returns the Last-Modified HTTP response header in unixtime",
        ),
        Definition(name="probe_ssl_earliest_cert_expiry", help="Returns last SSL chain expiry in unixtime"),
        Definition(
            name="probe_ssl_last_chain_expiry_timestamp_seconds",
            help="Returns last SSL chain expiry in timestamp",
        ),
        Definition(
            name="probe_ssl_last_chain_info",
            help="Contains SSL leaf certificate information",
            label_names=CERTIFICATE_LABELS,
        ),
        Definition(
            name="probe_tls_version_info",
            help="Returns the TLS version used or NaN when unknown",
            label_names=("version",),
        ),
        Definition(
            name="probe_tls_cipher_info",
            help="Returns the TLS cipher negotiated during handshake",
            label_names=("cipher",),
        ),
        Definition(
            name="throttleprobe_probe_failure_info",
            help="Why the probe failed, in the words of docs/probe.md; absent when it succeeded",
            label_names=("failure",),
        ),
    )
}


class Answer:
    """The metrics of one probe, filled in as it goes on."""

    def __init__(self, prober: str) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._gauges: dict[str, Gauge] = {}
        for definition in DEFINITIONS.values():
            if prober in definition.families:
                gauge = self._gauge(definition.name)
                for phase in definition.phases:
                    gauge.labels(phase)

    def set(self, name: str, value: float, labels: Mapping[str, str] | None = None) -> None:
        self._child(name, labels).set(value)

    def add(self, name: str, value: float, labels: Mapping[str, str] | None = None) -> None:
        self._child(name, labels).inc(value)

    def fail(self, reason: Failure | Refusal) -> None:
        """Name the reason; the first one stays."""
        if "throttleprobe_probe_failure_info" not in self._gauges:
            self.set("throttleprobe_probe_failure_info", 1, {"failure": reason.value})

    def text(self) -> bytes:
        """The exposition format 0.0.4, which is what blackbox_exporter gives."""
        return generate_latest(self.registry)

    def _child(self, name: str, labels: Mapping[str, str] | None) -> Gauge:
        gauge = self._gauge(name)
        return gauge.labels(**labels) if labels else gauge

    def _gauge(self, name: str) -> Gauge:
        if name not in self._gauges:
            definition = DEFINITIONS[name]
            self._gauges[name] = Gauge(name, definition.help, definition.label_names, registry=self.registry)
        return self._gauges[name]


def address_hash(packed: bytes) -> int:
    """FNV-1a of 32 bits over a packed address, as blackbox_exporter makes its `probe_ip_addr_hash`."""
    found = 0x811C9DC5
    for byte in packed:
        found = (found ^ byte) * 0x01000193 & 0xFFFF_FFFF
    return found
