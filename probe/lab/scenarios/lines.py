"""What must be said on lines where nobody interferes: good, slow, lossy and shared ones, near and far servers?

Which lines there are is `probe.lab.path`'s; the truth of each is that nothing is wrong with any target.
"""

from dataclasses import replace

from probe.lab.actions import Police, Shape
from probe.lab.manners import Manners
from probe.lab.path import (
    ASYMMETRIC,
    BLACK_HOLE,
    BUFFERBLOAT,
    CABLE,
    CGNAT,
    DIURNAL,
    DSL,
    EDGE,
    FIBRE,
    HOME,
    LTE,
    MOBILE,
    NARROW,
    SATELLITE,
    SILENT,
    UMTS,
    WIFI,
    PathProfile,
)
from probe.lab.rules import CensorRule, Everything
from probe.lab.scenarios.base import CLEAN_BUT_HARD, Family, Setup, scenario
from probe.lab.scenarios.honest import UNKNOWABLE, UNKNOWABLE_OR_OK, clean, setup
from probe.lab.world import small_internet

QUIET = (HOME, FIBRE, CABLE, ASYMMETRIC, DSL, BUFFERBLOAT, SATELLITE, CGNAT, SILENT)
ROUGH = (WIFI, MOBILE, LTE, UMTS, EDGE, DIURNAL)
WITH_IPV6 = replace(HOME, name="home_ipv6", ipv6="works")
BROKEN_IPV6 = replace(HOME, name="home_broken_ipv6", ipv6="broken")
IMPATIENT_NAT = replace(CGNAT, name="impatient_nat", nat_idle_seconds=1.0, nat_resets=True)
UPLINK = PathProfile(name="uplink", down_bps=20e6, up_bps=0.3e6, rtt_seconds=0.040, buffer_seconds=0.3)
LOSSY = PathProfile(name="lossy", down_bps=10e6, up_bps=5e6, rtt_seconds=0.040, loss=0.05)
REORDERING = replace(HOME, name="reordering", jitter_seconds=0.030)
OVERTAKING = PathProfile(
    name="overtaking", down_bps=2e6, up_bps=0.5e6, rtt_seconds=0.150, jitter_seconds=0.060, buffer_seconds=0.5
)
WHOLE_LINE_BPS = 400e3
PACED_BPS = 2e6
SLOW_CONTROL_BPS = 1e6

DOWNLOADS_BESIDE = """
import os, random, sys, time, urllib.request
size = random.Random(3)
while not os.path.exists(sys.argv[1]):
    try:
        url = f"https://speed.southnet.test/__down?bytes={size.randint(500_000, 5_000_000)}"
        urllib.request.urlopen(url, timeout=20).read()
    except OSError:
        pass
    time.sleep(size.uniform(0.2, 1.5))
"""

UPLOADS_BESIDE = """
import os, random, sys, time, urllib.request
size = random.Random(5)
while not os.path.exists(sys.argv[1]):
    try:
        data = bytes(size.randint(300_000, 2_000_000))
        urllib.request.urlopen("https://speed.southnet.test/__up", data, timeout=20).read()
    except OSError:
        pass
    time.sleep(size.uniform(0.2, 1.5))
"""


@scenario(Family.LINES, on=QUIET, in_suite=True)
def clean_line(profile: PathProfile) -> Setup:
    """Nobody interferes on a line that loses nothing: a platform with media and a news site."""
    return setup(profile, beside=clean("birdnet", "gazette"))


@scenario(Family.LINES, on=ROUGH)
def clean_line_that_loses_packets(profile: PathProfile) -> Setup:
    """Nobody interferes on a line with random loss, which leaves some series of transfers undecided."""
    return setup(profile, beside={"birdnet": CLEAN_BUT_HARD, **clean("gazette")})


@scenario(Family.LINES, on=(UPLINK, LOSSY, OVERTAKING, REORDERING, NARROW))
def poor_line(profile: PathProfile) -> Setup:
    """A hardly usable line: a narrow uplink, 5 % loss, packets that overtake one another, 0.1 Mbit/s."""
    return setup(profile, beside={"birdnet": CLEAN_BUT_HARD})


@scenario(Family.LINES, on=(HOME, DSL, WIFI, MOBILE))
def strict_servers(profile: PathProfile) -> Setup:
    """Every server, controls among them, refuses names that are not its own: no neutral name helps."""
    return setup(profile, beside={"birdnet": CLEAN_BUT_HARD}, world=small_internet(everyone_strict=True))


@scenario(Family.LINES, on=(HOME, DSL))
def far_target(profile: PathProfile) -> Setup:
    """The target's servers are 140 ms further away than the controls, so every transfer from them takes longer."""
    return setup(profile, beside=clean("vidtube"))


@scenario(Family.LINES, on=(HOME, DSL, SATELLITE))
def far_and_strict_target(profile: PathProfile) -> Setup:
    """The target is far and takes no neutral name: only two different servers can be compared."""
    world = small_internet()
    for name in ("media.vidtube.test", "upload.vidtube.test"):
        world = world.changed(name, strict_names=True)
    return setup(profile, beside={"vidtube": CLEAN_BUT_HARD}, world=world)


@scenario(Family.LINES, on=(HOME, MOBILE))
def paced_media(profile: PathProfile) -> Setup:
    """Media servers send no faster than 2 Mbit/s to anybody, near and far, strict about names or not."""
    truths = dict.fromkeys(("birdnet", "vidtube", "photogram"), CLEAN_BUT_HARD)
    return setup(profile, beside=truths, world=small_internet(media_pacing_bps=PACED_BPS))


@scenario(Family.LINES, on=(HOME, WIFI, SATELLITE))
def targets_that_use_bbr(profile: PathProfile) -> Setup:
    """Every server of the internet sends with BBR, which holds its rate through loss where cubic gives way."""
    truths = dict.fromkeys(("birdnet", "photogram"), CLEAN_BUT_HARD)
    return setup(profile, beside=truths, world=small_internet(congestion="bbr"))


@scenario(Family.LINES, on=(HOME, WIFI, MOBILE))
def controls_that_use_bbr(profile: PathProfile) -> Setup:
    """The controls send with BBR and the target with cubic: on a lossy line that alone makes the target far slower."""
    world = small_internet()
    for operator in world.operators:
        world = world.changed(operator.media.name, congestion="bbr")
    truths = dict.fromkeys(("birdnet", "photogram"), CLEAN_BUT_HARD)
    return setup(profile, beside=truths, world=world)


@scenario(Family.LINES, on=(HOME, DSL))
def slow_controls(profile: PathProfile) -> Setup:
    """The controls' media servers are the slow ones."""
    truths = dict.fromkeys(("birdnet", "photogram"), CLEAN_BUT_HARD)
    return setup(profile, beside=truths, world=small_internet(control_pacing_bps=SLOW_CONTROL_BPS))


@scenario(Family.LINES)
def whole_line_policed(profile: PathProfile) -> Setup:
    """The provider polices every flow of the line to 400 kbit/s, whoever it is with: slow, but no selection."""
    rule = CensorRule(when=Everything(), do=Police(rate_bps=WHOLE_LINE_BPS))
    return setup(profile, beside=dict.fromkeys(("birdnet", "photogram"), CLEAN_BUT_HARD), rules=(rule,))


@scenario(Family.LINES)
def whole_line_shaped(profile: PathProfile) -> Setup:
    """The volume of the tariff is used up: the provider queues every flow at 400 kbit/s."""
    rule = CensorRule(when=Everything(), do=Shape(rate_bps=WHOLE_LINE_BPS), shared=True)
    return setup(profile, beside=dict.fromkeys(("birdnet", "photogram"), CLEAN_BUT_HARD), rules=(rule,))


@scenario(Family.LINES, on=(HOME, MOBILE))
def another_program_downloads(profile: PathProfile) -> Setup:
    """Somebody in the house downloads in bursts over the same line, out of step with the measurement."""
    truths = dict.fromkeys(("birdnet", "photogram"), CLEAN_BUT_HARD)
    return setup(profile, beside=truths, programs=(DOWNLOADS_BESIDE,))


@scenario(Family.LINES, on=(HOME, BUFFERBLOAT))
def other_programs_fill_both_directions(profile: PathProfile) -> Setup:
    """Two people in the house, one sending photographs, one downloading: both queues of the line fill and empty."""
    truths = dict.fromkeys(("birdnet", "photogram"), CLEAN_BUT_HARD)
    return setup(profile, beside=truths, programs=(DOWNLOADS_BESIDE, UPLOADS_BESIDE))


@scenario(Family.LINES, on=(WITH_IPV6,))
def addresses_of_both_versions(profile: PathProfile) -> Setup:
    """Every server is there over IPv4 and IPv6, and the line carries both."""
    return setup(profile, beside=clean("birdnet", "gazette"), world=small_internet(ipv6=True))


@scenario(Family.LINES, on=(BROKEN_IPV6,), in_suite=True)
def broken_ipv6(profile: PathProfile) -> Setup:
    """Every server has an IPv6 address too and the line gives one, but IPv6 packets vanish on it."""
    return setup(profile, beside=clean("linkhub", "gazette"), world=small_internet(ipv6=True))


@scenario(Family.LINES, on=(HOME,))
def ipv6_addresses_and_no_ipv6(profile: PathProfile) -> Setup:
    """Every server has an IPv6 address too; the line knows nothing of IPv6."""
    return setup(profile, beside=clean("gazette"), world=small_internet(ipv6=True))


@scenario(Family.LINES, on=(BLACK_HOLE,))
def path_mtu_black_hole(profile: PathProfile) -> Setup:
    """The line carries no full-sized packets and hides it: handshakes and short answers come, pages and media never."""
    return setup(profile, beside=dict.fromkeys(("birdnet", "gazette"), UNKNOWABLE))


@scenario(Family.LINES, on=(IMPATIENT_NAT,))
def address_translation_that_forgets(profile: PathProfile) -> Setup:
    """The operator forgets flows that were idle for a second and resets them; servers take two to begin an answer."""
    world = small_internet()
    for name in ("gazette.test", "media.birdnet.test"):
        world = world.changed(name, manners=Manners(first_byte_seconds=2.0))
    truths = dict.fromkeys(("birdnet", "gazette"), UNKNOWABLE_OR_OK)
    return setup(profile, beside=truths, world=world)
