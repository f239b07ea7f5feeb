"""A crowd over time: latency, answers in time and requests at the origin, a panel per tier, cold and warm in it."""

from __future__ import annotations

import pandas as pd

from edgebench.analysis.claims import Judged
from edgebench.analysis.claims.flash_crowd import BOUND_MS, IN_TIME_MS
from edgebench.report import format as fmt
from edgebench.report.charts.claims.timelines import Plot, Scale, Series, Shade, View, series_of, timelines
from edgebench.report.charts.claims.tradeoff import styles_of
from edgebench.report.parts import Chart, Table

_DASHES: tuple[tuple[float, ...], ...] = ((), (4.0, 2.0), (1.4, 1.4))
"""Of a tier's variants, in their order."""


def draw(judged: Judged) -> list[Chart]:
    timeline, trials = judged.tables.get("timeline"), judged.tables.get("trials")
    if timeline is None or trials is None or timeline.empty:
        return []
    start_s, end_s = judged.facts["step"]
    shade = Shade(start_s, end_s, f"{judged.facts['factor']:g} × the requests")
    tiers = list(dict.fromkeys(timeline["tier"]))
    trials_of = fmt.plural(int(trials.groupby("cell").size().max()), "trial")
    views = [_view(timeline[timeline["tier"] == tier], trials[trials["tier"] == tier], judged, shade) for tier in tiers]
    return [
        Chart(
            "flash-crowd",
            _title(trials, judged),
            "A crowd comes in the shaded time. From the top: 99th percentile of latency by when a request was due, in "
            f"quarters of a second; share answered well within {IN_TIME_MS / 1000:g} s; most requests the origin "
            f"worked on at once. Line = median of {trials_of}, band = the lowest to the highest of them.",
            timelines(views),
            _table(trials, judged),
            f"Recovered: from when the crowd came until no more than 1 of 100 successive requests was more than "
            f"{BOUND_MS:g} ms slower than the p99 before it.",
        )
    ]


def _title(trials: pd.DataFrame, judged: Judged) -> str:
    direct = judged.facts["direct"]
    alone, cached = trials[trials["cell"].isin(direct)], trials[~trials["cell"].isin(direct)]
    if alone.empty or cached.empty:
        return "A crowd over time"
    worst = float(cached.groupby("cell")["in_time"].mean().min())
    least, by_itself = (fmt.number(value, "ratio") for value in (worst, float(alone["in_time"].mean())))
    caches = "every cache all" if worst == 1 else f"every cache {least} or more"
    return f"Of the crowd, Flask alone answered {by_itself} within {IN_TIME_MS / 1000:g} s, {caches}"


def _view(timeline: pd.DataFrame, trials: pd.DataFrame, judged: Judged, shade: Shade) -> View:
    tier = str(timeline["tier"].iloc[0])
    alone = bool(set(timeline["cell"]) & judged.facts["direct"])
    variants = list(dict.fromkeys(timeline["variant"]))
    rows = {variant: timeline[timeline["variant"] == variant] for variant in variants}

    def lines(value: str, *, stairs: bool = False) -> tuple[Series, ...]:
        style = styles_of(timeline, {tier: "direct"} if alone else None)[tier]
        return tuple(
            series_of(
                rows[variant], value, tier if alone else variant or tier, style.colour,
                dash=style.dash if alone else _DASHES[place % len(_DASHES)], stairs=stairs,
            )
            for place, variant in enumerate(variants)
        )  # fmt: skip

    means = trials.groupby("cell")[["in_time", "reached"]].mean()
    share, reached = (fmt.number(float(of), "ratio") for of in (means["in_time"].min(), means["reached"].max()))
    return View(
        f"flash-crowd-{fmt.slug(tier)}",
        tier,
        f"{share} in time · " + ("all are for Flask" if alone else f"at most {reached} reached Flask"),
        (
            Plot("latency p99, log scale", Scale.LATENCY, lines("p99_ms"), ((IN_TIME_MS, "1 s"),), height=1.3),
            Plot("answered in time", Scale.SHARE, lines("in_time")),
            Plot("at the origin at once", Scale.COUNT, lines("at_once", stairs=True)),
        ),
        (shade,),
    )


def _table(trials: pd.DataFrame, judged: Judged) -> Table:
    rows = []
    for cell, mine in trials.groupby("cell", sort=False):
        back = mine["recovered_s"]
        name = str(mine["tier"].iloc[0]) if cell in judged.facts["direct"] else str(mine["series"].iloc[0])
        rows.append(
            (
                name,
                fmt.number(float(mine["in_time"].mean()), "ratio", with_unit=False),
                fmt.number(float(mine["errors"].mean()), "ratio", with_unit=False),
                fmt.number(float(mine["before_p99_ms"].mean()), "ms", with_unit=False),
                fmt.number(float(mine["crowd_p99_ms"].mean()), "ms", with_unit=False),
                fmt.number(float(mine["reached_count"].mean()), "count"),
                fmt.number(float(mine["at_once"].mean()), "count"),
                fmt.number(float(back.mean()), "s", with_unit=False) if back.notna().all() else "not in the window",
            )
        )
    columns = (
        "Cell", "In time, %", "Errors, %", "p99 before, ms", "p99 of the crowd, ms", "Reached Flask", "At once",
        "Recovered after, s",
    )  # fmt: skip
    return Table("The crowd, mean of the trials", columns, tuple(rows))
