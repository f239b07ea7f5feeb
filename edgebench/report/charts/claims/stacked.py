"""Bars made of parts that lie side by side, a bar per row: what a total is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgebench.report import format as fmt
from edgebench.report.figure import TEXT_PT, WIDTH_PT, from_zero, row_frame
from edgebench.report.palette import INK
from edgebench.report.parts import Panel

_NAME = 22
_LEGEND_CHARACTER_PT = 5.7


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of part, in every bar at the same place."""

    name: str
    words: str
    colour: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One row: the values of its parts by name, in the unit of the axis; a missing part is 0."""

    name: str
    values: Mapping[str, float]

    @property
    def total(self) -> float:
        return sum(value for value in self.values.values() if not fmt.missing(value))


def stacked_panel(slug: str, title: str, x_label: str, head: str, parts: Sequence[Part], bars: Sequence[Bar]) -> Panel:
    """Names on the left, totals on the right under `head`; the parts are named below the title, in their order."""
    names = [fmt.clip(bar.name, _NAME) for bar in bars]
    totals = [(fmt.plain(bar.total, fmt.decimals(bar.total)), INK) for bar in bars]
    figure, axes = row_frame(title, "", x_label, names, totals, head, pad_pt=14.0)
    from_zero(axes, "x", max(bar.total for bar in bars))
    for at, bar in enumerate(bars):
        left = 0.0
        for part in parts:
            value = bar.values.get(part.name, 0.0)
            if not fmt.missing(value):
                axes.barh(at, value, 0.5, left=left, color=part.colour, linewidth=0)
                left += value
    height_pt = figure.get_figheight() * 72
    x = 0.004
    for part in parts:
        figure.text(x, 1 - 32 / height_pt, f"■ {part.words}", fontsize=TEXT_PT - 1, color=part.colour)
        x += (len(part.words) + 4) * _LEGEND_CHARACTER_PT / WIDTH_PT
    return Panel(slug, title, figure)
