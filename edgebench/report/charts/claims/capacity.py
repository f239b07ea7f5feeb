"""Hit ratio against the share of the catalogue that fits, beside LRU and the ideal; and what was really stored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import pandas as pd
from matplotlib.axes import Axes

from edgebench.analysis.claims import Judged
from edgebench.analysis.weighing import records
from edgebench.report import format as fmt
from edgebench.report import labels
from edgebench.report.charts.claims.tradeoff import Row, known, row_panel, styles_of
from edgebench.report.figure import halo, panel, percent_axis, ticks
from edgebench.report.palette import INK, MUTED, PAPER, TierStyle
from edgebench.report.parts import Chart, Panel, Table

_SHARES = (0.01, 0.03, 0.1, 0.3, 1.0)
_RIGHT_PT = 84.0


def draw(judged: Judged) -> list[Chart]:
    cells, trials = judged.tables.get("cells"), judged.tables.get("trials")
    if cells is None or trials is None or cells.empty:
        return []
    styles = styles_of(cells)
    panels = [_curve(rows, trials, styles, cells) for _, rows in cells.sort_values("share").groupby("zipf_s")]
    stored = cells[cells["held"].notna() & (cells["share"] < 1)]
    if len(stored):
        panels.append(_stored(stored, styles))
    return [
        Chart(
            "claim-capacity",
            _title(cells),
            "Share of cacheable requests answered from store, against the room the store has for the catalogue: all "
            "that is asked for, once each. Dashed: the same requests through LRU of the same size; line at the top: "
            "without a limit. Hollow: the cache held more than its limit. Small dot = one trial, bar = 95 % interval "
            f"from {int(cells['repeats'].max())} trials.",
            tuple(panels),
            _table(cells),
        )
    ]


def _title(cells: pd.DataFrame) -> str:
    asked = cells[cells["asked"]]
    if asked.empty:
        return "Hit ratio against the room a store has"
    low, high = (records(asked.sort_values("hit"))[end] for end in (0, -1))
    room = fmt.number(round(float(asked["share"].mean()), 2), "ratio")
    return (
        f"With room for {room} of the catalogue, between {fmt.number(low.hit, 'ratio')} ({low.tier}, Zipf "
        f"{low.zipf_s:g}) and {fmt.number(high.hit, 'ratio')} ({high.tier}, Zipf {high.zipf_s:g}) come from store"
    )


def _at(share: float) -> float:
    return math.log10(share)


def _curve(rows: pd.DataFrame, trials: pd.DataFrame, styles: Mapping[str, TierStyle], cells: pd.DataFrame) -> Panel:
    zipf_s = float(rows["zipf_s"].iloc[0])
    counts = f"{rows['tier'].nunique()} caches, {len(rows)} sizes" if len(rows) > 1 else "one size"
    figure, (axes,) = panel(
        f"Popularity: Zipf {zipf_s:g}", counts, "hit ratio", "share of the catalogue that fits, log scale",
        right_pt=_RIGHT_PT, left_pt=46,
    )  # fmt: skip
    low = min(float(cells["share"].min()) * 0.8, 0.08)
    axes.set_xlim(_at(low), _at(max(float(cells["share"].max()), 1.0) * 1.12))
    ticks(axes, "x", [_at(share) for share in _SHARES if share >= low], lambda at: f"{10**at * 100:.3g} %")
    percent_axis(axes)
    axes.axhline(float(rows["ideal"].mean()), color=INK, linewidth=1.1)
    small = rows.drop_duplicates("share")
    at, lru = [_at(share) for share in small["share"]], small["lru"].tolist()
    axes.plot(at, lru, "+", color=INK, linewidth=1.2, linestyle=(0, (4, 2.5)), markersize=9, markeredgewidth=1.2)
    ends: list[tuple[float, str, str]] = [(float(rows["ideal"].mean()), "— ideal", INK), (lru[-1], "+ LRU", INK)]
    for tier, of_tier in rows.groupby("tier", sort=False):
        style = styles[str(tier)]
        for row in records(of_tier):
            _mark(axes, row, trials.loc[trials["cell"] == row.cell, "hit"].tolist(), style)
        whole = of_tier[of_tier["limited"].astype(bool)]
        axes.plot([_at(share) for share in whole["share"]], whole["hit"], color=style.colour, linewidth=1.9)
        ends.append((float(of_tier["hit"].iloc[-1]), str(tier), style.colour))
    _words(axes, ends)
    return Panel(f"claim-capacity-{fmt.slug(f'{zipf_s:g}')}", f"Hit ratio against storage, Zipf {zipf_s:g}", figure)


def _mark(axes: Axes, row: SimpleNamespace, dots: Sequence[float], style: TierStyle) -> None:
    x, low, high = _at(row.share), known(row.hit_low), known(row.hit_high)
    if low is not None and high is not None:
        axes.plot([x, x], [low, high], color=style.colour, linewidth=6, alpha=0.3, solid_capstyle="butt")
    axes.plot([x + 0.035] * len(dots), dots, ".", color=style.colour, markersize=3.5, alpha=0.75)
    face = style.colour if row.limited else PAPER
    axes.plot(
        x, row.hit, style.marker, color=style.colour, markersize=7, markeredgewidth=1.4, markerfacecolor=face,
        markeredgecolor=style.colour,
    )  # fmt: skip


def _words(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Names right of the plot, in the order of their heights."""
    frame = axes.get_window_extent()
    ordered = sorted(ends, key=lambda end: -end[0])
    wanted = [float(axes.transData.transform((0, value))[1] - frame.y0) for value, _, _ in ordered]
    heights = labels.spread([y - 0.01 * order for order, y in enumerate(wanted)], 14, 6, frame.height)
    for (_, words, colour), y in zip(ordered, heights, strict=True):
        halo(axes, frame.width + 4, y, words, colour if colour != INK else MUTED)


def _stored(cells: pd.DataFrame, styles: Mapping[str, TierStyle]) -> Panel:
    rows = [
        Row(
            row.series, row.held, fmt.times(row.held) if row.held >= 1.95 else f"{row.held:.2f}×", styles[row.tier],
            row.held, row.held_most, hollow=not row.limited,
        )
        for row in records(cells)
    ]  # fmt: skip
    return row_panel(
        "claim-capacity-stored", "What was stored", "mean while measuring · bar: up to the most", "times the limit",
        "stored", rows, reference=1.0,
    )  # fmt: skip


def _late(row: SimpleNamespace) -> str:
    return fmt.MISSING if math.isnan(row.late) else f"{fmt.number(row.late, 'ratio')} (every {row.checked_s:g} s)"


def _table(cells: pd.DataFrame) -> Table:
    rows = []
    for row in records(cells):
        interval = ""
        if not math.isnan(row.hit_low):
            interval = f" ({fmt.number(row.hit_low, 'ratio', with_unit=False)}–{fmt.number(row.hit_high, 'ratio')})"
        held = fmt.MISSING if math.isnan(row.held) else f"{row.held:.2f}× (≤ {row.held_most:.2f}×)"
        figures = (fmt.number(row.lru, "ratio"), _late(row), fmt.number(row.ideal, "ratio"), held)
        fits = f"{row.storage_bytes / 2**20:,.0f} MiB, {fmt.number(row.share, 'ratio')}"
        rows.append((row.series, f"{row.zipf_s:g}", fits, fmt.number(row.hit, "ratio") + interval, *figures))
    columns = ("Cell", "Zipf", "Room", "Hit ratio", "LRU", "LRU, limit checked as seldom", "Ideal", "Stored, of limit")
    return Table("Hit ratio against storage", columns, tuple(rows))
