"""What does Prometheus get to see? The one object that the service tells what happened, and that is scraped and pushed.

Every change swaps one immutable picture for the next, so a scrape sees a report whole or not at all, from any thread.
Counters begin at 0 with the process and never fall; `restore` shows the last results again without counting them.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from prometheus_client import CollectorRegistry, Metric

from probe import __version__
from probe.metrics import labels
from probe.metrics.definitions import DEFINITIONS
from probe.metrics.exposition import Exposition, Page
from probe.metrics.families import Targets, target_families
from probe.metrics.figures import by_target, ended_at, of_outcome, of_outcomes, says_nothing_of
from probe.metrics.labels import RunOutcome, Skip
from probe.metrics.samples import MILLISECONDS, Sample, flatten, stale_markers
from probe.metrics.service import Endpoint, Moved, Service, last_run, with_outcome, with_run
from probe.metrics.service_families import service_families
from probe.metrics.tallies import Tally, counted
from probe.model.past import PastOutcome
from probe.model.results import Report, Vantage
from probe.verdict.past_outcomes import outcomes_of

# Results of targets that are no longer configured are kept, in case they come back: their counters go on. So many at
# most, the latest; a list of targets is seldom edited, and one that a program writes must not fill the memory.
MAX_REMEMBERED_TARGETS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Everything at one moment."""

    targets: Targets
    service: Service

    def samples(self) -> tuple[Sample, ...]:
        """All that has a time."""
        families = (*target_families(self.targets, timed=True), *service_families(self.service, timed=True))
        return tuple(flatten(families))


class Metrics:
    """Prometheus's view of this vantage point. Any method may be called from any thread; none waits for a disk or a
    network. With hundreds of targets `observe` and `samples` take tenths of a second, and are better called in one.
    """

    def __init__(self, version: str = __version__) -> None:
        self._changing = threading.Lock()  # held by who changes the targets, which may take long
        self._lock = threading.Lock()  # held for an instant
        self._now = Picture(targets=Targets(), service=Service(version=version))
        self._configured: tuple[str, ...] | None = None
        self._last_run_id = ""
        self._measured: frozenset[str] = frozenset()
        self._sent: Picture | None = None  # what the last `samples` was made from, or what was restored
        self._sent_before: Picture | None = None  # the same, when the last run was observed
        self._page = Page()
        self.registry = CollectorRegistry()
        self.registry.register(self)

    # What happened

    def set_targets(self, ids: Sequence[str]) -> None:
        """Show these targets and no others, in this order; one without a result is inconclusive."""
        with self._changing:
            self._configured = tuple(dict.fromkeys(id_ for id_ in ids if labels.TARGET.allows(id_)))
            self._show(self._now.targets)

    def observe(self, report: Report) -> None:
        """Take a finished report as the last result of its targets, and count it; the same one again changes nothing.

        Raises ValueError for a report that does not say when it was made.
        """
        end = ended_at(report)
        outcomes = {outcome.target: outcome for outcome in outcomes_of(report)}
        with self._changing:
            if report.id == self._last_run_id:
                return
            figures, tallies = dict(self._now.targets.figures), dict(self._now.targets.tallies)
            measured = [r for r in report.targets if labels.TARGET.allows(r.id) and not says_nothing_of(report, r)]
            for result in measured:
                found = of_outcome(outcomes[result.id], past=result.past, before=figures.pop(result.id, None))
                if found is not None:
                    figures[result.id] = found
                tallies[result.id] = counted(tallies.pop(result.id, Tally()), result)
            self._show(
                Targets(figures=figures, tallies=tallies, counted_at=end),
                lambda service: with_run(service, report, told=bool(measured)),
            )
            self._sent_before, self._measured = self._sent, frozenset(result.id for result in measured)
            self._last_run_id = report.id

    def restore(self, outcomes: Sequence[PastOutcome]) -> None:
        """Show the last of the store's outcomes of each target again, after a restart; nothing is counted.

        With earlier outcomes of a target before its last, its runs that agree are known as well. What an observed
        report said is not replaced.
        """
        found = {id_: of_outcomes(mine) for id_, mine in by_target(outcomes).items()}
        known = {id_: f for id_, f in found.items() if f is not None and labels.TARGET.allows(id_)}
        run = last_run(outcomes)
        with self._changing:
            figures = {**known, **self._now.targets.figures}
            self._show(replace(self._now.targets, figures=figures), lambda s: replace(s, last_run=s.last_run or run))
            if self._sent is None:
                # Targets that were removed since then too: nobody has told a receiver yet that they ended.
                every = replace(self._now.targets, ids=tuple(self._now.targets.figures))
                self._sent = replace(self._now, targets=every)

    def count_failed_run(self) -> None:
        """A run that a mistake of ours ended without a report."""
        self._update(lambda service: with_outcome(service, RunOutcome.FAILED))

    def count_skipped(self, reason: Skip) -> None:
        """A run that was due, or its goodput part, was left out or put off."""
        self._update(lambda s: replace(s, skipped={**s.skipped, reason: s.skipped.get(reason, 0) + 1}))

    def add_bytes(self, *, received: int = 0, sent: int = 0) -> None:
        """Bytes that were moved outside of runs: by probes and pushes. A report's own are counted with it."""
        more = Moved(received=max(0, received), sent=max(0, sent))
        self._update(lambda service: replace(service, moved=service.moved.plus(more)))

    # What holds now

    def set_budget(self, limits: Mapping[str, int], used: Mapping[str, int]) -> None:
        """Bytes by window ("run", "day", "month"); what the last run used is known from its report."""
        self._update(lambda s: replace(s, limits=dict(limits), used={**s.used, **used}))

    def set_reload(self, ok: bool, at: datetime) -> None:
        """The configuration was read at `at`, with success or without."""
        self._update(lambda s: replace(s, reload_ok=ok, reloaded_at=at.timestamp() if ok else s.reloaded_at))

    def set_next_run(self, at: datetime | None) -> None:
        when = None if at is None else at.timestamp()
        self._update(lambda service: replace(service, next_run_at=when))

    def set_line(self, *, metered: bool | None, vpn: bool | None) -> None:
        """What is known of the line; None: not known. Whether a run went through a VPN is known by its report."""
        self._update(lambda service: replace(service, metered=metered, vpn=vpn))

    def set_vantage(self, vantage: Vantage) -> None:
        """What the configuration says of this place; a report's own replaces it."""
        self._update(lambda service: replace(service, vantage=vantage))

    def set_store_bytes(self, num_bytes: int | None) -> None:
        self._update(lambda service: replace(service, store_bytes=num_bytes))

    def set_endpoints(self, endpoints: Sequence[Endpoint]) -> None:
        """How pushing to each receiver stands."""
        self._update(lambda service: replace(service, endpoints=tuple(endpoints)))

    # What is seen

    def collect(self) -> Iterable[Metric]:
        """What a scrape sees; for `registry`."""
        now = self._now
        return (*target_families(now.targets, timed=False), *service_families(now.service, timed=False))

    def describe(self) -> Iterable[Metric]:
        """The families without their series; for `registry`, which picks some by name."""
        return tuple(Metric(d.family_name, d.help, d.kind) for d in DEFINITIONS)

    def exposition(self, accept: str = "", accept_encoding: str = "") -> Exposition:
        """The same as text, as the headers Accept and Accept-Encoding ask; much quicker than through `registry`."""
        now = self._now
        return self._page.render(now.targets, now.service, accept, accept_encoding)

    def samples(self) -> tuple[Sample, ...]:
        """What the last observed run gives to a receiver, the same however often it is asked; () before the first.

        Gauges of a target that it did not measure are left out, as they were sent before. What a run before it gave and
        it did not ends with a stale marker.
        """
        with self._lock:
            now, before, measured = self._now, self._sent_before, self._measured
            if not self._last_run_id or now.targets.counted_at is None:
                return ()
            self._sent = now
        end, figures = now.targets.counted_at, now.targets.figures
        present = now.samples()

        def at_ms(target: str) -> int:
            at = figures[target].measured_at if target in measured and target in figures else end
            return round(at * MILLISECONDS)

        fresh = (s for s in present if (target := dict(s.labels).get("target")) is None or target in measured)
        return (*fresh, *stale_markers(before.samples() if before else (), present, at_ms))

    def _update(self, change: Callable[[Service], Service]) -> None:
        with self._lock:
            self._now = replace(self._now, service=change(self._now.service))

    def _show(self, targets: Targets, change: Callable[[Service], Service] = lambda service: service) -> None:
        """Make these the targets that are seen: the configured ones, and of others only the latest remembered."""
        ids = tuple(targets.figures) if self._configured is None else self._configured
        shown = set(ids)
        others = [id_ for id_ in targets.figures if id_ not in shown]
        forgotten = set(others[:-MAX_REMEMBERED_TARGETS])
        made = replace(
            targets,
            ids=ids,
            figures={id_: f for id_, f in targets.figures.items() if id_ not in forgotten},
            tallies={id_: t for id_, t in targets.tallies.items() if id_ not in forgotten},
        )
        self._page.prepare(made)
        with self._lock:
            self._now = Picture(targets=made, service=change(self._now.service))
