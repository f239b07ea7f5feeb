"""Values over time in one plot of a panel: nouns of charts.claims.timelines, and how each is drawn."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from edgebench.report import format as fmt
from edgebench.report import labels
from edgebench.report.figure import TEXT_PT, from_zero, halo, latency_axis, percent_axis, text_size
from edgebench.report.palette import INK, MUTED

Floats = NDArray[np.float64]
WORD_ROOM = 0.17
"""Share of a plot's height that is kept free at its top for the words of shaded intervals."""


class Scale(Enum):
    """What a vertical axis shows."""

    LATENCY = "latency"
    """ms, logarithmic."""
    SHARE = "share"
    """0 to 1, as 0 to 100 %."""
    COUNT = "count"
    """From 0, linear."""


@dataclass(frozen=True, slots=True)
class Shade:
    """An interval in which something was done to the system; without a length, a line. `word` may be empty."""

    start_s: float
    end_s: float
    word: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """One thing over time, in several trials."""

    label: str
    at_s: Floats
    """Shape (bins,): the middles of the bins, since measuring began."""
    values: Floats
    """Shape (trials, bins): NaN where there is nothing to say, and the line has a gap."""
    colour: str
    """Of report.palette: a tier's (tier_styles), INK for the baseline."""
    dash: tuple[float, ...] = ()
    """Empty: a solid line. Two series of a plot differ in more than colour."""
    stairs: bool = False
    """Whether a value holds for its whole bin: counts, not percentiles."""


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot of a panel."""

    label: str
    """Of the vertical axis, with the unit: `latency p99, log scale`."""
    scale: Scale
    series: tuple[Series, ...]
    marks: tuple[tuple[float, str], ...] = ()
    """Levels drawn as a thin line across, each with a word: a limit."""
    height: float = 1.0
    """Relative to the other plots of the panel."""


@dataclass(frozen=True, slots=True)
class View:
    """One panel: its slug (unique on the page), its title and subtitle, its plots from the top down."""

    slug: str
    title: str
    subtitle: str
    plots: tuple[Plot, ...]
    shades: tuple[Shade, ...] = ()


def scale(axes: Axes, scale: Scale, limits: tuple[float, float], worded: bool) -> None:
    low, high = limits
    room = WORD_ROOM if worded else 0.0
    if scale is Scale.LATENCY:
        latency_axis(axes, "y", low, high * (high / low) ** (room / (1 - room)), most=5)
    elif scale is Scale.SHARE:
        percent_axis(axes, step=50)
        axes.set_ylim(-0.03, 1.03 / (1 - room))
    else:
        from_zero(axes, "y", high)
        axes.set_ylim(0, axes.get_ylim()[1] / (1 - room))


def shade(axes: Axes, shades: Iterable[Shade]) -> None:
    for shade in shades:
        if shade.end_s > shade.start_s:
            axes.axvspan(shade.start_s, shade.end_s, color=INK, alpha=0.09, linewidth=0)
        else:
            axes.axvline(shade.start_s, color=INK, alpha=0.6, linewidth=1.1)


def words(axes: Axes, shades: Sequence[Shade]) -> None:
    """The words of the intervals in the room kept for them, moved apart where they would touch."""
    frame = axes.get_window_extent()
    first_s, last_s = axes.get_xlim()
    shown = [shade for shade in shades if shade.word]
    middles = [(0.5 * (shade.start_s + shade.end_s) - first_s) / (last_s - first_s) * frame.width for shade in shown]
    halves = [0.5 * text_size(shade.word)[0] * 0.92 + 1.5 for shade in shown]
    for place, half in enumerate(halves):  # from the left, each at least so far right as the one before it needs
        middles[place] = max(middles[place], half if place == 0 else middles[place - 1] + halves[place - 1] + half)
    for place in reversed(range(len(halves))):  # and from the right, as the frame ends
        after = frame.width if place == len(halves) - 1 else middles[place + 1] - halves[place + 1]
        middles[place] = min(middles[place], after - halves[place])
    for shade, x in zip(shown, middles, strict=True):
        axes.annotate(
            shade.word, (x, frame.height * (1 - 0.45 * WORD_ROOM)), xycoords="axes points",
            fontsize=TEXT_PT, color=MUTED, ha="center", va="center",
        )  # fmt: skip


def line(axes: Axes, series: Series) -> tuple[float, str, str] | None:
    """Draw it; where it ends, its label and its colour."""
    values = series.values if axes.get_yscale() != "log" else np.where(series.values > 0, series.values, np.nan)
    if not np.isfinite(values).any():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of bins that are empty in all trials
        middle, low, high = (of(values, axis=0) for of in (np.nanmedian, np.nanmin, np.nanmax))
    where = "steps-mid" if series.stairs else "default"
    step: Literal["mid"] | None = "mid" if series.stairs else None
    if len(values) > 1:
        axes.fill_between(series.at_s, low, high, step=step, color=series.colour, alpha=0.2, linewidth=0)
    axes.plot(
        series.at_s, middle, color=series.colour, linewidth=1.7, drawstyle=where, linestyle=(0, series.dash or None)
    )
    alone = np.isfinite(middle) & ~np.isfinite(np.concatenate([[np.nan], middle[:-1]]))
    alone &= ~np.isfinite(np.concatenate([middle[1:], [np.nan]]))
    axes.plot(series.at_s[alone], middle[alone], ".", color=series.colour, markersize=3.5)
    return float(middle[np.isfinite(middle)][-1]), series.label, series.colour


def label_ends(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    frame = axes.get_window_extent()
    wanted = [float(axes.transData.transform((axes.get_xlim()[0], end))[1] - frame.y0) for end, _, _ in ends]
    for (_, word, colour), y in zip(ends, labels.spread(wanted, 14, 6, frame.height), strict=True):
        halo(axes, frame.width + 6, y, fmt.clip(word, 16), colour)
