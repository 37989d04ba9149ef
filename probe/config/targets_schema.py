"""What may stand in a targets.yaml, and what does it mean as `probe.model.targets`?

It knows nothing of files or line numbers: mistakes are given by path, and `probe.config` finds their place. What a
single text may look like is in `urls` and in the functions below.
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema

from probe.config import urls
from probe.config.fields import IDENTIFIER, JSON_SCHEMA_DIALECT, JsonSchema, Strict, normalised, text_schema, wrong
from probe.model import targets as model

VERSION = 1
MAX_NAME_CHARACTERS = 100  # a display name has to fit a table
SYSTEM_RESOLVER = "system"  # how evidence names the line's own resolver; no control may be called so
TEXT_TAG, OBJECT_TAG = "<text>", "<object>"  # which form of a media URL was meant; pydantic puts it into paths
_SHA256 = r"[0-9a-fA-F]{64}"
_ISO_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_WEB = ("http", "https")


def _identifier(text: str) -> str:
    if not re.fullmatch(IDENTIFIER, text):
        raise ValueError(f"{text!r} is no id: 1 to 63 of a-z, 0-9, _ and -, the first a letter or a digit")
    return text


def _resolver_name(text: str) -> str:
    if text == SYSTEM_RESOLVER:
        raise ValueError(f"{text!r} means this machine's own resolver: give the control another name")
    return _identifier(text)


def _display_name(text: str) -> str:
    if not text.strip() or len(text) > MAX_NAME_CHARACTERS or not text.isprintable():
        raise ValueError(f"must be 1 to {MAX_NAME_CHARACTERS} printable characters")
    return text


def _fingerprint(text: str) -> str:
    if not re.fullmatch(_SHA256, text):
        raise ValueError("must be the 64 hex digits of a certificate's SHA-256, without colons")
    return text.lower()


def _iso_date(text: str) -> str:
    message = f"{text!r} is no date (write it as 2026-01-31)"
    if not re.fullmatch(_ISO_DATE, text):
        raise ValueError(message)
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(message) from None


def _known_version(version: int) -> int:
    if version != VERSION:
        message = f"version {version} is unknown: this program reads version {VERSION}"
        raise wrong(message)
    return version


def _service(text: str) -> str:
    return f"tcp://{urls.endpoint(text)}"


def _site_url(text: str) -> str:
    return urls.url(text, schemes=_WEB)


def _secure_url(text: str) -> str:
    return urls.url(text, schemes=("https",), literal_host=True)


def _media_url(text: str) -> str:
    return urls.url(text, schemes=_WEB, placeholder=True)


_Version = Annotated[int, AfterValidator(_known_version), WithJsonSchema({"const": VERSION})]
_Id = Annotated[str, normalised(_identifier), text_schema(pattern=f"^{IDENTIFIER}$")]
_Name = Annotated[str, normalised(_display_name), text_schema(minLength=1, maxLength=MAX_NAME_CHARACTERS)]
_ResolverName = Annotated[
    str, normalised(_resolver_name), text_schema(pattern=f"^{IDENTIFIER}$", **{"not": {"const": SYSTEM_RESOLVER}})
]
_HostName = Annotated[str, normalised(urls.host_name), text_schema(format="idn-hostname")]
_Address = Annotated[str, normalised(urls.address), text_schema(anyOf=[{"format": "ipv4"}, {"format": "ipv6"}])]
_SiteUrl = Annotated[str, normalised(_site_url), text_schema(format="iri", pattern="^https?://")]
_SecureUrl = Annotated[str, normalised(_secure_url), text_schema(format="iri", pattern="^https://")]
_MediaText = Annotated[str, normalised(_media_url), text_schema(pattern="^https?://")]
_Service = Annotated[str, normalised(_service), text_schema(pattern="^tcp://.+:[0-9]+$")]
_Fingerprint = Annotated[str, normalised(_fingerprint), text_schema(pattern=f"^{_SHA256}$")]
_Date = Annotated[str, normalised(_iso_date), text_schema(format="date")]


class MediaObject(Strict):
    """A media URL with the day on which someone last saw it work."""

    url: _MediaText
    verified: _Date | None = None


def _media_form(value: object) -> str:
    return OBJECT_TAG if isinstance(value, Mapping) else TEXT_TAG


_MediaUrl = Annotated[
    Annotated[_MediaText, Tag(TEXT_TAG)] | Annotated[MediaObject, Tag(OBJECT_TAG)], Discriminator(_media_form)
]


class Resolver(Strict):
    """A trusted resolver, asked over HTTPS at a fixed address."""

    name: _ResolverName
    url: _SecureUrl
    address: _Address


class ControlMedia(Strict):
    """Neutral media of one operator: the control arm of goodput."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    download: _MediaUrl | None = None
    upload: _MediaUrl | None = None


class Helper(Strict):
    """A control server that a researcher runs, known by its certificate's fingerprint."""

    url: _SecureUrl
    sha256: _Fingerprint


class Controls(Strict):
    """What is expected to be unaffected."""

    resolvers: list[Resolver] = Field(default=[], description="Trusted, encrypted resolvers.")
    names: list[_HostName] = Field(default=[], description="Neutral server names: the control SNI.")
    sites: list[_SiteUrl] = Field(default=[], description='Neutral sites: tell "no network" from "blocked".')
    media: list[ControlMedia] = Field(default=[], description="Neutral media: the control arm of goodput.")
    helpers: list[Helper] = Field(default=[], description="Control servers that researchers run.")


class Media(Strict):
    """Candidate URLs per direction, in the order in which they are tried; `{bytes}` stands for the bytes wanted."""

    download: list[_MediaUrl] = Field(default=[])
    upload: list[_MediaUrl] = Field(default=[])


class Withheld(Strict):
    """An item that the platform may withhold by country."""

    url: _SiteUrl
    kind: Annotated[model.WithheldKind, Field(strict=False)]


_SUBJECTS = ("sites", "media", "services", "withheld")


class Target(Strict):
    """What is assessed: needs an id and at least one of sites, media, services, withheld."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": [subject]} for subject in _SUBJECTS]})

    id: _Id = Field(description="The stable name in reports and metrics.")
    name: _Name | None = Field(default=None, description="Shown to people; the id where it is missing.")
    category: Annotated[model.Category, Field(strict=False)] = model.Category.OTHER
    risk: Annotated[model.Risk, Field(strict=False)] = Field(
        default=model.Risk.LOW, description="high: contacting it may endanger a person; off until consented to."
    )
    sites: list[_SiteUrl] = Field(default=[], description="Measured by dns, tcp, tls and http.")
    media: Media = Field(default=Media(), description="Measured by goodput.")
    services: list[_Service] = Field(default=[], description="Bare endpoints: tcp://address:port.")
    quic: bool = False
    withheld: list[Withheld] = Field(default=[])


class TargetFile(Strict):
    """A whole targets.yaml."""

    version: _Version
    controls: Controls
    targets: list[Target] = Field(default=[])


def to_model(file: TargetFile) -> model.TargetList:
    """The typed form that everything else reads; a list's repetitions are left out."""
    controls = file.controls
    return model.TargetList(
        version=file.version,
        controls=model.Controls(
            resolvers=tuple(model.Resolver(name=r.name, url=r.url, address=r.address) for r in controls.resolvers),
            names=tuple(dict.fromkeys(controls.names)),
            sites=tuple(dict.fromkeys(controls.sites)),
            media=tuple(_control_media(media) for media in controls.media),
            helpers=tuple(model.Helper(url=helper.url, sha256=helper.sha256) for helper in controls.helpers),
        ),
        targets=tuple(_target(target) for target in file.targets),
    )


def _control_media(media: ControlMedia) -> model.ControlMedia:
    return model.ControlMedia(
        download=None if media.download is None else _media(media.download),
        upload=None if media.upload is None else _media(media.upload),
    )


def _media(given: str | MediaObject) -> model.MediaUrl:
    if isinstance(given, str):
        return model.MediaUrl(url=given)
    return model.MediaUrl(url=given.url, verified=date.fromisoformat(given.verified) if given.verified else None)


def _target(target: Target) -> model.Target:
    return model.Target(
        id=target.id,
        name=target.name or target.id,
        category=target.category,
        risk=target.risk,
        sites=tuple(dict.fromkeys(target.sites)),
        media=model.Media(
            download=tuple(dict.fromkeys(_media(given) for given in target.media.download)),
            upload=tuple(dict.fromkeys(_media(given) for given in target.media.upload)),
        ),
        services=tuple(dict.fromkeys(urls.endpoint(service) for service in target.services)),
        quic=target.quic,
        withheld=tuple(model.Withheld(url=item.url, kind=item.kind) for item in target.withheld),
    )


def json_schema() -> JsonSchema:
    """The JSON Schema (2020-12) of targets.yaml."""
    schema = TargetFile.model_json_schema()
    return {"$schema": JSON_SCHEMA_DIALECT, **schema, "title": "Throttleprobe targets"}
