"""What does docs/metrics.md say? Printed from the table: `python -m probe.metrics.page > docs/metrics.md`."""

import sys
from collections.abc import Iterable

from probe.metrics.definitions import OF_SERVICE, OF_TARGETS, Definition, Kind
from probe.metrics.labels import Label

HEAD = """# Metrics

What `throttleprobe watch` shows at `/metrics` and pushes by remote write. This page is printed from
`probe/metrics/definitions.py` (`make schemas`); a test checks that it is up to date. What `/probe` answers has
blackbox_exporter's names and is in [probe.md](probe.md).

## How to read them

- **The results are those of the last run**, not of the scrape: a run is made a few times a day. When a target was last
  measured is in `throttleprobe_last_run_timestamp_seconds`. What is pushed carries the time of the measurement.
- **What is not known is absent.** There is no NaN, and no 0 that stands for "not measured": a target whose last run
  gave no goodput has no goodput series. A target without any result is `inconclusive`.
- **Only `throttleprobe_verdict` accuses.** A ratio compares with whatever control there was, also with another server,
  which may be farther away or paced; a baseline is no control at all. Alert on the verdict, show the ratio beside it.
- **One state at a time**: of the `throttleprobe_verdict` series of a target exactly one is 1. `inconclusive` is no
  state of the target, and never to be shown as green. It is also what a target is whose goodput was left out (a metered
  line, a VPN, other traffic, the budget) while all else was well: on a metered line nothing is ever `ok`.
- **Counters and the histogram begin at 0 when the service starts**, but for those of samples sent and lost, which the
  spool keeps; the gauges of a target are restored from the store, so a restart does not blank them. Of
  `throttleprobe_verdict_runs` two weeks are restored; `throttleprobe_onset_timestamp_seconds` and
  `throttleprobe_baseline_ratio` come back with the next run.
- **A counter of something that seldom happens appears when it first happens**, as 1. `increase()` sees no rise in
  that: ask for `> 0`.
- **Two runs that agree** are what an alert should ask for: `throttleprobe_verdict_runs >= 2`. Scraping one result a
  hundred times does not raise it, nor does a run in another network (`vantage:`), or through a VPN and one without.
  Runs through a VPN are about the VPN's network: leave them out with `unless on (instance) throttleprobe_vpn == 1`.
- **Labels are closed lists** or names from the configuration: never an address, a URL, or the text of an error. The
  report of a measurement is found by its id, which stands as the exemplar `measurement_id` on histogram buckets and on
  counters of failures (OpenMetrics only; Prometheus: `--enable-feature=exemplar-storage`).
- **Which vantage point** it is says the label `instance`, which Prometheus sets for what it scrapes, and which is the
  configured id in what is pushed.
- **Pushed series are a few samples a day**, and an instant query looks back five minutes only. Ask for the last one:
  `last_over_time(throttleprobe_verdict[1d])`. `throttleprobe_mechanism_info` of an earlier run lies in that window too:
  join it to the state, or ask for a window shorter than the gap between runs.
- A classic histogram has few observations for one target and run; add up targets, vantage points or days first.
  `_sum` by `_count` is the exact mean.
"""


def page() -> str:
    """The whole page."""
    return "\n".join(
        (
            HEAD,
            "## Of each target\n",
            _table(OF_TARGETS),
            "## Of the vantage point and the service\n",
            _table(OF_SERVICE),
            "## Labels\n",
            _labels((*OF_TARGETS, *OF_SERVICE)),
            "## Buckets\n",
            *(_buckets(d) for d in OF_TARGETS if d.kind is Kind.HISTOGRAM),
            "## Queries\n",
            _queries((*OF_TARGETS, *OF_SERVICE)),
        )
    )


def _table(definitions: Iterable[Definition]) -> str:
    lines = ["| name | type | labels | meaning | from |", "|---|---|---|---|---|"]
    lines += [
        f"| `{d.name}` | {d.kind} | {_names(d.labels)} | {_cell(d.help)} | {_cell(d.source)} |" for d in definitions
    ]
    return "\n".join((*lines, ""))


def _names(labels: Iterable[Label]) -> str:
    return ", ".join(f"`{label.name}`" for label in labels)


def _labels(definitions: Iterable[Definition]) -> str:
    """Every label, with its values; two of one name that differ are told apart by the metrics that have them."""
    users: dict[Label, list[str]] = {}
    for definition in definitions:
        for label in definition.labels:
            users.setdefault(label, []).append(definition.name)
    names = [label.name for label in users]
    lines = ["| label | values | bound |", "|---|---|---|"]
    for label, metrics in users.items():
        of = f" of {', '.join(f'`{name}`' for name in metrics)}" if names.count(label.name) > 1 else ""
        lines.append(f"| `{label.name}`{of} | {_values(label)} | {_cell(label.bound)} |")
    return "\n".join((*lines, ""))


def _values(label: Label) -> str:
    if not label.values:
        return f"matches `{_cell(label.pattern)}`"
    return ", ".join(f"`{value}`" for value in label.values if value)


def _buckets(definition: Definition) -> str:
    bounds = ", ".join(f"{bound:g}" for bound in definition.buckets)
    return f"`{definition.name}`: {bounds} and +Inf (upper bounds, seconds).\n"


def _queries(definitions: Iterable[Definition]) -> str:
    lines = ["| metric | for example |", "|---|---|"]
    lines += [f"| `{d.name}` | `{_cell(d.query)}` |" for d in definitions]
    return "\n".join((*lines, ""))


def _cell(text: str) -> str:
    """A pipe ends a cell in Markdown, even inside of code."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
