"""What would be contacted, on which port, what for, and how many bytes may it take?

Read from the target list alone: no name is looked up for it. What is in fact contacted, redirects included, stands in
the report.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from probe.config.urls import host_and_port
from probe.model.targets import Controls, MediaUrl, Risk, Target, TargetList

MAX_BYTES_PER_TARGET = 4_000_000  # design §5: both directions and all arms of one target in one run
SITE_BYTES = 250_000  # two redirect chains of a few pages, each read up to 64 KB; lookups and handshakes besides
HOST_BYTES = 15_000  # a media host: lookups by every resolver, a TCP and a TLS handshake to each of a few addresses
SERVICE_BYTES = 2_000  # two TCP handshakes and as many at a control's address
DOWNLOAD_BYTES = 1_300_000  # a healthy line: pilot and two pairs of 256 KB, TLS and headers included
UPLOAD_BYTES = 700_000  # a healthy line: pilot and two pairs of 128 KB
HTTP_PORT, HTTPS_PORT = 80, 443


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One host (a name, or an address literal) and port; `purposes` in the order of the checks."""

    host: str
    port: int
    purposes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPlan:
    """One target: `expected_bytes` on a healthy line, `max_bytes` whatever happens."""

    id: str
    name: str
    risk: Risk
    contacts: tuple[Contact, ...]
    expected_bytes: int
    max_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A whole run: the controls once, then each target."""

    controls: tuple[Contact, ...]
    targets: tuple[TargetPlan, ...]

    @property
    def expected_bytes(self) -> int:
        return sum(target.expected_bytes for target in self.targets)

    @property
    def max_bytes(self) -> int:
        return sum(target.max_bytes for target in self.targets)


def planned(target_list: TargetList, targets: Sequence[Target], *, uploads: bool = True) -> Plan:
    """The plan for `targets` with the controls of `target_list`.

    Without `uploads`, the hosts that take them are looked up and connected to, and nothing is sent there.
    """
    return Plan(
        controls=_merged(_control_contacts(target_list.controls, uploads=uploads)),
        targets=tuple(_target_plan(target, uploads=uploads) for target in targets),
    )


def _target_plan(target: Target, *, uploads: bool) -> TargetPlan:
    media_hosts = {host_and_port(media.url)[0] for media in (*target.media.download, *target.media.upload)}
    expected = SITE_BYTES * len(target.sites) + HOST_BYTES * len(media_hosts) + SERVICE_BYTES * len(target.services)
    expected += DOWNLOAD_BYTES * bool(target.media.download) + UPLOAD_BYTES * bool(target.media.upload and uploads)
    return TargetPlan(
        id=target.id,
        name=target.name,
        risk=target.risk,
        contacts=_merged(_target_contacts(target, uploads=uploads)),
        expected_bytes=min(expected, MAX_BYTES_PER_TARGET),
        max_bytes=MAX_BYTES_PER_TARGET,
    )


def _target_contacts(target: Target, *, uploads: bool) -> Iterator[tuple[str, int, str]]:
    for site in target.sites:
        yield from _site(site, "page")
    yield from _media(target.media.download, "download")
    yield from _media(target.media.upload, "upload" if uploads else "handshakes")
    for service in target.services:
        yield service.address, service.port, "TCP connection"
    for item in target.withheld:
        yield *host_and_port(item.url), "withheld item"


def _control_contacts(controls: Controls, *, uploads: bool) -> Iterator[tuple[str, int, str]]:
    for resolver in controls.resolvers:
        yield resolver.address, host_and_port(resolver.url)[1], f"encrypted lookups ({resolver.name})"
    for site in controls.sites:
        yield from _site(site, "control page")
    for media in controls.media:
        yield from _media((media.download,) if media.download else (), "control download")
        if uploads:
            yield from _media((media.upload,) if media.upload else (), "control upload")
    for helper in controls.helpers:
        yield *host_and_port(helper.url), "helper"


def _site(url: str, purpose: str) -> Iterator[tuple[str, int, str]]:
    """A site is asked over http:// and over https://, whichever of them the file names."""
    host, port = host_and_port(url)
    other = HTTP_PORT if port == HTTPS_PORT else HTTPS_PORT if port == HTTP_PORT else None
    for asked in (port, other):
        if asked is not None:
            yield host, asked, purpose


def _media(media: Sequence[MediaUrl], purpose: str) -> Iterator[tuple[str, int, str]]:
    for candidate in media:
        yield *host_and_port(candidate.url), purpose


def _merged(contacts: Iterator[tuple[str, int, str]]) -> tuple[Contact, ...]:
    """One contact a host and port, all its purposes together, in the order first named."""
    purposes: dict[tuple[str, int], dict[str, None]] = {}
    for host, port, purpose in contacts:
        purposes.setdefault((host, port), {})[purpose] = None
    return tuple(Contact(host=host, port=port, purposes=tuple(why)) for (host, port), why in purposes.items())
