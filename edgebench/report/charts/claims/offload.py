"""What reached the origin per 1,000 client requests, and the month's bill line by line."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pandas as pd

from edgebench.analysis.claims import Judged
from edgebench.analysis.claims.offload import LINES
from edgebench.analysis.weighing import records
from edgebench.model import Prices
from edgebench.report import format as fmt
from edgebench.report.charts.claims.stacked import Bar, Part, stacked_panel
from edgebench.report.charts.claims.tradeoff import Row, known, row_panel, styles_of
from edgebench.report.palette import TierStyle
from edgebench.report.parts import Chart, Panel, Table

_COLOURS = dict(zip(LINES, ("#0072b2", "#009e73", "#d55e00", "#cc79a7"), strict=True))
_WORDS = dict(zip(LINES, ("origin sends", "origin CPU", "CDN sends", "CDN requests"), strict=True))


def draw(judged: Judged) -> list[Chart]:
    cells, trials = judged.tables.get("cells"), judged.tables.get("trials")
    if cells is None or trials is None or cells.empty:
        return []
    kinds = {row.tier: "direct" if row.direct else row.tier for row in records(cells)}
    styles = styles_of(cells, kinds)
    panels = [
        _panel(cells, trials, styles, name, title, unit)
        for name, title, unit in (
            ("origin_requests", "Requests that reached the origin", "requests"),
            ("origin_kb", "Bytes the origin sent", "kB"),
            ("cpu_s", "CPU time of the origin", "s"),
        )
        if cells[name].notna().any()
    ]
    prices: Prices | None = judged.facts.get("prices")
    if prices is not None:
        panels.append(_bill(cells, prices))
    what = "Per 1,000 client requests; bytes are those of bodies. Small dot = one trial, bar = 95 % interval from"
    money = (
        f" The bill is for {prices.month_requests:,.0f} requests a month at the prices in the scenario, which are the "
        "user’s own."
        if prices
        else ""
    )
    return [
        Chart(
            "claim-offload",
            _title(cells, prices),
            f"{what} {cells['trials'].max()} trials.{money}",
            tuple(panels),
            _table(cells, prices),
        )
    ]


def _title(cells: pd.DataFrame, prices: Prices | None) -> str:
    direct, cached = cells[cells["direct"]].iloc[0], records(cells[~cells["direct"]])
    least = min(cached, key=lambda row: row.origin_requests)
    title = f"Of 1,000 requests, {fmt.plain(least.origin_requests, 0)} reach the origin behind {least.series}"
    if prices is None:
        return title
    dear = max(cached, key=lambda row: row.total)
    here, there = (fmt.plain(value, fmt.decimals(value)) for value in (dear.total, float(direct["total"])))
    return f"{title}; a month costs up to {here} {prices.currency} with a cache, {there} without"


def _panel(
    cells: pd.DataFrame, trials: pd.DataFrame, styles: dict[str, TierStyle], name: str, title: str, unit: str
) -> Panel:
    rows = [
        Row(
            row.series,
            known(getattr(row, name)),
            _number(getattr(row, name)),
            styles[row.tier],
            known(getattr(row, f"{name}_low")),
            known(getattr(row, f"{name}_high")),
            trials.loc[trials["cell"] == row.cell, name].dropna().tolist(),
        )
        for row in records(cells)
    ]
    label = f"{unit} per 1,000 client requests"
    return row_panel(f"claim-offload-{fmt.slug(name)}", title, "fewer is better", label, unit, rows)


def _number(value: float) -> str:
    return fmt.MISSING if fmt.missing(value) else fmt.plain(value, fmt.decimals(value))


def _bill(cells: pd.DataFrame, prices: Prices) -> Panel:
    """One bar per cell, its lines side by side."""
    lines = [Part(line, _WORDS[line], _COLOURS[line]) for line in LINES]
    bars = [Bar(row.series, {line: getattr(row, line) for line in LINES}) for row in records(cells)]
    return stacked_panel("claim-offload-bill", "The month’s bill", f"{prices.currency} a month", "total", lines, bars)


def _table(cells: pd.DataFrame, prices: Prices | None) -> Table:
    names: Sequence[tuple[str, str]] = [
        ("origin_requests", "Requests to the origin"),
        ("origin_kb", "kB from the origin"),
        ("cpu_s", "CPU s of the origin"),
        ("edge_kb", "kB to clients"),
    ]
    caption = "Per 1,000 client requests"
    if prices is not None:
        money = prices.currency
        names = [*names, *((line, f"{_WORDS[line]}, {money}") for line in LINES), ("total", f"total, {money}")]
        caption += f", and {money} a month for {prices.month_requests:,.0f} requests"

    def words(row: SimpleNamespace) -> tuple[str, ...]:
        ttl: Any = row.ttl_s
        cell = ", ".join(part for part in (row.series, "" if pd.isna(ttl) else fmt.ttl(int(ttl))) if part)
        return (cell, *(_number(getattr(row, name)) for name, _ in names))

    return Table(caption, ("Cell", *(head for _, head in names)), tuple(words(row) for row in records(cells)))
