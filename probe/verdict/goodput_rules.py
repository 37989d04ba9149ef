"""By which rules is one direction judged?

The first that matches gives the verdict; ids are public (docs/method/goodput.md). What the rules read is
`goodput_facts`, what they say `goodput_words`.
"""

from probe.model.results import Mechanism, Method, State, Strength
from probe.verdict import goodput_words as words
from probe.verdict.goodput_facts import DirectionFacts
from probe.verdict.goodput_pairs import Outcome
from probe.verdict.rules import Rule


def _stalls(f: DirectionFacts) -> bool:
    return f.accused and f.stall_after_bytes is not None


def _stalls_alike(f: DirectionFacts) -> bool:
    return f.signature is Method.STALLED


def _cleared(f: DirectionFacts) -> bool:
    return f.named is not None and f.named.outcome is Outcome.NOT_SLOWER


def _at_target(f: DirectionFacts) -> bool:
    return f.named is not None and f.named is f.name


def _outcome(f: DirectionFacts, outcome: Outcome) -> bool:
    return f.named is not None and f.named.outcome is outcome


def _names_tried(f: DirectionFacts) -> bool:
    return f.named is not None


def _own_refused(f: DirectionFacts) -> bool:
    at_own = f.name.outcome is Outcome.SUSPECT_REFUSED or f.server.outcome is Outcome.SUSPECT_REFUSED
    return at_own and not f.accused


def _limiter(f: DirectionFacts) -> tuple[Mechanism, ...]:
    return (Mechanism.IP_THROTTLE,) if _cleared(f) else (Mechanism.THROTTLE_UNATTRIBUTED,)


def _freezer(f: DirectionFacts) -> tuple[Mechanism, ...]:
    return (Mechanism.IP_STALL,) if _cleared(f) else (Mechanism.STALL_UNATTRIBUTED,)


RULES: tuple[Rule[DirectionFacts], ...] = (
    Rule(
        "goodput.media_gone",
        lambda f: not f.series.trials and not f.limited,
        State.INCONCLUSIVE,
        words.media_gone,
        "None of the target's media objects is there, large enough, or served: nothing can be measured.",
    ),
    Rule(
        "goodput.not_begun",
        lambda f: not any(t.pair is not None for t in f.series.trials) and f.limited,
        State.INCONCLUSIVE,
        words.limited,
        "The byte budget or the time was used up before the first pair of transfers.",
    ),
    Rule(
        "goodput.server_stops",
        lambda f: f.server_stops,
        State.INCONCLUSIVE,
        words.server_stops,
        "The target's flows stand still after the same number of bytes while the server itself goes on answering: its "
        "program hangs, or large packets are lost. Who freezes flows on the path lets no answers through.",
        mechanisms=lambda _: (Mechanism.SERVER_UNRESPONSIVE,),
    ),
    Rule(
        "goodput.stall_by_name_below_offset_too",
        lambda f: _stalls(f) and f.small_delivered is False,
        State.BLOCKED,
        words.stalled_altogether,
        "Every transfer under the target's name stands still after the same number of bytes, a neutral name at the "
        "same address completes, found twice, and an object below that offset does not come through either.",
        strength=Strength.CONFIRMED,
        mechanisms=lambda _: (Mechanism.TLS_STALL_SNI,),
    ),
    Rule(
        "goodput.stall_by_name",
        _stalls,
        State.THROTTLED,
        words.stalled,
        "Every transfer under the target's name stands still after the same number of bytes, while a neutral name at "
        "the same address completes; found twice. Objects below the offset come through.",
        strength=Strength.CONFIRMED,
        mechanisms=lambda _: (Mechanism.TLS_STALL_SNI,),
    ),
    Rule(
        "goodput.name_slower_without_trace",
        lambda f: f.traceless and _at_target(f) and not f.falls_silent,
        State.INCONCLUSIVE,
        words.slower_without_trace,
        "At the target's own address its name is slower than a neutral name, twice, and none of its flows lost a "
        "packet, met a queue or fell silent: a server that sends no faster under its own name looks just so, a proxy "
        "on the way that paces what it passes on too.",
        mechanisms=lambda _: (Mechanism.SERVER_SLOW,),
    ),
    Rule(
        "goodput.name_falls_silent",
        lambda f: f.traceless and _at_target(f),
        State.THROTTLED,
        words.falls_silent,
        "At the target's own address every flow under its name was cut in a silence, twice, and a neutral name's flows "
        "complete; the silences are too short for a freeze, and no packet was lost before them. Likely.",
        strength=Strength.LIKELY,
        mechanisms=lambda _: (Mechanism.TLS_THROTTLE_SNI,),
    ),
    Rule(
        "goodput.name_slower_at_target",
        lambda f: f.accused and _at_target(f),
        State.THROTTLED,
        words.slower,
        "At the target's own address its name is slower than a neutral name, and again in a repetition with fresh "
        "flows. Only the name differed.",
        strength=Strength.CONFIRMED,
        mechanisms=lambda _: (Mechanism.TLS_THROTTLE_SNI,),
    ),
    Rule(
        "goodput.name_slower_at_control",
        lambda f: f.accused,
        State.THROTTLED,
        words.slower,
        "At a control's address the target's name is slower than the control's own, and again in a repetition with "
        "fresh flows. Only the name differed; the target's server refuses neutral names.",
        strength=Strength.CONFIRMED,
        mechanisms=lambda _: (Mechanism.TLS_THROTTLE_SNI,),
    ),
    Rule(
        "goodput.address_stall_below_offset_too",
        lambda f: _stalls_alike(f) and f.small_delivered is False,
        State.BLOCKED,
        words.stalled_altogether,
        "All flows to the target's address stand still after the same number of bytes, a control's do not, and an "
        "object below that offset does not come through either.",
        strength=Strength.LIKELY,
        mechanisms=_freezer,
    ),
    Rule(
        "goodput.address_stall",
        _stalls_alike,
        State.THROTTLED,
        words.stalled,
        "All flows to the target's address stand still after the same number of bytes, whatever their name, and a "
        "control's do not. A server could do the same to itself: likely.",
        strength=Strength.LIKELY,
        mechanisms=_freezer,
    ),
    Rule(
        "goodput.limiter_signature",
        lambda f: f.signature is not None,
        State.THROTTLED,
        words.signature,
        "Every flow to the target's address has at most 0.15 of a control's rate and carries a policer's or shaper's "
        "signature that the control's flows do not have. A server behind its own limiter looks the same: likely.",
        strength=Strength.LIKELY,
        mechanisms=_limiter,
    ),
    Rule(
        "goodput.target_refused",
        _own_refused,
        State.INCONCLUSIVE,
        words.refused,
        "The target's server answers transfers under its own name with a refusal: its word, not the network's.",
    ),
    Rule(
        "goodput.target_unmeasured",
        lambda f: f.target_dead or _outcome(f, Outcome.SUSPECT_FAILED) or f.server.outcome is Outcome.SUSPECT_FAILED,
        State.INCONCLUSIVE,
        words.unmeasured,
        "Transfers under the target's name fail on the network before they can be compared. Whether that is blocking "
        "is for the reach, tls and http checks, which have the controls for it.",
    ),
    Rule(
        "goodput.name_not_slower_at_target",
        lambda f: (
            _cleared(f)
            and not f.never_ends
            and _at_target(f)
            and (not f.slow_alike or (f.server_ratio is not None and not f.below_control))
        ),
        State.OK,
        words.alike,
        "At the target's own address its name is as fast as a neutral name, and the address, where it is slow, is not "
        "below half of a control. The facts say how strong a limit this could have seen.",
    ),
    Rule(
        "goodput.name_not_slower_at_control",
        lambda f: (
            _cleared(f)
            and not f.never_ends
            and not _at_target(f)
            and f.server_ratio is not None
            and not f.far_below_control
        ),
        State.OK,
        words.alike,
        "The target's server refuses neutral names; at a control's address the target's name is as fast as the "
        "control's own, and what the target's server gives is within what distance and pacing explain.",
    ),
    Rule(
        "goodput.not_slower_than_control",
        lambda f: not _names_tried(f) and (f.server.outcome is Outcome.NOT_SLOWER or f.near_control),
        State.OK,
        words.alike,
        "The target's server refuses neutral names, and is, distance allowed for, as fast as a control. Comparing two "
        "servers can clear; it never accuses.",
    ),
    Rule(
        "goodput.flows_differ",
        lambda f: f.named is not None and f.named.flows_differ,
        State.INCONCLUSIVE,
        words.flows_differ,
        "Some flows under the target's name are far slower than the neutral name's and some are not, while the neutral "
        "name's are even: perhaps a share of the flows is slowed. Too few agree for an accusation.",
    ),
    Rule(
        "goodput.not_repeated",
        lambda f: _outcome(f, Outcome.NOT_REPEATED),
        State.INCONCLUSIVE,
        words.not_repeated,
        "The target's name was slower at first, and the repetition with fresh flows did not bear it out.",
    ),
    Rule(
        "goodput.control_failed",
        lambda f: f.broken or _outcome(f, Outcome.CONTROL_FAILED),
        State.INCONCLUSIVE,
        words.control_failed,
        "A pair was begun whose control transfer was not made or failed: it counts, so nothing is claimed.",
    ),
    Rule(
        "goodput.address_unchecked",
        lambda f: _cleared(f) and f.server_ratio is None,
        State.INCONCLUSIVE,
        words.unchecked,
        "The name makes no difference, but the address is slow whatever the name, and no control could be measured "
        "beside it: the line, the server or the network may be the cause.",
    ),
    Rule(
        "goodput.limit_reached",
        lambda f: f.limited,
        State.INCONCLUSIVE,
        words.limited,
        "The byte budget or the time was used up before the pairs agreed.",
    ),
    Rule(
        "goodput.server_slow",
        lambda f: (
            (f.far_below_control and not _names_tried(f))
            or (_cleared(f) and (f.far_below_control or f.never_ends or (f.slow_alike and f.below_control)))
        ),
        State.INCONCLUSIVE,
        words.server_slow,
        "The name makes no difference, or could not be tried, and the target's address is much slower than a control, "
        "or no flow to it ends, without a limiter's signature. A slow, far or hanging server looks like this: "
        "no accusation.",
        mechanisms=lambda _: (Mechanism.SERVER_SLOW,),
    ),
    Rule(
        "goodput.slower_than_control",
        lambda f: not _names_tried(f) and bool(f.server.ratios),
        State.INCONCLUSIVE,
        words.server_slow,
        "The target's server refuses neutral names, a control refuses the target's, and the target is slower than the "
        "control. A comparison between two servers never accuses.",
        mechanisms=lambda _: (Mechanism.SERVER_SLOW,),
    ),
    Rule(
        "goodput.no_control",
        lambda f: not _names_tried(f) and not f.control_serves,
        State.INCONCLUSIVE,
        words.no_control,
        "The target's server refuses neutral names, and no control's media could be transferred.",
    ),
    Rule(
        "goodput.undecided",
        lambda _: True,
        State.INCONCLUSIVE,
        words.undecided,
        "After all pairs the arms are neither alike nor clearly apart.",
    ),
)
