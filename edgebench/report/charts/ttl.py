"""What charts against the TTL share: the axis, the line through measured cells, labels at its end."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from edgebench.analysis.results import CellResult
from edgebench.report import format as fmt
from edgebench.report import labels
from edgebench.report.charts import data
from edgebench.report.charts.data import Context
from edgebench.report.figure import halo, ticks
from edgebench.report.metrics import metric
from edgebench.report.palette import PAPER, TierStyle
from edgebench.report.parts import Table

RIGHT_PT = 88.0
"""Room for the labels at the ends of the lines."""
X_LABEL = "TTL the app allows, log scale"


def position(cell: CellResult) -> float:
    """Where a cell stands on the logarithmic axis of TTLs; 0 and the app's own TTL at its left end."""
    return math.log10(max(cell.summary.ttl_s or 0, 0.5))


def ttl_axis(axes: Axes, cells: Sequence[CellResult]) -> None:
    """A tick per TTL that was measured, as far as their words fit."""
    ttls = sorted({(position(cell), cell.summary.ttl_s) for cell in cells})
    low, high = ttls[0][0], ttls[-1][0]
    edge = max((high - low) * 0.09, 0.1)
    axes.set_xlim(low - edge, high + edge)
    room = axes.get_window_extent().width / (high - low + 2 * edge)
    words: dict[float, str] = {}
    for place, ttl_s in ttls:
        if not words or (place - max(words)) * room > 38:
            words[place] = fmt.span(ttl_s) if ttl_s is not None else "the app’s own"
    ticks(axes, "x", list(words), lambda place: words.get(place, ""))


def _known(cells: Sequence[CellResult], name: str) -> tuple[list[float], list[float]]:
    found = [(position(cell), value) for cell in cells if (value := data.value(cell, name)) is not None]
    return [place for place, _ in found], [value for _, value in found]


def measured(axes: Axes, cells: Sequence[CellResult], name: str, style: TierStyle, *, hollow: bool = False) -> None:
    """A dot per trial, the line through the estimates, and the interval of each."""
    width = (axes.get_xlim()[1] - axes.get_xlim()[0]) * 0.028
    axes.plot(
        *_known(cells, name),
        color=style.colour,
        linewidth=1.9,
        linestyle=(0, (1.5, 1.5)) if hollow else "-",
        marker=style.marker,
        markersize=6,
        markerfacecolor=PAPER if hollow else style.colour,
        markeredgecolor=style.colour,
        markeredgewidth=1.4,
    )
    for cell in cells:
        limits = data.bounds(cell, name)
        if limits:
            place = position(cell)
            axes.plot([place, place], limits, color=style.colour, linewidth=6, alpha=0.3, solid_capstyle="butt")
        values = data.trial_values(cell, name)
        axes.plot([position(cell) + width] * len(values), values, ".", color=style.colour, markersize=4, alpha=0.75)


def line(axes: Axes, cells: Sequence[CellResult], name: str, colour: str, dash: tuple[float, ...], mark: str) -> None:
    """What was not measured but worked out: thin, with open marks."""
    axes.plot(
        *_known(cells, name),
        color=colour,
        linewidth=1.1,
        linestyle=(0, dash or None),
        marker=mark,
        markersize=7,
        markerfacecolor="none",
        markeredgewidth=1.1,
    )


def end_labels(axes: Axes, cells: Sequence[CellResult], names: Sequence[tuple[str, str, str]]) -> None:
    """Words and colours of each metric at the last TTL that has it."""
    ends = [(_known(cells, name)[1], words, colour) for name, words, colour in names]
    end_words(axes, [(values[-1], words, colour) for values, words, colour in ends if values])


def end_words(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Words right of the plot at these heights, moved apart."""
    frame = axes.get_window_extent()
    wanted = [float(axes.transData.transform((0, value))[1] - frame.y0) for value, _, _ in ends]
    heights = labels.spread([y - 0.01 * order for order, y in enumerate(wanted)], 14, 6, frame.height)
    for end, y in zip(ends, heights, strict=True):
        halo(axes, frame.width + 4, y, end[1], end[2])


def usable(ctx: Context, *names: str) -> list[tuple[str, list[CellResult]]]:
    cells = [cell for cell in ctx.cached if all(data.value(cell, name) is not None for name in names)]
    return data.by_tier(sorted(cells, key=lambda cell: cell.summary.ttl_s or 0))


def mark(style: TierStyle, *, hollow: bool = False) -> str:
    """The tier's marker as a character."""
    both = {"o": "●○", "s": "■□", "^": "▲△", "D": "◆◇", "v": "▼▽", "<": "◀◁", ">": "▶▷", "*": "★☆"}.get(
        style.marker, "●○"
    )
    return both[1 if hollow else 0]


def table(
    caption: str, groups: Sequence[tuple[str, list[CellResult]]], names: Sequence[str], heads: Sequence[str]
) -> Table | None:
    cells = [cell for _, members in groups for cell in members]
    used = [
        (name, head)
        for name, head in zip(names, heads, strict=True)
        if any(data.value(cell, name) is not None for cell in cells)
    ]
    if not cells:
        return None
    rows = tuple((data.cell_name(cell), *(with_interval(cell, name) for name, _ in used)) for cell in cells)
    return Table(caption, ("Cell", *(head for _, head in used)), rows)


def with_interval(cell: CellResult, name: str) -> str:
    estimate = cell.summary.metrics.get(name)
    if estimate is None:
        return fmt.MISSING
    unit = metric(name, estimate.unit).unit
    limits = fmt.interval(estimate, unit)
    return fmt.number(estimate.value, unit) + (f" ({limits})" if limits else "")
