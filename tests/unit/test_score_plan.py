"""Which runs make a score, and what is left of them after some were made?"""

from functools import partial

from probe.lab.path import DSL, HOME, WIFI, PathProfile
from probe.lab.scenarios.base import CLEAN, Family, Scenario, Setup, Truth, all_scenarios
from probe.lab.score.plan import OWN_TRIALS, RETRIES, USUAL_LINE, Wish, again, cells, order, remaining
from probe.lab.score.record import Key
from probe.lab.world import small_internet
from probe.model.results import State
from tests.score_records import run

BLOCKED = Truth(states=(State.BLOCKED,), interfered=True)


def setup(profile: PathProfile, truth: Truth) -> Setup:
    world = small_internet().only("birdnet", "gazette")
    return Setup(profile=profile, world=world, rules=(), truths={"birdnet": truth, "gazette": CLEAN})


def scenario(name: str, family: Family, *profiles: PathProfile) -> Scenario:
    truth = BLOCKED if family.interferes else CLEAN
    build = partial(setup, truth=truth)
    return Scenario(name=name, family=family, summary="What is there.", build=build, profiles=profiles or (HOME,))


SCENARIOS = (
    scenario("reset", Family.TLS, HOME, DSL),
    scenario("drop", Family.TLS),
    scenario("clean", Family.LINES, HOME, WIFI),
)


def test_everything_without_a_wish() -> None:
    assert [cell.name for cell in cells(SCENARIOS, Wish())] == [
        "reset on home",
        "reset on dsl",
        "drop on home",
        "clean on home",
        "clean on wifi",
    ]


def test_wishes_narrow() -> None:
    def names(wish: Wish) -> list[str]:
        return [cell.name for cell in cells(SCENARIOS, wish)]

    assert names(Wish(patterns=("re*", "cl?an"), profiles=("home",))) == ["reset on home", "clean on home"]
    assert names(Wish(families=("lines",), profiles=("w*",))) == ["clean on wifi"]
    assert names(Wish(patterns=("nothing",))) == []


def test_a_family_shares_the_trials_that_its_claim_needs() -> None:
    runs = {cell.name: cell.runs for cell in cells(SCENARIOS, Wish())}
    assert runs == {
        "reset on home": 200,  # 400 trials in two scenarios of one target that counts
        "drop on home": 200,
        "reset on dsl": 30,  # a slow line
        "clean on home": 300,  # 300 trials with media, one a run
        "clean on wifi": 400,  # 1,000 are wanted, the bound is 400
    }


def test_a_number_of_runs_is_taken_as_it_is() -> None:
    assert {cell.runs for cell in cells(SCENARIOS, Wish(runs=3))} == {3}


def test_all_cells_advance_together() -> None:
    planned = order(cells(SCENARIOS, Wish()))
    half = [job.cell.name for job in planned[: len(planned) // 2]]
    for cell in cells(SCENARIOS, Wish()):
        assert abs(half.count(cell.name) - cell.runs / 2) <= 1


def test_every_scenario_has_its_first_run_before_any_has_its_second() -> None:
    jobs = order(cells(SCENARIOS, Wish(runs=2)))
    assert [job.key.seed for job in jobs] == [0] * 5 + [1] * 5
    assert jobs == order(cells(SCENARIOS, Wish(runs=2)))
    assert len({job.key for job in jobs}) == len(jobs)


def test_what_was_made_is_not_made_again() -> None:
    jobs = order(cells(SCENARIOS[:1], Wish(runs=2)))
    left = remaining(jobs, [run(key=jobs[0].key)])
    assert left == jobs[1:]


def test_what_said_nothing_is_replaced_so_often_and_no_more() -> None:
    (job, *_) = order(cells(SCENARIOS[:1], Wish(runs=1, profiles=("home",))))
    made = [run(key=job.key, disturbed=True)]
    key: Key | None = job.key
    for _ in range(RETRIES):
        (left,) = remaining([job], made)
        assert left.key not in {record.key for record in made}
        made.append(run(key=left.key, problem="no lab"))
        key = again(key) if key else None
        assert key == left.key
    assert remaining([job], made) == ()


def test_a_valid_repetition_ends_it() -> None:
    (job, *_) = order(cells(SCENARIOS[:1], Wish(runs=1)))
    repetition = again(job.key)
    assert repetition is not None
    assert remaining([job], [run(key=job.key, disturbed=True), run(key=repetition)]) == ()


def test_what_is_promised_of_one_scenario_gets_its_own_trials() -> None:
    planned = {(c.scenario.name, c.profile): c.runs * c.trials_per_run for c in cells(all_scenarios(), Wish())}
    assert all(planned[name, USUAL_LINE] >= wanted for name, wanted in OWN_TRIALS.items())
