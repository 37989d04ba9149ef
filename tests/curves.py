"""What transfers look like on the wire: clean, policed, shaped and stalled curves, drawn from a seeded generator.

For tests of what is made from transfers; nothing here says what they mean.
"""

from collections.abc import Callable
from enum import StrEnum
from random import Random

from probe.model.observations import Direction, Series, TcpInfo, Transfer
from probe.model.targets import Endpoint

SEGMENT_BYTES = 1448
STEP_SECONDS = 0.01
LINE_BPS = 18e6


class Shape(StrEnum):
    """How a flow is treated on its way."""

    CLEAN = "clean"
    POLICED = "policed"
    SHAPED = "shaped"
    STALLED = "stalled"


Rate = Callable[[float, int, Random], float]  # (seconds since the request, bytes so far, random) -> bit/s


def _clean(line_bps: float) -> Rate:
    return lambda t, _sent, random: line_bps * min(1.0, (0.06 + t * 6)) * random.uniform(0.9, 1.05)


def _policed(limit_bps: float, burst_bytes: int) -> Rate:
    """A token bucket that drops: the burst at line rate, then bursts of a few segments between silent timeouts."""

    def rate(t: float, sent: int, random: Random) -> float:
        if sent < burst_bytes:
            return LINE_BPS
        behind = sent < burst_bytes + limit_bps / 8 * t
        return random.uniform(0.2, 1.6) * 9 * limit_bps if behind and int(t * 4) % 2 else 0.0

    return rate


def _shaped(limit_bps: float) -> Rate:
    return lambda _t, _sent, random: limit_bps * random.uniform(0.97, 1.03)


def _stalled(after_bytes: int) -> Rate:
    return lambda _t, sent, _random: LINE_BPS if sent < after_bytes else 0.0


def curve(
    shape: Shape, *, num_bytes: int, deadline_seconds: float, start: float, random: Random, limit_bps: float = 140e3
) -> tuple[Series, bool]:
    """Bytes over time of one flow, and whether its deadline cut it."""
    rates = {
        Shape.CLEAN: _clean(limit_bps if limit_bps > 1e6 else LINE_BPS),
        Shape.POLICED: _policed(limit_bps, 12 * SEGMENT_BYTES),
        Shape.SHAPED: _shaped(limit_bps),
        Shape.STALLED: _stalled(16 * 1024),
    }
    rate = rates[shape]
    t, credit, sent, queue = 0.04, 0.0, 0, 0.0
    rows = [(0.0, 0, 0, 0.04, 0)]
    while sent < num_bytes and t < deadline_seconds:
        credit += rate(t, sent, random) / 8 * STEP_SECONDS
        segments = int(credit // SEGMENT_BYTES)
        credit -= segments * SEGMENT_BYTES
        sent = min(num_bytes, sent + segments * SEGMENT_BYTES)
        if shape is Shape.SHAPED:
            queue = min(0.9, queue + 0.004)
        lost = sent // (6 * SEGMENT_BYTES) if shape is Shape.POLICED else 0
        rows.append((t, sent, sent // SEGMENT_BYTES, 0.04 + queue + random.uniform(0, 0.004), lost))
        t += STEP_SECONDS
    kept = rows if len(rows) <= 256 else [rows[round(i * (len(rows) - 1) / 255)] for i in range(256)]
    series = Series(
        t=tuple(round(start + row[0], 6) for row in kept),
        num_bytes=tuple(row[1] for row in kept),
        segments=tuple(row[2] for row in kept),
        rtt_seconds=tuple(round(row[3], 6) for row in kept),
        retransmits=tuple(row[4] for row in kept),
    )
    return series, sent < num_bytes


def transfer(
    shape: Shape,
    *,
    direction: Direction,
    url: str,
    endpoint: Endpoint,
    server_name: str,
    host: str,
    order: int,
    t0: float,
    num_bytes: int,
    random: Random,
    deadline_seconds: float = 4.0,
    limit_bps: float = 140e3,
) -> Transfer:
    """One transfer as `probe.net` records it."""
    start = t0 + 0.13
    series, cut = curve(
        shape, num_bytes=num_bytes, deadline_seconds=deadline_seconds, start=start, random=random, limit_bps=limit_bps
    )
    moved = series.num_bytes[-1]
    up = direction is Direction.UPLOAD
    return Transfer(
        direction=direction,
        url=url,
        endpoint=endpoint,
        server_name=server_name,
        host=host,
        source_port=20_000 + random.randrange(40_000),
        order=order,
        requested_bytes=num_bytes,
        t0=t0,
        t_connected=round(t0 + 0.041, 6),
        t_secured=round(t0 + 0.128, 6),
        t_request=start,
        t_first_byte=round(start + 0.042, 6),
        t=series.t[-1],
        status=None if cut else (413 if up else 206),
        failure=None,
        alert=None,
        cut=cut,
        complete=not cut,
        num_bytes=moved,
        application_bytes=moved,
        kernel_counted=True,
        verified=server_name == host,
        series=series,
        tcp_before=None,
        tcp_after=_tcp_info(series, up=up),
        loop_lag_seconds=0.001,
        sent_bytes=moved + 2_500 if up else 2_500,
        received_bytes=5_000 if up else moved + 5_000,
    )


def _tcp_info(series: Series, *, up: bool) -> TcpInfo:
    moved, lost = series.num_bytes[-1], series.retransmits[-1]
    return TcpInfo(
        rtt_seconds=series.rtt_seconds[-1],
        min_rtt_seconds=min(series.rtt_seconds),
        total_retransmits=lost if up else 0,
        bytes_acked=moved if up else 900,
        bytes_received=5_000 if up else moved,
        segments_in=series.segments[-1],
        segments_out=series.segments[-1],
        delivered=series.segments[-1],
        bytes_sent=moved + lost * SEGMENT_BYTES if up else 900,
        bytes_retransmitted=lost * SEGMENT_BYTES if up else 0,
        out_of_order=0 if up else lost,
        mss=SEGMENT_BYTES,
        congestion_window=10,
        delivery_rate_bps=None,
        rwnd_limited_seconds=0.0,
        sndbuf_limited_seconds=0.0,
    )
