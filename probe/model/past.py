"""What did a target come to in earlier runs, and how does today's result stand beside them?

Records alone: `probe.verdict.past` makes the comparison, `probe.store` keeps the outcomes. Neither is evidence: a
comparison with the past never makes, strengthens or clears an accusation (a baseline is no control).
"""

from dataclasses import dataclass
from enum import StrEnum

from probe.model.words import Comparison, Mechanism, Method, NetworkState, State, Strength


@dataclass(frozen=True, slots=True, kw_only=True)
class PastGoodput:
    """One direction of an earlier result; rates in bit/s, what is not known is None. Fields as in `GoodputFacts`."""

    target_bps: float | None = None
    control_bps: float | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    comparison: Comparison | None = None
    method: Method = Method.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class PastOutcome:
    """What one target came to in one run, in a row that outlives the run's evidence.

    Times are RFC 3339 in UTC: `started_at` of the run, `ended_at` of the target's last measurement ("" not known).
    `country`, `asn`, `network`, `instance`, `vpn` are the run's vantage point. Of the target's `access_checks`
    (measurements of dns, reach, tls and http that ran) `access_ok` were ok; None: not known. `checks` are those that
    were completed for some input, sorted.
    """

    run_id: str
    target: str
    started_at: str
    state: State
    ended_at: str = ""
    strength: Strength | None = None
    mechanisms: tuple[Mechanism, ...] = ()
    network_state: NetworkState = NetworkState.OK
    country: str | None = None
    asn: int | None = None
    network: str | None = None
    instance: str | None = None
    vpn: bool | None = None
    access_checks: int | None = None
    access_ok: int | None = None
    checks: tuple[str, ...] | None = None
    goodput_measurement_id: str | None = None
    download: PastGoodput | None = None
    upload: PastGoodput | None = None


class Hours(StrEnum):
    """Which earlier runs a figure is compared with: the narrowest that has enough of them."""

    OF_WEEK = "hours_of_week"  # the same hours of the same day of the week
    OF_DAY = "hours_of_day"  # the same hours of any day
    ALL = "all_hours"


class Standing(StrEnum):
    """Where today's figure lies among the earlier ones."""

    USUAL = "usual"
    LOWER = "lower"
    HIGHER = "higher"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One figure beside its own past, in the figure's own unit (bit/s, or a ratio).

    `low` to `high` is the usual range, `factor` is `now` by `median`; None: not known, or too few `runs`.
    """

    now: float | None
    median: float | None
    low: float | None
    high: float | None
    factor: float | None
    runs: int
    hours: Hours
    standing: Standing
    rule_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionPast:
    """One direction's goodput beside its past; `rule_id` says what the three figures mean together."""

    target: Compared
    control: Compared
    ratio: Compared
    rule_id: str


class OnsetOf(StrEnum):
    """What changed."""

    STATE = "state"
    DOWNLOAD = "download"
    UPLOAD = "upload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Onset:
    """Since when something is as it is: times are RFC 3339 in UTC.

    `since` is the first run that showed it, `earliest` the last run that did not: the change lies between them. For a
    change of level they enclose what chance leaves open, and `latest` may be later than `since`. `known_at` is the run
    by which it was certain. `before` and `after` are states, `factor` (after by before) and `after_bps` are a level's.
    """

    what: OnsetOf
    since: str
    earliest: str
    latest: str
    known_at: str
    rule_id: str
    before: State | None = None
    after: State | None = None
    factor: float | None = None
    after_bps: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRuns:
    state: State
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PastComparison:
    """A target's result beside its own earlier ones from this vantage point.

    `runs` earlier ones were compared, the first at `first_at`; `left_out` more were made elsewhere, over a VPN that is
    not used now (or the other way round), or on a line that did not work. `states` counts the earlier runs of each
    state that occurred; `ok_share` is the share of ok among those that could tell. `access` compares the share of
    access checks that were ok. `onsets` holds the latest change of each kind.
    """

    runs: int
    left_out: int
    first_at: str
    last_at: str
    last_ok_at: str | None
    states: tuple[StateRuns, ...]
    ok_share: float | None
    access: Compared | None = None
    download: DirectionPast | None = None
    upload: DirectionPast | None = None
    onsets: tuple[Onset, ...] = ()
