"""Each class of content: how much of it each cache delivers from store, and how fast it comes."""

from __future__ import annotations

import pandas as pd

from edgebench.analysis.claims import Judged
from edgebench.analysis.claims.content_types import CLASSES
from edgebench.analysis.weighing import clipped, estimate_of, records
from edgebench.report import format as fmt
from edgebench.report.charts.claims.tradeoff import DIRECT, Row, known, row_panel, styles_of
from edgebench.report.palette import TierStyle
from edgebench.report.parts import Chart, Panel, Table


def draw(judged: Judged) -> list[Chart]:
    trials, found = judged.tables.get("trials"), judged.tables.get("found")
    if trials is None or found is None or found.empty:
        return []
    cached = trials[trials["tier"].isin(found["tier"])]
    kinds = {str(tier): str(tier) if tier in set(found["tier"]) else DIRECT for tier in trials["tier"].unique()}
    styles = styles_of(trials, kinds)
    classes = [kind for kind in CLASSES if kind in set(found["kind"])]
    count = int(found["trials"].max())
    return [
        Chart(
            "content-types",
            _title(found),
            "Share of the requests of each class answered from store. Tall stroke: what an ideal cache would have "
            f"answered of the same requests. Small dot = one trial, bar = 95 % interval from {count} trials.",
            tuple(_delivered(cached[cached["kind"] == kind], kind, styles) for kind in classes),
            _table(found),
        ),
        Chart(
            "content-latency",
            "Median latency of each class",
            "What users wait, half of them less. Tall stroke: without a cache. Small dot = one trial, bar = 95 % "
            f"interval from {count} trials.",
            tuple(_latency(cached, found, kind, styles) for kind in classes),
            None,
        ),
    ]


def _title(found: pd.DataFrame) -> str:
    lacking = [str(tier) for tier, rows in found.groupby("tier", sort=False) if not rows["delivered"].all()]
    caches = found["tier"].nunique()
    if not lacking:
        return f"Every class of content comes from store, with {'the cache' if caches == 1 else 'every cache'} measured"
    classes = found[~found["delivered"]]["kind"].nunique()
    return (
        f"{len(lacking)} of {caches} caches leave{'s' if len(lacking) == 1 else ''} "
        f"{classes} of {found['kind'].nunique()} classes of content to the origin"
    )


def _delivered(rows: pd.DataFrame, kind: str, styles: dict[str, TierStyle]) -> Panel:
    marks = []
    for tier, mine in rows.groupby("tier", sort=False):
        hit, ideal = estimate_of(mine, "hit_ratio", "ratio"), known(float(mine["ideal_ratio"].mean()))
        marks.append(
            Row(
                str(tier), hit.value, fmt.number(hit.value, "ratio"), styles[str(tier)], hit.low, hit.high,
                mine["hit_ratio"].tolist(), beside={} if ideal is None else {"ideal": ideal},
            )
        )  # fmt: skip
    slug, title = f"content-types-{fmt.slug(kind)}", CLASSES[kind][:1].upper() + CLASSES[kind][1:]
    return row_panel(slug, title, "mark: from store · stroke: ideal", "from store", "from store", marks, percent=True)


def _latency(trials: pd.DataFrame, found: pd.DataFrame, kind: str, styles: dict[str, TierStyle]) -> Panel:
    marks = []
    for tier, mine in trials[trials["kind"] == kind].groupby("tier", sort=False):
        value = clipped(estimate_of(mine, "p50_ms", "ms"), high=float("inf"))
        alone = known(float(found[(found["tier"] == tier) & (found["kind"] == kind)]["direct_ms"].iloc[0]))
        marks.append(
            Row(
                str(tier), value.value, fmt.number(value.value, "ms"), styles[str(tier)], value.low, value.high,
                mine["p50_ms"].tolist(), beside={} if alone is None else {"direct": alone},
            )
        )  # fmt: skip
    slug, title = f"content-latency-{fmt.slug(kind)}", CLASSES[kind][:1].upper() + CLASSES[kind][1:]
    return row_panel(slug, title, "mark: cached · stroke: direct", "ms, median", "p50", marks)


def _table(found: pd.DataFrame) -> Table:
    rows = tuple(
        (
            CLASSES[row.kind],
            str(row.tier),
            f"{row.requests:,}",
            fmt.number(row.hit_ratio, "ratio"),
            fmt.number(row.ideal_ratio, "ratio"),
            fmt.number(row.bytes_ratio, "ratio"),
            fmt.number(row.p50_ms, "ms"),
            fmt.number(known(row.direct_ms), "ms"),
        )
        for row in records(
            found.assign(place=found["kind"].map(list(CLASSES).index)).sort_values("place", kind="stable")
        )
    )
    heads = ("Class", "Cache", "Requests", "From store", "Ideal", "Bytes from store", "p50", "p50 direct")
    return Table("What each cache delivers from store, by class of content", heads, rows)
