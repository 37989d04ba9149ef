"""What did earlier runs find? A line a run, for a person."""

from collections.abc import Sequence

from probe.store import Past


def history_table(runs: Sequence[Past]) -> str:
    """Start, id, and each target's state; oldest first."""
    if not runs:
        return "no run is stored for that time"
    lines = []
    for past in runs:
        states = ", ".join(f"{t.id} {t.state.value}" for t in past.targets)
        note = "" if past.finished else "  (did not end)"
        lines.append(f"{past.started_at}  {past.run_id}  {states}{note}")
    return "\n".join(lines)
