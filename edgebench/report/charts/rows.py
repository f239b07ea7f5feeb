"""One row per tier, for what was measured at one TTL only: a line through one point says nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edgebench.analysis.results import CellResult
from edgebench.report import format as fmt
from edgebench.report.charts import data
from edgebench.report.charts.data import Context
from edgebench.report.figure import row_frame, ticks
from edgebench.report.palette import INK, PAPER, TierStyle

_NAME = 24
"""Characters of a tier's name that fit beside a plot."""
_TICKS_PT = 170.0
"""Width that has room for a tick at every quarter."""
FINE = 0.95
"""Shares above which an axis need not begin at 0."""


def fits(cells: Sequence[CellResult]) -> bool:
    """Whether there is one TTL, so that each tier is one row."""
    tiers = [cell.summary.series for cell in cells]
    ttls = {cell.summary.ttl_s for cell in cells if cell.summary.ttl_s is not None}
    return bool(tiers) and len(set(tiers)) == len(tiers) and len(ttls) <= 1


def at_ttl(cells: Sequence[CellResult]) -> str:
    """` at TTL 2 s`, or nothing where the app's own TTLs hold."""
    ttl = next((cell.summary.ttl_s for cell in cells if cell.summary.ttl_s is not None), None)
    return f" at {fmt.ttl(ttl)}" if ttl is not None else ""


def frame(
    ctx: Context,
    title: str,
    subtitle: str,
    x_label: str,
    cells: Sequence[CellResult],
    head: str,
    words: Callable[[CellResult], str],
) -> tuple[Figure, Axes]:
    """A plot with a row per cell: its tier on the left, its figures on the right under `head`, where they cannot lie
    on a mark. The horizontal axis is the caller's."""
    names = [ctx.label(cell, _NAME) for cell in cells]
    figures = [(words(cell), ctx.style(cell).colour) for cell in cells]
    return row_frame(title, subtitle, x_label, names, figures, head)


def percent_x(axes: Axes, low: float) -> None:
    """0 to 100 %; further left where shares are negative, from FINE where all are above it."""
    first, step, edge = (0, 25, 0.03) if low <= FINE else (round(FINE * 100), 1, 0.0015)
    axes.set_xlim(min(first / 100 - edge, low * 1.1), 1 + edge)
    step *= 1 if axes.get_window_extent().width >= _TICKS_PT else 2
    ticks(axes, "x", [share / 100 for share in range(100, first - 1, -step)], lambda value: f"{value * 100:.0f} %")


def dot(
    axes: Axes, row: int, cell: CellResult, name: str, style: TierStyle, *, hollow: bool = False, drop: float = 0.26
) -> None:
    """A cell's estimate of a metric, its interval, and a small dot per trial below where there are several."""
    if limits := data.bounds(cell, name):
        axes.plot(limits, [row, row], color=style.colour, linewidth=6, alpha=0.3, solid_capstyle="round")
    values = data.trial_values(cell, name)
    if len(values) > 1:
        axes.plot(values, [row + drop] * len(values), ".", color=style.colour, markersize=3.5, alpha=0.75)
    value = data.value(cell, name)
    if value is None:
        return
    axes.plot(
        value,
        row,
        style.marker,
        color=style.colour,
        markersize=10 if style.marker == "*" else 7,
        markerfacecolor=PAPER if hollow else style.colour,
        markeredgecolor=style.colour,
        markeredgewidth=1.4,
    )


def tick(axes: Axes, row: int, value: float | None) -> None:
    """A tall stroke: what the mark is compared with."""
    if value is not None:
        axes.plot([value, value], [row - 0.32, row + 0.32], color=INK, linewidth=1.8)
