"""Is a VPN told on a real kernel, where policy rules and not the main table send everything into a tunnel?

In a network namespace of its own, with a tun device and an Ethernet one, as wg-quick and OpenVPN set them up.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.lab

ROOT = Path(__file__).parents[2]
LOOK = """
import asyncio, fcntl, json, os, pathlib, struct, sys
from probe.config.watch_file import LineSettings
from probe.net.line import Line
from probe.net.line.kinds import Places
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x1, 0x1000
if pathlib.Path(sys.argv[1], "class/net/tunnel0").exists():  # its program: without one, a tunnel is down
    tunnel = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tunnel, TUNSETIFF, struct.pack("16sH22x", b"tunnel0", IFF_TUN | IFF_NO_PI))
line = Line(settings=LineSettings(), places=Places(sys=pathlib.Path(sys.argv[1])), environment={})
state = asyncio.run(line.look())
print(json.dumps({"network": state.network, "vpn": state.vpn, "busy_bps": state.busy_bps}))
"""
ETHERNET = """
ip link add line0 type veth peer name far0
ip link set line0 up
ip link set far0 up
ip address add 10.9.0.1/24 dev line0
"""
DEFAULT = "ip route add default via 10.9.0.2 dev line0\n"
TUNNEL = """
ip tuntap add mode tun name tunnel0
ip link set tunnel0 up
ip address add 10.8.0.1/24 dev tunnel0
"""
WIREGUARD = """
ip route add default dev tunnel0 table 51820
ip rule add not fwmark 51820 table 51820
ip rule add table main suppress_prefixlength 0
"""
HALVES = """
ip route add 0.0.0.0/1 dev tunnel0
ip route add 128.0.0.0/1 dev tunnel0
"""


def seen(commands: str, directory: Path) -> dict[str, object]:
    """What `look` says after these commands in a new namespace, whose /sys lies in `directory`."""
    script = f"set -e\nmount -t sysfs none {directory}\n{commands}\nexec {sys.executable} -c '{LOOK}' {directory}\n"
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--net", "--mount", "sh", "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_without_a_route_there_is_no_network(tmp_path: Path) -> None:
    assert seen(ETHERNET, tmp_path)["network"] is False


def test_a_default_route_by_ethernet_is_the_line(tmp_path: Path) -> None:
    state = seen(ETHERNET + DEFAULT, tmp_path)
    assert (state["network"], state["vpn"]) == (True, False)
    assert isinstance(state["busy_bps"], float)


@pytest.mark.parametrize("rules", [WIREGUARD, HALVES], ids=["as wg-quick does", "as OpenVPN does"])
def test_a_tunnel_that_takes_everything_is_a_vpn(tmp_path: Path, rules: str) -> None:
    assert seen(ETHERNET + DEFAULT + TUNNEL + rules, tmp_path)["vpn"] is True


def test_a_tunnel_to_one_network_is_none(tmp_path: Path) -> None:
    assert seen(ETHERNET + DEFAULT + TUNNEL, tmp_path)["vpn"] is False
