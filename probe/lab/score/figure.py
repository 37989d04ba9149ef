"""What do the error rates look like in one picture?

False alarms and misses of every family and line with their intervals, as SVG. Only this module of the lab imports
matplotlib, and only a score that is written to files imports this one.
"""

import io
from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from probe.lab.score.confusion import ALL
from probe.lab.score.intervals import Rate
from probe.lab.score.tables import Rates, Score

WIDTH_INCHES = 9.0
ROW_INCHES = 0.21
FRAME_INCHES = 1.35
FONT_POINTS = 8.5
LEAST_SHARE = 5e-4  # what is below stands at the left edge: zero has no place on a logarithmic axis
TICKS = (0.001, 0.01, 0.1, 1.0)
INK, MUTED, GRID, GOOD, BAD = "#1f2328", "#57606a", "#d8dee4", "#0969da", "#cf222e"


def as_svg(score: Score) -> str:
    """The picture, white behind it so that it can be read on any page; the same bytes for the same score."""
    rows = [row for row in score.rates if row.family != ALL or row.profile == ALL]
    with mpl.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": "score", "font.size": FONT_POINTS, "font.family": "sans-serif"}
    ):
        figure = Figure(figsize=(WIDTH_INCHES, FRAME_INCHES + ROW_INCHES * max(1, len(rows))), facecolor="white")
        FigureCanvasSVG(figure)
        left, right = figure.subplots(1, 2, sharey=True)
        assert isinstance(left, Axes)
        assert isinstance(right, Axes)
        _draw(left, "False alarms", rows, [row.false_alarms for row in rows])
        _draw(right, "Missed", rows, [row.missed for row in rows])
        left.set_yticks(range(len(rows)), [_label(row) for row in rows])
        left.set_ylim(len(rows) - 0.4, -0.6)
        frame = FRAME_INCHES / figure.get_figheight()
        figure.subplots_adjust(left=0.19, right=0.93, bottom=frame * 0.55, top=1 - frame * 0.3, wspace=0.22)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


def _label(row: Rates) -> str:
    return "all together" if row.family == ALL else f"{row.family}, {row.profile}"


def _draw(axes: Axes, title: str, rows: Sequence[Rates], rates: Sequence[Rate]) -> None:
    """One row a group: a bar from the lower to the upper bound, a mark at the rate."""
    for place, rate in enumerate(rates):
        if rate.value is None:
            continue
        color = BAD if rate.hits else GOOD
        low, high = max(rate.low, LEAST_SHARE), max(rate.high, LEAST_SHARE)
        axes.plot([low, high], [place, place], color=color, linewidth=2.2, solid_capstyle="butt", alpha=0.55)
        marker = "o" if rate.hits else "|"
        axes.plot(
            [max(rate.value, LEAST_SHARE)],
            [place],
            marker=marker,
            color=color,
            markersize=5,
            linestyle="none",
            clip_on=False,
        )
        axes.annotate(
            f"{rate.hits}/{rate.trials}",
            (1.0, place),
            xytext=(7, 0),
            textcoords="offset points",
            ha="left",
            va="center",
            color=MUTED,
            fontsize=FONT_POINTS - 1,
            annotation_clip=False,
        )
    axes.set_xscale("log")
    axes.set_xlim(LEAST_SHARE, 1.0)
    axes.xaxis.set_major_locator(FixedLocator(TICKS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    axes.set_title(title, loc="left", color=INK, fontsize=FONT_POINTS + 1.5)
    axes.set_xlabel("share of trials, 95 % interval; no dot: none seen", color=MUTED)
    axes.grid(axis="x", color=GRID, linewidth=0.7)
    for place in range(1, len(rows)):
        if rows[place].family != rows[place - 1].family:
            axes.axhline(place - 0.5, color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(MUTED)
    axes.tick_params(colors=MUTED, labelcolor=INK, length=0)
