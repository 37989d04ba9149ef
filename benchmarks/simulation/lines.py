"""Which lines and which limits are simulated?

`FITTED` is what `benchmarks.simulation.fit` found in flows that `benchmarks.simulation.collect` gathered in the lab;
`WORSE` are lines that no profile of the lab is: traffic of others, rates that wander, fades that single flows fall
into, more loss. What a line in `WORSE` shares with a fitted one is taken from it.
"""

from dataclasses import replace

from benchmarks.simulation.noise import Limit, Line

HOME_DOWN = Line(
    name="home, down",
    rate_bps=20e6,
    rtt_seconds=0.04,
    late=0.019,
    wander_sd=0.029,
    reply_seconds=0.046,
    late_rounds=0.03,
    growth_packets=3.3,
)
HOME_UP = Line(
    name="home, up",
    rate_bps=8e6,
    rtt_seconds=0.04,
    late=0.014,
    wander_sd=0.01,
    reply_seconds=0.008,
    late_rounds=0.58,
    growth_packets=3.6,
)
WIFI_DOWN = Line(
    name="Wi-Fi 2 %, down",
    rate_bps=15e6,
    rtt_seconds=0.04,
    loss=0.0202,
    late=0.051,
    wander_sd=0.093,
    repeat_loss=0.057,
    reply_seconds=0.047,
    late_rounds=0.876,
    growth_packets=0.872,
)
WIFI_UP = Line(
    name="Wi-Fi 2 %, up",
    rate_bps=5e6,
    rtt_seconds=0.04,
    loss=0.0119,
    late=0.063,
    wander_sd=0.057,
    repeat_loss=0.059,
    reply_seconds=0.006,
    late_rounds=0.019,
    growth_packets=0.66,
)
MOBILE_DOWN = Line(
    name="mobile, down",
    rate_bps=6e6,
    rtt_seconds=0.09,
    buffer_seconds=0.2,
    loss=0.0047,
    late=0.027,
    wander_sd=0.049,
    slice_sd=0.024,
    repeat_loss=0.073,
    reply_seconds=0.06,
    late_rounds=0.414,
    growth_packets=3.05,
)
MOBILE_UP = Line(
    name="mobile, up",
    rate_bps=2e6,
    rtt_seconds=0.09,
    buffer_seconds=0.2,
    loss=0.002,
    late=0.088,
    wander_sd=0.034,
    slice_sd=0.026,
    repeat_loss=0.07,
    reply_seconds=0.02,
    late_rounds=0.038,
    growth_packets=3.17,
)
DSL_DOWN = Line(name="DSL, down", rate_bps=1.5e6, rtt_seconds=0.04, buffer_seconds=0.2)
SATELLITE_DOWN = Line(name="satellite, down", rate_bps=20e6, rtt_seconds=0.6, buffer_seconds=0.3)
# Not fitted, from the lab's profiles and a little worse: too slow to gather hundreds of flows on.
SATELLITE_UP = Line(name="satellite, up", rate_bps=3e6, rtt_seconds=0.6, buffer_seconds=0.3, loss=0.001)
EDGE_DOWN = Line(name="EDGE, down", rate_bps=0.2e6, rtt_seconds=0.5, buffer_seconds=1.5, loss=0.002, late=0.1)
EDGE_UP = Line(name="EDGE, up", rate_bps=0.1e6, rtt_seconds=0.5, buffer_seconds=1.5, loss=0.002, late=0.1)

# Of each line's two directions, for the share of targets: download first.
TARGETS = {
    "home": (HOME_DOWN, HOME_UP),
    "Wi-Fi 2 %": (WIFI_DOWN, WIFI_UP),
    "mobile": (MOBILE_DOWN, MOBILE_UP),
}
RUNS = {**TARGETS, "EDGE": (EDGE_DOWN, EDGE_UP), "satellite": (SATELLITE_DOWN, SATELLITE_UP)}
RUNS_EACH = {"home": 4_000}  # whole runs; 0 of 3,000 is the least that shows 0.1 %
FITTED = (HOME_DOWN, HOME_UP, WIFI_DOWN, WIFI_UP, MOBILE_DOWN, MOBILE_UP, DSL_DOWN, SATELLITE_DOWN)
WORSE = (
    replace(HOME_DOWN, name="home, cross traffic", late=0.1, slice_sd=0.4, wander_sd=0.2, drops=0.05),
    replace(HOME_DOWN, name="home, varying rate", late=0.05, slice_sd=0.1, wander_sd=0.5, drops=0.08),
    replace(HOME_DOWN, name="home, 10 % of flows fade", drops=0.1),
    replace(HOME_DOWN, name="home, 25 % of flows fade", drops=0.25),
    replace(HOME_DOWN, name="home, half of the flows lose 10 %", bad_flows=0.5, bad_loss=0.1),
    replace(MOBILE_DOWN, name="mobile, varying rate", slice_sd=0.1, wander_sd=0.5, drops=0.08),
    replace(WIFI_DOWN, name="Wi-Fi 3 %, varying", loss=0.03, wander_sd=0.3, repeat_loss=0.15, drops=0.03),
)
LINES = FITTED + WORSE

TO_3 = Limit(name="to 3 %", ratio=0.03)
TO_7 = Limit(name="to 7 %", ratio=0.07)
TO_10 = Limit(name="to 10 %", ratio=0.1)
TO_25 = Limit(name="to 25 %, burst 60 kB", ratio=0.25, burst_bytes=60_000)
NINE_IN_TEN = Limit(name="140 kbit/s, 90 % of flows", ratio=0.007, flows=0.9)
EVERY_OTHER = Limit(name="140 kbit/s, 50 % of flows", ratio=0.007, flows=0.5)
TO_140K = Limit(name="140 kbit/s", ratio=0.007)
TENTH_LOST = Limit(name="10 % of packets lost", loss=0.1)
LIMITS = (TO_3, TO_7, TO_10, TO_25)
SHARES = (NINE_IN_TEN, EVERY_OTHER)
LOSSES = (HOME_DOWN, HOME_UP, WIFI_DOWN, WIFI_UP, MOBILE_DOWN, MOBILE_UP)  # the lines on which loss by name is tried
