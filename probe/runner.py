"""Who is measured when? Order, concurrency, deadlines and budgets; attempts and their verdicts; the report.

First the controls, then every target's cheap checks side by side, then goodput, one transfer at a time. What a check
finds is the check's business, what it means the judges'. This is the one place where an unexpected exception becomes a
recorded `bug`.
"""

import asyncio
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import PurePath
from random import Random
from typing import Protocol

from probe.assembly import Outcome, Plan, Stamp, assemble, failed, host_in, measured
from probe.budget import Purse, RunBudget, TargetBudget
from probe.checks import goodput, http
from probe.checks.addresses import is_literal
from probe.checks.context import Context, ControlSite
from probe.checks.redirects import Unfollowed
from probe.model.results import (
    Attempt,
    AttemptStatus,
    Bytes,
    CannotRun,
    Measurement,
    NetworkState,
    ProblemReason,
    Report,
)
from probe.model.targets import Controls, Target
from probe.net.base import Net
from probe.net.meter import Meter
from probe.net.tally import TRANSFER_SPARE_BYTES
from probe.records import settle
from probe.registry import CHECKS, PORTAL, Check, host_of
from probe.store.line_lock import LineBusyError, OwnLine
from probe.verdict import network as network_verdict

CONTROLS_SECONDS = 16.0  # for all control sites together; with no network at all this is most of what a run takes
PARALLEL_CHECKS = 8  # cheap checks at a time over all targets; two handshakes at most go to any one address
PARALLEL_PAGES = 3  # pages at a time: eight at 64 KB would starve a line of 0.1 Mbit/s
GRACE_SECONDS = 1.0  # a check that overstays its deadline by this much is ended from outside
SATELLITE_SECONDS = 0.3  # a round trip from which a run may take longer: beyond 3G, below a geostationary satellite
TRANSFER_AHEAD_BYTES = 2_000_000  # beyond its share: what the kernel may hold unread of one transfer (tcp_rmem)
CUT_BY_BUDGET = "the byte budget ended while it ran"
LINE_PATIENCE = 2  # times what a check may take: so long it waits for the line, which others have for one check each
CLOSING_SECONDS = 2.0  # kept for judging, storing and printing
MAX_REDIRECT_HOSTS = 4  # of a target: its pages lead to one or two; a server that sends us round the world does not
NOBODYS_DOMAIN = ".invalid"  # RFC 6761 §6.4; where `net` scrubbed an address from a redirect
FOLLOWED_CHECKS = ("dns", "reach", "tls", "hops")  # of such a host; its page is a hop of the chain already


class Session(Protocol):
    """What the network layer keeps for one run; gives each measurement a clock that starts at 0."""

    def measurement(self, meter: Meter) -> Net: ...


class Sink(Protocol):
    """Where finished measurements go at once, so that what was finished survives a crash."""

    def measurement(self, measurement: Measurement) -> None: ...


class Line(Protocol):
    """The line, of which a transfer must have all."""

    def exclusive(self, patience_seconds: float) -> AbstractAsyncContextManager[None]:
        """Have it alone. Raises LineBusyError where others had it for all of that time."""


class Progress(Protocol):
    """Who is told what is being done."""

    def phase(self, words: str) -> None: ...

    def started(self, target: str, check: str, subject: str) -> None: ...

    def finished(self, measurement: Measurement) -> None: ...


def default_seconds(targets: int) -> float:
    """How long a run may take at most: under 90 s for one target, under 300 s for four."""
    return 17.0 + 70.0 * max(1, targets)


def longest_seconds(plan: Plan) -> float:
    """How long a run may take at the very most: over a satellite, and with others on the line before each transfer."""
    if not plan.may_take_longer:
        return plan.max_seconds
    exclusive = [c for c in CHECKS if c.name in plan.checks and c.exclusive]
    return plan.max_seconds + sum(
        (1 + LINE_PATIENCE) * c.seconds * len(c.inputs(target)) for c in exclusive for target in plan.targets
    )


@dataclass(slots=True)
class Runner:
    """One run. `wall` gives the time of day, `random` every random choice; `purse` holds what the store granted (None:
    nobody counts beyond this run), `line` keeps other transfers away."""

    plan: Plan
    session: Session
    sink: Sink
    progress: Progress
    meter: Meter
    random: Random
    wall: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    purse: Purse | None = None
    line: Line = field(default_factory=OwnLine)
    _checks_gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PARALLEL_CHECKS))
    _pages_gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PARALLEL_PAGES))
    _controls: list[Measurement] = field(default_factory=list)
    _targets: dict[str, list[Measurement]] = field(default_factory=dict)
    _sites: tuple[ControlSite, ...] = ()
    _left_out: frozenset[str] = frozenset()
    _budgets: dict[str, TargetBudget] = field(default_factory=dict)
    _end: float = 0.0
    _budget: RunBudget = field(init=False)

    def __post_init__(self) -> None:
        self._budget = RunBudget(meter=self.meter, max_bytes=self.plan.max_bytes, purse=self.purse)

    async def run(self, stop: asyncio.Event, run_id: str) -> Report:
        """Measure until done, until the time is over, or until `stop` is set; what was measured by then is in the
        report."""
        loop = asyncio.get_running_loop()
        started, began = self._stamp(), loop.time()
        self._end = began + self.plan.max_seconds
        body = asyncio.create_task(self._measure_all())
        stopper = asyncio.create_task(stop.wait())
        while (left := self._end - loop.time()) > 0 and not (body.done() or stopper.done()):
            await asyncio.wait({body, stopper}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        for task in (body, stopper):
            task.cancel()
        await asyncio.gather(body, stopper, return_exceptions=True)
        if not body.cancelled() and (mistake := body.exception()) is not None:
            raise mistake
        return self._report(run_id, started, loop.time() - began, interrupted=stop.is_set())

    def report(self, run_id: str) -> Report:
        """The report as it would be if the run ended now; before `run`, one without a measurement."""
        return self._report(run_id, self._stamp(), 0.0, interrupted=True)

    def _report(self, run_id: str, stamp: Stamp, seconds: float, *, interrupted: bool) -> Report:
        outcome = Outcome(
            controls=self._controls,
            targets=self._targets,
            moved=_moved(self.meter),
            budget_hit=self._budget.hit,
            interrupted=interrupted,
        )
        return assemble(self.plan, outcome, run_id=run_id, stamp=stamp, seconds=seconds)

    def _stamp(self) -> Stamp:
        return Stamp(wall=self.wall(), random=self.random)

    async def _measure_all(self) -> None:
        self.progress.phase("controls")
        await self._measure_controls()
        network = network_verdict.judge(self._controls)
        self._left_out = frozenset(network.left_out)
        self._sites = tuple(
            ControlSite(name=c.host, endpoint=c.endpoint, answers_plain_http=c.answered_plain)
            for c in network_verdict.controls(self._controls)
            if c.endpoint is not None
        )
        if network.state in (NetworkState.NO_NETWORK, NetworkState.CAPTIVE_PORTAL):
            return
        self.progress.phase("targets")
        async with asyncio.TaskGroup() as group:
            for target in self.plan.targets:
                group.create_task(self._measure_access(target))
        self.progress.phase("goodput")
        await self._measure_exclusive()

    async def _measure_controls(self) -> None:
        end = min(self._end, asyncio.get_running_loop().time() + CONTROLS_SECONDS)
        subject = Target(id="", name="controls", sites=self.plan.controls.sites)
        budget = TargetBudget(run=self._budget, meter=Meter(self.meter))
        await self._measure_hosts(subject, [c for c in CHECKS if not c.exclusive and c.when is None], budget, end)
        if network_verdict.judge(self._controls).state is not NetworkState.OK:
            await self._measure_hosts(subject, [PORTAL], budget, end + PORTAL.seconds)

    async def _measure_access(self, target: Target) -> None:
        """The cheap checks of one target's hosts, and then of the hosts that its pages redirect to."""
        checks = [c for c in CHECKS if c.name in self.plan.checks and not c.exclusive]
        budget, end = self._budget_of(target), self._end - CLOSING_SECONDS
        await self._measure_hosts(target, checks, budget, end)
        elsewhere = self._redirected_to(target)[:MAX_REDIRECT_HOSTS]
        follow = [c for c in checks if c.name in FOLLOWED_CHECKS]
        async with asyncio.TaskGroup() as group:
            for host in elsewhere:
                group.create_task(self._measurehost_in(target, [(c, host) for c in follow], budget, end))

    def _redirected_to(self, target: Target) -> tuple[str, ...]:
        """Hosts that the target's pages lead to and that are not measured as its own: a blocked one counts.

        Names alone, of hops that may be dialled: no redirect makes us contact an address, or the person's own network.
        """
        measured = self._targets.get(target.id, [])
        known = {host_in(m.input) for m in measured}
        found = [m.attempt.evidence for m in measured if isinstance(m.attempt.evidence, http.Evidence)]
        hops = [hop for evidence in found for hop in (*evidence.plain, *evidence.secure)]
        hosts = dict.fromkeys(host_of(hop.url) for hop in hops if hop.problem != Unfollowed.PRIVATE)
        return tuple(h for h in hosts if h and h not in known and not is_literal(h) and not h.endswith(NOBODYS_DOMAIN))

    async def _measure_hosts(self, target: Target, checks: Sequence[Check], budget: TargetBudget, end: float) -> None:
        """The cheap checks of one target: hosts side by side, the checks of one host in the order of the registry."""
        jobs = [(check, subject) for check in checks for subject in check.inputs(target)]
        async with asyncio.TaskGroup() as group:
            for host in dict.fromkeys(host_in(subject) for _, subject in jobs):
                own = [(check, subject) for check, subject in jobs if host_in(subject) == host]
                group.create_task(self._measurehost_in(target, own, budget, end))

    async def _measurehost_in(
        self, target: Target, jobs: Sequence[tuple[Check, str]], budget: TargetBudget, end: float
    ) -> None:
        prior: dict[str, object] = {}
        for check, subject in jobs:
            if check.when is not None and not check.when(prior):
                continue
            async with self._gates(check):
                seconds = min(check.seconds, end - asyncio.get_running_loop().time())
                found = await self._measure(check, target, subject, budget, seconds, prior)
            if found.attempt.evidence is not None:
                prior[check.name] = found.attempt.evidence

    def _gates(self, check: Check) -> AbstractAsyncContextManager[object]:
        return self._pages_gate if check.name == "http" else self._checks_gate

    async def _measure_exclusive(self) -> None:
        """Goodput, one target after the other; the time that is left is shared among those that still wait."""
        checks = [c for c in CHECKS if c.name in self.plan.checks and c.exclusive]
        jobs = [(c, t, s) for t in self.plan.targets for c in checks for s in c.inputs(t)]
        if self.plan.may_take_longer:
            self._end += len(jobs) * self._more_seconds()
        for position, (check, target, subject) in enumerate(jobs):
            left = self._end - CLOSING_SECONDS - asyncio.get_running_loop().time()
            seconds = min(check.seconds, left / (len(jobs) - position))
            budget = replace(self._budget_of(target), spare_bytes=TRANSFER_SPARE_BYTES)
            await self._measure(check, target, subject, budget, seconds, self._prior_of(target))

    def _more_seconds(self) -> float:
        """What each target needs beyond the usual: nothing, unless most connections are as far away as a satellite."""
        seen = [m.attempt.evidence for found in (self._controls, *self._targets.values()) for m in found]
        more = goodput.more_seconds(seen)
        return more if more >= goodput.ROUND_TRIPS * SATELLITE_SECONDS else 0.0

    def _budget_of(self, target: Target) -> TargetBudget:
        if target.id not in self._budgets:
            self._budgets[target.id] = TargetBudget(run=self._budget, meter=Meter(self.meter))
        return self._budgets[target.id]

    def _prior_of(self, target: Target) -> dict[str, object]:
        """Evidence of the target's cheap checks, by "check host"."""
        measured = self._targets.get(target.id, [])
        return {f"{m.check} {host_in(m.input)}": m.attempt.evidence for m in measured if m.attempt.evidence is not None}

    async def _measure(
        self,
        check: Check,
        target: Target,
        subject: str,
        budget: TargetBudget,
        seconds: float,
        prior: Mapping[str, object],
    ) -> Measurement:
        """Run one check on one input, judge it, and hand it on; cancelled or not, it is recorded."""
        self.progress.started(target.id, check.name, subject)
        meter, stamp = Meter(budget.meter), self._stamp()
        net: Net | None = None
        attempt: Attempt[object] = failed(AttemptStatus.CANCELLED, ProblemReason.INTERRUPTED, "run", "")
        try:
            async with AsyncExitStack() as held:
                refusal = await self._refusal(check, budget, seconds, held)
                if refusal is not None:
                    attempt = refusal
                else:  # its clock begins after any wait
                    stamp, net = self._stamp(), self.session.measurement(meter)
                    attempt = await self._attempt(check, target, subject, budget, seconds, prior, net)
        finally:
            took = net.clock.now() if net is not None else 0.0
            measurement = measured(check, target, subject, attempt, stamp, took, _moved(meter))
            place = self._targets.setdefault(target.id, []) if target.id else self._controls
            place.append(measurement)
            self.sink.measurement(measurement)
            self.progress.finished(measurement)
        return measurement

    async def _refusal(
        self, check: Check, budget: TargetBudget, seconds: float, held: AsyncExitStack
    ) -> Attempt[object] | None:
        """Why a check is not begun; else None, and `held` has the bytes that it can cost, and the line if it needs it
        alone."""
        if check.exclusive and self.plan.unfit:
            return failed(AttemptStatus.NOT_SCHEDULED, ProblemReason.LINE_UNFIT, check.name, self.plan.unfit)
        if seconds <= 0:
            return failed(AttemptStatus.NOT_SCHEDULED, ProblemReason.DEADLINE, check.name, "")
        if check.exclusive and not await self._has_line(check, held):
            return failed(AttemptStatus.NOT_SCHEDULED, ProblemReason.DEADLINE, check.name, "others had the line")
        wanted = budget.remaining_bytes + TRANSFER_AHEAD_BYTES if check.max_bytes is None else check.max_bytes
        least = 0 if check.max_bytes is None else check.max_bytes // 10
        if not await held.enter_async_context(self._budget.held(wanted, least_bytes=least)):
            return failed(AttemptStatus.NOT_SCHEDULED, ProblemReason.BUDGET, check.name, "")
        return None

    async def _has_line(self, check: Check, held: AsyncExitStack) -> bool:
        """Wait for the line; where nobody set the run's time, waiting is no part of it."""
        now = asyncio.get_running_loop().time
        began, patience = now(), LINE_PATIENCE * check.seconds
        more = patience if self.plan.may_take_longer else 0.0
        self._end += more
        try:
            await held.enter_async_context(self.line.exclusive(min(patience, self._end - CLOSING_SECONDS - began)))
        except LineBusyError:
            return False
        finally:
            self._end -= max(0.0, more - (now() - began))
        return True

    async def _attempt(
        self,
        check: Check,
        target: Target,
        subject: str,
        budget: TargetBudget,
        seconds: float,
        prior: Mapping[str, object],
        net: Net,
    ) -> Attempt[object]:
        denials = self.meter.denials
        seconds = min(seconds, self._end - asyncio.get_running_loop().time())
        context: Context[object] = Context(
            target=target if target.id else None,
            input=subject,
            net=net,
            controls=self._controls_for(subject),
            control_sites=tuple(s for s in self._sites if s.name != host_in(subject)),
            budget=budget,
            deadline=seconds,
            enough=check.enough,
            prior=prior,
            known_blockpages=self.plan.known_blockpages,
        )
        try:
            async with asyncio.timeout(seconds + GRACE_SECONDS):
                evidence = await check.gather(context)
        except CannotRun as refusal:
            if self.meter.denials == denials:
                return Attempt(status=AttemptStatus.ERROR, problem=refusal.problem)
        except TimeoutError:
            return failed(AttemptStatus.ERROR, ProblemReason.DEADLINE, check.name, f"not done after {seconds:.0f} s")
        except Exception as mistake:  # the one place where our own mistakes are caught and recorded
            return failed(AttemptStatus.ERROR, ProblemReason.BUG, check.name, _where(mistake))
        if self.meter.denials != denials:  # what our own limit cut is no finding about the network
            self._budget.hit = True
            return failed(AttemptStatus.NOT_SCHEDULED, ProblemReason.BUDGET, check.name, CUT_BY_BUDGET)
        # What is judged is what will be read back, so that judging the record again gives the same bytes.
        return Attempt(status=AttemptStatus.COMPLETED, evidence=settle(evidence))

    def _controls_for(self, subject: str) -> Controls:
        """The controls without those that disagree with the others, and without the subject itself."""
        unfit = {*self._left_out, host_in(subject)}
        names = tuple(n for n in self.plan.controls.names if n not in unfit)
        return replace(self.plan.controls, names=names or self.plan.controls.names)


def _where(mistake: BaseException) -> str:
    """The kind of mistake and the line of ours that made it; never its text, which may carry an address."""
    frames = traceback.extract_tb(mistake.__traceback__)
    ours = next((f for f in reversed(frames) if "probe" in PurePath(f.filename).parts), None)
    place = f" at {PurePath(ours.filename).name}:{ours.lineno}" if ours else ""
    return f"{type(mistake).__name__}{place}"


def _moved(meter: Meter) -> Bytes:
    return Bytes(sent=meter.sent_bytes, received=meter.received_bytes)
