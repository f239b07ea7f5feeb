"""Who waits for a refresh: requests for what is refreshed, by when they came, and the next on the same connection."""

from __future__ import annotations

import pandas as pd

from edgebench.analysis.claims import Judged
from edgebench.analysis.claims.swr import connections_of
from edgebench.analysis.wording import condition
from edgebench.report import format as fmt
from edgebench.report.charts.claims.timelines import Plot, Scale, Series, Shade, View, series_of, timelines
from edgebench.report.charts.claims.tradeoff import Row, known, row_panel, styles_of
from edgebench.report.palette import INK
from edgebench.report.parts import Chart, Table

_FEW_DASH = (1.4, 1.4)
_WITHOUT_DASH = (4.0, 2.0)


def draw(judged: Judged) -> list[Chart]:
    aligned, trials = judged.tables.get("aligned"), judged.tables.get("trials")
    if aligned is None or trials is None or aligned.empty:
        return []
    nexts = _next_chart(trials, judged)
    return [_around_chart(aligned, trials, judged), *([nexts] if nexts is not None else [])]


def _around_chart(aligned: pd.DataFrame, trials: pd.DataFrame, judged: Judged) -> Chart:
    styles = styles_of(aligned, judged.facts["kinds"])
    shade = Shade(0.0, judged.facts["refresh_ms"], "refresh")
    views = [
        _view(str(tier), rows, trials[trials["tier"] == tier], styles[str(tier)].colour, shade)
        for tier, rows in aligned.groupby("tier", sort=False)
    ]
    return Chart(
        "swr-around",
        _title(trials),
        "99th percentile of latency of the requests for a product, by when they were sent since its refresh began at "
        "the origin, 10 ms a step; shaded: while a refresh runs, in the median. Line = median of "
        f"{fmt.plural(int(trials.groupby('cell').size().max()), 'trial')}, band = the lowest to the highest of them. "
        "few: over few connections.",
        timelines(views, x_label="ms since the refresh began"),
        _table(trials),
    )


def _view(tier: str, aligned: pd.DataFrame, trials: pd.DataFrame, colour: str, shade: Shade) -> View:
    lines: list[Series] = []
    heads: list[str] = []
    most = aligned.loc[aligned["may_be_stale"], "users"].max()
    several = aligned["ttl_s"].nunique() > 1
    for cell, rows in aligned.groupby("cell", sort=False):
        name = str(rows["variant"].iloc[0]) or tier
        if several:
            name = f"{name} {condition(float(rows['ttl_s'].iloc[0]))}"
        stale, few = bool(rows["may_be_stale"].all()), bool((rows["users"] < most).all())
        dash = _FEW_DASH if few and stale else () if stale else _WITHOUT_DASH
        lines.append(series_of(rows, "p99_ms", name, colour if stale else INK, dash=dash))
        p99_ms = float(trials.loc[trials["cell"] == cell, "around_p99_ms"].mean())
        heads.append(f"{name} {fmt.duration_ms(p99_ms)}")
    return View(
        f"swr-{fmt.slug(tier)}",
        tier,
        f"p99 around: {' · '.join(heads)}",
        (Plot("latency p99, log scale", Scale.LATENCY, tuple(lines)),),
        (shade,),
    )


def _title(trials: pd.DataFrame) -> str:
    """Of the cache that gains most, over as many connections as there are."""
    gains: dict[str, tuple[float, float]] = {}
    for tier, rows in trials.groupby("tier", sort=False):
        stale = rows[rows["may_be_stale"]]
        many = stale[stale["users"] == stale["users"].max()]
        strict = rows[~rows["may_be_stale"]]
        if len(many) and len(strict):
            gains[str(tier)] = float(strict["around_p99_ms"].mean()), float(many["around_p99_ms"].mean())
    if not gains:
        return "Latency around refreshes"
    best = max(gains, key=lambda tier: gains[tier][0] / gains[tier][1])
    without, with_it = (fmt.duration_ms(value) for value in gains[best])
    return f"Around a refresh, stale-while-revalidate takes {best}’s p99 from {without} to {with_it}"


def _next_chart(trials: pd.DataFrame, judged: Judged) -> Chart | None:
    stale = trials[trials["may_be_stale"] & trials["held"].notna()]
    if stale.empty:
        return None
    styles = styles_of(trials, judged.facts["kinds"])
    rows = []
    for _, mine in stale.groupby("series", sort=False):
        tier = str(mine["tier"].iloc[0])
        others = known(float(mine["others_ms"].mean()))
        rows.append(
            Row(
                connections_of(mine).replace(" over ", ", ").replace("connections", "conn."),
                known(float(mine["next_ms"].mean())),
                fmt.duration_ms(float(mine["next_ms"].mean())),
                styles[tier],
                dots=[float(value) for value in mine["next_ms"]],
                beside={} if others is None else {"others": others},
            )
        )
    slowest = max(rows, key=lambda row: row.value or 0.0)
    return Chart(
        "swr-next",
        f"The next request on the connection that set a refresh off took {slowest.words} with {slowest.name}",
        "Median service time of requests sent on a connection while the refresh ran that the request before them on it "
        "had set off; stroke: requests answered from store on other connections meanwhile. Small dot = one trial. Only "
        "where the connections are used again in that time.",
        (
            row_panel(
                "swr-next", "Next on the same connection", "mark: the next · stroke: others", "ms", "median", rows
            ),
        ),
    )


def _table(trials: pd.DataFrame) -> Table:
    rows = []
    for series, mine in trials.groupby("series", sort=False):
        held = mine["held"] if mine["may_be_stale"].all() else mine["held"] * float("nan")
        rows.append(
            (
                str(series),
                fmt.number(float(mine["refreshes"].mean()), "count"),
                fmt.number(float(mine["around_p99_ms"].mean()), "ms", with_unit=False),
                fmt.number(float(mine["beyond_p99_ms"].mean()), "ms", with_unit=False),
                fmt.number(float(mine["all_p99_ms"].mean()), "ms", with_unit=False),
                fmt.number(float(held.mean()), "ratio", with_unit=False) if held.notna().all() else fmt.MISSING,
            )
        )
    columns = ("Cell", "Refreshes", "p99 around, ms", "p99 of the rest, ms", "p99 of all, ms", "Next held up, %")
    return Table("Refreshes, mean of the trials", columns, tuple(rows))
