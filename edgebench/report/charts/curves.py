"""Latency as a curve: what the charts with all tiers in a panel and those with a panel per tier share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from edgebench.report import format as fmt
from edgebench.report import labels
from edgebench.report.charts import data
from edgebench.report.charts.data import Distribution
from edgebench.report.figure import latency_axis, ticks
from edgebench.report.palette import TierStyle

LATENCY = "latency from the scheduled time, log scale"
_BY_NINES = (1.0, 2.0, 10.0, 100.0, 1000.0, 10000.0, 100000.0)


def limits_ms(found: Sequence[Distribution], low_share: float) -> tuple[float, float]:
    """The common axis of these distributions."""
    low = min(dist.at(low_share) for dist in found)
    high = max(dist.at(0.9999) for dist in found)
    return low / 1.25, max(high, low * 3) * 1.25


def of_all(dist: Distribution) -> float | None:
    """The hit ratio over all requests, which is the height of the plateau; that of the cacheable ones without it."""
    over_all = data.value(dist.cell, "hit_ratio_all")
    return over_all if over_all is not None else data.value(dist.cell, "hit_ratio")


def enough(dist: Distribution, share: float) -> bool:
    """Whether a percentile has samples beyond it."""
    return min(dist.samples) * (1 - share) >= data.TAIL_SAMPLES * 0.999


def plot_bounds(axes: Axes) -> labels.Box:
    """Where labels may lie, in points."""
    frame = axes.get_window_extent()
    return labels.Box(2, 2, frame.width - 4, frame.height - 4)


def in_points(axes: Axes, x: data.Floats, y: data.Floats) -> labels.Points:
    """The part of a curve that is within the plot's width, in points from its lower left corner."""
    frame = axes.get_window_extent()
    points = axes.transData.transform(np.column_stack([x, y])) - (frame.x0, frame.y0)
    inside = (points[:, 0] >= 0) & (points[:, 0] <= frame.width)
    return np.asarray(points[inside] if inside.any() else points[:1])


def draw_share(axes: Axes, dist: Distribution, style: TierStyle) -> labels.Points:
    """Share of requests over latency, with the range of the trials; the curve in points."""
    low, high = dist.quantiles_ms.min(axis=0), dist.quantiles_ms.max(axis=0)
    if len(dist.quantiles_ms) >= 3:
        some = slice(None, None, 3)
        axes.fill_betweenx(dist.probabilities[some], low[some], high[some], color=style.colour, alpha=0.16, linewidth=0)
    axes.plot(dist.median_ms, dist.probabilities, color=style.colour, linestyle=style.linestyle, linewidth=1.9)
    marks = [0.1, 0.5, 0.9]
    axes.plot([dist.at(mark) for mark in marks], marks, style.marker, color=style.colour, markersize=5)
    return in_points(axes, dist.median_ms, dist.probabilities)


def tail_axes(axes: Axes, limits: tuple[float, float], rarest: float) -> None:
    """Latency upwards, percentiles to the right, stretched by nines."""
    latency_axis(axes, "y", *limits)
    axes.set_xscale("log")
    highest = max(rarest, 20) * 1.05
    axes.set_xlim(1, highest)
    ticks(axes, "x", [nine for nine in _BY_NINES if nine <= highest], _percentile)


def tail_points(dist: Distribution) -> tuple[data.Floats, data.Floats]:
    """How rare (1 in x), and how slow in ms, as far as a trial has samples beyond."""
    last = 1 - data.TAIL_SAMPLES / min(dist.samples)
    probabilities = np.append(dist.probabilities[dist.probabilities < last], last)
    return 1 / (1 - probabilities), np.interp(probabilities, dist.probabilities, dist.median_ms)


def draw_tail(axes: Axes, dist: Distribution, style: TierStyle) -> labels.Points:
    """Latency over percentile; the end of the curve, in points."""
    rarity, values_ms = tail_points(dist)
    axes.plot(rarity, values_ms, color=style.colour, linestyle=style.linestyle, linewidth=1.9)
    axes.plot(rarity[-1], values_ms[-1], style.marker, color=style.colour, markersize=5, clip_on=False)
    return np.asarray(in_points(axes, rarity[-1:], values_ms[-1:])[0])


def percentile_words(dist: Distribution, shares: Sequence[float]) -> str:
    """`p50 638 µs · p99 6.11 ms`, without those that have too few samples."""
    known = [share for share in shares if enough(dist, share)]
    return " · ".join(f"p{share * 100:g} {fmt.duration_ms(dist.at(share))}" for share in known)


def _percentile(rarity: float) -> str:
    return f"{round(100 * (1 - 1 / rarity), 4):g} %"
