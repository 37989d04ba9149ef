"""What does the web server learn from the service, and what is probed for those who ask?

Implements `probe.watch.web.WebState`. Nothing is read from the disk for a request but a report: the rest is what the
service remembers.
"""

import asyncio
from pathlib import Path

from probe.metrics import Metrics
from probe.watch.allowance import ProbeAllowance, share_of_probes
from probe.watch.configuration import Configuration
from probe.watch.memory import limits_of
from probe.watch.picture import take_picture
from probe.watch.probing import Line, Prober
from probe.watch.report_page import report_page
from probe.watch.service import Service
from probe.watch.status import Status
from probe.watch.tools import Tools


class LiveState:
    """`directory` is where the store is, `drawn_id` what this vantage point is called where nobody chose a name."""

    def __init__(self, *, tools: Tools, service: Service, line: Line, directory: Path, drawn_id: str) -> None:
        self._drawn_id = drawn_id
        self.is_ready = False
        self.prober: Prober | None = None
        self._tools = tools
        self._service = service
        self._line = line
        self._directory = directory
        self._started_at = tools.clock.now().wall
        self._closing: set[asyncio.Task[None]] = set()
        self._allowance = ProbeAllowance(
            tools.store,
            clock=tools.clock,
            random=tools.random,
            limits=lambda: share_of_probes(limits_of(service.configuration)),
            say=lambda text: tools.log.error("store", problem=text),
        )

    @property
    def metrics(self) -> Metrics:
        return self._tools.metrics

    def use(self, configuration: Configuration) -> None:
        """Probe by this configuration, and push to its receivers, from now on."""
        self._tools.pusher.use(configuration.watch.remote_write, self._instance)
        old = self.prober
        self.prober = Prober(
            targets=configuration.targets,
            controls=configuration.listed.controls,
            allowance=self._allowance,
            modules=configuration.watch.modules,
            line=self._line,
            now=lambda: self._tools.clock.now().wall,
        )
        if old is not None:
            task = asyncio.create_task(old.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    @property
    def _instance(self) -> str:
        return self._service.configuration.watch.vantage.instance or self._drawn_id

    def status(self) -> Status:
        now = self._tools.clock.now().wall
        return take_picture(self._service, started_at=self._started_at, now=now, instance=self._instance)

    async def reload(self) -> tuple[str, ...]:
        return await self._service.reload()

    def healthy(self) -> bool:
        return self._service.alive()

    def ready(self) -> bool:
        return self.is_ready

    async def report_html(self, run_id: str) -> str:
        return await report_page(run_id, state_directory=self._directory)

    async def close(self) -> None:
        """End the probes that go on, and give back their bytes."""
        if self.prober is not None:
            await self.prober.close()
        await asyncio.gather(*self._closing)
        await self._allowance.close()
