"""The real line and the real network: what `probe.watch.tools` asks for, outside of tests."""

import asyncio
from dataclasses import dataclass
from random import SystemRandom

from probe import measuring
from probe.assembly import Plan
from probe.budget import Purse
from probe.config.watch_file import LineSettings
from probe.model.results import Report
from probe.net.limits import AddressGate
from probe.net.line import Line, LineState
from probe.net.live import Session
from probe.net.meter import Meter
from probe.store import Store
from probe.store.line_lock import SharedLine
from probe.watch.log import Log
from probe.watch.progress import LogProgress
from probe.watch.tools import CannotMeasure


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveMeasure:
    """`gate` is shared with the probes, so that both together spare an address."""

    store: Store
    line: SharedLine
    gate: AddressGate

    async def __call__(self, plan: Plan, purse: Purse, stop: asyncio.Event, log: Log) -> Report:
        """Implements `Measure`. Files that a session reads are read anew each time: they change in months."""
        random, meter = SystemRandom(), Meter()
        try:
            session = await asyncio.to_thread(lambda: Session(random=random, meter=meter, gate=self.gate))
        except OSError as error:
            problem = f"the trust store cannot be read (SSL_CERT_FILE): {error.strerror or error}"
            raise CannotMeasure(problem) from None
        progress = LogProgress(log)
        async with session:
            run = measuring.Run(
                id=purse.run_id,
                plan=plan,
                purse=purse,
                line=self.line,
                store=self.store,
                session=session,
                meter=meter,
                random=random,
                progress=progress,
                kept=progress.kept,
                say=lambda text: log.error("store", problem=text),
            )
            return await run.measure(stop)


async def look(settings: LineSettings, best_bps: float | None) -> LineState:
    """Implements `Look`."""
    return await Line(settings=settings).look(best_bps)
