"""Are the promises counted on the trials that they speak of, and said to be broken where they are?"""

from collections.abc import Sequence

from probe.lab.scenarios.base import CLEAN, Family
from probe.lab.scenarios.holding import Aspect
from probe.lab.score.claims import Claim, claims_of
from probe.lab.score.record import Key, RunRecord, TargetRecord
from probe.lab.score.rendering import Heading, as_markdown
from probe.lab.score.tables import score
from probe.model.results import State
from tests.score_records import DROPPED, POLICED, point, run, target

SOME = 3


def claim(words: str, runs: Sequence[RunRecord]) -> Claim:
    """The one promise whose words begin so."""
    found = [c for c in claims_of([(r, t) for r in runs for t in r.targets]) if c.words.startswith(words)]
    assert len(found) == 1, words
    return found[0]


def runs(
    trial: TargetRecord, *, family: Family = Family.THROTTLING, profile: str = "home", scenario: str = "any"
) -> list[RunRecord]:
    keys = [Key(scenario=scenario, profile=profile, seed=seed) for seed in range(SOME)]
    return [run([trial], family=family, key=key) for key in keys]


def test_a_false_alarm_on_a_home_line_breaks_the_promise() -> None:
    clean, wrong = runs(target(), family=Family.LINES), runs(target(State.BLOCKED, CLEAN), family=Family.LINES)
    assert claim("no false alarm", clean).kept is True
    assert claim("no false alarm", [*clean, wrong[0]]).kept is False
    assert not claim("no false alarm", clean).enough
    elsewhere = runs(target(State.BLOCKED, CLEAN), family=Family.LINES, profile="wifi")
    assert claim("no false alarm", [*clean, *elsewhere]).kept is True
    assert claim("false alarms on Wi-Fi", elsewhere).kept is False


def test_a_missed_throttle_counts_by_its_share_of_the_line() -> None:
    """2 Mbit/s of 20 is a tenth, of 15 on Wi-Fi more."""
    missed = target(State.OK, POLICED)
    assert claim("throttling to 10 %", runs(missed)).measured.hits == 0
    assert claim("throttling to 10 %", runs(target(State.THROTTLED, POLICED))).kept is True
    assert claim("throttling to a quarter", runs(missed)).measured.trials == 0
    assert claim("throttling to a quarter", runs(missed)).kept is None
    assert claim("throttling to 7 %", runs(missed, profile="wifi")).measured.trials == 0


def test_what_a_scenario_excuses_is_not_missed() -> None:
    excused = runs(target(State.INCONCLUSIVE, DROPPED), family=Family.ADDRESS)
    assert claim("blocking found: address", excused).kept is True
    assert claim("blocking found: address", runs(target(State.OK, DROPPED), family=Family.ADDRESS)).kept is False
    assert claim("blocking found: dns", excused).kept is None


def test_figures_are_asked_of_right_accusations_alone() -> None:
    far_off = point(Aspect.LIMIT, "2 Mbit/s", "1 Mbit/s", right=False, error=-0.5)
    found, missed = target(State.THROTTLED, POLICED, points=(far_off,)), target(State.OK, POLICED, points=(far_off,))
    assert claim("a limiter's rate", runs(found)).kept is False
    assert claim("a limiter's rate", runs(missed)).kept is None


def test_costs_are_of_near_targets() -> None:
    dear = target(State.OK, num_bytes=3_000_000)
    assert claim("ok on home", runs(dear, family=Family.LINES, scenario="clean-line")).kept is False
    assert claim("ok on home", runs(dear, family=Family.LINES, scenario="far-target")).kept is None


def test_the_page_says_what_is_broken_and_what_rests_on_little() -> None:
    wrong = runs(target(State.BLOCKED, CLEAN), family=Family.LINES)
    heading = Heading(
        date="2026-11-22", command="x", commits=(), versions=(), complete=True, planned_runs=SOME, seconds=1.0
    )
    page = as_markdown(heading, score(wrong))
    assert "| no false alarm on home lines | ≤ 0 % | 100 % " in page
    assert "**broken**, of too few" in page
    assert "not tried" in page
