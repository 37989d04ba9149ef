"""Run at the vantage point by test_watch_push.py: `watch` measures while its receiver is away, and when it is back.

`python vantage_push.py DIRECTORY ARGUMENT…` (of `watch`); the receiver's address replaces `{url}` in DIRECTORY's
watch.yaml. Prints one JSON object: what a real Prometheus holds after each run, and the log.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.loopback.real_servers import Server, prometheus

MAX_GAP_SECONDS = 3.0  # of the test's schedule: then the next run is due


def held(server: Server) -> list[Any]:
    """Every sample of the verdicts, as Prometheus gives raw ones."""
    found: list[Any] = server.get_json("/api/v1/query", query="throttleprobe_verdict[1d]")["data"]["result"]
    return found


def main() -> None:
    directory, *arguments = sys.argv[1:]
    config, log = Path(directory, "watch.yaml"), Path(directory, "log")
    told: dict[str, Any] = {}
    with prometheus(Path(directory, "prometheus")) as server, log.open("wb") as output:
        config.write_text(config.read_text().replace("{url}", f"{server.url}/api/v1/write"))
        command = [sys.executable, "-m", "probe", "watch", "--once", "--yes", "--listen", "off", *arguments]
        server.stop()
        told["codes"] = [subprocess.run(command, stdout=output, stderr=output, check=False).returncode]
        server.start()
        told["before"] = held(server)
        time.sleep(MAX_GAP_SECONDS)
        told["codes"] += [subprocess.run(command, stdout=output, stderr=output, check=False).returncode]
        told["after"] = held(server)
    told["log"] = log.read_text()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
