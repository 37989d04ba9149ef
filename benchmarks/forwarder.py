"""How fast does the lab's forwarder carry one TCP flow, and how much of a processor does that take?

A download between two network namespaces: over a plain veth pair, and through the forwarder on lines of several
rates, the last much faster than it is; with no censor, and with one that has looked at the flow and polices it at a
rate that it does not reach. The forwarder has one processor, both ends of the flow share the other. No TLS, no
servers of the lab: the path alone.

    python -m benchmarks.forwarder [--seconds 6]
"""

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import time

from probe.lab.actions import Police
from probe.lab.censor import Censor
from probe.lab.forwarder import Forwarder, Port
from probe.lab.host import REALTIME_PRIORITY
from probe.lab.line import Line
from probe.lab.namespaces import INNER_MAC, INNER_NAME, connect_namespaces, mac_bytes, offloads_off
from probe.lab.path import PathProfile
from probe.lab.rules import CensorRule, Everything

SERVER, CLIENT, PORT = "198.18.10.1", "192.168.77.2", 9000
PLAIN_BPS = 0.0
UNBOUNDED_BPS = 10e9
RATES_BPS = (PLAIN_BPS, 20e6, 80e6, 100e6, 150e6, UNBOUNDED_BPS)
RTT_SECONDS = 0.016
CHUNK_BYTES = 256 * 1024
FORWARDER_CPU, ENDS_CPU = 0, 1

Child = subprocess.Popen[str]


def serve() -> None:
    """Send to whoever connects until it goes."""
    with socket.create_server((SERVER, PORT)) as listener:
        say("ready")
        connection, _ = listener.accept()
        chunk = random.Random(1).randbytes(CHUNK_BYTES)
        try:
            while True:
                connection.sendall(chunk)
        except OSError:
            return


def fetch(seconds: float) -> None:
    """Say the goodput of the later two thirds of the time, when the flow has found its rate."""
    say("ready")
    sys.stdin.readline()
    with socket.create_connection((SERVER, PORT), timeout=seconds) as connection:
        now = began = time.monotonic()
        received_bytes, counted_bytes, counted_at = 0, 0, now
        while now < began + seconds:
            received_bytes += len(connection.recv(CHUNK_BYTES))
            now = time.monotonic()
            if now < began + seconds / 3:
                counted_bytes, counted_at = received_bytes, now
    say(str((received_bytes - counted_bytes) * 8 / (now - counted_at)))


def end(role: str, seconds: float) -> None:
    """One of the two namespaces; its interface is there when the standard input says so."""
    os.sched_setaffinity(0, {ENDS_CPU})
    say("born")
    sys.stdin.readline()
    address = SERVER if role == "serve" else CLIENT
    for words in (
        "link set dev lo up",
        f"link set dev {INNER_NAME} addrgenmode none arp off",
        f"address add {address}/32 dev {INNER_NAME}",
        f"link set dev {INNER_NAME} up",
        f"route add default dev {INNER_NAME} congctl cubic",
    ):
        subprocess.run(["ip", *words.split()], check=True)
    offloads_off(INNER_NAME)
    if role == "serve":
        serve()
    else:
        fetch(seconds)


def say(word: str) -> None:
    print(word, flush=True)


def hear(child: Child) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def tell(child: Child) -> None:
    assert child.stdin is not None
    child.stdin.write("go\n")
    child.stdin.flush()


def measure(rate_bps: float, seconds: float, *, censored: bool) -> dict[str, float]:
    """In a namespace of its own: both ends, joined by the forwarder or directly."""
    client, server = (
        subprocess.Popen(
            [
                "unshare",
                "--net",
                sys.executable,
                "-m",
                "benchmarks.forwarder",
                "--role",
                role,
                "--seconds",
                str(seconds),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for role in ("fetch", "serve")
    )
    try:
        for child in (client, server):
            hear(child)
        if rate_bps == PLAIN_BPS:
            peer = f"peer name {INNER_NAME} address {INNER_MAC['servers']} netns {server.pid}"
            pair = f"link add name {INNER_NAME} address {INNER_MAC['servers']} netns {client.pid} type veth {peer}"
            subprocess.run(["ip", *pair.split()], check=True)
        else:
            connect_namespaces(vantage_pid=client.pid, servers_pid=server.pid)
        for child in (client, server):
            tell(child)
            hear(child)
        if rate_bps == PLAIN_BPS:
            tell(client)
            return {"goodput_bps": float(hear(client))}
        return carry(rate_bps, client, censored=censored)
    finally:
        for child in (client, server):
            child.kill()
            child.communicate()


def carry(rate_bps: float, client: Child, *, censored: bool) -> dict[str, float]:
    """Carry the client's packets until it has said its goodput."""
    os.sched_setaffinity(0, {FORWARDER_CPU})
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(REALTIME_PRIORITY))  # as the lab's host does
    police = CensorRule(when=Everything(), do=Police(rate_bps=UNBOUNDED_BPS, burst_bytes=10**9))
    profile = PathProfile(name="measured", down_bps=rate_bps, up_bps=rate_bps, rtt_seconds=RTT_SECONDS)
    line = Line(
        profile,
        distances={SERVER: 0.0},
        censor=Censor((police,) if censored else (), router_address=profile.router_address(3)),
        rng=random.Random(1),
    )
    vantage = Port("vantage", peer_mac=mac_bytes(INNER_MAC["vantage"]))
    servers = Port("servers", peer_mac=mac_bytes(INNER_MAC["servers"]))
    forwarder = Forwarder(line, vantage=vantage, servers=servers)
    tell(client)
    assert client.stdout is not None
    cpu_before, began = time.process_time(), time.monotonic()
    forwarder.run({client.stdout: lambda: False})  # type: ignore[dict-item]
    cpu_share = (time.process_time() - cpu_before) / (time.monotonic() - began)
    stats = forwarder.stats()
    return {
        "goodput_bps": float(hear(client)),
        "cpu_share": cpu_share,
        "packets": stats.packets,
        "late": stats.late,
        "worst_lateness_seconds": stats.worst_lateness_seconds,
        "overrun": stats.overrun,
    }


def report(seconds: float) -> None:
    """One row for each rate, each measured in namespaces that vanish with it."""
    print("line Mbit/s | censor | goodput Mbit/s | CPU % | packets | late | worst ms | overrun")
    for rate_bps in RATES_BPS:
        for censored in (False, True) if rate_bps else (False,):
            words = ["--role", "middle", "--rate", str(rate_bps), "--seconds", str(seconds)]
            command = [sys.executable, "-m", "benchmarks.forwarder", *words, *(["--censored"] if censored else [])]
            apart = ["unshare", "--net", "--pid", "--fork", "--kill-child=KILL", *command]
            found = json.loads(subprocess.run(apart, check=True, capture_output=True, text=True).stdout)
            name = "plain veth" if not rate_bps else f"{rate_bps / 1e6:.0f}"
            row = [name, "yes" if censored else "no", f"{found['goodput_bps'] / 1e6:.1f}"]
            if rate_bps:
                row += [f"{found['cpu_share'] * 100:.0f}", found["packets"], found["late"]]
                row += [f"{found['worst_lateness_seconds'] * 1e3:.1f}", found["overrun"]]
            print(*row, sep=" | ", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--role", choices=("report", "middle", "serve", "fetch"), default="report")
    parser.add_argument("--rate", type=float, default=20e6)
    parser.add_argument("--censored", action="store_true")
    words = parser.parse_args()
    if words.role == "report":
        report(words.seconds)
    elif words.role == "middle":
        print(json.dumps(measure(words.rate, words.seconds, censored=words.censored)))
    else:
        end(words.role, words.seconds)


if __name__ == "__main__":
    main()
