"""What kind of line does the vantage point sit on?

Data only: rates, delays, loss and routers of an access line, and the named lines that scenarios use. What happens to
a packet on it is `probe.lab.line`'s; which server is how far is `probe.lab.world`'s; the censor's rules are
`probe.lab.rules`'s.
"""

from dataclasses import dataclass

MTU_BYTES = 1500
MIN_QUEUE_PACKETS = 4  # a queue of a few milliseconds on a slow line would not hold one packet
VANTAGE_ADDRESS = "192.168.77.2"
HOME_ROUTER_ADDRESS = "192.168.77.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathProfile:
    """An access line and the routers behind it.

    `rtt_seconds` is the mean round trip to a near server on an idle line. `jitter_seconds` spreads it: each packet
    waits up to that long in each direction, independently of its neighbours, so that a round trip lies within rtt ±
    jitter and packets overtake one another. `loss` is the share of packets lost at random in each direction,
    `buffer_seconds` what the access queue of each direction holds at the line's rate before it drops. The censor sits
    behind router `censor_hop`: a packet whose TTL ends there does not meet it. Routers in `silent_hops` never answer
    an expired TTL.
    """

    name: str
    down_bps: float
    up_bps: float
    rtt_seconds: float
    jitter_seconds: float = 0.0
    loss: float = 0.0
    buffer_seconds: float = 0.1
    routers: int = 7
    censor_hop: int = 3
    silent_hops: tuple[int, ...] = ()

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

    def router_address(self, hop: int) -> str:
        """The address that the router `hop` (1 = at home) answers from."""
        return HOME_ROUTER_ADDRESS if hop == 1 else f"198.19.255.{hop}"


HOME = PathProfile(name="home", down_bps=20e6, up_bps=8e6, rtt_seconds=0.040)
DSL = PathProfile(name="dsl", down_bps=1.5e6, up_bps=0.5e6, rtt_seconds=0.040, buffer_seconds=0.2)
WIFI = PathProfile(name="wifi", down_bps=15e6, up_bps=5e6, rtt_seconds=0.040, loss=0.02)
MOBILE = PathProfile(
    name="mobile", down_bps=6e6, up_bps=2e6, rtt_seconds=0.090, jitter_seconds=0.020, loss=0.005, buffer_seconds=0.2
)
SATELLITE = PathProfile(name="satellite", down_bps=20e6, up_bps=3e6, rtt_seconds=0.600, buffer_seconds=0.3)
BUFFERBLOAT = PathProfile(name="bufferbloat", down_bps=4e6, up_bps=1e6, rtt_seconds=0.040, buffer_seconds=1.0)
NARROW = PathProfile(name="narrow", down_bps=0.1e6, up_bps=0.1e6, rtt_seconds=0.080, buffer_seconds=1.0)

PROFILES = {profile.name: profile for profile in (HOME, DSL, WIFI, MOBILE, SATELLITE, BUFFERBLOAT, NARROW)}
