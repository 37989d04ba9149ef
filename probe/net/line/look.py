"""What is between us and the network right now?

Puts together what `routes`, `kinds`, `cost` and `traffic` find out with what the person said of the line. What follows
from it (wait, leave goodput out, label the report) is for the service to decide.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from probe.config.watch_file import Answer, LineSettings
from probe.net.line import kinds, traffic
from probe.net.line.cost import Ask, is_metered
from probe.net.line.kinds import HERE, Places
from probe.net.line.routes import Lookup, Route, routes_elsewhere

PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineState:
    """The line at one moment. Rates in bit/s; None: not known.

    `network`: a way out exists and its interface is up; True where that cannot be told. `busy_bps` is what others on
    this machine move, in the direction in which it is more; `busy` says whether that is too much to measure beside.
    """

    network: bool
    metered: bool | None = None
    vpn: bool = False
    proxy: bool = False
    busy_bps: float | None = None
    busy: bool = False

    @property
    def may_measure_goodput(self) -> bool:
        """Whether to fill the line: a network that is free to use, unfiltered on the way, and idle."""
        return self.network and not (self.metered or self.vpn or self.proxy or self.busy)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why not, in the words of the log and the status page."""
        found = {
            "no network": not self.network,
            "metered": bool(self.metered),
            "vpn": self.vpn,
            "proxy": self.proxy,
            "busy": self.busy,
        }
        return tuple(name for name, applies in found.items() if applies)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The line of this machine. `own` gives the bytes that this program has sent and received so far."""

    settings: LineSettings
    own: Callable[[], tuple[int, int]] = lambda: (0, 0)
    places: Places = HERE
    lookup: Lookup | None = None
    ask: Ask | None = None
    environment: Mapping[str, str] | None = None

    def is_tunnelled(self) -> bool:
        """Whether a VPN or a proxy is in the way. Reads tables and files; for the event loop use `look`."""
        return self._vpn(self._routes()) or self._proxy()

    async def has_network(self) -> bool:
        """Whether a packet would find a way out. Reads tables; sends nothing, and takes no time to speak of."""
        return _has_network(await asyncio.to_thread(self._routes), self.places)

    async def look(self, best_bps: float | None = None) -> LineState:
        """Everything, in about a second. `best_bps` is the best rate that earlier runs saw here."""
        routes = await asyncio.to_thread(self._routes)
        if not _has_network(routes, self.places):
            return LineState(network=False)
        metered = await self._metered(routes)
        others = await self._others_bps(routes[0].interface) if routes else None
        return LineState(
            network=True,
            metered=metered,
            vpn=await asyncio.to_thread(self._vpn, routes),
            proxy=self._proxy(),
            busy_bps=others,
            busy=others is not None and others > self._most_bps(best_bps),
        )

    def _routes(self) -> tuple[Route, ...]:
        return routes_elsewhere(self.places.proc, self.lookup)

    async def _metered(self, routes: tuple[Route, ...]) -> bool | None:
        if self.settings.metered is not Answer.AUTO:
            return self.settings.metered is Answer.YES
        said = await is_metered(self.ask)
        if said is None and await asyncio.to_thread(self._is_modem, routes):
            return True
        return said

    def _is_modem(self, routes: tuple[Route, ...]) -> bool:
        return any(kinds.is_modem(route.interface, self.places) for route in routes)

    def _vpn(self, routes: tuple[Route, ...]) -> bool:
        if self.settings.vpn is not Answer.AUTO:
            return self.settings.vpn is Answer.YES
        return any(kinds.is_vpn(route, self.places) for route in routes)

    def _proxy(self) -> bool:
        if self.settings.proxy is not Answer.AUTO:
            return self.settings.proxy is Answer.YES
        environment = os.environ if self.environment is None else self.environment
        return any(environment.get(name) for name in PROXY_VARIABLES)

    async def _others_bps(self, interface: str) -> float | None:
        before, began = await self._counters(interface), time.monotonic()
        if before is None:
            return None
        await asyncio.sleep(traffic.SAMPLE_SECONDS)
        after, ended = await self._counters(interface), time.monotonic()
        return None if after is None else traffic.others_bps(before, after, ended - began)

    async def _counters(self, interface: str) -> traffic.Counters | None:
        return await asyncio.to_thread(traffic.read_counters, interface, self.places.proc, self.own())

    def _most_bps(self, best_bps: float | None) -> float:
        """Beyond what rate of others the line counts as busy."""
        return self.settings.busy_fraction * best_bps if best_bps else self.settings.busy_bps


def _has_network(routes: tuple[Route, ...], places: Places) -> bool:
    if not places.proc.joinpath("net").exists():  # not Linux
        return True
    return any(kinds.is_up(route.interface, places) for route in routes)
