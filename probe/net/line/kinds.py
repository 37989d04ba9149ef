"""Is this interface the provider's line, or a tunnel to somewhere else?

Read from /sys/class/net. PPP, raw IP and tap devices are both: PPPoE and a modem are the provider's, and rootless
containers get their network through a tap. What cannot be told is taken for the line; the person can say otherwise.
"""

from dataclasses import dataclass
from pathlib import Path

from probe.net.line.routes import Route, hexadecimal

# linux/if_arp.h
_ARPHRD_PPP, _ARPHRD_NONE, _ARPHRD_RAWIP = 512, 65534, 519
_TUNNELS = {768, 769, 776, 778, 823}  # IPIP, IP6TNL, SIT, GRE, IP6GRE
_IFF_TAP = 0x0002  # linux/if_tun.h
_VPN_DEVTYPES = {"wireguard", "ovpn", "amneziawg", "vti", "xfrm"}
_MODEM_DEVTYPES = {"wwan"}
_STRONGSWAN_TABLE = 220  # its routes stand there: packets leave by the line's own interface, encrypted
_DEAD_STATES = {"down", "lowerlayerdown", "notpresent"}  # Documentation/networking/operstates.rst
_RTF_GATEWAY = 0x2


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the kernel shows things; tests show others."""

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    run: Path = Path("/run")
    root: Path = Path("/")


HERE = Places()


def is_up(interface: str, places: Places) -> bool:
    """Whether it carries packets, as far as can be told; a loopback never leads anywhere."""
    return interface != "lo" and _text(places, interface, "operstate") not in _DEAD_STATES


def is_modem(interface: str, places: Places) -> bool:
    """Whether it is a mobile modem of this machine."""
    return _devtype(interface, places) in _MODEM_DEVTYPES


def is_vpn(route: Route, places: Places) -> bool:
    """Whether what goes this way comes out elsewhere than at this line's provider."""
    name = route.interface
    if route.table == _STRONGSWAN_TABLE:
        return True
    devtype, kind = _devtype(name, places), _number(_text(places, name, "type"))
    if devtype in _VPN_DEVTYPES or kind in _TUNNELS:
        return True
    if flags := _text(places, name, "tun_flags"):
        return not (_number(flags) & _IFF_TAP and _in_container(places))
    if kind == _ARPHRD_PPP:
        return not _is_pppoe(name, places) and _another_gateway(name, places)
    hardware = (places.sys / "class" / "net" / name / "device").exists()
    return kind == _ARPHRD_NONE and not hardware and devtype not in _MODEM_DEVTYPES


def _is_pppoe(name: str, places: Places) -> bool:
    """Whether PPP runs over Ethernet here, as to a DSL provider: then the kernel lists a session."""
    sessions = _read(places.proc / "net" / "pppoe").splitlines()[1:]
    return bool(sessions) or _devtype(name, places) in _MODEM_DEVTYPES


def _another_gateway(name: str, places: Places) -> bool:
    """Whether another interface leads out too, so that the tunnel's own packets may take that."""
    for line in _read(places.proc / "net" / "route").splitlines()[1:]:
        fields = line.split()
        if len(fields) > 3 and fields[0] != name and hexadecimal(fields[3]) & _RTF_GATEWAY:
            return True
    return False


def _in_container(places: Places) -> bool:
    return (places.run / ".containerenv").exists() or (places.root / ".dockerenv").exists()


def _devtype(name: str, places: Places) -> str:
    for line in _text(places, name, "uevent").splitlines():
        if line.startswith("DEVTYPE="):
            return line.removeprefix("DEVTYPE=")
    return ""


def _text(places: Places, name: str, attribute: str) -> str:
    return _read(places.sys / "class" / "net" / name / attribute).strip()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # an interface that is gone, one that is down, another system
        return ""


def _number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        return 0
