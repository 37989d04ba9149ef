"""What does `watch` answer to a browser, a Prometheus server and a service supervisor?

Routes and their bounds: /, /metrics, /probe, /report/<run>, /-/healthy, /-/ready, POST /-/reload. Who may ask is
`probe.watch.admission`'s, on which socket `probe.watch.listening`'s, how the page looks `probe.watch.status_page`'s,
what a probe does `probe.watch.probing`'s. Only a reload changes anything, and only /probe sends packets.
"""

import asyncio
import re
from typing import Protocol

from aiohttp import hdrs, web

from probe.metrics.exposition import Exposition
from probe.watch.admission import Hosts, admission, same_everywhere
from probe.watch.probe_request import answer_probe
from probe.watch.probing import Prober
from probe.watch.report_page import NoReport
from probe.watch.status import Status
from probe.watch.status_page import render_status

MAX_BODY_BYTES = 1024  # nothing here takes a body
REPORTS_AT_ONCE = 1  # each is a process of its own
RUN_ID = re.compile(r"[0-9a-f][0-9a-f-]{0,63}")


class Scraped(Protocol):
    def exposition(self, accept: str, accept_encoding: str) -> Exposition:
        """What /metrics shows, as the headers Accept and Accept-Encoding ask."""


class WebState(Protocol):
    """What the service tells the web server; all of it is called from the event loop and must not block it.

    `prober` is None until the first configuration is loaded, and closed by its owner. `reload` gives every mistake of
    the new configuration, or () when it is in force. `healthy`: the measuring loop lives. `ready`: the store is open
    and a first configuration is loaded. `report_html` is the report of the run with this id (`probe.watch.report_page`
    makes one); raises NoReport.
    """

    @property
    def metrics(self) -> Scraped: ...

    @property
    def prober(self) -> Prober | None: ...

    def status(self) -> Status: ...

    async def reload(self) -> tuple[str, ...]: ...

    def healthy(self) -> bool: ...

    def ready(self) -> bool: ...

    async def report_html(self, run_id: str) -> str: ...


def make_app(
    state: WebState, *, listen_host: str = "127.0.0.1", allowed_hosts: tuple[str, ...] = ()
) -> web.Application:
    """The whole web server but its socket (`probe.watch.listening`).

    `listen_host` is what will be listened on, `allowed_hosts` further names that may stand in `Host`: those of a
    reverse proxy, or of a container.
    """
    app = web.Application(
        middlewares=[admission(Hosts(listen_host=listen_host, names=allowed_hosts))], client_max_size=MAX_BODY_BYTES
    )
    app.on_response_prepare.append(same_everywhere)
    pages = _Pages(state)
    app.router.add_get("/", pages.status)
    app.router.add_get("/metrics", pages.metrics)
    app.router.add_get("/probe", pages.probe, allow_head=False)  # a HEAD would probe for nothing
    app.router.add_get("/report/{run_id}", pages.report, allow_head=False)
    app.router.add_get("/-/healthy", pages.healthy)
    app.router.add_get("/-/ready", pages.ready)
    app.router.add_post("/-/reload", pages.reload)
    return app


class _Pages:
    """One handler a route."""

    def __init__(self, state: WebState) -> None:
        self._state = state
        self._reports = asyncio.Semaphore(REPORTS_AT_ONCE)

    async def status(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text=render_status(self._state.status()), content_type="text/html", charset="utf-8")

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        asked = (",".join(request.headers.getall(name, [])) for name in (hdrs.ACCEPT, hdrs.ACCEPT_ENCODING))
        page = self._state.metrics.exposition(*asked)
        headers = {hdrs.CONTENT_TYPE: page.content_type, hdrs.VARY: f"{hdrs.ACCEPT}, {hdrs.ACCEPT_ENCODING}"}
        if page.content_encoding:
            headers[hdrs.CONTENT_ENCODING] = page.content_encoding
        return web.Response(body=page.body, headers=headers)

    async def probe(self, request: web.Request) -> web.StreamResponse:
        prober = self._state.prober
        if prober is None:
            return _text(503, "Not ready: no configuration is loaded yet.")
        return await answer_probe(request, prober)

    async def report(self, request: web.Request) -> web.StreamResponse:
        run_id = request.match_info["run_id"]
        if RUN_ID.fullmatch(run_id) is None:
            return _text(404, "No such run.")
        async with self._reports:
            try:
                page = await self._state.report_html(run_id)
            except NoReport as error:
                return _text(404, f"No report: {error}.")
        return web.Response(text=page, content_type="text/html", charset="utf-8")

    async def healthy(self, request: web.Request) -> web.StreamResponse:
        if self._state.healthy():
            return _text(200, "Healthy.")
        return _text(503, "Not healthy: the measuring loop has ended.")

    async def ready(self, request: web.Request) -> web.StreamResponse:
        if self._state.ready():
            return _text(200, "Ready.")
        return _text(503, "Not ready: the store or the first configuration is not open yet.")

    async def reload(self, request: web.Request) -> web.StreamResponse:
        # Shielded: whoever asked may hang up, a reload is done whole or not at all.
        mistakes = await asyncio.shield(self._state.reload())
        if mistakes:
            return _text(500, "\n".join(("The old configuration stays in force:", *mistakes)))
        return _text(200, "Reloaded.")


def _text(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n")
