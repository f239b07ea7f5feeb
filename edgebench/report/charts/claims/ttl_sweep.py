"""Hit ratio and offload against the TTL: measured, ideal, and what the closed form says of the long run."""

from __future__ import annotations

import math

import pandas as pd

from edgebench.analysis.claims import Judged
from edgebench.analysis.weighing import records
from edgebench.report import format as fmt
from edgebench.report.charts.claims.tradeoff import (
    LINE_RIGHT_PT,
    Line,
    draw_lines,
    limits_of,
    place,
    styles_of,
    ttl_ticks,
)
from edgebench.report.figure import panel, percent_axis
from edgebench.report.palette import INK, MUTED, TierStyle
from edgebench.report.parts import Chart, Panel, Table

_ROUND_S = (10.0, 120.0)
"""Ticks between those that were measured, for the line that was worked out."""


def draw(judged: Judged) -> list[Chart]:
    points, trials, curve = (judged.tables.get(name) for name in ("points", "trials", "curve"))
    if points is None or trials is None or curve is None or points.empty:
        return []
    styles = styles_of(points)
    panels = tuple(
        _panel(rows, trials[trials["series"] == series], curve[curve["series"] == series], styles[rows["tier"].iloc[0]])
        for series, rows in points.groupby("series", sort=False)
    )
    believed = judged.facts.get("agrees", True)
    note = (
        "Hollow: the TTL is longer than the window, so nothing expired in it; such a point shows a cache lately "
        "filled, which still fetches for the first time what is seldom asked for. The long run is worked out, not "
        "measured, where no filled mark lies on it."
    )
    if not believed:
        note += " The closed form does not agree with what was measured, so it is no prediction here."
    return [
        Chart(
            "ttl-sweep",
            _title(judged),
            "Share of the cacheable requests answered from store, and of all requests spared the origin. Thin line: "
            "what a cache with this expiry rule hits in the long run, λT/(1 + λT) over the popularity of the keys. "
            "Stroke: the ideal cache under the very requests. Small dot = one trial, bar = 95 % interval from "
            f"{points['trials'].max()} trials.",
            panels,
            _table(points),
            note,
        )
    ]


def _title(judged: Judged) -> str:
    caches = judged.facts.get("caches") or []
    if not caches:
        return "Hit ratio against TTL"
    cache = max(caches, key=lambda one: one.hit_ratio.value)
    title = f"{cache.name} answers {fmt.number(cache.hit_ratio.value, 'ratio')} from store at TTL {cache.ttl_s:g} s"
    if judged.facts.get("agrees") and cache.enough_s is not None:
        title += f"; beyond about {float(f'{cache.enough_s:.2g}'):g} s a longer TTL brings little"
    return title


def _panel(rows: pd.DataFrame, trials: pd.DataFrame, curve: pd.DataFrame, style: TierStyle) -> Panel:
    series = str(rows["series"].iloc[0])
    figure, (axes,) = panel(
        series, "● hit ratio · ■ offload · hollow: not expired", "share of requests", "TTL, log scale",
        height_pt=290, left_pt=46, right_pt=LINE_RIGHT_PT,
    )  # fmt: skip
    ttls_s = rows["ttl_s"].tolist()
    ttl_ticks(axes, [*ttls_s, *(round_s for round_s in _ROUND_S if min(ttls_s) < round_s < max(ttls_s))])
    percent_axis(axes)
    inside = rows[rows["expires"]]
    lines = [
        Line("long run", curve["ttl_s"].tolist(), curve["long_run"].tolist(), INK, dash=(4, 2)),
        _line(rows, inside, trials, "offload", "■ offload", "#7a7f87", "s"),
        _line(rows, inside, trials, "hit_ratio", "● hit ratio", style.colour, "o"),
    ]
    draw_lines(axes, lines)
    for row in records(rows):
        if not math.isnan(row.ideal):
            at = place(row.ttl_s)
            axes.plot([at - 0.07, at + 0.07], [row.ideal, row.ideal], color=MUTED, linewidth=1.6)
    return Panel(f"ttl-sweep-{fmt.slug(series)}", f"Hit ratio and offload against TTL, {series}", figure)


def _line(
    rows: pd.DataFrame, inside: pd.DataFrame, trials: pd.DataFrame, name: str, words: str, colour: str, marker: str
) -> Line:
    known = rows[rows[name].notna()]
    dots = [(float(ttl), float(value)) for ttl, value in zip(trials["ttl_s"], trials[name], strict=True)]
    return Line(
        words, known["ttl_s"].tolist(), known[name].tolist(), colour, marker, intervals=limits_of(known, name),
        dots=dots, hollow=(~known["expires"]).tolist(), until=int(known["ttl_s"].isin(inside["ttl_s"]).sum()),
    )  # fmt: skip


def _table(points: pd.DataFrame) -> Table:
    def share(row: object, name: str) -> str:
        value, low, high = (getattr(row, f"{name}{end}") for end in ("", "_low", "_high"))
        limits = "" if fmt.missing(low) else f" ({100 * low:.1f} to {100 * high:.1f})"
        return f"{fmt.number(value, 'ratio')}{limits}".replace("-", "−")

    rows = tuple(
        (
            f"{row.series}, {fmt.ttl(int(row.ttl_s))}" + ("" if row.expires else ", not expired"),
            share(row, "hit_ratio"),
            share(row, "offload"),
            fmt.number(row.ideal, "ratio"),
            fmt.number(row.long_run, "ratio"),
            fmt.plain(100 * row.off, 1) if row.expires else fmt.MISSING,
        )
        for row in records(points)
    )
    heads = ("Cell", "Hit ratio", "Offload", "Ideal", "Long run", "Measured − long run, points")
    return Table("Hit ratio and offload against TTL", heads, rows)
