"""Latency from schedule: the whole distribution per TTL, and its tail."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes

from edgebench.report import format as fmt
from edgebench.report import labels
from edgebench.report.charts import curves, data, facets
from edgebench.report.charts.data import Context, Distribution
from edgebench.report.figure import halo, latency_axis, panel, percent_axis, text_size
from edgebench.report.parts import Chart, Panel, Table

_MIDDLE = {"p10": 0.1, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p90": 0.9, "p99": 0.99}
_TAIL = {"p90": 0.9, "p99": 0.99, "p99.9": 0.999, "p99.99": 0.9999}


def _groups(ctx: Context) -> list[tuple[str, list[Distribution]]]:
    groups = []
    for title, cells in data.by_ttl(ctx):
        found = [ctx.distributions[cell.summary.id] for cell in cells if cell.summary.id in ctx.distributions]
        if found:
            groups.append((title, found))
    return groups


def ecdf_chart(ctx: Context) -> Chart:
    """One panel per TTL, or per tier where there are many: share of requests answered within a latency."""
    groups = _groups(ctx)
    everything = list(ctx.distributions.values())
    limits = curves.limits_ms(everything, 0.002) if everything else (0.1, 10.0)
    made = facets.facets(ctx, everything) if facets.crowded(ctx) else []
    if made:
        panels = facets.ecdf_facets(ctx, made, limits)
    else:
        panels = tuple(_ecdf_panel(ctx, title, found, limits) for title, found in groups)
    return Chart(
        "latency",
        _ecdf_title(ctx),
        f"Share of successful requests answered within a latency, {facets.note(ctx, made) or 'one line per tier'}; the "
        "first plateau is as high as the share of all requests that the cache answers from store. "
        f"Median of {data.trials_note(ctx.analysis.cells)} per cell"
        f"{_band(ctx)}.",
        panels,
        _percentile_table(everything, _MIDDLE),
        "" if panels else "No successful request was measured, so there is no latency to show.",
    )


def _band(ctx: Context) -> str:
    many = any(len(dist.quantiles_ms) >= 3 for dist in ctx.distributions.values())
    return ", band = range of the trials" if many else ""


def _ecdf_title(ctx: Context) -> str:
    cell = data.star(ctx)
    dist = ctx.distributions.get(cell.summary.id) if cell else None
    base = ctx.distributions.get(ctx.baseline.summary.id) if ctx.baseline else None
    if cell and dist and base and base is not dist:
        return (
            f"{data.cell_name(cell)}: half of the requests are answered within {fmt.duration_ms(dist.at(0.5))}; "
            f"{base.cell.summary.series} needs {fmt.duration_ms(base.at(0.5))}"
        )
    only = dist or base or next(iter(ctx.distributions.values()), None)
    if only is None:
        return "Latency was not measured"
    return f"{data.cell_name(only.cell)}: half of the requests are answered within {fmt.duration_ms(only.at(0.5))}"


def _subtitle(ctx: Context, found: list[Distribution]) -> str:
    words = [f"{ctx.label(dist.cell, 14)} {fmt.duration_ms(dist.at(0.5))}" for dist in found]
    text = "p50: " + " · ".join(words)
    return (
        text
        if len(text) <= 54
        else f"p50 from {fmt.duration_ms(min(dist.at(0.5) for dist in found))} to "
        + (fmt.duration_ms(max(dist.at(0.5) for dist in found)))
    )


def _ecdf_panel(ctx: Context, title: str, found: list[Distribution], limits: tuple[float, float]) -> Panel:
    figure, (axes,) = panel(title, _subtitle(ctx, found), "share of requests", curves.LATENCY)
    latency_axis(axes, "x", *limits)
    percent_axis(axes)
    lines, sizes, words = [], [], []
    for dist in found:
        lines.append(curves.draw_share(axes, dist, ctx.style(dist.cell)))
        hit = curves.of_all(dist) if ctx.stores(dist.cell) else None
        name = ctx.label(dist.cell, 20)
        words.append(f"{name} {fmt.number(hit, 'ratio')} hits" if hit else name)
        sizes.append(text_size(words[-1]))
    _label(axes, ctx, found, words, labels.place(lines, sizes, curves.plot_bounds(axes)))
    return Panel(f"latency-{fmt.slug(title)}", f"Latency, {title}", figure)


def _label(axes: Axes, ctx: Context, found: list[Distribution], words: list[str], boxes: list[labels.Box]) -> None:
    for dist, text, box in zip(found, words, boxes, strict=True):
        halo(axes, box.x, box.y + box.height / 2, text, ctx.style(dist.cell).colour)


def _percentile_table(found: list[Distribution], shares: Mapping[str, float]) -> Table | None:
    rows = []
    for dist in found:
        values = [
            fmt.duration_ms(dist.at(share)) if curves.enough(dist, share) else fmt.MISSING for share in shares.values()
        ]
        rows.append((data.cell_name(dist.cell), *values, f"{sum(dist.samples):,}"))
    return Table("Latency, median of the trials", ("Cell", *shares, "Samples"), tuple(rows)) if rows else None


def tail_chart(ctx: Context) -> Chart:
    """One panel per TTL, or per tier where there are many: latency against how rare it is."""
    groups = [(title, [dist for dist in found if curves.enough(dist, 0.5)]) for title, found in _groups(ctx)]
    groups = [(title, found) for title, found in groups if found]
    everything = [dist for dist in ctx.distributions.values() if curves.enough(dist, 0.5)]
    limits = curves.limits_ms(everything, 0.02) if everything else (0.1, 10.0)
    rarest = max((min(dist.samples) / data.TAIL_SAMPLES for dist in everything), default=10.0)
    made = facets.facets(ctx, everything) if facets.crowded(ctx) else []
    if made:
        panels = facets.tail_facets(ctx, made, limits, rarest)
    else:
        panels = tuple(_tail_panel(ctx, title, found, limits, rarest) for title, found in groups)
    lines = f", {facets.note(ctx, made)}" if made else ""
    return Chart(
        "tail",
        _tail_title(ctx, everything),
        f"Latency against its percentile, stretched by nines{lines}. Median of "
        f"{data.trials_note(ctx.analysis.cells)}; a line ends where fewer than {data.TAIL_SAMPLES} samples of a trial "
        "lie beyond.",
        panels,
        _percentile_table(everything, _TAIL),
        "" if panels else "Too few samples for a tail.",
    )


def _tail_title(ctx: Context, found: list[Distribution]) -> str:
    share, words = next(
        (
            (share, words)
            for share, words in ((0.999, "1 request in 1,000"), (0.99, "1 request in 100"))
            if any(curves.enough(dist, share) for dist in found)
        ),
        (0.9, "1 request in 10"),
    )
    usable = {dist.cell.summary.id: dist for dist in found if curves.enough(dist, share)}
    base = usable.get(ctx.analysis.baseline)
    cell = data.star(ctx)
    dist = usable.get(cell.summary.id) if cell else None
    both = (dist, None if base is dist else base)
    parts = [f"{fmt.duration_ms(each.at(share))} {_with(ctx, each)}" for each in both if each is not None]
    return f"{words} takes longer than {' and '.join(parts)}" if parts else "The tail of the latency"


def _with(ctx: Context, dist: Distribution) -> str:
    return f"with {data.cell_name(dist.cell)}" if ctx.stores(dist.cell) else "without a cache"


def _tail_panel(
    ctx: Context, title: str, found: list[Distribution], limits: tuple[float, float], rarest: float
) -> Panel:
    longest = max(len(ctx.label(dist.cell, 16)) for dist in found)
    right_pt = text_size("x" * longest)[0] + 16
    shown = [share for share in (0.999, 0.99, 0.9) if any(curves.enough(dist, share) for dist in found)][:1]
    parts = [
        f"{ctx.label(dist.cell, 14)} {fmt.duration_ms(dist.at(shown[0]))}"
        for dist in found
        if shown and curves.enough(dist, shown[0])
    ]
    head = f"p{shown[0] * 100:g}: " + " · ".join(parts) if parts else ""
    figure, (axes,) = panel(
        title,
        head if len(head) <= 54 else "",
        "latency, log scale",
        "percentile of requests",
        right_pt=right_pt,
        left_pt=50,
    )
    curves.tail_axes(axes, limits, rarest)
    ends = [curves.draw_tail(axes, dist, ctx.style(dist.cell)) for dist in found]
    heights = labels.spread([float(y) for _, y in ends], 14, 6, axes.get_window_extent().height)
    for dist, y, end in zip(found, heights, ends, strict=True):
        halo(axes, float(end[0]) + 8, y, ctx.label(dist.cell, 16), ctx.style(dist.cell).colour)
    return Panel(f"tail-{fmt.slug(title)}", f"Tail of the latency, {title}", figure)
