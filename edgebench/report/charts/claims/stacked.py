"""Bars made of parts that lie side by side, a bar per row: what a total is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgebench.report import format as fmt
from edgebench.report.figure import CHARACTER_PT, TEXT_PT, WIDTH_PT, from_zero, halo, panel, ticks
from edgebench.report.palette import INK, MUTED
from edgebench.report.parts import Panel

_ROW_PT = 22.0
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
    totals = [fmt.plain(bar.total, fmt.decimals(bar.total)) for bar in bars]
    right_pt = max(map(len, (head, *totals))) * CHARACTER_PT * 1.09 + 14
    left_pt = max(map(len, names)) * CHARACTER_PT + 8
    height_pt = 108 + _ROW_PT * len(bars)
    figure, (axes,) = panel(title, "", "", x_label, left_pt=left_pt, right_pt=right_pt, height_pt=height_pt)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    ticks(axes, "y", [float(at) for at in range(len(bars))], lambda at: names[round(at)])
    axes.grid(False, axis="y")
    axes.grid(True, axis="x", color=INK, alpha=0.13, linewidth=0.8)
    from_zero(axes, "x", max(bar.total for bar in bars))
    room = axes.get_window_extent()
    for at, (bar, total) in enumerate(zip(bars, totals, strict=True)):
        left = 0.0
        for part in parts:
            value = bar.values.get(part.name, 0.0)
            if not fmt.missing(value):
                axes.barh(at, value, 0.5, left=left, color=part.colour, linewidth=0)
                left += value
        y = room.height * (1 - (at + 0.6) / (len(bars) + 0.2))
        halo(axes, room.width + right_pt, y, total, INK, ha="right")
    x = 0.004
    for part in parts:
        figure.text(x, 1 - 32 / height_pt, f"■ {part.words}", fontsize=TEXT_PT - 1, color=part.colour)
        x += (len(part.words) + 4) * _LEGEND_CHARACTER_PT / WIDTH_PT
    axes.annotate(
        head, (1, 1), xycoords="axes fraction", xytext=(right_pt, 9), textcoords="offset points", fontsize=TEXT_PT,
        color=MUTED, ha="right",
    )  # fmt: skip
    return Panel(slug, title, figure)
