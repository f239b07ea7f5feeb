"""Offload and outdated answers: against the TTL per cache and endpoint, and against each other."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pandas as pd

from edgebench.analysis.claims import Judged
from edgebench.analysis.claims.ttl_advice import MOST, TOLERATED
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
from edgebench.report.figure import from_zero, halo, panel, percent_axis, ticks
from edgebench.report.palette import INK, PAPER, TierStyle
from edgebench.report.parts import Chart, Panel, Table

_OUTDATED = "#cc79a7"


def draw(judged: Judged) -> list[Chart]:
    tables = [judged.tables.get(name) for name in ("points", "advice", "choices", "trials")]
    points, advice, choices, trials = tables
    if points is None or advice is None or choices is None or trials is None or points.empty:
        return []
    styles = styles_of(points)
    endpoints = list(dict.fromkeys(points["endpoint"]))
    rate = judged.facts.get("changes_per_s", 0.0)
    what = (
        f"Products changed {rate:.2g} times a second behind the cache's back. Outdated: the origin had given a newer "
        f"version before the answer was asked for, by its ledger. {points['trials'].max()} trials per cell."
    )
    return [
        Chart(
            "ttl-advice",
            _title(advice),
            "Each point is a TTL: what it spares the origin, against the share of answers it leaves outdated. Filled: "
            f"the shortest with {100 * MOST:g} % of the offload of the longest. Dashed: {100 * TOLERATED:g} % "
            f"outdated. {what}",
            tuple(_tradeoff(points, advice, endpoint, styles) for endpoint in endpoints),
            _choice_table(choices),
        ),
        Chart(
            "ttl-advice-ttl",
            _ends(points),
            f"Both against the TTL; the dashed line is the advised one. Bar = 95 % interval. {what}",
            tuple(
                _against_ttl(rows, trials, _one(advice, *map(str, key)), styles[rows["tier"].iloc[0]])
                for key, rows in points.groupby(["series", "endpoint"], sort=False)
                if isinstance(key, tuple)
            ),
            _point_table(points),
        ),
    ]


def _one(advice: pd.DataFrame, series: str, endpoint: str) -> SimpleNamespace:
    return records(advice[(advice["series"] == series) & (advice["endpoint"] == endpoint)])[0]


def _title(advice: pd.DataFrame) -> str:
    rows = [one for one in records(advice) if one.series == advice["series"].iloc[0]]
    parts = [f"{one.ttl_s:g} s for {one.endpoint}" for one in rows]
    worst = max(rows, key=lambda one: one.outdated.value)
    outdated = fmt.number(worst.outdated.value, "ratio")
    return f"Most of the gain is had at a TTL of {', '.join(parts)}; up to {outdated} of the answers are outdated there"


def _ends(points: pd.DataFrame) -> str:
    """What the ends of the first cache's first endpoint say."""
    first = points.iloc[0]
    rows = records(points[(points["series"] == first["series"]) & (points["endpoint"] == first["endpoint"])])
    low, high = rows[0], rows[-1]
    offload, outdated = (
        f"{fmt.number(getattr(low, name), 'ratio')} to {fmt.number(getattr(high, name), 'ratio')}"
        for name in ("offload", "outdated")
    )
    return (
        f"From TTL {low.ttl_s:g} s to {high.ttl_s:g} s, the offload of {low.endpoint} goes from {offload}, and its "
        f"outdated answers from {outdated} ({low.series})"
    )


def _tradeoff(points: pd.DataFrame, advice: pd.DataFrame, endpoint: str, styles: dict[str, TierStyle]) -> Panel:
    mine = points[points["endpoint"] == endpoint]
    figure, (axes,) = panel(
        endpoint, "numbers are TTLs in seconds", "share spared the origin", "share of answers outdated",
        height_pt=280, left_pt=46, right_pt=LINE_RIGHT_PT - 16,
    )  # fmt: skip
    from_zero(axes, "x", max(float(mine["outdated"].max()) * 1.05, TOLERATED * 1.5))
    values = [tick for tick in axes.get_xticks() if tick >= 0]
    ticks(axes, "x", values, lambda value: f"{value * 100:.3g} %")
    percent_axis(axes)
    axes.axvline(TOLERATED, color=INK, linewidth=1.0, linestyle=(0, (3, 2)), alpha=0.6)
    ends = []
    for series, rows in mine.groupby("series", sort=False):
        style, advised = styles[rows["tier"].iloc[0]], _one(advice, str(series), endpoint).ttl_s
        axes.plot(rows["outdated"], rows["offload"], color=style.colour, linewidth=1.5)
        for row in records(rows):
            face = style.colour if row.ttl_s == advised else PAPER
            axes.plot(row.outdated, row.offload, style.marker, color=style.colour, markersize=8, markerfacecolor=face,
                      markeredgewidth=1.5)  # fmt: skip
            axes.annotate(f"{row.ttl_s:g}", (row.outdated, row.offload), xytext=(0, -13), textcoords="offset points",
                          fontsize=10, color=style.colour, ha="center", va="center")  # fmt: skip
        ends.append((str(series), float(rows["offload"].iloc[-1]), style.colour))
    frame = axes.get_window_extent()
    for at, (series, value, colour) in enumerate(ends):
        y = float(axes.transData.transform((0, value))[1] - frame.y0) - 14 * at
        halo(axes, frame.width + 4, y, fmt.clip(series, 12), colour)
    return Panel(f"ttl-advice-{fmt.slug(endpoint)}", f"Offload against outdated answers, {endpoint}", figure)


def _against_ttl(rows: pd.DataFrame, trials: pd.DataFrame, advised: SimpleNamespace, style: TierStyle) -> Panel:
    first = records(rows)[0]
    mine = trials[(trials["series"] == first.series) & (trials["endpoint"] == first.endpoint)]
    figure, (axes,) = panel(
        f"{first.series}, {first.endpoint}", f"advised: TTL {advised.ttl_s:g} s", "share", "TTL, log scale",
        height_pt=270, left_pt=46, right_pt=LINE_RIGHT_PT,
    )  # fmt: skip
    ttl_ticks(axes, rows["ttl_s"].tolist())
    percent_axis(axes)
    axes.axvline(place(advised.ttl_s), color=INK, linewidth=1.0, linestyle=(0, (3, 2)), alpha=0.6)
    lines = []
    for name, colour, marker, words in (
        ("offload", style.colour, style.marker, "spared"),
        ("outdated", _OUTDATED, "v", "▼ outdated"),
    ):
        dots = [(float(ttl), float(value)) for ttl, value in zip(mine["ttl_s"], mine[name], strict=True)]
        dots = [dot for dot in dots if not math.isnan(dot[1])]
        lines.append(
            Line(words, rows["ttl_s"].tolist(), rows[name].tolist(), colour, marker, intervals=limits_of(rows, name),
                 dots=dots)
        )  # fmt: skip
    draw_lines(axes, lines)
    slug = f"ttl-advice-{fmt.slug(first.series)}-{fmt.slug(first.endpoint)}"
    return Panel(slug, f"Offload and outdated answers against TTL, {first.series}, {first.endpoint}", figure)


def _choice_table(choices: pd.DataFrame) -> Table:
    def words(row: SimpleNamespace) -> str:
        if math.isnan(row.ttl_s):
            return "none measured"
        return f"TTL {row.ttl_s:g} s, {fmt.number(row.offload, 'ratio')} offload"

    tolerances = list(dict.fromkeys(choices["tolerated"]))
    rows = []
    for (series, endpoint), mine in choices.groupby(["series", "endpoint"], sort=False):
        rows.append((f"{series}, {endpoint}", *(words(row) for row in records(mine))))
    heads = tuple(f"At most {100 * tolerated:g} % outdated" for tolerated in tolerances)
    return Table("The longest TTL for what you tolerate", ("Cache, endpoint", *heads), tuple(rows))


def _point_table(points: pd.DataFrame) -> Table:
    def share(row: SimpleNamespace, name: str) -> str:
        value, low, high = (getattr(row, f"{name}{end}") for end in ("", "_low", "_high"))
        limits = "" if fmt.missing(low) else f" ({100 * low:.1f} to {100 * high:.1f})"
        return f"{fmt.number(value, 'ratio')}{limits}"

    rows = tuple(
        (
            f"{row.series}, {row.endpoint}, TTL {row.ttl_s:g} s",
            share(row, "offload"),
            share(row, "outdated"),
            fmt.MISSING if math.isnan(row.outdated_s) else f"{row.outdated_s:.2f} s",
        )
        for row in records(points)
    )
    return Table("Offload and outdated answers", ("Cell", "Offload", "Outdated", "Outdated for (median)"), rows)
