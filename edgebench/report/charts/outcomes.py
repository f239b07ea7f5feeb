"""Latency by what the two witnesses prove of each request: a hit's wait, and a miss's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgebench.analysis.results import CellResult
from edgebench.model import Outcome, Phase
from edgebench.report import format as fmt
from edgebench.report.charts import data
from edgebench.report.charts.data import Context
from edgebench.report.figure import TEXT_PT, latency_axis, panel, ticks
from edgebench.report.palette import INK, MUTED
from edgebench.report.parts import Chart, Panel, Table

_SHARES = (0.1, 0.5, 0.9, 0.99)
_FEWEST = 30
"""Samples of a trial below which it has no say about an outcome."""


@dataclass(frozen=True, slots=True)
class Waits:
    """Latency of one tier's samples of one outcome: each share is the median over the trials."""

    quantiles_ms: tuple[float, ...]
    samples: int
    trials: int


def outcome_chart(ctx: Context) -> Chart:
    """One panel per tier, one row per outcome."""
    tiers = [(tier, _waits(cells)) for tier, cells in data.by_tier(ctx.analysis.cells)]
    tiers = [(tier, waits) for tier, waits in tiers if waits]
    every = [wait for _, waits in tiers for wait in waits.values()]
    low = min((wait.quantiles_ms[0] for wait in every), default=0.1)
    high = max((wait.quantiles_ms[-1] for wait in every), default=10.0)
    limits = (low / 1.4, max(high * 1.4, low * 4))
    columns = ("Tier, outcome", "p10", "p50", "p90", "p99", "Samples")
    rows = tuple(
        (f"{tier}, {outcome}", *(fmt.duration_ms(value) for value in wait.quantiles_ms), f"{wait.samples:,}")
        for tier, waits in tiers
        for outcome, wait in waits.items()
    )
    return Chart(
        "outcomes",
        _title(tiers),
        "Latency by proved outcome, all TTLs of a tier together. Marker = median, thick bar = 10th to 90th percentile, "
        f"thin line = to the 99th. Median of the trials that have at least {_FEWEST} such samples.",
        tuple(_panel(ctx, tier, waits, limits) for tier, waits in tiers),
        Table("Latency by outcome", columns, rows) if rows else None,
        "" if tiers else "Too few samples of any outcome.",
    )


def _waits(cells: Sequence[CellResult]) -> dict[str, Waits]:
    found: dict[str, list[tuple[int, tuple[float, ...]]]] = {}
    for trial in (trial for cell in cells for trial in cell.trials):
        samples = trial.samples
        if not len(samples) or not {"phase", "outcome", "latency_ns"} <= set(samples.columns):
            continue
        samples = samples[samples["phase"] == Phase.MEASURE.value]
        outcomes = samples["outcome"].astype(str).to_numpy()
        latency_ms = samples["latency_ns"].to_numpy(dtype=np.float64) / 1e6
        for outcome in Outcome:
            values = latency_ms[outcomes == outcome.value]
            if len(values) >= _FEWEST:
                quantiles = tuple(float(value) for value in np.maximum(np.quantile(values, _SHARES), 1e-3))
                found.setdefault(outcome.value, []).append((len(values), quantiles))
    order = [
        outcome.value
        for outcome in (
            Outcome.HIT,
            Outcome.STALE,
            Outcome.COLLAPSED,
            Outcome.REVALIDATED,
            Outcome.ORIGIN,
            Outcome.ERROR,
        )
    ]
    return {
        outcome: Waits(
            tuple(float(value) for value in np.median([quantiles for _, quantiles in found[outcome]], axis=0)),
            sum(count for count, _ in found[outcome]),
            len(found[outcome]),
        )
        for outcome in order
        if outcome in found
    }


def _title(tiers: Sequence[tuple[str, Mapping[str, Waits]]]) -> str:
    for tier, waits in tiers:
        if "hit" in waits and "origin" in waits:
            hit, origin = (waits[name].quantiles_ms[1] for name in ("hit", "origin"))
            return (
                f"{tier}: a hit takes {fmt.duration_ms(hit)} at the median, an answer from the origin "
                f"{fmt.duration_ms(origin)} ({fmt.times(origin / hit)})"
            )
    return "Latency by what happened to the request"


def _panel(ctx: Context, tier: str, waits: Mapping[str, Waits], limits: tuple[float, float]) -> Panel:
    first = next(iter(waits))
    head = f"median {fmt.duration_ms(waits[first].quantiles_ms[1])} ({first})"
    if len(waits) > 1:
        last = list(waits)[-1]
        head += f", {fmt.duration_ms(waits[last].quantiles_ms[1])} ({last})"
    rows = max(len(waits), 2)
    figure, (axes,) = panel(
        fmt.clip_series(tier, 36),
        head,
        "",
        "latency from the scheduled time, log scale",
        left_pt=76,
        right_pt=58,
        height_pt=112 + 26 * rows,
    )
    style = ctx.styles[tier]
    latency_axis(axes, "x", *limits, most=4)
    axes.grid(False, axis="y")
    axes.grid(True, axis="x", color=INK, alpha=0.13, linewidth=0.8)
    for row, wait in enumerate(waits.values()):
        p10, p50, p90, p99 = wait.quantiles_ms
        axes.plot([p90, p99], [row, row], color=style.colour, linewidth=1.3)
        axes.plot([p99, p99], [row - 0.14, row + 0.14], color=style.colour, linewidth=1.3)
        axes.plot([p10, p90], [row, row], color=style.colour, linewidth=6, alpha=0.35, solid_capstyle="butt")
        axes.plot(p50, row, style.marker, color=style.colour, markersize=7)
        axes.annotate(
            f"n {wait.samples:,}",
            (1, row),
            xycoords=("axes fraction", "data"),
            xytext=(54, 0),
            textcoords="offset points",
            fontsize=10,
            color=MUTED,
            ha="right",
            va="center",
        )
    axes.set_ylim(rows - 0.4, -0.6)
    names = list(waits)
    ticks(axes, "y", [float(row) for row in range(len(names))], lambda row: names[round(row)])
    axes.tick_params(axis="y", labelsize=TEXT_PT)
    return Panel(f"outcomes-{fmt.slug(tier)}", f"Latency by outcome, {tier}", figure)
