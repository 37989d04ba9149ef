"""What would today's rules say of the runs that an earlier score made?

Keeps each run's whole report, and judges it again without a network: the same runs, their verdicts made anew. What the
checks would have measured under other rules is not known; only what they did measure is judged.
"""

import gzip
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from probe import records
from probe.judgement import rejudge
from probe.lab.scenarios.base import find
from probe.lab.score.plan import line_of
from probe.lab.score.record import Key, LogError, RunRecord
from probe.lab.score.trial import Origin, target_records
from probe.model.results import Report
from probe.registry import EVIDENCE_TYPES


def report_path(directory: Path, key: Key) -> Path:
    """`<scenario>/<line>/<seed>.json.gz` below the directory of evidence."""
    return directory / key.scenario / key.profile / f"{key.seed}.json.gz"


def keep(directory: Path, key: Key, report: Report) -> None:
    """Write the run's report, some 20 KB. Raises OSError."""
    path = report_path(directory, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(records.encode(report), compresslevel=6, mtime=0))


def read(directory: Path, key: Key) -> Report:
    """The kept report. Raises OSError, RecordError."""
    return records.decode(gzip.decompress(report_path(directory, key).read_bytes()), EVIDENCE_TYPES)


def judged_again(made: Iterable[RunRecord], directory: Path, origin: Origin) -> Iterator[RunRecord]:
    """The same runs with the verdicts of this code's rules. Raises LogError for a run whose report is not there, or
    whose scenario has gone."""
    for record in made:
        if not record.valid:
            yield record
            continue
        try:
            scenario = find(record.key.scenario)
            report = rejudge(read(directory, record.key))
        except (KeyError, OSError, records.RecordError) as error:
            raise LogError(f"{record.key.scenario} on {record.key.profile}, seed {record.key.seed}: {error}") from None
        setup = scenario.build(line_of(scenario, record.key.profile))
        yield replace(
            record,
            network=report.network.state,
            network_wanted=setup.network,
            commit=f"{record.commit}, judged by {origin.commit}",
            rules_version=next((t.verdict.rules_version for t in report.targets), ""),
            targets=target_records(setup, report),
        )
