"""Each cell second by second: latency percentiles and hit ratio, warm-up included."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from edgebench.analysis.results import CellResult, TrialResult
from edgebench.model import Phase
from edgebench.report import format as fmt
from edgebench.report import labels
from edgebench.report.charts import data
from edgebench.report.charts.data import Context
from edgebench.report.figure import TEXT_PT, halo, label_y, latency_axis, panel, percent_axis, ticks
from edgebench.report.palette import INK, MUTED, TierStyle
from edgebench.report.parts import Chart, Panel, Table

_MOST_PANELS = 12


def over_time_chart(ctx: Context) -> Chart:
    """One panel per cell; where there are very many, some TTLs of each tier."""
    cells = [cell for cell in ctx.analysis.cells if any(len(trial.timeline) for trial in cell.trials)]
    shown = _chosen(cells)
    limits, span_s = _limits_ms(shown), _span_s(shown)
    note = ""
    if not cells:
        note = "No trial has a timeline."
    elif len(shown) < len(cells):
        note = f"{len(shown)} of {len(cells)} cells are drawn: {_which(cells)} of each tier’s TTLs."
    return Chart(
        "over-time",
        _title([cell for cell in cells if ctx.stores(cell)]),
        "Each second of each trial: median and 99th percentile of latency above, hit ratio of cacheable requests "
        "below. Time counts from the start of measuring; the shaded part is warm-up and enters no figure. Ticks along "
        "the bottom: multiples of the TTL since the first trial's start.",
        tuple(_panel(ctx, cell, limits, span_s) for cell in shown),
        _table(ctx, cells),
        note,
    )


def _chosen(cells: Sequence[CellResult]) -> list[CellResult]:
    if len(cells) <= _MOST_PANELS:
        return list(cells)
    groups = data.by_tier(cells)
    each = _each(cells)
    chosen: list[CellResult] = []
    for _, members in groups:
        places = np.unique(np.linspace(0, len(members) - 1, each).round().astype(int))[::-1]
        chosen.extend(members[place] for place in sorted(places))
    return chosen[:_MOST_PANELS]


def _each(cells: Sequence[CellResult]) -> int:
    """Panels a tier can have."""
    return max(1, _MOST_PANELS // len(data.by_tier(cells)))


def _which(cells: Sequence[CellResult]) -> str:
    return {1: "the shortest", 2: "the shortest and the longest"}.get(_each(cells), "the ends and the middle")


def _shifted(trial: TrialResult) -> pd.DataFrame:
    """The timeline with seconds since the start of measuring."""
    line = trial.timeline
    return line.assign(since_s=line["at_s"].astype(float) - trial.record.measure_start_ns / 1e9)


def _span_s(cells: Sequence[CellResult]) -> tuple[float, float]:
    """From the earliest to the latest second of all, so that panels can be compared."""
    seconds = [_shifted(trial)["since_s"] for cell in cells for trial in cell.trials if len(trial.timeline)]
    first_s = min((float(since.min()) for since in seconds), default=0.0)
    return first_s, max((float(since.max()) for since in seconds), default=0.0) + 1


def _limits_ms(cells: Sequence[CellResult]) -> tuple[float, float]:
    columns = ("latency_p50_ms", "latency_p99_ms")
    lines = [trial.timeline for cell in cells for trial in cell.trials if len(trial.timeline)]
    values = np.concatenate([line[name].to_numpy(dtype=float) for line in lines for name in columns] or [np.empty(0)])
    values = values[np.isfinite(values) & (values > 0)]
    if not len(values):
        return 0.1, 10.0
    low, high = float(values.min()) / 1.5, max(float(values.max()) * 1.2, float(values.min()) * 4)
    return low, high * (high / low) ** 0.17  # room for a word above the lines


def _steadiness(cell: CellResult) -> float | None:
    """Largest change of the hit ratio between the first and the last third of measuring, over the trials."""
    changes = []
    for trial in cell.trials:
        line = trial.timeline
        values = line.loc[line["phase"] == Phase.MEASURE.value, "hit_ratio"].dropna().to_numpy(dtype=float)
        third = len(values) // 3
        if third:
            changes.append(abs(float(values[-third:].mean() - values[:third].mean())))
    return max(changes, default=None)


def _title(cells: Sequence[CellResult]) -> str:
    known = [(change, cell) for cell in cells if (change := _steadiness(cell)) is not None]
    if not known:
        return "Latency second by second"
    change, cell = max(known, key=lambda pair: pair[0])
    return (
        f"From the first to the last third of measuring, no trial’s hit ratio moved by more than {change * 100:.1f} "
        f"points ({data.cell_name(cell)})"
    )


def _panel(ctx: Context, cell: CellResult, limits: tuple[float, float], span_s: tuple[float, float]) -> Panel:
    lines = [_shifted(trial) for trial in cell.trials if len(trial.timeline)]
    has_hits = ctx.stores(cell) and any(line["hit_ratio"].notna().any() for line in lines)
    figure, plots = panel(
        data.cell_title(cell, 38),
        _head(cell, ctx.stores(cell)),
        "latency, log scale",
        "seconds since measuring began",
        left_pt=50,
        right_pt=40,
        height_pt=330 if has_hits else 264,
        rows=(1.5, 1) if has_hits else (1,),
    )
    style = ctx.style(cell)
    first_s, last_s = span_s
    for axes in plots:
        axes.set_xlim(first_s, last_s)
        for line in lines:
            warm = float(line["since_s"].min())
            axes.axvspan(warm, 0, color=INK, alpha=0.07 / len(lines) + 0.02, linewidth=0)
        axes.axvline(0, color=INK, alpha=0.45, linewidth=0.8)
        ticks(axes, "x", _seconds(first_s, last_s), lambda second: fmt.plain(second, 0))
    latency_axis(plots[0], "y", *limits, most=5)
    _percentile_lines(plots[0], lines, style)
    if min(float(line["since_s"].min()) for line in lines) < -0.15 * (last_s - first_s):
        plots[0].annotate(
            "warm-up",
            (0, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-4, -9),
            textcoords="offset points",
            fontsize=TEXT_PT,
            color=MUTED,
            ha="right",
            va="center",
        )
    if has_hits:
        plots[0].tick_params(axis="x", labelbottom=False)
        _hit_lines(plots[1], lines, style)
        _expiries(plots[1], cell, lines[0])
    return Panel(f"over-time-{fmt.slug(cell.summary.id)}", f"Over time, {data.cell_name(cell)}", figure)


def _head(cell: CellResult, stores: bool) -> str:
    change = _steadiness(cell) if stores else None
    count = fmt.plural(len([trial for trial in cell.trials if len(trial.timeline)]), "trial")
    return count if change is None else f"{count} · hit ratio moves {change * 100:.1f} points"


def _seconds(first_s: float, last_s: float) -> list[float]:
    step = next((size for size in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600) if (last_s - first_s) / size <= 7), 1800)
    return [float(second) for second in range(-(int(-first_s) // step) * step, int(last_s) + 1, step)]


def _percentile_lines(axes: Axes, lines: Sequence[pd.DataFrame], style: TierStyle) -> None:
    ends: dict[str, float] = {}
    for name, words, width, dash in (("latency_p50_ms", "p50", 1.6, ()), ("latency_p99_ms", "p99", 1.1, (3, 1.5))):
        for line in lines:
            known = line[line[name].notna() & (line[name] > 0)]
            axes.plot(
                known["since_s"] + 0.5,
                known[name],
                color=style.colour,
                linewidth=width,
                alpha=0.75,
                linestyle=(0, dash or None),
            )
            if len(known):
                ends[words] = float(known[name].iloc[-1])
    frame = axes.get_window_extent()
    wanted = [float(axes.transData.transform((1, value))[1] - frame.y0) for value in ends.values()]
    for words, y in zip(ends, labels.spread(wanted, 14, 6, frame.height), strict=True):
        halo(axes, frame.width + 6, y, words, style.colour)


def _hit_lines(axes: Axes, lines: Sequence[pd.DataFrame], style: TierStyle) -> None:
    percent_axis(axes, step=50)
    label_y(axes, "hit ratio")
    for line in lines:
        known = line[line["hit_ratio"].notna()]
        axes.plot(known["since_s"] + 0.5, known["hit_ratio"], color=style.colour, linewidth=1.4, alpha=0.75)


def _expiries(axes: Axes, cell: CellResult, line: pd.DataFrame) -> None:
    ttl_s = cell.summary.ttl_s
    first_s, last_s = float(line["since_s"].min()), float(line["since_s"].max()) + 1
    if not ttl_s or not 1 <= (last_s - first_s) / ttl_s <= 25:
        return
    for at_s in np.arange(first_s + ttl_s, last_s, ttl_s):
        axes.plot([at_s, at_s], [0, 0.09], color=INK, linewidth=1.1, alpha=0.7)


def _table(ctx: Context, cells: Sequence[CellResult]) -> Table | None:
    rows = []
    for cell in cells:
        line = pd.concat([trial.timeline for trial in cell.trials if len(trial.timeline)])
        line = line[line["phase"] == Phase.MEASURE.value]
        ranges = [
            _range(line["latency_p50_ms"], "ms"),
            _range(line["latency_p99_ms"], "ms"),
            _range(line["hit_ratio"], "ratio") if ctx.stores(cell) else fmt.MISSING,
        ]
        rows.append((data.cell_name(cell), *ranges, str(len(line))))
    columns = ("Cell", "p50, ms", "p99, ms", "Hit ratio, %", "Seconds")
    return Table("Lowest to highest second of measuring, all trials", columns, tuple(rows)) if rows else None


def _range(values: pd.Series[float], unit: str) -> str:
    known = values.dropna()
    if not len(known):
        return fmt.MISSING
    low, high = (fmt.number(float(value), unit, with_unit=False) for value in (known.min(), known.max()))
    return f"{low} to {high}"
