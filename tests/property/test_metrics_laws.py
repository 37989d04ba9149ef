"""Whatever runs, reloads and restarts follow each other: do scrapes stay true, and does a receiver see the same?"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from probe.metrics import Metrics
from probe.metrics.samples import Series
from probe.model.past import PastOutcome
from probe.model.results import Mechanism, Report, State, TargetResult
from probe.verdict.past_outcomes import outcomes_of
from tests import reports
from tests.factories import verdict

IDS = ("news", "jobs", "clips")
BEGAN = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
HOUR = 3600.0
WITH_GOODPUT = reports.slowed("x", "X")
ACCESS = reports.access("x", "x.example")
COUNTED = ("_total", "_bucket", "_count", "_sum")

found = st.tuples(
    st.sampled_from(State), st.booleans(), st.sets(st.sampled_from([Mechanism.DNS_NXDOMAIN, Mechanism.TLS_RESET]))
)
a_run = st.dictionaries(st.sampled_from(IDS), found, max_size=3)
a_reload = st.sets(st.sampled_from(IDS))
steps = st.lists(st.one_of(a_run, a_reload, st.just("restart")), max_size=12)


def result(id_: str, state: State, goodput: bool, mechanisms: set[Mechanism], started: str) -> TargetResult:
    judged = verdict(state, "because", *sorted(mechanisms))
    if goodput:
        judged = replace(judged, facts=WITH_GOODPUT.verdict.facts)
    return reports.target(id_, id_, judged, *(replace(m, started_at=started, target=id_) for m in ACCESS))


@dataclass
class World:
    """The service with its store, and a receiver that keeps the last value of each series, as Prometheus would."""

    metrics: Metrics = field(default_factory=Metrics)
    configured: set[str] = field(default_factory=lambda: set(IDS))
    outcomes: list[PastOutcome] = field(default_factory=list)
    received: dict[Series, float] = field(default_factory=dict)
    times_ms: dict[Series, int] = field(default_factory=dict)
    runs: int = 0

    def reload(self, ids: set[str]) -> None:
        self.configured = ids
        self.metrics.set_targets(sorted(ids))

    def restart(self) -> None:
        self.metrics = Metrics()
        self.reload(self.configured)
        self.metrics.restore(self.outcomes)

    def run(self, results: dict[str, tuple[State, bool, set[Mechanism]]]) -> Report:
        self.runs += 1
        started = datetime.fromtimestamp(BEGAN + self.runs * HOUR, UTC).isoformat()
        made = [result(id_, *given_, started) for id_, given_ in results.items() if id_ in self.configured]
        report = replace(reports.report(*made), id=f"0193-{self.runs}", started_at=started, targets=tuple(made))
        self.outcomes += outcomes_of(report)
        self.metrics.observe(report)
        for sample in self.metrics.samples():
            assert sample.timestamp_ms > self.times_ms.get(sample.series, -1), "a receiver would refuse it"
            self.times_ms[sample.series] = sample.timestamp_ms
            self.received.pop(sample.series, None)
            if not sample.is_stale:
                self.received[sample.series] = sample.value
        return report

    def scraped(self) -> dict[Series, float]:
        return {
            (s.name, tuple(sorted((k, v) for k, v in s.labels.items() if v))): s.value
            for family in self.metrics.registry.collect()
            for s in family.samples
        }


def target_of(series: Series) -> str:
    return dict(series[1]).get("target", "")


@settings(max_examples=80, deadline=None)
@given(steps)
def test_a_receiver_sees_what_a_scrape_shows(made: list[object]) -> None:
    world = World()
    world.reload(set(IDS))
    for step in made:
        if step == "restart":
            world.restart()
        elif isinstance(step, set):
            world.reload(step)
        elif isinstance(step, dict):
            report = world.run(step)
            scraped = world.scraped()
            measured = {t.id for t in report.targets}
            assert {s: v for s, v in scraped.items() if target_of(s) in measured | {""}} == {
                s: v for s, v in world.received.items() if target_of(s) in measured | {""} and s in scraped
            }
            gauges = {s: v for s, v in world.received.items() if not s[0].endswith(COUNTED)}
            assert gauges.items() <= scraped.items(), "nothing stays that is gone"


@settings(max_examples=80, deadline=None)
@given(steps)
def test_scrapes_stay_true(made: list[object]) -> None:
    world = World()
    world.reload(set(IDS))
    last: dict[str, State] = {}
    before: dict[Series, float] = {}
    for step in made:
        if step == "restart":
            world.restart()
            before = {}
        elif isinstance(step, set):
            world.reload(step)
        elif isinstance(step, dict):
            last |= {t.id: t.verdict.state for t in world.run(step).targets}
        scraped = world.scraped()
        states = {
            target_of(s): dict(s[1])["state"] for s, on in scraped.items() if s[0] == "throttleprobe_verdict" and on
        }
        assert states == {id_: last.get(id_, State.INCONCLUSIVE).value for id_ in world.configured}
        assert sum(s[0] == "throttleprobe_verdict" for s in scraped) == len(State) * len(world.configured)
        counters = {s: v for s, v in scraped.items() if s[0].endswith(COUNTED)}
        assert all(counters[s] >= v for s, v in before.items() if s in counters)
        before |= counters


@given(steps)
@settings(max_examples=40, deadline=None)
def test_a_restart_changes_no_gauge_of_a_target(made: list[object]) -> None:
    world = World()
    world.reload(set(IDS))
    for step in made:
        if isinstance(step, set):
            world.reload(step)
        elif isinstance(step, dict):
            world.run(step)
    before = {s: v for s, v in world.scraped().items() if target_of(s) and not s[0].endswith(COUNTED)}
    world.restart()
    after = {s: v for s, v in world.scraped().items() if target_of(s) and not s[0].endswith(COUNTED)}
    assert after == before
