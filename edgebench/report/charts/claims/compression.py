"""What codings leave on the wire, when the page is there, and the CPU time they take: a row per set-up."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd

from edgebench.analysis.claims import Judged
from edgebench.analysis.claims.compression import KINDS, PLAIN
from edgebench.analysis.weighing import records
from edgebench.model import LOOPBACK
from edgebench.report import format as fmt
from edgebench.report.charts.claims.stacked import Bar, Part, stacked_panel
from edgebench.report.charts.claims.tradeoff import Row, known, row_panel, styles_of
from edgebench.report.parts import Chart, Panel, Table

_CONTENT = (
    Part("html", "HTML", "#0072b2"),
    Part("json", "JSON", "#d55e00"),
    Part("code", "style, script", "#009e73"),
    Part("pictures", "pictures", "#cc79a7"),
)
_MEMBERS = {"html": ("html",), "json": ("json",), "code": ("css", "js"), "pictures": ("svg", "image")}
_CPU = (Part("origin_cpu_s", "origin", "#d55e00"), Part("tier_cpu_s", "edge", "#0072b2"))


def draw(judged: Judged) -> list[Chart]:
    cells, trials = judged.tables.get("cells"), judged.tables.get("trials")
    if cells is None or trials is None or cells.empty:
        return []
    rows = records(cells)
    panels = [
        stacked_panel(
            "compression-bytes", "Bytes of a page", "kB on the wire, one answer of each kind", "kB", _CONTENT,
            [Bar(_name(row), _bytes(row)) for row in rows],
        ),
        _time(cells, trials),
    ]  # fmt: skip
    if cells["origin_cpu_s"].notna().any():
        panels.append(
            stacked_panel(
                "compression-cpu", "CPU time", "CPU seconds per 1,000 requests", "s", _CPU,
                [Bar(_name(row), {part.name: float(getattr(row, part.name)) for part in _CPU}) for row in rows],
            )
        )  # fmt: skip
    return [
        Chart(
            "compression",
            _title(cells),
            f"One answer of each kind makes a page. The page is there after the HTML and the slowest of what it names "
            f"(medians){_on(cells)}. Small dot = one trial, bar = 95 % interval from "
            f"{fmt.plural(int(cells['trials'].max()), 'trial')}.",
            tuple(panels),
            _table(rows),
        )
    ]


def _name(row: SimpleNamespace) -> str:
    return f"{row.tier}: {', '.join(part for part in (row.coding, row.where) if part)}"


def _on(cells: pd.DataFrame) -> str:
    networks = [name for name in dict.fromkeys(cells["network"]) if name != LOOPBACK]
    return f", on the network {' and '.join(networks)}" if networks else ""


def _bytes(row: SimpleNamespace) -> dict[str, float]:
    return {name: sum(float(getattr(row, f"kb_{kind}")) for kind in kinds) for name, kinds in _MEMBERS.items()}


def _title(cells: pd.DataFrame) -> str:
    coded = cells[(cells["coding"] != PLAIN) & cells.get("bytes_ratio", pd.Series(dtype=float)).notna()]
    if coded.empty:
        return "Bytes, time and CPU by content coding"
    least = coded[coded["bytes_ratio"].round(2) == coded["bytes_ratio"].round(2).min()]
    best = records(least.sort_values("time_ratio").head(1))[0]
    left, time = fmt.number(best.bytes_ratio, "ratio"), best.time_ratio
    faster = f"; the page takes {fmt.number(time, 'ratio')} of the time" if known(time) is not None else ""
    behind = f" behind {best.tier}" if best.where == "origin" and best.tier != "direct" else ""
    return f"{best.coding} at the {best.where}{behind} leaves {left} of a page’s bytes{faster}"


def _time(cells: pd.DataFrame, trials: pd.DataFrame) -> Panel:
    styles = styles_of(cells)
    rows = [
        Row(
            _name(row), known(row.page_ms), fmt.plain(row.page_ms, fmt.decimals(row.page_ms)), styles[row.tier],
            known(row.page_ms_low), known(row.page_ms_high),
            trials.loc[trials["cell"] == row.cell, "page_ms"].tolist(), hollow=row.coding == PLAIN,
        )
        for row in records(cells)
    ]  # fmt: skip
    return row_panel(
        "compression-time", "Until the page is there", "hollow: plain", "ms, HTML and the slowest it names", "ms", rows
    )


def _table(rows: list[SimpleNamespace]) -> Table:
    kinds = {"html": "HTML", "json": "JSON", "css": "style", "js": "script", "svg": "drawing", "image": "photograph"}
    columns = ("Set-up", *(f"{kinds[kind]}, kB" for kind in KINDS.values()), "page, ms", "origin CPU, s", "edge CPU, s")

    def figure(value: float) -> str:
        return fmt.MISSING if fmt.missing(value) else fmt.plain(value, fmt.decimals(value))

    body = tuple(
        (
            _name(row), *(figure(getattr(row, f"kb_{kind}")) for kind in KINDS.values()), figure(row.page_ms),
            figure(row.origin_cpu_s), figure(row.tier_cpu_s),
        )
        for row in rows
    )  # fmt: skip
    return Table("Means of the trials; CPU seconds per 1,000 requests", columns, body)
