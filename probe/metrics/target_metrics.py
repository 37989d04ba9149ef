"""What is said of each target: its verdict, its figures, and what its checks met with.

All of it is of the target's last run, or counted since the start. What is not known is absent.
"""

from probe.metrics import labels
from probe.metrics.definition import PREFIX, Definition, Kind, counter, info, of_target

# Upper bounds in seconds, a factor of five apart: what is cached or next door; a round trip or two on a fixed line; on
# a mobile, far or satellite one; after a retransmission. Beyond are the deadlines of the checks. Few, because a target
# has few operations a run, and a bucket costs four lines for every target in every scrape: with these, 200 targets stay
# under a megabyte. `_sum` by `_count` is the exact mean.
PHASE_BUCKETS_SECONDS = (0.02, 0.1, 0.5, 2.5)

VERDICT = of_target(
    "verdict",
    "Whether the target is in this state (1) or not (0), by the last run; inconclusive until it was measured.",
    labels.STATE,
    source="verdict.state",
    query='throttleprobe_verdict{state=~"throttled|blocked"} == 1',
)
CONFIRMED = of_target(
    "verdict_confirmed",
    "Whether the accusation is confirmed (1) or only likely (0); absent where nothing is accused.",
    source="verdict.strength",
    query='throttleprobe_verdict{state="blocked"} == 1 and on (instance, target) throttleprobe_verdict_confirmed == 1',
)
VERDICT_RUNS = of_target(
    "verdict_runs",
    "How many runs in a row in one network gave this state, but for inconclusive ones; absent while inconclusive.",
    source="the states of the stored runs",
    query='throttleprobe_verdict{state="throttled"} == 1 and on (instance, target) throttleprobe_verdict_runs >= 2'
    " unless on (instance) throttleprobe_vpn == 1",
)
MECHANISM = info(
    "mechanism_info",
    "By what means the target is blocked, slowed, withheld or down; one series for each mechanism found.",
    labels.TARGET,
    labels.MECHANISM,
    source="verdict.mechanisms",
    query="count by (mechanism) (throttleprobe_mechanism_info)",
)
GOODPUT = of_target(
    "goodput_bytes_per_second",
    "Application bytes delivered per second, the median over the pairs of the last run; absent where it gave none.",
    labels.DIRECTION,
    labels.ARM,
    source="verdict.facts.download, .upload: target_bps, control_bps",
    query='throttleprobe_goodput_bytes_per_second{direction="download"} * 8',
    unit="bytes_per_second",
)
RATIO = of_target(
    "goodput_ratio",
    "Goodput of the target by that of its control, median over the pairs of the last run; alone it accuses nobody.",
    labels.DIRECTION,
    source="verdict.facts.download, .upload: ratio",
    query='throttleprobe_goodput_ratio and on (instance, target) throttleprobe_verdict{state="throttled"} == 1',
    unit="ratio",
)
RATIO_LOW = of_target(
    "goodput_ratio_low",
    "The least ratio of a pair in the last run.",
    labels.DIRECTION,
    source="verdict.facts.download, .upload: ratio_low",
    query="throttleprobe_goodput_ratio_low",
)
RATIO_HIGH = of_target(
    "goodput_ratio_high",
    "The greatest ratio of a pair in the last run.",
    labels.DIRECTION,
    source="verdict.facts.download, .upload: ratio_high",
    query="throttleprobe_goodput_ratio_high",
)
BASELINE_RATIO = of_target(
    "baseline_ratio",
    "Goodput of the target in the last run by the median of earlier runs from here at such hours; it accuses nobody.",
    labels.DIRECTION,
    source="past.download, .upload: target.factor",
    query='avg by (target) (throttleprobe_baseline_ratio{direction="download"})',
    unit="ratio",
)
ONSET = of_target(
    "onset_timestamp_seconds",
    "When the state of the target, or the level of its goodput, last changed: the first run that showed it.",
    labels.WHAT,
    source="past.onsets: since",
    query='throttleprobe_onset_timestamp_seconds{what="state"} * 1000',
    unit="seconds",
)
LAST_RUN = of_target(
    "last_run_timestamp_seconds",
    "When the last measurement of the target ended; its other gauges are from then, not from the scrape.",
    source="the last measurement's started_at and duration_seconds",
    query="time() - throttleprobe_last_run_timestamp_seconds > 86400",
    unit="seconds",
)
OUTCOMES = counter(
    "check_outcomes_total",
    "Checks that ran since the start, by the network failure behind a result that is not ok; none: nothing failed.",
    labels.TARGET,
    labels.CHECK,
    labels.FAILURE,
    source="measurements: verdict.facts.failure",
    query='sum by (check, failure) (increase(throttleprobe_check_outcomes_total{failure!="none"}[1d]))',
)
PROBLEMS = counter(
    "check_problems_total",
    "Checks that gave no evidence since the start, by the reason: never a state of the network.",
    labels.TARGET,
    labels.CHECK,
    labels.REASON,
    source="measurements: attempt.problem.reason",
    query='throttleprobe_check_problems_total{reason="bug"} > 0',
)
PHASE_DURATION = Definition(
    name=PREFIX + "phase_duration_seconds",
    kind=Kind.HISTOGRAM,
    help="How long operations of the target's own arm took that did not fail, since the start.",
    source="evidence of dns, reach, tls and http: t0, t",
    query="histogram_quantile(0.9, sum by (le, phase) (increase(throttleprobe_phase_duration_seconds_bucket[7d])))",
    unit="seconds",
    labels=(labels.TARGET, labels.CHECK, labels.PHASE),
    of_target=True,
    buckets=PHASE_BUCKETS_SECONDS,
)
