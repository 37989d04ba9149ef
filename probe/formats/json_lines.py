"""The report as JSON Lines: one measurement a line, then one line for the whole, for `jq`, DuckDB and log shippers.

Every line is an object with `record` and `report_id` first. `record` is "measurement" (controls first, then each
target's, in the order of the report; `target` is "" for a control) or, last and once, "report": the report with its
verdicts and without measurements. So a file that was cut is known by its missing last line.
"""

from probe import records
from probe.model.results import Report


def render_json_lines(report: Report) -> bytes:
    measurements = [*report.controls, *(m for target in report.targets for m in target.measurements)]
    lines = [records.encode_line("measurement", m, report_id=report.id) for m in measurements]
    lines.append(records.encode_line("report", records.header(report), report_id=report.id))
    return b"\n".join(lines) + b"\n"
