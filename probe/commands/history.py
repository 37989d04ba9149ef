"""What did earlier runs find, and when did it change? A line a run and a line a change, for a person."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from probe.formats.past import onset_sentence
from probe.model.past import Onset, PastOutcome
from probe.model.results import Vantage
from probe.store import Past
from probe.verdict import past as beside_the_past


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


def changes_since(outcomes: Sequence[PastOutcome], since: datetime, now: datetime) -> tuple[Onset, ...]:
    """What changed for one target after `since`, at the vantage point of its last run; `outcomes` may begin earlier."""
    if not outcomes:
        return ()
    last = outcomes[-1]
    here = Vantage(country=last.country, asn=last.asn, network=last.network, instance=last.instance, vpn=last.vpn)
    found = beside_the_past.onsets(outcomes, target=last.target, now=now, vantage=here)
    return tuple(onset for onset in found if datetime.fromisoformat(onset.latest) >= since)


def changes_table(changes: Mapping[str, Sequence[Onset]]) -> str:
    """A line a change, by target; "" where nothing changed."""
    return "\n".join(f"{target}: {onset_sentence(onset)}" for target, found in changes.items() for onset in found)
