"""The figures as tables: tier × TTL for the first screen, everything of a cell, and summary.csv."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass

from edgebench.analysis.correctness import stores
from edgebench.analysis.results import Analysis, CellResult
from edgebench.model import Estimate, TrustStatus
from edgebench.report import format as fmt
from edgebench.report.metrics import METRICS, metric

TRUST_ICONS = {TrustStatus.VALID: "✓", TrustStatus.SUSPECT: "!", TrustStatus.INVALID: "✕"}

COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("hit_ratio", "Hit ratio", "of cacheable answers"),
    ("body_reuse_ratio", "Body reuse", "hits + revalidated"),
    ("origin_offload", "Offload, requests", "of all requests"),
    ("byte_offload", "Offload, bytes", "of all body bytes"),
    ("origin_rps", "Origin", "requests per second"),
    ("latency_p50_ms", "p50", "ms from schedule"),
    ("latency_p99_ms", "p99", "ms from schedule"),
    ("achieved_rps", "Achieved", "answers per second"),
    ("errors", "Errors", "per trial"),
)
"""Metric, heading and denominator of the first screen's table."""
_WORTH_SAYING = 1.05
"""Without an interval, a ratio nearer to 1 is not called a difference."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure as printed."""

    label: str
    value: str
    interval: str = ""
    versus: str = ""
    """Compared with the baseline: `↓ 18× (17–19)`."""
    hint: str = ""
    """Why there is no value."""


@dataclass(frozen=True, slots=True)
class SummaryRow:
    tier: str
    ttl: str
    anchor: str
    baseline: bool
    first_of_tier: bool
    trust: TrustStatus
    icon: str
    figures: tuple[Figure, ...]


def summary_rows(analysis: Analysis) -> list[SummaryRow]:
    """One row per cell, in the order of the analysis."""
    base = next((cell for cell in analysis.cells if cell.summary.id == analysis.baseline), None)
    rows: list[SummaryRow] = []
    for index, cell in enumerate(analysis.cells):
        summary = cell.summary
        rows.append(
            SummaryRow(
                summary.series,
                fmt.ttl(summary.ttl_s),
                anchor(index, cell),
                cell is base,
                not rows or rows[-1].tier != summary.series,
                summary.trust,
                TRUST_ICONS[summary.trust],
                tuple(_figure(cell, name, heading) for name, heading, _ in COLUMNS),
            )
        )
    return rows


def anchor(index: int, cell: CellResult) -> str:
    """Where the page shows this cell in full."""
    return f"cell-{index}-{fmt.slug(cell.summary.id)}"


def _figure(cell: CellResult, name: str, heading: str) -> Figure:
    estimate = cell.summary.metrics.get(name)
    if estimate is None or fmt.missing(estimate.value):
        no_cache = bool(cell.trials) and not any(stores(trial.record) for trial in cell.trials)
        hint = "not applicable: nothing is stored" if no_cache else "not enough data"
        return Figure(heading, fmt.MISSING, hint=hint)
    unit = metric(name, estimate.unit).unit
    return Figure(
        heading,
        fmt.figure(estimate, unit, with_unit=unit == "ratio"),
        fmt.interval(estimate, unit),
        versus(cell.versus_baseline.get(name)),
    )


def versus(ratio: Estimate | None) -> str:
    """`↓ 18× (17–19)` where the figure is that many times lower than the baseline's, `↑` where it is higher.

    `≈ baseline` where the interval of the paired ratio holds 1; empty where there is no ratio.
    """
    if ratio is None or ratio.value is None or not math.isfinite(ratio.value) or ratio.value <= 0:
        return ""
    value, low, high = ratio.value, ratio.low, ratio.high
    if low is None or high is None or low <= 0:
        if max(value, 1 / value) < _WORTH_SAYING:
            return "≈ baseline"
        return f"↓ {fmt.times(value)}" if value > 1 else f"↑ {fmt.times(1 / value)}"
    if low <= 1 <= high:
        return "≈ baseline"
    arrow = "↓" if value > 1 else "↑"
    if value < 1:
        value, low, high = 1 / value, 1 / high, 1 / low
    places = 0 if value >= 9.95 else 1 if value >= 1.995 else 2
    return f"{arrow} {fmt.plain(value, places)}× ({fmt.plain(low, places)}–{fmt.plain(high, places)})"


def metric_rows(cell: CellResult) -> list[tuple[str, str, str, str]]:
    """Every metric of a cell: name, value, interval, number of trials."""
    rows = []
    order = list(METRICS)
    known = sorted(cell.summary.metrics.items(), key=lambda item: order.index(item[0]) if item[0] in METRICS else 999)
    for name, estimate in known:
        spec = metric(name, estimate.unit)
        limits = fmt.interval(estimate, spec.unit) or fmt.MISSING
        rows.append((spec.label, fmt.figure(estimate, spec.unit), limits, str(estimate.n)))
    return rows


def summary_csv(analysis: Analysis) -> str:
    """summary.csv: one row per cell and metric, numbers unrounded, empty where there is no data."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("cell", "tier", "ttl_s", "metric", "value", "low", "high", "n", "unit", "bound"))
    for cell in analysis.summary.cells:
        for name, found in cell.metrics.items():
            ttl_s = "" if cell.ttl_s is None else cell.ttl_s
            values = ("" if fmt.missing(value) else value for value in (found.value, found.low, found.high))
            writer.writerow((cell.id, cell.series, ttl_s, name, *values, found.n, found.unit, found.bound.value))
    return buffer.getvalue()
