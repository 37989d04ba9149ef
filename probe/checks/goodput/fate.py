"""How did one transfer end: a sample, a server's refusal, or a failure of the network?

Needed while gathering (is this neutral name accepted?) and while judging; what follows from it is said there.
"""

from enum import StrEnum

from probe.failure import Failure
from probe.model.observations import Direction, Transfer
from probe.stats.curves import tail_silence_seconds

MISDIRECTED = 421  # RFC 9110 §15.5.20: this server does not speak for that name
TOO_MANY = 429  # RFC 6585 §4: leave it alone
HELD_BACK_SECONDS = 0.5  # of silence: a busy server that reads on later is shorter
CLOSED_WINDOW_SHARE = 0.5  # of that silence; a server that stops reading shows .98-.99, one behind a freeze 0
PILOT_BYTES = 64 * 1024  # feasibility §0: the least that tells a line's rate


class Fate(StrEnum):
    """`DELIVERED` and `CUT` are samples of the path; `REFUSED` and `SHORT` are a server's word, be it that it stops
    reading; `FAILED` is neither."""

    DELIVERED = "delivered"
    CUT = "cut"
    REFUSED = "refused"
    SHORT = "short"
    FAILED = "failed"


def fate(transfer: Transfer) -> Fate:
    """An upload is delivered when its bytes are acknowledged, whatever is answered; a download needs a 2xx."""
    uploading, status = transfer.direction is Direction.UPLOAD, transfer.status
    if transfer.alert is not None or status in (MISDIRECTED, TOO_MANY):
        return Fate.REFUSED
    if status is not None and status // 100 != 2 and not uploading:
        return Fate.REFUSED
    if transfer.complete:
        return Fate.DELIVERED
    if uploading and is_held_back(transfer):
        return Fate.REFUSED
    if transfer.cut or transfer.failure is Failure.GENERIC_TIMEOUT:
        return Fate.CUT
    if status is not None and uploading:
        return Fate.REFUSED  # answered and closed before the bytes were through
    return Fate.FAILED if transfer.failure is not None else Fate.SHORT


def is_held_back(transfer: Transfer) -> bool:
    """Whether the peer stopped reading: its window was closed through most of the silence at the end, and nothing was
    under way. Somebody who drops packets, or queues them, leaves some unacknowledged.
    """
    after, silence = transfer.tcp_after, tail_silence_seconds(transfer)
    if after is None or after.rwnd_limited_seconds is None or after.bytes_acked is None or after.bytes_sent is None:
        return False
    first_sent_bytes = after.bytes_sent - (after.bytes_retransmitted or 0)
    closed = after.rwnd_limited_seconds >= CLOSED_WINDOW_SHARE * silence
    return silence >= HELD_BACK_SECONDS and closed and after.bytes_acked >= first_sent_bytes


def is_sample(transfer: Transfer) -> bool:
    return fate(transfer) in (Fate.DELIVERED, Fate.CUT)


def serves(transfer: Transfer) -> bool:
    """Whether the server takes this name: bytes came through, all of them or as many as the deadline let."""
    return is_sample(transfer) and transfer.num_bytes > 0


def ends_early(transfer: Transfer) -> bool:
    """Whether the object is smaller, or the server less patient, than was asked; nothing a smaller size cannot cure."""
    refused = fate(transfer) is Fate.REFUSED and transfer.status not in (MISDIRECTED, TOO_MANY)
    uploading = transfer.direction is Direction.UPLOAD and transfer.alert is None
    return fate(transfer) is Fate.SHORT or (refused and uploading and transfer.num_bytes > 0)
