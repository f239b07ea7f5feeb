"""What the charts of several claims share: a row per cell with its figure, and lines against the TTL."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
from matplotlib.axes import Axes

from edgebench.model import Estimate
from edgebench.report import format as fmt
from edgebench.report import labels
from edgebench.report.figure import from_zero, halo, row_frame, ticks
from edgebench.report.palette import INK, PAPER, TierStyle, tier_styles
from edgebench.report.parts import Panel

_NAME = 20
"""Characters of a name that fit beside a plot."""
DIRECT = "direct"
LINE_RIGHT_PT = 96.0
"""Room for the words at the ends of lines."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a chart of rows; values in the unit of its axis."""

    name: str
    value: float | None
    words: str
    """Its figure, on the right."""
    style: TierStyle
    low: float | None = None
    high: float | None = None
    dots: Sequence[float] = ()
    """One per trial."""
    hollow: bool = False
    beside: Mapping[str, float] = field(default_factory=dict)
    """A tall stroke at each, such as what it is compared with."""


def styles_of(rows: pd.DataFrame, kinds: Mapping[str, str] | None = None) -> dict[str, TierStyle]:
    """A style per tier of a frame with a column tier."""
    tiers = list(dict.fromkeys(rows["tier"])) if len(rows) else []
    found = kinds or {tier: tier for tier in tiers}
    return tier_styles(tiers, {tier for tier in tiers if found.get(tier, tier) == DIRECT}, found)


def row_panel(
    slug: str,
    title: str,
    subtitle: str,
    x_label: str,
    head: str,
    rows: Sequence[Row],
    *,
    percent: bool = False,
    reference: float | None = None,
) -> Panel:
    """A mark per row with its interval and trials, names on the left and figures on the right under `head`.

    percent: the axis goes from 0 to 100 %; else from 0 to the greatest value. reference: a dashed line, such as 1×.
    """
    names = [fmt.clip(row.name, _NAME) for row in rows]
    words = [(row.words, row.style.colour) for row in rows]
    figure, axes = row_frame(title, subtitle, x_label, names, words, head)
    _row_axis(axes, rows, percent, reference)
    for at, row in enumerate(rows):
        _row(axes, at, row)
    return Panel(slug, title, figure)


def _row_axis(axes: Axes, rows: Sequence[Row], percent: bool, reference: float | None) -> None:
    if percent:
        axes.set_xlim(-0.03, 1.03)
        step = 25 if axes.get_window_extent().width >= 170 else 50
        ticks(axes, "x", [share / 100 for share in range(0, 101, step)], lambda value: f"{value * 100:.0f} %")
    else:
        values = [
            value
            for row in rows
            for value in (row.value, row.high, *row.dots, *row.beside.values())
            if value is not None
        ]
        from_zero(axes, "x", max([*values, reference or 0.0], default=1.0))
        axes.set_xlim(-0.02 * axes.get_xlim()[1], axes.get_xlim()[1])
    if reference is not None:
        axes.axvline(reference, color=INK, linewidth=1.1, linestyle=(0, (3, 2)), alpha=0.7, zorder=0)


def _row(axes: Axes, at: int, row: Row) -> None:
    colour = row.style.colour
    if row.low is not None and row.high is not None:
        axes.plot([row.low, row.high], [at, at], color=colour, linewidth=6, alpha=0.3, solid_capstyle="butt")
    if len(row.dots) > 1:
        axes.plot(list(row.dots), [at + 0.26] * len(row.dots), ".", color=colour, markersize=3.5, alpha=0.75)
    for value in row.beside.values():
        axes.plot([value, value], [at - 0.32, at + 0.32], color=INK, linewidth=1.8)
    if row.value is not None and math.isfinite(row.value):
        axes.plot(
            row.value, at, row.style.marker, color=colour, markersize=7, markeredgecolor=colour, markeredgewidth=1.4,
            markerfacecolor=PAPER if row.hollow else colour,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """A line against the TTL: seconds and values of the same length, rising in time."""

    words: str
    """At its end."""
    ttl_s: Sequence[float]
    values: Sequence[float]
    colour: str
    marker: str = ""
    """Empty: a line that was worked out, not measured."""
    dash: tuple[float, ...] = ()
    intervals: Sequence[tuple[float, float] | None] = ()
    dots: Sequence[tuple[float, float]] = ()
    """Single trials: TTL and value."""
    hollow: Sequence[bool] = ()
    """Per point, whether it is not of a steady state."""
    until: int | None = None
    """How many points the line goes through; None: all."""


def place(ttl_s: float) -> float:
    """Where a TTL stands on the logarithmic axis; 0 at half a second."""
    return math.log10(max(ttl_s, 0.5))


def ttl_ticks(axes: Axes, ttls_s: Sequence[float]) -> None:
    """A tick per TTL, as far as their words fit; the axis ends a little beyond the first and last."""
    known = sorted({float(ttl) for ttl in ttls_s})
    low, high = place(known[0]), place(known[-1])
    edge = max((high - low) * 0.07, 0.1)
    axes.set_xlim(low - edge, high + edge)
    room = axes.get_window_extent().width / (high - low + 2 * edge)
    words: dict[float, str] = {}
    for ttl in known:
        if not words or (place(ttl) - max(words)) * room > 28:
            words[place(ttl)] = fmt.span(int(ttl)) if ttl == int(ttl) else f"{ttl:g}{fmt.NBSP}s"
    ticks(axes, "x", list(words), lambda at: words.get(at, ""))


def draw_lines(axes: Axes, lines: Sequence[Line]) -> None:
    """Lines with their marks, intervals and trials, and their words right of the plot. Scales are the caller's."""
    for line in lines:
        _draw_line(axes, line)
    frame = axes.get_window_extent()
    ends = [line for line in lines if line.words and len(line.values)]
    wanted = [float(axes.transData.transform((0, line.values[-1]))[1] - frame.y0) for line in ends]
    heights = labels.spread([y - 0.01 * order for order, y in enumerate(wanted)], 14, 6, frame.height)
    for line, y in zip(ends, heights, strict=True):
        halo(axes, frame.width + 4, y, line.words, line.colour)


def _draw_line(axes: Axes, line: Line) -> None:
    at, thin, colour = [place(ttl) for ttl in line.ttl_s], not line.marker, line.colour
    axes.plot(
        at[: line.until],
        line.values[: line.until],
        color=colour,
        linewidth=1.2 if thin else 1.9,
        linestyle=(0, line.dash or None),
        alpha=0.85 if thin else 1.0,
    )
    for index, (x, y) in enumerate(zip(at, line.values, strict=True)):
        if line.marker:
            face = PAPER if line.hollow and line.hollow[index] else colour
            axes.plot(
                x, y, line.marker, color=colour, markersize=6, markeredgewidth=1.4, markerfacecolor=face,
                markeredgecolor=colour,
            )  # fmt: skip
        limits = line.intervals[index] if line.intervals else None
        if limits is not None:
            axes.plot([x, x], limits, color=colour, linewidth=6, alpha=0.3, solid_capstyle="butt")
    width = (axes.get_xlim()[1] - axes.get_xlim()[0]) * 0.022
    dots = [(place(ttl) + width, value) for ttl, value in line.dots]
    axes.plot([x for x, _ in dots], [y for _, y in dots], ".", color=colour, markersize=4, alpha=0.75)


def limits_of(rows: pd.DataFrame, name: str) -> list[tuple[float, float] | None]:
    """Intervals from the columns `<name>_low` and `<name>_high`."""
    return [
        None if math.isnan(low) or math.isnan(high) else (float(low), float(high))
        for low, high in zip(rows[f"{name}_low"], rows[f"{name}_high"], strict=True)
    ]


def known(value: float) -> float | None:
    """NaN as None."""
    return None if value is None or math.isnan(value) else float(value)


def spoken(value: Estimate | None, unit: str) -> str:
    """A figure with its interval: `62.1 % (60.0–64.2)`."""
    if value is None:
        return fmt.MISSING
    limits = fmt.interval(value, unit)
    return fmt.number(value.value, unit) + (f" ({limits})" if limits else "")
