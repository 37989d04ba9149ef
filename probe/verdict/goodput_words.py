"""In what words is a goodput verdict given?

One sentence a rule, with the figures it rests on; what is claimed is decided in `probe.verdict.goodput`.
"""

from statistics import median

from probe.checks.goodput.evidence import Arm
from probe.model.observations import Direction
from probe.stats.curves import elapsed_seconds
from probe.verdict.goodput_facts import DirectionFacts, public
from probe.verdict.goodput_method import limit_bps, method_of


def _direction(f: DirectionFacts) -> str:
    return "download" if f.series.direction is Direction.DOWNLOAD else "upload"


def rate(bps: float | None) -> str:
    """A rate for people: kbit/s below one Mbit/s, else Mbit/s."""
    if bps is None:
        return "an unknown rate"
    return f"{bps / 1e3:.0f} kbit/s" if bps < 1e6 else f"{bps / 1e6:.1f} Mbit/s"


def _arms(f: DirectionFacts) -> tuple[str, str]:
    """What was compared, in words: the arm that may be slowed, and its control."""
    if f.shown is f.server:
        return "the target's server", "a control's"
    if f.shown is f.name:
        return "the target's name", f"the neutral name {f.series.neutral_name} at the same address"
    return "the target's name at a control's address", "the control's own name there"


def _figures(f: DirectionFacts) -> str:
    """ "a gives x, b y (ratio r over k pairs)"."""
    suspect, control = _arms(f)
    shown = f.shown
    if not shown.ratios:
        return f"{suspect} could not be compared with {control}"
    pairs = f"{len(shown.ratios)} pair{'s' if len(shown.ratios) != 1 else ''}"
    figures = f"ratio {shown.ratio:.2f} over {pairs}"
    return f"{suspect} gives {rate(median(shown.suspect_bps))}, {control} {rate(median(shown.control_bps))} ({figures})"


def _limit(f: DirectionFacts) -> str:
    method = method_of(f.shown.suspects)
    limit = limit_bps(f.shown.suspects, method)
    return f", {method.value} at about {rate(limit)}" if limit else f", {method.value}" if method != "unknown" else ""


def media_gone(f: DirectionFacts) -> str:
    tried = "; ".join(f"{c.url} {c.problem}" for c in f.series.candidates)
    return f"{_direction(f)} not measured: no usable media object ({tried})"


def limited(f: DirectionFacts) -> str:
    limit = "byte budget" if f.series.budget_hit else "time"
    rest = _figures(f) if f.shown.ratios else "no pair was completed"
    return f"{_direction(f)} undecided: the {limit} was used up; {rest}"


def slower(f: DirectionFacts) -> str:
    share = f", {f.shown.slowed_pairs} of them slowed" if f.shown.flows_differ else ""
    return f"{_direction(f)} slowed by name: {_figures(f)}{share}, measured again with fresh flows{_limit(f)}"


def slower_without_trace(f: DirectionFacts) -> str:
    return (
        f"{_direction(f)} slower by name, but nothing shows that the network does it: {_figures(f)}, measured again "
        "with fresh flows; no packet was lost and no queue grew, as if the server itself sent no faster under this name"
    )


def falls_silent(f: DirectionFacts) -> str:
    return f"{_direction(f)} slowed by name: every flow falls silent before its end; {_figures(f)}, measured again"


def server_stops(f: DirectionFacts) -> str:
    return (
        f"{_direction(f)} stops after about {f.stall_after_bytes} bytes of each connection, while the target's server "
        "goes on answering: it hangs, or its large packets are lost"
    )


def stalled(f: DirectionFacts) -> str:
    small = "; smaller objects come through" if f.small_delivered else ""
    return f"{_direction(f)} freezes after about {f.stall_after_bytes} bytes of each connection: {_figures(f)}{small}"


def stalled_altogether(f: DirectionFacts) -> str:
    return (
        f"{_direction(f)} freezes after about {f.stall_after_bytes} bytes of each connection, and a smaller object "
        f"does not come through either: {_figures(f)}"
    )


def signature(f: DirectionFacts) -> str:
    carried = f"every flow there carries a limiter's signature{_limit(f)}"
    by = "probably by address" if f.named is not None else "by name or address"
    return f"{_direction(f)} slowed, {by}: {_figures(f)}, and {carried}"


def refused(f: DirectionFacts) -> str:
    statuses = sorted({t.transfer.status for t in f.series.trials if t.arm is Arm.TARGET and t.transfer.status})
    answer = f" (status {', '.join(map(str, statuses))})" if statuses else ""
    return f"{_direction(f)} not measured: the target's own server refuses it{answer}"


def unmeasured(f: DirectionFacts) -> str:
    failures = sorted({t.transfer.failure.value for t in f.series.trials if t.arm is Arm.TARGET and t.transfer.failure})
    named = f" ({', '.join(failures)})" if failures else ""
    return f"{_direction(f)} not measured: transfers under the target's name fail on the network{named}"


def alike(f: DirectionFacts) -> str:
    seen, watched = public(f).detectable_ratio, [elapsed_seconds(t) for t in f.shown.suspects]
    reach = f"; a limit to {seen:.2f} of that or less would have been seen" if seen else ""
    if reach and watched:
        reach += f", had it been there for the {median(watched):.1f} s of a transfer"
    return f"{_direction(f)} not slowed: {_figures(f)}{reach}"


def flows_differ(f: DirectionFacts) -> str:
    return (
        f"{_direction(f)} slowed for some flows: {f.shown.slowed_pairs} of {len(f.shown.ratios)} transfers under the "
        f"target's name were far slower than {_arms(f)[1]}, others as fast"
    )


def not_repeated(f: DirectionFacts) -> str:
    return f"{_direction(f)} undecided: slower at first, not so in the repetition; {_figures(f)}"


def control_failed(f: DirectionFacts) -> str:
    return f"{_direction(f)} undecided: a control transfer failed; {_figures(f)}"


def unchecked(f: DirectionFacts) -> str:
    return f"{_direction(f)} undecided: slow under every name, and no control could be measured; {_figures(f)}"


def server_slow(f: DirectionFacts) -> str:
    named = "the name makes no difference" if f.named is not None else "names could not be compared"
    known = f.server_ratio is not None
    share = (
        f"; the target's server gives {f.server_ratio:.2f} of a control's rate, distance allowed for" if known else ""
    )
    return f"{_direction(f)} undecided: {named}{share}, as a slow or far server does; {_figures(f)}"


def no_control(f: DirectionFacts) -> str:
    return f"{_direction(f)} undecided: the server refuses neutral names and no control's media could be transferred"


def undecided(f: DirectionFacts) -> str:
    return f"{_direction(f)} undecided: {_figures(f)}, neither alike nor clearly apart"
