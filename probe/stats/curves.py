"""What do the bytes over time of one transfer show: its rate, how even it was, what was lost, what queued?

Pure readings of one `Transfer`, without an opinion: which value is a sign of what is `probe.verdict`'s to say. Rates
are bit/s, times seconds. A reading that the record does not allow is None.
"""

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

from probe.model.observations import Direction, Transfer

MID_FROM, MID_TO = 0.4, 0.9  # of the bytes asked: leaves out slow start, a policer's burst and the lost tail
MID_NEEDS = 0.5  # of the bytes asked: with less there is no middle to speak of
STEADY_FROM = 0.3  # of the time since the first byte: what comes before is slow start and a policer's burst
RUN_SHARE = 0.3  # of the steady time: the length of the run whose rate is compared with the mean
HOLE_RTTS = 0.75  # received bytes that stand still longer than this while segments arrive: something was lost
IP_TCP_HEADER_BYTES = 52  # IPv4 and TCP with timestamps: what a policer counts beside the payload
DEFAULT_MSS_BYTES = 1448
STEADY_POINTS = 61  # of the steady part, evenly spaced: 10-50 ms apart, as dense as what is sampled
MIN_SAMPLES = 4  # fewer make no curve
MIN_SECONDS = 0.001  # the clock's grain: no rate is computed over less


def elapsed_seconds(transfer: Transfer) -> float:
    """From the first packet to the end, connection included."""
    return max(transfer.t - transfer.t0, MIN_SECONDS)


def end_time(transfer: Transfer) -> float:
    """When the last byte came; for a transfer that is not complete, when it was given up."""
    series = transfer.series
    if not transfer.complete or not series.t:
        return transfer.t
    last = series.num_bytes[-1]
    return next(t for t, count in zip(series.t, series.num_bytes, strict=True) if count >= last)


def whole_bps(transfer: Transfer) -> float:
    """Bytes over the time from the request to the last byte, or to the cut; 0 where no request could be sent."""
    if transfer.t_request is None:
        return 0.0
    return 8 * transfer.num_bytes / max(end_time(transfer) - transfer.t_request, MIN_SECONDS)


def mid_bps(transfer: Transfer) -> float:
    """The rate between 40 and 90 % of the bytes asked; the whole rate where less than half came or no curve is
    known."""
    asked, came = transfer.requested_bytes, transfer.num_bytes
    start = crossing(transfer, MID_FROM * asked)
    if came < MID_NEEDS * asked or start is None:
        return whole_bps(transfer)
    end = crossing(transfer, MID_TO * asked)
    if end is None:  # cut within the middle: the time until the cut counts
        return 8 * (came - MID_FROM * asked) / max(transfer.t - start, MIN_SECONDS)
    return 8 * (MID_TO - MID_FROM) * asked / max(end - start, MIN_SECONDS)


def progress(transfer: Transfer) -> tuple[float, ...]:
    """Bytes at each sample, by the segments that had come: those behind a hole count when they arrive, not when it is
    filled.

    Cumulative counts stand still at each loss and then leap; on lossy lines that made single middles up to ten times
    too fast (docs/method/goodput.md). Where segments are not known: the bytes as counted.
    """
    series = transfer.series
    if not series.segments or not series.segments[-1]:
        return tuple(float(count) for count in series.num_bytes)
    share = series.num_bytes[-1] / series.segments[-1]
    return tuple(count * share for count in series.segments)


def crossing(transfer: Transfer, level_bytes: float) -> float | None:
    """When the progress reached `level_bytes`, interpolated between samples; None if it never did."""
    times, counts = transfer.series.t, progress(transfer)
    for index, count in enumerate(counts):
        if count >= level_bytes:
            if index == 0 or count == counts[index - 1]:
                return times[index]
            share = (level_bytes - counts[index - 1]) / (count - counts[index - 1])
            return times[index - 1] + share * (times[index] - times[index - 1])
    return None


def min_rtt_seconds(transfer: Transfer) -> float | None:
    """The kernel's least RTT, else the least that is known, else the time that the TCP handshake took."""
    for info in (transfer.tcp_after, transfer.tcp_before):
        if info is not None and info.min_rtt_seconds:
            return info.min_rtt_seconds
    known = [rtt for rtt in transfer.series.rtt_seconds if rtt > 0]
    if known:
        return min(known)
    return None if transfer.t_connected is None else transfer.t_connected - transfer.t0


def rtt_growth(transfer: Transfer) -> float | None:
    """Greatest by least RTT within the transfer: what queued in front of this flow."""
    known = [rtt for rtt in transfer.series.rtt_seconds if rtt > 0]
    least = min_rtt_seconds(transfer)
    return max(known) / least if known and least else None


def rtt_growth_seconds(transfer: Transfer) -> float | None:
    """Greatest less least RTT within the transfer."""
    known = [rtt for rtt in transfer.series.rtt_seconds if rtt > 0]
    least = min_rtt_seconds(transfer)
    return max(known) - least if known and least else None


def tail_silence_seconds(transfer: Transfer) -> float:
    """How long nothing had come when the transfer ended."""
    series = transfer.series
    counts = series.num_bytes
    grown = [t for t, before, now in zip(series.t[1:], counts, counts[1:], strict=False) if now > before]
    if grown:
        return max(0.0, transfer.t - grown[-1])
    return max(0.0, transfer.t - transfer.t_request) if transfer.t_request is not None else 0.0


def standstill_seconds(transfer: Transfer) -> float:
    """How long neither a byte nor a segment had come when the transfer ended; segments behind a hole go on coming."""
    series = transfer.series
    if not series.segments:
        return tail_silence_seconds(transfer)
    counts = list(zip(series.t, series.segments, strict=True))
    grown = [t for (_, before), (t, now) in pairwise(counts) if now > before]
    return (
        min(tail_silence_seconds(transfer), max(0.0, transfer.t - grown[-1]))
        if grown
        else tail_silence_seconds(transfer)
    )


def stream_bytes(transfer: Transfer) -> int:
    """Bytes of the connection in this direction since its first one, TLS handshake included, as the kernel counts."""
    info = transfer.tcp_after
    if info is not None:
        counted = info.bytes_received if transfer.direction is Direction.DOWNLOAD else info.bytes_acked
        if counted is not None:
            return max(counted, transfer.num_bytes)
    return transfer.num_bytes


def holes(transfer: Transfer) -> int | None:
    """How often received bytes stood still for longer than 0.75 RTT while segments went on arriving.

    Each is a loss that the receiver waited for. Jitter reorders without such holes (feasibility §3). Downloads only.
    """
    series, rtt = transfer.series, min_rtt_seconds(transfer)
    if not series.segments or rtt is None:
        return None
    found, since = 0, 0
    for index in range(1, len(series.t)):
        if series.num_bytes[index] > series.num_bytes[index - 1]:
            still = series.t[index] - series.t[since]
            arrived = series.segments[index - 1] - series.segments[since]
            found += still > HOLE_RTTS * rtt and arrived > 0
            since = index
    return found


def hole_share(transfer: Transfer) -> float | None:
    """Holes by segments received. Downloads only."""
    found, segments = holes(transfer), transfer.series.segments
    return found / segments[-1] if found is not None and segments[-1] else None


def retransmitted_share(transfer: Transfer) -> float | None:
    """Retransmitted by delivered segments. Uploads only: a receiver does not know what its peer sent again."""
    series = transfer.series
    if not series.retransmits or not series.segments or not series.segments[-1]:
        return None
    return series.retransmits[-1] / series.segments[-1]


def wire_bytes(transfer: Transfer) -> tuple[float, ...]:
    """Bytes on the wire at each sample: segments at full size, which a policer's output is whether or not they filled
    a hole; payload and its headers where segments are not known."""
    series, full = transfer.series, segment_bytes(transfer)
    if series.segments:
        return tuple(float(count * full) for count in series.segments)
    return tuple(count * full / (full - IP_TCP_HEADER_BYTES) for count in series.num_bytes)


def segment_bytes(transfer: Transfer) -> int:
    """A segment of full size on the wire, its headers included."""
    info = transfer.tcp_after
    return (info.mss if info is not None and info.mss else DEFAULT_MSS_BYTES) + IP_TCP_HEADER_BYTES


def steady(transfer: Transfer) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Times and wire bytes, evenly spaced, over the last 70 % of the time since the first byte; empty if nothing came.

    Samples are kept where the curve bends; even spacing gives each moment the same weight.
    """
    series = transfer.series
    first = transfer.t_first_byte if transfer.direction is Direction.DOWNLOAD else transfer.t_request
    if first is None or len(series.t) < MIN_SAMPLES:
        return (), ()
    end = min(end_time(transfer), series.t[-1])
    start = first + STEADY_FROM * (end - first)
    if end - start < MIN_SECONDS:
        return (), ()
    times = tuple(start + (end - start) * step / (STEADY_POINTS - 1) for step in range(STEADY_POINTS))
    return times, interpolated(times, series.t, wire_bytes(transfer))


def interpolated(times: Sequence[float], known: Sequence[float], values: Sequence[float]) -> tuple[float, ...]:
    """`values` at `times`, linear between the `known` times; both ascend, and two at least are known."""
    found, index = [], 1
    for t in times:
        while index < len(known) - 1 and known[index] < t:
            index += 1
        span = known[index] - known[index - 1]
        share = min(1.0, max(0.0, (t - known[index - 1]) / span)) if span > 0 else 1.0
        found.append(values[index - 1] + share * (values[index] - values[index - 1]))
    return tuple(found)


def slope_bps(transfer: Transfer) -> float | None:
    """The least-squares rate over the steady part, in bit/s on the wire."""
    fit = _fit(*steady(transfer))
    return None if fit is None else 8 * fit[0]


def straightness(transfer: Transfer) -> float | None:
    """R² of that fit: 1 is a perfectly even rate."""
    fit = _fit(*steady(transfer))
    return None if fit is None else fit[1]


def fastest_run(transfer: Transfer) -> float | None:
    """The fastest 30 % of the steady time by the steady mean: near 1 under a rate limit."""
    times, counts = steady(transfer)
    if not times or counts[-1] <= counts[0]:
        return None
    length = round(RUN_SHARE * (STEADY_POINTS - 1))
    best = max(later - earlier for earlier, later in zip(counts, counts[length:], strict=False))
    return best / (counts[-1] - counts[0]) / (length / (STEADY_POINTS - 1))


def _fit(times: Sequence[float], counts: Sequence[float]) -> tuple[float, float] | None:
    if not times:
        return None
    mean_t, mean_c = fmean(times), fmean(counts)
    spread_t = sum((t - mean_t) ** 2 for t in times)
    spread_c = sum((c - mean_c) ** 2 for c in counts)
    if not spread_t or not spread_c:
        return None
    common = sum((t - mean_t) * (c - mean_c) for t, c in zip(times, counts, strict=True))
    return common / spread_t, common**2 / (spread_t * spread_c)
