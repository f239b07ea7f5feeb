"""The end of a run on the console: verdict, table, where the report is."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from edgebench.analysis.results import Analysis
from edgebench.model import Bound, CellSummary, Summary, TrustStatus
from edgebench.store import RunFolder

STYLE = {TrustStatus.VALID: "bold green", TrustStatus.SUSPECT: "bold yellow", TrustStatus.INVALID: "bold red"}
_WIDE = 130
"""Columns of a terminal that has room for intervals."""
_COLUMNS = (
    # header, metric, factor to the unit shown
    ("hit %", "hit_ratio", 100.0),
    ("offload %", "origin_offload", 100.0),
    ("p50 ms", "latency_p50_ms", 1.0),
    ("p99 ms", "latency_p99_ms", 1.0),
    ("answers/s", "achieved_rps", 1.0),
    ("errors", "errors", 1.0),
)


def _figure(cell: CellSummary, metric: str, factor: float, wide: bool) -> str:
    """Value with its interval, where there is room: `91.2 [90.8–91.6]`; a dash where there is none."""
    estimate = cell.metrics.get(metric)
    if estimate is None or estimate.value is None:
        return "–"
    text = f"{'≥' * (estimate.bound is Bound.LOWER)}{estimate.value * factor:.3g}"
    if not wide or estimate.low is None or estimate.high is None or estimate.low == estimate.high:
        return text
    return rf"{text} \[{estimate.low * factor:.3g}–{estimate.high * factor:.3g}]"


def cell_table(summary: Summary, wide: bool) -> Table:
    """One line per cell; `wide`: with intervals."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("cell", no_wrap=True)
    for header, _, _ in _COLUMNS:
        table.add_column(header, justify="right")
    table.add_column("trust")
    for cell in summary.cells:
        figures = [_figure(cell, metric, factor, wide) for _, metric, factor in _COLUMNS]
        table.add_row(cell.id, *figures, f"[{STYLE[cell.trust]}]{cell.trust.value}[/]")
    return table


def print_verdict(analysis: Analysis, folder: RunFolder, console: Console) -> None:
    """The finding, the trust with its reasons, one line per cell, the report's path."""
    summary = analysis.summary
    console.print()
    if summary.findings:
        console.print(summary.findings[0].text, highlight=False, markup=False)
    status = summary.trust.status
    remarks = len(summary.trust.reasons)
    console.print(f"[{STYLE[status]}]{status.value}[/] ({remarks} remark{'s'[: remarks != 1]})", highlight=False)
    for reason in summary.trust.reasons:
        cells = f" [{', '.join(reason.cells)}]" if reason.cells else ""
        console.print(f"  {reason.code.value}: {reason.text}{cells}", highlight=False, markup=False)
    console.print()
    wide = console.width >= _WIDE
    console.print(cell_table(summary, wide), highlight=False)
    if wide:
        console.print(r"[dim]\[low–high]: 95 % interval over trials[/]", highlight=False)
    console.print(f"\nreport: {folder.path / 'report.html'}", highlight=False, soft_wrap=True)
