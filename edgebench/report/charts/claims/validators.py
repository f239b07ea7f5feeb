"""What a refresh takes from the origin with ETags and without: bytes and time, and what asking clients receive."""

from __future__ import annotations

import pandas as pd

from edgebench.analysis.claims import Judged
from edgebench.analysis.claims.validators import NEVER, WITH, WITHOUT
from edgebench.analysis.weighing import estimate_of, records
from edgebench.report import format as fmt
from edgebench.report.charts.claims.tradeoff import Row, known, row_panel, styles_of
from edgebench.report.palette import TierStyle
from edgebench.report.parts import Chart, Panel, Table


def draw(judged: Judged) -> list[Chart]:
    trials, saved = judged.tables.get("trials"), judged.tables.get("saved")
    if trials is None or saved is None or saved.empty:
        return []
    kinds = {row.tier: "direct" if row.direct else row.tier for row in records(trials)}
    styles = styles_of(trials, kinds)
    cached = trials[~trials["direct"]]
    panels = [
        _panel(cached, styles, "bytes_per_refresh", "Bytes of a refresh", "kB from the origin, mean", 1e-3, "kB"),
        _panel(
            cached, styles, "ms_per_refresh", "The origin’s time for a refresh", "ms at the origin, median", 1.0, "ms"
        ),
    ]
    if trials["again_bytes"].notna().any():
        panels.append(
            _panel(trials, styles, "again_bytes", "Clients that ask by ETag", "kB an answer they receive", 1e-3, "kB")
        )
    return [
        Chart(
            "validators",
            _title(saved),
            "A refresh: the cache asks the origin again for what has expired. Mark: the app sends ETags; tall stroke: "
            "it sends none, under the same requests. Bytes of bodies. Small dot = one trial, bar = 95 % interval from "
            f"{saved['trials'].max()} trials.",
            tuple(panels),
            _table(saved),
        )
    ]


def _title(saved: pd.DataFrame) -> str:
    asking = saved[saved["asked"] >= NEVER]
    if asking.empty:
        return "No cache asked by ETag: what expires is fetched anew"
    least = records(asking.sort_values("saved_bytes").head(1))[0]
    return (
        f"Revalidation by ETag saves {fmt.number(least.saved_bytes, 'ratio')} of a refresh’s bytes and "
        f"{fmt.number(least.saved_ms, 'ratio')} of its time at the origin ({least.tier})"
    )


def _panel(
    trials: pd.DataFrame, styles: dict[str, TierStyle], name: str, title: str, label: str, scale: float, unit: str
) -> Panel:
    rows = []
    for tier, mine in trials.groupby("tier", sort=False):
        tagged, plain = (mine[mine["variant"] == variant] for variant in (WITH, WITHOUT))
        found = estimate_of(tagged.assign(**{name: tagged[name] * scale}), name, unit)
        there = known(float(plain[name].mean()) * scale) if len(plain) else None
        rows.append(
            Row(
                str(tier),
                found.value,
                f"{_short(found.value)} / {_short(there)}",
                styles[str(tier)],
                found.low,
                found.high,
                (tagged[name].dropna() * scale).tolist(),
                beside={} if there is None else {"without": there},
            )
        )
    slug = f"validators-{fmt.slug(name)}"
    return row_panel(slug, title, "mark: with ETag · stroke: without", label, f"with / without, {unit}", rows)


def _short(value: float | None) -> str:
    return fmt.MISSING if value is None or fmt.missing(value) else fmt.plain(value, fmt.decimals(value))


def _table(saved: pd.DataFrame) -> Table:
    def share(row: object, name: str) -> str:
        value, low, high = (getattr(row, f"{name}{end}") for end in ("", "_low", "_high"))
        limits = "" if fmt.missing(low) else f" ({100 * low:.1f} to {100 * high:.1f})"
        return f"{fmt.number(value, 'ratio')}{limits}".replace("-", "−")

    rows = tuple(
        (
            str(row.tier),
            fmt.number(row.asked, "ratio"),
            fmt.number(row.not_modified, "ratio"),
            f"{_short(row.bytes_per_refresh_etag / 1000)} / {_short(row.bytes_per_refresh_plain / 1000)}",
            share(row, "saved_bytes"),
            f"{_short(row.ms_per_refresh_etag)} / {_short(row.ms_per_refresh_plain)}",
            share(row, "saved_ms"),
        )
        for row in records(saved)
    )
    heads = ("Cache", "Asked by ETag", "Answered 304", "kB with / without", "Saved", "ms with / without", "Saved")
    return Table("A refresh with ETags and without", heads, rows)
