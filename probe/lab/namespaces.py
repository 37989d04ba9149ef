"""How are the lab's processes kept apart from this machine and from one another, and how do they end?

Builds the tree of namespaces: `unshare` starts the lab's host process as init of a new PID namespace, in a new
network namespace (the middle one) and, for ordinary users, a new user namespace; the host starts the servers and the
vantage point in network namespaces of their own and joins them by veth pairs. The kernel kills everything in a PID
namespace with its init, so nothing outlives the host, and the host ends when its control socket does, whatever
happened to the process that started the lab. Names exist only inside the namespaces: labs can run side by side.

What the processes do there is in `probe.lab.host`, `probe.lab.servers` and `probe.lab.launcher`.
"""

import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from probe.lab.path import HOME_ROUTER_ADDRESS, HOME_ROUTER_ADDRESS6, VANTAGE_ADDRESS, VANTAGE_ADDRESS6

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
MS_BIND = 0x1000
PR_CAPBSET_DROP = 24
CAPABILITY_VERSION = 0x20080522  # linux/capability.h, the third
CAPABILITY_BYTES = 24  # its three sets, empty, in two halves
SIOCETHTOOL = 0x8946
ETHTOOL_OFF = (
    0x15,
    0x17,
    0x19,
    0x1F,
    0x21,
    0x24,
    0x2C,
)  # rx and tx checksums, scatter-gather, TSO, UFO, GSO, GRO (linux/ethtool.h)
INNER_NAME = "eth0"  # the end of a veth pair inside the vantage point's or the servers' namespace
INNER_MAC = {"vantage": "02:00:00:00:01:02", "servers": "02:00:00:00:02:02"}
MIDDLE_MAC = {"vantage": "02:00:00:00:01:01", "servers": "02:00:00:00:02:01"}
HOME_CONGESTION_CONTROL = "cubic"
# RFC 2544 sets 198.18.0.0/15 aside for tests of network devices. Its upper half is the routers', which must not be
# local here: a packet from a local address that comes in from outside is thrown away, an ICMP error too.
SERVER_NET = "198.18.0.0/16"
HOME_NET = "192.168.78.0/24"  # where a resolver with a private address may live
SERVERS_OWN_ADDRESS = "198.19.254.1"
SERVER_NET6 = "2001:2:0:8000::/49"  # of the prefix that RFC 5180 sets aside for such tests
SERVERS_OWN_ADDRESS6 = "2001:2:0:fe::1"

HOST_MODULE = "probe.lab.host"
OWN_COMMAND = (sys.executable, "-m", "probe")  # `throttleprobe`, as the lab starts it

_libc = ctypes.CDLL(None, use_errno=True)


class LabError(RuntimeError):
    """The lab cannot start, and what is missing."""


def start_host(
    arguments: Sequence[str], *, log: BinaryIO, keep: Sequence[int], as_user: bool
) -> subprocess.Popen[bytes]:
    """Start the lab's host, which writes to `log` and has the descriptors `keep`. `as_user`: with a user namespace, as
    ordinary users need it.

    Ctrl-C is for the program that runs in the lab, not for the lab: the shell's `trap` makes all of it ignore the
    signal.
    """
    user = ["--user", "--map-root-user"] if as_user else []
    unshare_words = ["unshare", *user, "--net", "--mount", "--ipc", "--pid", "--fork", "--kill-child=KILL"]
    return subprocess.Popen(
        ["sh", "-c", 'trap "" INT; exec "$@"', "lab", *unshare_words, *python_command(HOST_MODULE, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=python_environment(),
        pass_fds=keep,
    )


def python_command(module: str, arguments: Sequence[str]) -> list[str]:
    """This interpreter running one of our modules; the working directory cannot shadow it."""
    return [sys.executable, "-P", "-m", module, *arguments]


def python_environment() -> dict[str, str]:
    """The environment for `python_command`: the same copy of this package that is running now."""
    package_root = str(Path(__file__).resolve().parents[2])
    inherited = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{package_root}:{inherited}" if inherited else package_root}


def start_apart(command: Sequence[str], *, pass_fds: Sequence[int], own_files: bool) -> subprocess.Popen[bytes]:
    """Start a process in a network namespace of its own (and, with `own_files`, a mount namespace); it exists on
    return.
    """
    flags = CLONE_NEWNET | (CLONE_NEWNS if own_files else 0)
    return subprocess.Popen(command, pass_fds=pass_fds, preexec_fn=lambda: unshare(flags))


def connect_namespaces(*, vantage_pid: int, servers_pid: int) -> None:
    """Lay a veth pair from this (the middle) namespace to each of the two. Ours are called `vantage` and `servers`."""
    lines = []
    for name, pid in (("vantage", vantage_pid), ("servers", servers_pid)):
        peer = f"peer name {INNER_NAME} address {INNER_MAC[name]} netns {pid}"
        lines += [
            f"link add name {name} address {MIDDLE_MAC[name]} type veth {peer}",
            f"link set dev {name} addrgenmode none arp off",
            f"link set dev {name} up",
        ]
    _ip_batch(lines)
    for name in ("vantage", "servers"):
        offloads_off(name)


def configure_vantage(directory: Path, *, ipv6: bool) -> None:
    """Inside the vantage point: its one interface, its default routes, its own resolver files from `directory`; then
    no privileges.
    """
    # cubic is what home machines have; a namespace may not change its default to what this machine restricts
    onward = f"dev {INNER_NAME} congctl {HOME_CONGESTION_CONTROL}"
    lines = [
        "link set dev lo up",
        f"link set dev {INNER_NAME} addrgenmode none arp off",
        f"address add {VANTAGE_ADDRESS}/24 dev {INNER_NAME}",
        f"link set dev {INNER_NAME} up",
        f"route add default via {HOME_ROUTER_ADDRESS} {onward}",
    ]
    if ipv6:  # without `arp` an interface needs no neighbour discovery; `nodad`: nor does its address
        lines.append(f"address add {VANTAGE_ADDRESS6}/64 dev {INNER_NAME} nodad")
        lines.append(f"route add default via {HOME_ROUTER_ADDRESS6} {onward}")
    _ip_batch(lines)
    offloads_off(INNER_NAME)
    for name in ("resolv.conf", "hosts", "nsswitch.conf"):
        _bind(directory / name, Path("/etc") / name)
    nscd = Path("/run/nscd")  # a cache that would answer from outside the lab
    if nscd.exists():
        _bind(directory / "empty", nscd)
    _drop_capabilities()


def configure_servers(*, ipv6: bool) -> None:
    """Inside the servers' namespace: all of `SERVER_NET` and `HOME_NET` (and `SERVER_NET6`) is local; the way back
    leads to the vantage point.
    """
    lines = [
        "link set dev lo up",
        f"link set dev {INNER_NAME} addrgenmode none arp off",
        f"address add {SERVERS_OWN_ADDRESS}/32 dev {INNER_NAME}",
        f"link set dev {INNER_NAME} up",
        f"route add local {SERVER_NET} dev lo",
        f"route add local {HOME_NET} dev lo",
        f"route add default dev {INNER_NAME}",
    ]
    if ipv6:
        lines.append(f"address add {SERVERS_OWN_ADDRESS6}/128 dev {INNER_NAME} nodad")
        lines.append(f"route add local {SERVER_NET6} dev lo")
        lines.append(f"route add ::/0 dev {INNER_NAME}")
    _ip_batch(lines)
    offloads_off(INNER_NAME)


def mac_bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def unshare(flags: int) -> None:
    """Move this process into new namespaces. Raises OSError."""
    if _libc.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    if flags & CLONE_NEWNS:
        private = 1 << 18 | 1 << 14  # MS_PRIVATE | MS_REC: what is mounted in there stays in there
        _libc.mount(None, b"/", None, private, None)


def map_root(user: int, group: int) -> None:
    """In a new user namespace: be its root, which outside is still this user of this group."""
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def _ip_batch(lines: Sequence[str]) -> None:
    try:
        done = subprocess.run(
            ["ip", "-batch", "-"], input="\n".join(lines), text=True, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise LabError("the command `ip` (package iproute2) is missing") from None
    if done.returncode != 0:
        raise LabError(f"network interfaces could not be set up: {done.stderr.strip()}")


def offloads_off(interface: str) -> None:
    """Have the kernel cut and sum packets itself, so that what this program carries is what a wire would carry."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for command in ETHTOOL_OFF:
            value = ctypes.create_string_buffer(struct.pack("II", command, 0))
            request = struct.pack("16sP", interface.encode(), ctypes.addressof(value))
            try:
                fcntl.ioctl(any_socket, SIOCETHTOOL, request.ljust(40, b"\0"))
            except OSError:  # an offload that this kernel does not know cannot be on
                continue


def _bind(source: Path, target: Path) -> None:
    """Show `source` where `target` is, in this mount namespace only. A target that does not exist is nobody's to
    read.
    """
    target = target.resolve()
    if not target.exists():
        if target.name == "resolv.conf":
            raise LabError("there is no /etc/resolv.conf to put the lab's over: create an empty one")
        return
    if _libc.mount(bytes(source), bytes(target), None, MS_BIND, None) != 0:
        raise LabError(f"{target} could not be replaced: {os.strerror(ctypes.get_errno())}")


def _drop_capabilities() -> None:
    """Programs started from here on are root in name only: what they can do is what an ordinary user can."""
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    for capability in range(last + 1):
        _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def give_up_capabilities() -> None:
    """What starting a program does to a process whose bounding set is empty, for one that starts none."""
    header = struct.pack("Ii", CAPABILITY_VERSION, 0)
    if _libc.capset(header, bytes(CAPABILITY_BYTES)) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def restore_interrupt() -> None:
    """In a child, before exec: Ctrl-C ends it again."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
