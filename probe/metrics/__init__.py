"""The scheduled results as numbers for Prometheus: one table says which, everything else follows it.

`definitions` is the table, `labels` what its labels may say; `figures` and `tallies` read a report, `families` and
`samples` give what is scraped and what is pushed, `registry` is the one class that others use, `page` writes
docs/metrics.md. What `/probe` answers has other names and is in `blackbox`.
"""

from probe.metrics.labels import BudgetWindow, RunOutcome, SampleLoss, Skip
from probe.metrics.registry import Metrics
from probe.metrics.samples import STALE_NAN, Sample
from probe.metrics.service import Endpoint

__all__ = ["STALE_NAN", "BudgetWindow", "Endpoint", "Metrics", "RunOutcome", "Sample", "SampleLoss", "Skip"]
