"""Run at the vantage point by test_watch_service.py: does to `watch` what a script says, and tells what happened.

`python vantage_watch.py COMMANDS.json`: a list of commands as `[name, argument…]`; prints one JSON object.
"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

NUMBERS = {"TERM": signal.SIGTERM, "INT": signal.SIGINT, "HUP": signal.SIGHUP, "KILL": signal.SIGKILL}
POLL_SECONDS = 0.1
PATIENCE_SECONDS = 60.0


class Stage:
    """One `watch` after the other, their logs in one file."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.told: dict[str, Any] = {}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "probe", "watch", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def until(self, text: str, seconds: float, times: int = 1) -> None:
        """Wait until the log says it so many times."""
        end = time.monotonic() + seconds
        while self.log.read_text().count(text) < times:
            if time.monotonic() > end or (self.process is not None and self.process.poll() is not None):
                raise SystemExit(f"the log does not say {text!r}: {self.log.read_text()[-4000:]}")
            time.sleep(POLL_SECONDS)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def write(self, path: str, text: str) -> None:
        Path(path).write_text(text)

    def send(self, name: str) -> None:
        assert self.process is not None
        self.process.send_signal(NUMBERS[name])

    def end(self, key: str, name: str) -> None:
        """Send a signal; tell the exit code, how long it took, peak resident bytes and seconds of processor."""
        process, began = self.process, time.monotonic()
        assert process is not None
        self.send(name)
        waited, status, usage = os.wait4(process.pid, os.WNOHANG)
        while not waited:
            if time.monotonic() - began > PATIENCE_SECONDS:
                raise SystemExit(f"watch does not end: {self.log.read_text()[-4000:]}")
            time.sleep(POLL_SECONDS)
            waited, status, usage = os.wait4(process.pid, os.WNOHANG)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        self.told[key] = [process.returncode, seconds, usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime]
        self.process = None

    def ended(self, key: str, seconds: float) -> None:
        """Wait for its own end."""
        assert self.process is not None
        self.told[key] = self.process.wait(timeout=seconds)
        self.process = None

    def get(self, key: str, url: str, method: str = "GET") -> None:
        request = urllib.request.Request(url, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                self.told[key] = [response.status, response.read().decode()]
        except urllib.error.HTTPError as error:
            self.told[key] = [error.code, error.read().decode()]
        except urllib.error.URLError as error:
            self.told[key] = [0, str(error)]

    def run(self, key: str, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "probe", *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        self.told[key] = [done.returncode, done.stdout, done.stderr]


def main() -> None:
    commands = json.loads(Path(sys.argv[1]).read_text())
    stage = Stage(Path(sys.argv[2]))
    stage.log.touch()
    try:
        for name, *arguments in commands:
            getattr(stage, name)(*arguments)
    finally:
        if stage.process is not None:
            stage.process.kill()
            stage.process.wait()
    print(json.dumps(stage.told))


if __name__ == "__main__":
    main()
