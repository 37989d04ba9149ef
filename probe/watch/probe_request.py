"""How does `/probe` read its question and write its answer, so that a scrape made for blackbox_exporter works?

`target`, `module` (http_2xx if none is given), `hostname`, `debug=true`, and the scrape's own timeout in a header.
Status 400: what was asked for is not configured. 503: this machine could not probe now, which says nothing about the
target. 200: it was probed, whatever came of it.
"""

import dataclasses
import math

from aiohttp import web

from probe.config.watch_file import ProbeModule
from probe.watch.probing import Asked, Probed, Prober, Unavailable, UnknownModule, UnknownTarget

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
TIMEOUT_OFFSET_SECONDS = 0.5  # what a scrape needs beside the probe; blackbox_exporter's --timeout-offset
DEFAULT_MODULE = "http_2xx"  # blackbox_exporter's
MAX_FIELD_CHARACTERS = 2_000


async def answer_probe(request: web.Request, prober: Prober) -> web.Response:
    query = request.query
    asked = Asked(
        module=query.get("module") or DEFAULT_MODULE,
        target=query.get("target", ""),
        hostname=query.get("hostname", ""),
    )
    if max(len(asked.module), len(asked.target), len(asked.hostname)) > MAX_FIELD_CHARACTERS:
        return _text(400, "A parameter is too long")
    try:
        module = prober.module(asked.module)
        if not asked.target:
            return _text(400, "Target parameter is missing")
        seconds = timeout(request.headers.get(TIMEOUT_HEADER), module)
        probed = await prober.probe(asked, timeout_seconds=seconds)
    except UnknownTarget as error:
        return _text(400, f"Unknown target: {error}")
    except UnknownModule as error:
        return _text(400, str(error))
    except BadTimeout as error:
        return _text(400, str(error))
    except Unavailable as error:
        return _text(503, f"Not probed: {error}")
    if query.get("debug") == "true":
        return web.Response(text=debug_text(probed), content_type="text/plain", charset="utf-8")
    return web.Response(body=probed.metrics, headers={"Content-Type": METRICS_TYPE})


class BadTimeout(ValueError):
    """The header holds no time."""


def timeout(header: str | None, module: ProbeModule) -> float:
    """Seconds that a probe may take: the scrape's, less the offset, at most the module's own. Raises BadTimeout."""
    if not header:
        return module.timeout_seconds
    try:
        scrape_seconds = float(header)
    except ValueError:
        scrape_seconds = math.nan
    if not math.isfinite(scrape_seconds) or scrape_seconds < 0:
        raise BadTimeout(f"Failed to parse timeout from Prometheus header: {header[:100]!a}")
    left = scrape_seconds - TIMEOUT_OFFSET_SECONDS
    return min(left, module.timeout_seconds) if left > 0 else module.timeout_seconds


def debug_text(probed: Probed) -> str:
    """What `debug=true` shows, in blackbox_exporter's three parts."""
    settings = "".join(f"{name}: {_written(value)}\n" for name, value in dataclasses.asdict(probed.module).items())
    return (
        f"Logs for the probe:\n{probed.log.text}\n\n\n"
        f"Metrics that would have been returned:\n{probed.metrics.decode()}\n\n\n"
        f"Module configuration:\n{settings}"
    )


def _written(value: object) -> str:
    """As YAML writes it, for the plain values that a module has."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


def _text(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n")
