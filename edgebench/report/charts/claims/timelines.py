"""What happened when: time across, faults, crowds and deployments as shaded intervals with a word.

    Chart(slug, title, subtitle, timelines([View("outage-nginx", "nginx", "3 trials", plots, shades), …]), table)

A view becomes a panel of one or more plots, one above another with the same time. All views of a call share their time
and, plot by plot, their vertical axis, so that panels can be compared. A series is drawn as the median of its trials
and a band from the lowest to the highest of them; its label stands at its end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from edgebench.report.figure import CHARACTER_PT, WIDTH_PT, label_y, panel, ticks
from edgebench.report.palette import INK, MUTED
from edgebench.report.parts import Panel
from edgebench.report.timeplot import (
    Plot,
    Scale,
    Series,
    Shade,
    View,
    label_ends,
    line,
    scale,
    shade,
    words,
)

__all__ = ["Plot", "Scale", "Series", "Shade", "View", "series_of", "timelines", "typical"]

_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)


def series_of(
    table: pd.DataFrame,
    value: str,
    label: str,
    colour: str,
    *,
    dash: tuple[float, ...] = (),
    stairs: bool = False,
) -> Series:
    """A series from a table with a row per trial and bin: columns cell (where it may be of several), repeat, at_s and
    `value`."""
    trial = [column for column in ("cell", "repeat") if column in table]
    wide = table.pivot(index=trial, columns="at_s", values=value)
    at_s, values = wide.columns.to_numpy(dtype=float), wide.to_numpy(dtype=float)
    return Series(label, at_s, values, colour, dash, stairs)


def typical(faults: Sequence[Sequence[tuple[float, float, str]]]) -> tuple[Shade, ...]:
    """The intervals of several trials (start_s, end_s, word; alike in number and order) as one: medians of their
    edges. Trials with other intervals than the first are left out."""
    if not faults:
        return ()
    words = [word for _, _, word in faults[0]]
    alike = [each for each in faults if [word for _, _, word in each] == words]
    edges = np.median(np.array([[edge[:2] for edge in each] for each in alike], dtype=float).reshape(
        len(alike), len(words), 2), axis=0)  # fmt: skip
    return tuple(Shade(float(start), float(end), word) for (start, end), word in zip(edges, words, strict=True))


def timelines(
    views: Sequence[View], *, x_label: str = "seconds since measuring began", span_s: tuple[float, float] | None = None
) -> tuple[Panel, ...]:
    """The panels. span_s: from when to when; by default as far as any series goes."""
    every = [plot for view in views for plot in view.plots]
    span_s = span_s or _span_s([series for plot in every for series in plot.series])
    rows = max((len(view.plots) for view in views), default=0)
    limits = {row: _limits([view.plots[row] for view in views if len(view.plots) > row]) for row in range(rows)}
    worded = any(shade.word for view in views for shade in view.shades)
    names = [series.label for plot in every for series in plot.series] + [word for p in every for _, word in p.marks]
    right_pt = min(max(map(len, names), default=0) * CHARACTER_PT * 1.09 + 12, 0.3 * WIDTH_PT)
    return tuple(_panel(view, x_label, span_s, limits, max(right_pt, 14.0), worded) for view in views)


def _panel(
    view: View,
    x_label: str,
    span_s: tuple[float, float],
    limits: Mapping[int, tuple[float, float]],
    right_pt: float,
    worded: bool,
) -> Panel:
    shares = [plot.height for plot in view.plots]
    figure, axes = panel(
        view.title, view.subtitle, view.plots[0].label, x_label,
        left_pt=50, right_pt=right_pt, height_pt=108 + 156 + 110 * (len(shares) - 1), rows=shares,
    )  # fmt: skip
    for row, (plot, each) in enumerate(zip(view.plots, axes, strict=True)):
        if row:
            label_y(each, plot.label)
        if row < len(axes) - 1:
            each.tick_params(axis="x", labelbottom=False)
        scale(each, plot.scale, limits[row], worded and row == 0)
        each.set_xlim(*span_s)
        ticks(each, "x", _ticks_s(span_s), lambda second: f"{second:g}")
        shade(each, view.shades)
        ends = [end for series in plot.series if (end := line(each, series)) is not None]
        for level, word in plot.marks:
            each.axhline(level, color=INK, alpha=0.55, linewidth=0.9, dashes=(2, 2))
            ends.append((level, word, MUTED))
        label_ends(each, ends)
    if worded:
        words(axes[0], view.shades)
    return Panel(view.slug, view.title, figure)


def _span_s(every: Sequence[Series]) -> tuple[float, float]:
    at_s = np.concatenate([series.at_s for series in every] or [np.zeros(0)])
    if not len(at_s):
        return 0.0, 1.0
    widths = [float(np.diff(series.at_s).min()) for series in every if len(series.at_s) > 1]
    half_s = min(widths, default=1.0) / 2
    return float(at_s.min()) - half_s, float(at_s.max()) + half_s


def _ticks_s(span_s: tuple[float, float]) -> list[float]:
    first_s, last_s = span_s
    step = next((size for size in _STEPS_S if (last_s - first_s) / size <= 8), 1800)
    return [step * place for place in range(math.ceil(first_s / step), math.floor(last_s / step + 1e-9) + 1)]


def _limits(plots: Sequence[Plot]) -> tuple[float, float]:
    """Lowest and highest value to be seen; of a logarithmic axis, above 0."""
    found = [series.values.ravel() for plot in plots for series in plot.series]
    found += [np.array([level for level, _ in plot.marks], dtype=float) for plot in plots]
    values = np.concatenate(found or [np.zeros(0)])
    values = values[np.isfinite(values)]
    if any(plot.scale is Scale.LATENCY for plot in plots):
        values = values[values > 0]
        if not len(values):
            return 0.1, 10.0
        low, high = float(values.min()) / 1.4, float(values.max()) * 1.4
        return low, max(high, low * 20)
    return 0.0, float(values.max(initial=0.0)) or 1.0
