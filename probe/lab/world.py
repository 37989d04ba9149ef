"""Who lives in the small internet of the lab?

Data only: hosts with their names, addresses, distances and manners, grouped into platforms and control operators, and
the targets.yaml that describes them. The programs behind the addresses are `probe.lab.servers`'s; the line is
`probe.lab.path`'s.

Addresses are from 198.18.0.0/15 and 2001:2::/48, set aside for such tests (RFC 2544, RFC 5180); names are under
`.test`, which no resolver serves (RFC 6761).
"""

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from ruamel.yaml import YAML

from probe.lab.interception import Interception
from probe.lab.manners import Listed, Manners

FAR_EXTRA_RTT_SECONDS = 0.140
ISP_RESOLVER_ADDRESS = "198.18.0.53"
DEMO_TARGETS = ("photogram", "linkhub", "talkline", "gazette", "birdnet", "vidtube")
NOTICE_NAME = "notice.isp.test"
NOTICE_ADDRESS = "198.18.0.80"


class Role(Enum):
    WEB = "web"  # http:// redirects to https://, a page there
    NEWS = "news"  # the same page over http:// and https://
    MEDIA = "media"  # /media/<n>.bin?bytes=N, Range
    UPLOAD = "upload"  # takes a body, refuses it
    CONTROL_MEDIA = "control_media"  # /__down?bytes=N, /__up
    DOH = "doh"  # RFC 8484 at /dns-query
    RESOLVER = "resolver"  # DNS over UDP
    NOTICE = "notice"  # the censor's page for every name and path
    INTERCEPTOR = "interceptor"  # the censor's machine in the middle of TLS


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One address and what answers there.

    `extra_rtt_seconds` is the distance beyond the line's own round trip, `pacing_bps` the server's own limit for each
    connection. `strict_names`: a TLS alert for a name that is not its own; otherwise its own certificate for every
    name. An upload host answers `upload_status` after the body, or at once with `answers_early`. With `dead` nobody
    is there and packets vanish. A name with several addresses is several hosts of that name; `listed` says which
    resolvers give this one's. `address6` is where the same host is over IPv6, if it is. `spelled` is the name as
    targets.yaml has it, where that is not `name`. A resolver gives the `forged` addresses for those names ("*."
    and a name: for every name below it); an interceptor stands where `interception` says.
    """

    name: str
    address: str
    role: Role
    address6: str | None = None
    extra_rtt_seconds: float = 0.0
    pacing_bps: float | None = None
    congestion: str = "cubic"
    strict_names: bool = False
    upload_status: int = 401
    answers_early: bool = False
    dead: bool = False
    listed: Listed = Listed.EVERYWHERE
    spelled: str | None = None
    manners: Manners = Manners()  # noqa: RUF009 - frozen
    forged: tuple[tuple[str, str], ...] = ()
    interception: Interception | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its addresses of both versions."""
        return (self.address,) if self.address6 is None else (self.address, self.address6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A target of targets.yaml."""

    id: str
    name: str
    category: str
    hosts: tuple[Host, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One operator of controls: a neutral site, neutral media, an encrypted resolver."""

    name: str
    site: Host
    media: Host
    resolver: Host


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything that has an address. `resolver` is the one in the vantage point's resolv.conf; `others` are the
    censor's own machines, to which its rules alone lead.
    """

    platforms: tuple[Platform, ...]
    operators: tuple[Operator, ...]
    resolver: Host
    notice: Host
    others: tuple[Host, ...] = ()

    @property
    def hosts(self) -> tuple[Host, ...]:
        ours = [host for platform in self.platforms for host in platform.hosts]
        controls = [host for operator in self.operators for host in (operator.site, operator.media, operator.resolver)]
        return (*ours, *controls, self.resolver, self.notice, *self.others)

    def address_of(self, name: str) -> str | None:
        return next((host.address for host in self.hosts if host.name == name), None)

    def listed_addresses(self, name: str, resolver: Host) -> tuple[str, ...]:
        """What `resolver` gives for the name, () where it knows none."""
        return tuple(host.address for host in self._listed(name, resolver))

    def listed_addresses6(self, name: str, resolver: Host) -> tuple[str, ...]:
        """As `listed_addresses`, of IPv6."""
        return tuple(host.address6 for host in self._listed(name, resolver) if host.address6 is not None)

    def _listed(self, name: str, resolver: Host) -> list[Host]:
        view = Listed.BY_ISP if resolver.role is Role.RESOLVER else Listed.BY_CONTROLS
        return [host for host in self.hosts if host.name == name and host.listed in (Listed.EVERYWHERE, view)]

    def changed(self, name: str, **changes: object) -> "World":
        """The same world with other fields in the host called `name` (`world.changed("media.birdnet.test",
        pacing_bps=2e6)`).

        Raises ValueError where there is no such host.
        """
        if self.address_of(name) is None:
            raise ValueError(f"no host is called {name}")

        def host(old: Host) -> Host:
            return replace(old, **changes) if old.name == name else old  # type: ignore[arg-type]

        return self._with_each(host)

    def with_ipv6(self) -> "World":
        """The same world with an IPv6 address for every host beside its own."""
        return self._with_each(lambda host: replace(host, address6=address6_beside(host.address)))

    def _with_each(self, host: Callable[[Host], Host]) -> "World":
        return World(
            platforms=tuple(replace(p, hosts=tuple(map(host, p.hosts))) for p in self.platforms),
            operators=tuple(
                replace(o, site=host(o.site), media=host(o.media), resolver=host(o.resolver)) for o in self.operators
            ),
            resolver=host(self.resolver),
            notice=host(self.notice),
            others=tuple(map(host, self.others)),
        )

    def with_others(self, *hosts: Host) -> "World":
        """The same world with machines of the censor's beside those it has: DNS proxies, interceptors."""
        return replace(self, others=(*self.others, *hosts))

    def only(self, *ids: str) -> "World":
        """The same world with these platforms alone, in this order. Raises KeyError for an unknown id."""
        by_id = {platform.id: platform for platform in self.platforms}
        return replace(self, platforms=tuple(by_id[id] for id in ids))

    def with_role(self, *roles: Role) -> tuple[str, ...]:
        """The names of all hosts of these roles, for `changed`."""
        return tuple(host.name for host in self.hosts if host.role in roles)


def small_internet(
    *,
    far_extra_rtt_seconds: float = FAR_EXTRA_RTT_SECONDS,
    media_pacing_bps: float | None = None,
    control_pacing_bps: float | None = None,
    everyone_strict: bool = False,
    controls_strict: bool = False,
    congestion: str = "cubic",
    ipv6: bool = False,
) -> World:
    """Three platforms with media (one near, one far, one strict about names), four with a site alone, two operators
    of controls.

    `media_pacing_bps` limits each connection to the platforms' media, `control_pacing_bps` to the controls'.
    `everyone_strict`: no host takes a name that is not its own; `controls_strict`: only the controls do not. `ipv6`:
    every host is there over IPv6 too (and the vantage point, if its line has it).
    """
    world = World(
        platforms=_platforms(far_extra_rtt_seconds),
        operators=(_operator("northnet", 1), _operator("southnet", 2)),
        resolver=Host(name="resolver.isp.test", address=ISP_RESOLVER_ADDRESS, role=Role.RESOLVER),
        notice=Host(name=NOTICE_NAME, address=NOTICE_ADDRESS, role=Role.NOTICE),
    )
    controls = {host.name for o in world.operators for host in (o.site, o.media, o.resolver)}
    for host in world.hosts:
        strict = everyone_strict or host.strict_names or (controls_strict and host.name in controls)
        world = world.changed(host.name, strict_names=strict, congestion=congestion)
    for name in world.with_role(Role.MEDIA):
        world = world.changed(name, pacing_bps=media_pacing_bps)
    for name in world.with_role(Role.CONTROL_MEDIA):
        world = world.changed(name, pacing_bps=control_pacing_bps)
    return world.with_ipv6() if ipv6 else world


def address6_beside(address: str) -> str:
    """The IPv6 address of the host with this IPv4 address: 2001:2:0:8010::2 for 198.18.10.2, digit by digit."""
    _, _, subnet, number = map(int, address.split("."))
    return f"2001:2:0:8{subnet:03d}::{number}"


def demo_world() -> World:
    """The small internet with the six targets of `throttleprobe demo`."""
    return small_internet().only(*DEMO_TARGETS)


def _platforms(far_extra_rtt_seconds: float) -> tuple[Platform, ...]:
    return (
        _media_platform("birdnet", "Birdnet", "social", subnet=10),
        _media_platform("vidtube", "Vidtube", "video", subnet=11, extra_rtt_seconds=far_extra_rtt_seconds),
        _media_platform("photogram", "Photogram", "social", subnet=12, strict_names=True),
        _site_platform("gazette", "The Gazette", "news", subnet=20, role=Role.NEWS),
        _site_platform("linkhub", "Linkhub", "social", subnet=21),
        _site_platform("talkline", "Talkline", "messaging", subnet=22),
        _site_platform("mapfolk", "Mapfolk", "tools", subnet=23),
    )


def _media_platform(
    id: str, name: str, category: str, *, subnet: int, extra_rtt_seconds: float = 0.0, strict_names: bool = False
) -> Platform:
    hosts = (
        Host(name=f"{id}.test", address=f"198.18.{subnet}.1", role=Role.WEB),
        Host(name=f"media.{id}.test", address=f"198.18.{subnet}.2", role=Role.MEDIA),
        Host(name=f"upload.{id}.test", address=f"198.18.{subnet}.3", role=Role.UPLOAD),
    )
    placed = tuple(replace(host, extra_rtt_seconds=extra_rtt_seconds, strict_names=strict_names) for host in hosts)
    return Platform(id=id, name=name, category=category, hosts=placed)


def _site_platform(id: str, name: str, category: str, *, subnet: int, role: Role = Role.WEB) -> Platform:
    site = Host(name=f"{id}.test", address=f"198.18.{subnet}.1", role=role)
    return Platform(id=id, name=name, category=category, hosts=(site,))


def _operator(name: str, subnet: int) -> Operator:
    return Operator(
        name=name,
        site=Host(name=f"www.{name}.test", address=f"198.18.{subnet}.1", role=Role.WEB),
        media=Host(name=f"speed.{name}.test", address=f"198.18.{subnet}.2", role=Role.CONTROL_MEDIA),
        resolver=Host(name=f"dns.{name}.test", address=f"198.18.{subnet}.53", role=Role.DOH),
    )


def targets_yaml(world: World) -> str:
    """A version-1 targets.yaml that measures every platform of this world against its controls."""
    document = {
        "version": 1,
        "controls": {
            "resolvers": [
                {"name": o.name, "url": f"https://{o.resolver.name}/dns-query", "address": o.resolver.address}
                for o in world.operators
            ],
            "names": [o.site.name for o in world.operators],
            "sites": [f"https://{o.site.name}/" for o in world.operators],
            "media": [
                {"download": f"https://{o.media.name}/__down?bytes={{bytes}}", "upload": f"https://{o.media.name}/__up"}
                for o in world.operators
            ],
            "helpers": [],
        },
        "targets": [_target(platform) for platform in world.platforms],
    }
    text = io.StringIO()
    yaml = YAML()
    yaml.width = 120
    yaml.dump(document, text)
    return text.getvalue()


def _target(platform: Platform) -> dict[str, object]:
    target: dict[str, object] = {"id": platform.id, "name": platform.name, "category": platform.category}
    names = {role: list(dict.fromkeys(h.spelled or h.name for h in platform.hosts if h.role is role)) for role in Role}
    sites = [f"https://{name}/" for name in (*names[Role.WEB], *names[Role.NEWS])]
    sites += [f"http://{name}/" for name in names[Role.NEWS]]
    download = [f"https://{name}/media/1.bin?bytes={{bytes}}" for name in names[Role.MEDIA]]
    upload = [f"https://{name}/upload" for name in names[Role.UPLOAD]]
    target["sites"] = sites
    if download or upload:
        target["media"] = {"download": download, "upload": upload}
    return target
