"""Do lines with peculiarities show them to real programs: IPv6, a small MTU, forgetful translation, other congestion
control, other labs beside?

`tests.lab.test_path` has the ordinary line and the censor; the same peculiarities packet by packet are unit tests of
`probe.lab.line`.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from probe.lab.actions import Reset
from probe.lab.path import HOME, PROFILES
from probe.lab.rules import CensorRule, Sni, named
from probe.lab.session import Lab
from probe.lab.world import World, small_internet

pytestmark = pytest.mark.lab

CLIENT = Path(__file__).with_name("vantage_client.py")
WEB6 = "2001:2:0:8010::1"  # birdnet.test
MEDIA_URL = "https://media.birdnet.test/media/1.bin?bytes={}"
NEWS = "198.18.20.1"  # gazette.test: a page of several segments over plain HTTP
BEGUN_SECONDS = 5.0  # by then ten of forty neighbours have begun, whose pauses last 20 s on average
SILENCE_SECONDS = "1.5"
SAME_RATE_TOLERANCE = 0.05  # far below the differences that verdicts are about (a ratio of 0.5)


def client(lab: Lab, *words: object) -> Any:
    done = lab.run([sys.executable, CLIENT, *map(str, words)], timeout=40)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def rate_bps(lab: Lab, url: str) -> float:
    """Goodput of a download between a quarter and nine tenths of it: without slow start and a tail that was lost."""
    series = client(lab, "fetch", url, 30)["series"]
    begins, ends = (next(p for p in series if p[1] >= share * series[-1][1]) for share in (0.25, 0.9))
    return float((ends[1] - begins[1]) * 8 / (ends[0] - begins[0]))


def dual_stack() -> World:
    return small_internet(ipv6=True).only("birdnet")


def test_ipv6_beside_ipv4() -> None:
    with Lab(profile=replace(HOME, ipv6="works"), world=dual_stack()) as lab:
        assert client(lab, "connect", WEB6, 443, 64, 5)["error"] is None
        assert client(lab, "tls", WEB6, "birdnet.test", 5)["error"] is None
        assert client(lab, "tls", "198.18.10.1", "birdnet.test", 5)["error"] is None
        assert rate_bps(lab, MEDIA_URL.format(1_500_000)) == pytest.approx(20e6, rel=0.15)
        for hop, router in ((1, "2001:2:0:77::1"), (5, "2001:2:0:ff::5")):
            seen = client(lab, "connect", WEB6, 443, hop, 5)
            assert (seen["error"], seen["router"]) == ("EHOSTUNREACH", router)
        lab.set_rules([CensorRule(when=Sni(pattern=named("birdnet.test")), do=Reset())])
        assert client(lab, "tls", WEB6, "birdnet.test", 5)["error"] == "ECONNRESET"
        assert client(lab, "tls", WEB6, "www.northnet.test", 5)["error"] == "CERTIFICATE_VERIFY_FAILED"


def test_names_of_a_dual_stack_host_resolve_to_both() -> None:
    code = "import socket; print(sorted({i[4][0] for i in socket.getaddrinfo('birdnet.test', 443)}))"
    with Lab(profile=replace(HOME, ipv6="broken"), world=dual_stack()) as lab:
        seen = lab.run([sys.executable, "-c", code], timeout=10).stdout.strip()
        assert seen == f"['198.18.10.1', '{WEB6}']"
        assert client(lab, "connect", WEB6, 443, 64, SILENCE_SECONDS)["error"] == "timeout"
        assert client(lab, "connect", "198.18.10.1", 443, 64, 5)["error"] is None


def test_a_line_without_ipv6_has_no_way_there() -> None:
    with Lab(profile=HOME, world=dual_stack()) as lab:
        assert client(lab, "connect", WEB6, 443, 64, 5)["error"] == "ENETUNREACH"


@pytest.mark.parametrize(("hidden", "error"), [(True, "timeout"), (False, None)])
def test_a_small_mtu(hidden: bool, error: str | None) -> None:
    """Hidden, it swallows every full segment while handshakes complete; told, the sender makes its segments smaller."""
    with Lab(profile=replace(PROFILES["black_hole"], hides_mtu=hidden), world=small_internet()) as lab:
        assert client(lab, "connect", NEWS, 80, 64, 5)["error"] is None
        seen = client(lab, "http", NEWS, "gazette.test", SILENCE_SECONDS)
        assert seen["error"] == error
        assert seen["text"].endswith("</html>") is not hidden
        assert lab.stats().too_big > 0


@pytest.mark.parametrize(("resets", "error"), [(False, "timeout"), (True, "ECONNRESET")])
def test_a_forgotten_flow(resets: bool, error: str) -> None:
    forgetful = replace(PROFILES["cgnat"], nat_idle_seconds=0.5, nat_resets=resets)
    with Lab(profile=forgetful, world=small_internet()) as lab:
        assert client(lab, "http", NEWS, "gazette.test", SILENCE_SECONDS, 0.1)["error"] is None
        assert client(lab, "http", NEWS, "gazette.test", SILENCE_SECONDS, 1.0)["error"] == error
        assert lab.stats().forgotten > 0


def test_a_server_with_bbr_does_not_mind_random_loss() -> None:
    world = small_internet().changed("media.birdnet.test", congestion="bbr")
    with Lab(profile=replace(HOME, loss=0.05), world=world) as lab:
        bbr = rate_bps(lab, MEDIA_URL.format(1_500_000))
        cubic = rate_bps(lab, "https://media.photogram.test/media/1.bin?bytes=500000")
        assert bbr > 2 * cubic


def test_neighbours_slow_a_transfer_down() -> None:
    """So many that even by night they ask for twice what the line has; they begin one after the other."""
    crowded = replace(PROFILES["diurnal"], neighbours_down=40, day_seconds=1e9)
    with Lab(profile=crowded, world=small_internet(), seed=3) as lab:
        time.sleep(BEGUN_SECONDS)
        assert rate_bps(lab, MEDIA_URL.format(300_000)) < 5e6
        assert not lab.stats().disturbed


def test_labs_side_by_side_do_not_disturb_one_another() -> None:
    """The same transfer alone and beside three other labs that are all busy: the same rate, on an undisturbed path."""
    url = MEDIA_URL.format(4_000_000)
    with ExitStack() as labs:
        ours = labs.enter_context(Lab())
        alone_bps = rate_bps(ours, url)
        others = [labs.enter_context(Lab()) for _ in range(3)]
        with ThreadPoolExecutor(len(others)) as pool:
            beside = [pool.submit(rate_bps, other, MEDIA_URL.format(8_000_000)) for other in others]
            together_bps = rate_bps(ours, url)
            rates_bps = [together_bps, *(one.result() for one in beside)]
        assert rates_bps == pytest.approx([alone_bps] * 4, rel=SAME_RATE_TOLERANCE)
        assert not any(lab.stats().disturbed for lab in (ours, *others))
