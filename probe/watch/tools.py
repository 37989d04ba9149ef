"""What does the service work with? Everything that touches the world, so that a test can hand it another one."""

import asyncio
from dataclasses import dataclass
from random import Random
from typing import Protocol

from probe.assembly import Plan
from probe.budget import Purse
from probe.config.watch_file import LineSettings
from probe.metrics import Metrics
from probe.model.results import Report
from probe.net.line import LineState
from probe.store import Store
from probe.watch.clock import Clock
from probe.watch.log import Log
from probe.watch.notify import ServiceManager
from probe.watch.pushing import Pushing


class CannotMeasure(Exception):
    """This machine cannot make a run now; the message is for the log."""


class Measure(Protocol):
    """One run of `plan` out of `purse`: every finished measurement is in the store when it returns, the finished report
    is not yet. Raises CannotMeasure.
    """

    async def __call__(self, plan: Plan, purse: Purse, stop: asyncio.Event, log: Log) -> Report: ...


class Look(Protocol):
    """What the line is like now; `best_bps` is the best rate that earlier runs saw on it, None: not known."""

    async def __call__(self, settings: LineSettings, best_bps: float | None) -> LineState: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """`log` carries what is known of the occasion: a run's tools log with the run's id."""

    clock: Clock
    random: Random
    store: Store
    metrics: Metrics
    pusher: Pushing
    measure: Measure
    look: Look
    manager: ServiceManager
    log: Log
