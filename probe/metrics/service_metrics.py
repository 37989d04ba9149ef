"""What is said of the vantage point and of the service itself: its runs, budgets, configuration, pushes and store."""

from probe.metrics import labels
from probe.metrics.definition import counter, gauge, info

RUNS = counter(
    "runs_total",
    "Runs that ended since the start, by how.",
    labels.OUTCOME,
    source="parameters.interrupted, network.state",
    query='increase(throttleprobe_runs_total{outcome="completed"}[1d]) < 1',
)
SKIPPED = counter(
    "skipped_total",
    "How often a run that was due, or its goodput part, was left out or put off since the start.",
    labels.SKIP,
    source="the schedule and the line",
    query="sum by (reason) (increase(throttleprobe_skipped_total[7d]))",
)
NEXT_RUN = gauge(
    "next_run_timestamp_seconds",
    "When the next run is due.",
    source="the schedule",
    query="time() - throttleprobe_next_run_timestamp_seconds > 3600",
    unit="seconds",
)
LAST_DURATION = gauge(
    "last_run_duration_seconds",
    "How long the last run took.",
    source="duration_seconds",
    query="throttleprobe_last_run_duration_seconds",
    unit="seconds",
)
NETWORK_STATE = gauge(
    "network_state",
    "Whether the line was in this state (1) or not (0) in the last run; absent before the first one.",
    labels.NETWORK_STATE,
    source="network.state",
    query='throttleprobe_network_state{state!="ok"} == 1',
)
VPN = gauge(
    "vpn",
    "Whether a VPN or proxy carried the last run (1) or not (0): then verdicts are not about the line's own network.",
    source="vantage.vpn; before the first run the line",
    query="throttleprobe_vpn == 1",
)
METERED = gauge(
    "metered",
    "Whether the line is metered (1) or not (0): goodput is left out on a metered one.",
    source="the line, or the setting",
    query="throttleprobe_metered == 1",
)
TRANSFERRED = counter(
    "transfer_bytes_total",
    "Bytes moved since the start, by runs, probes and pushes alike.",
    labels.DIRECTION,
    source="bytes.received (download), bytes.sent (upload)",
    query="sum (increase(throttleprobe_transfer_bytes_total[1d]))",
    unit="bytes",
)
BUDGET_LIMIT = gauge(
    "budget_limit_bytes",
    "How much may be moved in the run, day or month, in both directions together.",
    labels.WINDOW,
    source="watch.yaml: budget",
    query='throttleprobe_budget_used_bytes{window!="run"} / throttleprobe_budget_limit_bytes > 0.9',
    unit="bytes",
)
BUDGET_USED = gauge(
    "budget_used_bytes",
    "How much was moved in the current day or month by all processes here, or in the last run.",
    labels.WINDOW,
    source="the store",
    query='throttleprobe_budget_used_bytes{window="month"}',
    unit="bytes",
)
RELOAD_OK = gauge(
    "config_last_reload_successful",
    "Whether the last attempt to read the configuration succeeded (1), or the one before it holds on (0).",
    source="watch.yaml, targets.yaml",
    query="throttleprobe_config_last_reload_successful == 0",
)
RELOADED_AT = gauge(
    "config_last_reload_success_timestamp_seconds",
    "When the configuration was last read with success.",
    source="watch.yaml, targets.yaml",
    query="time() - throttleprobe_config_last_reload_success_timestamp_seconds",
    unit="seconds",
)
PENDING = gauge(
    "remote_write_pending_samples",
    "Samples that wait on the disk for the receiver.",
    labels.ENDPOINT,
    source="the spool",
    query="throttleprobe_remote_write_pending_samples > 10000",
)
SENT = counter(
    "remote_write_sent_samples_total",
    "Samples that the receiver took, over restarts.",
    labels.ENDPOINT,
    source="the sender",
    query="increase(throttleprobe_remote_write_sent_samples_total[1d]) == 0",
)
LOST = counter(
    "remote_write_failed_samples_total",
    "Samples that will never reach the receiver, over restarts, by the reason.",
    labels.ENDPOINT,
    labels.LOSS,
    source="the sender, the spool",
    query="increase(throttleprobe_remote_write_failed_samples_total[1d]) > 0",
)
LAST_SUCCESS = gauge(
    "remote_write_last_success_timestamp_seconds",
    "When the receiver last took samples.",
    labels.ENDPOINT,
    source="the sender",
    query="time() - throttleprobe_remote_write_last_success_timestamp_seconds > 86400",
    unit="seconds",
)
STORE_BYTES = gauge(
    "store_bytes",
    "Size of the file that keeps the results.",
    source="the store",
    query="throttleprobe_store_bytes > 180e6",
    unit="bytes",
)
VANTAGE = info(
    "vantage_info",
    "Where this measures from, as its owner said; never an address.",
    labels.COUNTRY,
    labels.ASN,
    labels.NETWORK,
    source="watch.yaml: vantage",
    query="throttleprobe_verdict * on (instance) group_left (asn) throttleprobe_vantage_info",
)
BUILD = info(
    "build_info",
    "Which version measures.",
    labels.VERSION,
    source="the program",
    query="count by (version) (throttleprobe_build_info)",
)
