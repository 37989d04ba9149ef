"""Does the exit code say the one thing that a schedule must act on?"""

from dataclasses import replace

import pytest

from probe.commands.measure import exit_code
from probe.model.results import ProblemReason, Report, State
from tests.factories import not_run
from tests.reports import clean, every_state, report, without_network

NOTHING: frozenset[State] = frozenset()
BLOCKED = frozenset({State.BLOCKED})


def broken_by_us() -> Report:
    """A healthy target beside a check that our own mistake ended."""
    target = clean()
    bug = not_run("http", ProblemReason.BUG, target=target.id, subject="https://clean.example/")
    return report(replace(target, measurements=(*target.measurements, bug)))


@pytest.mark.parametrize(
    ("made", "fail_on", "code"),
    [
        (report(clean()), NOTHING, 0),
        (every_state(), NOTHING, 0),
        (every_state(), BLOCKED, 1),
        (report(clean()), BLOCKED, 0),
        (without_network(), NOTHING, 3),
        (broken_by_us(), NOTHING, 4),
        (report(clean(), interrupted=True), NOTHING, 130),
    ],
    ids=["healthy", "findings", "named", "not found", "no network", "our bug", "interrupted"],
)
def test_exit_code(made: Report, fail_on: frozenset[State], code: int) -> None:
    assert exit_code(made, fail_on) == code


def test_a_named_state_wins_over_not_being_able_to_tell() -> None:
    assert exit_code(without_network(), frozenset({State.INCONCLUSIVE})) == 1


def test_throttled_is_found_when_named() -> None:
    found = next(t for t in every_state().targets if t.verdict.state is State.THROTTLED)
    assert exit_code(report(found), frozenset({State.THROTTLED})) == 1
