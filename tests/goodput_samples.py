"""Transfers and series of goodput, built from the few times that decide: for tests and simulations of its judge.

A transfer is three stretches: slow start to 40 % of the bytes, the middle to 90 %, the tail. Names and addresses are
those reserved for documentation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from probe.checks.goodput import Arm, Candidate, Phase, Series, Trial
from probe.failure import Failure
from probe.model.observations import Direction, TcpInfo, Transfer
from probe.model.observations import Series as Curve
from probe.model.targets import Endpoint

TARGET_ADDRESS = Endpoint(address="192.0.2.10", port=443)
CONTROL_ADDRESS = Endpoint(address="198.51.100.7", port=443)
TARGET_NAME, NEUTRAL_NAME, CONTROL_NAME = "media.target.example", "neutral.example", "speed.control.example"
NAMES = {Arm.TARGET: TARGET_NAME, Arm.NEUTRAL: NEUTRAL_NAME, Arm.FOREIGN: TARGET_NAME, Arm.CONTROL: CONTROL_NAME}
KIB = 1024
HANDSHAKE_RTTS = 2
HANDSHAKE_STREAM_BYTES = 900
MSS_BYTES = 1448
IP_PACKET_BYTES = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds from the request to 40 %, from there to 90 %, and from there to all of the bytes."""

    start: float
    middle: float
    tail: float

    @property
    def total(self) -> float:
        return self.start + self.middle + self.tail

    def times(self, factor: float) -> "Times":
        return Times(start=self.start * factor, middle=self.middle * factor, tail=self.tail * factor)


def steady(rate_bps: float, num_bytes: int = 256 * KIB, rtt: float = 0.04) -> Times:
    """A healthy transfer at this rate after slow start."""
    bits = 8 * num_bytes
    return Times(start=2 * rtt + 0.4 * bits / rate_bps, middle=0.5 * bits / rate_bps, tail=0.1 * bits / rate_bps)


def _info(*, down: bool, stream_bytes: int, rtt: float, heard_ago_seconds: float | None) -> TcpInfo:
    return TcpInfo(
        rtt_seconds=rtt,
        min_rtt_seconds=rtt,
        total_retransmits=0,
        bytes_acked=0 if down else stream_bytes,
        bytes_received=stream_bytes if down else 0,
        segments_in=None,
        segments_out=None,
        delivered=None,
        bytes_sent=None,
        bytes_retransmitted=None,
        out_of_order=None,
        mss=MSS_BYTES,
        congestion_window=None,
        delivery_rate_bps=None,
        rwnd_limited_seconds=None,
        sndbuf_limited_seconds=None,
        heard_ago_seconds=heard_ago_seconds,
    )


def _heard_ago(curve: Curve, end: float) -> float:
    """Since the last byte: nobody answers in the silence after it, as behind a freeze."""
    steps = zip(curve.t[1:], curve.num_bytes, curve.num_bytes[1:], strict=False)
    return max(0.0, end - max((t for t, before, now in steps if now > before), default=end))


def transfer(
    arm: Arm,
    times: Times,
    *,
    t0: float = 0.0,
    num_bytes: int = 256 * KIB,
    direction: Direction = Direction.DOWNLOAD,
    limit_seconds: float = 60.0,
    rtt: float = 0.04,
    curve: Curve | None = None,
    lag: float = 0.001,
) -> Transfer:
    """One transfer, cut `limit_seconds` after its first packet; `curve` replaces the three stretches."""
    request = t0 + HANDSHAKE_RTTS * rtt
    end = t0 + limit_seconds
    points = [(0.0, 0.0), (times.start, 0.4), (times.start + times.middle, 0.9), (times.total, 1.0)]
    made = curve or _cut([(request + t, share * num_bytes) for t, share in points], end)
    came = made.num_bytes[-1] if made.t else 0
    complete = came >= num_bytes
    target = arm in (Arm.TARGET, Arm.NEUTRAL)
    host = TARGET_NAME if target else CONTROL_NAME
    down = direction is Direction.DOWNLOAD
    return Transfer(
        direction=direction,
        url=f"https://{host}/object",
        endpoint=TARGET_ADDRESS if target else CONTROL_ADDRESS,
        server_name=NAMES[arm],
        host=host,
        source_port=40_000,
        order=0,
        requested_bytes=num_bytes,
        t0=t0,
        t_connected=t0 + rtt,
        t_secured=request,
        t_request=request,
        t_first_byte=request + rtt,
        t=made.t[-1] if complete else end,
        status=200 if down else None,
        failure=None,
        alert=None,
        cut=not complete,
        complete=complete,
        num_bytes=came,
        application_bytes=came,
        kernel_counted=True,
        verified=arm in (Arm.TARGET, Arm.CONTROL) or None,
        series=made,
        tcp_before=None,
        tcp_after=_info(
            down=down, stream_bytes=came + HANDSHAKE_STREAM_BYTES, rtt=rtt, heard_ago_seconds=_heard_ago(made, end)
        ),
        loop_lag_seconds=lag,
        sent_bytes=2_000,
        received_bytes=came,
    )


def _cut(points: Sequence[tuple[float, float]], end: float) -> Curve:
    """The polygon up to `end`, as a curve of its corners."""
    kept = [p for p in points if p[0] <= end]
    if len(kept) < len(points) and kept:
        (t1, c1), (t2, c2) = kept[-1], points[len(kept)]
        kept.append((end, c1 + (c2 - c1) * (end - t1) / (t2 - t1)))
    counts = tuple(int(count) for _, count in kept)
    return Curve(t=tuple(t for t, _ in kept), num_bytes=counts, segments=(), rtt_seconds=(), retransmits=())


def policed_curve(
    rate_bps: float,
    *,
    t0: float,
    seconds: float,
    rtt: float = 0.04,
    burst_bytes: int = 16_000,
    down: bool = True,
    step: float = 0.01,
) -> Curve:
    """What a policer lets through: a burst, then its rate in segments; the bytes stand still at every loss."""
    t, count, segments, lost = t0 + HANDSHAKE_RTTS * rtt, 0, 0, 0
    ts, counts, arrived, again = [t], [0], [0], [0]
    while t < t0 + seconds:
        t = round(t + step, 3)
        passed = min(burst_bytes, rate_bps / 8 * 60) + rate_bps / 8 * (t - ts[0])
        segments = int(passed / IP_PACKET_BYTES)
        lost = segments // 4
        if int(t / (1.5 * rtt)) % 2 == 0 or segments < 10:  # every other 1.5 RTT a hole is open
            count = segments * MSS_BYTES
        ts.append(t)
        counts.append(count)
        arrived.append(segments)
        again.append(0 if down else lost)
    return Curve(
        t=tuple(ts),
        num_bytes=tuple(counts),
        segments=tuple(arrived),
        rtt_seconds=tuple(round(rtt * (1.0 + 0.1 * (i % 3)), 4) for i in range(len(ts))),
        retransmits=tuple(again),
    )


def shaped_curve(rate_bps: float, *, t0: float, seconds: float, rtt: float = 0.04) -> Curve:
    """What a shaper lets through: its rate, without loss, behind a queue that grows."""
    steps = int(seconds / 0.01)
    start = t0 + HANDSHAKE_RTTS * rtt
    passed = [int(rate_bps / 8 * 0.01 * i) for i in range(steps)]
    return Curve(
        t=tuple(start + 0.01 * i for i in range(steps)),
        num_bytes=tuple(passed),
        segments=tuple(p // MSS_BYTES for p in passed),
        rtt_seconds=tuple(rtt * min(6.0, 1 + 5 * i / steps) for i in range(steps)),
        retransmits=(0,) * steps,
    )


def stalled_curve(after_bytes: int, *, t0: float, rtt: float = 0.04) -> Curve:
    """So many bytes at once, then nothing."""
    start = t0 + HANDSHAKE_RTTS * rtt
    return Curve(t=(start, start + rtt, start + 2 * rtt), num_bytes=(0, after_bytes // 2, after_bytes))


def refused(made: Transfer, *, status: int | None = None, alert: str | None = None) -> Transfer:
    """The same transfer, refused by the server."""
    failure = Failure.SSL_FAILED_HANDSHAKE if alert else None
    return replace(
        made, status=status, alert=alert, failure=failure, complete=False, cut=False, num_bytes=0, series=Curve()
    )


def failed(made: Transfer, failure: Failure = Failure.CONNECTION_RESET) -> Transfer:
    """The same transfer, ended by the network before a byte came."""
    return replace(
        made,
        status=None,
        failure=failure,
        complete=False,
        cut=failure is Failure.GENERIC_TIMEOUT,
        num_bytes=0,
        t_request=None,
        series=Curve(),
    )


def trial(arm: Arm, made: Transfer, *, phase: Phase = Phase.FIRST, pair: int | None = None) -> Trial:
    return Trial(arm=arm, phase=phase, pair=pair, transfer=made)


def series(
    trials: Sequence[Trial],
    *,
    num_bytes: int = 256 * KIB,
    direction: Direction = Direction.DOWNLOAD,
    budget_hit: bool = False,
    deadline_hit: bool = False,
    candidates: tuple[Candidate, ...] = (),
) -> Series:
    return Series(
        direction=direction,
        url="https://media.target.example/object" if trials else "",
        control_url="https://speed.control.example/object",
        neutral_name=NEUTRAL_NAME,
        num_bytes=num_bytes,
        trials=tuple(trials),
        candidates=candidates,
        budget_hit=budget_hit,
        deadline_hit=deadline_hit,
    )
