"""In which text format, and how quickly, is a scrape answered?

The library's encoders write the text; what they wrote of the targets is kept until a run changes it, compressed as
well, because with 200 targets it is ten thousand lines that would otherwise be made anew for every scrape.
"""

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from prometheus_client import Metric, exposition
from prometheus_client.openmetrics import exposition as openmetrics

from probe.metrics.families import Targets, target_families
from probe.metrics.service import Service
from probe.metrics.service_families import service_families

END_OF_OPENMETRICS = b"# EOF\n"
OPENMETRICS = "application/openmetrics-text"
OPENMETRICS_VERSION = "1.0.0"
GZIP = 16 + zlib.MAX_WBITS  # zlib.h, deflateInit2: a gzip header and trailer


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposition:
    """The body of an answer, its Content-Type, and its Content-Encoding ("" for none)."""

    body: bytes
    content_type: str
    content_encoding: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the targets come to in one format: their text, and the same compressed as far as to where more text can
    follow: `compressor` goes on from there.
    """

    targets: Targets
    text: bytes
    compressed: bytes
    compressor: "zlib._Compress"

    def followed_by(self, text: bytes) -> bytes:
        """All of it as one gzip stream."""
        compressor = self.compressor.copy()
        return self.compressed + compressor.compress(text) + compressor.flush()


class Page:
    """What is scraped, in each format that was asked for."""

    def __init__(self) -> None:
        self._kept: dict[bool, Kept] = {}
        self._asked = {True}  # whether in OpenMetrics, as Prometheus servers ask

    def prepare(self, targets: Targets) -> None:
        """Make the text of the targets before it is asked for."""
        for is_openmetrics in tuple(self._asked):
            self._kept[is_openmetrics] = _kept(targets, is_openmetrics)

    def render(self, targets: Targets, service: Service, accept: str, accept_encoding: str) -> Exposition:
        """OpenMetrics where `accept` names it, else Prometheus's text; whatever the headers are, there is an answer."""
        is_openmetrics = wants_openmetrics(accept)
        kept = self._of_targets(targets, is_openmetrics)
        text = _encoded(service_families(service, timed=False), is_openmetrics)
        text += END_OF_OPENMETRICS if is_openmetrics else b""
        is_packed = exposition.gzip_accepted(accept_encoding)
        return Exposition(
            body=kept.followed_by(text) if is_packed else kept.text + text,
            content_type=openmetrics.CONTENT_TYPE_LATEST if is_openmetrics else exposition.CONTENT_TYPE_PLAIN_0_0_4,
            content_encoding="gzip" if is_packed else "",
        )

    def _of_targets(self, targets: Targets, is_openmetrics: bool) -> Kept:
        kept = self._kept.get(is_openmetrics)
        if kept is None or kept.targets is not targets:
            kept = _kept(targets, is_openmetrics)
            self._asked.add(is_openmetrics)
            self._kept[is_openmetrics] = kept
        return kept


def _kept(targets: Targets, is_openmetrics: bool) -> Kept:
    text = _encoded(target_families(targets, timed=False), is_openmetrics)
    compressor = zlib.compressobj(wbits=GZIP)
    compressed = compressor.compress(text) + compressor.flush(zlib.Z_FULL_FLUSH)
    return Kept(targets=targets, text=text, compressed=compressed, compressor=compressor)


def wants_openmetrics(accept: str) -> bool:
    """Whether one of the types named is OpenMetrics, in the version that is given here or in none.

    The library's own reading (0.26) fails on a version that is no number.
    """
    for item in accept.split(","):
        kind, *parameters = (part.strip() for part in item.split(";"))
        versions = [p.removeprefix("version=") for p in parameters if p.startswith("version=")]
        if kind == OPENMETRICS and (not versions or OPENMETRICS_VERSION in versions):
            return True
    return False


@dataclass(frozen=True, slots=True)
class _Families:
    """What the library's encoders take."""

    families: Sequence[Metric]

    def collect(self) -> Iterable[Metric]:
        return self.families


def _encoded(families: Sequence[Metric], is_openmetrics: bool) -> bytes:
    """Without the end marker, which stands once behind everything.

    Our names need no escaping, so whichever way is named the text is the same; this one looks at no single character.
    """
    encode: Callable[..., bytes] = openmetrics.generate_latest if is_openmetrics else exposition.generate_latest
    return encode(_Families(families), escaping=openmetrics.ALLOWUTF8).removesuffix(END_OF_OPENMETRICS)
