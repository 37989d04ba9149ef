"""What do the published rules of other tools say of one direction's transfers?

Each rule sees the same pairs of flows that this probe measured, in the order measured: what was sent under the
target's name (their "original") and under a neutral or control name (their "control"). They were made for longer flows
of their own; that is part of what is compared, and the table says what their own flows would have cost.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from scipy.stats import ks_2samp

from probe.checks.goodput import Arm, Series
from probe.model.observations import Transfer
from probe.stats.curves import end_time, whole_bps

WEHE_SLICES = 100  # wehe-py3, configs.cfg: xputBuckets
WEHE_CLIENT_AREA, WEHE_CLIENT_FAST_AREA, WEHE_FAST_BPS = 0.50, 0.30, 10e6  # wehe-android, Consts.java, Replay.java
WEHE_CLIENT_P = 0.01
WEHE_SERVER_AREA, WEHE_SERVER_P = 0.1, 0.05  # wehe-py3, configs.cfg
GLASNOST_FLOWS = 3  # of each kind (Dischinger et al., "Glasnost: enabling end users to detect traffic
GLASNOST_NOISE = 0.2  # differentiation", NSDI 2010, §4): max against median, beyond it the class is too noisy
TWITTER_SLOW_BPS, TWITTER_FAST_BPS = 0.25e6, 1.5e6  # darkk/ru-twi-ndt7, glue-ndt7.py, March 2021
PLAIN_P = 0.01
PLAIN_RATIO = 0.5


class Answer(StrEnum):
    ACCUSES = "accuses"
    CLEARS = "clears"
    ABSTAINS = "abstains"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    """One direction's pairs in the order measured: `original[i]` and `control[i]` were measured one after the other."""

    original: tuple[Transfer, ...]
    control: tuple[Transfer, ...]


Rule = Callable[[Flows], Answer]


def flows_of(series: Series) -> Flows:
    """The pairs of the comparison that this probe's verdict would rest on: the target's name against a neutral one at
    the target's address, else at a control's, else two servers."""
    by_pair: dict[int, dict[Arm, Transfer]] = {}
    for trial in series.trials:
        if trial.pair is not None:
            by_pair.setdefault(trial.pair, {})[trial.arm] = trial.transfer
    for original, control in ((Arm.TARGET, Arm.NEUTRAL), (Arm.FOREIGN, Arm.CONTROL), (Arm.TARGET, Arm.CONTROL)):
        pairs = [arms for arms in by_pair.values() if set(arms) == {original, control}]
        if pairs:
            return Flows(original=tuple(p[original] for p in pairs), control=tuple(p[control] for p in pairs))
    return Flows(original=(), control=())


def slices_bps(transfer: Transfer, count: int = WEHE_SLICES) -> list[float]:
    """The rate in each of `count` equal stretches of time from the request to the end, those without bytes left out,
    as Wehe leaves them out."""
    times, counts = transfer.series.t, transfer.series.num_bytes
    if len(times) < 2:
        return []
    start, end = times[0], max(end_time(transfer), times[-1])
    if end <= start:
        return []
    width, found, index, before = (end - start) / count, [], 0, 0.0
    for number in range(1, count + 1):
        t = start + number * width
        while index < len(times) - 2 and times[index + 1] < t:
            index += 1
        span = times[index + 1] - times[index]
        share = min(1.0, max(0.0, (t - times[index]) / span)) if span > 0 else 1.0
        here = counts[index] + share * (counts[index + 1] - counts[index])
        if here > before:
            found.append(8 * (here - before) / width)
        before = here
    return found


def _wehe(original: Transfer, control: Transfer) -> tuple[float, float, float]:
    """Relative difference of means (positive: the original is slower), KS p, and the greater mean in bit/s."""
    one, other = slices_bps(original), slices_bps(control)
    if not one or not other:
        return (1.0 if other else 0.0), 0.0, max([*one, *other], default=0.0)
    means = sum(one) / len(one), sum(other) / len(other)
    area = (means[1] - means[0]) / max(means)
    return area, float(ks_2samp(one, other).pvalue), max(means)


def _wehe_client_once(original: Transfer, control: Transfer) -> Answer:
    area, p, fastest = _wehe(original, control)
    threshold = WEHE_CLIENT_FAST_AREA if fastest > WEHE_FAST_BPS else WEHE_CLIENT_AREA
    if area < threshold:
        return Answer.CLEARS
    return Answer.ACCUSES if p < WEHE_CLIENT_P else Answer.ABSTAINS


def wehe_client(flows: Flows) -> Answer:
    """Wehe's application, first run alone."""
    if not flows.original:
        return Answer.ABSTAINS
    return _wehe_client_once(flows.original[0], flows.control[0])


def wehe_client_confirmed(flows: Flows) -> Answer:
    """… with its confirmation: what is not clear is measured once more, and the second result replaces the first."""
    first = wehe_client(flows)
    if first is Answer.CLEARS or len(flows.original) < 2:
        return first if first is Answer.CLEARS else Answer.ABSTAINS
    return _wehe_client_once(flows.original[1], flows.control[1])


def wehe_server(flows: Flows) -> Answer:
    """Wehe's server analysis (`area` 0.1, KS 0.05)."""
    if not flows.original:
        return Answer.ABSTAINS
    area, p, _ = _wehe(flows.original[0], flows.control[0])
    if area < WEHE_SERVER_AREA and p > WEHE_SERVER_P:
        return Answer.CLEARS
    return Answer.ACCUSES if area > WEHE_SERVER_AREA and p < WEHE_SERVER_P else Answer.ABSTAINS


def glasnost(flows: Flows, *, differ_by: float) -> Answer:
    """Three flows of each kind; a kind whose fastest is far above its median is too noisy; the fastest decide."""
    if len(flows.original) < GLASNOST_FLOWS:
        return Answer.ABSTAINS
    fastest = []
    for kind in (flows.original, flows.control):
        rates = [whole_bps(t) for t in kind[:GLASNOST_FLOWS]]
        if max(rates) <= 0 or (max(rates) - median(rates)) / max(rates) > GLASNOST_NOISE:
            return Answer.ABSTAINS
        fastest.append(max(rates))
    return Answer.ACCUSES if fastest[0] < (1 - differ_by) * fastest[1] else Answer.CLEARS


def twitter_2021(flows: Flows) -> Answer:
    """The first run below 0.25 Mbit/s and the next above 1.5 Mbit/s."""
    if not flows.original:
        return Answer.ABSTAINS
    slow, fast = whole_bps(flows.original[0]), whole_bps(flows.control[0])
    return Answer.ACCUSES if slow < TWITTER_SLOW_BPS and fast > TWITTER_FAST_BPS else Answer.CLEARS


def plain_ks(flows: Flows) -> Answer:
    """A two-sample KS test on the slices of one flow of each, as if slices were independent."""
    if not flows.original:
        return Answer.ABSTAINS
    area, p, _ = _wehe(flows.original[0], flows.control[0])
    return Answer.ACCUSES if p < PLAIN_P and area > 0 else Answer.CLEARS


def single_ratio(flows: Flows) -> Answer:
    """One download of each, compared."""
    if not flows.original or not whole_bps(flows.control[0]):
        return Answer.ABSTAINS
    slow, fast = whole_bps(flows.original[0]), whole_bps(flows.control[0])
    return Answer.ACCUSES if slow / fast <= PLAIN_RATIO else Answer.CLEARS


def _glasnost_20(flows: Flows) -> Answer:
    return glasnost(flows, differ_by=0.2)


def _glasnost_50(flows: Flows) -> Answer:
    return glasnost(flows, differ_by=0.5)


RULES: dict[str, Rule] = {
    "Wehe, client": wehe_client,
    "Wehe, client, confirmed": wehe_client_confirmed,
    "Wehe, server": wehe_server,
    "Glasnost, 20 %": _glasnost_20,
    "Glasnost, 50 %": _glasnost_50,
    "ru-twi-ndt7": twitter_2021,
    "KS test, p < 0.01": plain_ks,
    "single ratio, 0.5": single_ratio,
}
OWN_FLOWS: dict[str, str] = {  # what each would send itself, for the table
    "Wehe, client": "2 x 10 MB",
    "Wehe, client, confirmed": "4 x 10 MB",
    "Wehe, server": "2 x 10 MB",
    "Glasnost, 20 %": "6 x 20 s",
    "Glasnost, 50 %": "6 x 20 s",
    "ru-twi-ndt7": "2 x 10 s",
    "KS test, p < 0.01": "2 x 256 KB",
    "single ratio, 0.5": "2 x 256 KB",
}


def answer(rule: Rule, directions: Sequence[Series | None]) -> Answer:
    """What a rule says of a target: accuses where it does so in any direction."""
    said = [rule(flows_of(series)) for series in directions if series is not None and series.trials]
    if Answer.ACCUSES in said:
        return Answer.ACCUSES
    return Answer.CLEARS if said and all(a is Answer.CLEARS for a in said) else Answer.ABSTAINS
