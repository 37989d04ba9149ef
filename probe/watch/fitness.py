"""May this line be filled now? From what the line is like to what a run may do on it, with the reason.

Pure. Looking at the line is `probe.net.line`'s; waiting until it changes is the service's.
"""

from dataclasses import dataclass

from probe.metrics.labels import Skip
from probe.net.line import LineState

WORDS: dict[Skip, str] = {
    Skip.METERED: "the line is metered",
    Skip.VPN: "a VPN or a proxy is in the way",
    Skip.BUSY_LINE: "other traffic fills the line",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitness:
    """`left_out`: why goodput is not to be measured, the strongest reason first; `busy`: one of them may pass soon."""

    network: bool
    vpn: bool
    metered: bool | None
    left_out: tuple[Skip, ...]

    @property
    def unfit(self) -> str:
        """In words, as the report says it; "" when the line may be filled."""
        return "; ".join(WORDS[reason] for reason in self.left_out)

    @property
    def only_busy(self) -> bool:
        """Waiting a little may help."""
        return self.left_out == (Skip.BUSY_LINE,)


def assess(line: LineState) -> Fitness:
    """What a run may do on this line."""
    in_the_way = line.vpn or line.proxy
    reasons = (
        (Skip.METERED, bool(line.metered)),
        (Skip.VPN, in_the_way),
        (Skip.BUSY_LINE, line.busy),
    )
    return Fitness(
        network=line.network,
        vpn=in_the_way,
        metered=line.metered,
        left_out=tuple(reason for reason, applies in reasons if applies),
    )
