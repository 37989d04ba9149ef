"""How strong must throttling be for this transfer to show it?

Arithmetic on a policer with a token bucket: it lets a burst through at the line's own rate and the rest at its own.
Which observed ratio counts as slower is `probe.verdict`'s to say and is handed in.
"""

from math import log2

INITIAL_WINDOW_BYTES = 10 * 1448  # RFC 6928
SEARCH_STEPS = 40  # bisection to 1e-12: far finer than any figure that is shown


def slow_start_seconds(num_bytes: float, rtt_seconds: float) -> float:
    """How long a flow that doubles each round trip takes for `num_bytes`, from the request."""
    return rtt_seconds * log2(num_bytes / INITIAL_WINDOW_BYTES + 1)


def shown_ratio(
    limit_ratio: float,
    burst_bytes: float,
    *,
    window: tuple[float, float],
    num_bytes: int,
    control_bps: float,
    rtt_seconds: float,
) -> float:
    """The ratio that a policer to `limit_ratio` of the control's rate would show between two shares of the bytes.

    The bucket fills again while the flow is in slow start, so that much more passes at full rate.
    """
    start, end = (share * num_bytes for share in window)
    refilled = limit_ratio * control_bps / 8 * slow_start_seconds(start, rtt_seconds)
    limited = min(end - start, max(0.0, end - max(start, burst_bytes + refilled)))
    return (end - start) / ((end - start - limited) + limited / limit_ratio)


def detectable_ratio(
    burst_bytes: int,
    *,
    threshold: float,
    window: tuple[float, float],
    num_bytes: int,
    control_bps: float,
    rtt_seconds: float,
) -> float:
    """The greatest limit, as a share of the control's rate, that shows a ratio of at most `threshold`; 0: none does."""
    low, high = 0.0, threshold
    for _ in range(SEARCH_STEPS):
        middle = (low + high) / 2
        shown = shown_ratio(
            middle, burst_bytes, window=window, num_bytes=num_bytes, control_bps=control_bps, rtt_seconds=rtt_seconds
        )
        low, high = (middle, high) if shown <= threshold else (low, middle)
    return low if low > threshold / 1000 else 0.0


def detectable_burst_bytes(
    limit_ratio: float,
    *,
    threshold: float,
    window: tuple[float, float],
    num_bytes: int,
    control_bps: float,
    rtt_seconds: float,
) -> int:
    """The largest burst under which a policer to `limit_ratio` still shows a ratio of at most `threshold`."""
    low, high = 0.0, float(num_bytes)
    for _ in range(SEARCH_STEPS):
        middle = (low + high) / 2
        shown = shown_ratio(
            limit_ratio, middle, window=window, num_bytes=num_bytes, control_bps=control_bps, rtt_seconds=rtt_seconds
        )
        low, high = (middle, high) if shown <= threshold else (low, middle)
    return int(low)
