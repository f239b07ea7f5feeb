"""What the origin was spared, by requests and by bytes, against the TTL."""

from __future__ import annotations

from collections.abc import Sequence

from edgebench.analysis.results import CellResult
from edgebench.report import format as fmt
from edgebench.report.charts import data, rows, ttl
from edgebench.report.charts.data import Context
from edgebench.report.figure import from_zero, panel, percent_axis
from edgebench.report.parts import Chart, Panel


def offload_chart(ctx: Context) -> Chart:
    """One panel per tier, or with one TTL one row: what the origin was spared, by requests and by bytes."""
    groups = ttl.usable(ctx, "origin_offload")
    cells = [cell for _, members in groups for cell in members]
    if rows.fits(cells):
        panels = _row_panels(ctx, cells)
    else:
        panels = tuple(_panel(ctx, tier, members) for tier, members in groups)
    top = data.best(ctx, "origin_offload")
    title = "The offload of the origin was not measured"
    if top:
        words = f"{fmt.number(data.value(top, 'origin_offload'), 'ratio')} of the requests"
        if (by_bytes := data.value(top, "byte_offload")) is not None:
            words += f" and {fmt.number(by_bytes, 'ratio')} of the bytes"
        title = f"{data.cell_name(top)} spares the origin {words}"
    return Chart(
        "offload",
        title,
        "Share of all requests, and of all body bytes, that the origin did not have to serve; private requests count "
        f"too. Small dot = one trial, bar = 95 % interval. {data.trials_note(ctx.cached)} per cell.",
        panels,
        ttl.table(
            "Origin offload",
            groups,
            ("origin_offload", "byte_offload", "origin_rps"),
            ("Requests", "Bytes", "Origin requests/s"),
        ),
        "" if groups else data.unmeasured(ctx, "offload of the origin"),
    )


def _panel(ctx: Context, tier: str, cells: Sequence[CellResult]) -> Panel:
    style = ctx.styles[tier]
    last = cells[-1]
    head = f"{fmt.number(data.value(last, 'origin_offload'), 'ratio')} of requests"
    if data.value(last, "byte_offload") is not None:
        head += f", {fmt.number(data.value(last, 'byte_offload'), 'ratio')} of bytes"
    head += f" at {fmt.ttl(last.summary.ttl_s)}" if last.summary.ttl_s is not None else ""
    figure, (axes,) = panel(
        fmt.clip_series(tier, 36), head, "share the origin was spared", ttl.X_LABEL, right_pt=ttl.RIGHT_PT, left_pt=46
    )
    ttl.ttl_axis(axes, cells)
    ttl.measured(axes, cells, "byte_offload", style, hollow=True)
    ttl.measured(axes, cells, "origin_offload", style)
    percent_axis(axes)
    low = min(data.value(cell, name) or 0.0 for cell in cells for name in ("origin_offload", "byte_offload"))
    if low < -0.02:
        axes.set_ylim(low * 1.1, 1.03)
    ttl.end_labels(
        axes,
        cells,
        [
            ("origin_offload", f"{ttl.mark(style)} requests", style.colour),
            ("byte_offload", f"{ttl.mark(style, hollow=True)} bytes", style.colour),
        ],
    )
    return Panel(f"offload-{fmt.slug(tier)}", f"Origin offload against TTL, {tier}", figure)


def _row_panels(ctx: Context, cells: Sequence[CellResult]) -> tuple[Panel, ...]:
    reached = [cell for cell in ctx.analysis.cells if data.value(cell, "origin_rps") is not None]
    return (_spared_rows(ctx, cells), _origin_rows(ctx, reached)) if reached else (_spared_rows(ctx, cells),)


def _spared_rows(ctx: Context, cells: Sequence[CellResult]) -> Panel:
    names = ("origin_offload", "byte_offload")
    title = f"Spared share{rows.at_ttl(cells)}"

    def words(cell: CellResult) -> str:
        return " / ".join(fmt.number(data.value(cell, name), "ratio", with_unit=False) for name in names) + " %"

    figure, axes = rows.frame(
        ctx,
        title,
        "filled: requests · hollow: bytes",
        "share the origin was spared",
        cells,
        "requests / bytes",
        words,
    )
    rows.percent_x(axes, min(data.value(cell, name) or 0.0 for cell in cells for name in names))
    for row, cell in enumerate(cells):
        style = ctx.style(cell)
        ends = [value for name in names if (value := data.value(cell, name)) is not None]
        axes.plot(ends, [row] * len(ends), color=style.colour, linewidth=1.2, alpha=0.55)
        rows.dot(axes, row, cell, "byte_offload", style, hollow=True)
        rows.dot(axes, row, cell, "origin_offload", style)
    return Panel("offload", title, figure)


def _origin_rows(ctx: Context, cells: Sequence[CellResult]) -> Panel:
    title = f"What reached the origin{rows.at_ttl(cells)}"
    figure, axes = rows.frame(
        ctx,
        title,
        "requests per second, whether or not they could be stored",
        "requests per second at the origin",
        cells,
        "reached",
        lambda cell: fmt.number(data.value(cell, "origin_rps"), "rps"),
    )
    highest = [data.value(cell, "origin_rps") or 0.0 for cell in cells]
    highest += [bound for cell in cells for bound in data.bounds(cell, "origin_rps") or ()]
    from_zero(axes, "x", max(highest))
    for row, cell in enumerate(cells):
        axes.plot([0, highest[row]], [row, row], color=ctx.style(cell).colour, linewidth=1.2, alpha=0.55)
        rows.dot(axes, row, cell, "origin_rps", ctx.style(cell))
    return Panel("offload-origin", title, figure)
