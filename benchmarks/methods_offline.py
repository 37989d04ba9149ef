"""How often does the classifier name the right method on kept transfers, and how near are rates and offsets?

Run: `python -m benchmarks.methods_offline DIRECTORY`, on what `benchmarks.methods_in_lab` kept there. Each trial is
judged as the check would have had it: five transfers, cut at the check's deadlines. Counted are those that are slowed
at all. For slow servers: whether a limiter's signature is seen.
"""

import argparse
import gzip
import itertools
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.methods_in_lab import Kept
from probe.checks.goodput.measure import CONTROL_TIMES, LONG_SECONDS, MAX_PAIR_SECONDS, MIN_PAIR_SECONDS
from probe.model.observations import Direction, Series, Transfer
from probe.model.results import Method
from probe.stats.curves import elapsed_seconds, tail_silence_seconds, whole_bps
from probe.verdict.goodput_method import limit_bps, method_of, signature_of
from probe.verdict.goodput_stall import stall_offset

FIRST_PAIRS = 3
MAX_MEDIAN_RATIO = 0.5  # the effect floor of the sequential rule
MAX_STATED_BPS = 2.5e6  # rates are promised up to 2 Mbit/s, and drawn up to a quarter beyond
SIGNATURE_FLOWS = 6
SIGNATURE_CONTROLS = 3


def kept(directory: Path) -> Iterator[Kept]:
    for path in sorted(directory.glob("*.json.gz")):
        yield from msgspec.json.decode(gzip.decompress(path.read_bytes()), type=list[Kept])


def cut(made: Transfer, seconds: float) -> Transfer:
    """The transfer as it would have been with this deadline."""
    end, series = made.t0 + seconds, made.series
    if made.t <= end or made.t_request is None:
        return made
    if made.t_request >= end or not series.t:
        return replace(made, series=Series(), num_bytes=0, cut=True, complete=False, t=end, t_request=None)
    count = max(1, sum(t <= end for t in series.t))
    kept_series = Series(
        t=(*series.t[:count], end),
        num_bytes=_held(series.num_bytes, count),
        segments=_held(series.segments, count),
        rtt_seconds=(*series.rtt_seconds[:count], *series.rtt_seconds[count - 1 : count]),
        retransmits=_held(series.retransmits, count),
    )
    missing = made.num_bytes - kept_series.num_bytes[-1]
    info = made.tcp_after
    if info is not None and info.bytes_received is not None and made.direction is Direction.DOWNLOAD:
        info = replace(info, bytes_received=info.bytes_received - missing)
    if info is not None and info.bytes_acked is not None and made.direction is Direction.UPLOAD:
        info = replace(info, bytes_acked=info.bytes_acked - missing)
    if info is not None:
        info = replace(info, rwnd_limited_seconds=None)
    status = made.status if made.direction is Direction.DOWNLOAD else None
    num_bytes = kept_series.num_bytes[-1]
    first = made.t_first_byte if made.t_first_byte is not None and made.t_first_byte < end else None
    return replace(
        made,
        t=end,
        series=kept_series,
        num_bytes=num_bytes,
        cut=True,
        complete=False,
        status=status,
        tcp_after=info,
        t_first_byte=first,
    )


def _held(values: Sequence[int], count: int) -> tuple[int, ...]:
    """The first values, and the last of them once more at the cut."""
    return (*values[:count], *values[count - 1 : count])


def as_checked(trial: Kept) -> tuple[Transfer, ...]:
    """The five flows of a finding, the first of the repetition watched longer."""
    busy = [elapsed_seconds(t) - (0.0 if t.complete else tail_silence_seconds(t)) for t in trial.neutral]
    seconds = max(MIN_PAIR_SECONDS, min(MAX_PAIR_SECONDS, CONTROL_TIMES * median(busy)))
    usual = [cut(flow, seconds) for flow in trial.flows[1:]]
    longer = cut(trial.flows[0], max(seconds, LONG_SECONDS))
    return (*usual[:FIRST_PAIRS], longer, *usual[FIRST_PAIRS:])


def is_slowed(trial: Kept, flows: Sequence[Transfer]) -> bool:
    """Whether every one of them is slower than all under a neutral name, and most by half: what any rule would ask."""
    suspect, control = [whole_bps(f) for f in flows], [whole_bps(t) for t in trial.neutral]
    return max(suspect) < min(control) and median(suspect) <= MAX_MEDIAN_RATIO * median(control)


def signatures(trial: Kept) -> Counter[str]:
    """What any six of a slow server's flows show beside a control's."""
    pool = (*trial.flows, *trial.neutral)
    chosen = itertools.combinations(pool, SIGNATURE_FLOWS)
    return Counter(str(signature_of(flows, trial.control[:SIGNATURE_CONTROLS])) for flows in chosen)


def described(errors: Sequence[float]) -> str:
    if not errors:
        return ""
    within = sum(error <= 0.05 for error in errors) / len(errors)
    return f"rate off by {100 * median(errors):.1f} % (median of {len(errors)}), {100 * within:.0f} % within 5 %"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    arguments = parser.parse_args()
    said: defaultdict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    rates: defaultdict[tuple[str, ...], list[float]] = defaultdict(list)
    offsets: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    for trial in kept(arguments.directory):
        truth = trial.trial
        place = (trial.line, trial.congestion, str(truth.direction))
        if truth.method is Method.UNKNOWN:
            said[(*place, f"server at {trial.pacing_bps / 1e3:.0f} kbit/s")] += signatures(trial)
            continue
        flows = as_checked(trial)
        cell: tuple[str, ...] = (*place, str(truth.method))
        if not is_slowed(trial, flows):
            said[cell]["not slowed"] += 1
            continue
        method = method_of(flows)
        said[cell][str(method)] += 1
        rate, offset = limit_bps(flows, method), stall_offset(flows)
        if method is truth.method and rate is not None and truth.rate_bps <= MAX_STATED_BPS:
            rates[cell].append(abs(rate / truth.rate_bps - 1))
        if method is truth.method and offset is not None and truth.after_bytes:
            offsets[cell].append(abs(offset - truth.after_bytes))
    for cell, counts in sorted(said.items()):
        off = f"offset off by at most {max(offsets[cell])} bytes" if offsets[cell] else ""
        print(" | ".join((*cell, ", ".join(f"{k} {v}" for k, v in counts.items()), described(rates[cell]), off)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
