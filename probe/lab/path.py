"""What kind of line does the vantage point sit on?

Data only: rates, delays, loss and routers of an access line, and the named lines that scenarios use. What happens to
a packet on it is `probe.lab.line`'s; which server is how far is `probe.lab.world`'s; the censor's rules are
`probe.lab.rules`'s.
"""

from dataclasses import dataclass
from typing import Literal

MTU_BYTES = 1500
LEAST_MTU_BYTES = 1280  # RFC 8200 §5: no link of IPv6 carries less
MOST_CARRIED_BPS = 200e6  # both directions together: the forwarder is still punctual then (docs/benchmarks.md)
MIN_QUEUE_PACKETS = 4  # a queue of a few milliseconds on a slow line would not hold one packet
DAY_SECONDS = 240.0  # a day of the neighbours, compressed: a run of 20 targets sees quiet hours and the evening
VANTAGE_ADDRESS = "192.168.77.2"
HOME_ROUTER_ADDRESS = "192.168.77.1"
VANTAGE_ADDRESS6 = "2001:2:0:77::2"  # 2001:2::/48 is IPv6's prefix for tests of network devices (RFC 5180 §8)
HOME_ROUTER_ADDRESS6 = "2001:2:0:77::1"

Ipv6 = Literal["none", "works", "broken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PathProfile:
    """An access line and the routers behind it.

    `rtt_seconds` is the mean round trip to a near server on an idle line. `jitter_seconds` spreads it: each packet
    waits up to that long in each direction, independently of its neighbours, so that a round trip lies within rtt ±
    jitter and packets overtake one another; where the line `keeps_order` none leaves before its predecessor, as the
    link layer of mobile networks sees to. `loss` is the share of packets lost at random in each direction,
    `buffer_seconds` what the access queue of each direction holds at the line's rate before it drops. The censor sits
    behind router `censor_hop`: a packet whose TTL ends there does not meet it. Routers in `silent_hops` never answer
    an expired TTL.

    The access link carries packets of `mtu_bytes`; a larger one ends there, with an ICMP error that says so unless
    `hides_mtu`: then a TCP sender that had nobody to lower its MSS repeats its first full segment in vain, while the
    handshake and everything short goes through. `nat_idle_seconds`: the operator translates IPv4 addresses and forgets
    a flow that was idle so long; what is sent on it later vanishes or, with `nat_resets`, is answered by RST.
    `neighbours_down` and `neighbours_up` share the access queue, with transfers of their own, seldom at night and
    almost without a pause in the evening of a day of `day_seconds`. `ipv6`: whether the line has it; "broken": the
    vantage point has an address and a route, and packets vanish.
    """

    name: str
    down_bps: float
    up_bps: float
    rtt_seconds: float
    jitter_seconds: float = 0.0
    keeps_order: bool = False
    loss: float = 0.0
    buffer_seconds: float = 0.1
    routers: int = 7
    censor_hop: int = 3
    silent_hops: tuple[int, ...] = ()
    mtu_bytes: int = MTU_BYTES
    hides_mtu: bool = False
    nat_idle_seconds: float | None = None
    nat_resets: bool = False
    neighbours_down: int = 0
    neighbours_up: int = 0
    day_seconds: float = DAY_SECONDS
    ipv6: Ipv6 = "none"

    def __post_init__(self) -> None:
        """Refuse, with ValueError, a line that could not exist."""
        if min(self.down_bps, self.up_bps) <= 0:
            raise ValueError("a line needs a rate in both directions")
        if not 0 <= self.jitter_seconds <= self.rtt_seconds:
            raise ValueError("jitter cannot exceed the round trip")
        if not 0 <= self.loss < 1:
            raise ValueError("loss is a share below one")
        if not 1 <= self.censor_hop <= self.routers < 64:
            raise ValueError("the censor sits behind one of the routers, of which there are fewer than 64")
        if not LEAST_MTU_BYTES <= self.mtu_bytes <= MTU_BYTES:
            raise ValueError(f"the line's MTU is between {LEAST_MTU_BYTES} and {MTU_BYTES} bytes")
        if self.nat_idle_seconds is not None and self.nat_idle_seconds <= 0:
            raise ValueError("a line whose address translation remembers nothing carries nothing")
        if min(self.neighbours_down, self.neighbours_up) < 0 or self.day_seconds <= 0:
            raise ValueError("neighbours on a line are counted from zero, and their day takes time")

    def router_address(self, hop: int) -> str:
        """The address that the router `hop` (1 = at home) answers from."""
        return HOME_ROUTER_ADDRESS if hop == 1 else f"198.19.255.{hop}"

    def router_address6(self, hop: int) -> str:
        """As `router_address`, about IPv6 packets."""
        return HOME_ROUTER_ADDRESS6 if hop == 1 else f"2001:2:0:ff::{hop:x}"


HOME = PathProfile(name="home", down_bps=20e6, up_bps=8e6, rtt_seconds=0.040)
DSL = PathProfile(name="dsl", down_bps=1.5e6, up_bps=0.5e6, rtt_seconds=0.040, buffer_seconds=0.2)
WIFI = PathProfile(name="wifi", down_bps=15e6, up_bps=5e6, rtt_seconds=0.040, loss=0.02)
MOBILE = PathProfile(
    name="mobile", down_bps=6e6, up_bps=2e6, rtt_seconds=0.090, jitter_seconds=0.020, loss=0.005, buffer_seconds=0.2
)
SATELLITE = PathProfile(name="satellite", down_bps=20e6, up_bps=3e6, rtt_seconds=0.600, buffer_seconds=0.3)
BUFFERBLOAT = PathProfile(name="bufferbloat", down_bps=4e6, up_bps=1e6, rtt_seconds=0.040, buffer_seconds=1.0)
NARROW = PathProfile(name="narrow", down_bps=0.1e6, up_bps=0.1e6, rtt_seconds=0.080, buffer_seconds=1.0)
FIBRE = PathProfile(name="fibre", down_bps=100e6, up_bps=50e6, rtt_seconds=0.016, buffer_seconds=0.05)
CABLE = PathProfile(name="cable", down_bps=50e6, up_bps=10e6, rtt_seconds=0.025, buffer_seconds=0.15)
ASYMMETRIC = PathProfile(name="asymmetric", down_bps=50e6, up_bps=1e6, rtt_seconds=0.030, buffer_seconds=0.2)
# RLC in acknowledged mode delivers in sequence and repeats what the air lost: delay, hardly loss (3GPP TS 36.322)
LTE = PathProfile(
    name="4g",
    down_bps=25e6,
    up_bps=10e6,
    rtt_seconds=0.060,
    jitter_seconds=0.015,
    keeps_order=True,
    loss=0.001,
    buffer_seconds=0.3,
)
UMTS = PathProfile(
    name="3g",
    down_bps=2e6,
    up_bps=0.5e6,
    rtt_seconds=0.130,
    jitter_seconds=0.030,
    keeps_order=True,
    loss=0.002,
    buffer_seconds=0.6,
)
EDGE = PathProfile(
    name="edge",
    down_bps=0.2e6,
    up_bps=0.1e6,
    rtt_seconds=0.500,
    jitter_seconds=0.100,
    keeps_order=True,
    loss=0.002,
    buffer_seconds=1.5,
)
# Wang et al. (SIGCOMM 2011) found mobile operators that forget idle TCP flows within five minutes, against the two
# hours that RFC 5382 REQ-5 asks for; RFC 6888 lets an operator choose. Shortened here to what a run can meet.
CGNAT = PathProfile(name="cgnat", down_bps=20e6, up_bps=8e6, rtt_seconds=0.050, nat_idle_seconds=10.0, censor_hop=4)
DIURNAL = PathProfile(name="diurnal", down_bps=20e6, up_bps=8e6, rtt_seconds=0.040, neighbours_down=3, neighbours_up=1)
BLACK_HOLE = PathProfile(
    name="black_hole", down_bps=20e6, up_bps=8e6, rtt_seconds=0.040, mtu_bytes=1400, hides_mtu=True
)
SILENT = PathProfile(name="silent", down_bps=20e6, up_bps=8e6, rtt_seconds=0.040, silent_hops=tuple(range(1, 8)))

PROFILES = {
    profile.name: profile
    for profile in (
        HOME,
        FIBRE,
        CABLE,
        ASYMMETRIC,
        DSL,
        WIFI,
        MOBILE,
        LTE,
        UMTS,
        EDGE,
        SATELLITE,
        BUFFERBLOAT,
        CGNAT,
        DIURNAL,
        BLACK_HOLE,
        SILENT,
        NARROW,
    )
}
