"""Hit ratio against the TTL, beside what was possible and what the cache's expiry rule predicts."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from edgebench.analysis.results import CellResult
from edgebench.report import format as fmt
from edgebench.report.charts import data, rows, ttl
from edgebench.report.charts.data import Context
from edgebench.report.figure import label_y, panel, percent_axis, ticks
from edgebench.report.palette import INK, MUTED, TierStyle
from edgebench.report.parts import Chart, Panel

_EXPLAINED = 0.002
"""Residual beyond which a prediction has to be explained."""
_WORKED_OUT = (("ideal_hit_ratio", "— ideal", INK, (), "_"), ("predicted_hit_ratio", "+ predicted", INK, (4, 2.5), "+"))
_TICK_PT = 34.0
"""Width of a tick's words and the room between two."""
_SHOWN = ("hit_ratio", "ideal_hit_ratio", "predicted_hit_ratio")
_NAMES = {
    "hit_ratio": "Proved",
    "ideal_hit_ratio": "Ideal",
    "predicted_hit_ratio": "Predicted",
    "closed_form_hit_ratio": "Closed form",
    "claimed_hit_ratio": "Claimed",
}


def hit_ratio_chart(ctx: Context) -> Chart:
    """One panel per tier: proved hit ratio above, its distance from ideal and predicted below.

    With one TTL two panels of rows, a tier in each row.
    """
    groups = ttl.usable(ctx, "hit_ratio")
    cells = [cell for _, members in groups for cell in members]
    if rows.fits(cells):
        panels, where = _row_panels(ctx, cells), "beside"
    else:
        where = "below"
        panels = tuple(_panel(ctx, tier, members) for tier, members in groups)
    return Chart(
        "hit-ratio",
        _title(ctx),
        f"Proved hit ratio of cacheable requests, and {where} it how far the ideal cache (the most any could have hit "
        "in these very trials) and the prediction by this cache’s own expiry rule lie from it. Small dot = one trial, "
        f"bar = 95 % interval, {data.trials_note(ctx.cached)} per cell; shaded = within 0.2 points.",
        panels,
        ttl.table("Hit ratio of cacheable requests", groups, tuple(_NAMES), tuple(_NAMES.values())),
        "" if groups else data.unmeasured(ctx, "hit ratio"),
    )


def _gap(cell: CellResult, name: str) -> float | None:
    """How many percentage points a worked-out hit ratio lies above the proved one."""
    proved, other = data.value(cell, "hit_ratio"), data.value(cell, name)
    return None if proved is None or other is None else (other - proved) * 100


def _title(ctx: Context) -> str:
    top = data.best(ctx, "hit_ratio")
    if top is None:
        return "The hit ratio was not measured"
    text = f"{data.cell_name(top)} answers {fmt.number(data.value(top, 'hit_ratio'), 'ratio')} from store"
    gaps = [gap for cell in ctx.cached if (gap := _gap(cell, "ideal_hit_ratio")) is not None]
    if not gaps:
        return text
    if max(gaps) < 0.05:
        return f"{text}; no cell hits less often than the ideal cache"
    return f"{text}; no cell is more than {max(gaps):.1f} points below the ideal cache"


def _panel(ctx: Context, tier: str, cells: Sequence[CellResult]) -> Panel:
    first, last = (fmt.number(data.value(cell, "hit_ratio"), "ratio") for cell in (cells[0], cells[-1]))
    head = f"{first} at {fmt.ttl(cells[0].summary.ttl_s) or 'the app’s own TTL'}"
    if len(cells) > 1:
        head += f", {last} at {fmt.ttl(cells[-1].summary.ttl_s)}"
    has_gaps = any(_gap(cell, name) is not None for cell in cells for name, *_ in _WORKED_OUT)
    figure, plots = panel(
        fmt.clip_series(tier, 36),
        head,
        "share of cacheable requests",
        ttl.X_LABEL,
        right_pt=ttl.RIGHT_PT,
        left_pt=46,
        height_pt=350 if has_gaps else 264,
        rows=(1.4, 1) if has_gaps else (1,),
    )
    style = ctx.styles[tier]
    for axes in plots:
        ttl.ttl_axis(axes, cells)
    _ratios(plots[0], cells, style)
    if has_gaps:
        plots[0].tick_params(axis="x", labelbottom=False)
        _gaps(plots[1], cells)
    return Panel(f"hit-ratio-{fmt.slug(tier)}", f"Hit ratio against TTL, {tier}", figure)


def _ratios(axes: Axes, cells: Sequence[CellResult], style: TierStyle) -> None:
    lowest = min(data.value(cell, "hit_ratio") or 0.0 for cell in cells)
    percent_axis(axes)
    if lowest > 0.95:
        label_y(axes, " " * 50 + "(from 95 %)")
        axes.set_ylim(0.9495, 1.0015)
        ticks(axes, "y", [0.95, 0.96, 0.97, 0.98, 0.99, 1.0], lambda value: f"{value * 100:.0f} %")
    ttl.line(axes, cells, "closed_form_hit_ratio", MUTED, (1, 2), "")
    ttl.line(axes, cells, "ideal_hit_ratio", INK, (), "")
    ttl.measured(axes, cells, "hit_ratio", style)
    names = [("ideal_hit_ratio", "— ideal", INK), ("hit_ratio", f"{ttl.mark(style)} proved", style.colour)]
    ttl.end_labels(axes, cells, [*names, ("closed_form_hit_ratio", "·· closed form", MUTED)])


def _gaps(axes: Axes, cells: Sequence[CellResult]) -> None:
    label_y(axes, "distance from proved, percentage points")
    axes.axhspan(-_EXPLAINED * 100, _EXPLAINED * 100, color=INK, alpha=0.1, linewidth=0)
    axes.axhline(0, color=INK, linewidth=0.8, alpha=0.6)
    seen = [0.3]
    ends: list[tuple[float, str]] = []
    for name, words, colour, dash, mark in _WORKED_OUT:
        known = [(ttl.position(cell), gap) for cell in cells if (gap := _gap(cell, name)) is not None]
        places, gaps = [place for place, _ in known], [gap for _, gap in known]
        axes.plot(places, gaps, color=colour, linewidth=1.1, linestyle=(0, dash or None), marker=mark, markersize=7)
        seen += [abs(gap) for gap in gaps]
        ends += [(gaps[-1], words)] if gaps else []
    limit = max(seen) * 1.2
    axes.set_ylim(-limit if min(gap for gap, _ in ends) < -0.1 else -max(0.3, limit * 0.25), limit)
    step = next(size for size in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if limit / size <= 3)
    shown = [step * count for count in range(-3, 4) if axes.get_ylim()[0] <= step * count <= limit]
    ticks(axes, "y", shown, lambda value: fmt.plain(value, 0 if step >= 1 else 1))
    ttl.end_words(axes, [(gap, words, INK) for gap, words in ends])


def _row_panels(ctx: Context, cells: Sequence[CellResult]) -> tuple[Panel, ...]:
    gaps = any(_gap(cell, name) is not None for cell in cells for name, *_ in _WORKED_OUT)
    return (_ratio_rows(ctx, cells), _gap_rows(ctx, cells)) if gaps else (_ratio_rows(ctx, cells),)


def _ratio_rows(ctx: Context, cells: Sequence[CellResult]) -> Panel:
    title = f"Proved hit ratio{rows.at_ttl(cells)}"
    subtitle = "marker: proved · tall tick: ideal · +: predicted"
    lowest = min(value for cell in cells for name in _SHOWN if (value := data.value(cell, name)) is not None)
    label = "share of cacheable requests" + (f", from {rows.FINE * 100:.0f} %" if lowest > rows.FINE else "")
    figure, axes = rows.frame(
        ctx, title, subtitle, label, cells, "proved", lambda cell: fmt.number(data.value(cell, "hit_ratio"), "ratio")
    )
    rows.percent_x(axes, lowest)
    for row, cell in enumerate(cells):
        rows.tick(axes, row, data.value(cell, "ideal_hit_ratio"))
        rows.dot(axes, row, cell, "hit_ratio", ctx.style(cell))
        if (predicted := data.value(cell, "predicted_hit_ratio")) is not None:
            axes.plot(predicted, row, "+", color=INK, markersize=9, markeredgewidth=1.2)
    return Panel("hit-ratio", title, figure)


def _gap_rows(ctx: Context, cells: Sequence[CellResult]) -> Panel:
    title = f"Distance from proved{rows.at_ttl(cells)}"

    def words(cell: CellResult) -> str:
        both = [_gap(cell, name) for name, *_ in _WORKED_OUT]
        return " / ".join(fmt.MISSING if gap is None else fmt.plain(gap, 1) for gap in both)

    figure, axes = rows.frame(
        ctx,
        title,
        "tall tick: ideal · +: predicted · above 0: proved is less",
        "percentage points",
        cells,
        "ideal / predicted",
        words,
    )
    axes.axvspan(-_EXPLAINED * 100, _EXPLAINED * 100, color=INK, alpha=0.1, linewidth=0)
    axes.axvline(0, color=INK, linewidth=0.8, alpha=0.6)
    found = [gap for cell in cells for name, *_ in _WORKED_OUT if (gap := _gap(cell, name)) is not None]
    low, high = min(0.0, *found) - 0.3, max(0.0, *found) + 0.3
    edge = (high - low) * 0.06
    axes.set_xlim(low - edge, high + edge)
    most = min(4.0, axes.get_window_extent().width / _TICK_PT)
    step = next(size for size in (0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if (high - low) / size <= most or size == 100)
    shown = [step * count for count in range(-5, 6) if low - edge <= step * count <= high + edge]
    ticks(axes, "x", shown, lambda value: fmt.plain(value, 0 if step >= 1 else 1))
    for row, cell in enumerate(cells):
        rows.tick(axes, row, _gap(cell, "ideal_hit_ratio"))
        if (gap := _gap(cell, "predicted_hit_ratio")) is not None:
            axes.plot(gap, row, "+", color=INK, markersize=9, markeredgewidth=1.2)
    return Panel("hit-ratio-distance", title, figure)
