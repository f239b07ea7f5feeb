"""Latency from schedule: the whole distribution per TTL, and its tail."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from edgebench.report import format as fmt
from edgebench.report import labels
from edgebench.report.charts import data
from edgebench.report.charts.data import Context, Distribution
from edgebench.report.figure import halo, latency_axis, panel, percent_axis, text_size, ticks
from edgebench.report.parts import Chart, Panel, Table

_MIDDLE = {"p10": 0.1, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p90": 0.9, "p99": 0.99}
_TAIL = {"p90": 0.9, "p99": 0.99, "p99.9": 0.999, "p99.99": 0.9999}
_LATENCY = "latency from the scheduled time, log scale"


def _limits_ms(found: list[Distribution], low_share: float) -> tuple[float, float]:
    low = min(dist.at(low_share) for dist in found)
    high = max(dist.at(0.9999) for dist in found)
    return low / 1.25, max(high, low * 3) * 1.25


def _groups(ctx: Context) -> list[tuple[str, list[Distribution]]]:
    groups = []
    for title, cells in data.by_ttl(ctx):
        found = [ctx.distributions[cell.summary.id] for cell in cells if cell.summary.id in ctx.distributions]
        if found:
            groups.append((title, found))
    return groups


def ecdf_chart(ctx: Context) -> Chart:
    """One panel per TTL: share of requests answered within a latency."""
    groups = _groups(ctx)
    everything = list(ctx.distributions.values())
    limits = _limits_ms(everything, 0.002) if everything else (0.1, 10.0)
    panels = tuple(_ecdf_panel(ctx, title, found, limits) for title, found in groups)
    return Chart(
        "latency",
        _ecdf_title(ctx),
        "Share of successful requests answered within a latency, one line per tier; the first plateau is as high as "
        "the share of all requests that the cache answers from store. "
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
    if cell and dist and base:
        return (
            f"{data.cell_name(cell)}: half of the requests are answered within {fmt.duration_ms(dist.at(0.5))}; "
            f"{base.cell.summary.tier} needs {fmt.duration_ms(base.at(0.5))}"
        )
    only = dist or base or next(iter(ctx.distributions.values()), None)
    if only is None:
        return "Latency was not measured"
    return f"{data.cell_name(only.cell)}: half of the requests are answered within {fmt.duration_ms(only.at(0.5))}"


def _subtitle(found: list[Distribution]) -> str:
    words = [f"{fmt.clip(dist.cell.summary.tier, 10)} {fmt.duration_ms(dist.at(0.5))}" for dist in found]
    text = "p50: " + " · ".join(words)
    return (
        text
        if len(text) <= 54
        else f"p50 from {fmt.duration_ms(min(dist.at(0.5) for dist in found))} to "
        + (fmt.duration_ms(max(dist.at(0.5) for dist in found)))
    )


def _ecdf_panel(ctx: Context, title: str, found: list[Distribution], limits: tuple[float, float]) -> Panel:
    figure, (axes,) = panel(title, _subtitle(found), "share of requests", _LATENCY)
    latency_axis(axes, "x", *limits)
    percent_axis(axes)
    curves, sizes, words = [], [], []
    for dist in found:
        style = ctx.style(dist.cell)
        low, high = dist.quantiles_ms.min(axis=0), dist.quantiles_ms.max(axis=0)
        if len(dist.quantiles_ms) >= 3:
            some = slice(None, None, 3)
            axes.fill_betweenx(
                dist.probabilities[some], low[some], high[some], color=style.colour, alpha=0.16, linewidth=0
            )
        axes.plot(dist.median_ms, dist.probabilities, color=style.colour, linestyle=style.linestyle, linewidth=1.9)
        marks = [0.1, 0.5, 0.9]
        axes.plot([dist.at(mark) for mark in marks], marks, style.marker, color=style.colour, markersize=5)
        hit = _of_all(dist) if ctx.stores(dist.cell) else None
        name = fmt.clip(dist.cell.summary.tier, 16)
        words.append(f"{name} {fmt.number(hit, 'ratio')} hits" if hit else name)
        sizes.append(text_size(words[-1]))
        curves.append(_in_points(axes, dist.median_ms, dist.probabilities))
    _label(axes, ctx, found, words, labels.place(curves, sizes, _bounds(axes)))
    return Panel(f"latency-{fmt.slug(title)}", f"Latency, {title}", figure)


def _of_all(dist: Distribution) -> float | None:
    """The hit ratio over all requests, which is the height of the plateau; that of the cacheable ones without it."""
    over_all = data.value(dist.cell, "hit_ratio_all")
    return over_all if over_all is not None else data.value(dist.cell, "hit_ratio")


def _label(axes: Axes, ctx: Context, found: list[Distribution], words: list[str], boxes: list[labels.Box]) -> None:
    for dist, text, box in zip(found, words, boxes, strict=True):
        halo(axes, box.x, box.y + box.height / 2, text, ctx.style(dist.cell).colour)


def _bounds(axes: Axes) -> labels.Box:
    frame = axes.get_window_extent()
    return labels.Box(2, 2, frame.width - 4, frame.height - 4)


def _in_points(axes: Axes, x: data.Floats, y: data.Floats) -> labels.Points:
    frame = axes.get_window_extent()
    points = axes.transData.transform(np.column_stack([x, y])) - (frame.x0, frame.y0)
    inside = (points[:, 0] >= 0) & (points[:, 0] <= frame.width)
    return np.asarray(points[inside] if inside.any() else points[:1])


def _percentile_table(found: list[Distribution], shares: Mapping[str, float]) -> Table | None:
    rows = []
    for dist in found:
        values = [fmt.duration_ms(dist.at(share)) if _enough(dist, share) else fmt.MISSING for share in shares.values()]
        rows.append((data.cell_name(dist.cell), *values, f"{sum(dist.samples):,}"))
    return Table("Latency, median of the trials", ("Cell", *shares, "Samples"), tuple(rows)) if rows else None


def _enough(dist: Distribution, share: float) -> bool:
    return min(dist.samples) * (1 - share) >= data.TAIL_SAMPLES * 0.999


def tail_chart(ctx: Context) -> Chart:
    """One panel per TTL: latency against how rare it is."""
    groups = [(title, [dist for dist in found if _enough(dist, 0.5)]) for title, found in _groups(ctx)]
    groups = [(title, found) for title, found in groups if found]
    everything = [dist for dist in ctx.distributions.values() if _enough(dist, 0.5)]
    limits = _limits_ms(everything, 0.02) if everything else (0.1, 10.0)
    rarest = max((min(dist.samples) / data.TAIL_SAMPLES for dist in everything), default=10.0)
    panels = tuple(_tail_panel(ctx, title, found, limits, rarest) for title, found in groups)
    return Chart(
        "tail",
        _tail_title(ctx, everything),
        f"Latency against its percentile, stretched by nines. Median of {data.trials_note(ctx.analysis.cells)}; a line "
        f"ends where fewer than {data.TAIL_SAMPLES} samples of a trial lie beyond.",
        panels,
        _percentile_table(everything, _TAIL),
        "" if panels else "Too few samples for a tail.",
    )


def _tail_title(ctx: Context, found: list[Distribution]) -> str:
    share, words = next(
        (
            (share, words)
            for share, words in ((0.999, "1 request in 1,000"), (0.99, "1 request in 100"))
            if any(_enough(dist, share) for dist in found)
        ),
        (0.9, "1 request in 10"),
    )
    usable = {dist.cell.summary.id: dist for dist in found if _enough(dist, share)}
    base = usable.get(ctx.analysis.baseline)
    cell = data.star(ctx)
    dist = usable.get(cell.summary.id) if cell else None
    parts = [f"{fmt.duration_ms(each.at(share))} {_with(ctx, each)}" for each in (dist, base) if each is not None]
    return f"{words} takes longer than {' and '.join(parts)}" if parts else "The tail of the latency"


def _with(ctx: Context, dist: Distribution) -> str:
    return f"with {data.cell_name(dist.cell)}" if ctx.stores(dist.cell) else "without a cache"


def _tail_panel(
    ctx: Context, title: str, found: list[Distribution], limits: tuple[float, float], rarest: float
) -> Panel:
    longest = max(len(fmt.clip(dist.cell.summary.tier, 12)) for dist in found)
    right_pt = text_size("x" * longest)[0] + 16
    shown = [share for share in (0.999, 0.99, 0.9) if any(_enough(dist, share) for dist in found)][:1]
    parts = [
        f"{fmt.clip(dist.cell.summary.tier, 10)} {fmt.duration_ms(dist.at(shown[0]))}"
        for dist in found
        if shown and _enough(dist, shown[0])
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
    latency_axis(axes, "y", *limits)
    axes.set_xscale("log")
    axes.set_xlim(1, max(rarest, 20) * 1.05)
    nines = [1.0, 2.0, 10.0, 100.0, 1000.0, 10000.0, 100000.0]
    ticks(axes, "x", [nine for nine in nines if nine <= max(rarest, 20) * 1.05], _percentile)
    ends = []
    for dist in found:
        last = 1 - data.TAIL_SAMPLES / min(dist.samples)
        probabilities = np.append(dist.probabilities[dist.probabilities < last], last)
        values = np.interp(probabilities, dist.probabilities, dist.median_ms)
        style = ctx.style(dist.cell)
        axes.plot(1 / (1 - probabilities), values, color=style.colour, linestyle=style.linestyle, linewidth=1.9)
        axes.plot(
            1 / (1 - probabilities[-1]), values[-1], style.marker, color=style.colour, markersize=5, clip_on=False
        )
        ends.append(_in_points(axes, 1 / (1 - probabilities[-1:]), values[-1:])[0])
    heights = labels.spread([float(y) for _, y in ends], 14, 6, axes.get_window_extent().height)
    for dist, y, end in zip(found, heights, ends, strict=True):
        halo(axes, float(end[0]) + 8, y, fmt.clip(dist.cell.summary.tier, 12), ctx.style(dist.cell).colour)
    return Panel(f"tail-{fmt.slug(title)}", f"Tail of the latency, {title}", figure)


def _percentile(rarity: float) -> str:
    return f"{round(100 * (1 - 1 / rarity), 4):g} %"
