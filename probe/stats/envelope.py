"""Which line bounds the curve of one transfer from above, and how close to it does the curve stay?

A token bucket lets through what its rate allows and never more: the curve of a policed flow touches one straight line
wherever the tokens are used up, and falls below it while the sender waits for a timeout. The line is therefore the
upper envelope of the curve, not a fit through it, which every pause tilts. A shaper's backlog leaves no pause, so its
curve stays within a segment of the line. Pure readings, no opinion; figures: docs/method/goodput.md.
"""

from collections.abc import Sequence
from itertools import pairwise

from probe.model.observations import Direction, Transfer
from probe.stats.curves import MIN_SAMPLES, MIN_SECONDS, end_time, interpolated, segment_bytes, steady, wire_bytes

Point = tuple[float, float]

LINE_AT = 0.4  # of the time since the first byte: past a policer's burst; of .4-.8 the least error (docs/method)
SAMPLE_SECONDS = 0.01  # the curve is sampled so often: what arrives in between leaps, and is no pause


def limit_line_bps(transfer: Transfer) -> float | None:
    """The slope of the upper envelope at 40 % of the time since the first byte, in bit/s on the wire."""
    points = _points(transfer)
    if len(points) < MIN_SAMPLES or points[-1][0] - points[0][0] < MIN_SECONDS:
        return None
    at = points[0][0] + LINE_AT * (points[-1][0] - points[0][0])
    corners = _upper(points)
    for (t0, low), (t1, high) in pairwise(corners):
        if t0 <= at <= t1:
            return 8 * (high - low) / (t1 - t0)
    return None


def deepest_pause_segments(transfer: Transfer) -> float | None:
    """How far, in segments of full size, the curve falls below its envelope over the steady part, at most."""
    times, counts = steady(transfer)
    if not times:
        return None
    corners = _upper(tuple(zip(times, counts, strict=True)))
    bound = interpolated(times, [t for t, _ in corners], [count for _, count in corners])
    return max(high - count for high, count in zip(bound, counts, strict=True)) / segment_bytes(transfer)


def segments_a_sample(transfer: Transfer) -> float | None:
    """How many segments come between two samples at the envelope's rate."""
    line = limit_line_bps(transfer)
    return None if line is None else line * SAMPLE_SECONDS / 8 / segment_bytes(transfer)


def _points(transfer: Transfer) -> tuple[Point, ...]:
    """Time and wire bytes of each sample from the first byte to the end."""
    first = transfer.t_first_byte if transfer.direction is Direction.DOWNLOAD else transfer.t_request
    if first is None:
        return ()
    end = end_time(transfer)
    counted = zip(transfer.series.t, wire_bytes(transfer), strict=True)
    return tuple((t, count) for t, count in counted if first <= t <= end)


def _upper(points: Sequence[Point]) -> list[Point]:
    """The upper convex hull, from left to right (Andrew's monotone chain)."""
    corners: list[Point] = []
    for t, count in points:
        while len(corners) > 1 and _is_below(corners[-1], corners[-2], (t, count)):
            corners.pop()
        if corners and t == corners[-1][0]:
            corners[-1] = (t, max(count, corners[-1][1]))
        else:
            corners.append((t, count))
    return corners


def _is_below(middle: Point, left: Point, right: Point) -> bool:
    """Whether `middle` lies on or below the line from `left` to `right`."""
    rise, run = middle[1] - left[1], middle[0] - left[0]
    return rise * (right[0] - left[0]) <= (right[1] - left[1]) * run
