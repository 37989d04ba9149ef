"""Is the same payload slower when the server name, or the address, is the target's?

Evidence only: `probe.verdict.goodput` decides what it means, and through `ctx.enough` what is measured next.
"""

from probe.checks.goodput.evidence import Arm, Candidate, Evidence, Phase, Series, Trial
from probe.checks.goodput.gather import ROUND_TRIPS, gather, more_seconds

__all__ = ["ROUND_TRIPS", "Arm", "Candidate", "Evidence", "Phase", "Series", "Trial", "gather", "more_seconds"]
