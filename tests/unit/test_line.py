"""Is what lies between this machine and the network told from what the kernel shows, and never an exception?"""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probe.config.watch_file import Answer, LineSettings
from probe.net.line import Line, LineState, traffic
from probe.net.line.cost import is_metered, output_of
from probe.net.line.kinds import Places
from probe.net.line.routes import Route, ask_kernel, routes_elsewhere

HEADER = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
DEFAULT = "{name}\t00000000\t010200C0\t0003\t0\t0\t{metric}\t00000000\t0\t0\t0\n"
GATEWAY_HOST = "{name}\t076433C6\t010200C0\t0007\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n"
DEFAULT6 = "{zero} 00 {zero} 00 fd{rest}01 00000400 00000001 00000000 00000003 {name}\n"
ETHERNET, NONE, PPP, SIT = "1", "65534", "512", "776"


class Machine:
    """A /proc and a /sys of our own making; the kernel may not be asked unless `routes` says what it answers."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.places = Places(proc=root / "proc", sys=root / "sys", run=root / "run", root=root)
        (root / "proc" / "net").mkdir(parents=True)
        (root / "run").mkdir()
        self.settings = LineSettings()
        self.environment: dict[str, str] = {}
        self.answers: dict[str, str] = {}
        self.routes: dict[str, Route | None] | None = None
        self.asked: list[tuple[str, ...]] = []
        self.counters: dict[str, str] = {}

    def interface(self, name: str, kind: str = ETHERNET, **attributes: str) -> None:
        directory = self.root / "sys" / "class" / "net" / name
        directory.mkdir(parents=True)
        for attribute, value in {"type": kind, "operstate": "up", **attributes}.items():
            (directory / attribute).write_text(f"{value}\n")
        self.count(name, 0, 0)

    def count(self, name: str, sent: int, received: int) -> None:
        self.counters[name] = f"{name}: {received} 1 0 0 0 0 0 0 {sent} 1 0 0 0 0 0 0\n"
        (self.root / "proc" / "net" / "dev").write_text("Inter-|\n face |bytes\n" + "".join(self.counters.values()))

    def table(self, *lines: str, ipv6: str = "") -> None:
        (self.root / "proc" / "net" / "route").write_text(HEADER + "".join(lines))
        (self.root / "proc" / "net" / "ipv6_route").write_text(ipv6)

    @property
    def line(self) -> Line:
        return Line(
            settings=self.settings,
            places=self.places,
            lookup=self._lookup,
            ask=self._ask,
            environment=self.environment,
        )

    def _lookup(self, address: str) -> Route | None:
        if self.routes is None:
            raise OSError("not permitted")
        return self.routes.get(address)

    async def _ask(self, arguments: Sequence[str]) -> str:
        self.asked.append(tuple(arguments))
        return self.answers.get(arguments[0], "")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "SAMPLE_SECONDS", 0.01)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def everywhere(interface: str, table: int = 254) -> dict[str, Route | None]:
    return dict.fromkeys(("1.1.1.1", "208.67.222.222"), Route(interface=interface, table=table))


# --- is there a network ----------------------------------------------------------------------------------------------


async def test_a_default_route_over_an_interface_that_is_up_is_a_network(machine: Machine) -> None:
    machine.interface("eth0")
    machine.table(DEFAULT.format(name="eth0", metric=100))
    assert await machine.line.has_network()
    state = await machine.line.look()
    assert state == LineState(network=True, busy_bps=0.0)
    assert state.may_measure_goodput and state.reasons == ()


async def test_no_route_and_a_cable_that_is_out_are_no_network(machine: Machine) -> None:
    machine.table()
    assert not await machine.line.has_network()
    assert await machine.line.look() == LineState(network=False)
    machine.interface("eth0", operstate="down")
    machine.table(DEFAULT.format(name="eth0", metric=0))
    assert not await machine.line.has_network()
    assert (await machine.line.look()).reasons == ("no network",)


async def test_a_loopback_leads_nowhere(machine: Machine) -> None:
    machine.interface("lo", "772", operstate="unknown")
    machine.routes = everywhere("lo")
    assert not await machine.line.has_network()


async def test_ipv6_alone_is_a_network(machine: Machine) -> None:
    machine.interface("wlan0")
    machine.table(ipv6=DEFAULT6.format(zero="0" * 32, rest="0" * 28, name="wlan0"))
    assert await machine.line.has_network()


async def test_a_system_without_proc_is_taken_to_have_a_network(tmp_path: Path) -> None:
    places = Places(proc=tmp_path / "no", sys=tmp_path / "no", run=tmp_path, root=tmp_path)

    def refuse(_: str) -> Route | None:
        raise OSError("no rtnetlink on this system")

    async def nothing(_: Sequence[str]) -> str:
        return ""

    line = Line(settings=LineSettings(), places=places, lookup=refuse, ask=nothing, environment={})
    assert await line.has_network()
    assert await line.look() == LineState(network=True)
    assert not line.is_tunnelled()


# --- routes ----------------------------------------------------------------------------------------------------------


def test_the_kernel_comes_before_the_tables(machine: Machine) -> None:
    machine.table(DEFAULT.format(name="eth0", metric=0))
    routes = routes_elsewhere(machine.places.proc, everywhere("wg0", 51820).get)
    assert routes == (Route(interface="wg0", table=51820),)


def test_a_kernel_without_ipv6_is_still_asked_for_ipv4(machine: Machine) -> None:
    machine.table(DEFAULT.format(name="eth0", metric=0))

    def lookup(address: str) -> Route | None:
        if ":" in address:
            raise OSError("operation not supported")
        return Route(interface="wg0", table=51820)

    assert routes_elsewhere(machine.places.proc, lookup) == (Route(interface="wg0", table=51820),)


def test_the_least_metric_and_the_longest_prefix_win(machine: Machine) -> None:
    machine.table(DEFAULT.format(name="wlan0", metric=600), DEFAULT.format(name="eth0", metric=100))
    assert routes_elsewhere(machine.places.proc, machine.line.lookup) == (Route(interface="eth0"),)
    half = "tun0\t{to}\t0100080A\t0003\t0\t0\t0\t00000080\t0\t0\t0\n"
    machine.table(DEFAULT.format(name="eth0", metric=0), half.format(to="00000000"), half.format(to="00000080"))
    assert routes_elsewhere(machine.places.proc, machine.line.lookup) == (Route(interface="tun0"),)


def test_routes_that_are_down_or_refuse_do_not_count(machine: Machine) -> None:
    machine.table("eth0\t00000000\t0\t0002\t0\t0\t0\t00000000\t0\t0\t0\n", "*\t00000000\t0\t0201\t0\t0\t0\t00000000\n")
    assert routes_elsewhere(machine.places.proc, machine.line.lookup) == ()


@given(st.text(max_size=200), st.text(max_size=200))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_table_is_read_without_complaint(tmp_path: Path, ipv4: str, ipv6: str) -> None:
    net = tmp_path / "net"
    net.mkdir(exist_ok=True)
    (net / "route").write_text(HEADER + ipv4, encoding="utf-8", errors="replace")
    (net / "ipv6_route").write_text(ipv6, encoding="utf-8", errors="replace")

    def refuse(_: str) -> Route | None:
        raise PermissionError

    assert isinstance(routes_elsewhere(tmp_path, refuse), tuple)


def test_the_kernel_says_that_the_loopback_is_this_machine() -> None:
    assert ask_kernel("127.0.0.1") is None  # a local route, not a way out


# --- what is in the way ----------------------------------------------------------------------------------------------

VPNS = {
    "tun": ("tun0", NONE, {"tun_flags": "0x1001"}),
    "tap": ("tap0", ETHERNET, {"tun_flags": "0x1002"}),
    "wireguard": ("wg0", NONE, {"uevent": "DEVTYPE=wireguard\nINTERFACE=wg0"}),
    "openvpn in the kernel": ("ovpn0", NONE, {"uevent": "DEVTYPE=ovpn"}),
    "an unknown tunnel": ("x0", NONE, {}),
    "6in4": ("he", SIT, {}),
}
LINES = {
    "ethernet": ("eth0", ETHERNET, {}),
    "wi-fi": ("wlan0", ETHERNET, {"uevent": "DEVTYPE=wlan"}),
    "a modem": ("wwan0", NONE, {"uevent": "DEVTYPE=wwan"}),
    "ppp by itself": ("ppp0", PPP, {}),
    "an interface of which nothing is known": ("gone0", "", {}),
}


@pytest.mark.parametrize("case", VPNS)
async def test_a_tunnel_is_a_vpn(machine: Machine, case: str) -> None:
    name, kind, attributes = VPNS[case]
    machine.interface(name, kind, **attributes)
    machine.routes = everywhere(name)
    state = await machine.line.look()
    assert state.vpn and state.reasons == ("vpn",) and not state.may_measure_goodput
    assert machine.line.is_tunnelled()


@pytest.mark.parametrize("case", LINES)
async def test_a_line_is_none(machine: Machine, case: str) -> None:
    name, kind, attributes = LINES[case]
    machine.interface(name, kind, **attributes)
    machine.routes = everywhere(name)
    machine.table(DEFAULT.format(name=name, metric=0))
    assert not (await machine.line.look()).vpn


async def test_ppp_beside_a_gateway_is_a_vpn_unless_it_is_pppoe(machine: Machine) -> None:
    machine.interface("eth0")
    machine.interface("ppp0", PPP)
    machine.routes = everywhere("ppp0")
    machine.table(DEFAULT.format(name="ppp0", metric=0), GATEWAY_HOST.format(name="eth0"))
    assert (await machine.line.look()).vpn
    (machine.places.proc / "net" / "pppoe").write_text(
        "Id       Address              Device\n0001 02:00:00:00:00:01 eth0\n"
    )
    assert not (await machine.line.look()).vpn


async def test_ipsec_by_strongswan_is_known_by_its_table(machine: Machine) -> None:
    machine.interface("eth0")
    machine.routes = everywhere("eth0", table=220)
    assert (await machine.line.look()).vpn


async def test_the_tap_of_a_rootless_container_is_no_vpn(machine: Machine) -> None:
    machine.interface("tap0", tun_flags="0x1002")
    machine.routes = everywhere("tap0")
    (machine.places.run / ".containerenv").write_text("")
    assert not (await machine.line.look()).vpn


async def test_a_tunnel_for_one_half_is_a_vpn(machine: Machine) -> None:
    machine.interface("eth0")
    machine.interface("tun0", NONE, tun_flags="0x1001")
    machine.routes = {"1.1.1.1": Route(interface="eth0"), "208.67.222.222": Route(interface="tun0")}
    assert (await machine.line.look()).vpn


async def test_what_the_person_says_counts_for_more(machine: Machine) -> None:
    machine.interface("tun0", NONE, tun_flags="0x1001")
    machine.routes = everywhere("tun0")
    machine.environment = {"https_proxy": "http://proxy.example:3128"}
    machine.answers = {"busctl": "u 1\n"}
    state = await machine.line.look()
    assert (state.vpn, state.proxy, state.metered) == (True, True, True)
    machine.settings = LineSettings(vpn=Answer.NO, proxy=Answer.NO, metered=Answer.NO)
    machine.asked.clear()
    state = await machine.line.look()
    assert (state.vpn, state.proxy, state.metered, machine.asked) == (False, False, False, [])
    machine.settings = LineSettings(vpn=Answer.YES, proxy=Answer.YES, metered=Answer.YES)
    machine.routes, machine.environment, machine.answers = everywhere("eth0"), {}, {}
    assert (await machine.line.look()).reasons == ("metered", "vpn", "proxy")


@pytest.mark.parametrize("name", ["http_proxy", "HTTPS_PROXY", "all_proxy"])
async def test_a_proxy_of_the_environment_is_told(machine: Machine, name: str) -> None:
    machine.interface("eth0")
    machine.routes = everywhere("eth0")
    machine.environment = {name: "socks5://127.0.0.1:1080"}
    assert (await machine.line.look()).reasons == ("proxy",)
    machine.environment = {name: ""}
    assert (await machine.line.look()).reasons == ()


# --- what it costs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "metered"), [("u 1", True), ("u 2", False), ("u 3", True), ("u 4", False), ("u 0", None)]
)
async def test_networkmanager_is_asked_by_busctl(machine: Machine, answer: str, metered: bool | None) -> None:
    machine.interface("eth0")
    machine.routes = everywhere("eth0")
    machine.answers = {"busctl": f"{answer}\n", "gdbus": "(<uint32 2>,)\n"}
    assert (await machine.line.look()).metered is metered
    assert [question[0] for question in machine.asked] == ["busctl"]


async def test_gdbus_is_asked_where_busctl_is_not(machine: Machine) -> None:
    machine.interface("eth0")
    machine.routes = everywhere("eth0")
    machine.answers = {"busctl": "Failed to get property", "gdbus": "(<uint32 3>,)\n"}
    assert (await machine.line.look()).metered is True


async def test_without_networkmanager_only_a_modem_is_guessed_to_cost(machine: Machine) -> None:
    machine.interface("eth0")
    machine.interface("wwan0", NONE, uevent="DEVTYPE=wwan")
    machine.routes = everywhere("eth0")
    assert (await machine.line.look()).metered is None
    machine.routes = everywhere("wwan0")
    assert (await machine.line.look()).metered is True


@pytest.mark.parametrize("answer", ["", "u 9", "u 1 2", "\x00", 's "yes"', "(<uint32 7>,)", "u 1\nu 2"])
async def test_any_other_answer_is_not_known(answer: str) -> None:
    async def ask(_: Sequence[str]) -> str:
        return answer

    assert await is_metered(ask) is None


async def test_a_program_that_is_missing_fails_or_hangs_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probe.net.line.cost.ASK_SECONDS", 0.2)
    assert await output_of([str(tmp_path / "missing")]) == ""
    assert await output_of(["sh", "-c", "echo u 1; exit 1"]) == ""
    assert await output_of(["sh", "-c", "echo u 1; sleep 60"]) == ""
    assert await output_of(["sh", "-c", "echo u 1"]) == "u 1\n"


# --- what others send ------------------------------------------------------------------------------------------------


def counters(sent: int, received: int, own_sent: int = 0, own_received: int = 0) -> traffic.Counters:
    return traffic.Counters(
        sent_bytes=sent, received_bytes=received, own_sent_bytes=own_sent, own_received_bytes=own_received
    )


def test_the_rate_of_others_is_the_greater_direction_without_our_own() -> None:
    before = counters(1_000, 1_000)
    assert traffic.others_bps(before, counters(1_000, 126_000), 1.0) == 1_000_000
    assert traffic.others_bps(before, counters(251_000, 126_000), 2.0) == 1_000_000
    assert traffic.others_bps(before, counters(1_000, 107_000, own_received=100_000), 1.0) == 0
    assert traffic.others_bps(before, counters(0, 0), 1.0) == 0  # the interface was made anew
    assert traffic.others_bps(before, counters(9_000, 9_000), 0.0) == 0


async def test_a_line_is_busy_by_what_is_known_of_it(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.interface("eth0")
    machine.routes = everywhere("eth0")
    monkeypatch.setattr(traffic, "others_bps", lambda *_: 3_000_000.0)
    state = await machine.line.look()
    assert state.busy and state.busy_bps == 3_000_000 and state.reasons == ("busy",)
    assert not (await machine.line.look(best_bps=100e6)).busy  # a fifth of it would be
    assert (await machine.line.look(best_bps=10e6)).busy


def test_counters_are_those_of_the_interface(machine: Machine) -> None:
    machine.count("eth0", 1, 2)
    machine.count("eth01", 3, 4)
    assert traffic.read_counters("eth01", machine.places.proc, (5, 6)) == counters(3, 4, 5, 6)
    assert traffic.read_counters("wlan0", machine.places.proc, (0, 0)) is None
    (machine.places.proc / "net" / "dev").write_text("eth0: one two\neth0:\n\n:::\n")
    assert traffic.read_counters("eth0", machine.places.proc, (0, 0)) is None


async def test_counting_uses_the_kernels_counters_and_our_own(machine: Machine) -> None:
    machine.interface("eth0")
    machine.routes = everywhere("eth0")
    moved = iter([(0, 0), (0, 10**9)])
    line = Line(
        settings=LineSettings(),
        own=lambda: next(moved),
        places=machine.places,
        lookup=machine.line.lookup,
        ask=machine.line.ask,
        environment={},
    )
    assert (await line.look()).busy_bps == 0  # what we moved ourselves is not others'
