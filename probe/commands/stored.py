"""A stored run shown again, the history of runs, and old evidence judged by today's rules."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from probe import config, judgement, records
from probe.commands import terminal
from probe.commands.history import changes_since, changes_table, history_table
from probe.commands.measure import EXIT_DONE, open_store
from probe.commands.selection import UsageError, known_formats
from probe.registry import EVIDENCE_TYPES
from probe.report import Format
from probe.store import NoSuchRun, Store, StoreError


def show(run_id: str | None, since: str | None, *, output_format: str, output: Path | None, state: Path | None) -> int:
    """A stored run again, or a line for each run since a date."""
    try:
        chosen = known_formats(output_format)
        if since is not None and (run_id or output or chosen is not Format.TABLE):
            raise UsageError("--since lists runs on the terminal: give it alone, or ask for one run in a format")
        settings = config.read_settings(os.environ, state_dir=state)
        with open_store(settings.state_dir) as store:
            if since is None:
                report = store.report(run_id)
                # a run that did not end has no verdicts of its targets yet: what it measured is judged now
                report = judgement.rejudge(report) if report.parameters.interrupted else report
                terminal.tell(report, chosen, output)
            else:
                terminal.show(_history(store, _date(since)))
    except config.ConfigError as error:
        return terminal.refuse(*error.lines)
    except (UsageError, StoreError, NoSuchRun) as error:
        return terminal.refuse(str(error))
    except OSError as error:
        return terminal.refuse(f"--output {output}: cannot be written ({error.strerror})")
    return EXIT_DONE


def _history(store: Store, since: datetime) -> str:
    """The runs since then, and below them what changed; a change is looked for in what was before as well."""
    runs, now = store.history(since), datetime.now(UTC)
    targets = sorted({target.id for run in runs for target in run.targets})
    changed = {target: changes_since(store.outcomes(target), since, now) for target in targets}
    return "\n\n".join(part for part in (history_table(runs), changes_table(changed)) if part)


def _date(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise UsageError(f"{text}: not a date like 2026-11-21") from None


def rejudge(file: Path, *, output_format: str, output: Path | None) -> int:
    """Judge a stored report anew; a file that is no report exits 2."""
    try:
        chosen = known_formats(output_format)
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        return terminal.refuse(f"{file}: {error.strerror}")
    except UsageError as error:
        return terminal.refuse(str(error))
    try:
        terminal.tell(judgement.rejudge(records.decode(data, EVIDENCE_TYPES)), chosen, output)
    except OSError as error:
        return terminal.refuse(f"--output {output}: cannot be written ({error.strerror})")
    except records.RecordError as error:
        return terminal.refuse(f"{file}: {error}")
    return EXIT_DONE
