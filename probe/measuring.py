"""What makes one run: store, plan, budget, network and runner put together; the report finished and kept.

Shared by `run` and `watch`, which differ in who asks for a run and who is told. Nothing here asks for consent, reads a
terminal or prints: a store that fails is handed to `say`.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from probe.assembly import Plan, Stamp
from probe.budget import Purse, open_purse
from probe.checks import goodput
from probe.config.watch_file import VantageSettings
from probe.model.results import Measurement, Report, TargetResult, Vantage
from probe.model.targets import Media, Target, TargetList
from probe.net.meter import Meter
from probe.registry import CHOOSABLE, EVIDENCE_TYPES, host_of
from probe.runner import Line, Progress, Runner, Session, default_seconds, longest_seconds
from probe.store import Limits, Store, StoreError, Window, default_path
from probe.verdict import past

STORE_FILE = "results.sqlite3"
# A whole verdict with its repeat takes 13 upload flows of at most 128 KB, a clean one 5: two clean ones and a little
# more a day.
MAX_UPLOAD_FLOWS_PER_HOST_AND_DAY = 16

Say = Callable[[str], None]
Wall = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What one run is asked to do.

    `checks` empty: all of them; `max_seconds` None: as long as runs usually take; `unfit` as in the plan.
    """

    targets: tuple[Target, ...]
    checks: tuple[str, ...] = ()
    max_seconds: float | None = None
    blockpages: Mapping[str, str]
    vantage: Vantage
    unfit: str = ""


class StoreSink:
    """Keeps each finished measurement; a store that fails is told once and measuring goes on.

    One thread writes, in order: waiting for a slow disk in the event loop would look like a slow network.
    """

    def __init__(
        self, store: Store | None, run_id: str, say: Say, kept: Callable[[Measurement], None] = lambda _: None
    ) -> None:
        self._store = store
        self._kept = kept
        self._run_id = run_id
        self._say = say
        self._told = ""
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")

    def begin(self, report: Report) -> None:
        """Remember the run before its first packet."""
        self._guarded(lambda store: store.begin_run(report))

    def measurement(self, measurement: Measurement) -> None:
        self._writer.submit(self._keep, measurement)

    def close(self) -> None:
        """Wait until everything is on the disk."""
        self._writer.shutdown(wait=True)

    def _keep(self, measurement: Measurement) -> None:
        self._guarded(lambda store: _keep_measurement(store, self._run_id, measurement))
        self._kept(measurement)

    def _guarded(self, write: Callable[[Store], None]) -> None:
        if self._store is None:
            return
        try:
            write(self._store)
        except StoreError as error:
            if str(error) != self._told:
                self._told = str(error)
                self._say(str(error))


def _keep_measurement(store: Store, run_id: str, measurement: Measurement) -> None:
    store.add_measurement(run_id, measurement, uploaded_to=_uploaded_to(measurement))


def _uploaded_to(measurement: Measurement) -> tuple[str, ...]:
    """The host of every upload flow to a platform that a measurement made."""
    evidence = measurement.attempt.evidence
    if not isinstance(evidence, goodput.Evidence) or evidence.upload is None:
        return ()
    return tuple(t.transfer.host for t in evidence.upload.trials if t.arm in (goodput.Arm.TARGET, goodput.Arm.NEUTRAL))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run: through `session`, counted by `meter`, paid from `purse` (None: only the plan's bytes bind it), kept in
    `store` (None: nowhere), told to `progress` and `say`. `line` keeps the transfers of others away; `kept` hears of
    each measurement when it is on the disk.
    """

    id: str
    plan: Plan
    purse: Purse | None
    line: Line
    store: Store | None
    session: Session
    meter: Meter
    random: Random
    progress: Progress
    say: Say
    kept: Callable[[Measurement], None] = lambda _: None

    async def measure(self, stop: asyncio.Event) -> Report:
        """Measure until done or until `stop` is set; every measurement is on the disk when this returns."""
        sink = StoreSink(self.store, self.id, self.say, self.kept)
        runner = Runner(
            plan=self.plan,
            session=self.session,
            sink=sink,
            progress=self.progress,
            meter=self.meter,
            random=self.random,
            purse=self.purse,
            line=self.line,
        )
        try:
            await asyncio.to_thread(sink.begin, runner.report(self.id))
            return await runner.run(stop, self.id)
        finally:
            await asyncio.to_thread(self._settle, sink)

    def _settle(self, sink: StoreSink) -> None:
        """Everything on the disk, and what was not used given back."""
        sink.close()
        if self.purse is not None:
            try:
                self.purse.settle()
            except StoreError as error:
                self.say(str(error))


def new_id(random: Random, now: datetime) -> str:
    """A name for a run that begins now; names sort by time."""
    return Stamp(wall=now, random=random).new_id()


def planned(listed: TargetList, wishes: Wishes, *, max_bytes: int) -> Plan:
    """What the runner is to do with `max_bytes`."""
    return Plan(
        controls=listed.controls,
        targets=wishes.targets,
        checks=wishes.checks or CHOOSABLE,
        max_bytes=max_bytes,
        max_seconds=wishes.max_seconds or default_seconds(len(wishes.targets)),
        known_blockpages=wishes.blockpages,
        vantage=wishes.vantage,
        may_take_longer=wishes.max_seconds is None,
        unfit=wishes.unfit,
    )


def vantage_of(said: VantageSettings, *, vpn: bool | None) -> Vantage:
    """What the person says of this place, and whether a VPN or a proxy is in the way."""
    network = said.network.value if said.network else None
    return Vantage(country=said.country, asn=said.asn, network=network, instance=said.instance, vpn=vpn)


def open_store(directory: Path | None, say: Say) -> Store:
    """The store of this directory, or the person's usual one. Raises StoreError."""
    path = directory / STORE_FILE if directory else default_path()
    store = Store.open(path, evidence_types=EVIDENCE_TYPES, now=lambda: datetime.now(UTC))
    if store.notice:
        say(store.notice)
    return store


def left_bytes(store: Store | None, limits: Limits) -> int:
    """What a run could move if it began now; claims nothing."""
    if store is None:
        return limits.run
    today, this_month = store.used_bytes(Window.DAY), store.used_bytes(Window.MONTH)
    return max(0, min(limits.run, limits.day - today, limits.month - this_month))


def claim(plan: Plan, run_id: str, store: Store, *, limits: Limits, say: Say, wall: Wall) -> tuple[Plan, Purse]:
    """The plan with what it may move of what the limits leave, claimed for this run. Blocks. Raises StoreError."""
    purse = open_purse(
        store, run_id, wanted_bytes=plan.max_bytes, limits=limits, seconds=longest_seconds(plan), say=say, wall=wall
    )
    return replace(plan, max_bytes=purse.granted_bytes), purse


def keep(report: Report, store: Store | None, say: Say) -> Report:
    """The finished report beside its past, as it was stored; a store that fails is told, and the report stands.

    Blocks: for each target its outcomes of a year are read. A run that was interrupted is kept at once: who ended it
    does not want to wait.
    """
    if store is None:
        return report
    if not report.parameters.interrupted:
        report = replace(report, targets=tuple(_beside_its_past(t, report, store, say) for t in report.targets))
    try:
        store.finish_run(report)
    except StoreError as error:  # a full disk, a lock that is not given up
        say(str(error))
    return report


def _beside_its_past(result: TargetResult, report: Report, store: Store, say: Say) -> TargetResult:
    began = datetime.fromisoformat(report.started_at)
    try:
        earlier = store.outcomes(result.id, began - past.LOOKBACK)
    except StoreError as error:
        say(str(error))
        return result
    return replace(result, past=past.compare(result, earlier, now=began, vantage=report.vantage))


def without_uploads(targets: Sequence[Target], store: Store | None, *, wanted: bool) -> tuple[Target, ...]:
    """The targets without the uploads that are switched off, or whose host has had its share of today's."""

    def allowed(place: str) -> bool:
        today = store.uploads_today(host_of(place)) if store is not None else 0
        return wanted and today < MAX_UPLOAD_FLOWS_PER_HOST_AND_DAY

    return tuple(
        replace(t, media=Media(download=t.media.download, upload=tuple(u for u in t.media.upload if allowed(u.url))))
        for t in targets
    )
