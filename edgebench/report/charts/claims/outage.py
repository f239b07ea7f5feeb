"""An outage over time: good answers and how stale they are, a panel per cache with Flask alone beside it."""

from __future__ import annotations

import pandas as pd

from edgebench.analysis.claims import Judged
from edgebench.analysis.claims.outage import GOOD, IN_TIME_MS
from edgebench.report import format as fmt
from edgebench.report.charts.claims.timelines import Plot, Scale, Series, View, series_of, timelines, typical
from edgebench.report.charts.claims.tradeoff import styles_of
from edgebench.report.palette import BASELINE_DASH, INK
from edgebench.report.parts import Chart, Table

_PLAIN_DASH = (1.4, 1.4)
"""Of a cache that may not serve stale answers."""


def draw(judged: Judged) -> list[Chart]:
    timeline, episodes = judged.tables.get("timeline"), judged.tables.get("episodes")
    if timeline is None or episodes is None or timeline.empty:
        return []
    direct = judged.facts["direct"]
    cached = timeline[~timeline["cell"].isin(direct)]
    alone = timeline[timeline["cell"].isin(direct)]
    tiers = list(dict.fromkeys(cached["tier"] if len(cached) else timeline["tier"]))
    styles = styles_of(timeline, judged.facts["kinds"])
    views = [
        _view(
            timeline[timeline["tier"] == tier], alone, episodes[episodes["tier"] == tier], judged, styles[tier].colour
        )
        for tier in tiers
    ]
    trials = fmt.plural(int(episodes.groupby("cell")["repeat"].nunique().max()), "trial")
    return [
        Chart(
            "outage",
            _title(episodes, direct),
            "The origin fails in the shaded times. Above: share of requests answered well, within "
            f"{IN_TIME_MS / 1000:g} s, by when they were due, in quarters of a second. Below: how long past its TTL "
            f"the oldest good answer from store was. Line = median of {trials}, band = the lowest to the "
            "highest of them; dashed: Flask alone.",
            timelines(views),
            _table(episodes, direct),
            "Caches that reckon in whole seconds serve answers up to 1 s past their TTL without any leave.",
        )
    ]


def _title(episodes: pd.DataFrame, direct: set[str]) -> str:
    sums = episodes.groupby("cell", sort=False)[["requests", "good_count"]].sum()
    good = sums["good_count"] / sums["requests"].clip(lower=1)
    stale = [cell for cell in episodes.loc[episodes["may_be_stale"], "cell"].unique() if cell in good.index]
    if not stale or not direct & set(good.index):
        return "Good answers while the origin fails"
    best = max(stale, key=lambda cell: float(good[cell]))
    tier = episodes.loc[episodes["cell"] == best, "tier"].iloc[0]
    alone = fmt.number(float(good[sorted(direct & set(good.index))].mean()), "ratio")
    share = fmt.number(float(good[best]), "ratio")
    return (
        f"While its origin failed, {tier} with leave to serve stale answers answered {share} well, Flask alone {alone}"
    )


def _view(mine: pd.DataFrame, alone: pd.DataFrame, episodes: pd.DataFrame, judged: Judged, colour: str) -> View:
    tier = str(mine["tier"].iloc[0])
    variants = list(dict.fromkeys(mine["variant"]))

    def lines(value: str) -> tuple[Series, ...]:
        found = []
        for variant in variants:
            rows = mine[mine["variant"] == variant]
            dash = () if rows["may_be_stale"].all() else _PLAIN_DASH
            found.append(series_of(rows, value, variant or tier, colour, dash=dash))
        return tuple(found)

    beside = (series_of(alone, "good", "alone", INK, dash=BASELINE_DASH),) if len(alone) else ()
    if set(mine["cell"]) & judged.facts["direct"]:
        beside = ()
    shades = typical([trial for cell in dict.fromkeys(mine["cell"]) for trial in judged.facts["shades"][cell]])
    return View(
        f"outage-{fmt.slug(tier)}",
        tier,
        _head(episodes),
        (
            Plot("good answers", Scale.SHARE, (*beside, *lines("good")), height=1.2),
            Plot("past the TTL, s", Scale.COUNT, lines("staleness_s")),
        ),
        shades,
    )


def _head(episodes: pd.DataFrame) -> str:
    """`good in failures: plain 41.0 % · stale 99.8 %`."""
    parts = []
    for variant, rows in episodes.groupby("variant", sort=False):
        share = float(rows["good_count"].sum() / max(rows["requests"].sum(), 1))
        parts.append(f"{variant} {fmt.number(share, 'ratio')}".strip())
    return f"good in failures: {' · '.join(parts)}"


def _table(episodes: pd.DataFrame, direct: set[str]) -> Table:
    rows: list[tuple[str, ...]] = []
    wrong: list[tuple[int, int]] = []
    for (cell, word), mine in episodes.groupby(["cell", "episode"], sort=False):
        good, back = float(mine["good"].mean()), mine["recovered_s"]
        if mine["may_be_stale"].all() and good < GOOD:
            wrong.append((len(rows), 2))
        rows.append(
            (
                str(mine["tier" if cell in direct else "series"].iloc[0]),
                str(word),
                fmt.number(good, "ratio", with_unit=False),
                fmt.number(float(mine["stale"].fillna(0).mean()), "ratio", with_unit=False),
                fmt.number(float(mine["staleness_s"].max()), "s", with_unit=False),
                fmt.number(float(back.mean()), "s", with_unit=False) if back.notna().all() else "not before the next",
            )
        )
    columns = (
        "Cell",
        "Failure",
        "Good answers, %",
        "Of them stale, %",
        "Past the TTL at most, s",
        "Recovered after, s",
    )
    return Table("Each failure, mean of the trials", columns, tuple(rows), frozenset(wrong))
