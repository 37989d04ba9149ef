"""Does systemd take the units, find little to attack in them, and leave the program what it needs?"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sandbox import allowed_calls, directives, groups

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "deploy" / "systemd"
UNIT = UNITS / "throttleprobe-watch.service"
DROP_INS = UNITS / "throttleprobe-watch.service.d"
PROGRAM = "/usr/local/bin/throttleprobe"
MOST_EXPOSURE = 2.0  # of 10, as `systemd-analyze security` counts; Debian's blackbox_exporter has 9.2

VARIANTS = {"plain": (), "raw": ("raw.conf",), "push": ("push.conf",), "both": ("raw.conf", "push.conf")}

Installed = Callable[..., Path]


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    """The unit as an administrator would install it, with a program that exists on this machine."""

    def install(*drop_ins: str) -> Path:
        unit = tmp_path / UNIT.name
        unit.write_text(UNIT.read_text().replace(PROGRAM, "/bin/true"))
        (tmp_path / DROP_INS.name).mkdir()
        for name in drop_ins:
            (tmp_path / DROP_INS.name / name).write_text((DROP_INS / name).read_text())
        return unit

    return install


def analyze(unit: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", *arguments, str(unit)]
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{unit.parent}:", "NO_COLOR": "1", "LANG": "C.UTF-8"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize("variant", VARIANTS)
def test_systemd_finds_nothing_wrong(variant: str, installed: Installed) -> None:
    done = analyze(installed(*VARIANTS[variant]), "verify", "--man=no", "--recursive-errors=no")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("variant", VARIANTS)
def test_little_is_exposed(variant: str, installed: Installed) -> None:
    done = analyze(installed(*VARIANTS[variant]), "security", "--offline=true", "--no-pager")
    overall = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    assert overall, done.stdout + done.stderr
    assert float(overall[1]) <= MOST_EXPOSURE
    capabilities_left = [line for line in done.stdout.splitlines() if line.startswith("✗ CapabilityBoundingSet")]
    assert len(capabilities_left) == (1 if "raw.conf" in VARIANTS[variant] else 0)


def test_a_mistake_in_a_unit_would_be_seen(installed: Installed) -> None:
    unit = installed()
    unit.write_text(unit.read_text().replace("ProtectHome=yes", "ProtectHome=perhaps"))
    assert analyze(unit, "verify", "--man=no").stderr


def test_raw_packets_cost_one_capability() -> None:
    assert directives(DROP_INS / "raw.conf") == {
        "CapabilityBoundingSet": ["CAP_NET_RAW"],
        "AmbientCapabilities": ["CAP_NET_RAW"],
        "PrivateUsers": ["no"],
        "RestrictAddressFamilies": ["AF_PACKET"],
    }
    plain = directives(UNIT)
    assert plain["CapabilityBoundingSet"] == plain["AmbientCapabilities"] == []


def test_the_service_ends_reloads_and_restarts_as_it_promises() -> None:
    unit = directives(UNIT)
    assert unit["Type"] == ["notify"]
    assert unit["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert int(unit["TimeoutStopSec"][0]) > 5  # the program ends within 5 s by itself
    assert unit["RestartPreventExitStatus"] == ["2"]
    assert not {"User", "CPUQuota"} & unit.keys()
    assert unit["ExecStart"] == [f"{PROGRAM} watch --yes --log-format logfmt"]


def test_no_secret_stands_in_a_unit() -> None:
    texts = [path.read_text() for path in (UNIT, *DROP_INS.iterdir())]
    assert not [text for text in texts if re.search(r"SetCredential|password=|token=", text)]


def test_groups_of_system_calls_are_read_as_systemd_means_them() -> None:
    known = groups("@default\n    # always\n    read\n\n@a\n    @b\n    write\n\n@b\n    chroot\n")
    assert allowed_calls(["@a", "~@b"], known) == {"read", "write"}


CONFINED = """
import socket, ssl, sqlite3, subprocess, sys, tempfile, threading
import aiohttp, cramjam, cryptography.x509, dns.resolver, matplotlib.figure, prometheus_client, structlog, trustme
import probe.cli

with sqlite3.connect(tempfile.mkdtemp() + "/store.sqlite3") as store:
    assert store.execute("pragma journal_mode=wal").fetchone() == ("wal",)
    store.execute("create table t (x)")
authority = trustme.CA()
server_side, client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
authority.issue_cert("a.test").configure_cert(server_side)
authority.configure_trust(client_side)
near, far = socket.socketpair()
def serve():
    with server_side.wrap_socket(far, server_side=True) as served:
        served.sendall(served.recv(2))
thread = threading.Thread(target=serve)
thread.start()
with client_side.wrap_socket(near, server_hostname="a.test") as secure:
    secure.sendall(b"ok")
    assert secure.recv(2) == b"ok"
thread.join()
cramjam.snappy.compress_raw(b"ok")
assert socket.getaddrinfo("localhost", 80)
assert subprocess.run(["ip", "-json", "link"], capture_output=True).returncode == 0
for family in (socket.AF_PACKET, 31):  # 31: Bluetooth
    try:
        socket.socket(family, socket.SOCK_RAW)
    except OSError:
        continue
    sys.exit("a socket of a family that the unit does not allow")
"""


def test_the_program_bears_what_the_unit_refuses() -> None:
    """System call filter, address families and W^X, put on by the kernel as systemd would."""
    command = [sys.executable, "-m", "tests.sandbox", str(UNIT), "--", sys.executable, "-W", "error", "-c", CONFINED]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (0, "")
