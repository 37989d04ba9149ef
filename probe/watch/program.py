"""The process: who runs beside the loop, how do they begin, and how do they end within five seconds?

The loop itself, the sender, the web server, the watchdog and the signals. SIGTERM and SIGINT end all of them, SIGHUP
reads the configuration again. What was finished is on the disk at every moment, so that nothing here has to be careful
about ends that come without warning.
"""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random, SystemRandom

from probe.config.watch_file import RemoteWrite
from probe.metrics import Metrics
from probe.model.results import NetworkState, State
from probe.push.pusher import Pusher
from probe.push.sender import Event, EventKind
from probe.store import Store, StoreError
from probe.store.line_lock import SharedLine, line_files
from probe.watch import places
from probe.watch.clock import Clock, MachineClock
from probe.watch.configuration import Configuration, Read
from probe.watch.listening import listening
from probe.watch.live import LiveMeasure, look
from probe.watch.log import Log
from probe.watch.notify import ServiceManager
from probe.watch.probing import Line
from probe.watch.pushing import Pushing
from probe.watch.service import Service
from probe.watch.tools import Tools
from probe.watch.web import make_app
from probe.watch.web_state import LiveState

ONCE_PUSH_SECONDS = 30.0  # with `--once`, for receivers to take the run; what they do not take then waits
END_SECONDS = 4.5  # what was told to end is gone within five
END_BESIDE_SECONDS = 2.5  # of that for the sender, whose answer may be on its way
FOREVER_SECONDS = 86_400.0
EXIT_DONE, EXIT_UNDECIDED, EXIT_INTERRUPTED = 0, 3, 130  # design §4


class CannotStart(Exception):
    """The web server's address or the trust store cannot be had; the message says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    host: str
    port: int


@dataclass(slots=True, kw_only=True)
class Program:
    """One `watch`; `listen` None: no web server."""

    directory: Path
    store: Store
    first: Configuration
    read: Read
    listen: Listen | None
    once: bool
    log: Log
    clock: Clock = field(default_factory=MachineClock)
    random: Random = field(default_factory=SystemRandom)
    _signal: signal.Signals | None = None

    async def run(self) -> int:
        """Until told to end; the exit code. Raises CannotStart before anything is sent."""
        try:
            line = await asyncio.to_thread(Line)
        except OSError as error:
            problem = f"the trust store cannot be read (SSL_CERT_FILE): {error.strerror or error}"
            raise CannotStart(problem) from None
        metrics = Metrics()
        manager = ServiceManager()
        drawn = places.instance_id(self.directory, self.random)
        pushing = Pushing(
            self._pusher(metrics), self.first.watch.remote_write, self.first.watch.vantage.instance or drawn
        )
        tools = Tools(
            clock=self.clock,
            random=self.random,
            store=self.store,
            metrics=metrics,
            pusher=pushing,
            measure=LiveMeasure(store=self.store, line=SharedLine(line_files(self.store.path)), gate=line.gate),
            look=look,
            manager=manager,
            log=self.log,
        )
        service = Service(tools, self.first, self.read)
        state = LiveState(tools=tools, service=service, line=line, directory=self.directory, drawn_id=drawn)
        service.changed = state.use
        async with AsyncExitStack() as exits:
            exits.push_async_callback(state.close)
            if self.listen is not None:
                await exits.enter_async_context(self._web(state, self.listen))
            await exits.enter_async_context(self._beside(service, tools))
            reloads = await exits.enter_async_context(asyncio.TaskGroup())
            self._listen_to_signals(service, tools, reloads)
            manager.ready()
            state.is_ready = True
            await service.run(once=self.once)
            if self.once and self._signal is None:
                await tools.pusher.drained(ONCE_PUSH_SECONDS)
            manager.stopping()
        self.log.info("ended", signal=self._signal.name if self._signal else "")
        return self._exit_code(service)

    # What runs beside the loop

    @asynccontextmanager
    async def _web(self, state: LiveState, listen: Listen) -> AsyncIterator[None]:
        app = make_app(state, listen_host=listen.host, allowed_hosts=self.first.watch.allowed_hosts)
        server = listening(app, listen.host, listen.port)
        try:
            port = await server.__aenter__()
        except OSError as error:
            reason = error.strerror or str(error)
            raise CannotStart(f"--listen {listen.host}:{listen.port}: {reason}") from None
        self.log.info("listening", address=f"{listen.host}:{port}")
        try:
            yield
        finally:
            await server.__aexit__(None, None, None)

    @asynccontextmanager
    async def _beside(self, service: Service, tools: Tools) -> AsyncIterator[None]:
        """The sender and the watchdog, ended in order; a mistake of theirs ends the service."""
        stop = asyncio.Event()
        jobs = [tools.pusher.run(stop), self._watchdog(service, tools, stop)]
        tasks = [asyncio.create_task(job) for job in jobs]
        for task in tasks:
            task.add_done_callback(lambda _: service.stop())
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait(tasks, timeout=END_BESIDE_SECONDS)
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for result in ended:
            if isinstance(result, Exception):
                raise result

    async def _watchdog(self, service: Service, tools: Tools, stop: asyncio.Event) -> None:
        """Tell the service manager that the loop goes round, for as long as it does."""
        seconds = tools.manager.watchdog_seconds
        while not stop.is_set():
            if seconds is not None and service.alive():
                tools.manager.alive()
            await self.clock.wait(stop, seconds if seconds is not None else FOREVER_SECONDS)

    # Signals

    def _listen_to_signals(self, service: Service, tools: Tools, reloads: asyncio.TaskGroup) -> None:
        def end(number: signal.Signals) -> None:
            if service.stopping:
                raise KeyboardInterrupt
            self._signal = number
            tools.log.info("ending", signal=number.name)
            self._end_by_force_later(number)
            service.stop()

        def reload() -> None:
            reloads.create_task(self._reload(service, tools))

        handlers: list[tuple[str, Callable[[], None]]] = [
            ("SIGTERM", lambda: end(signal.SIGTERM)),
            ("SIGINT", lambda: end(signal.SIGINT)),
            ("SIGHUP", reload),
        ]
        loop = asyncio.get_running_loop()
        for name, handler in handlers:
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is None:
                continue
            try:
                loop.add_signal_handler(number, handler)
            except NotImplementedError:  # Windows has no signal handlers in its loop
                signal.signal(number, lambda *_, handler=handler: loop.call_soon_threadsafe(handler))

    async def _reload(self, service: Service, tools: Tools) -> None:
        tools.manager.reloading()
        await service.reload()
        tools.manager.ready()

    def _end_by_force_later(self, number: signal.Signals) -> None:
        """What still hangs then (a disk that does not answer) must not keep us: all that is finished is on the disk."""
        timer = threading.Timer(END_SECONDS, os._exit, (_code(number),))
        timer.daemon = True
        timer.start()

    # Pushing

    def _pusher(self, metrics: Metrics) -> Callable[[Sequence[RemoteWrite], str], Pusher]:
        def tell(event: Event) -> None:
            say = self.log.info if event.kind is EventKind.RECOVERED else self.log.warning
            say("push", receiver=event.receiver, kind=event.kind.value, detail=event.text)

        def count_bytes(num_bytes: int) -> None:
            if num_bytes:
                metrics.add_bytes(sent=num_bytes)
                try:
                    self.store.add_bytes(num_bytes)
                except StoreError as error:
                    self.log.error("store", problem=str(error))

        def make(receivers: Sequence[RemoteWrite], instance: str) -> Pusher:
            return Pusher(
                receivers,
                self.directory / places.SPOOL_FILE,
                instance=instance,
                now=lambda: self.clock.now().wall,
                random=self.random,
                tell=tell,
                count_bytes=count_bytes,
            )

        return make

    def _exit_code(self, service: Service) -> int:
        if self._signal is not None:
            return _code(self._signal)
        report = service.last_report
        if not self.once or report is None or not service.has_measured:
            return EXIT_DONE
        told = {t.verdict.state for t in report.targets} - {State.INCONCLUSIVE}
        return EXIT_DONE if told and report.network.state is NetworkState.OK else EXIT_UNDECIDED


def _code(number: signal.Signals) -> int:
    return EXIT_INTERRUPTED if number is signal.SIGINT else EXIT_DONE
