"""Of limits that leave how much of the line, how many are found?

Pure: rates by the share of the line that a limit leaves, and whether an `ok` said rightly what it could not have
seen. The rates by family are `probe.lab.score.tables`'.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from probe.lab.rules import Direction
from probe.lab.score.confusion import Trial
from probe.lab.score.intervals import Rate, clustered
from probe.lab.score.record import RunRecord, TargetRecord

LIMIT_SHARES = (0.07, 0.10, 0.25, 0.50, 1.0)  # of the line, in the direction that is limited most


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareRates:
    """Interference that limits to more than the share before and at most `share` of the line."""

    profile: str
    share: float
    found: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """Limited directions of targets that were not accused, with a `detectable_ratio`: in how many the limit leaves
    less of the line than that, so that it should have been seen.
    """

    profile: str
    broken: Rate


def rate(trials: Iterable[Trial], counts: Callable[[TargetRecord], bool], hits: Callable[[TargetRecord], bool]) -> Rate:
    """Hits among the trials that count, clustered by run."""
    by_run: dict[int, tuple[int, int]] = {}
    for run, target in trials:
        if counts(target):
            hit, all_ = by_run.get(id(run), (0, 0))
            by_run[id(run)] = (hit + hits(target), all_ + 1)
    return clustered(list(by_run.values()))


def shares_of(trials: Sequence[Trial]) -> tuple[ShareRates, ...]:
    """By line, then by share."""
    groups: dict[tuple[str, float], list[Trial]] = defaultdict(list)
    for run, target in trials:
        least = least_share(run, target)
        if least is not None and target.accusation_wanted:
            share = next((share for share in LIMIT_SHARES if least <= share), LIMIT_SHARES[-1])
            groups[run.key.profile, share].append((run, target))
    return tuple(
        ShareRates(profile=profile, share=share, found=rate(group, lambda _: True, lambda t: t.accused))
        for (profile, share), group in sorted(groups.items(), key=lambda item: item[0])
    )


def promises_of(trials: Sequence[Trial]) -> tuple[Promise, ...]:
    """By line; a line without such a direction has no row."""
    groups: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for run, target in trials:
        if target.accused or not target.truth.interfered:
            continue
        for way in target.truth.directions:
            figures = target.download if way is Direction.DOWN else target.upload
            share = _share_of_line(run, target, way)
            if share is not None and figures is not None and figures.detectable_ratio is not None:
                groups[run.key.profile].append((int(share < figures.detectable_ratio), 1))
    return tuple(Promise(profile=profile, broken=clustered(group)) for profile, group in sorted(groups.items()))


def least_share(run: RunRecord, target: TargetRecord) -> float | None:
    """What a rate limit leaves of the line in the direction that is limited most; None where there is none."""
    shares = (_share_of_line(run, target, way) for way in target.truth.directions)
    return min((share for share in shares if share is not None), default=None)


def _share_of_line(run: RunRecord, target: TargetRecord, way: Direction) -> float | None:
    limit = target.truth.limit_bps
    return None if limit is None else limit / (run.down_bps if way is Direction.DOWN else run.up_bps)
