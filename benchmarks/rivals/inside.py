"""What do curl and blackbox_exporter say of these URLs? Runs at the lab's vantage point; prints one JSON object.

Arguments: the target's URL, a control's URL. curl fetches both once; blackbox_exporter probes the target's as its
documentation's `http_2xx` does.
"""

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from urllib.parse import quote

CURL_SECONDS = 15  # of each download, as the probe's own longest
EXPORTER = "prometheus-blackbox-exporter"
EXPORTER_ADDRESS = "127.0.0.1:9115"
START_SECONDS = 5.0
MODULES = "modules: {http_2xx: {prober: http, timeout: 9.5s, http: {preferred_ip_protocol: ip4}}}\n"


def curl(url: str) -> dict[str, float]:
    """Bytes, seconds and bit/s of one download."""
    words = ["curl", "--silent", "--output", "/dev/null", "--max-time", str(CURL_SECONDS)]
    done = subprocess.run(
        [*words, "--write-out", "%{size_download} %{time_total} %{speed_download} %{exitcode}", url],
        capture_output=True,
        text=True,
        check=False,
    )
    size, seconds, speed, code = map(float, done.stdout.split())
    return {"bytes": size, "seconds": seconds, "bps": 8 * speed, "code": code}


def blackbox(url: str) -> dict[str, float]:
    """probe_success and the seconds that the probe took."""
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory) / "blackbox.yml"
        config.write_text(MODULES)
        words = [EXPORTER, f"--config.file={config}", f"--web.listen-address={EXPORTER_ADDRESS}"]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as exporter:
            try:
                _await_exporter()
                began = time.monotonic()
                text = _get(f"/probe?module=http_2xx&target={quote(url, safe='')}")
                seconds = time.monotonic() - began
            finally:
                exporter.terminate()
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#"]
    found = {name: float(value) for name, value in lines}
    size_bytes = found.get("probe_http_uncompressed_body_length", 0.0)
    return {"success": found["probe_success"], "seconds": seconds, "bytes": size_bytes}


def _get(path: str) -> str:
    with urllib.request.urlopen(f"http://{EXPORTER_ADDRESS}{path}", timeout=20) as answer:
        return str(answer.read(), "utf-8")


def _await_exporter() -> None:
    ends = time.monotonic() + START_SECONDS
    while True:
        try:
            _get("/-/healthy")
            return
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    target, control = sys.argv[1:]
    print(json.dumps({"target": curl(target), "control": curl(control), "blackbox": blackbox(target)}))
