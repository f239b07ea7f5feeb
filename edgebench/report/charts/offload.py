"""What the origin was spared, by requests and by bytes, against the TTL."""

from __future__ import annotations

from collections.abc import Sequence

from edgebench.analysis.results import CellResult
from edgebench.report import format as fmt
from edgebench.report.charts import data, ttl
from edgebench.report.charts.data import Context
from edgebench.report.figure import panel, percent_axis
from edgebench.report.parts import Chart, Panel


def offload_chart(ctx: Context) -> Chart:
    """One panel per tier: what the origin was spared, by requests and by bytes."""
    groups = ttl.usable(ctx, "origin_offload")
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
        tuple(_panel(ctx, tier, cells) for tier, cells in groups),
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
        fmt.clip(tier, 30), head, "share the origin was spared", ttl.X_LABEL, right_pt=ttl.RIGHT_PT, left_pt=46
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
