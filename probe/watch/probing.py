"""What is probed when somebody asks `/probe` for it, and what may one ask for at all?

The cheap looks of blackbox_exporter at configured targets: bounded in number and bytes, one at a time for a host, one
for all who ask for the same at once. That this machine had no time, no room or no bytes left is `Unavailable`, never a
failed probe. How the question comes in and the answer goes out is `probe.watch.probe_request`'s; what each prober does
is in the modules `probe_stream`, `probe_page` and `probe_name`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random, SystemRandom

from probe.config.urls import host_and_port
from probe.config.watch_file import DEFAULT_MODULES, ProbeModule
from probe.config.watch_file import Prober as ProberKind
from probe.metrics.blackbox import Answer
from probe.model.results import CannotRun
from probe.model.targets import Controls, Target
from probe.net.clock import MonotonicClock
from probe.net.getaddrinfo import AddressLookups
from probe.net.instruments import Instruments, KnownAddresses
from probe.net.limits import AddressGate
from probe.net.meter import Meter
from probe.net.ports import Ports
from probe.net.trust import Trust
from probe.watch.probe_log import ProbeLog
from probe.watch.probe_name import probe_name, probe_server
from probe.watch.probe_page import probe_page
from probe.watch.probe_setup import Allowance, Setup, Unavailable
from probe.watch.probe_stream import probe_stream
from probe.watch.probe_targets import Catalogue, UnknownTarget

MAX_AT_ONCE = 8
MAX_WAITING = 64  # as many as there can be connections
MOST_OF_TIME_WAITED = 0.5  # of a probe's time for its turn: with less left, a timeout would say more about us
# Beyond a probe's own deadline, which it keeps by itself; less than what a scrape keeps back for its answer.
GRACE_SECONDS = 0.25


class UnknownModule(ValueError):
    """The configuration has no module of this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody wants probed: `target` as it stands in the query, `hostname` "" where none was given."""

    module: str
    target: str
    hostname: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """`metrics` in the text exposition format; `log` has what `debug=true` shows."""

    success: bool
    duration_seconds: float
    metrics: bytes
    log: ProbeLog
    module: ProbeModule


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What probes share with each other and with the runs of this process.

    `gate` is to be given to the runs' sessions as well, so that both together spare an address. Making one reads the
    trust store, which takes some 100 ms: best before the event loop runs.
    """

    trust: Trust = field(default_factory=Trust)
    gate: AddressGate = field(default_factory=AddressGate)
    lookups: AddressLookups = field(default_factory=AddressLookups)
    random: Random = field(default_factory=SystemRandom)


@dataclass(slots=True, kw_only=True)
class _Flight:
    """A probe that is going on, and how many wait for it."""

    task: "asyncio.Task[Probed]"
    waiters: int = 0


@dataclass(slots=True)
class _Turns:
    """Who may probe now: few at once, and one for each host."""

    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_AT_ONCE))
    _hosts: dict[str, asyncio.Lock] = field(default_factory=dict)
    _users: dict[str, int] = field(default_factory=dict)

    @asynccontextmanager
    async def turn(self, host: str, patience_seconds: float) -> AsyncIterator[None]:
        """Hold a turn for this host. Raises Unavailable after `patience_seconds`."""
        lock = self._hosts.setdefault(host, asyncio.Lock())
        self._users[host] = self._users.get(host, 0) + 1
        try:
            try:
                async with asyncio.timeout(patience_seconds):
                    await lock.acquire()
            except TimeoutError:
                raise Unavailable("another probe of this host is still going on") from None
            try:
                async with self._slot(patience_seconds):
                    yield
            finally:
                lock.release()
        finally:
            self._users[host] -= 1
            if not self._users[host]:
                del self._users[host], self._hosts[host]

    @asynccontextmanager
    async def _slot(self, patience_seconds: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(patience_seconds):
                await self._slots.acquire()
        except TimeoutError:
            raise Unavailable("too many probes are going on") from None
        try:
            yield
        finally:
            self._slots.release()


class Prober:
    """Probes the targets of one configuration; a reload makes a new one and closes the old."""

    def __init__(
        self,
        *,
        targets: Sequence[Target],
        controls: Controls,
        allowance: Allowance,
        modules: Sequence[ProbeModule] = DEFAULT_MODULES,
        line: Line | None = None,
        moved: Callable[[int, int], None] = lambda received_bytes, sent_bytes: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`targets` are those that may be contacted: risky ones only where that was agreed to. `moved` is told of the
        bytes received and sent by each probe that ends.
        """
        self._catalogue = Catalogue(targets, controls)
        self._modules = {module.name: module for module in modules}
        self._allowance = allowance
        self._line = line or Line()
        self._moved = moved
        self._now = now
        self._turns = _Turns()
        self._flights: dict[Asked, _Flight] = {}

    def module(self, name: str) -> ProbeModule:
        """Raises UnknownModule."""
        if name not in self._modules:
            raise UnknownModule(f"Unknown module {name[:100]!a}")
        return self._modules[name]

    async def probe(self, asked: Asked, *, timeout_seconds: float) -> Probed:
        """Probe, or join the same probe that is going on; done after `timeout_seconds` at the latest.

        Raises UnknownModule, UnknownTarget, Unavailable. When all who wait for a probe are cancelled, so is the probe.
        """
        setup_for = self._planned(asked, timeout_seconds)
        flight = self._flights.get(asked)
        if flight is None:
            if len(self._flights) >= MAX_WAITING:
                raise Unavailable("too many probes are waiting")
            flight = _Flight(task=asyncio.create_task(setup_for(), name=f"probe {asked.module}"))
            self._flights[asked] = flight
            flight.task.add_done_callback(lambda _: self._landed(asked))
        flight.waiters += 1
        try:
            async with asyncio.timeout(timeout_seconds + GRACE_SECONDS):
                return await asyncio.shield(flight.task)
        except TimeoutError:
            raise Unavailable("the same probe, asked for earlier, is still going on") from None
        finally:
            flight.waiters -= 1
            if not flight.waiters:
                flight.task.cancel()

    async def close(self) -> None:
        """End what is going on."""
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _landed(self, asked: Asked) -> None:
        flight = self._flights.pop(asked)
        if not flight.task.cancelled():
            flight.task.exception()  # whoever waited has heard of it; nobody is left if it comes late

    def _planned(self, asked: Asked, timeout_seconds: float) -> Callable[[], Coroutine[None, None, Probed]]:
        """The probe, checked for everything that may be wrong with the question."""
        module, catalogue = self.module(asked.module), self._catalogue
        hostname = catalogue.host(asked.hostname) if asked.hostname else None
        host, probe = self._aim(module, asked.target)
        return lambda: self._probe(asked, module, hostname, host, probe, timeout_seconds)

    def _aim(self, module: ProbeModule, target: str) -> tuple[str, Callable[[Setup], Awaitable[bool]]]:
        """Which host it concerns, and what is to be done. Raises UnknownTarget."""
        if module.prober is ProberKind.HTTP:
            url = self._catalogue.url(target)
            return host_and_port(url)[0], lambda setup: probe_page(setup, url)
        if module.prober is ProberKind.DNS and (query_name := module.query_name) is not None:
            server = self._catalogue.server(target)
            return server, lambda setup: probe_server(setup, server, query_name)
        if module.prober is ProberKind.DNS:
            name = self._catalogue.name(target)
            return name, lambda setup: probe_name(setup, name)
        place = self._catalogue.place(target, port=module.port)
        return place.host, lambda setup: probe_stream(setup, place)

    async def _probe(
        self,
        asked: Asked,
        module: ProbeModule,
        hostname: str | None,
        host: str,
        probe: Callable[[Setup], Awaitable[bool]],
        timeout_seconds: float,
    ) -> Probed:
        clock = MonotonicClock()
        async with self._turns.turn(host, MOST_OF_TIME_WAITED * timeout_seconds / 2):
            setup = self._setup(asked, module, hostname, clock, timeout_seconds)
            setup.log.info("Beginning probe", probe=module.prober, timeout_seconds=round(timeout_seconds, 3))
            began = clock.now()
            try:
                success = await probe(setup)
            except CannotRun as error:
                raise Unavailable(str(error)) from error
            finally:
                meter = setup.instruments.meter
                self._moved(meter.received_bytes, meter.sent_bytes)
            seconds = clock.now() - began
        setup.answer.set("probe_duration_seconds", seconds)
        setup.answer.set("probe_success", success)
        if success:
            setup.log.info("Probe succeeded", duration_seconds=round(seconds, 6))
        else:
            setup.log.error("Probe failed", duration_seconds=round(seconds, 6))
        return Probed(
            success=success,
            duration_seconds=seconds,
            metrics=setup.answer.text(),
            log=setup.log,
            module=module,
        )

    def _setup(
        self, asked: Asked, module: ProbeModule, hostname: str | None, clock: MonotonicClock, timeout_seconds: float
    ) -> Setup:
        known = KnownAddresses()
        instruments = Instruments(
            clock=clock,
            random=self._line.random,
            ports=Ports(self._line.random),
            trust=self._line.trust,
            gate=AddressGate(),
            meter=Meter(),
            known=known,
        )
        return Setup(
            module=module,
            catalogue=self._catalogue,
            hostname=hostname,
            deadline=timeout_seconds,
            instruments=instruments,
            lookups=self._line.lookups,
            gate=self._line.gate,
            allowance=self._allowance,
            answer=Answer(module.prober),
            log=ProbeLog(self._now, known, module=module.name, target=asked.target),
        )


__all__ = ["Asked", "Line", "Probed", "Prober", "Unavailable", "UnknownModule", "UnknownTarget"]
