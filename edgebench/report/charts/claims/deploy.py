"""A deployment over time: page views of two releases at once, old files, and the hit ratio; a panel per cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from edgebench.analysis.claims import Judged
from edgebench.analysis.claims.deploy import HASHED, PLAIN, PURGED, of, plain
from edgebench.analysis.weighing import clipped, estimate_of
from edgebench.report import format as fmt
from edgebench.report.charts.claims.timelines import Plot, Scale, Series, Shade, View, series_of, timelines, typical
from edgebench.report.charts.claims.tradeoff import spoken
from edgebench.report.parts import Chart, Table

_LOOKS: Mapping[str, tuple[str, tuple[float, ...], str]] = {
    PLAIN: ("#d55e00", (3, 1.2), "plain names"),
    PURGED: ("#cc79a7", (7, 1.6, 1.4, 1.6), "plain, purged"),
    HASHED: ("#009e73", (), "hashed names"),
}
_LABELS = {PLAIN: "plain", PURGED: "purged", HASHED: "hashed"}


def draw(judged: Judged) -> list[Chart]:
    """Nothing where no deployment went through."""
    trials, bins = judged.tables["trials"], judged.tables["bins"]
    if trials.empty or bins.empty:
        return []
    tiers = [tier for tier in dict.fromkeys(trials["tier"]) if len(plain(trials, tier))] or list(trials["tier"])
    views = tuple(_view(tier, trials, bins, judged.facts) for tier in dict.fromkeys(tiers))
    most = int(trials.groupby("cell").size().max())
    return [
        Chart(
            "deploy",
            _title(trials, list(dict.fromkeys(tiers)), float(judged.facts.get("window_s", 0.0))),
            "Each half second: share of page views that had a file of another release than their page (above), with "
            "anything old after the deployment (middle), and the hit ratio of static files (below). The shaded time is "
            "the deployment: from the order to replace the app until no process of the old release was left. Line = "
            f"median of {fmt.plural(most, 'trial')}, band = lowest to highest.",
            timelines(views),
            _table(trials),
            "Visitors are new, or come back a day later; whoever comes back sooner has old files under plain names in "
            "the browser's own cache, too, and no purge reaches those.",
        )
    ]


def _title(trials: pd.DataFrame, tiers: Sequence[str], window_s: float) -> str:
    hashed = trials[(trials["variant"] == HASHED) & trials["tier"].isin(tiers)]
    mixed, views = hashed["mixed_after"].sum(), hashed["views_after"].sum()
    shares = [clipped(estimate_of(plain(trials, tier), "mixed", "ratio")).value for tier in tiers]
    known = [share for share in shares if share is not None]
    names = f"Hashed names: {'no' if not mixed else f'{mixed:,.0f}'} mixed page in {fmt.plural(int(views), 'view')}"
    if not known:
        return names
    low, high = (fmt.number(share, "ratio") for share in (min(known), max(known)))
    return (
        f"{names}. Plain names: {low if low == high else f'{low} to {high}'} in the {window_s:g} s after a deployment"
    )


def _view(tier: str, trials: pd.DataFrame, bins: pd.DataFrame, facts: Mapping[str, Any]) -> View:
    shown = [variant for variant in _LOOKS if len(of(bins, tier, variant))]
    spans = [
        [(start_s, end_s, "deployment") for start_s, end_s in trial]
        for series in dict.fromkeys(trials.loc[trials["tier"] == tier, "series"])
        for trial in facts["shades"].get(series, [])
    ]
    plots = (
        Plot("mixed page views", Scale.SHARE, _lines(bins, tier, shown, "mixed")),
        Plot("something old", Scale.SHARE, _lines(bins, tier, shown, "old"), height=0.8),
        Plot("hit ratio of static files", Scale.SHARE, _lines(bins, tier, shown, "hit"), height=0.8),
    )
    rows = plain(trials, tier)
    until = f"plain: old files for {fmt.number(float(rows['old_until_s'].max()), 's')}" if len(rows) else ""
    purged_s = of(trials, tier, PURGED)["purged_at_s"].dropna()
    purge = (Shade(float(purged_s.median()), float(purged_s.median()), "purge"),) if len(purged_s) else ()
    return View(f"deploy-{fmt.slug(tier)}", tier, until, plots, (*typical(spans), *purge))


def _lines(bins: pd.DataFrame, tier: str, shown: Sequence[str], value: str) -> tuple[Series, ...]:
    return tuple(
        series_of(of(bins, tier, variant), value, _LABELS[variant], _LOOKS[variant][0], dash=_LOOKS[variant][1])
        for variant in shown
    )


def _table(trials: pd.DataFrame) -> Table:
    rows = []
    for series in dict.fromkeys(trials["series"]):
        mine = trials[trials["series"] == series]
        share = clipped(estimate_of(mine, "mixed", "ratio"))
        purge_ms = mine["purge_ms"].dropna()
        rows.append(
            (
                str(series),
                f"{mine['mixed_after'].sum():,.0f} of {mine['views_after'].sum():,.0f}",
                spoken(share, "ratio") if share.value is not None else fmt.MISSING,
                fmt.number(float(mine["mixed_until_s"].max()), "s", with_unit=False),
                fmt.number(float(mine["old_until_s"].max()), "s", with_unit=False),
                fmt.number(float(mine["deploy_s"].mean()), "s", with_unit=False),
                fmt.number(float(purge_ms.mean()), "ms", with_unit=False) if len(purge_ms) else fmt.MISSING,
                f"{mine['errors'].sum():,.0f}",
            )
        )
    wrong = frozenset((at, 1) for at, row in enumerate(rows) if not row[1].startswith("0 of"))
    return Table(
        "Page views around a deployment",
        (
            "Cell", "Mixed, of all after", "Mixed in the TTL after", "Mixed until, s", "Old until, s",
            "Deployment, s", "Purge, ms", "Errors",
        ),
        tuple(rows),
        wrong,
    )  # fmt: skip
