"""The frame every panel is drawn in: 360 points wide, so that its text keeps its size on a phone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from edgebench.report.format import MISSING, clip, duration_ms, plain
from edgebench.report.palette import INK, MUTED, PAPER

WIDTH_PT = 360.0
TEXT_PT = 11.0
ROW_PT = 22.0
"""Height of a row of row_frame."""
CHARACTER_PT = 6.4
"""Width of a character of TEXT_PT, on the safe side."""


def panel(
    title: str,
    subtitle: str,
    y_label: str,
    x_label: str,
    *,
    height_pt: float = 264.0,
    left_pt: float = 42.0,
    right_pt: float = 14.0,
    rows: Sequence[float] = (1.0,),
) -> tuple[Figure, list[Axes]]:
    """A figure with its words in place and one plot per entry of `rows` (relative heights, top first)."""
    figure = Figure(figsize=(WIDTH_PT / 72, height_pt / 72), dpi=72)
    figure.text(0.004, 1 - 15 / height_pt, clip(title, 38), fontsize=13, fontweight="bold", color=INK)
    figure.text(0.004, 1 - 32 / height_pt, clip(subtitle, 58), fontsize=TEXT_PT, color=MUTED)
    bottom_pt, top_pt, gap_pt = 42.0, 66.0, 26.0
    room_pt = height_pt - bottom_pt - top_pt - gap_pt * (len(rows) - 1)
    plots: list[Axes] = []
    upper_pt = height_pt - top_pt
    for share in rows:
        tall_pt = room_pt * share / sum(rows)
        frame = (
            left_pt / WIDTH_PT,
            (upper_pt - tall_pt) / height_pt,
            1 - (left_pt + right_pt) / WIDTH_PT,
            tall_pt / height_pt,
        )
        plots.append(_plain(figure.add_axes(frame)))
        upper_pt -= tall_pt + gap_pt
    label_y(plots[0], y_label)
    middle = (left_pt + (WIDTH_PT - left_pt - right_pt) / 2) / WIDTH_PT
    figure.text(middle, 7 / height_pt, x_label, fontsize=TEXT_PT, color=MUTED, ha="center")
    return figure, plots


def row_frame(
    title: str,
    subtitle: str,
    x_label: str,
    names: Sequence[str],
    words: Sequence[tuple[str, str]],
    head: str,
    *,
    pad_pt: float = 10.0,
) -> tuple[Figure, Axes]:
    """A plot with a row per name: the name on the left, its words (text and colour) on the right under `head`, where
    they cannot lie on a mark. The horizontal axis is the caller's. pad_pt: room between plot and words."""
    count = len(names)
    right_pt = max(map(len, (head, *(text for text, _ in words)))) * CHARACTER_PT * 1.09 + pad_pt
    left_pt = max(map(len, names), default=1) * CHARACTER_PT + 8
    height_pt = 108 + ROW_PT * count
    figure, (axes,) = panel(title, subtitle, "", x_label, left_pt=left_pt, right_pt=right_pt, height_pt=height_pt)
    axes.set_ylim(count - 0.4, -0.6)
    ticks(axes, "y", [float(row) for row in range(count)], lambda row: names[round(row)])
    axes.grid(False, axis="y")
    axes.grid(True, axis="x", color=INK, alpha=0.13, linewidth=0.8)
    room = axes.get_window_extent()
    for row, (text, colour) in enumerate(words):
        y = room.height * (1 - (row + 0.6) / (count + 0.2))
        halo(axes, room.width + right_pt, y, text, colour, ha="right")
    axes.annotate(
        head, (1, 1), xycoords="axes fraction", xytext=(right_pt, 9), textcoords="offset points", fontsize=TEXT_PT,
        color=MUTED, ha="right",
    )  # fmt: skip
    return figure, axes


def _plain(axes: Axes) -> Axes:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set(color=INK, alpha=0.5, linewidth=0.8)
    axes.grid(True, axis="y", color=INK, alpha=0.13, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", length=0, labelsize=TEXT_PT, labelcolor=MUTED, pad=4)
    axes.tick_params(axis="x", which="major", length=3.5, color=INK)
    return axes


def label_y(axes: Axes, text: str) -> None:
    """Name the vertical axis above its top end, where it can be read without turning the head."""
    axes.annotate(
        text,
        (0, 1),
        xycoords=("figure fraction", "axes fraction"),
        xytext=(1.5, 9),
        textcoords="offset points",
        fontsize=TEXT_PT,
        color=MUTED,
    )


def halo(axes: Axes, x: float, y: float, text: str, colour: str, *, ha: str = "left", size: float = TEXT_PT) -> None:
    """A label in axes points with a soft edge of paper, readable where a line passes below it."""
    axes.annotate(
        text,
        (x, y),
        xycoords="axes points",
        fontsize=size,
        fontweight="bold",
        color=colour,
        ha=ha,
        va="center",
        bbox={"boxstyle": "square,pad=0.12", "facecolor": PAPER, "edgecolor": "none", "alpha": 0.8},
    )


def text_size(text: str, *, size: float = TEXT_PT) -> tuple[float, float]:
    """Width and height of bold text, on the safe side."""
    return len(text) * CHARACTER_PT * 1.09 * size / TEXT_PT, size * 1.3


def ticks(axes: Axes, axis: str, values: Sequence[float], words: Callable[[float], str]) -> None:
    """Exactly these ticks with these words."""
    target = axes.xaxis if axis == "x" else axes.yaxis
    target.set_major_locator(FixedLocator(list(values)))
    target.set_major_formatter(FuncFormatter(lambda value, _: words(value)))
    target.set_minor_locator(NullLocator())
    target.set_minor_formatter(NullFormatter())


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """1-2-5 steps or powers of ten within the limits, as many as fit."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for steps in ((1, 2, 5), (1, 3), (1,)):
        found = [step * 10.0**power for power in range(first, last + 1) for step in steps]
        found = [value for value in found if low * 0.999 <= value <= high * 1.001]
        if len(found) <= most:
            return found
    return found[:: math.ceil(len(found) / most)]


def latency_axis(axes: Axes, axis: str, low_ms: float, high_ms: float, most: int = 6) -> None:
    """Logarithmic, in the unit that reads best at each tick."""
    if axis == "x":
        axes.set_xscale("log")
        axes.set_xlim(low_ms, high_ms)
    else:
        axes.set_yscale("log")
        axes.set_ylim(low_ms, high_ms)
    ticks(axes, axis, log_ticks(low_ms, high_ms, most), duration_ms)


def percent_axis(axes: Axes, *, step: int = 25) -> None:
    """0 to 100 %, with a little room for markers at the ends."""
    axes.set_ylim(-0.02, 1.03)
    ticks(axes, "y", [share / 100 for share in range(0, 101, step)], lambda value: f"{value * 100:.0f} %")


def from_zero(axes: Axes, axis: str, highest: float) -> None:
    """A linear axis from 0 with at most five round ticks."""
    highest = highest if highest > 0 and math.isfinite(highest) else 1.0
    rough = highest / 4
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough)
    values = [float(value) for value in np.arange(0, highest * 1.0001, step)]
    limits = (0.0, max(highest * 1.08, values[-1]))
    if axis == "x":
        axes.set_xlim(*limits)
    else:
        axes.set_ylim(*limits)
    places = 0 if step >= 1 and step == int(step) else 2 if abs(step - round(step, 1)) > 1e-9 else 1
    ticks(axes, axis, values, lambda value: plain(value, places) if math.isfinite(value) else MISSING)
