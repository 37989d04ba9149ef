"""What do a real Prometheus and a real Alertmanager make of `watch` at the lab's vantage point? Run there; prints JSON.

`python -m tests.lab.vantage_prometheus DIRECTORY`: in the directory are the shipped configuration files, with their
times scaled. The censor is the test's: this program says in files how far it is (`clear`, `fired`), and the test
changes the rules. Everything talks over the loopback of this namespace.
"""

import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from tests.loopback.real_servers import Server, alertmanager, prometheus

WATCH_URL = "http://127.0.0.1:9850"
WEBHOOK_PORT = 9099  # as in deploy/prometheus/alertmanager.yml
ALERT = "ThrottleprobeThrottled"
NETWORK_ALERT = "ThrottleprobeInterferenceInNetwork"
STATE_SECONDS = 150.0  # hard end of each wait: a run takes 10 s on an idle machine, four times that on a busy one
END_SECONDS = 30.0
POLL_SECONDS = 0.2
WATCHDOG_USEC = (
    30_000_000  # a sign of life every 15 s: few enough for the socket's buffer, which nobody reads meanwhile
)
INSTANCES = ("scraped-1", "pushed-1")  # the same vantage point, seen in both ways
RECEIVER = "http://127.0.0.1:9/"  # in watch.yaml until Prometheus has its port
BY_STATE = "instance_target_state:throttleprobe_last_run_timestamp_seconds:vantage"


class Webhook(http.server.BaseHTTPRequestHandler):
    """Where Alertmanager delivers; keeps the status and labels of each alert told of."""

    told: list[dict[str, Any]] = []  # noqa: RUF012 - of the one server there is

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.told.extend(
            {"status": alert["status"], "labels": alert["labels"], "annotations": alert["annotations"]}
            for alert in message["alerts"]
        )
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: standard output is the answer's."""


def wait_for(what: str, holds: Callable[[], bool], watch: "subprocess.Popen[bytes]") -> None:
    """Raises SystemExit when it does not come, or `watch` has ended."""
    deadline = time.monotonic() + STATE_SECONDS
    while not holds():
        if watch.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{what} did not come; watch: {watch.poll()}")
        time.sleep(POLL_SECONDS)


def query(server: Server, expression: str) -> list[dict[str, Any]]:
    """The result of an instant query. Raises urllib.error.HTTPError where Prometheus refuses the expression."""
    answer = server.get_json("/api/v1/query", query=expression)
    assert answer["status"] == "success", answer
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found


def held(server: Server) -> list[dict[str, Any]]:
    """The alerts that Alertmanager holds, inhibited ones too."""
    alerts: list[dict[str, Any]] = server.get_json("/api/v2/alerts")
    return [{key: alert[key] for key in ("labels", "annotations", "status")} for alert in alerts]


def settled(server: Server) -> bool:
    """Whether both ways are alerted of, and the network that they make up."""
    alerts = held(server)
    names = sorted(alert["labels"]["alertname"] for alert in alerts)
    inhibited = [alert for alert in alerts if alert["status"]["inhibitedBy"]]
    return names == [NETWORK_ALERT, *[ALERT] * len(INSTANCES)] and len(inhibited) == len(INSTANCES)


def told(status: str) -> bool:
    """Whether Alertmanager has told this of the network."""
    return (status, NETWORK_ALERT) in [(alert["status"], alert["labels"]["alertname"]) for alert in Webhook.told]


def distinct(server: Server, state: str, instance: str) -> int:
    """How many runs Prometheus has seen with this verdict."""
    found = query(server, f'{BY_STATE}{{state="{state}", instance="{instance}"}}[1h]')
    return len({value for series in found for _, value in series["values"]})


def panels(server: Server, expressions: dict[str, str]) -> dict[str, int | str]:
    """For each panel's expression how many series it gives, or why it cannot be evaluated."""
    found: dict[str, int | str] = {}
    for name, expression in expressions.items():
        try:
            found[name] = len(query(server, expression))
        except OSError as error:
            found[name] = f"{error}: {expression}"
    return found


def listen(channel: socket.socket, told: list[str]) -> None:
    """Keep what the service manager is told, in order, until nothing came for long."""
    channel.settimeout(STATE_SECONDS)
    with suppress(OSError):
        while True:
            told.append(channel.recv(4096).decode())


def watching(directory: Path, receiver: Server, exits: ExitStack) -> "subprocess.Popen[bytes]":
    """`watch`, confined as the system service is, scraped and pushing at once."""
    settings = directory / "watch.yaml"
    settings.write_text(settings.read_text().replace(RECEIVER, f"{receiver.url}/api/v1/write"))
    log = exits.enter_context((directory / "watch.log").open("wb"))
    command = [sys.executable, "-m", "tests.sandbox", "deploy/systemd/throttleprobe-watch.service", "--"]
    command += [sys.executable, "-m", "probe", "watch", "--yes", "--config", str(settings)]
    environment = {**os.environ, "NOTIFY_SOCKET": str(directory / "notify"), "WATCHDOG_USEC": str(WATCHDOG_USEC)}
    watch = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
    exits.callback(watch.kill)
    return watch


def measured(directory: Path, exits: ExitStack) -> dict[str, Any]:
    """Clear, censored, clear again: what was seen at each."""
    manager_socket = exits.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    manager_socket.bind(str(directory / "notify"))
    notified: list[str] = []
    threading.Thread(target=listen, args=(manager_socket, notified), daemon=True).start()
    webhook = http.server.ThreadingHTTPServer(("127.0.0.1", WEBHOOK_PORT), Webhook)
    threading.Thread(target=webhook.serve_forever, daemon=True).start()
    manager = exits.enter_context(
        alertmanager(directory / "alertmanager", (directory / "alertmanager.yml").read_text())
    )
    config = (directory / "prometheus.yml").read_text().replace("127.0.0.1:9093", manager.address)
    rules = {path.name: path.read_text() for path in directory.glob("throttleprobe.*.yml")}
    server = exits.enter_context(prometheus(directory / "prometheus", config, files=rules))
    watch = watching(directory, server, exits)

    # An onset is a change from what two runs found.
    wait_for("two ok runs", lambda: all(distinct(server, "ok", name) >= 2 for name in INSTANCES), watch)
    before = held(manager)
    (directory / "clear").touch()
    wait_for("the alerts", lambda: settled(manager), watch)
    throttled_runs = {name: distinct(server, "throttled", name) for name in INSTANCES}
    wait_for("their notification", lambda: told("firing"), watch)
    alerts = held(manager)
    shown = panels(server, json.loads((directory / "panels.json").read_text()))
    (directory / "fired").touch()
    wait_for("their end", lambda: not held(manager), watch)
    wait_for("its notification", lambda: told("resolved"), watch)
    answer: dict[str, Any] = {"before": before, "throttled_runs": throttled_runs, "held": alerts, "panels": shown}
    answer["told"] = Webhook.told
    answer |= asked(server)
    watch.terminate()
    answer["ended"] = watch.wait(END_SECONDS)
    answer["notified"] = notified
    return answer


def asked(server: Server) -> dict[str, Any]:
    """What Prometheus has kept of it all, and what `watch` shows at the end."""
    return {
        "accused": query(server, f'{BY_STATE}{{state="throttled"}}[1h]'),
        "alerts": query(server, f'ALERTS{{alertname="{ALERT}", alertstate="firing"}}[1h]'),
        "other_alerts": query(
            server, f'ALERTS{{alertname!="{ALERT}", alertname!="{NETWORK_ALERT}", alertstate="firing"}}[1h]'
        ),
        "up": query(server, "max_over_time(up[1h])"),
        "probes": query(server, "last_over_time(probe_success[1h])"),  # one beside a transfer may fail
        "scrapes": server.get_json("/api/v1/targets")["data"]["activeTargets"],
        "rules": server.get_json("/api/v1/rules")["data"]["groups"],
        "metrics": _Watch().get("/metrics").decode(),
    }


class _Watch(Server):
    """`watch` as something to ask."""

    def __init__(self) -> None:
        super().__init__(argv=(), ready_path="", directory=Path(), port=9850)


if __name__ == "__main__":
    with ExitStack() as stack:
        result = measured(Path(sys.argv[1]), stack)
    print(json.dumps(result))
