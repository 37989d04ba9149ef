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
    hole_share,
    holes,
    min_rtt_seconds,
    retransmitted_share,
    rtt_growth,
    rtt_growth_seconds,
    segment_bytes,
    slope_bps,
    straightness,
)
from probe.stats.envelope import deepest_pause_segments, limit_line_bps, segments_a_sample
from probe.stats.pairs import tightest_variation, variation
from probe.verdict.goodput_stall import all_stall_alike, is_unreached, stand_still

# What follows is calibrated on slowed transfers of the lab (benchmarks/methods_in_lab.py): docs/method/goodput.md.
MIN_LINES = 3  # flows with a line of their own; fewer show nothing alike
SHAPED_RTT_GROWTH = 1.8  # a queue of this flow's own; clean, lossy and policed lines stay below (feasibility §3)
SHAPED_QUEUE_SECONDS = 0.1  # … or this much: on a satellite's 0.6 s a full queue of 0.3 s adds a fifth to a half
SHAPED_PAUSE_SEGMENTS = 1.3  # a backlog leaves no pause: measured .8-1.1, policed at the same rates 1.6-13
DEEP_QUEUE_SECONDS = 0.3  # behind a queue that deep, which no policed flow showed (up to .15 s) …
DEEP_PAUSE_SEGMENTS = (
    2.0  # … the end of slow start leaves a longer one (measured up to 1.8); on a long way any, if lossless
)
PAUSE_SAMPLES = 1.0  # … and what arrives between two samples is no pause
SHAPED_VARIATION = 0.05  # of slopes between transfers (measured up to .036, mostly below .01)
MAX_LOSSLESS_HOLES = 0.0  # median per download: without a queue to be seen, only an even rate without any loss …
MAX_LOSSLESS_RETRANSMITS = 0.02  # … or hardly any retransmission is a shaper's
LOSS_HOLES = 1.0  # median per transfer from which a download counts as losing packets
LOSS_RETRANSMITS = 0.02  # the same, of an upload's segments
ONE_RATE_VARIATION = 0.08  # of the limiter's line between all flows but one: policed up to .06, lossy from .11 on
FASTEST_AGREE = 0.02  # … or of the fastest three: a limiter's flows may fall short of its line, and never pass it
COARSE_VARIATION = 0.2  # the same where random loss cannot be it: a few dozen segments are coarse (policed up to .13)
POLICED_RETRANSMITS = 0.3  # of an upload: policed ones show .4-1.1, lines that lose 10 % .07-.22
POLICED_SEGMENTS_PER_RTT = 0.5  # a line that loses 10 % moves 1.7-3 segments a round trip; this takes a loss of 30 %
MAX_LIMIT_SEGMENTS = 10  # a round trip, at a policer's line: about what small buckets hold (11 of 16 kB)
TRACELESS_RTT_GROWTH = 1.5  # paced servers show up to 1.3, shaped flows from 2.9 on, BBR's among them …
TRACELESS_QUEUE_SECONDS = 0.05  # … or, over a satellite, this much; shaped ones from .08 s on

SIGNATURE_ONE_RATE_VARIATION = 0.06  # of least-squares slopes
SIGNATURE_POLICED_VARIATION = 0.13  # the same, where another sign joins it (measured .002-.09)
SIGNATURE_POLICED_STRAIGHTNESS = 0.985
SIGNATURE_FASTEST_RUN = 1.3
SIGNATURE_SIGNS = 2  # of the three above
SIGNATURE_SHAPED_STRAIGHTNESS = 0.98  # R²: a full queue empties evenly
SIGNATURE_SHAPED_HOLES = 2.0  # median per transfer: what a shaper's full queue drops at the end of slow start
SIGNATURE_SHAPED_RETRANSMITS = 0.05  # the same, for uploads
SIGNATURE_HOLES = 3  # in every flow; origins that are merely slow show none, jitter 1-5 (feasibility §5)
SIGNATURE_MEDIAN_HOLES = 5.0
SIGNATURE_RETRANSMITS = 0.08  # in every upload; policed ones show .14-.47
SIGNATURE_MEDIAN_RETRANSMITS = 0.12
SIGNATURE_CONTROL_SHARE = 1 / 3  # the control may show at most this much of it: otherwise it is the line's
SIGNATURE_RTT_GROWTH = 2.2  # a slow origin shows up to 1.3 by itself, a shaper 2.4-6.8
MIN_SIGNATURE_FLOWS = 3  # and every one must carry it: a single transfer of a jittery line may (feasibility §5)


def method_of(flows: Sequence[Transfer]) -> Method:
    """How these flows, known to be slowed, are slowed."""
    if stand_still(flows):
        return Method.STALLED
    lines, lost = _known(limit_line_bps, flows), _loss(flows)
    if len(lines) < MIN_LINES or lost is None:
        return Method.UNKNOWN
    if _is_shaped(flows, lost):
        return Method.SHAPED
    if lost < (LOSS_RETRANSMITS if _is_upload(flows) else LOSS_HOLES):
        return Method.UNKNOWN
    varied, fastest = tightest_variation(lines), sorted(lines)[-MIN_LINES:]
    if varied is None:
        return Method.UNKNOWN
    if varied <= ONE_RATE_VARIATION or fastest[0] >= (1 - FASTEST_AGREE) * fastest[-1]:
        return Method.POLICED
    coarse = varied <= COARSE_VARIATION and _is_beyond_loss(flows, lines, lost)
    return Method.POLICED if coarse else Method.LOSSY


def limit_bps(flows: Sequence[Transfer], method: Method) -> float | None:
    """A policer's or shaper's own rate, in bit/s on the wire; None where the method has none.

    A policer's is the line that bounds its curve: a fit through the curve is tilted by each pause. A shaper's curve has
    none, and the fit is finer. A policed flow that moves more in each round trip than the bucket holds cannot use the
    rate: its line is then half of a limit of 10 Mbit/s at 40 ms, a fifth of 1.4 Mbit/s at 600 ms (bucket 16 kB).
    """
    if method is Method.SHAPED:
        return _median(slope_bps, flows)
    line, rtt = _median(limit_line_bps, flows), _median(min_rtt_seconds, flows)
    if method is not Method.POLICED or line is None or rtt is None:
        return None
    return line if line / 8 * rtt <= MAX_LIMIT_SEGMENTS * segment_bytes(flows[0]) else None


def is_traceless(flows: Sequence[Transfer]) -> bool:
    """Whether no segment of these downloads was lost and none waited in a queue: somebody sent them no faster.

    Who polices loses packets (1 and more in every flow measured), who shapes queues them. A server that paces itself
    does neither; nor does who drops acknowledgements, or a proxy that ends TCP on the way.
    """
    lost, grown, queued = (_known(read, flows) for read in (holes, rtt_growth, rtt_growth_seconds))
    if not flows or _is_upload(flows) or min(len(lost), len(grown)) < len(flows):
        return False
    return max(lost) == 0 and max(grown) < TRACELESS_RTT_GROWTH and max(queued) < TRACELESS_QUEUE_SECONDS


def _is_shaped(flows: Sequence[Transfer], lost: float) -> bool:
    """Whether they come at one even rate, without pauses, behind a queue of their own or without loss."""
    pause, grain = _median(deepest_pause_segments, flows), _median(segments_a_sample, flows)
    varied = tightest_variation(_known(slope_bps, flows))
    if pause is None or grain is None or varied is None:
        return False
    growth, seconds = _median(rtt_growth, flows) or 1.0, _median(rtt_growth_seconds, flows) or 0.0
    queued = growth >= SHAPED_RTT_GROWTH or seconds >= SHAPED_QUEUE_SECONDS
    deep = seconds >= DEEP_QUEUE_SECONDS or (
        seconds >= SHAPED_QUEUE_SECONDS and growth < SHAPED_RTT_GROWTH and not lost
    )
    allowed = DEEP_PAUSE_SEGMENTS if deep else SHAPED_PAUSE_SEGMENTS
    if pause > allowed + PAUSE_SAMPLES * grain or varied > SHAPED_VARIATION:
        return False
    return queued or lost <= (MAX_LOSSLESS_RETRANSMITS if _is_upload(flows) else MAX_LOSSLESS_HOLES)


def _is_beyond_loss(flows: Sequence[Transfer], lines: Sequence[float], lost: float) -> bool:
    """Whether no random loss of a line that carries anything at all explains how little passes."""
    if _is_upload(flows) and lost >= POLICED_RETRANSMITS:
        return True
    rtt = _median(min_rtt_seconds, flows)
    return rtt is not None and median(lines) / 8 * rtt / segment_bytes(flows[0]) <= POLICED_SEGMENTS_PER_RTT


def signature_of(flows: Sequence[Transfer], controls: Sequence[Transfer]) -> Method | None:
    """The limiter whose signature every one of these flows carries and the control's do not; None without one."""
    if len(flows) < MIN_SIGNATURE_FLOWS or not controls:
        return None
    if all_stall_alike(flows):
        # a server that hangs looks the same, but answers: where that is not known, nothing is said
        return Method.STALLED if is_unreached(flows) and all(fate(c) is Fate.DELIVERED for c in controls) else None
    method = method_of(flows)
    if method is Method.POLICED and _has_own_losses(flows, controls) and _is_one_rate(flows):
        return Method.POLICED
    if method is Method.SHAPED and _has_own_queue(flows, controls) and _is_undisturbed(flows):
        return Method.SHAPED
    return None


def _is_one_rate(flows: Sequence[Transfer]) -> bool:
    """Whether their lines are one rate, and all flows, none left out, show it by their least-squares slopes too."""
    varied, straight, fastest = (
        variation(_known(slope_bps, flows)),
        _median(straightness, flows),
        _median(fastest_run, flows),
    )
    lines = tightest_variation(_known(limit_line_bps, flows))
    if varied is None or straight is None or fastest is None or lines is None or lines > ONE_RATE_VARIATION:
        return False
    signs = (
        varied <= SIGNATURE_POLICED_VARIATION,
        straight >= SIGNATURE_POLICED_STRAIGHTNESS,
        fastest <= SIGNATURE_FASTEST_RUN,
    )
    return varied <= SIGNATURE_ONE_RATE_VARIATION or sum(signs) >= SIGNATURE_SIGNS


def _is_undisturbed(flows: Sequence[Transfer]) -> bool:
    """Whether hardly anything is lost on a straight curve."""
    straight, lost = _median(straightness, flows), _loss(flows)
    few = lost is not None and lost <= (SIGNATURE_SHAPED_RETRANSMITS if _is_upload(flows) else SIGNATURE_SHAPED_HOLES)
    return few and straight is not None and straight >= SIGNATURE_SHAPED_STRAIGHTNESS


def _has_own_losses(flows: Sequence[Transfer], controls: Sequence[Transfer]) -> bool:
    uploading = _is_upload(flows)
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
    enough = min(known) >= least and median(known) >= middle and usual <= SIGNATURE_CONTROL_SHARE * median(known)
    return enough and (uploading or _loses_more_often(flows, controls))


def _loses_more_often(flows: Sequence[Transfer], controls: Sequence[Transfer]) -> bool:
    """Whether these downloads lose more of their segments than the control's: a server that sends evenly and slowly is
    watched for longer, so that a line's own loss leaves more holes in its flows than in a control's short ones.
    """
    mine, usual = _median(hole_share, flows), _median(hole_share, controls)
    return mine is not None and usual is not None and usual <= SIGNATURE_CONTROL_SHARE * mine


def _has_own_queue(flows: Sequence[Transfer], controls: Sequence[Transfer]) -> bool:
    grown, usual = [rtt_growth(f) for f in flows], _median(rtt_growth, controls)
    known = [value for value in grown if value is not None]
    if len(known) < len(grown) or usual is None:
        return False
    return min(known) >= SHAPED_RTT_GROWTH and median(known) >= SIGNATURE_RTT_GROWTH and usual < SHAPED_RTT_GROWTH


def _is_upload(flows: Sequence[Transfer]) -> bool:
    return flows[0].direction is Direction.UPLOAD


def _loss(flows: Sequence[Transfer]) -> float | None:
    return _median(retransmitted_share if _is_upload(flows) else holes, flows)


def _known(read: Callable[[Transfer], float | None], flows: Sequence[Transfer]) -> list[float]:
    return [value for f in flows if (value := read(f)) is not None]


def _median(read: Callable[[Transfer], float | None], flows: Sequence[Transfer]) -> float | None:
    known = _known(read, flows)
    return float(median(known)) if known else None
