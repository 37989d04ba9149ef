"""What must be said where TLS connections are cut because of the name in their ClientHello?"""

from dataclasses import replace

from probe.lab.actions import AfterPackets, Divert, Drop, OneWay, RacingReset, Reset, ResetAnswers
from probe.lab.interception import Interception
from probe.lab.path import HOME, MOBILE, SATELLITE, WIFI, PathProfile
from probe.lab.rules import (
    Action,
    Allowance,
    AnySni,
    AnyTls,
    CensorRule,
    Direction,
    EchWithSni,
    NameTest,
    Not,
    Residual,
    Sni,
    ToAddress,
    named,
)
from probe.lab.scenarios.base import CLEAN, Family, Setup, Truth, scenario
from probe.lab.scenarios.censored import BYSTANDER, address_of, blocked, blocked_or_unknowable, censored, censored_site
from probe.lab.world import Host, Role, small_internet
from probe.model.results import Mechanism, NetworkState, State

LINES = (HOME, WIFI, MOBILE, SATELLITE)
NAMED = Sni(pattern=named("mapfolk.test"))
HTTPS_PORT = 443
RESIDUAL_SECONDS = 20.0  # 75 to 420 s in the wild; shortened, and still longer than the check that meets it
COUNTED_FLOWS = 4  # of 4 to 12 that were reported
COUNTING_SECONDS = 60.0
INTERCEPTOR_ADDRESS = "198.18.0.90"
CONTROLS = (named("northnet.test"), named("southnet.test"))
SILENT = (Mechanism.TLS_TIMEOUT_SNI, Mechanism.TLS_TIMEOUT)
RESET = (Mechanism.TLS_RESET_SNI, Mechanism.TLS_RESET)


def _named(profile: PathProfile, do: Action, truth: Truth) -> Setup:
    return censored_site(profile, NAMED, do, truth)


def _reset_at(profile: PathProfile, hop: int) -> Setup:
    return _named(replace(profile, censor_hop=hop), Reset(), blocked(Mechanism.TLS_RESET_SNI, hop=hop))


@scenario(Family.TLS, on=LINES, in_suite=True)
def sni_reset(profile: PathProfile) -> Setup:
    """Handshakes with the name are reset towards both ends. Seen in Russia (TSPU), India and China."""
    return _reset_at(profile, profile.censor_hop)


@scenario(Family.TLS, on=LINES)
def sni_reset_at_first_hop(profile: PathProfile) -> Setup:
    """Handshakes with the name are reset right behind the home router."""
    return _reset_at(profile, 1)


@scenario(Family.TLS, on=LINES)
def sni_reset_at_last_hop(profile: PathProfile) -> Setup:
    """Handshakes with the name are reset behind the last router, in front of the server."""
    return _reset_at(profile, profile.routers)


@scenario(Family.TLS, on=LINES, in_suite=True)
def sni_drop(profile: PathProfile) -> Setup:
    """ClientHellos with the name are swallowed, and all that follows. Seen in Russia (TSPU's SNI-IV)."""
    return _named(profile, Drop(), blocked(Mechanism.TLS_TIMEOUT_SNI))


@scenario(Family.TLS, on=LINES)
def sni_reset_strict_server(profile: PathProfile) -> Setup:
    """The name is reset, and the server refuses neutral names: the control is the name at a control's address."""
    world = small_internet(everyone_strict=True)
    rule = CensorRule(when=NAMED, do=Reset())
    truth = blocked(Mechanism.TLS_RESET_SNI, Mechanism.TLS_RESET)
    return censored(profile, "mapfolk", rule, truth, world=world)


@scenario(Family.TLS, on=LINES)
def sni_substring(profile: PathProfile) -> Setup:
    """A rule for parts of names catches others too. Seen in Russia in 2021: `*t.co*` caught `microsoft.com`."""
    rule = CensorRule(when=Sni(pattern=named("lk", NameTest.SUBSTRING)), do=Reset())
    truth = blocked(Mechanism.TLS_RESET_SNI)
    world = small_internet().only("talkline", "mapfolk", "linkhub")
    truths = {"talkline": truth, "mapfolk": truth, "linkhub": CLEAN}
    return Setup(profile=profile, world=world, rules=(rule,), truths=truths)


@scenario(Family.TLS, on=LINES)
def sni_racing_reset(profile: PathProfile) -> Setup:
    """A reset races the server's answer, and the ClientHello goes on. Seen in China."""
    return _named(profile, RacingReset(), blocked(*RESET))


@scenario(Family.TLS, on=LINES)
def sni_answers_become_resets(profile: PathProfile) -> Setup:
    """The server's packets arrive as resets. Seen in Russia (TSPU's SNI-I)."""
    return _named(profile, ResetAnswers(), blocked(*RESET))


@scenario(Family.TLS, on=LINES)
def sni_drop_towards_client(profile: PathProfile) -> Setup:
    """After a ClientHello with the name nothing of the server's arrives, while what is sent still goes through."""
    return _named(profile, OneWay(do=Drop(), direction=Direction.DOWN), blocked(*SILENT))


@scenario(Family.TLS, on=LINES)
def sni_drop_towards_server(profile: PathProfile) -> Setup:
    """From a ClientHello with the name on nothing reaches the server, while what it sends still arrives."""
    return _named(profile, OneWay(do=Drop(), direction=Direction.UP), blocked(*SILENT))


@scenario(Family.TLS, on=LINES, in_suite=True)
def sni_drop_after_packets(profile: PathProfile) -> Setup:
    """Six packets after a ClientHello with the name everything is dropped. Seen in Russia (TSPU's SNI-II: 5 to 8)."""
    truth = blocked(*SILENT, Mechanism.TLS_STALL_SNI, Mechanism.TLS_STALL)
    return _named(profile, AfterPackets(do=Drop(), packets=6), truth)


@scenario(Family.TLS, on=LINES)
def sni_reset_and_residual_drop(profile: PathProfile) -> Setup:
    """After a reset name the pair of addresses is dropped for a while, whatever the name. Seen in China and Russia."""
    rule = CensorRule(when=NAMED, do=Reset(), residual=Residual(seconds=RESIDUAL_SECONDS, do=Drop()))
    return censored(profile, "mapfolk", rule, blocked(*RESET))


@scenario(Family.TLS, on=LINES)
def sni_drop_and_residual_resets(profile: PathProfile) -> Setup:
    """After a dropped name every handshake between the two addresses is reset for a while."""
    rule = CensorRule(when=NAMED, do=Drop(), residual=Residual(seconds=RESIDUAL_SECONDS, do=Reset(), at_hello=True))
    return censored(profile, "mapfolk", rule, blocked(*SILENT, *RESET))


@scenario(Family.TLS, on=LINES)
def handshakes_counted(profile: PathProfile) -> Setup:
    """Handshakes to any one address beyond four a minute are dropped, whoever is named. Seen in Russia in 2025."""
    rule = CensorRule(when=AnyTls(), do=Drop(), allowance=Allowance(flows=COUNTED_FLOWS, seconds=COUNTING_SECONDS))
    truth = Truth(
        states=(State.INCONCLUSIVE, State.OK, State.BLOCKED), interfered=True, mechanisms=(Mechanism.TLS_TIMEOUT,)
    )
    world = small_internet().only("mapfolk", BYSTANDER)
    return Setup(profile=profile, world=world, rules=(rule,), truths={"mapfolk": truth, BYSTANDER: truth})


@scenario(Family.TLS, on=LINES, in_suite=True)
def sni_white_list(profile: PathProfile) -> Setup:
    """Names that are not on a list are dropped; the controls and the bystander are on it."""
    listed = AnySni(patterns=(*CONTROLS, named(f"{BYSTANDER}.test")))
    return censored(profile, "mapfolk", CensorRule(when=Not(matcher=listed), do=Drop()), blocked(*SILENT))


@scenario(Family.TLS, on=LINES)
def sni_white_list_without_controls(profile: PathProfile) -> Setup:
    """Names that are not on a list are dropped, the controls among them. Seen on Russian mobile lines in 2025."""
    rule = CensorRule(when=Not(matcher=AnySni(patterns=(named(f"{BYSTANDER}.test"),))), do=Drop())
    setup = censored(profile, "mapfolk", rule, blocked_or_unknowable(*SILENT))
    unknown = Truth(states=(State.OK, State.INCONCLUSIVE), interfered=False)
    return replace(setup, truths={**setup.truths, BYSTANDER: unknown}, network=NetworkState.WHITE_LIST)


@scenario(Family.TLS, on=LINES)
def ech_with_outer_name(profile: PathProfile) -> Setup:
    """ClientHellos with both ECH and a listed outer name are dropped, as in Russia since 2024. The probe sends no ECH,
    so over plain TLS nothing is wrong.
    """
    return censored_site(profile, EchWithSni(pattern=named("mapfolk.test")), Drop(), CLEAN)


def _intercepted(profile: PathProfile, truth: Truth, *, every_name: bool = False, notice: bool = False) -> Setup:
    upstream = address_of("mapfolk.test")
    names = () if every_name else (named("mapfolk.test"),)
    interception = Interception(upstream=upstream, names=names, notice=notice)
    machine = Host(name="mitm.isp.test", address=INTERCEPTOR_ADDRESS, role=Role.INTERCEPTOR, interception=interception)
    rule = CensorRule(when=ToAddress(addresses=(upstream,), port=HTTPS_PORT), do=Divert(to=INTERCEPTOR_ADDRESS))
    return censored(profile, "mapfolk", rule, truth, world=small_internet().with_others(machine))


@scenario(Family.TLS, on=LINES, in_suite=True)
def mitm_of_one_name(profile: PathProfile) -> Setup:
    """A machine of the state's opens TLS for the name with a certificate of its own. Seen in Kazakhstan in 2019."""
    return _intercepted(profile, blocked(Mechanism.TLS_MITM))


@scenario(Family.TLS, on=LINES)
def mitm_with_notice(profile: PathProfile) -> Setup:
    """TLS for the name is opened with a foreign certificate, and a notice is served inside."""
    return _intercepted(profile, blocked(Mechanism.TLS_MITM), notice=True)


@scenario(Family.TLS, on=LINES)
def mitm_of_every_name(profile: PathProfile) -> Setup:
    """TLS to the address is opened whatever the name: from one place much like a server with a bad certificate."""
    return _intercepted(profile, blocked_or_unknowable(Mechanism.TLS_MITM), every_name=True)
