"""What is to be measured: targets and the controls beside them, as typed data.

`probe.config` makes these from targets.yaml; nothing here reads files or knows YAML.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Category(StrEnum):
    """What kind of platform a target is."""

    SOCIAL = "social"
    MESSAGING = "messaging"
    VIDEO = "video"
    NEWS = "news"
    POLITICS = "politics"
    TOOLS = "tools"
    OTHER = "other"


class Risk(StrEnum):
    """Whether contacting the target may endanger the person who runs the probe; high is off until consented to."""

    LOW = "low"
    HIGH = "high"


class WithheldKind(StrEnum):
    """How a platform words its own refusal."""

    X = "x"
    YOUTUBE = "youtube"
    HTTP = "http"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An address and port actually dialled; `address` is a literal, IPv6 without brackets."""

    address: str
    port: int
    transport: str = "tcp"

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.address


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolver:
    """A trusted, encrypted resolver: DNS over HTTPS at `url`, dialled at `address`."""

    name: str
    url: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaUrl:
    """A media object; `{bytes}` in the URL stands for how many bytes are wanted."""

    url: str
    verified: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlMedia:
    """Neutral media of one operator: the control arm of goodput."""

    download: MediaUrl | None
    upload: MediaUrl | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Helper:
    """A control server that a researcher runs; `sha256` is its certificate's fingerprint in hex."""

    url: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """What is expected to be unaffected; compared with each other before they are compared with a target."""

    resolvers: tuple[Resolver, ...]
    names: tuple[str, ...]
    sites: tuple[str, ...]
    media: tuple[ControlMedia, ...]
    helpers: tuple[Helper, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """Candidate URLs per direction, in the order in which they are tried."""

    download: tuple[MediaUrl, ...] = ()
    upload: tuple[MediaUrl, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """An item that the platform may withhold by country."""

    url: str
    kind: WithheldKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The stable name of what is assessed; endpoints change beneath it."""

    id: str
    name: str
    category: Category = Category.OTHER
    risk: Risk = Risk.LOW
    sites: tuple[str, ...] = ()
    media: Media = Media()
    services: tuple[Endpoint, ...] = ()
    quic: bool = False
    withheld: tuple[Withheld, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetList:
    """A whole targets.yaml."""

    version: int
    controls: Controls
    targets: tuple[Target, ...]
