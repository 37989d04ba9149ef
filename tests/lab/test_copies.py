"""Is a lab made of copies of one process what a lab of new interpreters is: as private, as powerless, as mortal?

The tests' own process has threads at times, so that a process of one thread makes the labs.
"""

import json
import subprocess
import sys

import pytest

from tests.lab.test_path import kill_an_owner, start_as_an_ordinary_user

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]

START = """
import json, os, runpy, subprocess, sys
from pathlib import Path
from probe.lab import copies
from probe.lab.namespaces import OWN_COMMAND
from probe.lab.session import Lab
copies.import_all()
"""
INSIDE = """
def tell(name, **how):
    status = Path("/proc/self/status").read_text().splitlines()
    devices = Path("/proc/self/net/dev").read_text().splitlines()[2:]
    print(json.dumps({
        "argv": sys.argv,
        "environment": sorted(os.environ),
        "home": os.environ["HOME"],
        "descriptors": sorted(os.listdir("/proc/self/fd")),
        "status": dict(line.split(":\\t") for line in status if ":\\t" in line),
        "interfaces": sorted(line.split(":")[0].strip() for line in devices),
        "resolver": Path("/etc/resolv.conf").read_text(),
        "input": sys.stdin.read(),
        "group": os.getpgid(0) == os.getpid(),
    }))
    sys.exit(3)
runpy.run_module = tell
with Lab(copies=True) as lab:
    done = lab.run([*OWN_COMMAND, "a", "b"], timeout=30, env={"EXTRA": "1"})
    print(json.dumps({"code": done.returncode, "errors": done.stderr, "told": json.loads(done.stdout)}))
"""


def started(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", START + code], capture_output=True, text=True, timeout=60)


def test_the_command_in_it_has_no_privileges_and_nothing_of_its_maker() -> None:
    done = started(INSIDE)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    told = seen["told"]
    assert (seen["code"], seen["errors"]) == (3, "")
    assert told["argv"][1:] == ["a", "b"]
    assert {told["status"][name] for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")} == {"0" * 16}
    assert told["interfaces"] == ["eth0", "lo"]
    assert told["resolver"].startswith("nameserver 198.18.")
    assert told["descriptors"] == ["0", "1", "2", "3"], "the last is the listing's own"
    assert told["input"] == ""
    assert told["group"] is True
    assert "EXTRA" in told["environment"]
    assert told["home"].endswith("/home")


def test_its_command_is_the_command() -> None:
    """Its output, its exit codes, an end by force; and the maker has what it had."""
    code = """
descriptors = lambda: len(os.listdir("/proc/self/fd"))
before = descriptors()
with Lab(copies=True) as lab:
    shown = lab.run([*OWN_COMMAND, "--help"], timeout=30)
    wrong = lab.run([*OWN_COMMAND, "run", "--format", "no-such-format"], timeout=30)
    missing = lab.run([*OWN_COMMAND, "no-such-command"], timeout=30)
    try:
        lab.run([*OWN_COMMAND, "run", "--yes", "--no-store", "--targets", str(lab.targets_path)], timeout=1)
        late = False
    except subprocess.TimeoutExpired:
        late = True
print(json.dumps([shown.stdout, shown.returncode, wrong.returncode, missing.returncode, missing.stderr, late,
    lab.directory.exists(), descriptors() - before]))
"""
    done = started(code)
    assert done.returncode == 0, done.stderr
    shown, code_shown, wrong, missing, errors, late, left, more_descriptors = json.loads(done.stdout)
    ordinary = subprocess.run([sys.executable, "-m", "probe", "--help"], capture_output=True, text=True, timeout=30)
    assert "Is this platform reachable" in shown
    assert shown.split() == ordinary.stdout.split()
    assert (code_shown, wrong, missing) == (0, 2, 2)
    assert "no-such-command" in errors
    assert late is True
    assert (left, more_descriptors) == (False, 0)


def test_nothing_outlives_a_killed_owner() -> None:
    code = """
with Lab(copies=True) as lab:
    print(lab.directory, flush=True)
    lab.run(["sleep", "62.75"], timeout=60)
"""
    kill_an_owner(START + code, asleep="sleep 62.75")


def test_an_ordinary_user_can_start_it() -> None:
    start_as_an_ordinary_user(START + "with Lab(copies=True) as lab: print(lab.run(['id', '-u'], timeout=9).stdout)")


def test_a_process_of_several_threads_makes_none() -> None:
    code = """
import threading
stop = threading.Event()
threading.Thread(target=stop.wait).start()
try:
    with Lab(copies=True):
        pass
except RuntimeError as error:
    print(error)
finally:
    stop.set()
"""
    done = started(code)
    assert done.stdout == "a process of several threads cannot be copied\n", done.stderr
