"""Draws a result with matplotlib: of each metric its values, its limit, the evidence, the decisions.

Imported only where something is drawn: matplotlib is an optional dependency.
"""

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import matplotlib.dates
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from model_rollout.backtest.episodes import Episode, Kind
from model_rollout.backtest.result import Result
from model_rollout.backtest.text import moment
from model_rollout.backtest.trace import Trace

Numbers = NDArray[np.float64]

_DAY = 86_400.0
_BINS = 700
"""Points in a line: about two pixels each."""
_WIDE = 13.0
_PANEL = 2.7
_STRIP = 0.75
# Told apart by people who do not see all colours (Okabe and Ito), and by their darkness.
_VALUE, _LIMIT, _EVIDENCE = "#0072B2", "#222222", "#5E3C99"
_SHADES = {
    Kind.ROLLBACK: ("#D55E00", 0.30, "would have rolled back"),
    Kind.HOLD: ("#888888", 0.25, "would have held"),
    Kind.NOTIFY: ("#CC79A7", 0.30, "would have told people"),
    Kind.SUSPECT: ("#E69F00", 0.22, "suspect"),
}
_CLIP = re.compile(r"\bp[0-9a-f]{10}\b")
_BANDS = ("#DCE6EF", "#F4F4F4")
_STYLE: dict[Any, Any] = {
    "font.size": 10.0,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "modelrollout",
}


def as_png(result: Result) -> bytes:
    """Return the picture as PNG."""
    return _saved(result, "png")


def as_svg(result: Result) -> str:
    """Return the picture as an SVG element, the same for the same result."""
    text = _saved(result, "svg").decode()
    # Names of clip paths come from addresses in memory.
    names: dict[str, str] = {}
    svg = text[text.index("<svg") :]
    return _CLIP.sub(lambda found: names.setdefault(found[0], f"clip{len(names)}"), svg)


def _saved(result: Result, form: str) -> bytes:
    buffer = io.BytesIO()
    with matplotlib.rc_context(_STYLE):
        figure = _figure(result)
        metadata = {"Date": None} if form == "svg" else {"Software": None}
        figure.savefig(buffer, format=form, dpi=110, metadata=metadata)
    return buffer.getvalue()


def _figure(result: Result) -> Figure:
    traces = result.traces
    heights = [0.28, *(height for _ in traces for height in (_PANEL, _STRIP))]
    figure = Figure(figsize=(_WIDE, sum(heights) + 1.5), layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)
    axes: list[Axes] = list(rows[:, 0])
    _draw_revisions(axes[0], result)
    for index, trace in enumerate(traces):
        panel, strip = axes[1 + 2 * index], axes[2 + 2 * index]
        _draw_metric(panel, trace)
        _draw_evidence(strip, trace)
        _shade(panel, result, trace)
        for axis in (panel, strip):
            _mark_revisions(axis, result)
    _draw_times(axes, result)
    figure.suptitle(
        f"ModelRollout {result.namespace}/{result.name}: what it would have done",
        x=0.01,
        ha="left",
        fontsize=12,
    )
    figure.legend(handles=list(_legend(result)), loc="outside upper right", ncols=4, frameon=False)
    return figure


def _draw_revisions(axis: Axes, result: Result) -> None:
    whole = result.period.end - result.period.begin
    for number, spell in enumerate(result.spells):
        end = result.period.end if spell.end is None else spell.end
        axis.axvspan(spell.begin / _DAY, end / _DAY, color=_BANDS[number % 2], lw=0)
        if end - spell.begin > 0.02 * whole:
            wide = end - spell.begin > 0.09 * whole
            text = f"revision {spell.revision}" if wide else str(spell.revision)
            middle = (spell.begin + end) / 2 / _DAY
            axis.text(middle, 0.5, text, ha="center", va="center", transform=_across(axis))
    axis.set_yticks([])
    axis.tick_params(axis="x", length=0)
    for side in ("left", "bottom"):
        axis.spines[side].set_visible(False)


def _across(axis: Axes) -> "matplotlib.transforms.Transform":
    """Times along x, shares of the height along y."""
    return axis.get_xaxis_transform()


def _mark_revisions(axis: Axes, result: Result) -> None:
    for spell in result.spells[1:]:
        axis.axvline(spell.begin / _DAY, color="#999999", lw=0.8, ls=(0, (2, 2)))


def _draw_metric(axis: Axes, trace: Trace) -> None:
    line = _binned(trace)
    if line.lowest is not None and line.highest is not None:
        axis.fill_between(line.times, line.lowest, line.highest, color=_VALUE, alpha=0.18, lw=0)
    axis.plot(line.times, line.values, color=_VALUE, lw=1.1)
    times = np.asarray(trace.times) / _DAY
    for bounds in (trace.lows, trace.highs):
        axis.plot(times, np.asarray(bounds), color=_LIMIT, lw=1.2, ls=(0, (5, 3)))
    axis.set_title(f"{trace.name}  (limit {trace.limit})", loc="left", fontsize=10.5)
    axis.margins(y=0.12)
    axis.grid(axis="y", color="#EEEEEE", lw=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(axis="x", length=0)


def _draw_evidence(axis: Axes, trace: Trace) -> None:
    times, shares = np.asarray(trace.times), np.asarray(trace.shares)
    size = max(1, -(-len(times) // (2 * _BINS)))
    starts = np.arange(0, len(times), size)
    peaks = np.maximum.reduceat(np.nan_to_num(shares), starts) if len(times) else shares
    axis.fill_between(
        times[starts] / _DAY, 0, peaks, step="post", color=_EVIDENCE, alpha=0.75, lw=0
    )
    axis.axhline(1.0, color=_LIMIT, lw=0.9)
    axis.set_ylim(0.0, 1.25)
    axis.set_yticks([0.0, 1.0], ["0", "decides"], fontsize=8.5)
    axis.set_ylabel("evidence", fontsize=8.5)


def _shade(axis: Axes, result: Result, trace: Trace) -> None:
    for episode in result.episodes:
        seen = episode.sighting
        # What concerns one metric is shown beside it; holds and rollbacks without one, everywhere.
        if seen.metrics and trace.name not in seen.metrics:
            continue
        colour, alpha, _ = _SHADES[seen.kind]
        begin, end = _seen_ends(episode, result)
        axis.axvspan(begin, end, color=colour, alpha=alpha, lw=0)
        if seen.kind is Kind.ROLLBACK:
            axis.axvline(begin, color=colour, lw=1.6)


def _seen_ends(episode: Episode, result: Result) -> tuple[float, float]:
    """Return both ends in days; what is too short to be seen is shown a pixel wide."""
    end = result.period.end if episode.end is None else episode.end
    least = (result.period.end - result.period.begin) / 1200
    return episode.begin / _DAY, max(end, episode.begin + least) / _DAY


def _draw_times(axes: Sequence[Axes], result: Result) -> None:
    last = axes[-1]
    dates: Any = matplotlib.dates  # its classes are not typed
    locator = dates.AutoDateLocator(minticks=5, maxticks=12)
    last.xaxis.set_major_locator(locator)
    last.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, show_offset=False))
    last.set_xlim(result.period.begin / _DAY, result.period.end / _DAY)
    period = f"{moment(result.period.begin)[:16]} to {moment(result.period.end)[:16]} UTC"
    last.set_xlabel(period, fontsize=9, loc="right")


def _legend(result: Result) -> Iterator[Patch]:
    for kind, (colour, alpha, text) in _SHADES.items():
        if result.of(kind):
            yield Patch(facecolor=colour, alpha=max(alpha, 0.35), label=text)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of at most `_BINS` points."""

    times: Numbers
    """In days."""
    values: Numbers
    lowest: Numbers | None = None
    highest: Numbers | None = None


def _binned(trace: Trace) -> _Line:
    """Return the mean of each stretch of time: outcomes pooled, values with the span they had."""
    times, values = np.asarray(trace.times), np.asarray(trace.values)
    weights = np.where(np.isnan(values), 0.0, np.asarray(trace.weights))
    size = max(1, -(-len(times) // _BINS))
    if not len(times):
        return _Line(times, values)
    starts = np.arange(0, len(times), size)
    total = np.add.reduceat(weights, starts)
    known = np.nan_to_num(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(total > 0, np.add.reduceat(known * weights, starts) / total, np.nan)
    middles = (times[starts] + times[np.minimum(starts + size, len(times)) - 1]) / 2 / _DAY
    if trace.is_counted or size == 1:
        return _Line(middles, means)
    lowest = np.fmin.reduceat(values, starts)
    return _Line(middles, means, lowest, np.fmax.reduceat(values, starts))
