"""Is a server that stops reading told from a path that freezes or queues an upload?"""

from dataclasses import replace

import pytest

from probe.checks.goodput import Arm
from probe.checks.goodput.fate import Fate, fate
from probe.model.observations import Direction, Transfer
from tests.goodput_samples import KIB, stalled_curve, steady, transfer

SILENCE_SECONDS = 1.4


def upload(*, limited_seconds: float | None, sent_bytes: int, acked_bytes: int, repeated_bytes: int = 0) -> Transfer:
    """Cut after 1.6 s, of which the last 1.4 brought nothing."""
    curve = stalled_curve(15_000, t0=0.0)
    made = transfer(
        Arm.TARGET,
        steady(8e6),
        direction=Direction.UPLOAD,
        curve=curve,
        limit_seconds=curve.t[-1] + SILENCE_SECONDS,
        num_bytes=128 * KIB,
    )
    assert made.tcp_after is not None
    after = replace(
        made.tcp_after,
        rwnd_limited_seconds=limited_seconds,
        bytes_sent=sent_bytes,
        bytes_acked=acked_bytes,
        bytes_retransmitted=repeated_bytes,
    )
    return replace(made, tcp_after=after)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (upload(limited_seconds=1.39, sent_bytes=15_900, acked_bytes=15_901), Fate.REFUSED),
        (upload(limited_seconds=0.0, sent_bytes=15_900, acked_bytes=15_901), Fate.CUT),
        (upload(limited_seconds=0.0, sent_bytes=60_000, acked_bytes=15_901, repeated_bytes=3000), Fate.CUT),
        (upload(limited_seconds=1.39, sent_bytes=80_000, acked_bytes=15_901), Fate.CUT),
        (upload(limited_seconds=None, sent_bytes=15_900, acked_bytes=15_901), Fate.CUT),
    ],
    ids=["stops reading", "window open", "frozen", "queued behind a full window", "not known"],
)
def test_fate_of_an_upload_that_stands_still(made: Transfer, expected: Fate) -> None:
    assert fate(made) is expected
