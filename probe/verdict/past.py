"""How does what was measured now compare with this target's own past at this vantage point, and since when is it so?

Pure. The past is no control: nothing here makes, strengthens or clears an accusation (design §3); what comes out
stands beside the verdict. Which earlier results count is in `past_outcomes`, what is usual in `past_figures`, changes
and their times in `past_onsets`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from probe.model.past import Onset, OnsetOf, PastComparison, PastOutcome, StateRuns
from probe.model.results import State, TargetResult, Vantage
from probe.verdict.past_figures import access, baseline, goodput
from probe.verdict.past_onsets import level_onsets, state_onsets
from probe.verdict.past_outcomes import Earlier, comparable, outcome_of, written

LOOKBACK = timedelta(days=400)  # how far back earlier results are of use: a year, and some

MEANINGS: dict[str, str] = {
    "past.usual": "The figure lies in its usual range.",
    "past.lower": "The figure is below its usual range, and its control is not: the target is slower here than it was.",
    "past.higher": "The figure is above its usual range, and its control is not.",
    "past.lower_with_control": "The figure is below its usual range and so is its control: the line, or the server.",
    "past.higher_with_control": "The figure is above its usual range and so is its control.",
    "past.too_few": "Too few earlier runs to say what is usual.",
    "past.not_measured": "The figure was not measured now.",
    "past.state_changed": "Two conclusive runs in a row agree on a state that differs from the one before.",
    "past.level_fell": "The ratio to the control fell by a third or more for good, half of it the target's own.",
    "past.level_rose": "The ratio to the control rose by half or more for good, half of it the target's own.",
}


def compare(
    result: TargetResult, outcomes: Sequence[PastOutcome], *, now: datetime, vantage: Vantage
) -> PastComparison | None:
    """Set a result, of a run begun at `now`, beside the target's earlier outcomes; None where none is comparable.

    Outcomes of other targets, from later than `now` and with times that cannot be read are passed over.
    """
    runs, left_out = comparable(outcomes, target=result.id, now=now, vantage=vantage)
    if not runs:
        return None
    current = Earlier(at=now, outcome=outcome_of(result, run_id="", started_at=written(now), vantage=vantage))
    recent = baseline(runs, current)
    told = [run for run in runs if run.outcome.state is not State.INCONCLUSIVE]
    ok = [run for run in told if run.outcome.state is State.OK]
    return PastComparison(
        runs=len(runs),
        left_out=left_out,
        first_at=written(runs[0].at),
        last_at=written(runs[-1].at),
        last_ok_at=written(ok[-1].at) if ok else None,
        states=_counts(runs),
        ok_share=len(ok) / len(told) if told else None,
        access=access(recent, current),
        download=goodput(recent, current, OnsetOf.DOWNLOAD),
        upload=goodput(recent, current, OnsetOf.UPLOAD),
        onsets=tuple(changes[-1] for changes in _changes((*runs, current)) if changes),
    )


def onsets(outcomes: Sequence[PastOutcome], *, target: str, now: datetime, vantage: Vantage) -> tuple[Onset, ...]:
    """Every change in a target's history until `now`, in order of time."""
    runs, _ = comparable(outcomes, target=target, now=now, vantage=vantage)
    return tuple(sorted((onset for changes in _changes(runs) for onset in changes), key=lambda o: o.since))


def _changes(runs: Sequence[Earlier]) -> tuple[tuple[Onset, ...], ...]:
    return (
        state_onsets(runs),
        level_onsets(runs, OnsetOf.DOWNLOAD),
        level_onsets(runs, OnsetOf.UPLOAD),
    )


def _counts(runs: Sequence[Earlier]) -> tuple[StateRuns, ...]:
    states = [run.outcome.state for run in runs]
    return tuple(StateRuns(state=state, runs=states.count(state)) for state in State if state in states)
