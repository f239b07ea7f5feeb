"""Who answers what the cache fetches, the app or the bucket, and how long a static file takes: a row per set-up."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd

from edgebench.analysis.claims import Judged
from edgebench.analysis.weighing import records
from edgebench.report import format as fmt
from edgebench.report.charts.claims.stacked import Bar, Part, stacked_panel
from edgebench.report.charts.claims.tradeoff import Row, known, row_panel, styles_of
from edgebench.report.parts import Chart, Panel, Table

_FETCHED = (
    Part("pages", "app: pages, API", "#0072b2"),
    Part("app_static", "app: static", "#d55e00"),
    Part("bucket_requests", "bucket", "#009e73"),
)
_CPU = (
    Part("app_cpu_s", "app", "#0072b2"),
    Part("bucket_cpu_s", "bucket", "#009e73"),
    Part("tier_cpu_s", "cache", "#cc79a7"),
)


def draw(judged: Judged) -> list[Chart]:
    cells, trials = judged.tables.get("cells"), judged.tables.get("trials")
    if cells is None or trials is None or cells.empty:
        return []
    rows = records(cells)
    panels = [
        stacked_panel(
            "object-storage-requests", "Who is asked", "requests per 1,000 of clients", "all", _FETCHED,
            [Bar(row.series, _fetched(row)) for row in rows],
        )
    ]  # fmt: skip
    if cells["app_cpu_s"].notna().any():
        bars = [Bar(row.series, {part.name: float(getattr(row, part.name)) for part in _CPU}) for row in rows]
        panels.append(
            stacked_panel(
                "object-storage-cpu", "CPU time", "CPU seconds per 1,000 requests of clients", "s", _CPU, bars
            )
        )
    panels.append(_time(cells, trials))
    return [
        Chart(
            "object-storage",
            _title(judged, cells),
            "What the cache fetched, by the app’s ledger and the bucket’s own log; the CPU time of their processes; "
            "the median latency of a static file. Small dot = one trial, bar = 95 % interval from "
            f"{fmt.plural(int(cells['trials'].max()), 'trial')}.",
            tuple(panels),
            _table(rows),
            "The bucket’s CPU time includes its log, which says every request in several lines.",
        )
    ]


def _fetched(row: SimpleNamespace) -> dict[str, float]:
    return {
        "pages": float(row.app_requests - row.app_static),
        "app_static": float(row.app_static),
        "bucket_requests": float(row.bucket_requests),
    }


def _title(judged: Judged, cells: pd.DataFrame) -> str:
    pairs = judged.facts.get("pairs", [])
    if not pairs:
        return "Who answers what the cache has to fetch"
    by_id = {row.cell: row for row in records(cells)}
    with_it, without = by_id[pairs[0][0]], by_id[pairs[0][1]]
    here, there = (fmt.plain(row.app_requests, fmt.decimals(row.app_requests)) for row in (with_it, without))
    return f"Of 1,000 requests {here} reach the app with {with_it.series}, {there} with {without.series}"


def _time(cells: pd.DataFrame, trials: pd.DataFrame) -> Panel:
    kinds = {row.tier: "direct" if row.direct else row.tier for row in records(cells)}
    styles = styles_of(cells, kinds)
    rows = [
        Row(
            row.series, known(row.static_ms), fmt.plain(row.static_ms, fmt.decimals(row.static_ms)), styles[row.tier],
            known(row.static_ms_low), known(row.static_ms_high),
            trials.loc[trials["cell"] == row.cell, "static_ms"].tolist(), hollow=not row.bucket,
        )
        for row in records(cells)
    ]  # fmt: skip
    return row_panel(
        "object-storage-time", "A static file", "filled: from the bucket", "median latency, ms", "ms", rows
    )


def _table(rows: list[SimpleNamespace]) -> Table:
    names = (
        ("app_requests", "At the app"), ("app_static", "of them static"), ("bucket_requests", "At the bucket"),
        ("app_kb", "kB from the app"), ("bucket_kb", "kB from the bucket"), ("app_cpu_s", "App CPU, s"),
        ("bucket_cpu_s", "Bucket CPU, s"), ("tier_cpu_s", "Cache CPU, s"), ("static_ms", "Static file, ms"),
        ("static_kb", "Static file, kB"),
    )  # fmt: skip

    def figure(value: float) -> str:
        return fmt.MISSING if fmt.missing(value) else fmt.plain(value, fmt.decimals(value))

    body = tuple((row.series, *(figure(getattr(row, name)) for name, _ in names)) for row in rows)
    return Table("Per 1,000 client requests; means of the trials", ("Set-up", *(head for _, head in names)), body)
