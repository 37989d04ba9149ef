"""Does the lab do to real programs on real sockets what its profile and its rules say?

These are the lab's own figures; what the probe makes of them is tested elsewhere. Rates are checked within 15 %,
since the programs share this machine's processors with the lab.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from probe.lab.actions import (
    Drop,
    Freeze,
    Police,
    Reset,
    Shape,
    Unreachable,
    blockpage,
    empty_answer,
    forged_address,
    nxdomain,
    redirect,
    refused,
    servfail,
)
from probe.lab.path import HOME
from probe.lab.rules import Action, CensorRule, Direction, DnsName, Everything, HttpHost, Sni, ToAddress, named
from probe.lab.session import Lab
from probe.lab.world import small_internet

pytestmark = pytest.mark.lab

CLIENT = Path(__file__).with_name("vantage_client.py")
CHECKOUT = Path(__file__).parents[2]
DNS_CLIENT = Path(__file__).with_name("vantage_dns.py")
WEB = "198.18.10.1"  # birdnet.test
MEDIA_URL = "https://media.birdnet.test/media/1.bin?bytes={}"
RATE_TOLERANCE = 0.15
SILENCE_SECONDS = "1.0"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    world = small_internet().changed("upload.vidtube.test", answers_early=True, upload_status=403)
    with Lab(profile=HOME, world=world) as running:
        yield running


@pytest.fixture(autouse=True)
def no_rules_left(lab: Lab) -> None:
    lab.set_rules(())


def client(lab: Lab, *words: object, script: Path = CLIENT) -> Any:
    done = lab.run([sys.executable, script, *map(str, words)], timeout=30)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def rate_bps(series: list[tuple[float, int]], *, skip_bytes: int) -> float:
    """Goodput after the first bytes (slow start, or a policer's burst) and before the last tenth (a lost tail waits
    for a timer).
    """
    start_at, start_bytes = next(point for point in series if point[1] >= skip_bytes)
    end_at, end_bytes = next(point for point in series if point[1] >= 0.9 * series[-1][1])
    return (end_bytes - start_bytes) * 8 / (end_at - start_at)


def quickest(lab: Lab, address: str, ttl: int) -> Any:
    """The shortest of three connects: a busy processor can only add to a round trip."""
    return min((client(lab, "connect", address, 443, ttl, 5) for _ in range(3)), key=lambda seen: seen["seconds"])


def test_round_trip(lab: Lab) -> None:
    assert quickest(lab, WEB, 64)["seconds"] == pytest.approx(0.040, abs=0.006)
    assert quickest(lab, "198.18.11.1", 64)["seconds"] == pytest.approx(0.180, abs=0.010)


def test_full_rate_down_and_up(lab: Lab) -> None:
    series = client(lab, "fetch", MEDIA_URL.format(5_000_000), 10)["series"]
    assert series[-1][1] == 5_000_000
    assert rate_bps(series, skip_bytes=500_000) == pytest.approx(20e6, rel=RATE_TOLERANCE)
    sent = client(lab, "send", "speed.northnet.test", "/__up", 2_000_000, 10)
    assert sent["status"] == 200
    assert rate_bps(sent["series"], skip_bytes=300_000) == pytest.approx(8e6, rel=RATE_TOLERANCE)
    assert lab.stats().overrun == lab.stats().unsent == 0


def test_names_resolve_and_verify_by_the_labs_root(lab: Lab) -> None:
    code = "import socket; print(socket.getaddrinfo('birdnet.test', 443, socket.AF_INET)[0][4][0])"
    assert lab.run([sys.executable, "-c", code], timeout=10).stdout.strip() == WEB
    assert client(lab, "tls", WEB, "birdnet.test", 5) == {"error": None, "version": "TLSv1.3"}
    assert client(lab, "tls", WEB, "www.northnet.test", 5)["error"] == "CERTIFICATE_VERIFY_FAILED"
    strict = client(lab, "tls", "198.18.12.1", "www.northnet.test", 5)
    assert strict["error"] == "TLSV1_UNRECOGNIZED_NAME"


def test_upload_hosts_refuse_after_the_body_or_at_once(lab: Lab) -> None:
    patient = client(lab, "send", "upload.birdnet.test", "/upload", 100_000, 10)
    assert patient["status"] == 401
    hasty = client(lab, "refusal", "upload.vidtube.test", "/upload", 5)
    assert hasty == {"status": 403}


def test_an_encrypted_resolver_answers_post_and_get(lab: Lab) -> None:
    url = "https://dns.northnet.test/dns-query"
    for method in ("POST", "GET"):
        assert client(lab, "doh", url, "birdnet.test", method, script=DNS_CLIENT) == {"addresses": [WEB]}


def test_a_part_of_an_object(lab: Lab) -> None:
    code = (
        "import sys, urllib.request as u\nr = u.urlopen(u.Request(sys.argv[1], headers={'Range': 'bytes=100-299'}))\n"
    )
    code += "print(r.status, r.headers['Content-Range'], len(r.read()))"
    done = lab.run([sys.executable, "-c", code, MEDIA_URL.format(1000)], timeout=10)
    assert done.stdout.strip() == "206 bytes 100-299/1000 200", done.stderr


@pytest.mark.parametrize("direction", list(Direction))
def test_a_policer_by_name(lab: Lab, direction: Direction) -> None:
    police = Police(rate_bps=140e3, directions=(direction,))
    lab.set_rules([CensorRule(when=Sni(pattern=named("birdnet.test")), do=police)])
    if direction is Direction.DOWN:
        series = client(lab, "fetch", MEDIA_URL.format(1_000_000), 4)["series"]
    else:
        series = client(lab, "send", "upload.birdnet.test", "/upload", 80_000, 15)["series"]
    assert rate_bps(series, skip_bytes=20_000) == pytest.approx(140e3 * 1448 / 1500, rel=RATE_TOLERANCE)


def test_a_policer_leaves_other_names_and_directions_alone(lab: Lab) -> None:
    police = Police(rate_bps=140e3, directions=(Direction.DOWN,))
    lab.set_rules([CensorRule(when=Sni(pattern=named("birdnet.test")), do=police)])
    series = client(lab, "fetch", "https://speed.northnet.test/__down?bytes=2000000", 5)["series"]
    assert rate_bps(series, skip_bytes=300_000) > 15e6
    assert client(lab, "send", "upload.birdnet.test", "/upload", 300_000, 5)["series"][-1][0] < 1.5


def test_a_shaper_by_name(lab: Lab) -> None:
    lab.set_rules([CensorRule(when=Sni(pattern=named("birdnet.test")), do=Shape(rate_bps=600e3))])
    series = client(lab, "fetch", MEDIA_URL.format(150_000), 10)["series"]
    assert series[-1][1] == 150_000
    assert rate_bps(series, skip_bytes=20_000) == pytest.approx(600e3 * 1448 / 1500, rel=RATE_TOLERANCE)


def test_the_whole_line_policed(lab: Lab) -> None:
    lab.set_rules([CensorRule(when=Everything(), do=Police(rate_bps=400e3), shared=True)])
    series = client(lab, "fetch", "https://speed.northnet.test/__down?bytes=1000000", 3)["series"]
    assert rate_bps(series, skip_bytes=30_000) == pytest.approx(400e3 * 1448 / 1500, rel=RATE_TOLERANCE)


def test_a_frozen_download(lab: Lab) -> None:
    lab.set_rules([CensorRule(when=Sni(pattern=named("birdnet.test")), do=Freeze(after_bytes=64_000))])
    series = client(lab, "fetch", MEDIA_URL.format(300_000), 1.5)["series"]
    assert 32_000 < series[-1][1] <= 64_000


@pytest.mark.parametrize(("action", "error"), [(Reset(), "ECONNRESET"), (Drop(), "timeout")])
def test_forbidden_names(lab: Lab, action: Action, error: str) -> None:
    lab.set_rules([CensorRule(when=Sni(pattern=named("birdnet.test")), do=action)])
    assert client(lab, "tls", WEB, "birdnet.test", SILENCE_SECONDS)["error"] == error
    assert client(lab, "tls", WEB, "www.northnet.test", 5)["error"] == "CERTIFICATE_VERIFY_FAILED"
    assert client(lab, "tls", "198.18.1.1", "birdnet.test", SILENCE_SECONDS)["error"] == error


@pytest.mark.parametrize(
    ("action", "error", "router"),
    [
        (Drop(), "timeout", None),
        (Reset(), "ECONNREFUSED", None),
        (Unreachable(code=13), "EHOSTUNREACH", "198.19.255.3"),
        (Unreachable(code=1), "EHOSTUNREACH", "198.19.255.3"),
    ],
)
def test_forbidden_addresses(lab: Lab, action: Action, error: str, router: str | None) -> None:
    lab.set_rules([CensorRule(when=ToAddress(addresses=(WEB,)), do=action)])
    seen = client(lab, "connect", WEB, 443, 64, SILENCE_SECONDS)
    assert (seen["error"], seen["router"]) == (error, router)
    assert client(lab, "connect", "198.18.20.1", 443, 64, 5)["error"] is None


@pytest.mark.parametrize(
    ("action", "answers"),
    [
        (nxdomain(), [["NXDOMAIN", []]]),
        (refused(), [["REFUSED", []]]),
        (servfail(), [["SERVFAIL", []]]),
        (empty_answer(), [["NOERROR", []]]),
        (Drop(), []),
        (forged_address("127.0.0.1"), [["NOERROR", ["127.0.0.1"]]]),
        (forged_address("10.10.34.35"), [["NOERROR", ["10.10.34.35"]]]),
        (forged_address("198.18.0.80", truth_follows=True), [["NOERROR", ["198.18.0.80"]], ["NOERROR", [WEB]]]),
    ],
)
def test_forged_dns(lab: Lab, action: Action, answers: list[object]) -> None:
    lab.set_rules([CensorRule(when=DnsName(pattern=named("birdnet.test")), do=action)])
    assert client(lab, "resolve", "birdnet.test", 0.3, script=DNS_CLIENT)["answers"] == answers
    assert client(lab, "resolve", "gazette.test", 0.2, script=DNS_CLIENT)["answers"] == [["NOERROR", ["198.18.20.1"]]]


@pytest.mark.parametrize(
    ("action", "error", "start"),
    [
        (blockpage(), None, "HTTP/1.1 403 Forbidden"),
        (redirect("http://notice.isp.test/"), None, "HTTP/1.1 302 Found\r\nLocation: http://notice.isp.test/"),
        (Reset(), "ECONNRESET", ""),
        (Drop(), "timeout", ""),
    ],
)
def test_forbidden_hosts(lab: Lab, action: Action, error: str | None, start: str) -> None:
    lab.set_rules([CensorRule(when=HttpHost(pattern=named("gazette.test")), do=action)])
    seen = client(lab, "http", "198.18.20.1", "gazette.test", SILENCE_SECONDS)
    assert seen["error"] == error
    assert seen["text"].startswith(start)
    neutral = client(lab, "http", "198.18.20.1", "www.northnet.test", 5)
    assert neutral["text"].startswith("HTTP/1.1 404")


@pytest.mark.parametrize(("hop", "router"), [(1, "192.168.77.1"), (3, "198.19.255.3"), (7, "198.19.255.7")])
def test_routers_answer_an_expired_ttl(lab: Lab, hop: int, router: str) -> None:
    seen = quickest(lab, WEB, hop)
    assert (seen["error"], seen["router"]) == ("EHOSTUNREACH", router)
    assert seen["seconds"] == pytest.approx(0.040 * hop / 8, abs=0.008)


def test_programs_in_it_have_no_privileges(lab: Lab) -> None:
    status = lab.run(["cat", "/proc/self/status"], timeout=5).stdout
    assert "CapEff:\t0000000000000000" in status


def test_a_program_past_its_time_is_killed(lab: Lab) -> None:
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        lab.run(["sh", "-c", "echo begun; sleep 60"], timeout=0.3)
    assert caught.value.output == "begun\n"
    assert lab.run(["sh", "-c", "exit 7"], timeout=5).returncode == 7


def test_nothing_outlives_a_killed_owner() -> None:
    """The process that made a lab is killed with -9: its processes and files are gone soon after."""
    directory = kill_an_owner(
        "import sys; from probe.lab.session import Lab\n"
        "with Lab() as lab:\n"
        "    print(lab.directory, flush=True)\n"
        "    lab.run(['sleep', '61.25'], timeout=60)\n",
        asleep="sleep 61.25",
    )
    assert until(lambda: not any(directory in line for line in command_lines()))


def kill_an_owner(code: str, *, asleep: str) -> str:
    """Kill a process that made a lab, tells its directory, and sleeps in it: that neither sleeper nor directory outlive
    it is asserted. The directory."""
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    directory = owner.stdout.readline().strip()
    begun = until(lambda: any(line.startswith(asleep) for line in command_lines()))
    owner.kill()
    owner.wait()
    owner.stdout.close()
    assert begun
    assert until(lambda: not any(line.startswith(asleep) for line in command_lines()))
    assert until(lambda: not Path(directory).exists())
    return directory


def command_lines() -> list[str]:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue  # it has ended meanwhile
    return lines


def until(condition: Any, seconds: float = 5.0) -> bool:
    """Whether the condition comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_an_ordinary_user_can_start_it() -> None:
    start_as_an_ordinary_user(
        "from probe.lab.session import Lab\nwith Lab() as lab: print(lab.run(['id', '-u'], timeout=9).stdout)"
    )


def start_as_an_ordinary_user(code: str) -> None:
    """Run what prints the lab's user; as root, as a user without rights in a view of the files in which the interpreter
    is readable. That it works is asserted."""
    command = [sys.executable, "-c", code]
    if os.geteuid() == 0:
        readable = [sys.base_prefix, sys.prefix, str(CHECKOUT)]
        command = ["unshare", "--mount", str(CLIENT.with_name("as_nobody.sh")), *readable, "--", *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd="/", env=clean_environment())
    assert (done.stdout.strip(), done.returncode) == ("0", 0), done.stderr


def clean_environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": "/", "PYTHONPATH": str(CHECKOUT), "TMPDIR": "/tmp"}
