"""What did the transfers look like? Two small SVG plots a direction: rates pair by pair, and bytes over time.

The only module that imports matplotlib, and only HTML reports import it. Colours are custom properties of the page, so
that plots follow its dark and light scheme; shapes and dashes say the same as colours. Texts in a plot are figures of
ours, never text of the network.
"""

import io
import math
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from html import escape

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from probe.checks.goodput import Series, Trial
from probe.formats.figures import amount, duration, rate
from probe.formats.markup import Html, trusted
from probe.formats.transfers import SUBJECT_ARMS, mean_bps, pairs_of

_WIDTH_INCHES, _HEIGHT_INCHES = 4.7, 2.5
_FONT_POINTS = 8.5
_APART = 0.07  # of the distance between two pairs: marks of equal rates stand beside each other
_FEW_DECADES = 100  # below this ratio of the axis' ends, powers of ten alone are too few ticks
# Colours that occur nowhere else stand for the page's custom properties until the SVG is written.
_INK, _MUTED, _GRID, _TARGET, _CONTROL, _PAPER = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
_PROPERTIES = {
    _INK: "var(--ink)",
    _MUTED: "var(--muted)",
    _GRID: "var(--rule)",
    _TARGET: "var(--target)",
    _CONTROL: "var(--control)",
    _PAPER: "var(--paper)",
}


def plot_pairs(series: Series, *, label: str, salt: str) -> Html | None:
    """The rate of both arms of every pair, on a logarithmic axis, in the order measured; None without pairs."""
    pairs = pairs_of(series)
    rates = [bps for pair in pairs for trial in pair if (bps := mean_bps(trial.transfer)) is not None]
    if not rates:
        return None
    with _settings(salt):
        figure, axes = _axes()
        low, high = min(rates) / 2.5, max(rates) * 2.5
        for place, pair in enumerate(pairs, start=1):
            _draw_pair(axes, place, pair, floor=low)
        axes.set_yscale("log")
        axes.set_ylim(low, high)
        axes.yaxis.set_major_locator(FixedLocator(_log_ticks(low, high)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: rate(value)))
        axes.set_xlim(0.4, len(pairs) + 0.6)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
        axes.set_xlabel("pair, in the order measured")
        return _svg(figure, label)


def plot_curves(series: Series, *, label: str, salt: str) -> Html | None:
    """Bytes over time since the request for every transfer of every pair; None without any."""
    trials = [trial for trial in series.trials if trial.pair is not None and len(trial.transfer.series.t) > 1]
    if not trials:
        return None
    with _settings(salt):
        figure, axes = _axes()
        for trial in trials:
            curve = trial.transfer.series
            subject = trial.arm in SUBJECT_ARMS
            axes.plot(
                [t - curve.t[0] for t in curve.t],
                curve.num_bytes,
                color=_TARGET if subject else _CONTROL,
                linestyle="-" if subject else (0, (4, 2)),
                linewidth=1.5 if subject else 1.3,
                zorder=3 if subject else 2,
            )
        axes.set_xlim(left=0)
        axes.set_ylim(0, series.num_bytes * 1.06)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: amount(round(value)) if value else "0"))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: duration(value) if value else "0"))
        axes.set_xlabel("since the request")
        return _svg(figure, label)


def _draw_pair(axes: Axes, place: int, pair: Sequence[Trial], *, floor: float) -> None:
    """Two marks joined by a thin line; a transfer that moved nothing is a cross at the bottom."""
    heights = [mean_bps(trial.transfer) for trial in pair]
    places = [place + (-_APART if trial.arm in SUBJECT_ARMS else _APART) for trial in pair]
    if None not in heights:
        axes.plot(places, [height or floor for height in heights], color=_GRID, linewidth=2.2, zorder=1)
    for trial, height, x in zip(pair, heights, places, strict=True):
        subject = trial.arm in SUBJECT_ARMS
        axes.plot(
            [x],
            [floor * 1.15 if height is None else height],
            marker="x" if height is None else "o" if subject else "s",
            color=_TARGET if subject else _CONTROL,
            markerfacecolor=_TARGET if subject else _PAPER,
            markersize=6.5 if subject else 5.5,
            markeredgewidth=1.5,
            linestyle="none",
            zorder=3 if subject else 2,
        )


def _settings(salt: str) -> AbstractContextManager[None]:
    """matplotlib's settings while one plot is made; the salt makes its inner names the same in every run."""
    return mpl.rc_context(
        {
            "svg.fonttype": "none",  # text stays text: small, selectable, in the page's own font
            "svg.hashsalt": salt,
            "font.family": "sans-serif",
            "font.size": _FONT_POINTS,
            "path.simplify_threshold": 0.3,  # of a pixel
        }
    )


def _log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten between the two, with 2 and 5 between them where there are few."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if high / low < _FEW_DECADES else (1,)
    return [step * 10.0**e for e in exponents for step in steps if low <= step * 10.0**e <= high]


def _axes() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH_INCHES, _HEIGHT_INCHES))
    # Fixed margins: room for "500 kbit/s" at the left; finding the least ones would cost more than all the drawing.
    figure.subplots_adjust(left=0.155, right=0.955, bottom=0.19, top=0.97)
    FigureCanvasSVG(figure)
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    axes.grid(axis="y", color=_GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_MUTED)
    axes.tick_params(colors=_MUTED, labelcolor=_INK, length=0, which="both")
    axes.xaxis.label.set_color(_MUTED)
    return figure, axes


_DROPPED = (
    re.compile(r"^.*?(?=<svg )", re.DOTALL),  # XML declaration and document type
    re.compile(r"<metadata>.*?</metadata>", re.DOTALL),
    re.compile(r"<style .*?</style>", re.DOTALL),  # would apply to the whole page
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r' id="[a-zA-Z.0-9]+_\d+"'),  # names of groups, the same in every plot; nothing refers to them
    re.compile(r"(?<=<svg )[^>]*?(?=viewBox)"),
    re.compile(r'(?<=")\s+xmlns="[^"]*"'),
    re.compile(r' version="1.1"'),
    re.compile(r" font-family: [^;]*;"),
    re.compile(r' transform="rotate\(-0 [^"]*"'),
    re.compile(r"(?<=\d\.\d\d)\d+"),  # hundredths of a point are enough
)


def _svg(figure: Figure, label: str) -> Html:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = out.getvalue()
    for pattern in _DROPPED:
        text = pattern.sub("", text)
    for color, custom_property in _PROPERTIES.items():
        text = text.replace(color, custom_property)
    text = re.sub(r"\n\s*", "\n", text)
    return trusted(text.replace("<svg ", f'<svg role="img" aria-label="{escape(label, quote=True)}" ', 1))
