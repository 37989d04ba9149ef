"""By what means is this flow slowed, and does its curve carry a limiter's signature of its own?

The means only describe a finding that a comparison of names has made; the signature may support one by itself, at
`likely`, and is therefore stricter. Figures: feasibility §3 and §5, docs/method/goodput.md.
"""

from collections.abc import Callable, Sequence
from statistics import median

from probe.checks.goodput.fate import Fate, fate
from probe.model.observations import Direction, Transfer
from probe.model.results import Method
from probe.stats.curves import (
    fastest_run,
    holes,
    min_rtt_seconds,
    retransmitted_share,
    rtt_growth,
    slope_bps,
    straightness,
    stream_bytes,
    tail_silence_seconds,
)
from probe.stats.pairs import variation

STALL_SILENCE_SECONDS = 1.0  # policed flows pause for a retransmission timeout of 0.2-0.8 s, not longer, five in a row
STALL_SILENCE_RTTS = 4.0  # … and on a long path for as many round trips
STALL_SPREAD_BYTES = 3000  # two segments: freezes are exact to one (feasibility §3: 80 of 80)
SHAPED_RTT_GROWTH = 1.8  # a queue of this flow's own; clean, lossy and policed lines stay below (feasibility §3)
SHAPED_STRAIGHTNESS = 0.98  # R²: a full queue empties evenly
LOSSLESS_STRAIGHTNESS = 0.995  # where no queue can be seen, an even rate without any loss
MAX_SHAPED_HOLES = 2.0  # median per transfer: what a shaper's full queue drops at the end of slow start
MAX_SHAPED_RETRANSMITS = 0.05  # the same, for uploads
LOSS_HOLES = 1.0  # median per transfer from which a download counts as losing packets
LOSS_RETRANSMITS = 0.02  # the same, of an upload's segments
POLICED_VARIATION = 0.13  # of slopes between transfers: a policer's rate is one rate (measured .002-.09)
ONE_RATE_VARIATION = 0.06  # below it the slopes alone decide: short flows of a few dozen segments cannot be straight
POLICED_STRAIGHTNESS = 0.985
POLICED_FASTEST_RUN = 1.3
POLICED_SIGNS = 2  # of the three above
SIGNATURE_HOLES = 3  # in every flow; origins that are merely slow show none, jitter 1-5 (feasibility §5)
SIGNATURE_MEDIAN_HOLES = 5.0
SIGNATURE_RETRANSMITS = 0.08  # in every upload; policed ones show .14-.47
SIGNATURE_MEDIAN_RETRANSMITS = 0.12
SIGNATURE_CONTROL_SHARE = 1 / 3  # the control may show at most this much of it: otherwise it is the line's
SIGNATURE_RTT_GROWTH = 2.2  # a slow origin shows up to 1.3 by itself, a shaper 2.4-6.8
MIN_SIGNATURE_FLOWS = 3  # and every one must carry it: a single transfer of a jittery line may (feasibility §5)


def stall_offset(flows: Sequence[Transfer]) -> int | None:
    """After how many bytes of the connection all of these flows stood still; None if they did not, or not alike."""
    if not flows or any(fate(f) is not Fate.CUT or not f.num_bytes for f in flows):
        return None
    for flow in flows:
        needed = max(STALL_SILENCE_SECONDS, STALL_SILENCE_RTTS * (min_rtt_seconds(flow) or 0.0))
        if tail_silence_seconds(flow) < needed:
            return None
    offsets = [stream_bytes(f) for f in flows]
    return int(median(offsets)) if max(offsets) - min(offsets) <= STALL_SPREAD_BYTES else None


def method_of(flows: Sequence[Transfer]) -> Method:
    """How these flows, known to be slowed, are slowed."""
    if stall_offset(flows) is not None:
        return Method.STALLED
    straight, growth, lost = _median(straightness, flows), _median(rtt_growth, flows), _loss(flows)
    if straight is None or lost is None:
        return Method.UNKNOWN
    uploading = flows[0].direction is Direction.UPLOAD
    few = lost <= (MAX_SHAPED_RETRANSMITS if uploading else MAX_SHAPED_HOLES)
    if few and growth is not None and growth >= SHAPED_RTT_GROWTH and straight >= SHAPED_STRAIGHTNESS:
        return Method.SHAPED
    if lost < (LOSS_RETRANSMITS if uploading else LOSS_HOLES):
        return Method.SHAPED if straight >= LOSSLESS_STRAIGHTNESS else Method.UNKNOWN
    slopes = [s for f in flows if (s := slope_bps(f)) is not None]
    varied, fastest = variation(slopes), _median(fastest_run, flows)
    signs = (
        varied is not None and varied <= POLICED_VARIATION,
        straight >= POLICED_STRAIGHTNESS,
        fastest is not None and fastest <= POLICED_FASTEST_RUN,
    )
    one_rate = varied is not None and varied <= ONE_RATE_VARIATION
    return Method.POLICED if one_rate or sum(signs) >= POLICED_SIGNS else Method.LOSSY


def limit_bps(flows: Sequence[Transfer], method: Method) -> float | None:
    """A policer's or shaper's own rate, in bit/s on the wire; None where the method has none."""
    slopes = [s for f in flows if (s := slope_bps(f)) is not None]
    return median(slopes) if slopes and method in (Method.POLICED, Method.SHAPED) else None


def signature_of(flows: Sequence[Transfer], controls: Sequence[Transfer]) -> Method | None:
    """The limiter whose signature every one of these flows carries and the control's do not; None without one."""
    if len(flows) < MIN_SIGNATURE_FLOWS or not controls:
        return None
    if stall_offset(flows) is not None:
        return Method.STALLED if all(fate(c) is Fate.DELIVERED for c in controls) else None
    if _has_own_losses(flows, controls) and method_of(flows) is Method.POLICED:
        return Method.POLICED
    if _has_own_queue(flows, controls) and method_of(flows) is Method.SHAPED:
        return Method.SHAPED
    return None


def _has_own_losses(flows: Sequence[Transfer], controls: Sequence[Transfer]) -> bool:
    uploading = flows[0].direction is Direction.UPLOAD
    read: Callable[[Transfer], float | None] = retransmitted_share if uploading else holes
    least, middle = (
        (SIGNATURE_RETRANSMITS, SIGNATURE_MEDIAN_RETRANSMITS)
        if uploading
        else (SIGNATURE_HOLES, SIGNATURE_MEDIAN_HOLES)
    )
    seen, usual = [read(f) for f in flows], _median(read, controls)
    known = [value for value in seen if value is not None]
    if len(known) < len(seen) or usual is None:
        return False
    return min(known) >= least and median(known) >= middle and usual <= SIGNATURE_CONTROL_SHARE * median(known)


def _has_own_queue(flows: Sequence[Transfer], controls: Sequence[Transfer]) -> bool:
    grown, usual = [rtt_growth(f) for f in flows], _median(rtt_growth, controls)
    known = [value for value in grown if value is not None]
    if len(known) < len(grown) or usual is None:
        return False
    return min(known) >= SHAPED_RTT_GROWTH and median(known) >= SIGNATURE_RTT_GROWTH and usual < SHAPED_RTT_GROWTH


def _loss(flows: Sequence[Transfer]) -> float | None:
    return _median(retransmitted_share if flows[0].direction is Direction.UPLOAD else holes, flows)


def _median(read: Callable[[Transfer], float | None], flows: Sequence[Transfer]) -> float | None:
    known = [value for f in flows if (value := read(f)) is not None]
    return float(median(known)) if known else None
