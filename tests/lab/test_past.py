"""Does the command say since when a target is blocked, and is that when the censor was switched on?"""

from datetime import UTC, datetime

import pytest

from probe import records
from probe.lab.actions import Reset
from probe.lab.path import HOME
from probe.lab.rules import CensorRule, Sni, named
from probe.lab.session import Lab
from probe.lab.world import small_internet
from probe.model.past import OnsetOf
from probe.model.results import Report, State
from probe.registry import EVIDENCE_TYPES
from tests.lab.running import command

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

RESET = CensorRule(when=Sni(pattern=named("gazette.test")), do=Reset())


def measured(lab: Lab) -> Report:
    arguments = ("--yes", "--checks", "dns,reach,tls", "--targets", str(lab.targets_path), "--format", "json")
    done = command(lab, "run", *arguments, "--state", str(lab.directory / "state"))
    assert done.returncode == 0, done.stderr
    return records.decode(done.stdout, EVIDENCE_TYPES)


def test_a_block_is_dated_between_the_last_good_and_the_first_bad_run() -> None:
    with Lab(profile=HOME, world=small_internet().only("gazette", "mapfolk")) as lab:
        good = [measured(lab) for _ in range(2)]
        switched = datetime.now(UTC)
        lab.set_rules([RESET])
        bad = [measured(lab) for _ in range(2)]
        history = command(lab, "report", "--state", str(lab.directory / "state"), "--since", "2020-01-01")
        shown = command(lab, "report", "--state", str(lab.directory / "state"))
    first, known = ({t.id: t for t in run.targets} for run in bad)
    assert first["gazette"].verdict.state is known["gazette"].verdict.state is State.BLOCKED
    assert first["gazette"].past is not None
    assert not first["gazette"].past.onsets  # once is not enough
    assert known["gazette"].past is not None
    (onset,) = known["gazette"].past.onsets
    assert (onset.what, onset.before, onset.after) == (OnsetOf.STATE, State.OK, State.BLOCKED)
    assert (onset.earliest, onset.since) == (good[-1].started_at, bad[0].started_at)
    assert datetime.fromisoformat(onset.earliest) < switched < datetime.fromisoformat(onset.latest)
    assert known["mapfolk"].past is not None
    assert not known["mapfolk"].past.onsets
    assert "gazette: Blocked since" in history.stdout
    assert "Blocked since" in " ".join(shown.stdout.split())
