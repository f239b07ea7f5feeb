"""Throughput: the rate the schedule offered and the rate that was answered."""

from __future__ import annotations

from collections.abc import Sequence

from edgebench.analysis.results import CellResult
from edgebench.model import Bound
from edgebench.report import format as fmt
from edgebench.report.charts import data, rows
from edgebench.report.charts.data import Context
from edgebench.report.figure import TEXT_PT, from_zero, panel, ticks
from edgebench.report.palette import INK, MUTED
from edgebench.report.parts import Chart, Panel, Table

_NAMES = ("offered_rps", "achieved_rps")


def throughput_chart(ctx: Context) -> Chart:
    """One panel per tier, one row per TTL, or with one TTL a row per tier: offered as a tick, achieved as a dot."""
    cells = [cell for cell in ctx.analysis.cells if data.value(cell, "achieved_rps") is not None]
    rates = [data.value(cell, name) or 0.0 for cell in cells for name in _NAMES]
    rates += [bound for cell in cells for bound in data.bounds(cell, "achieved_rps") or ()]
    highest = max(rates, default=0.0)
    lines = tuple((data.cell_name(cell), *(_rate(cell, name) for name in _NAMES), _kept(cell)) for cell in cells)
    if rows.fits(cells):
        panels: tuple[Panel, ...] = (_row_panel(ctx, cells, highest),)
    else:
        panels = tuple(_panel(ctx, tier, members, highest) for tier, members in data.by_tier(cells))
    return Chart(
        "throughput",
        _title(cells),
        "Requests per second: the tall tick is what the schedule offered, the marker what was answered without error. "
        f"Small dot = one trial, bar = 95 % interval. {data.trials_note(cells)} per cell.",
        panels,
        Table("Throughput", ("Cell", "Offered", "Achieved", "Kept"), lines) if lines else None,
        _note(cells),
    )


def _rate(cell: CellResult, name: str) -> str:
    found = cell.summary.metrics.get(name)
    return fmt.figure(found, "rps") if found is not None else fmt.MISSING


def _note(cells: Sequence[CellResult]) -> str:
    if not cells:
        return "No rate was measured."
    if any(cell.summary.metrics["achieved_rps"].bound is Bound.LOWER for cell in cells):
        return f"{fmt.AT_LEAST}: the generator was at its ceiling, so the cache may be able to do more."
    return ""


def _share(cell: CellResult) -> float | None:
    offered, achieved = (data.value(cell, name) for name in _NAMES)
    return achieved / offered if offered and achieved is not None else None


def _kept(cell: CellResult) -> str:
    return fmt.number(_share(cell), "ratio")


def _title(cells: Sequence[CellResult]) -> str:
    known = [cell for cell in cells if _share(cell) is not None]
    if not known:
        return "Requests answered per second"
    worst = min(known, key=lambda cell: _share(cell) or 0.0)
    if (_share(worst) or 0.0) >= 0.99:
        return f"Every cell answered at least {_kept(worst)} of the rate it was offered"
    return f"{data.cell_name(worst)} answered only {_kept(worst)} of the rate it was offered"


def _panel(ctx: Context, tier: str, cells: Sequence[CellResult], highest: float) -> Panel:
    head = f"{_rate(cells[-1], 'achieved_rps')} answered, {_kept(cells[-1])} of the offer"
    if len(cells) > 1:
        shares = [share for cell in cells if (share := _share(cell)) is not None]
        head = f"at least {fmt.number(min(shares), 'ratio')} of the offer answered" if shares else ""
    figure, (axes,) = panel(
        fmt.clip_series(tier, 36),
        head,
        "TTL" if cells[0].summary.ttl_s is not None else "",
        "requests per second",
        left_pt=52,
        right_pt=22,
        height_pt=122 + 26 * max(len(cells), 2),
    )
    style = ctx.styles[tier]
    for row, cell in enumerate(cells):
        offered, achieved = (data.value(cell, name) for name in _NAMES)
        if limits := data.bounds(cell, "achieved_rps"):
            axes.plot(limits, [row, row], color=style.colour, linewidth=6, alpha=0.3, solid_capstyle="round")
        if offered is not None:
            axes.plot([offered, offered], [row - 0.32, row + 0.32], color=INK, linewidth=2)
        for value in data.trial_values(cell, "achieved_rps"):
            axes.plot(value, row + 0.22, ".", color=style.colour, markersize=4, alpha=0.75)
        if achieved is not None:
            axes.plot([0, achieved], [row, row], color=style.colour, linewidth=1.2, alpha=0.55)
            axes.plot(achieved, row, style.marker, color=style.colour, markersize=7)
    from_zero(axes, "x", highest)
    axes.set_ylim(len(cells) - 0.4 if len(cells) > 1 else 0.9, -0.6 if len(cells) > 1 else -0.9)
    words = [fmt.span(cell.summary.ttl_s) if cell.summary.ttl_s is not None else "" for cell in cells]
    ticks(axes, "y", [float(row) for row in range(len(cells))], lambda row: words[round(row)])
    axes.grid(False, axis="y")
    axes.grid(True, axis="x", color=INK, alpha=0.13, linewidth=0.8)
    last = data.value(cells[0], "offered_rps")
    if last is not None:
        axes.annotate(
            "offered",
            (last, -0.34),
            xytext=(-4, 5),
            textcoords="offset points",
            fontsize=TEXT_PT,
            color=MUTED,
            ha="right",
            va="center",
        )
    return Panel(f"throughput-{fmt.slug(tier)}", f"Offered and achieved rate, {tier}", figure)


def _row_panel(ctx: Context, cells: Sequence[CellResult], highest: float) -> Panel:
    title = f"Offered and answered{rows.at_ttl(cells)}"
    figure, axes = rows.frame(
        ctx,
        title,
        "tall tick: offered · marker: answered without error",
        "requests per second",
        cells,
        "answered",
        lambda cell: _rate(cell, "achieved_rps"),
    )
    from_zero(axes, "x", highest)
    for row, cell in enumerate(cells):
        axes.plot(
            [0, data.value(cell, "achieved_rps") or 0.0],
            [row, row],
            color=ctx.style(cell).colour,
            linewidth=1.2,
            alpha=0.55,
        )
        rows.tick(axes, row, data.value(cell, "offered_rps"))
        rows.dot(axes, row, cell, "achieved_rps", ctx.style(cell))
    return Panel("throughput", title, figure)
