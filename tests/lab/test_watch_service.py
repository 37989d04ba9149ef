"""Does `watch` do on an emulated line what its user expects, and does it come back from everything?

Each test starts the ordinary command in the lab and ends it. Prometheus and alerts are test_watch_prometheus.py's.
"""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from probe.lab.path import HOME, VANTAGE_ADDRESS
from probe.lab.session import Lab
from probe.lab.world import demo_world
from tests.lab.watch_place import CONFIGURATION, MIN_GAP_SECONDS, Place, kill_again_and_again

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]

URL = "http://127.0.0.1:9850"
END_SECONDS = 5.0
MAX_RESIDENT_BYTES = 120_000_000
KILLS = 4


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(profile=HOME, world=demo_world()) as made:
        yield made


@pytest.fixture
def place(lab: Lab, tmp_path: Path) -> Place:
    return Place(lab, tmp_path)


def test_as_its_user_would(place: Place) -> None:
    secret, bad = place.config.with_name("token"), "schedule: {mean: nonsense}\n"
    secret.write_text("hunter2-the-bearer-token\n")
    secret.chmod(0o600)
    place.config.write_text(
        CONFIGURATION + f"remote_write: [{{name: lab, url: 'http://127.0.0.1:9/write', bearer_token_file: {secret}}}]\n"
    )
    told = place.play(
        ["start", "--yes", "birdnet", "gazette", *place.arguments],
        ["until", "event=listening", 60],
        ["get", "ready", f"{URL}/-/ready"],
        ["get", "before", f"{URL}/metrics"],
        ["until", 'event="run ended"', 120],
        ["get", "metrics", f"{URL}/metrics"],
        ["get", "page", f"{URL}/"],
        ["get", "healthy", f"{URL}/-/healthy"],
        ["run", "second", "watch", "--yes", *place.arguments],
        ["run", "taken", "watch", "--yes", *place.arguments[:-1], str(place.state.with_name("other"))],
        ["write", str(place.config), bad],
        ["send", "HUP"],
        ["until", "configuration rejected", 30],
        ["get", "rejected", f"{URL}/metrics"],
        ["get", "post", f"{URL}/-/reload", "POST"],
        ["until", 'event="run ended"', 120, 2],
        ["write", str(place.config), CONFIGURATION],
        ["get", "again", f"{URL}/-/reload", "POST"],
        ["end", "end", "TERM"],
    )
    assert told["ready"][0] == told["healthy"][0] == told["page"][0] == 200
    assert 'throttleprobe_verdict{state="inconclusive",target="gazette"} 1.0' in told["before"][1]
    assert 'throttleprobe_verdict{state="ok",target="gazette"} 1.0' in told["metrics"][1]
    assert 'throttleprobe_vantage_info{asn="64500",country="NL",network="fixed"} 1.0' in told["metrics"][1]
    assert "throttleprobe_config_last_reload_successful 1.0" in told["metrics"][1]
    assert "throttleprobe_config_last_reload_successful 0.0" in told["rejected"][1]
    assert told["post"][0] == 500
    assert "schedule.mean" in told["post"][1]
    assert told["again"][0] == 200
    assert told["second"][0] == 2
    assert "another watch" in told["second"][2]
    assert told["taken"][0] == 2
    assert "127.0.0.1:9850" in told["taken"][2]
    assert not place.state.with_name("other").joinpath("spool.sqlite3").exists()
    code, seconds, resident_bytes, _ = told["end"]
    assert code == 0
    assert seconds < END_SECONDS
    assert resident_bytes <= MAX_RESIDENT_BYTES
    log = place.log.read_text()
    assert "hunter2" not in log
    assert VANTAGE_ADDRESS not in log
    assert socket.gethostname() not in log
    measured = [line for line in log.splitlines() if "event=measured" in line]
    assert measured
    assert all(re.search(r" run=[0-9a-f-]{36} measurement=[0-9a-f-]{36} ", line) for line in measured)


def test_no_packet_without_consent(place: Place) -> None:
    before = place.lab.stats()
    told = place.play(
        ["run", "watch", "watch", *place.arguments],
        ["run", "check", "watch", "--check-config", *place.arguments],
        ["write", str(place.config), "version: 1\nschedulle: {}\nbudget: {day: 1}\n"],
        ["run", "wrong", "watch", "--yes", *place.arguments],
        ["run", "listen", "watch", "--yes", "--listen", "everywhere", *place.arguments],
    )
    assert told["watch"][0] == 2
    assert "--yes" in told["watch"][2]
    assert told["check"][0] == 0
    assert told["wrong"][0] == 2
    assert told["wrong"][2].count("watch.yaml:") >= 2
    assert told["listen"][0] == 2
    assert place.lab.stats() == before


def test_once_is_one_run_and_not_sooner_than_the_schedule_allows(place: Place) -> None:
    place.config.write_text("version: 1\n")
    told = place.play(
        ["run", "first", "watch", "--once", "--yes", "--listen", "off", "gazette", *place.arguments],
        ["run", "second", "watch", "--once", "--yes", "--listen", "off", "gazette", *place.arguments],
    )
    assert told["first"][0] == told["second"][0] == 0
    assert "event=verdict" in told["first"][2]
    assert "not due" in told["second"][2]
    with place.store() as store:
        assert len(store.history(None)) == 1


def test_killed_at_any_time_it_goes_on(place: Place) -> None:
    found = kill_again_and_again(place, KILLS, seed=11)
    assert found.reported
    assert found.reported <= found.kept
    assert found.charged_bytes >= found.moved_bytes
    assert found.least_gap_seconds >= MIN_GAP_SECONDS
    assert found.exit_code == 130
    assert "Traceback" not in found.log
