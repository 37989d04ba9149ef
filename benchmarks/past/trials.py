"""One simulated history judged as a user would have seen it, run after run."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from benchmarks.past.histories import BY_NAME, Kind, history, with_states
from probe.model.past import Onset, OnsetOf, PastOutcome
from probe.model.results import State
from probe.verdict.past_figures import baseline, goodput
from probe.verdict.past_onsets import level_onsets, state_onsets
from probe.verdict.past_outcomes import Earlier

YEAR_RUNS = 1460  # four a day
LOOK_EVERY = 28  # runs between two looks at a year's history: what one look shows and the next does not counts too
FOLLOWED_RUNS = 56  # two weeks after a change; what is not found within them is missed


def earlier(outcomes: Sequence[PastOutcome]) -> list[Earlier]:
    return [Earlier(at=datetime.fromisoformat(o.started_at), outcome=o) for o in outcomes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """A year without a change: what was said nevertheless. `unusual` of `looks` single figures were out of range."""

    onsets: int
    unusual: int
    looks: int


def quiet_year(kind: str, seed: int) -> Quiet:
    """One direction."""
    runs = earlier(history(BY_NAME[kind], YEAR_RUNS, random.Random(seed)))
    seen: list[datetime] = []
    unusual = looks = 0
    for end in range(LOOK_EVERY, YEAR_RUNS + 1, LOOK_EVERY):
        for onset in level_onsets(runs[:end], OnsetOf.DOWNLOAD):
            at = datetime.fromisoformat(onset.since)
            if all(abs(at - other) > timedelta(days=7) for other in seen):  # the same one, dated anew
                seen.append(at)
        now = goodput(baseline(runs[: end - 1], runs[end - 1]), runs[end - 1], OnsetOf.DOWNLOAD)
        looks += 1
        unusual += now is not None and now.rule_id in ("past.lower", "past.higher")
    return Quiet(onsets=len(seen), unusual=unusual, looks=looks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A change that was there. `delay` in runs, the first changed one counted; None: not found.
    `covered`: it lies in the
       interval given, which is `width_runs` wide; its time given is `error_runs` beside it.
    """

    delay: int | None
    covered: bool = False
    width_runs: int = 0
    error_runs: int = 0


def change(kind: str, onset: int, ratio: float, seed: int) -> Found:
    """Looked at after every run from the change on; the interval as it was when the change was first said."""
    runs = earlier(history(BY_NAME[kind], onset + FOLLOWED_RUNS, random.Random(seed), onset=onset, ratio=ratio))
    for end in range(onset + 1, len(runs) + 1):
        found = [o for o in level_onsets(runs[:end], OnsetOf.DOWNLOAD) if o.rule_id == "past.level_fell"]
        if found and _place(runs, found[-1].known_at) >= onset:
            return _found(runs, found[-1], onset=onset, end=end)
    return Found(delay=None)


def state_change(missed: float, inconclusive: float, seed: int, *, onset: int = 120) -> Found:
    """ok, then throttled; a throttled run is judged ok with the chance `missed`."""
    rng = random.Random(seed)
    kind = Kind(name="")
    count = onset + FOLLOWED_RUNS
    states = [
        State.INCONCLUSIVE
        if rng.random() < inconclusive
        else State.THROTTLED
        if n >= onset and rng.random() >= missed
        else State.OK
        for n in range(count)
    ]
    runs = earlier(with_states(history(kind, count, rng), states))
    for end in range(onset + 1, count + 1):
        if found := state_onsets(runs[:end]):
            return _found(runs, found[-1], onset=onset, end=end)
    return Found(delay=None)


def quiet_states(wrong: float, inconclusive: float, seed: int) -> int:
    """State onsets in a year of ok where a run is judged otherwise with the chance `wrong`."""
    rng = random.Random(seed)
    drawn = [(rng.random(), rng.random()) for _ in range(YEAR_RUNS)]
    states = [State.INCONCLUSIVE if a < inconclusive else State.THROTTLED if b < wrong else State.OK for a, b in drawn]
    return len(state_onsets(earlier(with_states(history(Kind(name=""), YEAR_RUNS, rng), states))))


def _found(runs: Sequence[Earlier], said: Onset, *, onset: int, end: int) -> Found:
    low, high, first = (_place(runs, text) for text in (said.earliest, said.latest, said.since))
    return Found(delay=end - onset, covered=low < onset <= high, width_runs=high - low, error_runs=abs(first - onset))


def _place(runs: Sequence[Earlier], text: str) -> int:
    at = datetime.fromisoformat(text)
    return min(range(len(runs)), key=lambda n: abs(runs[n].at - at))
