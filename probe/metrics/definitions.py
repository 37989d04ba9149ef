"""Which metrics are there, of what type and unit, with which labels, and what does each mean?

The one table. The registry builds what it says, docs/metrics.md is printed from it, and rules and dashboards are
checked against it. What is not known is absent: there is no NaN, and no 0 that stands for "not measured".
"""

from probe.metrics import service_metrics as service
from probe.metrics import target_metrics as target
from probe.metrics.definition import PREFIX, Definition, Kind

__all__ = ["DEFINITIONS", "OF_SERVICE", "OF_TARGETS", "PREFIX", "Definition", "Kind", "exposed_names"]

OF_TARGETS: tuple[Definition, ...] = (
    target.VERDICT,
    target.CONFIRMED,
    target.VERDICT_RUNS,
    target.MECHANISM,
    target.GOODPUT,
    target.RATIO,
    target.RATIO_LOW,
    target.RATIO_HIGH,
    target.BASELINE_RATIO,
    target.ONSET,
    target.LAST_RUN,
    target.OUTCOMES,
    target.PROBLEMS,
    target.PHASE_DURATION,
)
OF_SERVICE: tuple[Definition, ...] = (
    service.RUNS,
    service.SKIPPED,
    service.NEXT_RUN,
    service.LAST_DURATION,
    service.NETWORK_STATE,
    service.VPN,
    service.METERED,
    service.TRANSFERRED,
    service.BUDGET_LIMIT,
    service.BUDGET_USED,
    service.RELOAD_OK,
    service.RELOADED_AT,
    service.PENDING,
    service.SENT,
    service.LOST,
    service.LAST_SUCCESS,
    service.STORE_BYTES,
    service.VANTAGE,
    service.BUILD,
)
DEFINITIONS: tuple[Definition, ...] = (*OF_TARGETS, *OF_SERVICE)


def exposed_names() -> frozenset[str]:
    """Every name that a query may ask for."""
    return frozenset(name for definition in DEFINITIONS for name in definition.exposed_names)
