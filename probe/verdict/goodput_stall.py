"""Do these flows stand still, and after how many bytes of the connection?

A freeze is silence that does not end; policed, shaped and lossy flows pause for a retransmission timeout and go on.
What it means is said elsewhere. Figures: docs/method/goodput.md.
"""

from collections.abc import Sequence

from probe.checks.goodput.fate import Fate, fate
from probe.model.observations import Transfer
from probe.stats.curves import (
    min_rtt_seconds,
    standstill_seconds,
    stream_bytes,
    tail_silence_seconds,
)

STALL_SILENCE_SECONDS = 0.7  # of 752 slowed series without a freeze none was silent for .5 s in so many flows (docs)
SIGNATURE_SILENCE_SECONDS = 1.0  # in every flow, where the silence alone accuses
STALL_SILENCE_RTTS = 3.5  # … and on a long path for so many round trips: what a satellite leaves of 4 s (docs)
ASKED_AFTER_SECONDS = 1.1  # of silence the kernel asks whether the other end is there (`probe.net.transfer`) …
ASKED_RTTS = 2.0  # … and the answer takes a round trip
ANSWER_SECONDS = 0.5  # later than the last byte: not the acknowledgement that came with it
STALL_SPREAD_BYTES = 3000  # two segments: freezes are exact to one (feasibility §3: 80 of 80)
SILENT_SHARE = 0.8  # of the flows: frozen ones are 4 or 5 of 5, shaped and policed ones 3 at most (docs/method)
LEAST_SILENT_SHARE = 0.6  # … where the others, whose handshake a lossy line held up, got no farther; others do go on
HANDSHAKE_SPREAD_BYTES = 64  # signatures in TLS handshakes differ by a few bytes: these others got no farther
ALIKE_SHARE = (
    0.6  # of the flows have to reach the same offset; a line's own losses leave a hole before it in the rest …
)
ALIKE_FLOWS = 3  # … or so many, where these are not too few of all
LEAST_ALIKE_SHARE = 0.4
SILENT_RTTS = 2.0  # of silence in every flow to an address: no proof of a freeze, but nothing to be called healthy


def stand_still(flows: Sequence[Transfer]) -> bool:
    """Whether nearly all of these flows fell silent for good, or most of them and the others got no farther.

    Bytes came in those: nothing at all is not a stall.
    """
    if not flows or any(fate(f) is not Fate.CUT for f in flows):
        return False
    silent = [stream_bytes(f) for f in flows if _is_silent(f)]
    if len(silent) >= SILENT_SHARE * len(flows):
        return True
    others = [stream_bytes(f) for f in flows if not _is_silent(f)]
    return len(silent) >= LEAST_SILENT_SHARE * len(flows) and max(others) <= max(silent) + HANDSHAKE_SPREAD_BYTES


def stall_offset(flows: Sequence[Transfer]) -> int | None:
    """After how many bytes of the connection, its TLS handshake included, they stood still; None if they did not, or
    not alike.

    The greatest offset of them: a loss before a freeze is never made good, so that flows of a lossy line stop short
    of it, and no flow gets beyond it.
    """
    if not stand_still(flows):
        return None
    reached = [stream_bytes(f) for f in flows]
    alike = [count for count in reached if max(reached) - count <= STALL_SPREAD_BYTES]
    enough = max(LEAST_ALIKE_SHARE * len(flows), min(ALIKE_FLOWS, ALIKE_SHARE * len(flows)))
    return max(alike) if len(alike) >= enough else None


def fall_silent(flows: Sequence[Transfer]) -> bool:
    """Whether every one of these flows was cut in a silence: weaker than standing still."""
    return bool(flows) and all(fate(f) is Fate.CUT and _silence_at_end(f) for f in flows)


def all_stall_alike(flows: Sequence[Transfer]) -> bool:
    """Whether every one of them stands still, at one offset: what a signature asks for."""
    if stall_offset(flows) is None or not all(_is_silent(f, SIGNATURE_SILENCE_SECONDS) for f in flows):
        return False
    reached = [stream_bytes(f) for f in flows]
    return max(reached) - min(reached) <= STALL_SPREAD_BYTES


def stops_by_itself(flows: Sequence[Transfer]) -> bool:
    """Whether these flows stand still after the same number of bytes because their server sends no more."""
    answers = [answers_in_silence(f) for f in flows]
    return stall_offset(flows) is not None and any(answers) and False not in answers


def is_unreached(flows: Sequence[Transfer]) -> bool:
    """Whether every one of these flows was asked in its silence, and none was answered."""
    return all(answers_in_silence(f) is False for f in flows)


def answers_in_silence(flow: Transfer) -> bool | None:
    """Whether the server's kernel went on answering after the bytes had stopped; None where it was not asked or the
    platform does not tell.

    Who answers is reached: the program there sends nothing. Everybody who was seen to freeze flows on the path lets
    nothing pass any more, answers included (net4people/bbs #490).
    """
    heard_ago = flow.tcp_after.heard_ago_seconds if flow.tcp_after is not None else None
    silence = tail_silence_seconds(flow)
    if heard_ago is None or silence < ASKED_AFTER_SECONDS + ASKED_RTTS * (min_rtt_seconds(flow) or 0.0):
        return None
    return heard_ago < silence - ANSWER_SECONDS


def _silence_at_end(flow: Transfer) -> bool:
    needed = max(STALL_SILENCE_SECONDS, SILENT_RTTS * (min_rtt_seconds(flow) or 0.0))
    return flow.num_bytes > 0 and tail_silence_seconds(flow) >= needed


def _is_silent(flow: Transfer, least_seconds: float = STALL_SILENCE_SECONDS) -> bool:
    needed = max(least_seconds, STALL_SILENCE_RTTS * (min_rtt_seconds(flow) or 0.0))
    return flow.num_bytes > 0 and len(flow.series.t) > 1 and standstill_seconds(flow) >= needed
